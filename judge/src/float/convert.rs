//! Numbers from primitive ones, and what else a number is made of.

use super::number::Number;
use super::{Float, Unary};

/// What [`Float::with_val`] takes: numbers, primitive numbers, operations on references.
pub trait Value {
    /// The value in a precision, rounded once.
    fn in_precision(self, precision: u32) -> Float;
}

/// Values that no primitive number has to stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// 0.
    Zero,
    /// -0.
    NegZero,
    /// Infinity.
    Infinity,
    /// Less infinity.
    NegInfinity,
    /// Not a number.
    Nan,
}

/// A primitive number as it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Primitive {
    Double(f64),
    Signed(i64),
    Unsigned(u64),
}

impl Primitive {
    /// The number, exactly.
    #[inline]
    pub fn exact(self) -> Float {
        let exact = Float {
            precision: PRIMITIVE,
            number: match self {
                Self::Double(x) => Number::of_f64(x),
                Self::Signed(x) => Number::integer(x < 0, x.unsigned_abs(), 0),
                Self::Unsigned(x) => Number::integer(false, x, 0),
            },
            #[cfg(feature = "mpfr")]
            twin: match self {
                Self::Double(x) => rug::Float::with_val(PRIMITIVE, x),
                Self::Signed(x) => rug::Float::with_val(PRIMITIVE, x),
                Self::Unsigned(x) => rug::Float::with_val(PRIMITIVE, x),
            },
        };
        exact.check(self, &[]);
        exact
    }
}

/// Bits in which every primitive number is exact.
const PRIMITIVE: u32 = 64;

macro_rules! primitives {
    ($($Type:ty: $Primitive:ident;)+) => {$(
        impl From<$Type> for Primitive {
            fn from(x: $Type) -> Self {
                Self::$Primitive(x.into())
            }
        }
        impl Value for $Type {
            fn in_precision(self, precision: u32) -> Float {
                let exact = Primitive::from(self).exact();
                if precision == PRIMITIVE { exact } else { Float::unary(Unary::Round, &exact, precision) }
            }
        }
    )+};
}

primitives! {
    f32: Double;
    f64: Double;
    i32: Signed;
    i64: Signed;
    u32: Unsigned;
    u64: Unsigned;
}

impl Value for Special {
    fn in_precision(self, precision: u32) -> Float {
        let x = match self {
            Self::Zero => 0.0,
            Self::NegZero => -0.0,
            Self::Infinity => f64::INFINITY,
            Self::NegInfinity => f64::NEG_INFINITY,
            Self::Nan => f64::NAN,
        };
        x.in_precision(precision)
    }
}

impl Value for &Float {
    fn in_precision(self, precision: u32) -> Float {
        Float::unary(Unary::Round, self, precision)
    }
}

impl Value for Float {
    fn in_precision(self, precision: u32) -> Float {
        (&self).in_precision(precision)
    }
}
