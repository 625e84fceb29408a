//! Differences of log-probabilities, which every exact path begins with, and the products that it ends with.

use super::{CERTAIN, Float384};
use crate::NAN;

/// `(pc - rc) - (pr - rr)` in `f64`, where finite `f32` cannot overflow.
pub fn rough_log_ratio(&[pc, pr, rc, rr]: &[f32; 4]) -> f64 {
    (f64::from(pc) - f64::from(rc)) - (f64::from(pr) - f64::from(rr))
}

/// The same exactly, where it is not NaN; a stand-in for infinity.
#[inline(never)]
pub fn log_ratio(inputs: &[f32; 4]) -> Float384 {
    let rough = rough_log_ratio(inputs);
    let mut exact = Float384::ZERO;
    if rough.is_infinite() {
        exact.set_infinite(rough < 0.0);
    } else {
        let &[pc, pr, rc, rr] = inputs;
        for term in [pc, -rc, -pr, rr] {
            exact.add_f64(term.into());
        }
    }
    exact
}

/// `factor x` rounded by its first `bits` bits, a zero as +0.
#[inline(never)]
pub fn scaled(factor: f64, x: &Float384, bits: u32) -> f32 {
    let mut product = *x;
    product.multiply(factor);
    product.rounded_by(bits) + 0.0
}

/// `beta` times a log-ratio, rounded.
#[inline(never)]
pub fn reward(beta: f64, inputs: &[f32; 4]) -> f32 {
    if rough_log_ratio(inputs).is_nan() { NAN } else { scaled(beta, &log_ratio(inputs), CERTAIN) }
}
