//! Whether a result is right: its distance from the truth, and how far it may be off.

use preflane_judge::{Float, Losses};

use super::number::Type;
use super::task::{Row, Task};
use crate::args::Bound;

/// Units in the last place that a bound given as a relative error grants where numbers cancel.
const GRANTED: f64 = 8.0;

/// Errors that are a smaller part of the bound need no closer look at what cancels.
const WORTH_A_LOOK: f64 = 0.25;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// NaN, or infinity where the truth has room in the type.
    NotFinite,
    /// 0, where the truth is not and could be told from it.
    Zero,
    /// The other sign.
    Sign,
    /// Off by more than the bound.
    Off,
    /// The loss rises where the truth falls, or the reverse.
    NotMonotone,
    /// Other bits for the same row.
    Unsteady,
    /// Declined an input that has an answer.
    Refused,
}

impl Fault {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotFinite => "not finite",
            Self::Zero => "zero",
            Self::Sign => "wrong sign",
            Self::Off => "beyond the bound",
            Self::NotMonotone => "not monotone",
            Self::Unsteady => "depends on the batch",
            Self::Refused => "declined",
        }
    }
}

/// A result beside the truth.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Which result.
    pub result: usize,
    /// The truth; none where there is none.
    pub expected: Option<Float>,
    /// What the code under test says.
    pub got: f64,
    /// How far that may be off.
    pub allowed: f64,
    /// Its distance from the truth in units in the last place.
    pub ulps: f64,
    /// Its distance from the truth as a part of what is allowed.
    pub share: f64,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// The judge with its measures.
pub struct Judge {
    /// What is computed.
    pub task: Task,
    /// In which numbers.
    pub number: Type,
    /// How far off results may be.
    pub bound: Bound,
    /// Whether nothing is granted beyond.
    pub strict: bool,
}

impl Judge {
    /// Units in the last place that are granted to what goes into a result.
    fn granted(&self) -> f64 {
        match self.bound {
            Bound::Ulps(ulps) => ulps.max(1.0),
            Bound::Relative(_) => GRANTED,
        }
    }

    /// The distance of the type's numbers around the exact one.
    fn ulp(&self, exact: &Float) -> Float {
        let least = self.number.least_exponent() + 1;
        let exponent = exact.get_exp().unwrap_or(least).max(least);
        Float::with_val(64, 1.0) << (exponent - self.number.digits())
    }

    /// What the bound itself allows.
    fn plain(&self, exact: &Float) -> Float {
        match self.bound {
            Bound::Ulps(ulps) => self.ulp(exact) * ulps,
            Bound::Relative(share) => Float::with_val(64, exact.abs_ref()) * share + self.number.quantum(),
        }
    }

    /// What ordinary code in the type loses.
    fn losses(&self) -> Losses {
        let least = if self.number == Type::F16 { self.number.quantum() } else { self.number.least_normal() };
        Losses { unit: self.granted() * self.number.unit_roundoff(), floor: self.granted() * least }
    }

    /// Each result of a row; none where the type has no room for what ordinary code subtracts.
    pub fn check(&self, row: &Row, answer: &[Option<f64>]) -> Vec<Checked> {
        if !self.task.is_sequences() && self.task.is_too_large(row, self.number) {
            return Vec::new();
        }
        let truth = self.task.truth(row);
        let losses = self.losses();
        // What a loss may lose takes a look of its own.
        let mut doubt: Option<Vec<Float>> = None;
        let mut checked = Vec::new();
        for (result, got) in answer.iter().enumerate() {
            let Some(got) = *got else { continue };
            let Some(exact) = &truth.results[result] else {
                let fault = (!got.is_finite()).then_some(Fault::NotFinite);
                let share = if fault.is_some() { f64::INFINITY } else { 0.0 };
                checked.push(Checked {
                    result,
                    expected: None,
                    got,
                    allowed: f64::INFINITY,
                    ulps: share,
                    share,
                    fault,
                });
                continue;
            };
            if exact.is_nan() {
                continue;
            }
            let mut allowed = self.plain(exact);
            if !self.strict && self.task.is_sequences() {
                allowed += losses.floor + 2.0 * losses.unit * truth.terms[result];
            } else if !self.strict && self.share(exact, got, &allowed) > WORTH_A_LOOK {
                // What it moves to is rounded too.
                let moved = &doubt.get_or_insert_with(|| self.task.doubt(row, losses))[result];
                allowed += self.plain(moved) + moved;
            }
            let share = self.share(exact, got, &allowed);
            let ulps = (Float::with_val(64, exact - got).abs() / self.ulp(exact)).to_f64();
            let ulps = match got.is_finite() {
                true => ulps,
                // The infinity that the type has for the truth.
                false => share,
            };
            let fault = (share > 1.0).then(|| self.fault(exact, got));
            let expected = Some(exact.clone());
            checked.push(Checked { result, expected, got, allowed: allowed.to_f64(), ulps, share, fault });
        }
        checked
    }

    /// The error as a part of what is allowed.
    fn share(&self, exact: &Float, got: f64, allowed: &Float) -> f64 {
        // Beyond this, rounding makes infinity of a number.
        let limit = self.number.largest() * (1.0 + self.number.unit_roundoff() / 2.0);
        let largest = Float::with_val(64, exact.abs_ref()) + allowed;
        if got.is_nan() {
            return f64::INFINITY;
        }
        if got.is_infinite() {
            let right = largest >= limit && exact.is_sign_negative() == (got < 0.0);
            return if right { 0.0 } else { f64::INFINITY };
        }
        let error = Float::with_val(64, exact - got).abs();
        let share = (error / allowed).to_f64();
        // The truth is infinity for the type, but only just.
        let is_edge = got.abs() >= 0.99 * self.number.largest() && exact.is_sign_negative() == (got < 0.0);
        if share > 1.0 && is_edge && !self.strict && largest >= limit { 1.0 } else { share }
    }

    fn fault(&self, exact: &Float, got: f64) -> Fault {
        if !got.is_finite() {
            Fault::NotFinite
        } else if got == 0.0 {
            Fault::Zero
        } else if exact.is_sign_negative() != (got < 0.0) && !exact.is_zero() {
            Fault::Sign
        } else {
            Fault::Off
        }
    }
}
