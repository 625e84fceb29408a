//! Scores in the place of log-ratios: those of another divergence from the reference than the reverse KL, or of another reward.

use super::real::{exp_difference, sigmoid, softplus};
use super::{Pair, Real};

/// The difference of the two scores, and each score's derivative by its log-ratio.
pub struct Score<R> {
    pub d: R,
    pub by_u: R,
    pub by_v: R,
}

impl<R: Real> Score<R> {
    /// Of the forward KL divergence: `1 - e^-l`.
    #[inline(always)]
    pub fn forward_kl(pair: &impl Pair<R>) -> Self {
        let (by_u, by_v) = ((-pair.u()).exp(), (-pair.v()).exp());
        Self { d: exp_difference(by_v, by_u, pair.h()), by_u, by_v }
    }

    /// Of the Jensen-Shannon divergence: `ln 2 + ln sigmoid(l)`.
    #[inline(always)]
    pub fn jensen_shannon(pair: &impl Pair<R>) -> Self {
        let (u, v) = (pair.u(), pair.v());
        Self { d: softplus(-v) - softplus(-u), by_u: sigmoid(-u), by_v: sigmoid(-v) }
    }

    /// `(e^(k l) - 1)/k`, at k = 0 its limit l; `rate` is k, for whoever has it more exactly than in an `f64`. The alpha divergence has
    /// k = alpha - 1.
    #[inline(always)]
    pub fn exponential(pair: &impl Pair<R>, k: f64, rate: R) -> Self {
        // The compiler divides by it in either case, where a program may trap a division by 0.
        let rate = if k == 0.0 { R::from_f64(1.0) } else { rate };
        let (by_u, by_v) = ((rate * pair.u()).exp(), (rate * pair.v()).exp());
        let d = exp_difference(by_u, by_v, rate * pair.h()) / rate;
        let one = R::from_f64(1.0);
        if k == 0.0 { Self { d: pair.h(), by_u: one, by_v: one } } else { Self { d, by_u, by_v } }
    }
}
