//! Numbers with a bound of their error. What the bound decides is the nearest `f32` to the exact value, which 384 bits would give too, in a
//! small part of the time. Over lanes of `f64` this is the fast tier of the losses that are defined by their exact values, of one `f64` that
//! of single rows, and of a double-double number the tier between `f64` and 384 bits of all losses. How bounds travel through a formula stands
//! here once for all of them; what an operation loses is the [`Value`]'s to say.

use super::{Logistic, Real};
use crate::elementary;
use crate::exact::{DOUBLE_FUNCTION, Double};
use crate::lanes::Lanes;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// What a tracked number is but for its bound: lanes of `f64`, or one double-double number.
pub trait Value: Copy {
    /// What bounds are computed in.
    type Bound: Lanes;
    /// The relative error of the functions, with room.
    const FUNCTION: f64;
    /// Whether each operation is a function of its own, for formulas to be small where few rows come.
    const APART: bool;

    /// An `f64` in every lane.
    fn from_f64(x: f64) -> Self;
    /// The value to at least the bits of an `f64`.
    fn rough(self) -> Self::Bound;
    /// The opposite.
    fn negate(self) -> Self;
    /// Its absolute value.
    fn magnitude(self) -> Self;
    /// `a` where the mask holds, `b` elsewhere.
    fn choose(mask: Mask<Self>, a: Self, b: Self) -> Self;
    /// At least the magnitude of the difference.
    fn distance(self, other: Self) -> Self::Bound;
    /// The sum, and the magnitude of what rounding took from it.
    fn sum_with(self, other: Self) -> (Self, Self::Bound);
    /// Where it is a power of two of ordinary size or 0, and products by it are exact, as far as that helps.
    fn is_short(self) -> Mask<Self>;
    /// The product, and what rounding took from it at most; `short` says where a factor is so, if that is known.
    fn product(self, other: Self, short: Option<Mask<Self>>) -> (Self, Self::Bound);
    /// The reciprocal, and its own relative error at most.
    fn reciprocal(self) -> (Self, Self::Bound);
    /// `e^self`.
    fn exp(self) -> Self;
    /// `e^self - 1`.
    fn exp_m1(self) -> Self;
    /// `e^self - 1 - self`, and its own error at most.
    fn exp_m1_less(self) -> (Self, Self::Bound);
    /// The logarithm of a normal number.
    fn ln(self) -> Self;
    /// `ln(1 + self)`.
    fn ln_1p(self) -> Self;
    /// `ln(1 + e^-|self|)` and `1/(1 + e^self)`.
    fn logistic(self) -> (Self, Self);
    /// The nearest `f32`, and where it is that to every number within the bound (none: it is exact) and finite.
    fn decided(self, bound: Option<Self::Bound>) -> (Self::Bound, Mask<Self>);
}

/// A truth for each value.
type Mask<V> = <<V as Value>::Bound as Lanes>::Mask;

/// A value from which the exact one differs by at most `error`.
///
/// Errors of errors are taken care of by [`ROOM`]: every bound is computed with a few roundings, and then made larger than they could have
/// made it smaller.
#[derive(Clone, Copy, Debug)]
pub struct Tracked<V: Value = f64> {
    value: V,
    /// None: it is exact, and the compiler knows.
    error: Option<V::Bound>,
}

/// More than the roundings of a bound can take from it.
const ROOM: f64 = 1.0 + 1.0 / (1_u64 << 40) as f64;

/// What underflow may cost: a product of two numbers below 2^-460 or of the error of one. Values that matter are far larger.
const TINY: f64 = 1e-290;

/// The relative error of the elementary functions over lanes, with room.
const ELEMENTARY: f64 = 1.0 / (1_u64 << 47) as f64;

/// The relative error of a square root, with room.
const SQUARE_ROOT: f64 = 4.0 * f64::EPSILON;

/// Powers of two up to here, and down to its reciprocal, are ordinary: no formula multiplies so many of them that a product of the
/// inputs leaves the range of normal numbers.
const SHORT: f64 = 1e30;

/// `e^-|z|` is taken as 0 where it is less.
const LEFT_OUT: f64 = 1e-138;

/// Errors of an argument below this change a function's value by at most 1.01 times its derivative times the error.
const SMALL: f64 = 1.0 / 1024.0;

