/* What went wrong: plain bytes, so that a rank can send it to the others. */
#ifndef TRAINER_FAILURE_H
#define TRAINER_FAILURE_H

#include <preflane.h>

/* Exit statuses. */
enum { DONE = 0, FAILED = 1, BAD_INPUT = 2 };

struct failure {
    int status; /* DONE as long as nothing went wrong */
    int rank;   /* the rank that failed, once all have agreed on it */
    char text[504];
    preflane_error error; /* of the library's call; code 0 if it was none */
};

#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
int fail(struct failure *failure, int status, const char *format, ...);

int fail_memory(struct failure *failure);

/* For a call of the library that returned a code other than 0. `place` says what it was about. */
int fail_preflane(struct failure *failure, const char *place, const char *function, const preflane_error *error);

#endif
