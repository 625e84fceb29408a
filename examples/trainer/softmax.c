#include "softmax.h"

#include <math.h>
#include <string.h>

static const preflane_run RUN = { PREFLANE_LEVEL_BEST, 1 };

/* The target of a row, with labels as Hugging Face has them; -1: none. */
static int target_of(const struct softmax *softmax, size_t row, size_t *target, struct failure *failure)
{
    const preflane_targets *targets = &softmax->targets;
    const int32_t *labels = targets->labels;
    const size_t tokens = targets->shifted_tokens;
    *target = (size_t)-1;
    if (row % tokens == tokens - 1 || labels[row + 1] == targets->ignore_index)
        return DONE;
    if (labels[row + 1] < 0 || (size_t)labels[row + 1] >= softmax->columns)
        return fail(failure, BAD_INPUT, "softmax: row %zu: label %ld must be less than %zu", row, (long)labels[row + 1],
                    softmax->columns);
    *target = (size_t)labels[row + 1];
    return DONE;
}

/* The logits become probabilities. */
static int handwritten_logps(const struct softmax *softmax, preflane_rows rows, struct failure *failure)
{
    for (size_t row = rows.first; row < rows.first + rows.count; row++) {
        float *x = softmax->logits + row * softmax->columns;
        float max = -INFINITY, sum = 0.0f;
        size_t target;
        softmax->token_logps[row] = 0.0f;
        if (target_of(softmax, row, &target, failure))
            return failure->status;
        if (target == (size_t)-1)
            continue;
        for (size_t i = 0; i < softmax->columns; i++)
            max = x[i] > max ? x[i] : max;
        for (size_t i = 0; i < softmax->columns; i++) {
            x[i] = expf(x[i] - max);
            sum += x[i];
        }
        for (size_t i = 0; i < softmax->columns; i++)
            x[i] /= sum;
        softmax->token_logps[row] = logf(x[target]);
    }
    return DONE;
}

static int handwritten_grads(const struct softmax *softmax, preflane_rows rows, struct failure *failure)
{
    for (size_t row = rows.first; row < rows.first + rows.count; row++) {
        float *p = softmax->logits + row * softmax->columns;
        /* The loss's derivative by the cross entropy, which is -logp. */
        const float seed = -softmax->token_grads[row];
        size_t target;
        if (target_of(softmax, row, &target, failure))
            return failure->status;
        if (target == (size_t)-1) {
            memset(p, 0, softmax->columns * sizeof *p);
            continue;
        }
        for (size_t i = 0; i < softmax->columns; i++)
            p[i] = (p[i] - (i == target ? 1.0f : 0.0f)) * seed;
    }
    return DONE;
}

int softmax_logps(const struct softmax *softmax, preflane_rows rows, struct failure *failure)
{
    const preflane_logits logits = { softmax->logits, softmax->targets.length, softmax->columns, softmax->columns,
                                     PREFLANE_F32, 0 };
    preflane_token_outputs outputs = { 0 };
    preflane_error error;
    if (softmax->handwritten)
        return handwritten_logps(softmax, rows, failure);
    outputs.logps = softmax->token_logps;
    outputs.log_sum_exps = softmax->log_sum_exps;
    if (preflane_token_logps(RUN, &logits, &softmax->targets, NULL, rows, &outputs, NULL, &error))
        return fail_preflane(failure, "forward", "preflane_token_logps", &error);
    return DONE;
}

int softmax_grads(const struct softmax *softmax, preflane_rows rows, struct failure *failure)
{
    const preflane_logits_mut logits = { softmax->logits, softmax->targets.length, softmax->columns, softmax->columns,
                                         PREFLANE_F32, 0 };
    const preflane_gradient overwrite = { 0, 0 };
    preflane_error error;
    if (softmax->handwritten)
        return handwritten_grads(softmax, rows, failure);
    if (preflane_logits_grad_in_place(RUN, &logits, &softmax->targets, NULL, rows, softmax->log_sum_exps,
                                      softmax->token_grads, overwrite, &error))
        return fail_preflane(failure, "backward", "preflane_logits_grad_in_place", &error);
    return DONE;
}
