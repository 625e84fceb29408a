//! Ball arithmetic: a number, and a bound of how far it may be off.
//!
//! It serves two ends by one set of rules. With [`Rounding::OfPrecision`] the radius bounds the judge's own rounding errors, so
//! that a result says itself whether its precision was enough, whatever cancelled on the way. With [`Rounding::OfSums`] it
//! bounds what ordinary code of some type loses where it adds up and where numbers underflow.

use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::Float;

/// A magnitude with a range of exponents beyond any number's: a factor of at least 1/2 and below 1, or 0, or infinity, times a
/// power of two. It bounds errors; its own last bits do not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radius {
    factor: f64,
    exponent: i64,
}

impl Radius {
    pub const ZERO: Self = Self { factor: 0.0, exponent: 0 };
    pub const INFINITE: Self = Self { factor: f64::INFINITY, exponent: 0 };

    /// A power of two.
    pub fn power(exponent: i64) -> Self {
        Self { factor: 0.5, exponent: exponent + 1 }
    }

    fn new(factor: f64, exponent: i64) -> Self {
        if factor.is_nan() || factor.is_infinite() {
            return Self::INFINITE;
        }
        if factor == 0.0 {
            return Self::ZERO;
        }
        let factor = if factor < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { factor };
        let power = (factor.to_bits() >> 52) as i64 - 1022;
        Self { factor: f64::from_bits(factor.to_bits() & ((1 << 52) - 1) | 1022 << 52), exponent: exponent + power }
    }

    pub fn of(x: f64) -> Self {
        Self::new(x.abs(), 0)
    }

    /// A number's magnitude.
    pub fn of_float(x: &Float) -> Self {
        match x.get_exp() {
            Some(exponent) => Self { factor: x.leading().abs(), exponent: exponent.into() },
            None if x.is_zero() => Self::ZERO,
            None => Self::INFINITE,
        }
    }

    pub fn is_zero(self) -> bool {
        self.factor == 0.0
    }

    pub fn is_infinite(self) -> bool {
        self.factor.is_infinite()
    }

    /// The least integer `e` with a magnitude of at most `2^e`; none for 0 and infinity.
    pub fn exponent(self) -> Option<i64> {
        (!self.is_zero() && !self.is_infinite()).then_some(self.exponent)
    }

    pub fn to_f64(self) -> f64 {
        match self.exponent {
            -1000..=1000 => self.factor * power(self.exponent),
            ..-1000 => 0.0,
            _ => f64::INFINITY,
        }
    }

    /// As a number: beyond its range infinity, or the least.
    pub fn to_float(self) -> Float {
        if self.is_infinite() {
            return Float::with_val(64, f64::INFINITY);
        }
        let exponent = self.exponent.clamp(1 - (1 << 30), (1 << 30) - 1);
        // Within 2^30.
        Float::with_val(64, self.factor) << exponent as i32
    }

    pub fn min(self, other: Self) -> Self {
        if self.is_below(other) { self } else { other }
    }

    pub fn is_below(self, other: Self) -> bool {
        match (self.exponent(), other.exponent()) {
            (Some(a), Some(b)) => (a, self.factor) < (b, other.factor),
            _ => self.factor < other.factor,
        }
    }

    /// `e^self - 1`.
    fn exp_m1(self) -> Self {
        match self.exponent {
            // It is the radius itself, as good as.
            ..-40 => self,
            -40..10 => Self::of(self.to_f64().exp_m1()),
            10..40 => Self::power((self.to_f64() * std::f64::consts::LOG2_E) as i64 + 1),
            _ => Self::INFINITE,
        }
    }
}

/// A power of two within the range of `f64`.
fn power(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

impl std::ops::Add for Radius {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        if self.is_zero() || other.is_infinite() {
            return other;
        }
        if other.is_zero() || self.is_infinite() {
            return self;
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let below = (large.exponent - small.exponent).min(64);
        Self::new(large.factor + small.factor * power(-below), large.exponent)
    }
}

impl std::ops::Mul for Radius {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        if self.is_infinite() || other.is_infinite() {
            // What has underflown to 0 may be anything times that.
            return Self::INFINITE;
        }
        if self.is_zero() || other.is_zero() {
            return Self::ZERO;
        }
        Self::new(self.factor * other.factor, self.exponent + other.exponent)
    }
}

