//! DPO with an offset (Amini et al. 2024, arXiv 2402.10571): `L = softplus(-(z - offset))`, the offset of each pair given: how much better the
//! chosen answer is.

use super::{Odpo, Pair, PairFormula, Real};

impl PairFormula for Odpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let x = (pair.z() - pair.column()).logistic();
        pair.loss(x.softplus_of_minus());
        pair.by_z(-x.sigmoid_of_minus);
    }
}
