//! The negative log-likelihood of the chosen answer: `L = -u` without a reference, the `sft` of TRL's list. For sums of losses.

use super::{Nll, Pair, PairFormula, Real};

impl PairFormula for Nll {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        pair.loss(-pair.u());
        pair.by_u(R::from_f64(-1.0));
        pair.by_v(R::from_f64(0.0));
        pair.by_beta(R::from_f64(0.0));
    }
}
