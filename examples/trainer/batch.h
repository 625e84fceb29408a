/*
 * Answers of some pairs as rows: first all chosen answers, then (if asked for) all rejected ones, each with its prompt
 * before it and filled up to the longest. Labels are as Hugging Face has them, with prompts and filling masked. Rows
 * without a target are not computed at all.
 */
#ifndef TRAINER_BATCH_H
#define TRAINER_BATCH_H

#include "data.h"
#include "model.h"
#include "softmax.h"
#include "threads.h"

enum answers { CHOSEN_ONLY = 1, CHOSEN_AND_REJECTED = 2 };

struct batch {
    const struct model *model;
    struct pool *pool;
    size_t room; /* rows */

    size_t pairs, tokens, rows;
    int32_t *ids, *labels;
    uint32_t *active; /* rows with a target, in order */
    size_t actives;
    struct activations activations;
    struct softmax softmax;

    /* Per thread. */
    struct failure failures[MAX_THREADS];
    double loss_seconds[MAX_THREADS];
};

int batch_new(struct batch *batch, const struct model *model, struct pool *pool, size_t room, int handwritten,
              struct failure *failure);
void batch_free(struct batch *batch);

/* Rows that the longest of these pairs may take. */
size_t batch_rows(const struct dataset *data, size_t pairs);

/* `pairs` places in the data set; with none there are no rows. */
void batch_fill(struct batch *batch, const struct dataset *data, const size_t *places, size_t pairs, enum answers answers);

/* The answers as preflane_sequence_logps takes them. */
preflane_sequences batch_sequences(const struct batch *batch);

/* The tokens' log-probabilities. */
int batch_forward(struct batch *batch, const float *parameters, struct failure *failure);

/* From batch->softmax.token_grads to the parameters' gradient, which is overwritten. */
int batch_backward(struct batch *batch, const float *parameters, float *grad, struct failure *failure);

/* CPU seconds in loss and softmax so far. */
double batch_loss_seconds(const struct batch *batch);

#endif
