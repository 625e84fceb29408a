//! Certified kernels: approximations by fused operations with a bound of how far they are from what the definition gives. A result is taken
//! where every number within the bound rounds to it; else the definition decides. So the bits are the definition's, and a level reaches them
//! in the way that is fastest on it.

mod forward;
mod gradient;

pub use forward::Row;
pub use gradient::{BLOCK, Gradient, Way};

use crate::lanes::{MAX_LANES, Singles};

/// The range of some logits, none of which is NaN.
struct Range {
    min: f32,
    /// +0 for either zero.
    max: f32,
}

impl Range {
    #[inline(always)]
    fn of<S: Singles>(x: &[f32]) -> Option<Self> {
        let (mut min, mut max) = ([S::splat(f32::INFINITY); 2], [S::splat(f32::NEG_INFINITY); 2]);
        let mut sum = [S::splat(0.0); 2];
        let mut at = 0;
        while at + 2 * S::N <= x.len() {
            let (a, b) = (S::load(x, at), S::load(x, at + S::N));
            min = [a.smaller(min[0]), b.smaller(min[1])];
            max = [a.larger(max[0]), b.larger(max[1])];
            sum = [sum[0] + a, sum[1] + b];
            at += 2 * S::N;
        }
        let (mut mins, mut maxs) = ([f32::INFINITY; MAX_LANES], [f32::NEG_INFINITY; MAX_LANES]);
        let mut sums = [0.0; MAX_LANES];
        min[0].smaller(min[1]).store(&mut mins, 0);
        max[0].larger(max[1]).store(&mut maxs, 0);
        (sum[0] + sum[1]).store(&mut sums, 0);
        let tail = x.get(at..).unwrap_or_default();
        let min = mins.iter().chain(tail).fold(f32::INFINITY, |min, x| x.smaller(min));
        let max = maxs.iter().chain(tail).fold(f32::NEG_INFINITY, |max, x| x.larger(max));
        // A NaN stays in the sum.
        let sum = sums.iter().chain(tail).fold(0.0, |sum, x| sum + x);
        (!sum.is_nan()).then_some(Self { min, max: max + 0.0 })
    }
}
