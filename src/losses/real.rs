//! The number type of the formulas: lanes of `f64` for speed, [`Wide`] for the rows that `f64` leaves in doubt.

use crate::elementary;
use crate::exact::Wide;
use crate::lanes::Lanes;

/// What a formula may use.
///
/// Operations are in place, and operands are borrowed: a copy costs nothing in lanes, but stack in 384 bits.
pub trait Real: Copy {
    /// The result of a comparison.
    type Mask: Copy;

    /// A constant or parameter, taken exactly.
    fn from_f64(x: f64) -> Self;
    /// Adds `other`.
    fn add(&mut self, other: &Self);
    /// Subtracts `other`.
    fn sub(&mut self, other: &Self);
    /// Multiplies by `other`.
    fn mul(&mut self, other: &Self);
    /// Divides by `other`.
    fn div(&mut self, other: &Self);
    /// Becomes `1/self`.
    fn invert(&mut self);
    /// Takes the magnitude.
    fn abs(&mut self);
    /// `self < other`.
    fn lt(&self, other: &Self) -> Self::Mask;
    /// Takes the value of `other` where the mask does not hold.
    fn keep(&mut self, mask: Self::Mask, other: &Self);
    /// Becomes `ln(1 + e^-|self|)`; returns `1/(1 + e^self)`.
    fn logistic(&mut self) -> Self;
    /// Whether so much of `term` cancelled in this sum that too few correct bits may be left.
    fn cancelled(&self, term: &Self) -> Self::Mask;
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
    fn add(&mut self, other: &Self) {
        *self = *self + *other;
    }
    #[inline(always)]
    fn sub(&mut self, other: &Self) {
        *self = *self - *other;
    }
    #[inline(always)]
    fn mul(&mut self, other: &Self) {
        *self = *self * *other;
    }
    #[inline(always)]
    fn div(&mut self, other: &Self) {
        *self = *self / *other;
    }
    #[inline(always)]
    fn invert(&mut self) {
        *self = L::splat(1.0) / *self;
    }
    #[inline(always)]
    fn abs(&mut self) {
        *self = Lanes::abs(*self);
    }
    #[inline(always)]
    fn lt(&self, other: &Self) -> <Self as Real>::Mask {
        Lanes::lt(*self, *other)
    }
    #[inline(always)]
    fn keep(&mut self, mask: <Self as Real>::Mask, other: &Self) {
        *self = L::select(mask, *self, *other);
    }
    #[inline(always)]
    fn logistic(&mut self) -> Self {
        let unlikely;
        (*self, unlikely) = elementary::logistic(*self);
        unlikely
    }
    #[inline(always)]
    fn cancelled(&self, term: &Self) -> <Self as Real>::Mask {
        Lanes::lt(Lanes::abs(*self), Lanes::abs(*term) * L::splat(CANCELLATION))
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
    fn add(&mut self, other: &Self) {
        *self += other;
    }
    fn sub(&mut self, other: &Self) {
        *self -= other;
    }
    fn mul(&mut self, other: &Self) {
        *self *= other;
    }
    fn div(&mut self, other: &Self) {
        *self /= other;
    }
    fn invert(&mut self) {
        Wide::invert(self);
    }
    fn abs(&mut self) {
        *self = Wide::abs(*self);
    }
    fn lt(&self, other: &Self) -> bool {
        Wide::lt(self, other)
    }
    fn keep(&mut self, mask: bool, other: &Self) {
        if !mask {
            *self = *other;
        }
    }
    fn logistic(&mut self) -> Self {
        Wide::logistic(self)
    }
    fn cancelled(&self, _: &Self) -> bool {
        false
    }
    fn nowhere() -> bool {
        false
    }
}
