//! Numbers with a bound of their error, over lanes or alone. What the bound decides is the nearest `f32` to the exact value, which 384 bits
//! would give too, in a hundredth of the time. Over lanes this is the fast tier of the losses that are defined by their exact value;
//! alone it is the tier between `f64` and 384 bits of all losses.

use super::{Logistic, Real};
use crate::elementary;
use crate::lanes::Lanes;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// A value from which the exact one differs by at most `error`.
///
/// Errors of errors are taken care of by [`ROOM`]: every bound is computed with a few roundings, and then made larger than they could have
/// made it smaller.
#[derive(Clone, Copy, Debug)]
pub struct Tracked<L = f64> {
    value: L,
    /// None: it is exact, and the compiler knows.
    error: Option<L>,
}

/// More than the roundings of a bound can take from it.
const ROOM: f64 = 1.0 + 1.0 / (1_u64 << 40) as f64;

/// What underflow may cost: a product of two numbers below 2^-460 or of the error of one. Values that matter are far larger.
const TINY: f64 = 1e-290;

/// The relative error of the elementary functions, with room.
const ELEMENTARY: f64 = 1.0 / (1_u64 << 47) as f64;

/// The relative error of a square root, with room.
const SQUARE_ROOT: f64 = 4.0 * f64::EPSILON;

/// `e^-|z|` is taken as 0 where it is less.
const LEFT_OUT: f64 = 1e-138;

/// Errors of an argument below this change a function's value by at most 1.01 times its derivative times the error.
const SMALL: f64 = 1.0 / 1024.0;

impl<L: Lanes> Tracked<L> {
    /// An exact value.
    #[inline(always)]
    pub fn new(value: L) -> Self {
        Self { value, error: None }
    }

    /// The difference of two `f32`, which is often exact.
    #[inline(always)]
    pub fn difference(a: L, b: L) -> Self {
        Self::new(a) - Self::new(b)
    }

    /// With a bound of the error that it is computed from.
    #[inline(always)]
    pub fn bounded(value: L, error: L) -> Self {
        Self { value, error: Some(error * L::splat(ROOM)) }
    }

    /// With a bound that has room already.
    #[inline(always)]
    pub fn with_error(value: L, error: L) -> Self {
        Self { value, error: Some(error) }
    }

    /// The value and the bound.
    #[inline(always)]
    pub fn with_bound(self) -> (L, L) {
        (self.value, self.bound())
    }

    /// The bound, 0 if it is exact.
    #[inline(always)]
    fn bound(self) -> L {
        match self.error {
            Some(error) => error,
            None => L::splat(0.0),
        }
    }

    /// The sum, and exactly what rounding took from it.
    #[inline(always)]
    fn sum(self, other: Self) -> Self {
        let sum = self.value + other.value;
        let part = sum - self.value;
        let lost = ((self.value - (sum - part)) + (other.value - part)).abs();
        let error = match (self.error, other.error) {
            (None, None) => lost,
            (Some(error), None) | (None, Some(error)) => error + lost,
            (Some(a), Some(b)) => a + b + lost,
        };
        Self::bounded(sum, error)
    }

    /// The value, and where its nearest `f32` is that to the exact one and finite.
    #[inline(always)]
    pub fn decided(self) -> (L, L::Mask) {
        let zero = L::splat(0.0);
        let nearest = match self.error {
            None => self.value.round_f32(),
            Some(error) => {
                // At least as much as the value's own last place, or a difference that is far below would not move it off a midpoint.
                let wide = error * L::splat(ROOM) + self.value.abs() * L::splat(f64::EPSILON);
                let error = L::select(error.eq(zero), zero, wide);
                let nearest = (self.value - error).round_f32();
                let same = nearest.eq((self.value + error).round_f32());
                // NaN, of an error that is infinite too, is not the same.
                L::select(same, nearest, L::splat(f64::INFINITY))
            }
        };
        (self.value, nearest.abs().lt(L::splat(f64::INFINITY)))
    }

    /// What rounding took from a product, at most.
    #[inline(always)]
    fn lost(self, other: Self, product: L) -> L {
        let about = product.abs() * L::splat(f64::EPSILON) + L::splat(TINY);
        // Exact products are worth finding where few rows come, which lie near midpoints.
        if L::N > 1 {
            return about;
        }
        let zero = L::splat(0.0);
        let ((a, b), (c, d)) = (halves(self.value), halves(other.value));
        // Exact (Dekker), but where a part of it may overflow or underflow.
        let exact = (((a * c - product) + a * d + b * c) + b * d).abs();
        let tame = L::and(L::and(is_tame(self.value), is_tame(other.value)), is_tame(product));
        let no_product = L::or(self.value.eq(zero), other.value.eq(zero));
        L::select(no_product, zero, L::select(tame, exact, about))
    }

