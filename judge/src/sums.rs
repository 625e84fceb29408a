//! Exact sums.

use crate::Float;

use crate::{PRECISION, Special, float};

/// The exact sum of finite values: of 2^100 of them, if need be.
pub fn sum(values: &[f32]) -> Float {
    values.iter().fold(float(0.0), |sum, &x| sum + x)
}

/// The mean of a sum over a count; NaN over none.
pub fn mean(sum: &Float, count: u64) -> Float {
    if count == 0 {
        Float::with_val(PRECISION, Special::Nan)
    } else {
        Float::with_val(PRECISION, sum / &float_u64(count))
    }
}

/// A count, exactly.
fn float_u64(count: u64) -> Float {
    Float::with_val(64, count)
}

/// A two's complement number of 64-bit limbs, the least first, in units of 2^-149; of the last limb 60 bits count.
pub fn limbs(limbs: [u64; 5]) -> Float {
    let mut sum = float(0.0);
    for (i, limb) in limbs.into_iter().enumerate() {
        let last = (limb << 4) as i64 >> 4;
        let value = if i == 4 { Float::with_val(PRECISION, last) } else { Float::with_val(PRECISION, limb) };
        sum += value << (64 * i as i32 - 149);
    }
    sum
}
