/* A small language model: embeddings of the last tokens, one hidden layer, logits over the vocabulary.
 *
 * Every sum is taken in an order that the code fixes, and every number belongs to one thread, so that the bits do not depend
 * on how many there are. */
#ifndef MODEL_H
#define MODEL_H

#include "data.h"
#include "team.h"

enum { CONTEXT = 8, WIDTH = 32, INPUT = CONTEXT * WIDTH, HIDDEN = 128 };

/* All parameters, or their gradient, or a moment of Adam: one block of floats. */
typedef struct {
  float embedding[VOCABULARY][WIDTH];
  float hidden[INPUT][HIDDEN];
  float output[HIDDEN][VOCABULARY];
} parameters;

/* Rows of activations: one for each token that is predicted. */
typedef struct {
  size_t rows;
  int32_t (*context)[CONTEXT]; /* Earlier tokens, the latest last. */
  const int32_t *labels;       /* Negative: not predicted, and not computed. */
  float (*input)[INPUT];
  float (*hidden)[HIDDEN];
  float (*hidden_grad)[HIDDEN];
  float (*input_grad)[INPUT];
  float (*logits)[VOCABULARY]; /* Replaced by their gradient. */
} activations;

void initialise(parameters *p, uint64_t seed);
/* The logits of the columns [first, first + count) of all rows; the rest of each row is left alone. */
void forward(const parameters *p, activations *a, size_t first, size_t count, team *t);
/* The parameters' gradient, overwritten, from that of the logits. */
void backward(const parameters *p, activations *a, parameters *grad, team *t);

typedef struct {
  parameters first, second;
  float first_power, second_power;
} adam;

void adam_start(adam *state);
void adam_step(parameters *p, const parameters *grad, adam *state, float rate, team *t);
/* `into` = `into` + `more`, element by element. */
void add_gradient(parameters *into, const parameters *more, team *t);

#endif
