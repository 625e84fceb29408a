//! The losses as their papers print them, one expression each. Gradients come of the [dual numbers](crate::dual); the precision rises
//! until nothing that cancelled matters.

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;

use smallvec::{SmallVec, smallvec};

use crate::Float;
use crate::ball::{Arithmetic, Ball, Radius, Rounding, Trace};
use crate::dual::{Dual, ln_one_plus_exps};

/// What a loss takes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The log-ratios of a chosen and of a rejected answer.
    Pairwise,
    /// The log-ratio of one answer, whether it is desirable, and a reference point.
    Labelled,
    /// The log-ratios of some answers in the order of their rank, the best first.
    Listed,
}

/// A parameter, which means the same wherever its name stands.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// The value that people use; none where each has to choose.
    pub default: Option<f64>,
    /// What it must be, in words.
    pub requirement: &'static str,
    is_allowed: fn(f64) -> bool,
}

impl Parameter {
    /// The one of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }

    /// Whether the loss is defined at this value.
    pub fn allows(&self, value: f64) -> bool {
        value.is_finite() && (self.is_allowed)(value)
    }
}

const fn parameter(
    name: &'static str,
    meaning: &'static str,
    default: Option<f64>,
    requirement: &'static str,
    is_allowed: fn(f64) -> bool,
) -> Parameter {
    Parameter { name, meaning, default, requirement, is_allowed }
}

/// All of them.
pub static PARAMETERS: &[Parameter] = &[
    parameter("beta", "the scale of the rewards", Some(0.1), "a finite number above 0", |x| x > 0.0),
    parameter("label_smoothing", "the share of flipped labels", None, "at least 0 and below 0.5", |x| {
        (0.0..0.5).contains(&x)
    }),
    parameter("tau", "the temperature", Some(0.05), "a finite number above 0", |x| x > 0.0),
    parameter("eta", "the scale of given rewards", Some(1.0), "a finite number above 0", |x| x > 0.0),
    parameter("reward_difference", "the difference of given rewards", Some(0.5), "a finite number", |_| true),
    parameter("alpha", "the weight of a term, or the order of a divergence", None, "a finite number", |_| true),
    parameter("delta", "the margin to reach", Some(1.0), "a finite number of at least 0", |x| x >= 0.0),
    parameter("shift", "what rewards are compared with", Some(0.0), "a finite number", |_| true),
    parameter("lambda", "the weight of a penalty", Some(50.0), "a finite number of at least 0", |x| x >= 0.0),
    parameter("theta", "how near rewards of a tie are", Some(-0.5), "a finite number below 0", |x| x < 0.0),
    parameter("gamma_beta_ratio", "the margin over beta", Some(0.5), "a finite number", |_| true),
    parameter("centering", "the pull of scores to 0", Some(0.0), "a finite number of at least 0", |x| x >= 0.0),
    parameter("temperature", "the temperature", Some(1.0), "a finite number above 0", |x| x > 0.0),
    parameter("clip", "where exponents are clipped", Some(5.0), "a finite number", |_| true),
    parameter("log_scale", "what is taken from exponents", Some(0.0), "a finite number", |_| true),
    parameter("length_difference", "the difference of lengths", Some(12.0), "a finite number", |_| true),
    parameter("offset", "what z is to exceed", Some(0.0), "a finite number", |_| true),
    parameter("preference", "the probability of the preference", Some(1.0), "at least 0 and at most 1", |x| {
        (0.0..=1.0).contains(&x)
    }),
    parameter("tie", "whether neither is preferred", Some(0.0), "at least 0 and at most 1", |x| {
        (0.0..=1.0).contains(&x)
    }),
    parameter("nll", "a negative log-likelihood", Some(0.0), "a finite number", |_| true),
    parameter("margin", "what scores' difference is to exceed", Some(0.0), "a finite number", |_| true),
    parameter("gamma", "the margin", Some(0.5), "a finite number", |_| true),
    parameter("bias", "what is added to the scaled similarity", Some(-10.0), "a finite number", |_| true),
    parameter("desirable_weight", "the weight of desirable answers", Some(1.0), "a finite number of at least 0", |x| {
        x >= 0.0
    }),
    parameter("undesirable_weight", "the weight of the others", Some(1.0), "a finite number of at least 0", |x| {
        x >= 0.0
    }),
    parameter("beta1", "the temperature of given rewards", Some(1.0), "a finite number above 0", |x| x > 0.0),
    parameter("top", "how many answers are ranked", Some(1.0), "a whole number from 1 on", |x| {
        x >= 1.0 && x.fract() == 0.0
    }),
    parameter("reward", "an answer's given reward", Some(0.0), "a finite number", |_| true),
    parameter("relevance", "an answer's degree of relevance", Some(0.0), "at least -1024 and at most 1024", |x| {
        x.abs() <= 1024.0
    }),
    parameter("right", "whether an answer is right", Some(1.0), "0 or 1", |x| x == 0.0 || x == 1.0),
    parameter("contrastive_bias", "the weight of the other segment's score", Some(0.5), "above 0 and at most 1", |x| {
        x > 0.0 && x <= 1.0
    }),
];

/// A loss by its definition.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Names that others give it.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub form: Form,
    /// The names of its parameters, in order.
    pub parameters: &'static [&'static str],
    /// The name of what it takes beside log-ratios, a number of each pair, labelled row or answer of a list; most take nothing.
    pub column: Option<&'static str>,
    /// Whether it is one of policy and reference; else the log-ratios are log-probabilities of the policy.
    pub reference: bool,
    /// Whether it is one of the difference of the two log-ratios alone.
    pub of_difference: bool,
    /// Whether it is one of a labelled answer that compares its log-ratio with a reference point.
    pub reference_point: bool,
    /// Whether it is one of answers' log-probabilities below 0 alone.
    pub below_zero: bool,
    formula: Formula,
}

