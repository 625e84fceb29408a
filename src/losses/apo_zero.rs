//! APO-zero (D'Oosterlinck et al. 2024, arXiv 2408.06266): `L = 1 - sigmoid(beta u) + sigmoid(beta v)`, which raises the chosen answer and lowers
//! the rejected one.

use super::real::{bell, sigmoid};
use super::{ApoZero, Pair, PairFormula, Real};

impl PairFormula for ApoZero {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (a, b) = (pair.beta() * pair.u(), pair.beta() * pair.v());
        pair.loss(sigmoid(-a) + sigmoid(b));
        pair.by_rewards(-bell(a), bell(b));
    }
}
