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

/*
 * What the command line says. The first four have a place of their own, NaN where the loss has no such parameter; all that the
 * loss has stand in names and values, count of them, in its order.
 */
typedef struct preflane_stress_parameters {
    double beta;            /* --beta */
    double label_smoothing; /* --label-smoothing */
    double tau;             /* --tau */
    double gamma;           /* --gamma */
    size_t count;
    const char *const *names;
    const double *values;
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
 * Losses of labelled answers, and their gradients by the two log-probabilities. Each array has a number an answer; desirable is 1 or 0;
 * reference_points are what the log-ratio is compared with, constants in the gradient.
 */
int32_t preflane_stress_labelled_f32(size_t answers, const preflane_stress_parameters *parameters,
                                     const float *policy_logps, const float *ref_logps,
                                     const float *reference_points, const int32_t *desirable, float *losses,
                                     float *grad_policy, float *grad_ref);

int32_t preflane_stress_labelled_f64(size_t answers, const preflane_stress_parameters *parameters,
                                     const double *policy_logps, const double *ref_logps,
                                     const double *reference_points, const int32_t *desirable, double *losses,
                                     double *grad_policy, double *grad_ref);

/*
 * Losses of lists of answers, each from its best answer to its worst, and their gradients by all log-probabilities.
 * policy_logps, ref_logps and gradients: [lists, answers]; losses: [lists].
 */
int32_t preflane_stress_listed_f32(size_t lists, size_t answers, const preflane_stress_parameters *parameters,
                                   const float *policy_logps, const float *ref_logps, float *losses,
                                   float *grad_policy, float *grad_ref);

int32_t preflane_stress_listed_f64(size_t lists, size_t answers, const preflane_stress_parameters *parameters,
                                   const double *policy_logps, const double *ref_logps, double *losses,
                                   double *grad_policy, double *grad_ref);

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