impl std::ops::Div for Radius {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        if self.is_zero() {
            return self;
        }
        Self::new(self.factor / other.factor, self.exponent - other.exponent)
    }
}

/// More than what has left the range of exponents towards 0.
const NEARLY_ZERO: Radius = Radius { factor: 0.5, exponent: 1 - (1 << 30) };

/// What an operation adds to the radius of its result.
#[derive(Clone, Copy, Debug)]
pub enum Rounding {
    /// Its own rounding error in the precision of the arithmetic.
    OfPrecision,
    /// Of a sum, this part of its terms; of anything else, this absolute error of what underflows.
    OfSums(Radius, Radius),
}

/// What a formula's functions met.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trace {
    /// The largest argument of an exp of its own, not within a sigmoid or its logarithm.
    pub exp: Option<f64>,
    /// The largest size of an argument of a sigmoid or its logarithm.
    pub sigmoid: Option<f64>,
    /// The least size of `e^x - 1`, where that is a part of the formula.
    pub exp_m1: Option<f64>,
    /// Which branches were taken, as bits.
    pub branches: u64,
}

/// The precision of all operations, and what they share.
pub struct Arithmetic {
    pub precision: u32,
    pub rounding: Rounding,
    pub trace: Cell<Trace>,
    /// The last argument of a logistic function: losses ask for both sides of one.
    last: RefCell<Option<Logistic>>,
}

impl Arithmetic {
    pub fn new(precision: u32, rounding: Rounding) -> Self {
        Self { precision, rounding, trace: Cell::default(), last: RefCell::default() }
    }

    fn note(&self, change: impl FnOnce(&mut Trace)) {
        let mut trace = self.trace.get();
        change(&mut trace);
        self.trace.set(trace);
    }

    /// A number whose own error, as a part of it, is at most `2^(units - precision)`, beside what its operands brought with them.
    fn rounded(&self, middle: Float, brought: Radius, units: i64) -> Ball {
        let own = match self.rounding {
            Rounding::OfPrecision => match middle.get_exp() {
                Some(exponent) => Radius::power(i64::from(exponent) + units - i64::from(self.precision)),
                // Of what has become 0, or infinite, at the ends of the range of exponents.
                None if middle.is_zero() => NEARLY_ZERO,
                None => Radius::INFINITE,
            },
            Rounding::OfSums(_, floor) => floor,
        };
        Ball { middle, radius: brought + own }
    }

    /// The same, of an operation that tells whether it was exact.
    fn operation(&self, (middle, is_exact): (Float, bool), brought: Radius) -> Ball {
        match self.rounding {
            Rounding::OfPrecision if is_exact => Ball { middle, radius: brought },
            _ => self.rounded(middle, brought, -1),
        }
    }

    /// A constant: it has no more than 53 bits, and the precision never less than 64.
    pub fn exact(&self, x: f64) -> Ball {
        Ball { middle: Float::with_val(self.precision, x), radius: Radius::ZERO }
    }

    pub fn zero(&self) -> Ball {
        Ball { middle: Float::new(self.precision), radius: Radius::ZERO }
    }

    /// The difference of two exact numbers.
    pub fn difference(&self, a: &Float, b: &Float) -> Ball {
        self.operation(a.minus(b, self.precision), Radius::ZERO)
    }

    /// A number of any precision that is off by at most `radius`.
    pub fn float(&self, x: &Float, radius: Radius) -> Ball {
        let (middle, is_exact) = x.rounded_to(self.precision);
        match self.rounding {
            Rounding::OfPrecision => self.operation((middle, is_exact), radius),
            Rounding::OfSums(..) => Ball { middle, radius },
        }
    }

    pub fn neg(&self, x: &Ball) -> Ball {
        Ball { middle: x.middle.negated(), radius: x.radius }
    }

