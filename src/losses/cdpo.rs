//! Conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences"; the label smoothing of
//! eric-mitchell/direct-preference-optimization, OpenRLHF and torchtune), with eps for label_smoothing:
//! `L = (1 - eps) softplus(-z) + eps softplus(z) = softplus(-z) + eps z`, `dL/dz = eps - sigmoid(-z)`.
//! The optimum is at `z = ln((1 - eps)/eps)`.
//!
//! Worked value at policy -12.5 and -14, reference -13 and -13.25, beta 0.1, eps 0.1 (h = 1.25): 0.645099035317.

use super::{Cdpo, Pair, PairFormula, Real};

impl PairFormula for Cdpo {
    const BY_VALUE: bool = false;
    const NONNEGATIVE: bool = true;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let eps = R::from_f64(self.label_smoothing);
        let z = pair.z().logistic();
        pair.loss(z.softplus_of_minus_with_slope(eps));
        pair.by_z(eps - z.sigmoid_of_minus);
    }
}