/// A formula as [`Definition`] holds it.
type Formula = for<'a> fn(&Terms<'a>) -> Dual<'a>;

/// A loss of policy and reference, of one of the forms.
const fn loss(name: &'static str, form: Form, parameters: &'static [&'static str], formula: Formula) -> Definition {
    let (aliases, column, reference, of_difference, below_zero) = (&[], None, true, false, false);
    let reference_point = matches!(form, Form::Labelled);
    Definition {
        name,
        aliases,
        form,
        parameters,
        column,
        reference,
        of_difference,
        reference_point,
        below_zero,
        formula,
    }
}

/// A pairwise loss of the difference of the log-ratios.
const fn of_difference(name: &'static str, parameters: &'static [&'static str], formula: Formula) -> Definition {
    Definition { of_difference: true, ..loss(name, Form::Pairwise, parameters, formula) }
}

/// A loss that takes something beside log-ratios.
const fn with_column(column: &'static str, definition: Definition) -> Definition {
    Definition { column: Some(column), ..definition }
}

/// A loss of a labelled answer that compares its log-ratio with nothing.
const fn without_point(definition: Definition) -> Definition {
    Definition { reference_point: false, ..definition }
}

/// A loss without a reference.
const fn reference_free(definition: Definition) -> Definition {
    Definition { reference: false, ..definition }
}

/// All of them.
pub static DEFINITIONS: &[Definition] = &[
    // Rafailov et al. 2023.
    of_difference("dpo", &["beta"], |t| -t.z().log_sigmoid()),
    // Mitchell 2023, 'A note on DPO with noisy preferences'.
    of_difference("cdpo", &["beta", "label_smoothing"], |t| {
        let ([_, eps], z) = (t.parameters(), t.z());
        -(1.0 - &eps) * z.log_sigmoid() - eps * (-z).log_sigmoid()
    }),
    // Chowdhury et al. 2024.
    of_difference("robust", &["beta", "label_smoothing"], |t| {
        let ([_, eps], z) = (t.parameters(), t.z());
        (-(1.0 - &eps) * z.log_sigmoid() + &eps * (-z).log_sigmoid()) / (1.0 - 2.0 * eps)
    }),
    // Azar et al. 2023.
    of_difference("ipo", &["beta"], |t| {
        let [beta] = t.parameters();
        (t.h() - 1.0 / (2.0 * beta)).square()
    }),
    // Zhao et al. 2023 (SLiC), Liu et al. 2023 (RSO).
    of_difference("hinge", &["beta"], |t| (1.0 - t.z()).relu()),
    // Meng et al. 2024; gamma is not scaled by beta.
    reference_free(of_difference("simpo", &["beta", "gamma"], |t| {
        let [_, gamma] = t.parameters();
        -(t.z() - gamma).log_sigmoid()
    })),
    // Wu et al. 2024.
    loss("sppo_hard", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let half = 1.0 / (2.0 * beta);
        (t.u() - &half).square() + (t.v() + half).square()
    }),
    // Ji et al. 2024.
    of_difference("exo_pair", &["beta", "label_smoothing"], |t| {
        let [_, eps] = t.parameters();
        exo(&t.z(), &eps)
    }),
    // Xiao et al. 2025.
    reference_free(loss("simper", Form::Pairwise, &[], |t| t.v().exp() - t.u().exp())),
    // Gao et al. 2024.
    with_column(
        "reward_difference",
        of_difference("rebel", &["eta"], |t| {
            let [eta] = t.parameters();
            (t.h() - eta * t.column()).square()
        }),
    ),
    // Ethayarajh et al. 2024; 1 - sigmoid(x) is sigmoid(-x).
    loss("kto", Form::Labelled, &["beta", "desirable_weight", "undesirable_weight"], |t| {
        let [beta, desirable, undesirable] = t.parameters();
        if t.is_desirable {
            desirable * (-(beta * (t.u() - &t.reference_point))).sigmoid()
        } else {
            undesirable * (-(beta * (&t.reference_point - t.u()))).sigmoid()
        }
    }),
    // Jung et al. 2024.
    loss("bco", Form::Labelled, &["beta"], |t| {
        let [beta] = t.parameters();
        let x = beta * (t.u() - &t.reference_point);
        if t.is_desirable { -x.log_sigmoid() } else { -(-x).log_sigmoid() }
    }),
    // D'Oosterlinck et al. 2024, of single answers.
    without_point(loss(
        "apo_zero_unpaired",
        Form::Labelled,
        &["beta", "desirable_weight", "undesirable_weight"],
        |t| {
            let [beta, desirable, undesirable] = t.parameters();
            let z = beta * t.u();
            if t.is_desirable { desirable * (-z).sigmoid() } else { undesirable * z.sigmoid() }
        },
    )),
    // Zhai et al. 2023, of one image and one text.
    without_point(reference_free(loss("siglip", Form::Labelled, &["beta", "bias"], |t| {
        let [beta, bias] = t.parameters();
        let x = beta * t.u() + bias;
        if t.is_desirable { -x.log_sigmoid() } else { -(-x).log_sigmoid() }
    }))),
    // Rafailov et al. 2023, appendix: minus the logarithms of e^s_k / sum e^s_j over j from k on.
    loss("plackett_luce", Form::Listed, &["beta"], |t| {
        let [beta] = t.parameters();
        let s: Vec<Dual<'_>> = t.ratios.iter().map(|ratio| &beta * ratio).collect();
        let of_rank = |k: usize| ln_one_plus_exps(&s[k + 1..].iter().map(|other| other - &s[k]).collect::<Vec<_>>());
        (0..s.len()).filter_map(of_rank).fold(t.constant(0.0), |sum, term| sum + term)
    }),
    // The same sum over the first ranks.
    loss("plackett_luce_top", Form::Listed, &["beta", "top"], |t| {
        let [_, top] = t.values();
        let s = t.scores();
        let ranked = (0..s.len()).filter(|k| ((k + 1) as f64) <= top);
        ranked.fold(t.constant(0.0), |sum, k| t.plus(sum, above(&s[k + 1..], &s[k])))
    }),
    // Chen et al. 2024 (S-DPO): the chosen answer first.
    loss("s_dpo", Form::Listed, &["beta"], |t| {
        let s = t.scores();
        t.plus(t.constant(0.0), s.split_first().and_then(|(chosen, others)| above(others, chosen)))
    }),
    // Chen et al. 2024 (noise contrastive alignment), the first of their two losses.
    with_column(
        "reward",
        loss("info_nca", Form::Listed, &["beta", "alpha"], |t| {
            let s = t.scores();
            let terms = t.softmax_of_columns(1).into_iter().enumerate().map(|(i, p)| Some(p * all_above(&s, i)?));
            terms.fold(t.constant(0.0), |sum, term| t.plus(sum, term))
        }),
    ),
    // The second.
    with_column(
        "reward",
        loss("nca", Form::Listed, &["beta", "alpha"], |t| {
            let s = t.scores();
            let k = s.len() as f64;
            let terms = t.softmax_of_columns(1).into_iter().zip(&s);
            terms.fold(t.constant(0.0), |sum, (p, s)| sum - p * s.log_sigmoid() + s.softplus() / k)
        }),
    ),
    // Liu et al. 2024 (LiPO): the weights are constants, by the ranks that the policy now gives.
    with_column(
        "relevance",
        loss("lipo", Form::Listed, &["beta"], |t| {
            let (s, ranks) = (t.scores(), t.ranks());
            let power = |i: usize| (t.column_of(i) * t.constant(2.0).ln()).exp();
            let discount = |i: usize| 1.0 / t.constant(1.0 + ranks[i] as f64).ln();
            let mut sum = t.constant(0.0);
            for i in 0..s.len() {
                for j in (0..s.len()).filter(|j| t.columns_compare(i, *j).is_gt()) {
                    let change = discount(i) - discount(j);
                    let change = if ranks[i] < ranks[j] { change } else { -change };
                    sum = sum - (power(i) - power(j)) * change * (&s[i] - &s[j]).log_sigmoid();
                }
            }
            sum
        }),
    ),
    // REAL: both sides against 0.
    with_column(
        "right",
        loss("real", Form::Listed, &["tau"], |t| {
            let [tau] = t.parameters();
            let side = |right: bool| -> Vec<Dual<'_>> {
                let of_side = (0..t.ratios.len()).filter(|i| (t.column_of(*i).value.middle > 0) == right);
                of_side.map(|i| if right { -(&t.ratios[i] / &tau) } else { &t.ratios[i] / &tau }).collect()
            };
            match (ln_one_plus_exps(&side(false)), ln_one_plus_exps(&side(true))) {
                (Some(wrong), Some(right)) => wrong + right,
                _ => t.constant(0.0),
            }
        }),
    ),
    // Brantley et al. 2025 (A*-PO), beta for their beta_2.
    with_column(
        "reward",
        loss("a2po", Form::Listed, &["beta", "beta1"], |t| {
            let ([_, beta1], s) = (t.parameters(), t.scores());
            let k = s.len() as f64;
            if s.is_empty() {
                return t.constant(0.0);
            }
            // The logarithm of a mean: of what each is to the first, beside 1.
            let first = t.column_of(0);
            let others: Vec<Dual<'_>> = (1..s.len()).map(|i| (t.column_of(i) - &first) / &beta1).collect();
            let sum = t.plus(-t.constant(k).ln(), ln_one_plus_exps(&others));
            let value = beta1 * sum;
            let errors = s.iter().enumerate().map(|(i, s)| (s - (t.column_of(i) - &first - &value)).square());
            errors.fold(t.constant(0.0), |sum, error| sum + error) / k
        }),
    ),
    // Wang et al. 2024 (mDPO): the chosen answer, the rejected one, the chosen one of another image.
    loss("mdpo", Form::Listed, &["beta", "delta"], |t| {
        let ([_, delta], s) = (t.parameters(), t.scores());
        let Some((chosen, others)) = s.split_first() else { return t.constant(0.0) };
        others.iter().fold(-(chosen - delta).log_sigmoid(), |sum, other| sum - (chosen - other).log_sigmoid())
    }),
    // Lu et al. 2024: (1 - m) DPO + m e^-z with m = sigmoid(z/tau), the product in one exponential.
    of_difference("discopop", &["beta", "tau"], |t| {
        let [_, tau] = t.parameters();
        discopop(&t.z(), &tau)
    }),
    // Lambert et al. 2024, on token means.
    of_difference("sigmoid_norm", &["beta"], |t| -t.z().log_sigmoid()),
    // Zhao et al. 2023.
    reference_free(of_difference("slic", &["delta"], |t| {
        let [delta] = t.parameters();
        (delta - t.h()).relu()
    })),
    // Chen et al. 2024.
    loss("nca_pair", Form::Pairwise, &["beta"], |t| {
        let [a, b] = t.rewards();
        -a.log_sigmoid() - 0.5 * (-&a).log_sigmoid() - 0.5 * (-b).log_sigmoid()
    }),
    // Jung et al. 2024.
    loss("bco_pair", Form::Pairwise, &["beta", "shift"], |t| {
        let ([_, shift], [a, b]) = (t.parameters(), t.rewards());
        -(a - &shift).log_sigmoid() - (-(b - shift)).log_sigmoid()
    }),
    // D'Oosterlinck et al. 2024.
    loss("apo_zero", Form::Pairwise, &["beta"], |t| {
        let [a, b] = t.rewards();
        (-a).sigmoid() + b.sigmoid()
    }),
    loss("apo_down", Form::Pairwise, &["beta"], |t| {
        let [a, b] = t.rewards();
        a.sigmoid() + (b - a).sigmoid()
    }),
    // Melnyk et al. 2024, of rows in order.
    of_difference("aot", &["beta", "label_smoothing"], |t| {
        let [_, eps] = t.parameters();
        smoothed(&t.z(), &eps)
    }),
    of_difference("aot_unpaired", &["beta", "label_smoothing"], |t| {
        let [_, eps] = t.parameters();
        smoothed(&t.z(), &eps)
    }),
    // Pal et al. 2024.
    loss("dpop", Form::Pairwise, &["beta", "lambda"], |t| {
        let [beta, lambda] = t.parameters();
        -(beta * (t.u() - t.v() - lambda * (-t.u()).relu())).log_sigmoid()
    }),
    // Xie et al. 2024.
    loss("xpo", Form::Pairwise, &["beta", "alpha"], |t| {
        let [beta, alpha] = t.parameters();
        -(beta * (t.u() - t.v())).log_sigmoid() - alpha * (t.u() + t.v())
    }),
    // Park et al. 2024.
    with_column(
        "length_difference",
        of_difference("r_dpo", &["beta", "alpha"], |t| {
            let [_, alpha] = t.parameters();
            -(t.z() + alpha * t.column()).log_sigmoid()
        }),
    ),
    // Amini et al. 2024.
    with_column("offset", of_difference("odpo", &["beta"], |t| -(t.z() - t.column()).log_sigmoid())),
    // Conservative DPO with a share of each pair.
    with_column(
        "preference",
        of_difference("soft_dpo", &["beta"], |t| {
            let (p, z) = (t.column(), t.z());
            -(p * z.log_sigmoid()) - (1.0 - p) * (-z).log_sigmoid()
        }),
    ),
    // Azar et al. 2023, with the mean of their labels.
    with_column(
        "preference",
        of_difference("soft_ipo", &["beta"], |t| {
            let [beta] = t.parameters();
            (t.h() - (2.0 * t.column() - 1.0) / (2.0 * beta)).square()
        }),
    ),
    // Sun et al. 2025.
    with_column(
        "reward_difference",
        of_difference("rpo_bwd", &["beta", "eta"], |t| {
            let [_, eta] = t.parameters();
            divergence(&(eta * t.column()), &t.z())
        }),
    ),
    with_column(
        "reward_difference",
        of_difference("rpo_fwd", &["beta", "eta"], |t| {
            let [_, eta] = t.parameters();
            divergence(&t.z(), &(eta * t.column()))
        }),
    ),
    with_column(
        "reward_difference",
        of_difference("rpo_sq", &["beta", "eta"], |t| {
            let [_, eta] = t.parameters();
            (t.z() - eta * t.column()).square()
        }),
    ),
    // Guo et al. 2024.
    with_column(
        "tie",
        of_difference("todo", &["beta", "theta"], |t| {
            let ([_, theta], z) = (t.parameters(), t.z());
            let preferred = -(&z + &theta).log_sigmoid();
            if t.columns_given[0] > 0.0 {
                preferred - (&theta - z).log_sigmoid() - (-2.0 * theta).exp_m1().ln()
            } else {
                preferred
            }
        }),
    ),
    // Pang et al. 2024.
    with_column(
        "nll",
        of_difference("rpo", &["beta", "alpha"], |t| {
            let [_, alpha] = t.parameters();
            -t.z().log_sigmoid() + alpha * t.column()
        }),
    ),
    // Xu et al. 2024.
    with_column(
        "nll",
        reference_free(of_difference("cpo", &["beta", "label_smoothing", "alpha"], |t| {
            let [_, eps, alpha] = t.parameters();
            smoothed(&t.z(), &eps) + alpha * t.column()
        })),
    ),
    with_column(
        "nll",
        reference_free(of_difference("cpo_hinge", &["beta", "alpha"], |t| {
            let [_, alpha] = t.parameters();
            (1.0 - t.z()).relu() + alpha * t.column()
        })),
    ),
    with_column(
        "nll",
        reference_free(of_difference("cpo_ipo", &["beta", "alpha"], |t| {
            let [beta, alpha] = t.parameters();
            (t.h() - 1.0 / (2.0 * beta)).square() + alpha * t.column()
        })),
    ),
    with_column(
        "nll",
        reference_free(of_difference("cpo_simpo", &["beta", "gamma", "alpha"], |t| {
            let [_, gamma, alpha] = t.parameters();
            -(t.z() - gamma).log_sigmoid() + alpha * t.column()
        })),
    ),
    // Meng et al. 2024, with gamma scaled by beta.
    reference_free(of_difference("simpo_ratio", &["beta", "gamma_beta_ratio"], |t| {
        let [beta, gamma] = t.parameters();
        -(beta * (t.h() - gamma)).log_sigmoid()
    })),
    // Hong et al. 2024.
    Definition {
        below_zero: true,
        ..with_column("nll", reference_free(loss("orpo", Form::Pairwise, &["beta"], |t| t.column() + of_odds(t))))
    },
    // Its term of the odds alone, which trainers have as a function of its own.
    Definition { below_zero: true, ..reference_free(loss("odds_ratio", Form::Pairwise, &["beta"], of_odds)) },
    // Gupta et al. 2025.
    reference_free(loss("alphapo", Form::Pairwise, &["beta", "alpha", "gamma"], |t| {
        let [beta, alpha, gamma] = t.parameters();
        -(beta * (t.power(t.u(), &-&alpha) - t.power(t.v(), &-alpha)) - gamma).log_sigmoid()
    })),
    // Bradley and Terry 1952, with margin and centering.
    with_column(
        "margin",
        reference_free(loss("reward_model", Form::Pairwise, &["centering"], |t| {
            let [centering] = t.parameters();
            -(t.u() - t.v() - t.column()).log_sigmoid() + centering * (t.u() + t.v()).square()
        })),
    ),
    reference_free(loss("nll", Form::Pairwise, &[], |t| -t.u())),
    // Xu et al. 2023, of a target value and a value.
    reference_free(loss("sql", Form::Pairwise, &["alpha"], |t| {
        let [alpha] = t.parameters();
        (1.0 + (t.u() - t.v()) / (2.0 * &alpha)).relu().square() + t.v() / alpha
    })),
    reference_free(loss("eql", Form::Pairwise, &["alpha"], |t| {
        let [alpha] = t.parameters();
        ((t.u() - t.v()) / &alpha).exp() + t.v() / alpha
    })),
    reference_free(loss("eql_clipped", Form::Pairwise, &["alpha", "clip", "log_scale"], |t| {
        let [alpha, clip, scale] = t.parameters();
        let z = (t.u() - t.v()) / &alpha;
        (&z - (&z - clip).relu() - &scale).exp() + (-scale).exp() * t.v() / alpha
    })),
    // Garg et al. 2023.
    reference_free(of_difference("gumbel", &["temperature"], |t| {
        let [temperature] = t.parameters();
        let z = t.h() / temperature;
        z.exp_m1() - z
    })),
    reference_free(of_difference("gumbel_rescaled", &["temperature", "clip", "log_scale"], |t| {
        let [temperature, clip, scale] = t.parameters();
        let z = t.h() / temperature;
        let z = &z - (&z - clip).relu();
        (z.exp_m1() - z) * (-scale).exp()
    })),
    // Kostrikov et al. 2021.
    reference_free(of_difference("iql", &["tau"], |t| {
        let [tau] = t.parameters();
        &tau * t.h().relu().square() + (1.0 - tau) * (-t.h()).relu().square()
    })),
    // Wang et al. 2023 (f-DPO): links on other scores.
    loss("forward_kl", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        -(beta * d).log_sigmoid()
    }),
    loss("forward_kl_hinge", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        (1.0 - beta * d).relu()
    }),
    loss("forward_kl_ipo", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        (d - 1.0 / (2.0 * beta)).square()
    }),
    loss("forward_kl_exo", Form::Pairwise, &["beta", "label_smoothing"], |t| {
        let [beta, eps] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        exo(&(beta * d), &eps)
    }),
    loss("forward_kl_robust", Form::Pairwise, &["beta", "label_smoothing"], |t| {
        let [beta, eps] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        robust(&(beta * d), &eps)
    }),
    loss("forward_kl_discopop", Form::Pairwise, &["beta", "tau"], |t| {
        let [beta, tau] = t.parameters();
        let d = (-t.v()).exp() - (-t.u()).exp();
        discopop(&(beta * d), &tau)
    }),
    loss("js_divergence", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        -(beta * d).log_sigmoid()
    }),
    loss("js_divergence_hinge", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        (1.0 - beta * d).relu()
    }),
    loss("js_divergence_ipo", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        (d - 1.0 / (2.0 * beta)).square()
    }),
    loss("js_divergence_exo", Form::Pairwise, &["beta", "label_smoothing"], |t| {
        let [beta, eps] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        exo(&(beta * d), &eps)
    }),
    loss("js_divergence_robust", Form::Pairwise, &["beta", "label_smoothing"], |t| {
        let [beta, eps] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        robust(&(beta * d), &eps)
    }),
    loss("js_divergence_discopop", Form::Pairwise, &["beta", "tau"], |t| {
        let [beta, tau] = t.parameters();
        let d = t.u().log_sigmoid() - t.v().log_sigmoid();
        discopop(&(beta * d), &tau)
    }),
    loss("alpha_divergence", Form::Pairwise, &["beta", "alpha"], |t| {
        let [beta, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        -(beta * d).log_sigmoid()
    }),
    loss("alpha_divergence_hinge", Form::Pairwise, &["beta", "alpha"], |t| {
        let [beta, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        (1.0 - beta * d).relu()
    }),
    loss("alpha_divergence_ipo", Form::Pairwise, &["beta", "alpha"], |t| {
        let [beta, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        (d - 1.0 / (2.0 * beta)).square()
    }),
    loss("alpha_divergence_exo", Form::Pairwise, &["beta", "label_smoothing", "alpha"], |t| {
        let [beta, eps, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        exo(&(beta * d), &eps)
    }),
    loss("alpha_divergence_robust", Form::Pairwise, &["beta", "label_smoothing", "alpha"], |t| {
        let [beta, eps, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        robust(&(beta * d), &eps)
    }),
    loss("alpha_divergence_discopop", Form::Pairwise, &["beta", "tau", "alpha"], |t| {
        let [beta, tau, alpha] = t.parameters();
        let d = t.power(t.u(), &(&alpha - 1.0)) - t.power(t.v(), &(&alpha - 1.0));
        discopop(&(beta * d), &tau)
    }),
    // Hejna et al. 2023, of two segments of which the first is preferred with that probability.
    with_column(
        "preference",
        reference_free(loss("cpl", Form::Pairwise, &["beta", "contrastive_bias"], |t| {
            let ([beta, bias], y) = (t.parameters(), t.column());
            let (one, other) = (&beta * t.u(), &beta * t.v());
            -(y * (&one - &bias * &other).log_sigmoid()) - (1.0 - y) * (other - bias * one).log_sigmoid()
        })),
    ),
    // Knox et al. 2022: the cross-entropies of two models of preference.
    with_column(
        "preference",
        reference_free(of_difference("partial_return", &[], |t| {
            let (y, h) = (t.column(), t.h());
            -(y * h.log_sigmoid()) - (1.0 - y) * (-h).log_sigmoid()
        })),
    ),
    with_column(
        "preference",
        reference_free(of_difference("regret", &[], |t| {
            let (y, h) = (t.column(), t.h());
            -(y * (-h).log_sigmoid()) - (1.0 - y) * h.log_sigmoid()
        })),
    ),
    // An et al. 2023: minus the logarithm of e^(-u/T) / (e^(-u/T) + e^(-bias v/T)).
    reference_free(loss("dppo", Form::Pairwise, &["temperature", "contrastive_bias"], |t| {
        let [temperature, bias] = t.parameters();
        -((bias * t.v() - t.u()) / temperature).log_sigmoid()
    })),
];

/// `ln(1 + sum of e^(other - this))`, if there are others.
fn above<'a>(others: &[Dual<'a>], this: &Dual<'a>) -> Option<Dual<'a>> {
    ln_one_plus_exps(&others.iter().map(|other| other - this).collect::<Vec<_>>())
}

/// The same against all others of a list: minus the logarithm of a softmax.
fn all_above<'a>(all: &[Dual<'a>], this: usize) -> Option<Dual<'a>> {
    let others = all.iter().enumerate().filter(|(i, _)| *i != this).map(|(_, other)| other - &all[this]);
    ln_one_plus_exps(&others.collect::<Vec<_>>())
}

