/* Cross entropy on the chosen answers. */
#include "training.h"

#include <stdio.h>

static int shard_step(struct training *training, const size_t *places, size_t pairs, size_t tokens, float *grad,
                      preflane_sum *sum, struct failure *failure)
{
    struct batch *batch = &training->batch;
    preflane_error error;
    batch_fill(batch, &training->data, places, pairs, CHOSEN_ONLY);
    if (batch_forward(batch, training->parameters, failure))
        return failure->status;
    if (preflane_sum_add(sum, batch->softmax.token_logps, batch->rows, &error))
        return fail_preflane(failure, "supervised", "preflane_sum_add", &error);
    /* The loss is the mean of -logp over the tokens of all shards. Masked rows are not looked at. */
    for (size_t row = 0; row < batch->rows; row++)
        batch->softmax.token_grads[row] = -1.0f / (float)tokens;
    return batch_backward(batch, training->parameters, grad, failure);
}

static int step(struct training *training, const size_t *places, size_t pairs, struct failure *failure)
{
    preflane_sum sums[SHARDS] = { { { 0 } } };
    preflane_error error;
    size_t tokens = 0;
    float mean;
    for (size_t i = 0; i < pairs; i++)
        tokens += training->data.pairs[places[i]].chosen.length;
    for (size_t shard = ranks_first_shard(training->ranks); shard < ranks_end_shard(training->ranks); shard++) {
        const size_t begin = part_begin(pairs, shard, SHARDS), end = part_begin(pairs, shard + 1, SHARDS);
        float *grad = training->grads + shard * training->length;
        if (shard_step(training, places + begin, end - begin, tokens, grad, &sums[shard], failure))
            break;
    }
    if (training->ranks->agree(training->ranks, failure))
        return failure->status;
    training->ranks->gather(training->ranks, sums, sizeof sums[0]);
    training->ranks->gather(training->ranks, training->grads, training->length * sizeof *training->grads);
    optimise(training, (float)training->options->supervised_rate);
    for (size_t shard = 1; shard < SHARDS; shard++)
        if (preflane_sum_merge(&sums[0], &sums[shard], &error))
            return fail_preflane(failure, "supervised", "preflane_sum_merge", &error);
    if (preflane_sum_value(&sums[0], tokens, NULL, &mean, &error))
        return fail_preflane(failure, "supervised", "preflane_sum_value", &error);
    training->digest = digest_add(training->digest, &sums[0], sizeof sums[0]);
    if (training_prints(training) && training->steps % training->options->print_every == 0) {
        printf("supervised step %zu: loss %.4f\n", training->steps, -mean);
        fflush(stdout);
    }
    return DONE;
}

int train_supervised(struct training *training, struct failure *failure)
{
    return train_epochs(training, training->options->supervised_epochs, 1, step, failure);
}