    /// A function's value at an argument with the given error, which has the bound `relative` for its own error and `slope` for its
    /// derivative, and may have left out what is far below 1.
    #[inline(always)]
    fn function(self, value: L, slope: L) -> Self {
        let own = value.abs() * L::splat(ELEMENTARY) + L::splat(LEFT_OUT);
        let error = match self.error {
            None => own,
            Some(error) => {
                let small = error.lt(L::splat(SMALL));
                own + L::select(small, slope.abs() * error * L::splat(1.01), L::splat(f64::INFINITY))
            }
        };
        Self::bounded(value, error)
    }
}

impl Tracked {
    /// Whether it is 0, or at least 2^-200 of `largest`: large enough for what a sum of such terms has lost.
    pub fn is_within(self, largest: Self) -> bool {
        self.value == 0.0 || self.value.abs() >= largest.value * (1.0 / (1_u128 << 100) as f64 / (1_u128 << 100) as f64)
    }

    /// The square root of what is known to be at least 0.
    pub fn sqrt(self) -> Self {
        let root = elementary::root(self.value);
        let error = self.bound();
        if root > 0.0 {
            // Of the argument's, no more than over the root, whatever its exact value; and the root's own.
            return Self::bounded(root, error / root + root * SQUARE_ROOT);
        }
        Self::bounded(root, if error == 0.0 && root == 0.0 { 0.0 } else { f64::INFINITY })
    }

    /// The nearest `f32` to the exact value, if the bound decides it.
    pub fn rounded(self) -> Option<f32> {
        let (value, decided) = self.decided();
        decided.then_some(value as f32 + 0.0)
    }
}

impl<L: Lanes> Add for Tracked<L> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.sum(other)
    }
}

impl<L: Lanes> Sub for Tracked<L> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.sum(-other)
    }
}

impl<L: Lanes> Neg for Tracked<L> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: L::splat(-0.0) - self.value, ..self }
    }
}

/// Two halves of a number that are short enough for exact products (Veltkamp); not for numbers near the end of the range.
#[inline(always)]
fn halves<L: Lanes>(x: L) -> (L, L) {
    let shifted = x * L::splat(((1_u64 << 27) + 1) as f64);
    let high = shifted - (shifted - x);
    (high, x - high)
}

/// Whether neither its halves nor their products are near the ends of the range.
#[inline(always)]
fn is_tame<L: Lanes>(x: L) -> L::Mask {
    L::and(L::splat(1e-150).lt(x.abs()), x.abs().lt(L::splat(1e250)))
}

impl<L: Lanes> Mul for Tracked<L> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let product = self.value * other.value;
        let lost = self.lost(other, product);
        let (a, b) = (self.value.abs(), other.value.abs());
        let carried = match (self.error, other.error) {
            (None, None) => return Self::bounded(product, lost),
            (Some(error), None) => b * error,
            (None, Some(error)) => a * error,
            (Some(own), Some(error)) => (a + own) * error + b * own,
        };
        let exact = L::and(self.bound().eq(L::splat(0.0)), other.bound().eq(L::splat(0.0)));
        let carried = L::select(exact, L::splat(0.0), carried + L::splat(TINY));
        Self::bounded(product, lost + carried)
    }
}

impl<L: Lanes> Div for Tracked<L> {
    type Output = Self;
    #[allow(
        clippy::suspicious_arithmetic_impl,
        reason = "a quotient's error is that of the reciprocal, then of a product"
    )]
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self * other.recip()
    }
}

/// The result of a comparison.
#[derive(Clone, Copy)]
pub struct Choice<M> {
    holds: M,
    /// Whether the exact values compare as the computed ones; none if they surely do.
    certain: Option<M>,
}

impl<M: Copy> Choice<M> {
    /// Where it holds, for all that is known.
    #[inline(always)]
    pub fn may_hold<L: Lanes<Mask = M>>(self) -> M {
        match self.certain {
            None => self.holds,
            Some(certain) => {
                let (zero, one) = (L::splat(0.0), L::splat(1.0));
                L::or(self.holds, L::select(certain, zero, one).eq(one))
            }
        }
    }
}