/// `-(1 - eps) ln sigmoid(z) - eps ln sigmoid(-z)`.
fn smoothed<'a>(z: &Dual<'a>, eps: &Dual<'a>) -> Dual<'a> {
    -((1.0 - eps) * z.log_sigmoid()) - eps * (-z).log_sigmoid()
}

/// The same without bias.
fn robust<'a>(z: &Dual<'a>, eps: &Dual<'a>) -> Dual<'a> {
    (eps * (-z).log_sigmoid() - (1.0 - eps) * z.log_sigmoid()) / (1.0 - 2.0 * eps)
}

/// The divergence of a preference from smoothed labels.
fn exo<'a>(z: &Dual<'a>, eps: &Dual<'a>) -> Dual<'a> {
    let minus = -z;
    z.sigmoid() * (z.log_sigmoid() - (1.0 - eps).ln()) + minus.sigmoid() * (minus.log_sigmoid() - eps.ln())
}

/// `(1 - m) DPO + m e^-z` with `m = sigmoid(z/tau)`, the product in one exponential.
fn discopop<'a>(z: &Dual<'a>, tau: &Dual<'a>) -> Dual<'a> {
    let inner = z / tau;
    (-&inner).sigmoid() * -z.log_sigmoid() + (inner.log_sigmoid() - z).exp()
}

