//! One `f64` with a bound of its error: the tier between `f64` and 384 bits. It does not settle everything, but what it settles
//! is the nearest `f32` to the exact value, which 384 bits would give too, in a hundredth of the time.

use super::{Logistic, Real};
use crate::elementary;
use crate::lanes::Lanes;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// A value from which the exact one differs by at most `error`.
///
/// Errors of errors are taken care of by [`ROOM`]: every bound is computed with a few roundings, and then made larger than they could have
/// made it smaller.
#[derive(Clone, Copy, Debug)]
pub struct Tracked {
    value: f64,
    error: f64,
}

/// More than the roundings of a bound can take from it.
const ROOM: f64 = 1.0 + 1.0 / (1_u64 << 40) as f64;

/// What underflow may cost: a product of two numbers below 2^-460 or of the error of one. Values that matter are far larger.
const TINY: f64 = 1e-290;

/// The relative error of the elementary functions, with room.
const ELEMENTARY: f64 = 1.0 / (1_u64 << 47) as f64;

/// `e^-|z|` is taken as 0 where it is less.
const LEFT_OUT: f64 = 1e-138;

/// The magnitude.
fn abs(x: f64) -> f64 {
    Lanes::abs(x)
}

impl Tracked {
    /// An exact value.
    pub fn new(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// The difference of two `f32`, which is often exact.
    pub fn difference(a: f32, b: f32) -> Self {
        Self::new(a.into()) - Self::new(b.into())
    }

    /// With a bound of the error that it is computed from.
    fn bounded(value: f64, error: f64) -> Self {
        Self { value, error: error * ROOM }
    }

    /// The sum, and exactly what rounding took from it.
    fn sum(self, other: Self) -> Self {
        let sum = self.value + other.value;
        let part = sum - self.value;
        let lost = (self.value - (sum - part)) + (other.value - part);
        Self::bounded(sum, self.error + other.error + abs(lost))
    }

    /// The nearest `f32` to the exact value, if the bound decides it.
    pub fn rounded(self) -> Option<f32> {
        // At least as much as the value's own last place, or a difference that is far below would not move it off a midpoint.
        let error = if self.error == 0.0 { 0.0 } else { self.error * ROOM + abs(self.value) * f64::EPSILON };
        let nearest = (self.value - error) as f32;
        // False for NaN, of an error that is infinite too.
        (nearest == (self.value + error) as f32 && nearest.is_finite()).then_some(nearest + 0.0)
    }
}

impl Add for Tracked {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.sum(other)
    }
}

impl Sub for Tracked {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.sum(-other)
    }
}

impl Neg for Tracked {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

/// Two halves of a number that are short enough for exact products (Veltkamp); not for numbers near the end of the range.
fn halves(x: f64) -> (f64, f64) {
    let shifted = x * ((1_u64 << 27) + 1) as f64;
    let high = shifted - (shifted - x);
    (high, x - high)
}

impl Mul for Tracked {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = self.value * other.value;
        // What rounding took (Dekker): exact, but where a part of it may overflow or underflow.
        let ((a, b), (c, d)) = (halves(self.value), halves(other.value));
        let lost = if self.value == 0.0 || other.value == 0.0 {
            0.0
        } else if [self.value, other.value, product].into_iter().all(|x| (1e-150..1e250).contains(&abs(x))) {
            abs(((a * c - product) + a * d + b * c) + b * d)
        } else {
            abs(product) * f64::EPSILON + TINY
        };
        let carried = if self.error == 0.0 && other.error == 0.0 {
            0.0
        } else {
            (abs(self.value) + self.error) * other.error + abs(other.value) * self.error + TINY
        };
        Self::bounded(product, lost + carried)
    }
}

impl Div for Tracked {
    type Output = Self;
    #[allow(
        clippy::suspicious_arithmetic_impl,
        reason = "a quotient's error is that of the reciprocal, then of a product"
    )]
    fn div(self, other: Self) -> Self {
        self * other.recip()
    }
}

/// The result of a comparison.
#[derive(Clone, Copy)]
pub struct Choice {
    holds: bool,
    /// Whether the exact values compare as the computed ones.
    certain: bool,
}

impl Tracked {
    fn choice(self, holds: bool) -> Choice {
        Choice { holds, certain: abs(self.value) > self.error || self.error == 0.0 }
    }
}

impl Real for Tracked {
    type Mask = Choice;

    fn from_f64(x: f64) -> Self {
        Self::new(x)
    }
    fn recip(self) -> Self {
        let value = 1.0 / self.value;
        let least = abs(self.value) - self.error;
        // Of the error, and of rounding.
        let relative = if least > 0.0 { self.error / least + f64::EPSILON } else { f64::INFINITY };
        let exact = self.error == 0.0 && self.value.to_bits() << 12 == 0 && value.is_normal();
        Self::bounded(value, if exact { 0.0 } else { abs(value) * relative + TINY })
    }
    fn abs(self) -> Self {
        Self { value: abs(self.value), ..self }
    }
    fn exact(self) -> Self {
        self
    }
    fn is_positive(self) -> Choice {
        self.choice(self.value > 0.0)
    }
    fn is_negative(self) -> Choice {
        self.choice(self.value < 0.0)
    }
    fn select(mask: Choice, a: Self, b: Self) -> Self {
        let chosen = if mask.holds { a } else { b };
        if mask.certain {
            return chosen;
        }
        // The other may be right.
        Self::bounded(chosen.value, abs(a.value - b.value) * (1.0 + f64::EPSILON) + a.error + b.error)
    }
    fn logistic(self) -> Logistic<Self> {
        let (log1p_exp, sigmoid_of_minus) = elementary::logistic(self.value);
        // Both change by at most as much as z, relatively, where that is little.
        let relative = if self.error < 1.0 / 1024.0 { ELEMENTARY + self.error * 1.01 } else { f64::INFINITY };
        let with_error = |value: f64| Self::bounded(value, value * relative + LEFT_OUT);
        Logistic { z: self, log1p_exp: with_error(log1p_exp), sigmoid_of_minus: with_error(sigmoid_of_minus) }
    }
}
