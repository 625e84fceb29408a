//! The model of preferences by partial returns (Christiano et al. 2017, arXiv 1706.03741, as Knox et al. 2022, arXiv 2206.02231, call it):
//! the first of two segments is preferred with probability `sigmoid(R1 - R2)`. u and v are the returns, y is the
//! probability that the first was preferred: the cross-entropy is `L = softplus(-h) + (1-y) h = y softplus(-h) + (1-y) softplus(h)`,
//! `dL/dh = (1-y) - sigmoid(-h)`.
//!
//! Worked value: equal returns make both equally likely, and the loss is ln 2 for every y.

use super::{Logistic, Pair, PairFormula, PartialReturn, Real};

impl PairFormula for PartialReturn {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let h = pair.h().logistic();
        let other = R::from_f64(1.0) - pair.column();
        pair.loss(cross_entropy(h, pair.column(), other));
        pair.by_h(other - h.sigmoid_of_minus);
        pair.by_beta(R::from_f64(0.0));
    }
}

/// `p softplus(-z) + q softplus(z)`, for `p + q = 1`.
#[inline(always)]
pub fn cross_entropy<R: Real>(z: Logistic<R>, p: R, q: R) -> R {
    z.log1p_exp + z.z.abs() * R::select(z.z.is_negative(), p, q)
}
