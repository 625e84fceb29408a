//! NCA on pairs (Chen et al. 2024, arXiv 2402.05369): `L = softplus(-a) + softplus(a)/2 + softplus(b)/2` with `a = beta u`, `b = beta v`:
//! `dL/da = sigmoid(a)/2 - sigmoid(-a)`, 0 at `a = ln 2`, `dL/db = sigmoid(b)/2`.
//!
//! Worked value at a = 0.5, b = -0.25: 1.24908518621.

use super::real::{sigmoid, softplus};
use super::{NcaPair, Pair, PairFormula, Real};

impl PairFormula for NcaPair {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let half = R::from_f64(0.5);
        let (a, b) = (pair.beta() * pair.u(), pair.beta() * pair.v());
        pair.loss(softplus(-a) + half * softplus(a) + half * softplus(b));
        pair.by_rewards(half * sigmoid(a) - sigmoid(-a), half * sigmoid(b));
    }
}
