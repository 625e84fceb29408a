#include "model.h"

#include "threads.h"

#include <math.h>
#include <string.h>

struct model_layout model_layout(const struct model *model)
{
    struct model_layout at;
    const size_t inputs = model->context * model->embedding;
    at.embeddings = 0;
    at.hidden_weights = at.embeddings + model->vocabulary * model->embedding;
    at.hidden_bias = at.hidden_weights + inputs * model->hidden;
    at.logits_weights = at.hidden_bias + model->hidden;
    at.logits_bias = at.logits_weights + model->hidden * model->vocabulary;
    at.length = at.logits_bias + model->vocabulary;
    return at;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void fill(float *values, size_t length, float size, uint64_t *state)
{
    for (size_t i = 0; i < length; i++)
        values[i] = size * ((float)(random_next(state) >> 40) / 8388608.0f - 1.0f);
}

void model_init(const struct model *model, float *parameters, uint64_t seed)
{
    const struct model_layout at = model_layout(model);
    const size_t inputs = model->context * model->embedding;
    memset(parameters, 0, at.length * sizeof *parameters);
    fill(parameters + at.embeddings, model->vocabulary * model->embedding, 1.0f, &seed);
    fill(parameters + at.hidden_weights, inputs * model->hidden, 1.5f / sqrtf((float)inputs), &seed);
    fill(parameters + at.logits_weights, model->hidden * model->vocabulary, 0.1f / sqrtf((float)model->hidden), &seed);
}

static struct linear hidden_layer(const struct model *model, const float *parameters)
{
    const struct model_layout at = model_layout(model);
    const struct linear layer = { model->context * model->embedding, model->hidden, parameters + at.hidden_weights,
                                  parameters + at.hidden_bias };
    return layer;
}

struct linear model_logits_layer(const struct model *model, const float *parameters)
{
    const struct model_layout at = model_layout(model);
    const struct linear layer = { model->hidden, model->vocabulary, parameters + at.logits_weights,
                                  parameters + at.logits_bias };
    return layer;
}

/* The token `back` places before the one that follows row `row`; 0 before the sequence. */
static size_t token_before(const int32_t *ids, size_t tokens, size_t row, size_t back)
{
    return row % tokens >= back ? (size_t)ids[row - back] : 0;
}

void model_hidden(const struct model *model, const float *parameters, const int32_t *ids, size_t tokens,
                  struct row_list list, struct activations *rows)
{
    const size_t size = model->embedding, inputs = model->context * size;
    const struct linear layer = hidden_layer(model, parameters);
    for (size_t i = 0; i < list.count; i++) {
        const size_t row = list.rows[i];
        for (size_t back = 0; back < model->context; back++)
            memcpy(rows->inputs + row * inputs + back * size,
                   parameters + token_before(ids, tokens, row, back) * size, size * sizeof *parameters);
    }
    linear_forward(&layer, 0, model->hidden / PANEL, list, rows->inputs, rows->hidden, model->hidden);
    for (size_t i = 0; i < list.count; i++) {
        float *hidden = rows->hidden + list.rows[i] * model->hidden;
        for (size_t j = 0; j < model->hidden; j++)
            hidden[j] = hidden[j] / (1.0f + fabsf(hidden[j]));
    }
}

void model_logits(const struct model *model, const float *parameters, struct row_list list, struct activations *rows)
{
    const struct linear layer = model_logits_layer(model, parameters);
    linear_forward(&layer, 0, model->vocabulary / PANEL, list, rows->hidden, rows->logits, model->vocabulary);
}

void model_rows_grad(const struct model *model, const float *parameters, struct row_list list, struct activations *rows)
{
    const struct linear logits = model_logits_layer(model, parameters), hidden = hidden_layer(model, parameters);
    linear_inputs_grad(&logits, list, rows->logits, rows->hidden_grad);
    for (size_t i = 0; i < list.count; i++) {
        const float *h = rows->hidden + list.rows[i] * model->hidden;
        float *grad = rows->hidden_grad + list.rows[i] * model->hidden;
        /* dh/dz = 1 / (1 + |z|)^2 = (1 - |h|)^2 */
        for (size_t j = 0; j < model->hidden; j++)
            grad[j] *= (1.0f - fabsf(h[j])) * (1.0f - fabsf(h[j]));
    }
    linear_inputs_grad(&hidden, list, rows->hidden_grad, rows->inputs_grad);
}

void model_parameters_grad(const struct model *model, const float *parameters, const int32_t *ids, size_t tokens,
                           struct row_list list, const struct activations *rows, size_t part, size_t parts, float *grad)
{
    const struct model_layout at = model_layout(model);
    const struct linear logits = model_logits_layer(model, parameters), hidden = hidden_layer(model, parameters);
    const size_t size = model->embedding, inputs = model->context * size;
    size_t panels = model->vocabulary / PANEL;
    linear_weights_grad(&logits, part_begin(panels, part, parts), part_begin(panels, part + 1, parts), list,
                        rows->hidden, rows->logits, grad + at.logits_weights, grad + at.logits_bias);
    panels = model->hidden / PANEL;
    linear_weights_grad(&hidden, part_begin(panels, part, parts), part_begin(panels, part + 1, parts), list,
                        rows->inputs, rows->hidden_grad, grad + at.hidden_weights, grad + at.hidden_bias);
    for (size_t i = 0; i < list.count; i++) {
        for (size_t back = 0; back < model->context; back++) {
            const size_t id = token_before(ids, tokens, list.rows[i], back);
            if (id % parts != part)
                continue;
            const float *from = rows->inputs_grad + list.rows[i] * inputs + back * size;
            for (size_t k = 0; k < size; k++)
                grad[id * size + k] += from[k];
        }
    }
}