impl<L: Lanes> Tracked<L> {
    #[inline(always)]
    fn choice(self, holds: L::Mask) -> Choice<L::Mask> {
        #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
        let certain = match self.error {
            None => None,
            Some(error) => Some(L::or(error.lt(self.value.abs()), error.eq(L::splat(0.0)))),
        };
        Choice { holds, certain }
    }
}

impl<L: Lanes> Real for Tracked<L> {
    type Mask = Choice<L::Mask>;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::new(L::splat(x))
    }
    #[inline(always)]
    fn recip(self) -> Self {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let value = one / self.value;
        let error = self.bound();
        let least = self.value.abs() - error;
        // Of the error, and of rounding.
        let relative = L::select(zero.lt(least), error / least, L::splat(f64::INFINITY)) + L::splat(f64::EPSILON);
        let about = value.abs() * relative + L::splat(TINY);
        if L::N > 1 {
            return Self::bounded(value, about);
        }
        let back = value * self.value;
        let exact = L::and(back.eq(one), L::and(error.eq(zero), Self::new(value).lost(self, back).eq(zero)));
        Self::bounded(value, L::select(exact, zero, about))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }
    #[inline(always)]
    fn exact(self) -> Self {
        self
    }
    #[inline(always)]
    fn is_positive(self) -> Self::Mask {
        self.choice(L::splat(0.0).lt(self.value))
    }
    #[inline(always)]
    fn is_negative(self) -> Self::Mask {
        self.choice(self.value.lt(L::splat(0.0)))
    }
    #[inline(always)]
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
        let value = L::select(mask.holds, a.value, b.value);
        let (of_a, of_b) = (a.bound(), b.bound());
        let chosen = L::select(mask.holds, of_a, of_b);
        match mask.certain {
            None if a.error.is_none() && b.error.is_none() => Self::new(value),
            None => Self { value, error: Some(chosen) },
            Some(certain) => {
                // The other may be right.
                let either = (a.value - b.value).abs() * L::splat(1.0 + f64::EPSILON) + of_a + of_b;
                Self::bounded(value, L::select(certain, chosen, either))
            }
        }
    }
    #[inline(always)]
    fn logistic(self) -> Logistic<Self> {
        let (log1p_exp, sigmoid_of_minus) = elementary::logistic(self.value);
        // Neither changes faster than itself.
        let log1p_exp = self.function(log1p_exp, log1p_exp);
        let sigmoid_of_minus = self.function(sigmoid_of_minus, sigmoid_of_minus);
        Logistic { z: self, log1p_exp, sigmoid_of_minus }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = elementary::lanes::exp_of(self.value);
        self.function(value, value)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let value = elementary::lanes::exp_m1_of(self.value);
        self.function(value, value + L::splat(1.0))
    }
    #[inline(always)]
    fn exp_m1_less(self) -> Self {
        let value = elementary::lanes::exp_m1_less(self.value);
        // Its own, which is four times that of the others, is 0 where the value is.
        let own = value.abs() * L::splat(4.0 * ELEMENTARY);
        let error = match self.error {
            None => own,
            Some(error) => {
                // Its derivative is e^x - 1, which is 0 at 0 and changes there.
                let slope = elementary::lanes::exp_m1_of(self.value);
                let slope = slope.abs() + (slope + L::splat(1.0)) * error;
                let small = error.lt(L::splat(SMALL));
                own + L::select(small, slope * error * L::splat(1.01), L::splat(f64::INFINITY))
            }
        };
        Self::bounded(value, error)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        let value = elementary::lanes::log(self.value);
        let least = self.value - self.bound();
        // The argument of log is a normal number.
        let own = value.abs() * L::splat(ELEMENTARY);
        let error = match self.error {
            None => own,
            Some(error) => own + error / least,
        };
        Self::bounded(value, L::select(L::splat(f64::MIN_POSITIVE).lt(least), error, L::splat(f64::INFINITY)))
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let value = elementary::lanes::log1p(self.value);
        let least = (L::splat(1.0) + self.value) - self.bound();
        let own = value.abs() * L::splat(ELEMENTARY);
        let error = match self.error {
            None => own,
            // The sum above is rounded.
            Some(error) => own + error / least * L::splat(1.01),
        };
        // Below, what rounding takes from the sum matters.
        let inside = L::and(L::splat(1e-3).lt(least), self.value.abs().lt(L::splat(f64::INFINITY)));
        Self::bounded(value, L::select(inside, error, L::splat(f64::INFINITY)))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::new(L::select(self.value.lt(other.value), other.value, self.value))
    }
}
