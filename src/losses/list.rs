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
                90 Cpl cpl ["contrastive_preference_learning"] (beta: BETA, contrastive_bias: CONTRASTIVE_BIAS) false [PREFERENCE]
                    "preference softplus(-beta (u - contrastive_bias v)) + (1 - preference) softplus(-beta (v - contrastive_bias u))"
                    "Hejna et al. 2023, arXiv 2310.13639, with the conservative bias of its eq. 7";
                91 PartialReturn partial_return [] () false [PREFERENCE]
                    "preference softplus(-h) + (1 - preference) softplus(h), on returns of segments"
                    "Christiano et al. 2017, arXiv 1706.03741; Knox et al. 2022, arXiv 2206.02231";
                92 Regret regret [] () false [PREFERENCE]
                    "preference softplus(h) + (1 - preference) softplus(-h), on regrets of segments"
                    "Knox et al. 2022, arXiv 2206.02231";
                93 Dppo dppo ["direct_preference_based_policy_optimization"] (temperature: DISTANCE_TEMPERATURE, contrastive_bias: CONTRASTIVE_BIAS) false
                    "softplus((u - contrastive_bias v)/temperature), on distances of segments"
                    "An et al. 2023, arXiv 2301.12842";
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
            }
            contrastive {
                40 InfoNce info_nce ["infonce"] (temperature: TEMPERATURE) false
                    "(log-sum-exp of s/temperature over the positive and the negatives) - s_positive/temperature"
                    "van den Oord et al. 2018, arXiv 1807.03748";
                41 Clip clip ["symmetric_info_nce"] (temperature: TEMPERATURE) false
                    "(info_nce of the rows + info_nce of the columns)/2, means, with the diagonal for positives"
                    "Radford et al. 2021, arXiv 2103.00020";
                42 NtXent nt_xent ["ntxent"] (temperature: TEMPERATURE) false
                    "mean over pairs of a group of info_nce, with all other samples for negatives or those of other groups alone"
                    "Chen et al. 2020, arXiv 2002.05709 (SimCLR)";
                43 SupCon supcon ["sup_con"] (temperature: TEMPERATURE) false
                    "mean over samples of (log-sum-exp of s/temperature over all others) - (mean of s/temperature over its group)"
                    "Khosla et al. 2020, arXiv 2004.11362, eq. 2";
            }
        }
    };
}
