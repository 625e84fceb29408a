//! The results of a pair: the one place that lists them.

use crate::outputs::outputs;

outputs! {
    /// Where the results go; any of them may be left out. Each is as long as the pairs. No result is -0: every zero is +0.
    Outputs,
    /// One pair's results.
    Pair {
        LOSS losses loss "Loss, times the weight."
        CHOSEN_REWARD chosen_rewards chosen_reward "Implicit reward of the chosen answer: `beta (policy_chosen_logps - ref_chosen_logps)`."
        REJECTED_REWARD rejected_rewards rejected_reward "Implicit reward of the rejected answer: `beta (policy_rejected_logps - ref_rejected_logps)`."
        MARGIN margins margin "The exact difference of the two rewards, rounded once."
        GRAD_CHOSEN grad_chosen_logps grad_chosen_logps "Derivative of the weighted loss by `policy_chosen_logps`."
        GRAD_REJECTED grad_rejected_logps grad_rejected_logps "Derivative of the weighted loss by `policy_rejected_logps`."
        GRAD_REF_CHOSEN grad_ref_chosen_logps grad_ref_chosen_logps "Derivative of the weighted loss by `ref_chosen_logps`."
        GRAD_REF_REJECTED grad_ref_rejected_logps grad_ref_rejected_logps "Derivative of the weighted loss by `ref_rejected_logps`."
        GRAD_BETA grad_beta grad_beta "Derivative of the pair's weighted loss by beta."
    }
}

/// The first of the results are what the metrics sum: loss, rewards and margin.
pub(crate) const SUMMED: usize = 4;
