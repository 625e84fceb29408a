//! SimPO as its official code and HALOs have it (Meng et al. 2024, arXiv 2405.14734): `L = softplus(-beta (h - gamma))` on token means, gamma
//! within the scale of beta: `gamma_beta_ratio`, where the paper's and TRL's margin is beta times it.

use super::{Pair, PairFormula, Real, SimPoRatio};

impl PairFormula for SimPoRatio {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let score = pair.h() - R::from_f64(self.gamma_beta_ratio);
        let x = (pair.beta() * score).logistic();
        pair.loss(x.softplus_of_minus());
        pair.by_h(-(x.sigmoid_of_minus * pair.beta()));
        pair.by_beta(-(x.sigmoid_of_minus * score));
    }
}