/// The divergence of Bernoulli's distribution with log-odds b from that with log-odds a.
fn divergence<'a>(a: &Dual<'a>, b: &Dual<'a>) -> Dual<'a> {
    a.sigmoid() * (a.log_sigmoid() - b.log_sigmoid()) + (-a).sigmoid() * ((-a).log_sigmoid() - (-b).log_sigmoid())
}

/// ORPO's term: beta times DPO's formula of the two log-odds.
fn of_odds<'a>(t: &Terms<'a>) -> Dual<'a> {
    let [beta] = t.parameters();
    -(beta * (log_odds(t.u()) - log_odds(t.v())).log_sigmoid())
}

/// The logarithm of `p/(1 - p)`, of the logarithm of p.
fn log_odds<'a>(logp: &Dual<'a>) -> Dual<'a> {
    logp - (-logp.exp_m1()).ln()
}

/// A row's numbers as a formula sees them.
pub struct Terms<'a> {
    at: &'a Arithmetic,
    /// Of a loss of the difference that alone.
    ratios: SmallVec<[Dual<'a>; 2]>,
    parameters: SmallVec<[Dual<'a>; 3]>,
    is_desirable: bool,
    reference_point: Dual<'a>,
    columns: SmallVec<[Dual<'a>; 1]>,
    /// What the two are made from.
    exact: &'a [Float],
    values: &'a [f64],
    columns_given: &'a [f64],
}

impl<'a> Terms<'a> {
    fn constant(&self, x: f64) -> Dual<'a> {
        Dual::constant(self.at, x)
    }

    /// The parameters in the definition's order.
    fn parameters<const N: usize>(&self) -> [Dual<'a>; N] {
        std::array::from_fn(|k| self.parameters[k].clone())
    }

    /// The log-ratio of the chosen answer, or of the only one.
    fn u(&self) -> &Dual<'a> {
        &self.ratios[0]
    }

    /// The log-ratio of the rejected answer.
    fn v(&self) -> &Dual<'a> {
        &self.ratios[1]
    }

    /// The difference of the chosen and the rejected answer's log-ratio, of a loss of that alone.
    fn h(&self) -> &Dual<'a> {
        &self.ratios[0]
    }

    /// Both answers' rewards.
    fn rewards(&self) -> [Dual<'a>; 2] {
        [self.u(), self.v()].map(|ratio| &self.parameters[0] * ratio)
    }

    /// `(e^(k x) - 1)/k`, at k = 0 its limit x.
    fn power(&self, x: &Dual<'a>, k: &Dual<'a>) -> Dual<'a> {
        if k.value.middle.is_zero() { x.clone() } else { (k * x).exp_m1() / k }
    }

    /// What is taken beside the log-ratios.
    fn column(&self) -> &Dual<'a> {
        &self.columns[0]
    }

    /// What is taken beside the log-ratio of an answer; a single number is that of each.
    fn column_of(&self, i: usize) -> Dual<'a> {
        self.columns[if self.columns.len() == 1 { 0 } else { i }].clone()
    }

    /// How two answers compare in that.
    fn columns_compare(&self, i: usize, j: usize) -> Ordering {
        let [a, b] = [i, j].map(|i| self.column_of(i).value.middle);
        a.partial_cmp(&b).unwrap_or(Ordering::Equal)
    }

    /// The parameters' values.
    fn values<const N: usize>(&self) -> [f64; N] {
        std::array::from_fn(|k| self.values[k])
    }

    /// The log-ratios of a list times beta, which is the first parameter.
    fn scores(&self) -> Vec<Dual<'a>> {
        self.ratios.iter().map(|ratio| &self.parameters[0] * ratio).collect()
    }

    /// The ranks of a list's answers by their log-ratios, from 1 on; of equal ones the first is before.
    fn ranks(&self) -> Vec<usize> {
        let is_before = |j: usize, i: usize| self.exact[j] > self.exact[i] || j < i && self.exact[j] == self.exact[i];
        let n = self.exact.len();
        (0..n).map(|i| 1 + (0..n).filter(|j| is_before(*j, i)).count()).collect()
    }

    /// The softmax of the columns over a parameter.
    fn softmax_of_columns(&self, temperature: usize) -> Vec<Dual<'a>> {
        let n = self.ratios.len();
        let scaled: Vec<Dual<'a>> = (0..n).map(|i| self.column_of(i) / &self.parameters[temperature]).collect();
        (0..n).map(|i| all_above(&scaled, i).map_or_else(|| self.constant(1.0), |above| (-above).exp())).collect()
    }

    /// A sum with another term, if there is one.
    fn plus(&self, sum: Dual<'a>, term: Option<Dual<'a>>) -> Dual<'a> {
        match term {
            Some(term) => sum + term,
            None => sum,
        }
    }

    /// That times beta, which is the first parameter.
    fn z(&self) -> Dual<'a> {
        &self.parameters[0] * self.h()
    }
}

