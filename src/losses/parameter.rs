//! The parameters of losses: each kind with its range, its default and a grid, in one place.

use crate::Error;

/// A parameter of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, which is an argument's and an option's too.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// The values that it may have, in words.
    pub requirement: &'static str,
    /// The value that people mean who do not give one.
    pub default: f64,
    /// Values for tests and studies: an everyday one first, the ends of the range among the others.
    pub grid: &'static [f64],
    range: Range,
}

/// The numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f64,
    high: f64,
    /// Whether `low` and `high` are in it.
    closed: [bool; 2],
    /// Whether only whole numbers are.
    whole: bool,
}

impl Parameter {
    /// The value, if it is in the range.
    ///
    /// # Errors
    /// [`Error::Parameter`], also for NaN.
    #[inline]
    pub fn check(&self, value: f64) -> Result<f64, Error> {
        let Range { low, high, closed: [with_low, with_high], whole } = self.range;
        let above = value > low || with_low && value == low;
        let below = value < high || with_high && value == high;
        // Ranges of whole numbers end below 2^52, from where on there are no others.
        let two52 = 4_503_599_627_370_496.0;
        if above && below && !(whole && (value + two52) - two52 != value) {
            Ok(value)
        } else {
            Err(Error::Parameter { name: self.name, value, requirement: self.requirement })
        }
    }

