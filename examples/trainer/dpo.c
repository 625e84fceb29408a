/* DPO on the pairs, with the log-probabilities of the frozen reference. */
#include "training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const preflane_run RUN = { PREFLANE_LEVEL_BEST, 1 };

/* Logps of answers and what the loss makes of them, one a pair each. */
struct pair_values {
    float *chosen, *rejected, *ref_chosen, *ref_rejected, *grad_chosen, *grad_rejected;
};

static int pair_values_new(struct pair_values *values, size_t pairs, struct failure *failure)
{
    /* One array, so that there is one thing to free: values->chosen. */
    float *all = calloc(6 * pairs + 1, sizeof *all);
    if (!all)
        return fail_memory(failure);
    values->chosen = all;
    values->rejected = all + pairs;
    values->ref_chosen = all + 2 * pairs;
    values->ref_rejected = all + 3 * pairs;
    values->grad_chosen = all + 4 * pairs;
    values->grad_rejected = all + 5 * pairs;
    return DONE;
}

/* The loss of pairs whose logps are in `values`; the reference's are looked up. */
static int evaluate(const struct training *training, struct pair_values *values, const size_t *places, size_t pairs,
                    preflane_metrics *metrics, struct failure *failure)
{
    const preflane_loss loss = preflane_dpo(training->options->beta);
    preflane_pairs given = { 0 };
    preflane_pair_outputs outputs = { 0 };
    preflane_error error;
    for (size_t i = 0; i < pairs; i++) {
        values->ref_chosen[i] = training->ref_chosen_logps[places[i]];
        values->ref_rejected[i] = training->ref_rejected_logps[places[i]];
    }
    given.length = pairs;
    given.policy_chosen_logps = values->chosen;
    given.policy_rejected_logps = values->rejected;
    given.ref_chosen_logps = values->ref_chosen;
    given.ref_rejected_logps = values->ref_rejected;
    outputs.grad_chosen_logps = values->grad_chosen;
    outputs.grad_rejected_logps = values->grad_rejected;
    if (preflane_evaluate(RUN, &loss, &given, &outputs, metrics, &error))
        return fail_preflane(failure, "DPO", "preflane_evaluate", &error);
    return DONE;
}

static int shard_step(struct training *training, const size_t *places, size_t pairs, double scale,
                      struct pair_values *values, float *grad, preflane_metrics *metrics, struct failure *failure)
{
    struct batch *batch = &training->batch;
    preflane_error error;
    batch_fill(batch, &training->data, places, pairs, CHOSEN_AND_REJECTED);
    /* --fail-on-rank: as if the data had held a label beyond the vocabulary. */
    if (training->options->fail_on_rank == (int)training->ranks->rank && training->steps == 2 && pairs)
        batch->labels[batch->active[batch->actives / 2] + 1] = VOCABULARY;
    if (batch_forward(batch, training->parameters, failure))
        return failure->status;
    const double begin = thread_seconds();
    const preflane_sequences sequences = batch_sequences(batch);
    if (preflane_sequence_logps(&sequences, batch->softmax.token_logps, values->chosen, values->rejected, &error))
        return fail_preflane(failure, "DPO", "preflane_sequence_logps", &error);
    if (evaluate(training, values, places, pairs, metrics, failure))
        return failure->status;
    if (preflane_token_grads(&sequences, values->grad_chosen, values->grad_rejected, scale, batch->softmax.token_grads,
                             &error))
        return fail_preflane(failure, "DPO", "preflane_token_grads", &error);
    batch->loss_seconds[0] += thread_seconds() - begin;
    return batch_backward(batch, training->parameters, grad, failure);
}

/* Gathers the shards' metrics and merges them into the first. */
static int merge(struct training *training, preflane_metrics metrics[SHARDS], struct failure *failure)
{
    preflane_error error;
    training->ranks->gather(training->ranks, metrics, sizeof metrics[0]);
    for (size_t shard = 1; shard < SHARDS; shard++)
        if (preflane_metrics_merge(&metrics[0], &metrics[shard], &error))
            return fail_preflane(failure, "DPO", "preflane_metrics_merge", &error);
    training->digest = digest_add(training->digest, &metrics[0], sizeof metrics[0]);
    return DONE;
}