/// A definition with its parameters.
#[derive(Clone)]
pub struct Textbook {
    definition: &'static Definition,
    parameters: Vec<f64>,
    columns: Vec<f64>,
}

impl fmt::Debug for Textbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name)?;
        self.definition.parameters.iter().zip(&self.parameters).try_for_each(|(name, x)| write!(f, " {name}={x:e}"))?;
        self.definition.column.map_or(Ok(()), |name| write!(f, " {name}={:?}", self.columns))
    }
}

/// Two are equal if they are the same definition with equal parameters.
impl PartialEq for Textbook {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.definition, other.definition)
            && self.parameters == other.parameters
            && self.columns == other.columns
    }
}

/// The definition of a loss by its name or an alias, with as many parameters as it has; none where there is none.
pub fn textbook(name: &str, parameters: &[f64]) -> Option<Textbook> {
    let definition = DEFINITIONS.iter().find(|d| d.name == name || d.aliases.contains(&name))?;
    // Until a row's own comes.
    let column = definition.column.and_then(Parameter::named).and_then(|column| column.default);
    let columns = column.into_iter().collect();
    (definition.parameters.len() == parameters.len()).then(|| Textbook {
        definition,
        parameters: parameters.to_vec(),
        columns,
    })
}

/// One row's inputs, exact.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// As many log-ratios as the form takes: two of a pair.
    pub log_ratios: Vec<Float>,
    /// Of a labelled row: whether the answer is a desirable one.
    pub is_desirable: bool,
    /// Of a labelled row: what its log-ratio is compared with, a constant in the gradient.
    pub reference_point: f64,
}

