//! DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7): `L = softplus(-z)`, `dL/dz = -sigmoid(-z)`.
//!
//! Worked value at policy -12.5 and -14, reference -13 and -13.25, beta 0.1 (h = 1.25): 0.632599035317.

use super::{Dpo, Pair, PairFormula, Real};

impl PairFormula for Dpo {
    const BY_VALUE: bool = false;
    const NONNEGATIVE: bool = true;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let z = pair.z().logistic();
        pair.loss(z.softplus_of_minus());
        pair.by_z(-z.sigmoid_of_minus);
    }
}
