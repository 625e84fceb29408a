//! The Gumbel regression of extreme Q-learning (Garg et al. 2023, arXiv 2301.02328): `L = e^z - z - 1` with `z = (q - v)/temperature`;
//! `dL/dv = -(e^z - 1)/temperature`.
//!
//! Worked value at q = (1, 0, -1), v = 0.25, temperature 0.5: mean 1.22343490956.

use super::{Gumbel, Pair, PairFormula, Real};

impl PairFormula for Gumbel {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let z = pair.h() / R::from_f64(self.temperature);
        let e = z.exp_m1();
        pair.loss(e - z);
        pair.by_h(e / R::from_f64(self.temperature));
        pair.by_beta(R::from_f64(0.0));
    }
}
