//! AlphaPO (Gupta et al. 2025, arXiv 2501.03884): SimPO on the rewards `r(l) = (1 - e^(-alpha l))/alpha` of token means l, at alpha = 0 the token
//! mean: `L = softplus(-(beta (r(u) - r(v)) - gamma))`. For alpha > 0 the rewards of small probabilities grow exponentially: what leaves
//! the range of a float is infinite.

use super::score::Score;
use super::{AlphaPo, Pair, PairFormula, Real};

impl PairFormula for AlphaPo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let Score { d, by_u, by_v } = Score::exponential(pair, -self.alpha, R::from_f64(-self.alpha));
        let x = (pair.beta() * d - R::from_f64(self.gamma)).logistic();
        pair.loss(x.softplus_of_minus());
        let slope = -(x.sigmoid_of_minus * pair.beta());
        pair.by_u(slope * by_u);
        pair.by_v(-(slope * by_v));
        pair.by_beta(-(x.sigmoid_of_minus * d));
    }
}
