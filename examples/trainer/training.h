/* The phases of a training, in the same way for one process and for several ranks. */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include "batch.h"
#include "options.h"
#include "ranks.h"

struct training {
    const struct options *options;
    struct ranks *ranks;
    struct dataset data;
    struct pool *pool;
    struct batch batch;
    size_t shard_pairs; /* pairs of a shard, at most */

    size_t length; /* parameters */
    float *parameters, *reference;
    float *grads; /* [SHARDS][length] */
    float *mean, *square; /* Adam's moments */
    float beta1_power, beta2_power;
    float *ref_chosen_logps, *ref_rejected_logps; /* a pair of the data each */

    size_t *order; /* of the training pairs in this epoch */
    size_t steps; /* so far, in this phase */
    uint64_t digest;
    size_t timed_steps; /* of all phases */
    double step_seconds, step_wall_seconds; /* CPU seconds of this process in steps, and by the clock */
    double loss_seconds; /* of them: loss and softmax */
};

/* Checks the library and the environment, reads the data and sets all up. All ranks have the same status. */
int training_new(struct training *training, const struct options *options, struct ranks *ranks, struct failure *failure);
void training_free(struct training *training);

/* All of it: supervised, then DPO, with held-out pairs before and after. */
int training_run(struct training *training, struct failure *failure);

/* Its phases. */
int train_supervised(struct training *training, struct failure *failure);
int train_dpo(struct training *training, struct failure *failure);

/* How long loss and softmax took in steps, to stderr. */
void training_time(const struct training *training);

/* The summed log-probabilities of both answers of pairs of the data, under `parameters`. */
int score(struct training *training, const float *parameters, const size_t *places, size_t pairs, float *chosen_logps,
          float *rejected_logps, struct failure *failure);

/* The gradients of all shards are there: one step of Adam. */
void optimise(struct training *training, float rate);

/* Calls `step` on every batch of the training pairs, in an order that the seed gives. */
typedef int (*train_step)(struct training *training, const size_t *places, size_t pairs, struct failure *failure);
int train_epochs(struct training *training, size_t epochs, uint64_t stream, train_step step, struct failure *failure);

/* Whether this rank prints. */
int training_prints(const struct training *training);

#endif
