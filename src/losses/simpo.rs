//! SimPO (Meng et al. 2024, arXiv 2405.14734): DPO without a reference, on token means, with a margin that z is to exceed:
//! `L = softplus(-x)`, `dL/dz = -sigmoid(-x)`, `x = z - gamma`.
//!
//! gamma stands beside z, as in the paper, TRL, Liger and LLaMA-Factory; the official code and HALOs take `beta (h - gamma)`.
//!
//! How much of z may be lost in x: where the loss is not linear in x, |x| < 320 and so z < 2^16 + 320, for gamma is at most 2^16; then x is
//! right to 2^-35, and a loss or gradient relatively as much.
//!
//! Worked value at token means -1 and -1.5, beta 2, gamma 0.5 (x = 0.5): loss 0.474076984180107, derivative by the chosen mean
//! -0.755081337596291.

use super::{Pair, PairFormula, Real, SimPo};

impl PairFormula for SimPo {
    const BY_VALUE: bool = false;
    const NONNEGATIVE: bool = true;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let x = (pair.z() - R::from_f64(self.gamma)).logistic();
        pair.loss(x.softplus_of_minus());
        pair.by_z(-x.sigmoid_of_minus);
    }
}
