//! REBEL (Gao et al. 2024, arXiv 2404.16767, eq. 5; eta is the paper's, on the side of the rewards): a regression of the difference of
//! log-ratios on that of given rewards, `L = (h - eta d)^2`, `dL/dh = 2 (h - eta d)`. The rewards that it implies are the log-ratios.

use super::{Pair, PairFormula, Real, Rebel};

impl PairFormula for Rebel {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let distance = pair.h() - R::from_f64(self.eta) * pair.column();
        pair.loss(distance * distance);
        pair.by_h(distance + distance);
        pair.by_beta(R::from_f64(0.0));
    }
}
