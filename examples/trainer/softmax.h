/* Log-probabilities of targets and the logits' gradient: by preflane, or written by hand to compare the time. */
#ifndef TRAINER_SOFTMAX_H
#define TRAINER_SOFTMAX_H

#include "failure.h"

struct softmax {
    int handwritten;
    float *logits; /* [targets.length][columns] */
    size_t columns;
    preflane_targets targets; /* int32_t labels, shifted */
    float *token_logps;
    preflane_log_sum_exp *log_sum_exps;
    float *token_grads; /* the derivatives by token_logps, for softmax_grads */
};

int softmax_logps(const struct softmax *softmax, preflane_rows rows, struct failure *failure);

/* In the place of the logits; rows without a target become 0. */
int softmax_grads(const struct softmax *softmax, preflane_rows rows, struct failure *failure);

#endif
