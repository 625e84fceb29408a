/*
 * What a shared library offers to be tested by `preflane stress --library FILE`: one of the functions below, in C or
 * with C linkage. The command finds it by its name; --symbol names another of the same signature, which must end in
 * its type: _f32 or _f64.
 *
 * Every function returns 0, or another number when it declines the batch. Results that it does not write at all, in
 * no row, count as not computed.
 */

#ifndef PREFLANE_STRESS_H
#define PREFLANE_STRESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the command line says; NaN where the loss has no such parameter. */
typedef struct preflane_stress_parameters {
    double beta;            /* --beta */
    double label_smoothing; /* --label-smoothing: cdpo, robust */
    double tau;             /* --tau: discopop */
    double gamma;           /* --gamma: simpo */
} preflane_stress_parameters;

/*
 * Losses of pairs, and their gradients by the four log-probabilities. Each array has a number a pair. Losses that have
 * no reference get 0 for it.
 */
int32_t preflane_stress_pairs_f32(size_t pairs, const preflane_stress_parameters *parameters,
                                  const float *policy_chosen_logps, const float *policy_rejected_logps,
                                  const float *ref_chosen_logps, const float *ref_rejected_logps, float *losses,
                                  float *grad_policy_chosen, float *grad_policy_rejected, float *grad_ref_chosen,
                                  float *grad_ref_rejected);

int32_t preflane_stress_pairs_f64(size_t pairs, const preflane_stress_parameters *parameters,
                                  const double *policy_chosen_logps, const double *policy_rejected_logps,
                                  const double *ref_chosen_logps, const double *ref_rejected_logps, double *losses,
                                  double *grad_policy_chosen, double *grad_policy_rejected, double *grad_ref_chosen,
                                  double *grad_ref_rejected);

/*
 * Log-probabilities of sequences, and their gradients by the logits. logits: [sequences, positions, vocabulary];
 * labels: [sequences, positions], -100 where masked, beside the logits that predict them (not shifted); mean: 1 for the
 * mean over the labels that count, 0 for the sum.
 */
int32_t preflane_stress_logits_f32(size_t sequences, size_t positions, size_t vocabulary, int32_t mean,
                                   const float *logits, const int64_t *labels, float *logps, float *grad_logits);

int32_t preflane_stress_logits_f64(size_t sequences, size_t positions, size_t vocabulary, int32_t mean,
                                   const double *logits, const int64_t *labels, double *logps, double *grad_logits);

#ifdef __cplusplus
}
#endif

#endif /* PREFLANE_STRESS_H */
