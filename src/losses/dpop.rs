//! DPO-positive (Pal et al. 2024, arXiv 2402.13228): `L = softplus(-x)` with `x = beta (h - lambda max(0, -u))`, the penalty within the
//! logistic and scaled by beta, as in the paper; some code has it outside. Where u < 0, `x = beta (h + lambda u)`.

use super::real::{sigmoid, softplus};
use super::{Dpop, Pair, PairFormula, Real};

impl PairFormula for Dpop {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (zero, one) = (R::from_f64(0.0), R::from_f64(1.0));
        let fell = pair.u().is_negative();
        let lambda = R::select(fell, R::from_f64(self.lambda), zero);
        let score = pair.h() + lambda * pair.u();
        let slope = -sigmoid(-(pair.beta() * score));
        pair.loss(softplus(-(pair.beta() * score)));
        pair.by_u(slope * pair.beta() * (one + lambda));
        pair.by_v(-(slope * pair.beta()));
        pair.by_beta(slope * score);
    }
}
