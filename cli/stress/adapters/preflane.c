/*
 * preflane itself, to be tested by its own command:
 *   cc -shared -fPIC -DLOSS=PREFLANE_LOSS_DPO -I.. $(pkg-config --cflags preflane) preflane.c -o stressed.so $(pkg-config --libs preflane)
 *   preflane stress --strict --bound 0.501ulp --library ./stressed.so
 */
#include <preflane.h>

#include "preflane_stress.h"

int32_t preflane_stress_pairs_f32(size_t pairs, const preflane_stress_parameters *parameters,
                                  const float *policy_chosen_logps, const float *policy_rejected_logps,
                                  const float *ref_chosen_logps, const float *ref_rejected_logps, float *losses,
                                  float *grad_policy_chosen, float *grad_policy_rejected, float *grad_ref_chosen,
                                  float *grad_ref_rejected) {
    double eps = parameters->label_smoothing;
    preflane_loss loss = {LOSS, 0, parameters->beta, eps == eps ? eps : 0};
    preflane_pairs in = {pairs, policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, NULL, 0, 0};
    preflane_pair_outputs out = {0};
    preflane_run run = {0};
    out.losses = losses;
    out.grad_chosen_logps = grad_policy_chosen;
    out.grad_rejected_logps = grad_policy_rejected;
    out.grad_ref_chosen_logps = grad_ref_chosen;
    out.grad_ref_rejected_logps = grad_ref_rejected;
    return preflane_evaluate(run, &loss, &in, &out, NULL, NULL);
}
