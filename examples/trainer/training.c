#include "training.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int training_prints(const struct training *training)
{
    return training->ranks->rank == 0;
}

/* The floating-point environment belongs to a thread. */
static void environment_job(void *context, size_t thread, size_t threads)
{
    struct failure *failures = context;
    preflane_error error;
    (void)threads;
    if (preflane_check_environment(&error))
        fail_preflane(&failures[thread], "environment", "preflane_check_environment", &error);
}

static int check_library(struct training *training, struct failure *failure)
{
    if (preflane_abi_version() != PREFLANE_ABI_VERSION)
        return fail(failure, FAILED, "libpreflane %s has interface %lu, but this program was compiled with %lu",
                    preflane_version(), (unsigned long)preflane_abi_version(), (unsigned long)PREFLANE_ABI_VERSION);
    struct failure *failures = training->batch.failures;
    memset(failures, 0, sizeof training->batch.failures);
    pool_run(training->pool, environment_job, failures);
    for (size_t thread = 0; thread < MAX_THREADS && !failure->status; thread++)
        *failure = failures[thread];
    return failure->status;
}

static int set_up(struct training *training, struct failure *failure)
{
    const struct options *options = training->options;
    training->pool = pool_new(options->threads, failure);
    if (!training->pool || check_library(training, failure) ||
        dataset_read(&training->data, options->data, options->answer_tokens, failure))
        return failure->status;
    const size_t length = model_layout(&options->model).length, pairs = training->data.length;
    training->length = length;
    training->shard_pairs = (options->batch + SHARDS - 1) / SHARDS;
    if (batch_new(&training->batch, &options->model, training->pool, batch_rows(&training->data, training->shard_pairs),
                  options->handwritten, failure))
        return failure->status;
    training->parameters = malloc(length * sizeof *training->parameters);
    training->reference = malloc(length * sizeof *training->reference);
    training->grads = malloc(SHARDS * length * sizeof *training->grads);
    training->mean = malloc(length * sizeof *training->mean);
    training->square = malloc(length * sizeof *training->square);
    training->ref_chosen_logps = calloc(pairs, sizeof *training->ref_chosen_logps);
    training->ref_rejected_logps = calloc(pairs, sizeof *training->ref_rejected_logps);
    training->order = malloc(training->data.train_length * sizeof *training->order);
    if (!training->parameters || !training->reference || !training->grads || !training->mean || !training->square ||
        !training->ref_chosen_logps || !training->ref_rejected_logps || !training->order)
        return fail_memory(failure);
    model_init(&options->model, training->parameters, options->seed);
    training->digest = DIGEST_BEGIN;
    return DONE;
}

/* Ranks that read other pairs or options would go on with results that mean nothing. */
static int check_same(struct training *training, struct failure *failure)
{
    const struct options *options = training->options;
    char text[512];
    uint64_t digests[SHARDS];
    snprintf(text, sizeof text, "%zu %zu %zu %" PRIu64 " %zu %zu %zu %zu %zu %.17g %.17g %.17g %d %d",
             options->model.context, options->model.embedding, options->model.hidden, options->seed, options->batch,
             options->answer_tokens, options->supervised_epochs, options->dpo_epochs, options->steps, options->beta,
             options->supervised_rate, options->dpo_rate, options->handwritten, options->vocabulary_parallel);
    for (size_t shard = ranks_first_shard(training->ranks); shard < ranks_end_shard(training->ranks); shard++)
        digests[shard] = digest_add(training->data.digest, text, strlen(text));
    training->ranks->gather(training->ranks, digests, sizeof digests[0]);
    for (size_t shard = 1; shard < SHARDS; shard++)
        if (digests[shard] != digests[0])
            return fail(failure, BAD_INPUT, "rank %zu has other pairs or options than rank 0; all must have the same",
                        shard * training->ranks->count / SHARDS);
    return DONE;
}

int training_new(struct training *training, const struct options *options, struct ranks *ranks, struct failure *failure)
{
    memset(training, 0, sizeof *training);
    training->options = options;
    training->ranks = ranks;
    set_up(training, failure);
    if (ranks->agree(ranks, failure) || check_same(training, failure))
        return failure->status;
    if (training_prints(training))
        printf("%zu train and %zu test pairs, %zu parameters, softmax %s, level %s\n", training->data.train_length,
               training->data.test_length, training->length, options->handwritten ? "handwritten" : "preflane",
               preflane_level_name(preflane_best_level()));
    return DONE;
}

void training_free(struct training *training)
{
    pool_free(training->pool);
    batch_free(&training->batch);
    dataset_free(&training->data);
    free(training->parameters);
    free(training->reference);
    free(training->grads);
    free(training->mean);
    free(training->square);
    free(training->ref_chosen_logps);
    free(training->ref_rejected_logps);
    free(training->order);
}

static void shuffle(struct training *training, uint64_t *state)
{
    for (size_t i = training->data.train_length; i-- > 1;) {
        const size_t other = (size_t)(random_next(state) % (i + 1)), kept = training->order[i];
        training->order[i] = training->order[other];
        training->order[other] = kept;
    }
}

static int timed_step(struct training *training, const size_t *places, size_t pairs, train_step step,
                      struct failure *failure)
{
    const double cpu = process_seconds(), wall = wall_seconds(), loss = batch_loss_seconds(&training->batch);
    const int status = step(training, places, pairs, failure);
    training->timed_steps++;
    training->step_seconds += process_seconds() - cpu;
    training->step_wall_seconds += wall_seconds() - wall;
    training->loss_seconds += batch_loss_seconds(&training->batch) - loss;
    return status;
}