impl Inputs {
    /// A pair, or a list.
    pub fn new(log_ratios: impl Into<Vec<Float>>) -> Self {
        Self { log_ratios: log_ratios.into(), is_desirable: true, reference_point: 0.0 }
    }

    /// One answer with its label.
    pub fn labelled(log_ratio: Float, is_desirable: bool, reference_point: f64) -> Self {
        Self { log_ratios: vec![log_ratio], is_desirable, reference_point }
    }
}

/// A loss and its derivatives.
#[derive(Clone, Debug)]
pub struct Derivatives {
    /// The loss.
    pub loss: Float,
    /// Its derivatives by the log-ratios.
    pub by_log_ratios: Vec<Float>,
    /// Its derivative by beta; 0 where there is none.
    pub by_beta: Float,
}

/// What ordinary code loses.
#[derive(Clone, Copy, Debug)]
pub struct Losses {
    /// Of a sum, at most this part of the sizes of its terms.
    pub unit: f64,
    /// At most so much wherever a result underflows.
    pub floor: f64,
}

/// What ordinary code may be off by.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The loss, then its derivatives by the log-ratios; infinite where nothing is certain.
    pub results: Vec<Float>,
    /// What the formula's functions met.
    pub trace: Trace,
}

/// Bits at first: enough where little cancels.
const LEAST: u32 = 128;

