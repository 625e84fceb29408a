//! Lanes of `f64` that say where a sum has lost too much: the fast tier of the pair losses.

use super::{Logistic, Real};
use crate::elementary;
use crate::lanes::Lanes;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// A sum this much smaller than its first term sends the row to the rare path. The terms are good to 2^-46 (an exponential
/// of z carries z times the error of z, and z is below 104 where it matters), so that at least 2^-34 remains: 2^-10
/// of an ULP of `f32` above the half that rounding costs, at the very worst.
const CANCELLATION: f64 = 1.0 / (1 << 12) as f64;

/// A block of values, and the lanes in which one of the sums behind them has cancelled.
#[derive(Clone, Copy)]
pub struct Checked<L: Lanes> {
    pub value: L,
    pub doubt: L::Mask,
}

/// A mask that holds nowhere, which compilers see.
#[inline(always)]
fn nowhere<L: Lanes>() -> L::Mask {
    let zero = L::splat(0.0);
    L::lt(zero, zero)
}

impl<L: Lanes> Checked<L> {
    #[inline(always)]
    pub fn new(value: L) -> Self {
        Self { value, doubt: nowhere::<L>() }
    }

    /// A value that depends on both.
    #[inline(always)]
    fn of(self, other: Self, value: L) -> Self {
        Self { value, doubt: L::or(self.doubt, other.doubt) }
    }

    /// The value of a function whose conditioning no fixed limit watches: all rows are in doubt. Losses with such functions are defined by
    /// their exact values, and evaluated in other numbers.
    #[inline(always)]
    fn beyond(self) -> Self {
        Self { value: self.value, doubt: self.value.eq(self.value) }
    }

    /// A sum of which this is the first term.
    #[inline(always)]
    fn sum(self, other: Self, sum: L) -> Self {
        let cancelled = sum.abs().lt(self.value.abs() * L::splat(CANCELLATION));
        Self { value: sum, doubt: L::or(L::or(self.doubt, other.doubt), cancelled) }
    }
}

impl<L: Lanes> Add for Checked<L> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.sum(other, self.value + other.value)
    }
}

impl<L: Lanes> Sub for Checked<L> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.sum(other, self.value - other.value)
    }
}

impl<L: Lanes> Mul for Checked<L> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.of(other, self.value * other.value)
    }
}

impl<L: Lanes> Div for Checked<L> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.of(other, self.value / other.value)
    }
}

impl<L: Lanes> Neg for Checked<L> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: L::splat(0.0) - self.value, ..self }
    }
}

impl<L: Lanes> Real for Checked<L> {
    type Mask = L::Mask;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::new(L::splat(x))
    }
    #[inline(always)]
    fn recip(self) -> Self {
        Self { value: L::splat(1.0) / self.value, ..self }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }
    #[inline(always)]
    fn exact(self) -> Self {
        Self::new(self.value)
    }
    #[inline(always)]
    fn is_positive(self) -> L::Mask {
        L::splat(0.0).lt(self.value)
    }
    #[inline(always)]
    fn is_negative(self) -> L::Mask {
        self.value.lt(L::splat(0.0))
    }
    #[inline(always)]
    fn select(mask: L::Mask, a: Self, b: Self) -> Self {
        a.of(b, L::select(mask, a.value, b.value))
    }
    #[inline(always)]
    fn logistic(self) -> Logistic<Self> {
        let (log1p_exp, sigmoid_of_minus) = elementary::logistic(self.value);
        Logistic {
            z: self,
            log1p_exp: Self { value: log1p_exp, ..self },
            sigmoid_of_minus: Self { value: sigmoid_of_minus, ..self },
        }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        self.beyond()
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        self.beyond()
    }
    #[inline(always)]
    fn exp_m1_less(self) -> Self {
        self.beyond()
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.beyond()
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        self.beyond()
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.of(other, L::select(self.value.lt(other.value), other.value, self.value))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn constants_are_those_of_the_definition() {
        crate::definition::compare("pairs", &[("CANCELLATION", &[super::CANCELLATION])]);
    }
}
