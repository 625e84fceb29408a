//! Hinge, as in TRL's `hinge` (Liu et al. 2023, arXiv 2309.06657, RSO; the normalised form of SLiC, Zhao et al. 2023, arXiv
//! 2305.10425): `L = max(0, 1 - z)`, `dL/dz = -1` where z < 1, else 0 (z = 1 included).
//!
//! Worked values at beta 0.1, h = 6: loss 0.4, derivative by the chosen log-probability -0.1.

use super::{Hinge, Pair, PairFormula, Real};

impl PairFormula for Hinge {
    const BY_VALUE: bool = false;
    const NONNEGATIVE: bool = true;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let zero = R::from_f64(0.0);
        let shortfall = R::from_f64(1.0) - pair.z();
        let active = shortfall.is_positive();
        pair.loss(R::select(active, shortfall, zero));
        pair.by_h(R::select(active, -pair.beta(), zero));
        pair.by_beta(R::select(active, -pair.h(), zero));
    }
}