    pub fn add(&self, a: &Ball, b: &Ball) -> Ball {
        let result = a.middle.plus(&b.middle, self.precision);
        self.sum(a, b, result)
    }

    pub fn sub(&self, a: &Ball, b: &Ball) -> Ball {
        let result = a.middle.minus(&b.middle, self.precision);
        self.sum(a, b, result)
    }

    fn sum(&self, a: &Ball, b: &Ball, result: (Float, bool)) -> Ball {
        let brought = a.radius + b.radius;
        match self.rounding {
            Rounding::OfPrecision => self.operation(result, brought),
            Rounding::OfSums(unit, _) => {
                let [x, y] = [a.size(), b.size()];
                let own = if x.is_zero() || y.is_zero() { Radius::ZERO } else { (x + y) * unit };
                Ball { middle: result.0, radius: brought + own }
            }
        }
    }

    pub fn mul(&self, a: &Ball, b: &Ball) -> Ball {
        match [a, b].map(|x| x.middle.is_one() && x.radius.is_zero()) {
            [true, _] => return b.clone(),
            [_, true] => return a.clone(),
            _ => {}
        }
        let brought = if a.radius.is_zero() && b.radius.is_zero() {
            Radius::ZERO
        } else {
            a.size() * b.radius + b.size() * a.radius + a.radius * b.radius
        };
        self.operation(a.middle.times(&b.middle, self.precision), brought)
    }

    /// `a / b`.
    pub fn div(&self, a: &Ball, b: &Ball) -> Ball {
        let result = a.middle.over(&b.middle, self.precision);
        if a.radius.is_zero() && b.radius.is_zero() {
            return self.operation(result, Radius::ZERO);
        }
        // (a +- r)/(b +- s) differs from a/b by at most (r + |a/b| s)/(|b| - s).
        let Some(least) = b.least() else { return Ball { middle: result.0, radius: Radius::INFINITE } };
        let brought = (a.radius + Radius::of_float(&result.0) * b.radius) / least;
        self.operation(result, brought)
    }

    /// `e^x`.
    pub fn exp(&self, x: &Ball) -> Ball {
        let middle = Float::with_val(self.precision, x.middle.exp_ref());
        let brought = match x.is_beyond_exponents() {
            Some(Ordering::Less) => NEARLY_ZERO,
            _ => Radius::of_float(&middle) * x.radius.exp_m1(),
        };
        if x.is_exactly_zero() { self.exact(1.0) } else { self.rounded(middle, brought, -1) }
    }

    /// That a formula takes the exp of x.
    pub fn meets_exp(&self, x: &Ball) {
        self.note(|trace| trace.exp = Some(trace.exp.unwrap_or(f64::NEG_INFINITY).max(x.middle.to_f64())));
    }

    /// That a formula takes the sigmoid of x, or its logarithm, or the logarithm of a sum with `e^x`.
    pub fn meets_sigmoid(&self, x: &Ball) {
        let size = x.middle.to_f64().abs();
        self.note(|trace| trace.sigmoid = Some(trace.sigmoid.unwrap_or(0.0).max(size)));
    }

    /// That a formula takes `y = e^x - 1`.
    pub fn meets_exp_m1(&self, y: &Ball) {
        let size = y.middle.to_f64().abs();
        self.note(|trace| trace.exp_m1 = Some(trace.exp_m1.unwrap_or(f64::INFINITY).min(size)));
    }

    /// `e^x - 1`.
    pub fn exp_m1(&self, x: &Ball) -> Ball {
        let middle = Float::with_val(self.precision, x.middle.exp_m1_ref());
        let power =
            if middle.is_sign_negative() { Radius::of(1.0) } else { Radius::of_float(&middle) + Radius::of(1.0) };
        let brought = power * x.radius.exp_m1();
        if x.is_exactly_zero() { x.clone() } else { self.rounded(middle, brought, -1) }
    }

