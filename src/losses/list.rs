//! The one list of losses. Whatever repeats the losses is made from it: types, enums, constructors, kernels, the C header, the
//! command's options, tests, digests and the tables of the docs.

/// Hands the list to a macro: shape by shape, one entry a loss. Of the losses of pairs those that are defined by their operations come
/// first.
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
            operations {
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
            }
            pairwise {
                9 SppoHard sppo_hard ["sppo"] (beta: BETA) true
                    "(u - 1/(2 beta))^2 + (v + 1/(2 beta))^2"
                    "Wu et al. 2024, arXiv 2405.00675, with the win probabilities 1 and 0, as in TRL";
                10 ExoPair exo_pair ["exo"] (beta: BETA, label_smoothing: LABEL_SHARE) true
                    "sigmoid(z) ln(sigmoid(z) / (1 - label_smoothing)) + sigmoid(-z) ln(sigmoid(-z) / label_smoothing)"
                    "Ji et al. 2024, arXiv 2402.00856, eq. 16";
                12 SimPer simper [] () false
                    "e^v - e^u, on token means"
                    "Xiao et al. 2025, arXiv 2502.00883";
                13 Rebel rebel [] (eta: REWARD_SCALE) true [REWARD_DIFFERENCE]
                    "(h - eta reward_difference)^2"
                    "Gao et al. 2024, arXiv 2404.16767, eq. 5";
                14 SigmoidNorm sigmoid_norm ["dpo_norm", "length_normalised_dpo"] (beta: BETA) true
                    "softplus(-z), on token means"
                    "Lambert et al. 2024, arXiv 2411.15124 (Tulu 3)";
                15 Slic slic ["slic_hf"] (delta: MARGIN_TARGET) false
                    "max(0, delta - h)"
                    "Zhao et al. 2023, arXiv 2305.10425, as HALOs has it";
                16 NcaPair nca_pair [] (beta: BETA) true
                    "softplus(-beta u) + softplus(beta u)/2 + softplus(beta v)/2"
                    "Chen et al. 2024, arXiv 2402.05369";
                17 BcoPair bco_pair [] (beta: BETA, shift: SHIFT) true
                    "softplus(-(beta u - shift)) + softplus(beta v - shift)"
                    "Jung et al. 2024, arXiv 2404.04656";
                18 ApoZero apo_zero [] (beta: BETA) true
                    "sigmoid(-beta u) + sigmoid(beta v)"
                    "D'Oosterlinck et al. 2024, arXiv 2408.06266";
                19 ApoDown apo_down [] (beta: BETA) true
                    "sigmoid(beta u) + sigmoid(-z)"
                    "D'Oosterlinck et al. 2024, arXiv 2408.06266";
                20 Discopop discopop ["log_ratio_modulated"] (beta: BETA, tau: TAU) true
                    "(1 - m) softplus(-z) + m e^-z, m = sigmoid(z/tau)"
                    "Lu et al. 2024, arXiv 2406.08414";
                21 Aot aot ["aot_pair", "aot_paired"] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "softplus(-z) + label_smoothing z, of sort(policy_chosen - policy_rejected) - sort(ref_chosen - ref_rejected)"
                    "Melnyk et al. 2024, arXiv 2406.05882";
                22 AotUnpaired aot_unpaired ["aot_unpair"] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "softplus(-z) + label_smoothing z, of sort(u) - sort(v)"
                    "Melnyk et al. 2024, arXiv 2406.05882";
                23 Dpop dpop ["dpo_positive", "smaug"] (beta: BETA, lambda: PENALTY) true
                    "softplus(-beta (h - lambda max(0, -u)))"
                    "Pal et al. 2024, arXiv 2402.13228";
                24 Xpo xpo [] (beta: BETA, alpha: TERM_WEIGHT) true
                    "softplus(-z) - alpha (u + v)"
                    "Xie et al. 2024, arXiv 2405.21046";
                25 RDpo r_dpo ["rdpo_length"] (beta: BETA, alpha: TERM_WEIGHT) true [LENGTH_DIFFERENCE]
                    "softplus(-(z + alpha length_difference))"
                    "Park et al. 2024, arXiv 2403.19159";
                26 Odpo odpo ["dpo_offset"] (beta: BETA) true [OFFSET]
                    "softplus(-(z - offset))"
                    "Amini et al. 2024, arXiv 2402.10571";
                27 SoftDpo soft_dpo ["soft_labels"] (beta: BETA) true [PREFERENCE]
                    "preference softplus(-z) + (1 - preference) softplus(z)"
                    "Mitchell 2023, A note on DPO with noisy preferences, a share a pair";
                28 SoftIpo soft_ipo [] (beta: BETA) true [PREFERENCE]
                    "(h - (2 preference - 1)/(2 beta))^2"
                    "Azar et al. 2023, arXiv 2310.12036";
                29 RpoBwd rpo_bwd ["rpo_bwd_kl"] (beta: BETA, eta: REWARD_SCALE) true [REWARD_DIFFERENCE]
                    "KL(sigmoid(eta reward_difference) to sigmoid(z))"
                    "Sun et al. 2025, arXiv 2502.00203 (NeMo-Aligner)";
                30 RpoFwd rpo_fwd ["rpo_fwd_kl"] (beta: BETA, eta: REWARD_SCALE) true [REWARD_DIFFERENCE]
                    "KL(sigmoid(z) to sigmoid(eta reward_difference))"
                    "Sun et al. 2025, arXiv 2502.00203 (NeMo-Aligner)";
                31 RpoSq rpo_sq [] (beta: BETA, eta: REWARD_SCALE) true [REWARD_DIFFERENCE]
                    "(z - eta reward_difference)^2"
                    "Sun et al. 2025, arXiv 2502.00203 (NeMo-Aligner)";
                32 Todo todo [] (beta: BETA, theta: TIE_THRESHOLD) true [TIE]
                    "softplus(-(z + theta)); of a tie softplus(z - theta) + softplus(-z - theta) - ln(e^(-2 theta) - 1)"
                    "Guo et al. 2024, arXiv 2411.02442";
                33 Rpo rpo ["dpo_nll", "irpo"] (beta: BETA, alpha: TERM_WEIGHT) true [NLL]
                    "softplus(-z) + alpha nll"
                    "Pang et al. 2024, arXiv 2404.19733";
                34 Cpo cpo ["tpo"] (beta: BETA, label_smoothing: LABEL_SMOOTHING, alpha: TERM_WEIGHT) false [NLL]
                    "softplus(-z) + label_smoothing z + alpha nll"
                    "Xu et al. 2024, arXiv 2401.08417";
                35 CpoHinge cpo_hinge ["tpo_hinge"] (beta: BETA, alpha: TERM_WEIGHT) false [NLL]
                    "max(0, 1 - z) + alpha nll"
                    "Xu et al. 2024, arXiv 2401.08417, with the loss of SLiC";
                36 CpoIpo cpo_ipo ["tpo_ipo"] (beta: BETA, alpha: TERM_WEIGHT) false [NLL]
                    "(h - 1/(2 beta))^2 + alpha nll"
                    "Xu et al. 2024, arXiv 2401.08417, with the loss of IPO";
                37 CpoSimPo cpo_simpo ["tpo_l"] (beta: BETA, gamma: GAMMA, alpha: TERM_WEIGHT) false [NLL]
                    "softplus(-(z - gamma)) + alpha nll, on token means"
                    "fe1ixxu/CPO_SIMPO; Saeidi et al. 2024, arXiv 2405.16681 (TPO)";
                38 SimPoRatio simpo_ratio ["simpo_official"] (beta: BETA, gamma_beta_ratio: GAMMA_RATIO) false
                    "softplus(-beta (h - gamma_beta_ratio)), on token means"
                    "Meng et al. 2024, arXiv 2405.14734, as in its code and HALOs";
                39 Orpo orpo [] (beta: BETA) false [NLL]
                    "nll + beta softplus(-(ln(e^u/(1 - e^u)) - ln(e^v/(1 - e^v)))), on token means"
                    "Hong et al. 2024, arXiv 2403.07691";
                100 AlphaPo alphapo [] (beta: BETA, alpha: REWARD_SHAPE, gamma: GAMMA) false
                    "softplus(-(beta (r(u) - r(v)) - gamma)), r(l) = (1 - e^(-alpha l))/alpha, on token means"
                    "Gupta et al. 2025, arXiv 2501.03884";
                101 RewardModel reward_model ["bradley_terry", "bt"] (centering: CENTERING) false [REWARD_MARGIN]
                    "softplus(-(u - v - margin)) + centering (u + v)^2, of scores"
                    "Bradley and Terry 1952; Ouyang et al. 2022, arXiv 2203.02155";
                102 Nll nll ["sft"] () false
                    "-u"
                    "the likelihood of the chosen answer";
                103 Sql sql [] (alpha: VALUE_TEMPERATURE) false
                    "max(0, 1 + (u - v)/(2 alpha))^2 + v/alpha, of a target value u and a value v"
                    "Xu et al. 2023, arXiv 2303.15810";
                104 Eql eql [] (alpha: VALUE_TEMPERATURE) false
                    "e^((u - v)/alpha) + v/alpha, of a target value u and a value v"
                    "Xu et al. 2023, arXiv 2303.15810";
                105 EqlClipped eql_clipped [] (alpha: VALUE_TEMPERATURE, clip: CLIP, log_scale: LOG_SCALE) false
                    "e^(min((u - v)/alpha, clip) - log_scale) + e^-log_scale v/alpha"
                    "Xu et al. 2023, arXiv 2303.15810, as in its code";
                106 Gumbel gumbel ["xql"] (temperature: VALUE_TEMPERATURE) false
                    "e^x - x - 1, x = (u - v)/temperature"
                    "Garg et al. 2023, arXiv 2301.02328";
                107 GumbelRescaled gumbel_rescaled [] (temperature: VALUE_TEMPERATURE, clip: CLIP, log_scale: LOG_SCALE) false
                    "e^-log_scale (e^x - x - 1), x = min((u - v)/temperature, clip)"
                    "Garg et al. 2023, arXiv 2301.02328, as in its code";
                108 Iql iql ["expectile"] (tau: EXPECTILE) false
                    "|tau - [u < v]| (u - v)^2, of a target value u and a value v"
                    "Kostrikov et al. 2021, arXiv 2110.06169";
                11 ForwardKl forward_kl ["forward_kl_dpo"] (beta: BETA) true
                    "softplus(-beta d), d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                109 ForwardKlHinge forward_kl_hinge [] (beta: BETA) true
                    "max(0, 1 - beta d), d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                110 ForwardKlIpo forward_kl_ipo [] (beta: BETA) true
                    "(d - 1/(2 beta))^2, d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                111 ForwardKlExo forward_kl_exo [] (beta: BETA, label_smoothing: LABEL_SHARE) true
                    "the loss exo_pair of beta d, d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                112 ForwardKlRobust forward_kl_robust [] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "the loss robust of beta d, d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                113 ForwardKlDiscopop forward_kl_discopop [] (beta: BETA, tau: TAU) true
                    "the loss discopop of beta d, d = e^-v - e^-u"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                114 JsDivergence js_divergence ["js", "jensen_shannon"] (beta: BETA) true
                    "softplus(-beta d), d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                115 JsDivergenceHinge js_divergence_hinge [] (beta: BETA) true
                    "max(0, 1 - beta d), d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                116 JsDivergenceIpo js_divergence_ipo [] (beta: BETA) true
                    "(d - 1/(2 beta))^2, d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                117 JsDivergenceExo js_divergence_exo [] (beta: BETA, label_smoothing: LABEL_SHARE) true
                    "the loss exo_pair of beta d, d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                118 JsDivergenceRobust js_divergence_robust [] (beta: BETA, label_smoothing: LABEL_SMOOTHING) true
                    "the loss robust of beta d, d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                119 JsDivergenceDiscopop js_divergence_discopop [] (beta: BETA, tau: TAU) true
                    "the loss discopop of beta d, d = ln sigmoid(u) - ln sigmoid(v)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                120 AlphaDivergence alpha_divergence [] (beta: BETA, alpha: DIVERGENCE) true
                    "softplus(-beta d), d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                121 AlphaDivergenceHinge alpha_divergence_hinge [] (beta: BETA, alpha: DIVERGENCE) true
                    "max(0, 1 - beta d), d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                122 AlphaDivergenceIpo alpha_divergence_ipo [] (beta: BETA, alpha: DIVERGENCE) true
                    "(d - 1/(2 beta))^2, d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                123 AlphaDivergenceExo alpha_divergence_exo [] (beta: BETA, label_smoothing: LABEL_SHARE, alpha: DIVERGENCE) true
                    "the loss exo_pair of beta d, d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                124 AlphaDivergenceRobust alpha_divergence_robust [] (beta: BETA, label_smoothing: LABEL_SMOOTHING, alpha: DIVERGENCE) true
                    "the loss robust of beta d, d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
                125 AlphaDivergenceDiscopop alpha_divergence_discopop [] (beta: BETA, tau: TAU, alpha: DIVERGENCE) true
                    "the loss discopop of beta d, d = (e^((alpha - 1) u) - e^((alpha - 1) v))/(alpha - 1)"
                    "Wang et al. 2023, arXiv 2309.16240 (f-DPO)";
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
                60 Bco bco [] (beta: BETA) true
                    "softplus(-(z - z0)) where desirable, softplus(z - z0) elsewhere"
                    "Jung et al. 2024, arXiv 2404.04656; its shift is z0, beta times the reference point";
                61 ApoZeroUnpaired apo_zero_unpaired [] (beta: BETA, desirable_weight: CLASS_WEIGHT, undesirable_weight: CLASS_WEIGHT) true
                    "desirable_weight sigmoid(-z) where desirable, undesirable_weight sigmoid(z) elsewhere"
                    "D'Oosterlinck et al. 2024, arXiv 2408.06266, for single answers as in TRL's KTO trainer";
                62 SigLip siglip [] (beta: BETA, bias: BIAS) false
                    "softplus(-(z + bias)) where desirable, softplus(z + bias) elsewhere, z = beta times a similarity"
                    "Zhai et al. 2023, arXiv 2303.15343; dividing the sum by the batch's N is left to the caller";
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
                74 RealList real [] (tau: GROUP_TEMPERATURE) true [RIGHT]
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
