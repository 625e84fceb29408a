#include "vocabulary.h"

#include <inttypes.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const preflane_run RUN = { PREFLANE_LEVEL_BEST, 1 };

/* What a rank has of a batch. */
struct part {
    size_t first, columns;    /* of the vocabulary */
    float *logits;            /* [rows][columns] */
    preflane_row_sum *states; /* [ranks][rows with a target] */
};

static int add_rows(struct training *training, struct part *part, struct failure *failure)
{
    struct batch *batch = &training->batch;
    const struct row_list all = { batch->active, batch->actives };
    const struct linear layer = model_logits_layer(batch->model, training->parameters);
    preflane_row_sum *states = part->states + training->ranks->rank * batch->actives;
    preflane_error error;
    model_hidden(batch->model, training->parameters, batch->ids, batch->tokens, all, &batch->activations);
    linear_forward(&layer, part->first / PANEL, (part->first + part->columns) / PANEL, all, batch->activations.hidden,
                   part->logits, part->columns);
    for (size_t i = 0; i < batch->actives; i++) {
        const float *columns = part->logits + batch->active[i] * part->columns;
        const int64_t target = batch->labels[batch->active[i] + 1] - (int64_t)part->first;
        const int here = target >= 0 && target < (int64_t)part->columns;
        if (preflane_row_sum_init(&states[i], NULL, &error))
            return fail_preflane(failure, "vocabulary-parallel", "preflane_row_sum_init", &error);
        if (preflane_row_sum_add(RUN, &states[i], columns, PREFLANE_F32, part->columns, here ? target : -1, &error))
            return fail_preflane(failure, "vocabulary-parallel", "preflane_row_sum_add", &error);
    }
    return DONE;
}

/* Merges the ranks' states of a row, from rank `from` on in a circle, and compares with the whole row. */
static int compare_row(struct training *training, const struct part *part, size_t i, size_t from,
                       struct failure *failure)
{
    const struct batch *batch = &training->batch;
    const size_t ranks = training->ranks->count, row = batch->active[i];
    preflane_row_sum sum = part->states[from * batch->actives + i];
    preflane_log_sum_exp log_sum_exp;
    preflane_error error;
    float logp;
    for (size_t n = 1; n < ranks; n++)
        if (preflane_row_sum_merge(&sum, &part->states[(from + n) % ranks * batch->actives + i], &error))
            return fail_preflane(failure, "vocabulary-parallel", "preflane_row_sum_merge", &error);
    if (preflane_row_sum_value(&sum, &log_sum_exp, &logp, &error))
        return fail_preflane(failure, "vocabulary-parallel", "preflane_row_sum_value", &error);
    if (memcmp(&logp, &batch->softmax.token_logps[row], sizeof logp) ||
        memcmp(&log_sum_exp, &batch->softmax.log_sum_exps[row], sizeof log_sum_exp))
        return fail(failure, FAILED, "vocabulary-parallel: row %zu: logp %.9g from %zu parts, but %.9g from the whole row",
                    row, logp, ranks, batch->softmax.token_logps[row]);
    return DONE;
}

static int compare_batch(struct training *training, struct part *part, struct failure *failure)
{
    struct batch *batch = &training->batch;
    add_rows(training, part, failure);
    if (training->ranks->agree(training->ranks, failure))
        return failure->status;
    MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, part->states, (int)(batch->actives * sizeof *part->states), MPI_BYTE,
                  MPI_COMM_WORLD);
    /* The whole rows, only to compare. Each rank merges in another order. */
    batch_forward(batch, training->parameters, failure);
    for (size_t i = 0; i < batch->actives && !failure->status; i++)
        compare_row(training, part, i, training->ranks->rank, failure);
    training->digest = digest_add(training->digest, batch->softmax.token_logps, batch->rows * sizeof(float));
    return training->ranks->agree(training->ranks, failure);
}

int vocabulary_parallel(struct training *training, struct failure *failure)
{
    const struct ranks *ranks = training->ranks;
    const size_t panels = training->options->model.vocabulary / PANEL, room = training->batch.room;
    const size_t pairs = training->data.test_length;
    size_t tokens = 0;
    struct part part;
    if (training->options->handwritten)
        return fail(failure, BAD_INPUT, "--vocabulary-parallel is done by preflane, not by a handwritten softmax");
    if (train_supervised(training, failure))
        return failure->status;
    part.first = part_begin(panels, ranks->rank, ranks->count) * PANEL;
    part.columns = part_begin(panels, ranks->rank + 1, ranks->count) * PANEL - part.first;
    part.logits = malloc(room * part.columns * sizeof *part.logits);
    part.states = malloc(room * ranks->count * sizeof *part.states);
    if (!part.logits || !part.states)
        fail_memory(failure);
    if (training->ranks->agree(training->ranks, failure) == DONE) {
        for (size_t first = 0; first < pairs; first += training->shard_pairs) {
            const size_t count = pairs - first < training->shard_pairs ? pairs - first : training->shard_pairs;
            batch_fill(&training->batch, &training->data, training->data.test + first, count, CHOSEN_AND_REJECTED);
            if (compare_batch(training, &part, failure))
                break;
            tokens += training->batch.actives;
        }
    }
    free(part.logits);
    free(part.states);
    if (failure->status == DONE && training_prints(training))
        printf("vocabulary-parallel: %zu held-out tokens, %zu of %zu columns a rank: the bits of whole rows\n"
               "digest %016" PRIx64 "\n",
               tokens, part.columns, training->options->model.vocabulary, training->digest);
    return failure->status;
}
