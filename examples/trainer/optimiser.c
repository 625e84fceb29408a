/* Adam. Each parameter belongs to one thread, and its shards' gradients are added in the order of the shards. */
#include "training.h"

#include <math.h>

static const float BETA1 = 0.9f, BETA2 = 0.999f, EPSILON = 1e-8f;

struct update {
    struct training *training;
    float rate;
};

static void update_job(void *context, size_t thread, size_t threads)
{
    const struct update *update = context;
    struct training *training = update->training;
    const size_t length = training->length;
    const float correct1 = 1.0f - training->beta1_power, correct2 = 1.0f - training->beta2_power;
    for (size_t i = part_begin(length, thread, threads); i < part_begin(length, thread + 1, threads); i++) {
        float grad = training->grads[i];
        for (size_t shard = 1; shard < SHARDS; shard++)
            grad += training->grads[shard * length + i];
        training->mean[i] = BETA1 * training->mean[i] + (1.0f - BETA1) * grad;
        training->square[i] = BETA2 * training->square[i] + (1.0f - BETA2) * grad * grad;
        training->parameters[i] -= update->rate * (training->mean[i] / correct1) /
                                   (sqrtf(training->square[i] / correct2) + EPSILON);
    }
}

void optimise(struct training *training, float rate)
{
    struct update update = { training, rate };
    training->beta1_power *= BETA1;
    training->beta2_power *= BETA2;
    pool_run(training->pool, update_job, &update);
}
