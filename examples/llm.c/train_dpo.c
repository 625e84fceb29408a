// DPO with llm.c's GPT-2 on the CPU: lies beside train_gpt2.c, whose gpt2_backward takes a Dpo (see the README).
//
//   train_dpo              a small GPT-2 with random weights and four made-up pairs: 20 steps
//   train_dpo FILE.bin     the same from a checkpoint of llm.c
//   train_dpo compare      cross entropy by llm.c and by preflane: differences and time
//   train_dpo fingerprint  preflane's results on made-up logits: the same on every machine, compiler and number of threads
//
// The pairs are tokens by chance: what is shown is that the step works, not what a model learns.

#define TESTING
#include "dpo.h"
#include "train_gpt2.c"

static uint64_t state = 88172645463325252u;

static uint32_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static float random_normal(void) { // nearly: the sum of twelve uniform numbers
    double sum = 0;
    for (int i = 0; i < 12; i++) sum += random_bits() / 4294967296.0;
    return (float)(sum - 6);
}

static void fill(float *weights, size_t count, float spread) {
    for (size_t i = 0; i < count; i++) weights[i] = spread * random_normal();
}

static void ones(float *weights, size_t count) {
    for (size_t i = 0; i < count; i++) weights[i] = 1;
}

static void allocate(GPT2 *model, GPT2Config config) {
    memset(model, 0, sizeof *model);
    model->config = config;
    fill_in_parameter_sizes(model->param_sizes, config);
    for (int i = 0; i < NUM_PARAMETER_TENSORS; i++) model->num_parameters += model->param_sizes[i];
    model->params_memory = malloc_and_point_parameters(&model->params, model->param_sizes);
    model->mean_loss = -1;
}

// Weights by chance, as GPT-2 begins; the padded rows of the embedding are 0.
static void build_random(GPT2 *model, GPT2Config config) {
    allocate(model, config);
    memset(model->params_memory, 0, model->num_parameters * sizeof(float));
    const float spread = 0.02f, residual = 0.02f / sqrtf(2.0f * config.num_layers);
    fill(model->params.wte, (size_t)config.vocab_size * config.channels, spread);
    fill(model->params.wpe, model->param_sizes[1], spread);
    ones(model->params.ln1w, model->param_sizes[2]);
    fill(model->params.qkvw, model->param_sizes[4], spread);
    fill(model->params.attprojw, model->param_sizes[6], residual);
    ones(model->params.ln2w, model->param_sizes[8]);
    fill(model->params.fcw, model->param_sizes[10], spread);
    fill(model->params.fcprojw, model->param_sizes[12], residual);
    ones(model->params.lnfw, model->param_sizes[14]);
}

// The reference: the policy as it is now. It is never updated, and has no gradients.
static void build_frozen(GPT2 *reference, const GPT2 *policy) {
    allocate(reference, policy->config);
    memcpy(reference->params_memory, policy->params_memory, policy->num_parameters * sizeof(float));
}

enum { PAIRS = 4, TOKENS = 64, PROMPT = 16 };

