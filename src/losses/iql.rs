//! The expectile regression of implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169): `L = |tau - [q < v]| (q - v)^2`.

use super::{Iql, Pair, PairFormula, Real};

impl PairFormula for Iql {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let tau = R::from_f64(self.tau);
        let h = pair.h();
        let weight = R::select(h.is_negative(), R::from_f64(1.0) - tau, tau);
        pair.loss(weight * (h * h));
        pair.by_h(weight * (h + h));
        pair.by_beta(R::from_f64(0.0));
    }
}
