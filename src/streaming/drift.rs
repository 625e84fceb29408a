//! Estimates of the divergence between policy and reference, token by token.

use crate::NAN;
use crate::elementary::lanes::exp_m1_less;

/// The k3 estimate of one token, in nats: `e^r - 1 - r` with `r = reference_logp - policy_logp`. Never negative; within
/// 0.501 ULP.
///
/// Its mean over samples of the policy estimates KL(policy || reference) without bias, at less variance than that of
/// k1, `policy_logp - reference_logp`. On texts that the policy did not write, both measure how far it moved there.
/// NaN if either is NaN or both are the same infinity.
///
/// Source: J. Schulman, Approximating KL Divergence, 2020.
pub fn k3(policy_logp: f32, reference_logp: f32) -> f32 {
    let estimate = k3_f64(policy_logp, reference_logp);
    if estimate.is_nan() { NAN } else { estimate as f32 }
}

/// To 2^-45 of itself. The rounding of r, 2^-53 of it, counts r times at most, and beyond 112 the result is infinite
/// even as a mean over 2^32 tokens.
pub fn k3_f64(policy_logp: f32, reference_logp: f32) -> f64 {
    exp_m1_less(f64::from(reference_logp) - f64::from(policy_logp))
}

/// A sum of numbers that are not negative, in the order in which they come: two parts, so that its error does not grow
/// with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    pub const ZERO: Self = Self { high: 0.0, low: 0.0 };

    /// Its two parts.
    #[cfg(feature = "capi")]
    pub fn parts(&self) -> [f64; 2] {
        [self.high, self.low]
    }

    /// Of two parts.
    #[cfg(feature = "capi")]
    pub fn of([high, low]: [f64; 2]) -> Self {
        Self { high, low }
    }

    pub fn add(&mut self, x: f64) {
        // Knuth's two-sum.
        let sum = self.high + x;
        let part = sum - self.high;
        let error = (self.high - (sum - part)) + (x - part);
        self.high = sum;
        self.low += error;
    }

    pub fn mean(&self, count: u32) -> f32 {
        // Past infinity the error is no number.
        let sum = if self.high == f64::INFINITY { self.high } else { self.high + self.low };
        let mean = (sum / f64::from(count)) as f32;
        if mean.is_nan() { NAN } else { mean }
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    /// A plain sum would stay at 1.
    #[test]
    fn small_numbers_beside_a_large_one() {
        let mut sum = Sum::ZERO;
        sum.add(1.0);
        let small = f64::from_bits((1023 - 54) << 52);
        for _ in 0..1 << 20 {
            sum.add(small);
        }
        assert_eq!(sum.high + sum.low, 1.0 + f64::from_bits((1023 - 34) << 52));
        sum.add(f64::INFINITY);
        assert_eq!(sum.mean(3), f32::INFINITY);
    }
}
