//! Exponential Q-learning as its code has it (Xu et al. 2023, arXiv 2303.15810): `L = e^(z - M) + e^-M v/alpha`, `z = min((q - v)/alpha, clip)`, M
//! the batch's largest z, at least -1, a constant that keeps the exponentials small: given as `log_scale`. A row that is clipped keeps
//! `dL/dv = e^-M/alpha`.
//!
//! Worked values at q = (1, 0, -1), v = 0.25, alpha = 0.5, clip 5, M = 1.5: mean loss 0.496115387449.

use super::{EqlClipped, Pair, PairFormula, Real};

impl PairFormula for EqlClipped {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (alpha, scale, clip) = (R::from_f64(self.alpha), R::from_f64(self.log_scale), R::from_f64(self.clip));
        let zero = R::from_f64(0.0);
        let z = pair.h() / alpha;
        let clipped = (z - clip).is_positive();
        let (e, unit) = ((R::select(clipped, clip, z) - scale).exp(), (-scale).exp());
        pair.loss(e + unit * pair.v() / alpha);
        pair.by_u(R::select(clipped, zero, e / alpha));
        pair.by_v(R::select(clipped, unit, -(unit * z.exp_m1())) / alpha);
        pair.by_beta(zero);
    }
}
