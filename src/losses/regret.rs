//! The model of preferences by regret (Knox et al. 2022, arXiv 2206.02231): the first of two segments is preferred with probability
//! `sigmoid(regret2 - regret1)`. u and v are the regrets, y is the probability that the first was preferred: the cross-entropy is
//! that of partial returns with the sign of h changed, `L = y softplus(h) + (1-y) softplus(-h)`, `dL/dh = y - sigmoid(-h)`.
//!
//! Worked values: of regrets 1 and 0 the first segment is preferred with probability 0.26894142137, and the loss at y = 1 is
//! 1.31326168752.

use super::partial_return::cross_entropy;
use super::{Pair, PairFormula, Real, Regret};

impl PairFormula for Regret {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let h = pair.h().logistic();
        let other = R::from_f64(1.0) - pair.column();
        pair.loss(cross_entropy(h, other, pair.column()));
        pair.by_h(pair.column() - h.sigmoid_of_minus);
        pair.by_beta(R::from_f64(0.0));
    }
}
