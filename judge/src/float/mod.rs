//! Floating-point numbers of any precision, each operation rounded once to the nearest number, ties to even, with the bits of MPFR.
//!
//! With the feature `mpfr` each number carries a twin in MPFR's arithmetic: every operation is done by both, and panics where
//! they differ.

mod arithmetic;
mod convert;
mod exponential;
mod format;
mod functions;
mod limbs;
#[cfg(feature = "mpfr")]
mod lockstep;
mod number;
mod operators;

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use arithmetic::Rounded;
use number::{Class, Number};

pub use convert::{Special, Value};
pub use operators::Incomplete;

/// Precisions that a number may have, in bits.
pub const PRECISIONS: RangeInclusive<u32> = 1..=1 << 15;

/// A floating-point number: a significand of a precision of its own, an exponent of up to 2^30 in magnitude; zeros and infinities
/// of either sign; NaN.
///
/// Between two numbers the result has the precision of the one that is given by value, of the left one if both are. Operations on
/// references are [`Incomplete`] until [`Float::with_val`] gives them a precision.
#[derive(Clone)]
pub struct Float {
    precision: u32,
    number: Number,
    #[cfg(feature = "mpfr")]
    twin: rug::Float,
}

/// Operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unary {
    Round,
    Neg,
    Abs,
    Square,
    Recip,
    Sqrt,
    Exp,
    ExpM1,
    Ln,
    Ln1p,
    Tanh,
    Cosh,
}

impl Unary {
    fn apply(self, x: &Number, precision: u32) -> Rounded {
        match self {
            Self::Round => arithmetic::round(x, precision),
            Self::Neg => arithmetic::round(&x.clone().negated(), precision),
            Self::Abs => arithmetic::round(&x.clone().abs(), precision),
            Self::Square => arithmetic::product(x, x, precision),
            Self::Recip => arithmetic::quotient(&Number::one(), x, precision),
            Self::Sqrt => arithmetic::square_root(x, precision),
            Self::Exp => functions::exp(x, precision),
            Self::ExpM1 => functions::exp_m1(x, precision),
            Self::Ln => functions::ln(x, precision),
            Self::Ln1p => functions::ln_1p(x, precision),
            Self::Tanh => functions::tanh(x, precision),
            Self::Cosh => functions::cosh(x, precision),
        }
    }
}

/// Operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

impl Binary {
    fn apply(self, a: &Number, b: &Number, precision: u32) -> Rounded {
        match self {
            Self::Add => arithmetic::add(a, b, precision),
            Self::Sub => arithmetic::sub(a, b, precision),
            Self::Mul => arithmetic::product(a, b, precision),
            Self::Div => arithmetic::quotient(a, b, precision),
        }
    }
}

