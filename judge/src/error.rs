//! The distance of a result from the exact value.

use crate::Float;

/// A type that results are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of the significand, the leading one included.
    bits: i32,
    /// The exponent of the least normal number as a fraction in [1/2, 1).
    least: i32,
    /// The exponent of the greatest finite number, likewise.
    most: i32,
}

impl Format {
    /// `f32`.
    pub const F32: Self = Self { bits: 24, least: -125, most: 128 };
    /// bfloat16.
    pub const BF16: Self = Self { bits: 8, least: -125, most: 128 };
    /// IEEE half precision.
    pub const F16: Self = Self { bits: 11, least: -13, most: 16 };

    /// The distance of `got` from the exact value, in units in the last place there. 0 if `got` is the infinity that IEEE
    /// rounding gives; infinite if only one of the two is finite, or either is NaN.
    pub fn ulps(self, got: f32, exact: &Float) -> f64 {
        if got.is_nan() || exact.is_nan() {
            return f64::INFINITY;
        }
        let overflows = match exact.get_exp() {
            Some(_) => {
                let rounded = Float::with_val(self.bits as u32, exact);
                rounded.get_exp().is_some_and(|e| e > self.most)
            }
            None => exact.is_infinite(),
        };
        if got.is_infinite() || overflows {
            let same = got.is_infinite() && overflows && got.is_sign_negative() == exact.is_sign_negative();
            return if same { 0.0 } else { f64::INFINITY };
        }
        // exact = m 2^e with m in [1/2, 1): a ULP is 2^(e - bits), not below the least subnormal.
        let e = exact.get_exp().unwrap_or(self.least).max(self.least);
        let mut error = Float::with_val(crate::WORKING, exact - f64::from(got));
        error >>= e - self.bits;
        error.to_f64().abs()
    }
}

/// [`Format::ulps`] of `f32`.
pub fn ulps(got: f32, exact: &Float) -> f64 {
    Format::F32.ulps(got, exact)
}

/// Whether a result is the `f32` nearest to the exact value, and of zeros +0. Of a tie either neighbour is taken: next to one the last bits of
/// what is called exact here do not say on which side it lies.
pub fn is_nearest(got: f32, exact: &Float) -> bool {
    got.to_bits() != (-0.0_f32).to_bits() && ulps(got, exact) <= 0.5
}

/// Whether a result is nearest to a value that is off by no more than `slack`.
pub fn is_nearest_within(got: f32, exact: &Float, slack: &Float) -> bool {
    let near = |minus: bool| {
        let mut near = Float::with_val(crate::PRECISION, exact);
        if minus {
            near -= slack
        } else {
            near += slack
        }
        near.to_f32()
    };
    is_nearest(got, exact) || got.to_bits() != (-0.0_f32).to_bits() && near(true) <= got && got <= near(false)
}

/// Whether a result is that of a value that is exact to its last bit: of a tie the even one.
pub fn is_rounded(got: f32, exact: &Float) -> bool {
    got.to_bits() == (exact.to_f32() + 0.0).to_bits()
}