int train_epochs(struct training *training, size_t epochs, uint64_t stream, train_step step, struct failure *failure)
{
    const size_t pairs = training->data.train_length, batch = training->options->batch;
    uint64_t state = training->options->seed * 8 + stream;
    memcpy(training->order, training->data.train, pairs * sizeof *training->order);
    memset(training->mean, 0, training->length * sizeof *training->mean);
    memset(training->square, 0, training->length * sizeof *training->square);
    training->beta1_power = training->beta2_power = 1.0f;
    training->steps = 0;
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        shuffle(training, &state);
        for (size_t first = 0; first < pairs && training->steps < training->options->steps; first += batch) {
            const size_t count = pairs - first < batch ? pairs - first : batch;
            training->steps++;
            if (timed_step(training, training->order + first, count, step, failure))
                return failure->status;
        }
    }
    return DONE;
}

/* One shard's pairs, as many at a time as a batch has room for. */
static int score_some(struct training *training, const float *parameters, const size_t *places, size_t pairs,
                      float *chosen_logps, float *rejected_logps, struct failure *failure)
{
    struct batch *batch = &training->batch;
    preflane_error error;
    for (size_t first = 0; first < pairs; first += training->shard_pairs) {
        const size_t count = pairs - first < training->shard_pairs ? pairs - first : training->shard_pairs;
        batch_fill(batch, &training->data, places + first, count, CHOSEN_AND_REJECTED);
        if (batch_forward(batch, parameters, failure))
            return failure->status;
        const preflane_sequences sequences = batch_sequences(batch);
        if (preflane_sequence_logps(&sequences, batch->softmax.token_logps, chosen_logps + first, rejected_logps + first,
                                    &error))
            return fail_preflane(failure, "score", "preflane_sequence_logps", &error);
    }
    return DONE;
}

int score(struct training *training, const float *parameters, const size_t *places, size_t pairs, float *chosen_logps,
          float *rejected_logps, struct failure *failure)
{
    struct ranks *ranks = training->ranks;
    const size_t room = (pairs + SHARDS - 1) / SHARDS;
    float *slots = malloc(SHARDS * 2 * room * sizeof *slots);
    if (!slots)
        fail_memory(failure);
    for (size_t shard = ranks_first_shard(ranks); shard < ranks_end_shard(ranks) && !failure->status; shard++) {
        const size_t begin = part_begin(pairs, shard, SHARDS), count = part_begin(pairs, shard + 1, SHARDS) - begin;
        float *slot = slots + shard * 2 * room;
        score_some(training, parameters, places + begin, count, slot, slot + room, failure);
    }
    if (ranks->agree(ranks, failure) == DONE) {
        ranks->gather(ranks, slots, 2 * room * sizeof *slots);
        for (size_t shard = 0; shard < SHARDS; shard++) {
            const size_t begin = part_begin(pairs, shard, SHARDS), count = part_begin(pairs, shard + 1, SHARDS) - begin;
            memcpy(chosen_logps + begin, slots + shard * 2 * room, count * sizeof *slots);
            memcpy(rejected_logps + begin, slots + shard * 2 * room + room, count * sizeof *slots);
        }
    }
    free(slots);
    return failure->status;
}

void training_time(const struct training *training)
{
    const struct training *t = training;
    const double milliseconds = t->timed_steps ? 1000.0 / (double)t->timed_steps : 0.0;
    if (training_prints(t) && t->timed_steps > 0)
        fprintf(stderr, "time: %zu steps in %.1f s; CPU %.2f ms a step, of it loss and softmax (%s) %.2f ms: %.1f %%\n",
                t->timed_steps, t->step_wall_seconds, milliseconds * t->step_seconds,
                t->options->handwritten ? "handwritten" : "preflane", milliseconds * t->loss_seconds,
                100.0 * t->loss_seconds / t->step_seconds);
}

/* Mean -logp of the held-out chosen answers' tokens. */
static int held_out_loss(struct training *training, const char *title, struct failure *failure)
{
    const size_t pairs = training->data.test_length;
    float *logps = malloc(2 * pairs * sizeof *logps), mean = 0.0f;
    preflane_sum sum = { { 0 } };
    preflane_error error;
    size_t tokens = 0;
    if (!logps)
        fail_memory(failure);
    if (training->ranks->agree(training->ranks, failure) == DONE)
        score(training, training->parameters, training->data.test, pairs, logps, logps + pairs, failure);
    if (!failure->status && preflane_sum_add(&sum, logps, pairs, &error))
        fail_preflane(failure, title, "preflane_sum_add", &error);
    free(logps);
    for (size_t i = 0; i < pairs; i++)
        tokens += training->data.pairs[training->data.test[i]].chosen.length;
    if (!failure->status && preflane_sum_value(&sum, tokens, NULL, &mean, &error))
        fail_preflane(failure, title, "preflane_sum_value", &error);
    if (failure->status)
        return failure->status;
    training->digest = digest_add(training->digest, &sum, sizeof sum);
    if (training_prints(training))
        printf("%s: %.4f nats a token of the held-out chosen answers\n", title, -mean);
    return DONE;
}

int training_run(struct training *training, struct failure *failure)
{
    if (held_out_loss(training, "before training", failure) || train_supervised(training, failure) ||
        held_out_loss(training, "after the supervised phase", failure) || train_dpo(training, failure))
        return failure->status;
    training->digest = digest_add(training->digest, training->parameters, training->length * sizeof *training->parameters);
    if (training_prints(training))
        printf("digest %016" PRIx64 "\n", training->digest);
    training_time(training);
    return DONE;
}
