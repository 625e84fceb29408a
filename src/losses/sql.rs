//! Sparse Q-learning (Xu et al. 2023, arXiv 2303.15810): of a target value q = u and a value v, `L = max(0, w)^2 + v/alpha` with
//! `w = 1 + (q - v)/(2 alpha)`; `dL/dv = (1 - max(0, w))/alpha`.
//!
//! Worked values at q = (1, 0, -1), v = 0.25, alpha = 0.5: mean loss 1.70833333333, mean derivative 1/3.

use super::{Pair, PairFormula, Real, Sql};

impl PairFormula for Sql {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (zero, one, alpha) = (R::from_f64(0.0), R::from_f64(1.0), R::from_f64(self.alpha));
        let w = one + pair.h() / (alpha + alpha);
        let w = R::select(w.is_positive(), w, zero);
        pair.loss(w * w + pair.v() / alpha);
        pair.by_u(w / alpha);
        pair.by_v((one - w) / alpha);
        pair.by_beta(zero);
    }
}
