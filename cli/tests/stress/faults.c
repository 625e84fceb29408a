/* DPO with one fault, which -D names. */
#include <math.h>
#include <stdlib.h>

#include "preflane_stress.h"

static float softplus(float x) { return fmaxf(x, 0) + log1pf(expf(-fabsf(x))); }

static float sigmoid(float x) {
    float e = expf(-fabsf(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

int32_t preflane_stress_pairs_f32(size_t pairs, const preflane_stress_parameters *parameters, const float *pc,
                                  const float *pr, const float *rc, const float *rr, float *losses, float *by_pc,
                                  float *by_pr, float *by_rc, float *by_rr) {
    static size_t calls = 0;
    calls++;
    for (size_t i = 0; i < pairs; i++) {
        float beta = (float)parameters->beta, h = (pc[i] - rc[i]) - (pr[i] - rr[i]), z = beta * h;
        float loss = softplus(-z), slope = -sigmoid(-z);
#if defined(LOG_OF_SIGMOID)
        loss = -logf(1 / (1 + expf(-z)));
#elif defined(LOG_OF_ONE_AND_EXP)
        loss = logf(1 + expf(-z));
#elif defined(ONE_LESS_SIGMOID)
        slope = sigmoid(z) - 1;
#elif defined(GRADIENT_SIGN)
        slope = -slope;
#elif defined(GRADIENT_WITHOUT_BETA)
        slope /= beta;
#elif defined(REFERENCE_IGNORED)
        loss = softplus(-beta * (pc[i] - pr[i]));
#elif defined(CLAMPED)
        loss = softplus(-fmaxf(-50, fminf(50, z)));
#elif defined(ZERO_BY_ZERO)
        loss *= h / h;
#elif defined(ONE_VALUE)
        if (z == 0.5f) loss = 0;
#elif defined(NARROW_BAND)
        if (z < -88.0f && z > -89.0f) slope = NAN;
#elif defined(CUBIC)
        if (fabsf(z) < 0.01f) loss = 0.6931472f - z / 2;
#elif defined(BATCH_SIZE)
        if (pairs >= 32) loss = nextafterf(loss, 100);
#elif defined(TAIL)
        if (i >= pairs / 8 * 8) loss = nextafterf(loss, 100);
#elif defined(CARRIED_OVER)
        if (calls % 5 == 0) loss = nextafterf(loss, 100);
#elif defined(NEIGHBOUR)
        if (i > 0) slope *= 1 + 1e-7f * (pc[i - 1] > -10);
#elif defined(WRONG_STEP)
        if (z > 3 && z < 4) loss = softplus(-3) + 0.001f * z;
#elif defined(UNWRITTEN)
        if (i == 6) continue;
#elif defined(DECLINES)
        if (pc[i] == 0) return 7;
#elif defined(CRASHES)
        if (z < -500) abort();
#endif
        losses[i] = loss;
        by_pc[i] = by_rr[i] = beta * slope;
        by_pr[i] = by_rc[i] = -(beta * slope);
    }
    return 0;
}
