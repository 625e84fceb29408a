//! The results of a labelled answer: the one place that lists them.

use crate::outputs::outputs;

outputs! {
    /// Where the results go; any of them may be left out. Each is as long as the answers. No result is -0: every zero is +0.
    LabelledOutputs,
    /// The results of one labelled answer.
    LabelledAnswer {
        LOSS losses loss "Loss of the answer, times its weight."
        REWARD rewards reward "Implicit reward of the answer: `beta (policy_logps - ref_logps)`."
        GRAD grad_logps grad_logps "Derivative of the weighted loss by `policy_logps`."
        GRAD_REF grad_ref_logps grad_ref_logps "Derivative of the weighted loss by `ref_logps`."
        GRAD_BETA grad_beta grad_beta "Derivative of the answer's weighted loss by beta."
        GRAD_BIAS grad_bias grad_bias "Derivative of the answer's weighted loss by the loss's bias; 0 for a loss that has none."
    }
}
