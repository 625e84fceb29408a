//! Reward-aware preference optimisation, forward (NeMo-Aligner): the divergence the other way,
//! `L = q (ln q - ln p) + (1 - q) (ln(1 - q) - ln(1 - p))` with `q = sigmoid(z)`, `p = sigmoid(y)`, `y = eta reward_difference`;
//! `dL/dz = q (1 - q) (z - y)`.

use super::real::{bell, sigmoid, softplus};
use super::{Pair, PairFormula, Real, RpoFwd};

impl PairFormula for RpoFwd {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (z, y) = (pair.z(), R::from_f64(self.eta) * pair.column());
        pair.loss(sigmoid(z) * (softplus(-y) - softplus(-z)) + sigmoid(-z) * (softplus(y) - softplus(z)));
        pair.by_z(bell(z) * (z - y));
    }
}