    pub fn ln(&self, x: &Ball) -> Ball {
        let middle = Float::with_val(self.precision, x.middle.ln_ref());
        // |ln(x +- r) - ln x| is at most r/(x - r).
        let brought = x.least().map_or(Radius::INFINITE, |least| x.radius / least);
        if middle.is_zero() && x.radius.is_zero() { self.exact(0.0) } else { self.rounded(middle, brought, -1) }
    }

    /// `ln(1 + x)`.
    pub fn ln_1p(&self, x: &Ball) -> Ball {
        let middle = Float::with_val(self.precision, x.middle.ln_1p_ref());
        let one = self.add(x, &Ball { middle: Float::with_val(self.precision, 1), radius: Radius::ZERO });
        let brought = one.least().map_or(Radius::INFINITE, |least| x.radius / least);
        if x.is_exactly_zero() { x.clone() } else { self.rounded(middle, brought, -1) }
    }

    /// Calls with the logistic functions of x.
    fn logistic<R>(&self, x: &Float, then: impl FnOnce(&Logistic) -> R) -> R {
        let mut last = self.last.borrow_mut();
        let size = x.clone().abs();
        if last.as_ref().is_none_or(|last| last.size != size) {
            *last = Some(Logistic::of(size));
        }
        then(last.get_or_insert_with(|| Logistic::of(x.clone().abs())))
    }

    /// `ln(1 + e^x)`.
    pub fn softplus(&self, x: &Ball) -> Ball {
        let (middle, upper) = self.logistic(&x.middle, |logistic| {
            let upper = if x.middle.is_sign_negative() { &logistic.lower } else { &logistic.upper };
            (logistic.softplus(&x.middle), Radius::of_float(upper))
        });
        let brought = match x.is_beyond_exponents() {
            Some(Ordering::Less) => NEARLY_ZERO,
            _ if x.radius.is_zero() => x.radius,
            _ => x.radius.min(upper * x.radius.exp_m1()),
        };
        self.rounded(middle, brought, 2)
    }

    /// `1/(1 + e^-x)`.
    pub fn sigmoid(&self, x: &Ball) -> Ball {
        if x.is_exactly_zero() {
            return self.exact(0.5);
        }
        let [middle, other] = self.sides(x);
        let brought = if x.radius.is_zero() {
            x.radius
        } else if x.is_beyond_exponents().is_some() {
            NEARLY_ZERO
        } else {
            let spread = x.radius.exp_m1();
            let [near, far] = [&middle, &other].map(|x| Radius::of_float(x) * spread);
            near.min(far).min(x.radius).min(Radius::of(1.0))
        };
        self.rounded(middle, brought, 2)
    }

    /// The derivative of that, which is it times 1 less it.
    pub fn sigmoid_slope(&self, x: &Ball) -> Ball {
        if x.is_exactly_zero() {
            return self.exact(0.25);
        }
        let [middle, other] = self.sides(x);
        let product = middle.times(&other, self.precision).0;
        // The slope of its logarithm is at most 1.
        let brought = match x.is_beyond_exponents() {
            _ if x.radius.is_zero() => x.radius,
            Some(_) => NEARLY_ZERO,
            None => Radius::of_float(&product) * x.radius.exp_m1(),
        };
        self.rounded(product, brought, 3)
    }

    /// The sigmoids of x and of its negative.
    fn sides(&self, x: &Ball) -> [Float; 2] {
        self.logistic(&x.middle, |logistic| {
            let (upper, lower) = (logistic.upper.clone(), logistic.lower.clone());
            if x.middle.is_sign_negative() { [lower, upper] } else { [upper, lower] }
        })
    }

    /// Whether x is above 0; and whether that is certain.
    pub fn is_positive(&self, x: &Ball) -> (bool, bool) {
        let is_positive = x.middle > 0;
        self.note(|trace| trace.branches = trace.branches << 1 | u64::from(is_positive));
        (is_positive, x.radius.is_zero() || x.least().is_some())
    }
}

/// A number and its radius.
#[derive(Clone, Debug)]
pub struct Ball {
    pub middle: Float,
    pub radius: Radius,
}