impl<L: Lanes> Value for L {
    type Bound = L;
    const FUNCTION: f64 = ELEMENTARY;
    const APART: bool = false;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        L::splat(x)
    }
    #[inline(always)]
    fn rough(self) -> L {
        self
    }
    #[inline(always)]
    fn negate(self) -> Self {
        L::splat(-0.0) - self
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn choose(mask: L::Mask, a: Self, b: Self) -> Self {
        L::select(mask, a, b)
    }
    #[inline(always)]
    fn distance(self, other: Self) -> L {
        (self - other).abs() * L::splat(1.0 + f64::EPSILON)
    }
    #[inline(always)]
    fn sum_with(self, other: Self) -> (Self, L) {
        let sum = self + other;
        let part = sum - self;
        (sum, ((self - (sum - part)) + (other - part)).abs())
    }
    #[inline(always)]
    fn is_short(self) -> L::Mask {
        let (zero, one, rest) = (L::splat(0.0), L::splat(1.0), L::splat(f64::NEG_INFINITY));
        // Its significand as that of a number from 1 to 2.
        let power = self.bit_or(rest).bits_sub(rest).bits_add(one).eq(one);
        let ordinary = L::and(L::splat(1.0 / SHORT).lt(self.abs()), self.abs().lt(L::splat(SHORT)));
        L::or(L::and(power, ordinary), self.eq(zero))
    }
    #[inline(always)]
    fn product(self, other: Self, short: Option<L::Mask>) -> (Self, L) {
        let product = self * other;
        let (part, least) = match short {
            None => (L::splat(f64::EPSILON), L::splat(TINY)),
            Some(short) => {
                let zero = L::splat(0.0);
                (L::select(short, zero, L::splat(f64::EPSILON)), L::select(short, zero, L::splat(TINY)))
            }
        };
        // Infinity has a bound of infinity or NaN.
        (product, product.abs() * part + least)
    }
    #[inline(always)]
    fn reciprocal(self) -> (Self, L) {
        let own = L::select(self.is_short(), L::splat(0.0), L::splat(f64::EPSILON));
        (L::splat(1.0) / self, own)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::lanes::exp_of(self)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        elementary::lanes::exp_m1_of(self)
    }
    #[inline(always)]
    fn exp_m1_less(self) -> (Self, L) {
        let value = elementary::lanes::exp_m1_less(self);
        // Four times that of the others; it is 0 where the value is.
        (value, value.abs() * L::splat(4.0 * ELEMENTARY))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        elementary::lanes::log(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        elementary::lanes::log1p(self)
    }
    #[inline(always)]
    fn logistic(self) -> (Self, Self) {
        elementary::logistic(self)
    }
    #[inline(always)]
    fn decided(self, bound: Option<L>) -> (L, L::Mask) {
        let zero = L::splat(0.0);
        let nearest = match bound {
            None => self.round_f32(),
            Some(error) => {
                // At least as much as the value's own last place, or a difference that is far below would not move it off a midpoint.
                let wide = error * L::splat(ROOM) + self.abs() * L::splat(f64::EPSILON);
                let error = L::select(error.eq(zero), zero, wide);
                let nearest = (self - error).round_f32();
                let same = nearest.eq((self + error).round_f32());
                // NaN, of an error that is infinite too, is not the same.
                L::select(same, nearest, L::splat(f64::INFINITY))
            }
        };
        (self, nearest.abs().lt(L::splat(f64::INFINITY)))
    }
}

impl Value for Double {
    type Bound = f64;
    const FUNCTION: f64 = DOUBLE_FUNCTION;
    const APART: bool = true;

    fn from_f64(x: f64) -> Self {
        Self::new(x)
    }
    fn rough(self) -> f64 {
        Double::rough(self)
    }
    fn negate(self) -> Self {
        Double::negate(self)
    }
    fn magnitude(self) -> Self {
        self.abs()
    }
    fn choose(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    fn distance(self, other: Self) -> f64 {
        Double::distance(self, other)
    }
    #[inline(always)]
    fn sum_with(self, other: Self) -> (Self, f64) {
        Double::sum(self, other)
    }
    #[inline(always)]
    fn is_short(self) -> bool {
        // It knows by itself which products are exact.
        false
    }
    #[inline(always)]
    fn product(self, other: Self, _: Option<bool>) -> (Self, f64) {
        Double::product(self, other)
    }
    #[inline(always)]
    fn reciprocal(self) -> (Self, f64) {
        Double::reciprocal(self)
    }
    fn exp(self) -> Self {
        Double::exp(self)
    }
    fn exp_m1(self) -> Self {
        Double::exp_m1(self)
    }
    fn exp_m1_less(self) -> (Self, f64) {
        Double::exp_m1_less(self)
    }
    fn ln(self) -> Self {
        Double::ln(self)
    }
    fn ln_1p(self) -> Self {
        Double::ln_1p(self)
    }
    fn logistic(self) -> (Self, Self) {
        Double::logistic(self)
    }
    fn decided(self, bound: Option<f64>) -> (f64, bool) {
        match self.rounded(bound.unwrap_or(0.0)) {
            Some(nearest) => (nearest.into(), true),
            None => (Double::rough(self), false),
        }
    }
}

impl<V: Value> Tracked<V> {
    /// An exact value.
    #[inline(always)]
    pub fn new(value: V) -> Self {
        Self { value, error: None }
    }

    /// The difference of two `f32`, which is often exact.
    #[inline(always)]
    pub fn difference(a: V, b: V) -> Self {
        Self::new(a) - Self::new(b)
    }

    /// With a bound of the error that it is computed from.
    #[inline(always)]
    fn bounded(value: V, error: V::Bound) -> Self {
        Self { value, error: Some(error * V::Bound::splat(ROOM)) }
    }

    /// With a bound that has room already.
    #[inline(always)]
    pub fn with_error(value: V, error: V::Bound) -> Self {
        Self { value, error: Some(error) }
    }

    /// The value and the bound.
    #[inline(always)]
    pub fn with_bound(self) -> (V, V::Bound) {
        (self.value, self.bound())
    }

    /// The bound, 0 if it is exact.
    #[inline(always)]
    fn bound(self) -> V::Bound {
        match self.error {
            Some(error) => error,
            None => V::Bound::splat(0.0),
        }
    }

    /// The same, and undecided where the mask holds.
    #[inline(always)]
    pub fn unless(self, mask: Mask<V>) -> Self {
        Self { error: Some(V::Bound::select(mask, V::Bound::splat(f64::INFINITY), self.bound())), ..self }
    }

    /// The nearest `f32`, and where it is that to the exact value too and finite.
    #[inline(always)]
    pub fn decided(self) -> (V::Bound, Mask<V>) {
        self.value.decided(self.error)
    }

    #[inline(always)]
    fn sum(self, other: Self) -> Self {
        let (sum, lost) = self.value.sum_with(other.value);
        let error = match (self.error, other.error) {
            (None, None) => lost,
            (Some(error), None) | (None, Some(error)) => error + lost,
            (Some(a), Some(b)) => a + b + lost,
        };
        Self::bounded(sum, error)
    }

    /// Where a factor is short. Parameters and columns alone are asked, which have no bound and often are; of what is the same for all rows
    /// the compiler asks once.
    #[inline(always)]
    fn short(self, other: Self) -> Option<Mask<V>> {
        match (self.error, other.error) {
            (None, None) => Some(V::Bound::or(self.value.is_short(), other.value.is_short())),
            (None, Some(_)) => Some(self.value.is_short()),
            (Some(_), None) => Some(other.value.is_short()),
            // A square of 0, whose root must not have a bound of infinity; over lanes the comparisons would cost more than they save.
            (Some(_), Some(_)) if V::Bound::N == 1 => {
                let zero = V::Bound::splat(0.0);
                Some(V::Bound::or(self.value.rough().eq(zero), other.value.rough().eq(zero)))
            }
            (Some(_), Some(_)) => None,
        }
    }

    #[inline(always)]
    fn product(self, other: Self, short: Option<Mask<V>>) -> Self {
        let (product, lost) = self.value.product(other.value, short);
        let (a, b) = (self.value.rough().abs(), other.value.rough().abs());
        let carried = match (self.error, other.error) {
            (None, None) => return Self::bounded(product, lost),
            (Some(error), None) => b * error,
            (None, Some(error)) => a * error,
            // What underflows here is far below all that counts.
            (Some(own), Some(error)) => (a + own) * error + b * own,
        };
        Self::bounded(product, lost + carried)
    }

    #[inline(always)]
    fn reciprocal(self) -> Self {
        let zero = V::Bound::splat(0.0);
        let (value, own) = self.value.reciprocal();
        let error = self.bound();
        let least = self.value.rough().abs() - error;
        // Of the error, and of rounding.
        let relative = V::Bound::select(zero.lt(least), error / least, V::Bound::splat(f64::INFINITY)) + own;
        let about = value.rough().abs() * relative + V::Bound::splat(TINY);
        Self::bounded(value, V::Bound::select(relative.eq(zero), zero, about))
    }

    /// A function's value at an argument with the given error, which has the bound `own` for its own error and `slope` for its derivative.
    #[inline(always)]
    fn image(self, value: V, own: V::Bound, slope: V::Bound) -> Self {
        let error = match self.error {
            None => own,
            Some(error) => {
                let small = error.lt(V::Bound::splat(SMALL));
                let carried = slope.abs() * error * V::Bound::splat(1.01);
                own + V::Bound::select(small, carried, V::Bound::splat(f64::INFINITY))
            }
        };
        Self::bounded(value, error)
    }

    /// The same of a function that may have left out what is far below 1.
    #[inline(always)]
    fn function(self, value: V, slope: V::Bound) -> Self {
        let own = value.rough().abs() * V::Bound::splat(V::FUNCTION) + V::Bound::splat(LEFT_OUT);
        self.image(value, own, slope)
    }
}

/// What few rows need is not inlined.
#[inline(never)]
fn sum_apart<V: Value>(a: Tracked<V>, b: Tracked<V>) -> Tracked<V> {
    a.sum(b)
}

#[inline(never)]
fn product_apart<V: Value>(a: Tracked<V>, b: Tracked<V>) -> Tracked<V> {
    a.product(b, None)
}

#[inline(never)]
fn reciprocal_apart<V: Value>(x: Tracked<V>) -> Tracked<V> {
    x.reciprocal()
}

impl<V: Value<Bound = f64>> Tracked<V> {
    /// Whether it is 0, or at least 2^-200 of `largest`: large enough for what a sum of such terms has lost.
    pub fn is_within(self, largest: Self) -> bool {
        let (value, largest) = (self.value.rough(), largest.value.rough());
        value == 0.0 || value.abs() >= largest * (1.0 / (1_u128 << 100) as f64 / (1_u128 << 100) as f64)
    }

    /// The nearest `f32` to the exact value, if the bound decides it.
    pub fn rounded(self) -> Option<f32> {
        let (value, decided) = self.decided();
        decided.then_some(value as f32 + 0.0)
    }

    /// The square root of what is known to be at least 0, given that of the value and its own error.
    fn root(self, (root, own): (V, f64)) -> Self {
        let (rough, error) = (root.rough(), self.bound());
        if rough > 0.0 {
            // Of the argument's, no more than over the root, whatever its exact value.
            return Self::bounded(root, error / rough + own);
        }
        Self::bounded(root, if error == 0.0 && rough == 0.0 { 0.0 } else { f64::INFINITY })
    }
}

impl Tracked {
    /// The square root of what is known to be at least 0.
    pub fn sqrt(self) -> Self {
        let root = elementary::root(self.value);
        self.root((root, root * SQUARE_ROOT))
    }
}

impl Tracked<Double> {
    /// The square root of what is known to be at least 0.
    pub fn sqrt(self) -> Self {
        self.root(self.value.root())
    }
}

impl<V: Value> Add for Tracked<V> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        if V::APART { sum_apart(self, other) } else { self.sum(other) }
    }
}

