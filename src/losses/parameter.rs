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
}

impl Parameter {
    /// The value, if it is in the range.
    ///
    /// # Errors
    /// [`Error::Parameter`], also for NaN.
    pub fn check(&self, value: f64) -> Result<f64, Error> {
        let Range { low, high, closed: [with_low, with_high] } = self.range;
        let above = value > low || with_low && value == low;
        let below = value < high || with_high && value == high;
        if above && below {
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
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false] },
};

pub(super) const LABEL_SMOOTHING: Parameter = Parameter {
    name: "label_smoothing",
    meaning: "the share of labels that are taken to be flipped",
    requirement: "at least 0 and less than 1/2",
    default: 0.1,
    grid: &[0.1, 0.0, 0.25, 0.499_999_9],
    range: Range { low: 0.0, high: 0.5, closed: [true, false] },
};

// So that its difference from a margin that matters keeps 2^-36 of the margin's precision: see simpo.rs.
pub(super) const GAMMA: Parameter = Parameter {
    name: "gamma",
    meaning: "the margin that z is to exceed, not scaled by beta",
    requirement: "at least 0 and at most 65536",
    default: 0.5,
    grid: &[0.5, 0.0, 1.4, 65536.0],
    range: Range { low: 0.0, high: 65536.0, closed: [true, true] },
};

pub(super) const LABEL_SHARE: Parameter = Parameter {
    name: "label_smoothing",
    meaning: "the share of labels that are taken to be flipped",
    requirement: "greater than 0 and less than 1/2",
    default: 1e-3,
    grid: &[1e-3, 0.1, 0.25, 1e-30],
    range: Range { low: 0.0, high: 0.5, closed: [false, false] },
};

pub(super) const REWARD_SCALE: Parameter = Parameter {
    name: "eta",
    meaning: "the scale of the given rewards",
    requirement: "finite and greater than 0",
    default: 1.0,
    grid: &[1.0, 0.3, 1e-10, 1e10],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [false, false] },
};

/// Columns.
pub(super) const REWARD_DIFFERENCE: Parameter = Parameter {
    name: "reward_difference",
    meaning: "the given reward of the chosen answer less that of the rejected one",
    requirement: "finite",
    default: 0.0,
    grid: &[0.5, 1.0, 0.0, -0.75, 30.0, 1e-20],
    range: FINITE,
};

/// Every finite number.
const FINITE: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [false, false] };

pub(super) const CLASS_WEIGHT: Parameter = Parameter {
    name: "class_weight",
    meaning: "the weight of a class of answers",
    requirement: "finite and at least 0",
    default: 1.0,
    grid: &[1.0, 1.33, 0.0, 1e30],
    range: Range { low: 0.0, high: f64::INFINITY, closed: [true, false] },
};

pub(super) const CONTRASTIVE_BIAS: Parameter = Parameter {
    name: "contrastive_bias",
    meaning: "what the other segment's score counts, beside 1 for the preferred one: below 1 the policy keeps to the data",
    requirement: "greater than 0 and at most 1",
    default: 0.5,
    grid: &[0.5, 1.0, 0.3, 1e-30],
    range: Range { low: 0.0, high: 1.0, closed: [false, true] },
};

pub(super) const TEMPERATURE: Parameter = Parameter {
    name: "temperature",
    meaning: "what similarities or distances are divided by",
    requirement: "at least 1e-12 and at most 1e12",
    default: 0.07,
    grid: &[0.07, 0.5, 1.0, 1e-12, 1e12],
    range: Range { low: 1e-12, high: 1e12, closed: [true, true] },
};

pub(super) const DISTANCE_TEMPERATURE: Parameter =
    Parameter { default: 0.1, grid: &[0.1, 0.5, 1.0, 1e-12, 1e12], ..TEMPERATURE };

pub(super) const PREFERENCE: Parameter = Parameter {
    name: "preference",
    meaning: "the probability that the first segment is the preferred one: 1, 0, or 1/2 for a tie",
    requirement: "at least 0 and at most 1",
    default: 1.0,
    grid: &[1.0, 0.5, 0.0, 0.3, 1e-20],
    range: Range { low: 0.0, high: 1.0, closed: [true, true] },
};