/// Bits at most; beyond is what no type judged here can tell from 0.
const MOST: u32 = 1 << 13;

impl Textbook {
    /// What it is a definition of.
    pub fn definition(&self) -> &'static Definition {
        self.definition
    }

    /// The same with what a row has beside its log-ratios: one number, or one for each answer of a list. Of a definition that takes nothing
    /// it stays as it is.
    #[must_use]
    pub fn with_columns(mut self, columns: &[f64]) -> Self {
        if self.definition.column.is_some() {
            self.columns = columns.to_vec();
        }
        self
    }

    /// What a row has beside its log-ratios.
    pub fn columns(&self) -> &[f64] {
        &self.columns
    }

    /// Whether a pair lies where these numbers say nothing: outside of where the loss is defined; where an exponential of it is beyond their range,
    /// and a product of two such has no value; where a loss bends at a number that only mathematics, and no precision, shows to be one.
    pub fn is_out_of_reach(&self, log_ratios: &[Float; 2]) -> bool {
        let (name, [u, v]) = (self.definition.name, log_ratios.each_ref().map(Float::to_f64));
        if self.definition.below_zero && (u >= 0.0 || v >= 0.0) {
            return true;
        }
        let is_kin = |kin: &[&str]| kin.iter().any(|kin| name.starts_with(kin));
        let rate = if is_kin(&["eql", "gumbel"]) {
            1.0 / self.parameters[0]
        } else if is_kin(&["forward_kl", "simper", "alpha"]) {
            1.0 + self.parameter("alpha").unwrap_or(0.0).abs()
        } else {
            0.0
        };
        let largest = u.abs().max(v.abs()).max((u - v).abs());
        // Of tau above 1 the loss grows exponentially with a margin that may itself be one.
        let grows = name.ends_with("discopop") && self.parameter("tau").is_some_and(|tau| tau > 1.0) && largest > 50.0;
        // Beside an exponential below 2^-288 it is more than 320 bits that say on which side of its bend a hinge is.
        let bends = is_kin(&["forward_kl_hinge", "js_divergence_hinge", "alpha_divergence_hinge"]);
        let bends = bends && (largest * rate.max(1.0) > 200.0 || name == "js_divergence_hinge" && u == -v);
        grows || largest * rate > 1e6 || bends
    }

    /// The parameters' values.
    pub fn values(&self) -> &[f64] {
        &self.parameters
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<f64> {
        let place = self.definition.parameters.iter().position(|parameter| *parameter == name)?;
        self.parameters.get(place).copied()
    }

    /// The strength of the tie to the reference; 1 for a loss without one.
    pub fn beta(&self) -> f64 {
        self.parameter("beta").unwrap_or(1.0)
    }

    /// The exact values of one row, to a hundred bits and more.
    ///
    /// # Panics
    /// If there are fewer log-ratios than the form takes.
    pub fn exact(&self, inputs: &Inputs) -> Derivatives {
        let all = self.known(LEAST..=MOST, inputs, Ball::is_known).0;
        let mut all = all.into_iter().map(|ball| ball.middle);
        let loss = all.next().unwrap_or_else(crate::nan);
        let by_log_ratios = all.by_ref().take(inputs.log_ratios.len()).collect();
        Derivatives { loss, by_log_ratios, by_beta: all.next().unwrap_or_else(crate::nan) }
    }

    /// The loss, its derivatives by the log-ratios and by beta, and what the formula met, in the first of some precisions in which
    /// all is known that should be, or the last.
    pub(crate) fn known(
        &self,
        precisions: RangeInclusive<u32>,
        inputs: &Inputs,
        is_known: impl Fn(&Ball) -> bool,
    ) -> (Balls, Trace) {
        let mut precision = *precisions.start();
        loop {
            let at = Arithmetic::new(precision, Rounding::OfPrecision);
            let results = self.evaluated(&at, inputs, &[]);
            let is_known = |ball: &Ball| !ball.middle.is_finite() || is_known(ball);
            if 2 * precision > *precisions.end() || results.iter().all(is_known) {
                return (results, at.trace.get());
            }
            precision *= 2;
        }
    }

    /// How far off the results of ordinary code may be: it loses by adding up and by underflow, in this formula and, by what `off` says,
    /// in each log-ratio before.
    pub fn doubt(&self, inputs: &Inputs, off: &[f64], losses: Losses) -> Doubt {
        let rounding = Rounding::OfSums(Radius::of(losses.unit), Radius::of(losses.floor));
        let at = Arithmetic::new(LEAST, rounding);
        let results = self.evaluated(&at, inputs, off);
        let results = results.iter().take(1 + inputs.log_ratios.len()).map(|ball| ball.radius.to_float()).collect();
        Doubt { results, trace: at.trace.get() }
    }

    fn evaluated<'a>(&'a self, at: &'a Arithmetic, inputs: &'a Inputs, off: &[f64]) -> Balls {
        let n = inputs.log_ratios.len();
        let off = |k: usize| off.get(k).map_or(Radius::ZERO, |off| Radius::of(*off));
        let ratios = if self.definition.of_difference {
            let [u, v] = [0, 1].map(|k| at.float(&inputs.log_ratios[k], off(k)));
            let difference = match at.rounding {
                // Exact before it is rounded.
                Rounding::OfPrecision => at.difference(&inputs.log_ratios[0], &inputs.log_ratios[1]),
                Rounding::OfSums(..) => at.sub(&u, &v),
            };
            smallvec![Dual::variable(at, difference, 0)]
        } else {
            let ratio = |(k, x): (usize, &Float)| Dual::variable(at, at.float(x, off(k)), k);
            inputs.log_ratios.iter().enumerate().map(ratio).collect()
        };
        // Beta is what comes after the log-ratios.
        let beta = if self.definition.of_difference { 1 } else { n };
        let parameter = |(name, x): (&&str, &f64)| {
            if *name == "beta" { Dual::variable(at, at.exact(*x), beta) } else { Dual::constant(at, *x) }
        };
        let mut reference_point = Dual::constant(at, inputs.reference_point);
        if let Rounding::OfSums(unit, _) = at.rounding {
            // It is no more exact than the log-ratio from which it is subtracted.
            reference_point.value.radius = Radius::of(inputs.reference_point) * unit;
        }
        let terms = Terms {
            at,
            ratios,
            parameters: self.definition.parameters.iter().zip(&self.parameters).map(parameter).collect(),
            is_desirable: inputs.is_desirable,
            reference_point,
            columns: self.columns.iter().map(|x| Dual::constant(at, *x)).collect(),
            exact: &inputs.log_ratios,
            values: &self.parameters,
            columns_given: &self.columns,
        };
        let loss = (self.definition.formula)(&terms);
        let by = |k: usize| loss.derivative(k).cloned().unwrap_or_else(|| at.zero());
        let mut results = Balls::with_capacity(n + 2);
        results.push(loss.value.clone());
        if self.definition.of_difference {
            let by_h = by(0);
            let by_v = at.neg(&by_h);
            results.extend([by_h, by_v]);
        } else {
            results.extend((0..n).map(by));
        }
        results.push(by(beta));
        results
    }
}

/// The loss, its derivatives by the log-ratios, and by beta.
pub(crate) type Balls = SmallVec<[Ball; 4]>;
