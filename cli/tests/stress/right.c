/* Ordinary, right code for every loss, in float or double: -DREAL=float -DPAIRS=preflane_stress_pairs_f32 and so on. */
#include <tgmath.h>

#include "preflane_stress.h"

#if defined(WRONG)
/* Another base. */
#undef exp
#define exp(x) exp2(x)
#endif

static REAL softplus(REAL x) { return fmax(x, (REAL)0) + log1p(exp(-fabs(x))); }

static REAL sigmoid(REAL x) {
    REAL e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

#if defined(ODDS_RATIO)
static REAL log1mexp(REAL x) { return x > (REAL)-0.6931472 ? log(-expm1(x)) : log1p(-exp(x)); }
#endif

/* A pair's loss, and its derivatives by the two log-ratios. */
static REAL loss_of(const preflane_stress_parameters *p, REAL u, REAL v, REAL *by_u, REAL *by_v) {
    REAL beta = (REAL)p->beta, h = u - v, z = beta * h, loss, slope;
#if defined(DPO)
    loss = softplus(-z), slope = -sigmoid(-z);
#elif defined(CDPO)
    REAL eps = (REAL)p->label_smoothing;
    loss = (1 - eps) * softplus(-z) + eps * softplus(z);
    slope = eps * sigmoid(z) - (1 - eps) * sigmoid(-z);
#elif defined(ROBUST)
    REAL eps = (REAL)p->label_smoothing;
    loss = ((1 - eps) * softplus(-z) - eps * softplus(z)) / (1 - 2 * eps);
    slope = (-(1 - eps) * sigmoid(-z) - eps * sigmoid(z)) / (1 - 2 * eps);
#elif defined(IPO)
    REAL d = h - 1 / (2 * beta);
    loss = d * d, slope = 2 * d / beta;
#elif defined(KNEE)
    loss = fmax((REAL)0, 1 - z), slope = z < 1 ? -1 : 0;
#elif defined(DISCOPOP)
    REAL tau = (REAL)p->tau, m = sigmoid(z / tau), rest = sigmoid(-z / tau), weighted = exp(-z - softplus(-z / tau));
    loss = rest * softplus(-z) + weighted;
    slope = rest / tau * (weighted - m * softplus(-z)) - rest * sigmoid(-z) - weighted;
#elif defined(SIMPO)
    REAL x = z - (REAL)p->gamma;
    loss = softplus(-x), slope = -sigmoid(-x);
#elif defined(FORWARD_KL)
    /* beta within each exp: a score may leave the type where beta times it does not. */
    REAL log_beta = log(beta), x = u == v ? 0 : v < u ? exp(log_beta - v) * -expm1(v - u) : exp(log_beta - u) * expm1(u - v);
    loss = softplus(-x);
    /* sigmoid(-x) e^-u in one exp, for large x. */
    REAL log_slope = x > 0 ? -x - log1p(exp(-x)) : -log1p(exp(x));
    *by_u = -exp(log_beta + log_slope - u), *by_v = exp(log_beta + log_slope - v);
    return loss;
#elif defined(ODDS_RATIO)
    REAL x = h - (log1mexp(u) - log1mexp(v));
    loss = beta * softplus(-x);
    *by_u = beta * sigmoid(-x) / expm1(u), *by_v = -beta * sigmoid(-x) / expm1(v);
    return loss;
#endif
    *by_u = beta * slope, *by_v = -*by_u;
    return loss;
}

#if defined(LABELLED)
/* KTO. */
int32_t LABELLED(size_t answers, const preflane_stress_parameters *parameters, const REAL *policy, const REAL *ref,
                 const REAL *points, const int32_t *desirable, REAL *losses, REAL *by_policy, REAL *by_ref) {
    for (size_t i = 0; i < answers; i++) {
        REAL beta = (REAL)parameters->beta, x = beta * (policy[i] - ref[i] - points[i]);
        REAL weight = (REAL)parameters->values[desirable[i] ? 1 : 2];
        if (!desirable[i]) x = -x, beta = -beta;
        losses[i] = weight * sigmoid(-x);
        by_policy[i] = -weight * beta * sigmoid(x) * sigmoid(-x), by_ref[i] = -by_policy[i];
    }
    return 0;
}
#elif defined(LISTED)
/* Plackett-Luce: rank by rank the softmax of what is left. */
int32_t LISTED(size_t lists, size_t answers, const preflane_stress_parameters *parameters, const REAL *policy,
               const REAL *ref, REAL *losses, REAL *by_policy, REAL *by_ref) {
    for (size_t list = 0; list < lists; list++) {
        const REAL *p = policy + list * answers, *r = ref + list * answers;
        REAL *g = by_policy + list * answers, beta = (REAL)parameters->beta;
        losses[list] = 0;
        for (size_t j = 0; j < answers; j++) g[j] = 0;
        for (size_t k = 0; k < answers; k++) {
            REAL largest = 0, others = 0;
            for (size_t j = k + 1; j < answers; j++) largest = fmax(largest, beta * ((p[j] - r[j]) - (p[k] - r[k])));
            for (size_t j = k + 1; j < answers; j++) others += exp(beta * ((p[j] - r[j]) - (p[k] - r[k])) - largest);
            REAL all = others + exp(-largest);
            losses[list] += largest > 0 ? largest + log(all) : log1p(others);
            g[k] -= beta * others / all;
            for (size_t j = k + 1; j < answers; j++)
                g[j] += beta * exp(beta * ((p[j] - r[j]) - (p[k] - r[k])) - largest) / all;
        }
        for (size_t j = 0; j < answers; j++) by_ref[list * answers + j] = -g[j];
    }
    return 0;
}
#else
int32_t PAIRS(size_t pairs, const preflane_stress_parameters *parameters, const REAL *pc, const REAL *pr,
              const REAL *rc, const REAL *rr, REAL *losses, REAL *by_pc, REAL *by_pr, REAL *by_rc, REAL *by_rr) {
    for (size_t i = 0; i < pairs; i++) {
        REAL by_u, by_v;
        losses[i] = loss_of(parameters, pc[i] - rc[i], pr[i] - rr[i], &by_u, &by_v);
        by_pc[i] = by_u, by_pr[i] = by_v, by_rc[i] = -by_u, by_rr[i] = -by_v;
    }
    return 0;
}
#endif
