//! SLiC as HALOs has it (Zhao et al. 2023, arXiv 2305.10425): `L = max(0, delta - (pc - pr))`, without a reference. Its likelihood term is for
//! the caller to add.

use super::{Pair, PairFormula, Real, Slic};

impl PairFormula for Slic {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (zero, one) = (R::from_f64(0.0), R::from_f64(1.0));
        let short = R::from_f64(self.delta) - pair.h();
        let inside = short.is_positive();
        pair.loss(R::select(inside, short, zero));
        pair.by_h(R::select(inside, -one, zero));
        pair.by_beta(zero);
    }
}
