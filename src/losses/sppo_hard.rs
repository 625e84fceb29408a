//! SPPO with hard labels (Wu et al. 2024, arXiv 2405.00675; TRL's `sppo_hard`): with `a = u - 1/(2 beta)` and `b = v + 1/(2 beta)`,
//! `L = a^2 + b^2`, `dL/du = 2a`, `dL/dv = 2b`, `dL/dbeta = (a - b) / beta^2`.
//!
//! Worked values at policy -12.5 and -14, reference -13 and -13.25, beta 0.1 (u = 0.5, v = -0.75): loss 38.3125, dL/du -9, dL/dv 8.5.

use super::{Pair, PairFormula, Real, SppoHard};

impl PairFormula for SppoHard {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let target = (pair.beta() + pair.beta()).recip();
        let (a, b) = (pair.u() - target, pair.v() + target);
        pair.loss(a * a + b * b);
        pair.by_u(a + a);
        pair.by_v(b + b);
        pair.by_beta((a - b) / (pair.beta() * pair.beta()));
    }
}
