//! IPO with soft labels (Azar et al. 2023, arXiv 2310.12036): `L = (h - (2p - 1)/(2 beta))^2`, p the probability that the chosen answer is the
//! better one. A tie, p = 1/2, has the target 0.

use super::{Pair, PairFormula, Real, SoftIpo};

impl PairFormula for SoftIpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let p = pair.column();
        let share = p + p - R::from_f64(1.0);
        let distance = pair.h() - share / (pair.beta() + pair.beta());
        pair.loss(distance * distance);
        pair.by_h(distance + distance);
        pair.by_beta(distance * share / (pair.beta() * pair.beta()));
    }
}
