//! The losses as their papers print them, one expression each. Gradients come of the [dual numbers](crate::dual); the precision rises
//! until nothing that cancelled matters.

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
    parameter("gamma", "the margin", Some(0.5), "a finite number", |_| true),
    parameter("desirable_weight", "the weight of desirable answers", Some(1.0), "a finite number of at least 0", |x| {
        x >= 0.0
    }),
    parameter("undesirable_weight", "the weight of the others", Some(1.0), "a finite number of at least 0", |x| {
        x >= 0.0
    }),
    parameter("contrastive_bias", "the weight of the other segment's score", Some(0.5), "above 0 and at most 1", |x| {
        x > 0.0 && x <= 1.0
    }),
    parameter("temperature", "the temperature", Some(0.1), "a finite number above 0", |x| x > 0.0),
    parameter("preference", "the probability that the first is preferred", Some(1.0), "from 0 to 1", |x| {
        (0.0..=1.0).contains(&x)
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
    /// Whether it is one of answers' log-probabilities below 0 alone.
    pub below_zero: bool,
    formula: Formula,
}

/// A formula as [`Definition`] holds it.
type Formula = for<'a> fn(&Terms<'a>) -> Dual<'a>;

/// A loss of policy and reference, of one of the forms.
const fn loss(name: &'static str, form: Form, parameters: &'static [&'static str], formula: Formula) -> Definition {
    let (aliases, column, reference, of_difference, below_zero) = (&[], None, true, false, false);
    Definition { name, aliases, form, parameters, column, reference, of_difference, below_zero, formula }
}

/// A pairwise loss of the difference of the log-ratios.
const fn of_difference(name: &'static str, parameters: &'static [&'static str], formula: Formula) -> Definition {
    Definition { of_difference: true, ..loss(name, Form::Pairwise, parameters, formula) }
}

/// A loss that takes something beside log-ratios.
const fn with_column(column: &'static str, definition: Definition) -> Definition {
    Definition { column: Some(column), ..definition }
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
        let ([_, eps], z) = (t.parameters(), t.z());
        let minus = -&z;
        z.sigmoid() * (z.log_sigmoid() - (1.0 - &eps).ln()) + minus.sigmoid() * (minus.log_sigmoid() - eps.ln())
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
    // Rafailov et al. 2023, appendix: minus the logarithms of e^s_k / sum e^s_j over j from k on.
    loss("plackett_luce", Form::Listed, &["beta"], |t| {
        let [beta] = t.parameters();
        let s: Vec<Dual<'_>> = t.ratios.iter().map(|ratio| &beta * ratio).collect();
        let of_rank = |k: usize| ln_one_plus_exps(&s[k + 1..].iter().map(|other| other - &s[k]).collect::<Vec<_>>());
        (0..s.len()).filter_map(of_rank).fold(t.constant(0.0), |sum, term| sum + term)
    }),
    // Lu et al. 2024: (1 - m) DPO + m e^-z with m = sigmoid(z/tau), the product in one exponential.
    of_difference("discopop", &["beta", "tau"], |t| {
        let ([_, tau], z) = (t.parameters(), t.z());
        let inner = &z / tau;
        (-&inner).sigmoid() * -z.log_sigmoid() + (inner.log_sigmoid() - z).exp()
    }),
    // Wang et al. 2023 (f-DPO): DPO on the scores -e^-l.
    loss("forward_kl", Form::Pairwise, &["beta"], |t| {
        let [beta] = t.parameters();
        -(beta * ((-t.v()).exp() - (-t.u()).exp())).log_sigmoid()
    }),
    // Hong et al. 2024: the odds-ratio term of ORPO, by its weight.
    Definition {
        aliases: &["orpo"],
        reference: false,
        below_zero: true,
        ..loss("odds_ratio", Form::Pairwise, &["beta"], |t| {
            let [beta] = t.parameters();
            -(beta * (log_odds(t.u()) - log_odds(t.v())).log_sigmoid())
        })
    },
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

    /// What is taken beside the log-ratios.
    fn column(&self) -> &Dual<'a> {
        &self.columns[0]
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

    fn evaluated(&self, at: &Arithmetic, inputs: &Inputs, off: &[f64]) -> Balls {
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
