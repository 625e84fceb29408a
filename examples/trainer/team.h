/* Threads that stay: the host's own, as preflane expects of a trainer. */
#ifndef TEAM_H
#define TEAM_H

#include <stddef.h>

typedef struct team team;

/* Work on the items [first, first + count). */
typedef void (*work)(void *context, size_t first, size_t count);

/* NULL if the threads cannot be started. */
team *team_start(unsigned threads);
/* Cuts `items` into one range a thread and waits for all of them. */
void team_run(team *t, work job, void *context, size_t items);
void team_stop(team *t);

#endif
