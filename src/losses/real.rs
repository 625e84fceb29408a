//! The number type of the formulas: lanes of `f64` for speed, [`Wide`] for the rows that `f64` leaves in doubt.

use crate::elementary;
use crate::exact::Wide;
use crate::lanes::Lanes;
use core::ops::{Add, Div, Mul, Sub};

/// What a formula may use.
pub trait Real: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    /// The result of a comparison.
    type Mask: Copy;

    /// A constant or parameter, taken exactly.
    fn from_f64(x: f64) -> Self;
    /// Magnitude.
    fn abs(self) -> Self;
    /// `self < other`.
    fn lt(self, other: Self) -> Self::Mask;
    /// `a` where the mask holds, `b` elsewhere.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// `e^-self` for self >= 0.
    fn exp_neg(self) -> Self;
    /// `ln(1+self)` and `1/(1+self)` for 0 <= self <= 1.
    fn log1p_and_recip(self) -> (Self, Self);
    /// Whether so much of `term` cancelled in `sum` that too few correct bits may be left.
    fn cancelled(sum: Self, term: Self) -> Self::Mask;
    /// Either.
    fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// A mask that holds nowhere.
    fn nowhere() -> Self::Mask;
}

/// A sum this much smaller than its term sends the row to the rare path. The terms are good to 2^-46 (an exponential
/// of z carries z times the error of z, and z is below 104 where it matters), so that at least 2^-34 remains: 2^-10
/// of an ULP of `f32` above the half that rounding costs, at the very worst.
const CANCELLATION: f64 = 1.0 / (1 << 12) as f64;

impl<L: Lanes> Real for L {
    type Mask = <L as Lanes>::Mask;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        L::splat(x)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Lanes::abs(self)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> <Self as Real>::Mask {
        Lanes::lt(self, other)
    }
    #[inline(always)]
    fn select(mask: <Self as Real>::Mask, a: Self, b: Self) -> Self {
        <L as Lanes>::select(mask, a, b)
    }
    #[inline(always)]
    fn exp_neg(self) -> Self {
        elementary::exp_neg(self)
    }
    #[inline(always)]
    fn log1p_and_recip(self) -> (Self, Self) {
        elementary::log1p_and_recip(self)
    }
    #[inline(always)]
    fn cancelled(sum: Self, term: Self) -> <Self as Real>::Mask {
        Lanes::lt(Lanes::abs(sum), Lanes::abs(term) * L::splat(CANCELLATION))
    }
    #[inline(always)]
    fn or(a: <Self as Real>::Mask, b: <Self as Real>::Mask) -> <Self as Real>::Mask {
        <L as Lanes>::or(a, b)
    }
    #[inline(always)]
    fn nowhere() -> <Self as Real>::Mask {
        let zero = L::splat(0.0);
        Lanes::lt(zero, zero)
    }
}

impl Real for Wide {
    type Mask = bool;

    fn from_f64(x: f64) -> Self {
        Wide::from_f64(x)
    }
    fn abs(self) -> Self {
        Wide::abs(self)
    }
    fn lt(self, other: Self) -> bool {
        Wide::lt(&self, &other)
    }
    fn select(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    fn exp_neg(self) -> Self {
        Wide::exp_neg(self)
    }
    #[inline(never)]
    fn log1p_and_recip(self) -> (Self, Self) {
        (self.log1p(), Wide::ONE / (Wide::ONE + self))
    }
    fn cancelled(_: Self, _: Self) -> bool {
        false
    }
    fn or(a: bool, b: bool) -> bool {
        a | b
    }
    fn nowhere() -> bool {
        false
    }
}

/// The rows whose result the fast path cannot vouch for.
pub struct Doubt<R: Real>(pub R::Mask);

impl<R: Real> Doubt<R> {
    /// No doubt yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self(R::nowhere())
    }

    /// `a + b`, in doubt where much of `a` cancels.
    #[inline(always)]
    pub fn add(&mut self, a: R, b: R) -> R {
        let sum = a + b;
        self.0 = R::or(self.0, R::cancelled(sum, a));
        sum
    }

    /// `a - b`, in doubt where much of `a` cancels.
    #[inline(always)]
    pub fn sub(&mut self, a: R, b: R) -> R {
        let difference = a - b;
        self.0 = R::or(self.0, R::cancelled(difference, a));
        difference
    }
}
