//! The one list of losses. Whatever repeats the losses is made from it: types, enums, constructors, kernels, the C header, the
//! command's options, tests, digests and the tables of the docs.

/// Hands the list to a macro: shape by shape, one entry a loss.
///
/// An entry: `number Type name [aliases] (parameter: KIND, ..) reference [COLUMN] "formula" "source";`, without the column if the loss
/// takes nothing beside log-probabilities. The number is the one that C
/// programs hold: it never changes, and one that is retired is never given again. The name is also the constructor's; aliases
/// are what trainers call the loss. `reference` says whether the loss is defined with a reference model or without. The formula is
/// in the notation of `losses`.
#[macro_export]
#[doc(hidden)]
macro_rules! for_each_loss {
    ($then:path) => {
        $then! {
            pairwise {
                1 Dpo dpo ["sigmoid"] (beta: BETA) true
                    "softplus(-z)"
                    "Rafailov et al. 2023, arXiv 2305.18290, eq. 7";
                2 Cdpo cdpo ["conservative_dpo", "label_smoothed_dpo"] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "(1 - label_smoothing) softplus(-z) + label_smoothing softplus(z)"
                    "Mitchell 2023, A note on DPO with noisy preferences";
                3 Robust robust ["rdpo", "robust_dpo"] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "((1 - label_smoothing) softplus(-z) - label_smoothing softplus(z)) / (1 - 2 label_smoothing)"
                    "Chowdhury et al. 2024, arXiv 2403.00409";
                4 Ipo ipo [] (beta: BETA) true
                    "(h - 1/(2 beta))^2"
                    "Azar et al. 2023, arXiv 2310.12036, eq. 17";
                5 Hinge hinge [] (beta: BETA) true
                    "max(0, 1 - z)"
                    "Liu et al. 2023, arXiv 2309.06657 (RSO), the normalised form of SLiC";
                6 SimPo simpo [] (beta: BETA, gamma: GAMMA) false
                    "softplus(-(z - gamma)), on token means"
                    "Meng et al. 2024, arXiv 2405.14734, with gamma not scaled by beta as in TRL and Liger";
                9 SppoHard sppo_hard ["sppo"] (beta: BETA) true
                    "(u - 1/(2 beta))^2 + (v + 1/(2 beta))^2"
                    "Wu et al. 2024, arXiv 2405.00675, with the win probabilities 1 and 0, as in TRL";
                10 ExoPair exo_pair ["exo"] (beta: BETA, label_smoothing: LABEL_SHARE) true
                    "sigmoid(z) ln(sigmoid(z) / (1 - label_smoothing)) + sigmoid(-z) ln(sigmoid(-z) / label_smoothing)"
                    "Ji et al. 2024, arXiv 2402.00856, eq. 16";
                11 ForwardKl forward_kl ["forward_kl_dpo"] (beta: BETA) true
                    "softplus(-beta (e^-v - e^-u))"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                12 SimPer simper [] () false
                    "e^v - e^u, on token means"
                    "Xiao et al. 2025, arXiv 2502.00883";
                13 Rebel rebel [] (eta: REWARD_SCALE) true [REWARD_DIFFERENCE]
                    "(h - eta reward_difference)^2"
                    "Gao et al. 2024, arXiv 2404.16767, eq. 5";
            }
            labelled {
                7 Kto kto [] (beta: BETA, desirable_weight: CLASS_WEIGHT, undesirable_weight: CLASS_WEIGHT) true
                    "desirable_weight sigmoid(-(z - z0)) where desirable, undesirable_weight sigmoid(z - z0) elsewhere"
                    "Ethayarajh et al. 2024, arXiv 2402.01306, eq. 7";
            }
            listed {
                8 PlackettLuce plackett_luce ["pl_dpo"] (beta: BETA) true
                    "sum over k of (log-sum-exp of z_j over j >= k) - z_k, answers from best to worst"
                    "Rafailov et al. 2023, arXiv 2305.18290, appendix A.3";
                70 SDpo s_dpo ["sdpo", "softmax_dpo"] (beta: BETA) true
                    "ln(1 + sum over j > 1 of e^(z_j - z_1)), the chosen answer first"
                    "Chen et al. 2024, arXiv 2406.09215";
                71 InfoNca info_nca ["infonca"] (beta: BETA, alpha: REWARD_TEMPERATURE) true [REWARD]
                    "-sum of p_i ln softmax(z)_i, with p = softmax(reward / alpha)"
                    "Chen et al. 2024, arXiv 2402.05369 (InfoNCA)";
                72 Nca nca [] (beta: BETA, alpha: REWARD_TEMPERATURE) true [REWARD]
                    "sum of p_i softplus(-z_i) + softplus(z_i)/K, with p = softmax(reward / alpha) of K answers"
                    "Chen et al. 2024, arXiv 2402.05369 (NCA)";
                73 Lipo lipo ["lipo_lambda"] (beta: BETA) true [RELEVANCE]
                    "sum over relevance_i > relevance_j of |2^relevance_i - 2^relevance_j| |1/ln(1 + rank_i) - 1/ln(1 + rank_j)| softplus(-(z_i - z_j)), ranks by z"
                    "Liu et al. 2024, arXiv 2402.01878, LiPO-lambda";
                74 RealList real [] (tau: TEMPERATURE) true [RIGHT]
                    "ln(1 + sum over wrong answers of e^(u_j/tau)) + ln(1 + sum over right answers of e^(-u_j/tau)), on token means"
                    "REAL, as ms-swift has it";
                75 A2po a2po ["a_star_po"] (beta: BETA, beta1: REWARD_TEMPERATURE) true [REWARD]
                    "mean of (z_i - (reward_i - V))^2, with V = beta1 ln mean of e^(reward/beta1)"
                    "Brantley et al. 2025, arXiv 2505.20686, with beta for its beta_2, as in TRL";
                76 PlackettLuceTop plackett_luce_top ["pl_top_k"] (beta: BETA, top: RANKED) true
                    "sum over k <= top of (log-sum-exp of z_j over j >= k) - z_k: the first answers from best to worst, then the others"
                    "Rafailov et al. 2023, arXiv 2305.18290, appendix A.3, of a partial ranking";
                77 Mdpo mdpo [] (beta: BETA, delta: ANCHOR) true
                    "sum over j > 1 of softplus(-(z_1 - z_j)) + softplus(-(z_1 - delta)), the chosen answer first"
                    "Wang et al. 2024, arXiv 2406.11839, with all three terms against the reference";
            }
        }
    };
}