/* Under TRL's names. */
static int print(const struct training *training, const char *title, const preflane_metrics *metrics,
                 struct failure *failure)
{
    preflane_report report;
    preflane_error error;
    if (preflane_metrics_report(metrics, &report, &error))
        return fail_preflane(failure, title, "preflane_metrics_report", &error);
    if (!training_prints(training))
        return DONE;
    printf("%s: loss %.4f rewards/chosen %.4f rewards/rejected %.4f rewards/accuracies %.3f rewards/margins %.4f "
           "logps/chosen %.2f logps/rejected %.2f chosen_fell %.3f rejected_fell %.3f both_fell %.3f pairs %llu ties %llu\n",
           title, report.loss, report.rewards_chosen, report.rewards_rejected, report.rewards_accuracies,
           report.rewards_margins, report.logps_chosen, report.logps_rejected, report.chosen_fell, report.rejected_fell,
           report.both_fell, (unsigned long long)report.pairs, (unsigned long long)report.ties);
    fflush(stdout);
    return DONE;
}

static int step(struct training *training, const size_t *places, size_t pairs, struct failure *failure)
{
    preflane_metrics metrics[SHARDS];
    struct pair_values values = { 0 };
    char title[64];
    memset(metrics, 0, sizeof metrics);
    pair_values_new(&values, training->shard_pairs, failure);
    for (size_t shard = ranks_first_shard(training->ranks); shard < ranks_end_shard(training->ranks); shard++) {
        const size_t begin = part_begin(pairs, shard, SHARDS), end = part_begin(pairs, shard + 1, SHARDS);
        float *grad = training->grads + shard * training->length;
        if (failure->status || shard_step(training, places + begin, end - begin, 1.0 / (double)pairs, &values, grad,
                                          &metrics[shard], failure))
            break;
    }
    free(values.chosen);
    if (training->options->die_on_rank == (int)training->ranks->rank && training->steps == 2)
        abort();
    if (training->ranks->agree(training->ranks, failure))
        return failure->status;
    training->ranks->gather(training->ranks, training->grads, training->length * sizeof *training->grads);
    optimise(training, (float)training->options->dpo_rate);
    if (merge(training, metrics, failure) || training->steps % training->options->print_every)
        return failure->status;
    snprintf(title, sizeof title, "dpo step %zu", training->steps);
    return print(training, title, &metrics[0], failure);
}

/* Losses, margins and accuracy of the held-out pairs. Each shard's metrics are those of its pairs. */
static int held_out(struct training *training, const char *title, struct failure *failure)
{
    const size_t pairs = training->data.test_length, *places = training->data.test;
    preflane_metrics metrics[SHARDS];
    struct pair_values values = { 0 };
    memset(metrics, 0, sizeof metrics);
    if (!pair_values_new(&values, pairs, failure) &&
        !score(training, training->parameters, places, pairs, values.chosen, values.rejected, failure)) {
        for (size_t shard = ranks_first_shard(training->ranks); shard < ranks_end_shard(training->ranks); shard++) {
            const size_t begin = part_begin(pairs, shard, SHARDS), count = part_begin(pairs, shard + 1, SHARDS) - begin;
            struct pair_values some = values;
            some.chosen += begin;
            some.rejected += begin;
            if (evaluate(training, &some, places + begin, count, &metrics[shard], failure))
                break;
        }
    }
    free(values.chosen);
    if (training->ranks->agree(training->ranks, failure) || merge(training, metrics, failure))
        return failure->status;
    return print(training, title, &metrics[0], failure);
}

/* Freezes the reference and computes its log-probabilities of all pairs, once. */
static int make_reference(struct training *training, struct failure *failure)
{
    const size_t pairs = training->data.length;
    size_t *places = malloc(pairs * sizeof *places);
    memcpy(training->reference, training->parameters, training->length * sizeof *training->reference);
    if (!places)
        fail_memory(failure);
    for (size_t i = 0; places && i < pairs; i++)
        places[i] = i;
    if (training->ranks->agree(training->ranks, failure) == DONE)
        score(training, training->reference, places, pairs, training->ref_chosen_logps, training->ref_rejected_logps,
              failure);
    free(places);
    return failure->status;
}

int train_dpo(struct training *training, struct failure *failure)
{
    if (make_reference(training, failure) || held_out(training, "held-out before DPO", failure) ||
        train_epochs(training, training->options->dpo_epochs, 2, step, failure))
        return failure->status;
    return held_out(training, "held-out after DPO", failure);
}
