//! The Bradley-Terry model of rewards (Bradley and Terry 1952; Ouyang et al. 2022, arXiv 2203.02155), with a margin (Touvron et al. 2023,
//! arXiv 2307.09288) and centering (Eisenstein et al. 2023, arXiv 2312.09244): of two scores in the place of log-probabilities
//! `L = softplus(-(u - v - margin)) + centering (u + v)^2`.

use super::{Pair, PairFormula, Real, RewardModel};

impl PairFormula for RewardModel {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let x = (pair.h() - pair.column()).logistic();
        if self.centering == 0.0 {
            pair.loss(x.softplus_of_minus());
            pair.by_h(-x.sigmoid_of_minus);
        } else {
            let centering = R::from_f64(self.centering);
            let sum = pair.u() + pair.v();
            pair.loss(x.softplus_of_minus() + centering * (sum * sum));
            let pull = centering * (sum + sum);
            pair.by_u(pull - x.sigmoid_of_minus);
            pair.by_v(pull + x.sigmoid_of_minus);
        }
        pair.by_beta(R::from_f64(0.0));
    }
}
