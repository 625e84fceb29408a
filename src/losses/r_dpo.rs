//! R-DPO (Park et al. 2024, arXiv 2403.19159, in the form of SamPO's code): DPO with a term for the lengths, `L = softplus(-x)`,
//! `x = z + alpha (|y_w| - |y_l|)`, the difference of the answers' tokens given.

use super::{Pair, PairFormula, RDpo, Real};

impl PairFormula for RDpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let x = (pair.z() + R::from_f64(self.alpha) * pair.column()).logistic();
        pair.loss(x.softplus_of_minus());
        pair.by_z(-x.sigmoid_of_minus);
    }
}
