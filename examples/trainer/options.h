#ifndef TRAINER_OPTIONS_H
#define TRAINER_OPTIONS_H

#include "failure.h"
#include "model.h"

struct options {
    const char *data;
    struct model model;
    uint64_t seed;
    size_t threads;
    size_t batch; /* pairs a step */
    size_t answer_tokens;
    size_t supervised_epochs, dpo_epochs;
    size_t steps; /* at most, in each phase */
    size_t print_every;
    double beta;
    double supervised_rate, dpo_rate;
    int handwritten;
    /* Of the program for several ranks. */
    int vocabulary_parallel;
    int fail_on_rank, die_on_rank; /* -1: none */
};

/* `help` becomes 1 where --help is among the words. */
int options_read(struct options *options, int count, char **words, int several_ranks, int *help, struct failure *failure);

void options_help(const char *program, int several_ranks);

#endif