/// Functions by value and by reference.
macro_rules! functions {
    ($($(#[$doc:meta])+ $name:ident $by_reference:ident $operation:ident;)+) => {
        impl Float {
            $(
                $(#[$doc])+
                #[must_use]
                pub fn $name(self) -> Self {
                    Self::unary(Unary::$operation, &self, self.precision)
                }

                #[doc = concat!("[`Float::", stringify!($name), "`] in a precision yet to be given.")]
                pub fn $by_reference(&self) -> Incomplete<'_> {
                    Incomplete::unary(Unary::$operation, self)
                }
            )+
        }
    };
}

functions! {
    /// The magnitude.
    abs abs_ref Abs;
    /// The product with itself.
    square square_ref Square;
    /// The quotient of 1 and it.
    recip recip_ref Recip;
    /// The square root; NaN of what is below 0.
    sqrt sqrt_ref Sqrt;
    /// `e^x`.
    exp exp_ref Exp;
    /// `e^x - 1`.
    exp_m1 exp_m1_ref ExpM1;
    /// The natural logarithm; NaN of what is below 0.
    ln ln_ref Ln;
    /// `ln(1 + x)`; NaN of what is below -1.
    ln_1p ln_1p_ref Ln1p;
    /// The hyperbolic tangent.
    tanh tanh_ref Tanh;
    /// The hyperbolic cosine.
    cosh cosh_ref Cosh;
}

impl Float {
    /// 0 in a precision.
    ///
    /// # Panics
    /// If the precision is not of [`PRECISIONS`]; so does everything that takes one.
    pub fn new(precision: u32) -> Self {
        Self::with_val(precision, Special::Zero)
    }

    /// A value rounded to a precision.
    pub fn with_val(precision: u32, value: impl Value) -> Self {
        assert!(PRECISIONS.contains(&precision), "precision {precision}: {PRECISIONS:?} bits are possible");
        value.in_precision(precision)
    }

    /// Its precision in bits.
    pub fn prec(&self) -> u32 {
        self.precision
    }

    /// Rounds it to another precision.
    pub fn set_prec(&mut self, precision: u32) {
        *self = Self::with_val(precision, &*self);
    }

    /// Whether it is NaN.
    pub fn is_nan(&self) -> bool {
        self.number.class == Class::Nan
    }

    /// Whether it is infinite.
    pub fn is_infinite(&self) -> bool {
        self.number.class == Class::Infinite
    }

    /// Whether it is neither infinite nor NaN.
    pub fn is_finite(&self) -> bool {
        self.number.is_finite()
    }

    /// Whether it is 0 of either sign.
    pub fn is_zero(&self) -> bool {
        self.number.class == Class::Zero
    }

    /// Whether its sign is minus, that of a zero too.
    pub fn is_sign_negative(&self) -> bool {
        self.number.negative
    }

    /// The exponent `e` of a finite number other than 0, which is a fraction from 1/2 to below 1 times `2^e`.
    pub fn get_exp(&self) -> Option<i32> {
        // Results stay within 2^30.
        (self.number.class == Class::Finite).then_some(self.number.exponent as i32)
    }

    /// The nearest `f64`, ties to even; infinity beyond the greatest.
    pub fn to_f64(&self) -> f64 {
        let x = self.number.to_ieee(53, -1074, 1024);
        #[cfg(feature = "mpfr")]
        lockstep::same(
            "to_f64",
            self,
            x.to_bits(),
            match self.twin.to_f64() {
                nan if nan.is_nan() => f64::NAN.to_bits(),
                twin => twin.to_bits(),
            },
        );
        x
    }

    /// The nearest `f32`, ties to even; infinity beyond the greatest.
    pub fn to_f32(&self) -> f32 {
        // Exact: what was rounded to the format is one of its numbers.
        let x = self.number.to_ieee(24, -149, 128) as f32;
        #[cfg(feature = "mpfr")]
        lockstep::same(
            "to_f32",
            self,
            x.to_bits(),
            match self.twin.to_f32() {
                nan if nan.is_nan() => f32::NAN.to_bits(),
                twin => twin.to_bits(),
            },
        );
        x
    }

    fn unary(operation: Unary, x: &Self, precision: u32) -> Self {
        let (number, compared) = operation.apply(&x.number, precision);
        let result = Self {
            precision,
            number: number.in_range(compared),
            #[cfg(feature = "mpfr")]
            twin: lockstep::unary(operation, &x.twin, precision),
        };
        result.check(operation, &[x]);
        result
    }

    fn binary(operation: Binary, a: &Self, b: &Self, precision: u32) -> Self {
        let (number, compared) = operation.apply(&a.number, &b.number, precision);
        let result = Self {
            precision,
            number: number.in_range(compared),
            #[cfg(feature = "mpfr")]
            twin: lockstep::binary(operation, &a.twin, &b.twin, precision),
        };
        result.check(operation, &[a, b]);
        result
    }

    /// An operation of two operands in a precision, and whether it was exact.
    fn exactly(operation: Binary, a: &Self, b: &Self, precision: u32) -> (Self, bool) {
        let (number, compared) = operation.apply(&a.number, &b.number, precision);
        let (class, exponent) = (number.class, number.exponent);
        let result = Self {
            precision,
            number: number.in_range(compared),
            #[cfg(feature = "mpfr")]
            twin: lockstep::binary(operation, &a.twin, &b.twin, precision),
        };
        result.check(operation, &[a, b]);
        let is_exact =
            compared == Ordering::Equal && result.number.class == class && result.number.exponent == exponent;
        (result, is_exact)
    }

    /// The sum in a precision, and whether it is exact.
    pub(crate) fn plus(&self, other: &Self, precision: u32) -> (Self, bool) {
        Self::exactly(Binary::Add, self, other, precision)
    }

    /// The difference, likewise.
    pub(crate) fn minus(&self, other: &Self, precision: u32) -> (Self, bool) {
        Self::exactly(Binary::Sub, self, other, precision)
    }

    /// The product, likewise.
    pub(crate) fn times(&self, other: &Self, precision: u32) -> (Self, bool) {
        Self::exactly(Binary::Mul, self, other, precision)
    }

    /// The quotient, likewise.
    pub(crate) fn over(&self, other: &Self, precision: u32) -> (Self, bool) {
        Self::exactly(Binary::Div, self, other, precision)
    }

    /// It in another precision, and whether that holds all of it.
    pub(crate) fn rounded_to(&self, precision: u32) -> (Self, bool) {
        let rounded = Self::with_val(precision, self);
        let is_exact = rounded.number == self.number;
        (rounded, is_exact)
    }

    /// The other sign.
    pub(crate) fn negated(&self) -> Self {
        let mut result = self.clone();
        result.number.negative ^= !self.is_nan();
        #[cfg(feature = "mpfr")]
        {
            result.twin = -result.twin;
        }
        result.check(Unary::Neg, &[self]);
        result
    }

    /// Whether it is 1.
    pub(crate) fn is_one(&self) -> bool {
        self.number.exponent == 1 && !self.number.negative && self.number.limbs[..] == [1 << 63]
    }

    /// Whether it is halfway between two numbers of `f32` or `f64`, or may be so among subnormal ones.
    pub(crate) fn is_midpoint(&self) -> bool {
        let [limb] = self.number.limbs[..] else { return false };
        let bits = 64 - limb.trailing_zeros();
        bits == 54 || bits == 25 || self.number.exponent < -125 && bits < 25
    }

    /// The fraction of its form as a fraction times `2^exp`, from 1/2 to below 1, cut to a double; 0 of what has none.
    pub(crate) fn leading(&self) -> f64 {
        let leading = self.number.limbs.first().map_or(0.0, |limb| (limb >> 11) as f64 * 2_f64.powi(-53));
        if self.number.negative { -leading } else { leading }
    }

    /// Times a power of two.
    fn scaled(&self, by: i64) -> Self {
        let result = Self {
            precision: self.precision,
            number: self.number.clone().shifted(by).in_range(Ordering::Equal),
            #[cfg(feature = "mpfr")]
            twin: lockstep::scaled(&self.twin, by),
        };
        result.check(by, &[self]);
        result
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        let order = self.number.compare(&other.number);
        #[cfg(feature = "mpfr")]
        lockstep::same("comparison", self, order, self.twin.partial_cmp(&other.twin));
        order
    }

    /// That it is its twin.
    #[cfg(feature = "mpfr")]
    fn check(&self, operation: impl std::fmt::Debug, operands: &[&Self]) {
        lockstep::agree(self, &operation, operands);
    }

    #[cfg(not(feature = "mpfr"))]
    #[inline(always)]
    fn check(&self, _operation: impl std::fmt::Debug, _operands: &[&Self]) {}
}