    /// The same kind of parameter under another name.
    pub(super) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

pub(super) const BETA: Parameter = Parameter {
    name: "beta",
    meaning: "the scale of the rewards: the strength of the pull to the reference",
    requirement: "finite and greater than 0",
    default: 0.1,
    grid: &[0.1, 0.5, 5.0, 1e-30, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const LABEL_SMOOTHING: Parameter = Parameter {
    name: "label_smoothing",
    meaning: "the share of labels that are taken to be flipped",
    requirement: "at least 0 and less than 1/2",
    default: 0.1,
    grid: &[0.1, 0.0, 0.25, 0.499_999_9],
    range: Range { low: 0.0, high: 0.5, closed: [true, false], whole: false },
};

// So that its difference from a margin that matters keeps 2^-36 of the margin's precision: see simpo.rs.
pub(super) const GAMMA_RATIO: Parameter = Parameter {
    name: "gamma_beta_ratio",
    meaning: "the margin that h is to exceed, which beta scales as it does h",
    ..GAMMA
};

pub(super) const GAMMA: Parameter = Parameter {
    name: "gamma",
    meaning: "the margin that z is to exceed, not scaled by beta",
    requirement: "at least 0 and at most 65536",
    default: 0.5,
    grid: &[0.5, 0.0, 1.4, 65536.0],
    range: Range { low: 0.0, high: 65536.0, closed: [true, true], whole: false },
};

pub(super) const LABEL_SHARE: Parameter = Parameter {
    name: "label_smoothing",
    meaning: "the share of labels that are taken to be flipped",
    requirement: "greater than 0 and less than 1/2",
    default: 1e-3,
    grid: &[1e-3, 0.1, 0.25, 1e-30],
    range: Range { low: 0.0, high: 0.5, closed: [false, false], whole: false },
};

pub(super) const REWARD_SCALE: Parameter = Parameter {
    name: "eta",
    meaning: "the scale of the given rewards",
    requirement: "finite and greater than 0",
    default: 1.0,
    grid: &[1.0, 0.3, 1e-10, 1e10],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const BIAS: Parameter = Parameter {
    name: "bias",
    meaning: "what is added to the scaled similarity",
    requirement: "finite",
    default: -10.0,
    grid: &[-10.0, 0.0, 2.5, -16.75, 1e-20],
    range: FINITE,
};

pub(super) const REWARD_DIFFERENCE: Parameter = Parameter {
    name: "reward_difference",
    meaning: "the given reward of the chosen answer less that of the rejected one",
    requirement: "finite",
    default: 0.0,
    grid: &[0.5, 1.0, 0.0, -0.75, 30.0, 1e-20],
    range: FINITE,
};

/// Every finite number.
const FINITE: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false };

pub(super) const CLASS_WEIGHT: Parameter = Parameter {
    name: "class_weight",
    meaning: "the weight of a class of answers",
    requirement: "finite and at least 0",
    default: 1.0,
    grid: &[1.0, 1.33, 0.0, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false], whole: false },
};

pub(super) const GROUP_TEMPERATURE: Parameter = Parameter {
    name: "tau",
    meaning: "the temperature",
    requirement: "finite and greater than 0",
    default: 0.05,
    grid: &[0.05, 0.5, 1.0, 1e-30, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const REWARD_TEMPERATURE: Parameter = Parameter {
    name: "alpha",
    meaning: "the temperature of the given rewards",
    requirement: "finite and greater than 0",
    default: 1.0,
    grid: &[1.0, 0.01, 0.5, 1e-30, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const RANKED: Parameter = Parameter {
    name: "top",
    meaning: "how many answers are ranked, the others being below them",
    requirement: "a whole number from 1 to 1000000",
    default: 1.0,
    grid: &[2.0, 1.0, 3.0, 4.0, 1_000_000.0],
    range: Range { low: 1.0, high: 1_000_000.0, closed: [true, true], whole: true },
};

// As gamma, so that its difference from a reward that matters keeps most of that.
pub(super) const ANCHOR: Parameter = Parameter {
    name: "delta",
    meaning: "the reward that the chosen answer is to exceed",
    requirement: "at least 0 and at most 65536",
    default: 0.0,
    grid: &[0.0, 0.5, 1.4, 65536.0],
    range: Range { low: 0.0, high: 65536.0, closed: [true, true], whole: false },
};

pub(super) const REWARD: Parameter = Parameter {
    name: "reward",
    meaning: "the given reward of the answer",
    requirement: "finite",
    default: 0.0,
    grid: &[1.0, 0.0, 0.5, -2.25, 0.5, 1e-20, 30.0],
    range: FINITE,
};

pub(super) const RELEVANCE: Parameter = Parameter {
    name: "relevance",
    meaning: "the degree of relevance of the answer",
    requirement: "at least -1024 and at most 1024",
    default: 0.0,
    grid: &[1.0, 0.0, 0.5, 3.0, 0.0, -1.5, 10.0, 1024.0],
    range: Range { low: -1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const RIGHT: Parameter = Parameter {
    name: "right",
    meaning: "whether the answer is right: 1, or 0 of one that is not",
    requirement: "1 or 0",
    default: 1.0,
    grid: &[1.0, 0.0, 0.0, 1.0, 1.0],
    range: Range { low: 0.0, high: 1.0, closed: [true, true], whole: true },
};

pub(super) const MARGIN_TARGET: Parameter = Parameter {
    name: "delta",
    meaning: "the margin that the difference of log-probabilities is to reach",
    requirement: "finite and at least 0",
    default: 1.0,
    grid: &[1.0, 0.0, 25.5, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false], whole: false },
};

pub(super) const SHIFT: Parameter = Parameter {
    name: "shift",
    meaning: "what rewards are compared with, in their unit: a running mean of them, or 0",
    requirement: "finite",
    default: 0.0,
    grid: &[0.0, 0.25, -1.5, 1e10],
    range: Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const TAU: Parameter = Parameter {
    name: "tau",
    meaning: "the temperature of the share",
    requirement: "at least 1/1024 and at most 1024",
    default: 0.05,
    grid: &[0.05, 1.0, 0.0009765625, 1024.0],
    range: Range { low: 1.0 / 1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const PENALTY: Parameter = Parameter {
    name: "lambda",
    meaning: "the weight of the penalty",
    requirement: "finite and at least 0",
    default: 50.0,
    grid: &[50.0, 0.0, 5.0, 1e10],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false], whole: false },
};

pub(super) const TERM_WEIGHT: Parameter = Parameter {
    name: "alpha",
    meaning: "the weight of the other term",
    requirement: "finite and at least 0",
    default: 1.0,
    grid: &[1.0, 0.01, 0.0, 1e10],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false], whole: false },
};

pub(super) const TIE_THRESHOLD: Parameter = Parameter {
    name: "theta",
    meaning: "how near rewards are of which neither is preferred",
    requirement: "at least -1000 and less than 0",
    default: -0.5,
    grid: &[-0.5, -0.1, -1e-20, -1000.0],
    range: Range { low: -1000.0, high: 0.0, closed: [true, false], whole: false },
};

pub(super) const REWARD_SHAPE: Parameter = Parameter {
    name: "alpha",
    meaning: "the shape of the rewards: 0 has the logarithm",
    requirement: "at least -1024 and at most 1024",
    default: 0.25,
    grid: &[0.25, 0.0, -0.5, 1e-10, 2.0],
    range: Range { low: -1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const CENTERING: Parameter = Parameter {
    name: "centering",
    meaning: "the weight of the pull of the scores to 0",
    requirement: "finite and at least 0",
    default: 0.0,
    grid: &[0.01, 0.0, 1.0, 1e10],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false], whole: false },
};

pub(super) const VALUE_TEMPERATURE: Parameter = Parameter {
    name: "alpha",
    meaning: "the temperature of the regularisation",
    requirement: "finite and greater than 0",
    default: 1.0,
    grid: &[0.5, 1.0, 2.0, 1e-20, 1e20],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const CLIP: Parameter = Parameter {
    name: "clip",
    meaning: "where the exponent is clipped",
    requirement: "at least -1024 and at most 1024",
    default: 5.0,
    grid: &[5.0, 7.0, -1024.0, 1024.0],
    range: Range { low: -1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const LOG_SCALE: Parameter = Parameter {
    name: "log_scale",
    meaning: "the constant that is taken from the exponents: the largest of the batch, at least -1",
    requirement: "at least -1024 and at most 1024",
    default: 0.0,
    grid: &[1.5, 0.0, -1.0, 5.0, -1024.0],
    range: Range { low: -1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const EXPECTILE: Parameter = Parameter {
    name: "tau",
    meaning: "the expectile",
    requirement: "greater than 0 and less than 1",
    default: 0.7,
    grid: &[0.7, 0.5, 0.9999999, 1e-20],
    range: Range { low: 0.0, high: 1.0, closed: [false, false], whole: false },
};

pub(super) const DIVERGENCE: Parameter = Parameter {
    name: "alpha",
    meaning: "the order of the divergence: at 1 it is the reverse KL",
    requirement: "at least -1024 and at most 1024",
    default: 0.5,
    grid: &[0.5, 1.0, 0.0, 1.0000001, 2.0],
    range: Range { low: -1024.0, high: 1024.0, closed: [true, true], whole: false },
};

pub(super) const LENGTH_DIFFERENCE: Parameter = Parameter {
    name: "length_difference",
    meaning: "the tokens of the chosen answer less those of the rejected one",
    requirement: "finite",
    default: 0.0,
    grid: &[12.0, -30.0, 0.0, 1.0, 2048.0],
    range: Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const OFFSET: Parameter = Parameter {
    name: "offset",
    meaning: "what z is to exceed",
    requirement: "finite",
    default: 0.0,
    grid: &[0.5, 0.0, -1.0, 3.25, 1e10],
    range: Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const PREFERENCE: Parameter = Parameter {
    name: "preference",
    meaning: "the probability that the chosen answer is the better one",
    requirement: "at least 0 and at most 1",
    default: 1.0,
    grid: &[0.9, 1.0, 0.5, 0.0, 0.30000001192092896],
    range: Range { low: 0.0, high: 1.0, closed: [true, true], whole: false },
};

pub(super) const TIE: Parameter = Parameter {
    name: "tie",
    meaning: "more than 0 where neither answer is preferred",
    requirement: "at least 0 and at most 1",
    default: 0.0,
    grid: &[0.0, 1.0],
    range: Range { low: 0.0, high: 1.0, closed: [true, true], whole: false },
};

pub(crate) const NLL: Parameter = Parameter {
    name: "nll",
    meaning: "the negative log-likelihood of the chosen answer",
    requirement: "finite",
    default: 0.0,
    grid: &[1.25, 0.0, 0.001, 250.5],
    range: Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const REWARD_MARGIN: Parameter = Parameter {
    name: "margin",
    meaning: "what the difference of the scores is to exceed",
    requirement: "finite",
    default: 0.0,
    grid: &[0.5, 0.0, 1.0, 3.0, -2.5],
    range: Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false], whole: false },
};

pub(super) const CONTRASTIVE_BIAS: Parameter = Parameter {
    name: "contrastive_bias",
    meaning: "what the other segment's score counts, beside 1 for the preferred one: below 1 the policy keeps to the data",
    requirement: "greater than 0 and at most 1",
    default: 0.5,
    grid: &[0.5, 1.0, 0.3, 1e-30],
    range: Range { low: 0.0, high: 1.0, closed: [false, true], whole: false },
};

pub(super) const TEMPERATURE: Parameter = Parameter {
    name: "temperature",
    meaning: "what similarities or distances are divided by",
    requirement: "at least 1e-12 and at most 1e12",
    default: 0.07,
    grid: &[0.07, 0.5, 1.0, 1e-12, 1e12],
    range: Range { low: 1e-12, high: 1e12, closed: [true, true], whole: false },
};

pub(super) const DISTANCE_TEMPERATURE: Parameter =
    Parameter { default: 0.1, grid: &[0.1, 0.5, 1.0, 1e-12, 1e12], ..TEMPERATURE };