impl Ball {
    /// The size of its middle.
    fn size(&self) -> Radius {
        Radius::of_float(&self.middle)
    }

    fn is_exactly_zero(&self) -> bool {
        self.middle.is_zero() && self.radius.is_zero()
    }

    /// On which side of all x with an `e^x` in the range of exponents it lies for certain.
    fn is_beyond_exponents(&self) -> Option<Ordering> {
        let is_beyond = self.size().exponent().is_some_and(|e| e > 32) && self.least().is_some_and(|x| x.exponent > 32);
        let side = if self.middle.is_sign_negative() { Ordering::Less } else { Ordering::Greater };
        is_beyond.then_some(side)
    }

    /// A lower bound of its size, if that is not 0.
    fn least(&self) -> Option<Radius> {
        let size = self.size();
        if self.radius.is_zero() {
            return (!size.is_zero()).then_some(size);
        }
        let (Some(e), Some(r)) = (size.exponent(), self.radius.exponent()) else { return None };
        if r < e - 2 {
            // At least a half of it is left, and more where the radius is smaller.
            let share = (self.radius / size).to_f64();
            return Some(size * Radius::of(1.0 - share));
        }
        let left = 1.0 - (self.radius / size).to_f64();
        (left > 1e-9).then(|| size * Radius::of(left))
    }

    /// Whether it is known to a hundred bits, or to all that any type judged here can tell from 0. Halfway between two numbers of a
    /// type the truth must be seen to lie on one side.
    pub fn is_known(&self) -> bool {
        let bits = if self.middle.is_midpoint() { BESIDE } else { LEFT };
        self.is_known_to(bits, NOTHING)
    }

    /// Whether its sign is known; none of what is 0 as far as the range of exponents goes.
    pub fn sign(&self) -> Option<Ordering> {
        let sign = self.middle.partial_cmp(&0);
        sign.filter(|_| self.is_known_to(1, i64::MIN / 2))
    }

    /// Whether it is 0 as far as the range of exponents goes.
    pub fn has_underflown(&self) -> bool {
        self.middle.is_zero() && self.radius.exponent().is_some_and(|e| e < -(1 << 28))
    }

    /// Whether the radius is at most `2^-bits` of it, or at most `2^nothing`.
    fn is_known_to(&self, bits: i64, nothing: i64) -> bool {
        let Some(radius) = self.radius.exponent() else { return self.radius.is_zero() };
        let size = self.middle.get_exp().map_or(i64::MIN / 2, i64::from);
        radius <= (size - bits).max(nothing)
    }
}

/// Bits that must be known of a result.
const LEFT: i64 = 100;

/// The exponent of errors that are nothing to an `f64`, even times the greatest weight.
const NOTHING: i64 = -1_300;

/// How many bits below a midpoint are looked at for the side on which the truth is.
const BESIDE: i64 = 1_500;

/// What the logistic functions are made of, from one exponential, none of it by a difference of near numbers.
pub struct Logistic {
    /// |x|.
    size: Float,
    /// `e^-|x|`.
    power: Float,
    /// `ln(1 + e^-|x|)`.
    small: OnceCell<Float>,
    /// `1/(1 + e^-|x|)`.
    pub upper: Float,
    /// `1/(1 + e^|x|)`.
    pub lower: Float,
}

impl Logistic {
    /// Of a size, which is not negative.
    pub fn of(size: Float) -> Self {
        let power = (-size.clone()).exp();
        let one = power.clone() + 1_u32;
        let (upper, lower) = (one.clone().recip(), power.clone() / one);
        Self { size, power, small: OnceCell::new(), upper, lower }
    }

    /// `ln(1 + e^x)` of one of the two x of this size.
    pub fn softplus(&self, x: &Float) -> Float {
        let small = self.small.get_or_init(|| self.power.clone().ln_1p());
        if x.is_sign_negative() { small.clone() } else { self.size.clone() + small }
    }
}

/// Derivatives in some directions: most losses have one by the difference of log-ratios and one by beta.
pub type Balls = SmallVec<[Option<Ball>; 2]>;
