//! XPO (Xie et al. 2024, arXiv 2405.21046, as mlx-lm-lora has it): DPO that explores, `L = softplus(-z) - alpha (u + v)`. Unbounded below.

use super::{Pair, PairFormula, Real, Xpo};

impl PairFormula for Xpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let alpha = R::from_f64(self.alpha);
        let z = pair.z().logistic();
        pair.loss(z.softplus_of_minus() - alpha * (pair.u() + pair.v()));
        let by_h = -(z.sigmoid_of_minus * pair.beta());
        pair.by_u(by_h - alpha);
        pair.by_v(-(by_h + alpha));
        pair.by_beta(-(z.sigmoid_of_minus * pair.h()));
    }
}