// The two answers of a pair have one prompt, and their own lengths.
static void made_up_pairs(int *inputs, int *targets, int V) {
    for (int pair = 0; pair < PAIRS; pair++) {
        int prompt[PROMPT];
        for (int t = 0; t < PROMPT; t++) prompt[t] = (int)(random_bits() % (unsigned)V);
        for (int answer = 0; answer < 2; answer++) {
            const int sequence = pair + answer * PAIRS; // all chosen first
            const int length = TOKENS - (int)(random_bits() % 24);
            for (int t = 0; t < TOKENS; t++) {
                inputs[sequence * TOKENS + t] = t < PROMPT ? prompt[t] : (int)(random_bits() % (unsigned)V);
            }
            for (int t = 0; t < TOKENS; t++) {
                // The position before the answer's first token predicts it; the prompt and what follows the answer do not count.
                const int counts = t + 1 >= PROMPT && t + 1 < length;
                targets[sequence * TOKENS + t] = counts ? inputs[sequence * TOKENS + t + 1] : PREFLANE_IGNORE_INDEX;
            }
        }
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static uint64_t fingerprint(const float *weights, size_t count) { // FNV-1a
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < count * sizeof(float); i++) hash = (hash ^ ((const unsigned char *)weights)[i]) * 1099511628211u;
    return hash;
}

// Of what preflane makes of logits that no floating-point function of the machine had a part in: the log-probabilities, the loss,
// the seeds and dlogits. llm.c has none in it, so that -Ofast, the compiler and the CPU change nothing.
static int fingerprint_of_preflane(void) {
    enum { B = 2 * PAIRS, T = TOKENS, V = 1000, Vp = 1024 };
    const size_t count = (size_t)B * T * Vp;
    static int inputs[B * T], targets[B * T];
    state = 88172645463325252u;
    float *logits = mallocCheck(count * sizeof(float)), *dlogits = mallocCheck(count * sizeof(float));
    Dpo dpo;
    dpo_init(&dpo, B, T, V, Vp, 0.1);
    made_up_pairs(inputs, targets, V);
    // Sixteenths from -8 to 8: exact whatever the compiler does.
    for (size_t i = 0; i < count; i++) logits[i] = (float)((int)(random_bits() >> 24) - 128) * 0.0625f;
    dpo_reference(&dpo, logits, targets);
    for (size_t i = 0; i < count; i++) logits[i] = (float)((int)(random_bits() >> 24) - 128) * 0.0625f;
    const preflane_report report = dpo_forward(&dpo, logits, targets);
    dpo_backward(&dpo, logits, dlogits);
    printf("preflane on made-up logits: loss %.6f\n", report.loss);
    printf("fingerprint of preflane's results: log-probabilities %016llx, seeds %016llx, dlogits %016llx\n",
           (unsigned long long)fingerprint(dpo.token_logps, dpo.rows), (unsigned long long)fingerprint(dpo.token_grads, dpo.rows),
           (unsigned long long)fingerprint(dlogits, count));
    dpo_free(&dpo);
    free(logits), free(dlogits);
    return EXIT_SUCCESS;
}

static int train(GPT2 *policy) {
    enum { B = 2 * PAIRS, T = TOKENS };
    const GPT2Config config = policy->config;
    static int inputs[B * T], targets[B * T];
    made_up_pairs(inputs, targets, config.vocab_size);

    GPT2 reference;
    build_frozen(&reference, policy);
    Dpo dpo;
    dpo_init(&dpo, B, T, config.vocab_size, config.padded_vocab_size, 0.1);

    // One batch, again and again. With more, this stands in the loop, or is done once and kept.
    gpt2_forward(&reference, inputs, NULL, B, T);
    dpo_reference(&dpo, reference.acts.logits, targets);

    float first = 0, last = 0;
    for (int step = 0; step <= 20; step++) {
        const double start = now();
        gpt2_forward(policy, inputs, NULL, B, T);
        const double forward = now();
        const preflane_report report = dpo_forward(&dpo, policy->acts.logits, targets);
        const double head = now() - forward;
        gpt2_zero_grad(policy);
        gpt2_backward(policy, &dpo);
        gpt2_update(policy, 1e-4f, 0.9f, 0.999f, 1e-8f, 0.0f, step + 1);
        if (step == 0) first = report.loss;
        last = report.loss;
        if (step % 4 == 0) {
            printf("step %2d: loss %.6f, accuracy %.2f, margin %8.4f, logps chosen %.3f rejected %.3f (%.0f ms; dpo_forward %.1f)\n",
                   step, report.loss, report.rewards_accuracies, report.rewards_margins, report.logps_chosen,
                   report.logps_rejected, now() - start, head);
        }
    }

    const size_t C = config.channels, V = config.vocab_size, Vp = config.padded_vocab_size;
    int padding = 0;
    for (size_t i = V * C; i < Vp * C; i++) padding += policy->params.wte[i] != 0;
    printf("weights that are not 0 in the embedding's padded rows: %d\n", padding);
    printf("fingerprint of the weights, on this machine: %016llx\n", (unsigned long long)fingerprint(policy->params_memory, policy->num_parameters));
    dpo_free(&dpo);
    gpt2_free(&reference);
    return last < first && padding == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

// --- cross entropy, which llm.c has too

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, by_value);
    return times[count / 2];
}

// The mean loss by preflane, and its dlogits.
static float cross_entropy(Dpo *dpo, const float *logits, const int *targets, float *dlogits) {
    preflane_sum sum;
    preflane_error error;
    float mean;
    memset(&sum, 0, sizeof sum);
    dpo_token_logps(dpo, logits, targets);
    for (size_t i = 0; i < dpo->rows; i++) dpo->token_grads[i] = -1.0f / (float)dpo->rows;
    dpo_logits_grad(dpo, logits, dlogits);
    dpo_check(preflane_sum_add(&sum, dpo->token_logps, dpo->rows, &error), &error);
    dpo_check(preflane_sum_value(&sum, dpo->rows, NULL, &mean, &error), &error);
    return -mean;
}

