//! Robust DPO (Chowdhury et al. 2024, arXiv 2403.00409), with eps for label_smoothing: the unbiased estimate of the DPO loss when labels
//! are flipped with probability eps, and unbounded below:
//! `L = ((1 - eps) softplus(-z) - eps softplus(z)) / (1 - 2 eps) = softplus(-z) + k z`, `dL/dz = k - sigmoid(-z)`, with
//! `k = -eps/(1 - 2 eps)`.
//!
//! Worked value at policy -12.5 and -14, reference -13 and -13.25, beta 0.1, eps 0.1 (h = 1.25): 0.616974035317.

use super::{Pair, PairFormula, Real, Robust};

impl PairFormula for Robust {
    const BY_VALUE: bool = false;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let eps = R::from_f64(self.label_smoothing);
        let k = -eps / (R::from_f64(1.0) - (eps + eps)).exact();
        let z = pair.z().logistic();
        pair.loss(z.softplus_of_minus_with_slope(k));
        pair.by_z(k - z.sigmoid_of_minus);
    }
}
