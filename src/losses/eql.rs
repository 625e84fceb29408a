//! Exponential Q-learning (Xu et al. 2023, arXiv 2303.15810): of a target value q = u and a value v, `L = e^z + v/alpha` with
//! `z = (q - v)/alpha`; `dL/dv = (1 - e^z)/alpha`. Least at `v = alpha ln E e^(q/alpha)`.
//!
//! Worked values at q = (1, 0, -1), v = 0.25, alpha = 0.5: mean loss 2.22343490956, mean derivative -1.44686981912.

use super::{Eql, Pair, PairFormula, Real};

impl PairFormula for Eql {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let alpha = R::from_f64(self.alpha);
        let z = pair.h() / alpha;
        let e = z.exp();
        pair.loss(e + pair.v() / alpha);
        pair.by_u(e / alpha);
        pair.by_v(-(z.exp_m1() / alpha));
        pair.by_beta(R::from_f64(0.0));
    }
}
