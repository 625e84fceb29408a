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
pub(super) trait Exact {
    fn exact(self) -> Float;
}

/// Bits in which every primitive number is exact.
const PRIMITIVE: u32 = 64;

macro_rules! primitives {
    ($($Type:ty: $of:expr;)+) => {$(
        impl Exact for $Type {
            fn exact(self) -> Float {
                let of: fn($Type) -> Number = $of;
                Float {
                    precision: PRIMITIVE,
                    number: of(self),
                    #[cfg(feature = "mpfr")]
                    twin: rug::Float::with_val(PRIMITIVE, self),
                }
                .agreed(self, &[])
            }
        }
        impl Value for $Type {
            fn in_precision(self, precision: u32) -> Float {
                let exact = self.exact();
                if precision == PRIMITIVE { exact } else { Float::unary(Unary::Round, &exact, precision) }
            }
        }
    )+};
}

primitives! {
    f32: |x| Number::of_f64(x.into());
    f64: Number::of_f64;
    i32: |x| Number::integer(x < 0, x.unsigned_abs().into(), 0);
    i64: |x| Number::integer(x < 0, x.unsigned_abs(), 0);
    u32: |x| Number::integer(false, x.into(), 0);
    u64: |x| Number::integer(false, x, 0);
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
