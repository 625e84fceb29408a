//! APO-down (D'Oosterlinck et al. 2024, arXiv 2408.06266): `L = sigmoid(beta u) + 1 - sigmoid(z)`, which lowers both answers, the rejected one
//! more.

use super::real::{bell, sigmoid};
use super::{ApoDown, Pair, PairFormula, Real};

impl PairFormula for ApoDown {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (a, z) = (pair.beta() * pair.u(), pair.z());
        pair.loss(sigmoid(a) + sigmoid(-z));
        let of_margin = bell(z);
        pair.by_rewards(bell(a) - of_margin, of_margin);
    }
}