static int compare(void) {
    enum { B = 4, T = 64, N = B * T, TURNS = 15 };
    const int V = 50257, Vp = 50304;
    const size_t count = (size_t)N * Vp;
    float *logits = mallocCheck(count * sizeof(float)), *probs = mallocCheck(count * sizeof(float));
    float *theirs = calloc(count, sizeof(float)), *ours = mallocCheck(count * sizeof(float));
    static float losses[N], dlosses[N];
    static int targets[N];
    fill(logits, count, 3);
    for (int i = 0; i < N; i++) {
        targets[i] = (int)(random_bits() % (unsigned)V);
        logits[(size_t)i * Vp + targets[i]] += (float)(i % 16); // some tokens are likely
        dlosses[i] = 1.0f / N;
    }
    Dpo dpo;
    dpo_init(&dpo, B, T, V, Vp, 0.1);

    double times[2][TURNS], passes[2][TURNS], loss = 0;
    float our_loss = 0;
    for (int turn = -1; turn < TURNS; turn++) {
        memset(theirs, 0, count * sizeof(float)); // it adds; gpt2_zero_grad does this
        const double start = now();
        softmax_forward(probs, logits, B, T, V, Vp);
        crossentropy_forward(losses, probs, targets, B, T, Vp);
        const double middle = now();
        crossentropy_softmax_backward(theirs, dlosses, probs, targets, B, T, V, Vp);
        const double end = now();
        our_loss = cross_entropy(&dpo, logits, targets, ours);
        if (turn >= 0) {
            times[0][turn] = end - start;
            passes[0][turn] = middle - start;
            times[1][turn] = now() - end;
            const double again = now();
            dpo_token_logps(&dpo, logits, targets);
            passes[1][turn] = now() - again;
        }
    }
    float sum = 0; // as gpt2_forward has it
    for (int i = 0; i < N; i++) sum += losses[i];
    sum /= N;

    // Both against double.
    double apart = 0, errors[2] = {0, 0}, relative[2] = {0, 0};
    for (int i = 0; i < N; i++) {
        const float *row = logits + (size_t)i * Vp;
        double max = row[0], total = 0, others = 0;
        for (int v = 0; v < V; v++) max = row[v] > max ? row[v] : max;
        for (int v = 0; v < V; v++) total += exp(row[v] - max);
        for (int v = 0; v < V; v++) others += v == targets[i] ? 0 : exp(row[v] - max) / total;
        loss += (log(total) + max - row[targets[i]]) / N;
        for (int v = 0; v < V; v++) {
            const size_t at = (size_t)i * Vp + v;
            const double exact = (v == targets[i] ? -others : exp(row[v] - max) / total) / N;
            apart = fmax(apart, fabs((double)theirs[at] - ours[at]));
            const double error[2] = {fabs(theirs[at] - exact), fabs(ours[at] - exact)};
            for (int who = 0; who < 2; who++) {
                errors[who] = fmax(errors[who], error[who]);
                relative[who] = fmax(relative[who], error[who] / fabs(exact));
            }
        }
    }
    printf("cross entropy of %d rows of %d logits (stride %d)\n", N, V, Vp);
    printf("           mean loss     its error   dlogits: largest error   of each element   forward     with backward\n");
    const double both[2] = {sum, our_loss};
    for (int who = 0; who < 2; who++) {
        printf("%-9s  %.9f  %.1e     %.1e                  %.1e           %6.1f ms   %6.1f ms\n", who ? "preflane" : "llm.c", both[who],
               fabs(both[who] - loss), errors[who], relative[who], median(passes[who], TURNS), median(times[who], TURNS));
    }
    printf("double     %.9f\nlargest difference of the two dlogits: %.1e (the largest dlogit is 1/%d = %.1e)\n", loss, apart, N, 1.0 / N);
    free(logits), free(probs), free(theirs), free(ours);
    dpo_free(&dpo);
    return apart < 1e-6 && relative[1] < 1e-6 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "compare") == 0) return compare();
    if (count > 1 && strcmp(arguments[1], "fingerprint") == 0) return fingerprint_of_preflane();
    GPT2 policy;
    if (count > 1) {
        gpt2_build_from_checkpoint(&policy, arguments[1]);
    } else {
        const GPT2Config config = {64, 50257, 50304, 2, 4, 64};
        build_random(&policy, config);
    }
    const int result = train(&policy);
    gpt2_free(&policy);
    fingerprint_of_preflane();
    return result;
}