impl<V: Value> Sub for Tracked<V> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<V: Value> Neg for Tracked<V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: self.value.negate(), ..self }
    }
}

impl<V: Value> Mul for Tracked<V> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        if V::APART { product_apart(self, other) } else { self.product(other, self.short(other)) }
    }
}

impl<V: Value> Div for Tracked<V> {
    type Output = Self;
    #[allow(
        clippy::suspicious_arithmetic_impl,
        reason = "a quotient's error is that of the reciprocal, then of a product"
    )]
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        if V::APART { self * other.recip() } else { self.product(other.recip(), Some(other.value.is_short())) }
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

impl<V: Value> Tracked<V> {
    #[inline(always)]
    fn choice(self, holds: Mask<V>) -> Choice<Mask<V>> {
        #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
        let certain = match self.error {
            None => None,
            Some(error) => Some(V::Bound::or(error.lt(self.value.rough().abs()), error.eq(V::Bound::splat(0.0)))),
        };
        Choice { holds, certain }
    }
}

impl<V: Value> Real for Tracked<V> {
    type Mask = Choice<Mask<V>>;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::new(V::from_f64(x))
    }
    #[inline(always)]
    fn recip(self) -> Self {
        if V::APART { reciprocal_apart(self) } else { self.reciprocal() }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self { value: self.value.magnitude(), ..self }
    }
    #[inline(always)]
    fn exact(self) -> Self {
        self
    }
    #[inline(always)]
    fn is_positive(self) -> Self::Mask {
        self.choice(V::Bound::splat(0.0).lt(self.value.rough()))
    }
    #[inline(always)]
    fn is_negative(self) -> Self::Mask {
        self.choice(self.value.rough().lt(V::Bound::splat(0.0)))
    }
    #[inline(always)]
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
        let value = V::choose(mask.holds, a.value, b.value);
        let (of_a, of_b) = (a.bound(), b.bound());
        let chosen = V::Bound::select(mask.holds, of_a, of_b);
        match mask.certain {
            None if a.error.is_none() && b.error.is_none() => Self::new(value),
            None => Self { value, error: Some(chosen) },
            Some(certain) => {
                // The other may be right.
                let either = a.value.distance(b.value) + of_a + of_b;
                Self::bounded(value, V::Bound::select(certain, chosen, either))
            }
        }
    }
    #[inline(always)]
    fn logistic(self) -> Logistic<Self> {
        let (log1p_exp, sigmoid_of_minus) = self.value.logistic();
        // Neither changes faster than itself.
        let log1p_exp = self.function(log1p_exp, log1p_exp.rough());
        let sigmoid_of_minus = self.function(sigmoid_of_minus, sigmoid_of_minus.rough());
        Logistic { z: self, log1p_exp, sigmoid_of_minus }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.function(value, value.rough())
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let value = self.value.exp_m1();
        self.function(value, value.rough() + V::Bound::splat(1.0))
    }
    #[inline(always)]
    fn exp_m1_less(self) -> Self {
        let (value, own) = self.value.exp_m1_less();
        let slope = match self.error {
            None => own,
            Some(error) => {
                // Its derivative is e^x - 1, which is 0 at 0 and changes there.
                let slope = elementary::lanes::exp_m1_of(self.value.rough());
                slope.abs() + (slope + V::Bound::splat(1.0)) * error
            }
        };
        self.image(value, own, slope)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        let value = self.value.ln();
        let least = self.value.rough() - self.bound();
        // The argument of log is a normal number.
        let own = value.rough().abs() * V::Bound::splat(V::FUNCTION);
        let error = match self.error {
            None => own,
            Some(error) => own + error / least,
        };
        let inside = V::Bound::splat(f64::MIN_POSITIVE).lt(least);
        Self::bounded(value, V::Bound::select(inside, error, V::Bound::splat(f64::INFINITY)))
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        let value = self.value.ln_1p();
        let argument = self.value.rough();
        let least = (V::Bound::splat(1.0) + argument) - self.bound();
        let own = value.rough().abs() * V::Bound::splat(V::FUNCTION);
        let error = match self.error {
            None => own,
            // The sum above is rounded.
            Some(error) => own + error / least * V::Bound::splat(1.01),
        };
        // Below, what rounding takes from the sum matters.
        let inside = V::Bound::and(V::Bound::splat(1e-3).lt(least), argument.abs().lt(V::Bound::splat(f64::INFINITY)));
        Self::bounded(value, V::Bound::select(inside, error, V::Bound::splat(f64::INFINITY)))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::new(V::choose(self.value.rough().lt(other.value.rough()), other.value, self.value))
    }
}
