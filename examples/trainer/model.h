/*
 * The language model: the embeddings of the last `context` tokens side by side, a hidden layer with h = z / (1 + |z|),
 * and a layer that gives the logits. No function of the C library takes part, so that its bits are the same everywhere.
 */
#ifndef TRAINER_MODEL_H
#define TRAINER_MODEL_H

#include "linear.h"

struct model {
    size_t vocabulary, context, embedding, hidden;
};

/* Where each kind of parameter begins in the one array of all; `length` is their number. */
struct model_layout {
    size_t embeddings, hidden_weights, hidden_bias, logits_weights, logits_bias, length;
};

/* What the model keeps of each row of a batch. */
struct activations {
    float *inputs;      /* [rows][context * embedding] */
    float *hidden;      /* [rows][hidden] */
    float *logits;      /* [rows][vocabulary]; then their gradient */
    float *hidden_grad; /* [rows][hidden] */
    float *inputs_grad; /* [rows][context * embedding] */
};

struct model_layout model_layout(const struct model *model);
void model_init(const struct model *model, float *parameters, uint64_t seed);
struct linear model_logits_layer(const struct model *model, const float *parameters);

/* The hidden layer of the rows. Sequences have `tokens` rows; before a sequence stands token 0, which ends a text. */
void model_hidden(const struct model *model, const float *parameters, const int32_t *ids, size_t tokens,
                  struct row_list list, struct activations *rows);
void model_logits(const struct model *model, const float *parameters, struct row_list list, struct activations *rows);

/* From the logits' gradient to that of the inputs, row by row. */
void model_rows_grad(const struct model *model, const float *parameters, struct row_list list, struct activations *rows);

/* Adds up part `part` of `parts` of the parameters' gradient: each number by one part alone, row after row. */
void model_parameters_grad(const struct model *model, const float *parameters, const int32_t *ids, size_t tokens,
                           struct row_list list, const struct activations *rows, size_t part, size_t parts, float *grad);

/* The next number of a sequence, and one from -1 to 1 (splitmix64). */
uint64_t random_next(uint64_t *state);

#endif
