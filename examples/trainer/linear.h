/*
 * A linear layer, out = in * weights + bias, and its gradients.
 *
 * Weights are kept in panels of PANEL outputs: [outputs / PANEL][inputs][PANEL]. Each number is a sum in one fixed order
 * of plain IEEE operations, whatever rows or panels a call is given: so that its bits do not depend on the threads.
 */
#ifndef TRAINER_LINEAR_H
#define TRAINER_LINEAR_H

#include <stddef.h>
#include <stdint.h>

enum { PANEL = 8 };

struct linear {
    size_t inputs;  /* even */
    size_t outputs; /* a multiple of PANEL */
    const float *weights;
    const float *bias;
};

/* Rows of a matrix: row rows[i] for each i < count. */
struct row_list {
    const uint32_t *rows;
    size_t count;
};

/*
 * Outputs first_panel * PANEL and on, for the rows of the list. Row r begins at in + r * inputs and is written to
 * out + r * stride, which holds the outputs of first_panel first.
 */
void linear_forward(const struct linear *layer, size_t first_panel, size_t end_panel, struct row_list list,
                    const float *in, float *out, size_t stride);

/* Adds the gradients of the weights and biases of these panels. */
void linear_weights_grad(const struct linear *layer, size_t first_panel, size_t end_panel, struct row_list list,
                         const float *in, const float *out_grad, float *weights_grad, float *bias_grad);

/* The gradient of the inputs of these rows. */
void linear_inputs_grad(const struct linear *layer, struct row_list list, const float *out_grad, float *in_grad);

#endif
