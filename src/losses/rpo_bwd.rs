//! Reward-aware preference optimisation, backward (NeMo-Aligner; Sun et al. 2025, arXiv 2502.00203): the divergence of the policy's preference
//! from that of given rewards, `L = p (ln p - ln q) + (1 - p) (ln(1 - p) - ln(1 - q))` with `q = sigmoid(z)`, `p = sigmoid(y)`,
//! `y = eta reward_difference`; `dL/dz = q - p`. `ln q = -softplus(-z)`.

use super::real::{sigmoid, softplus};
use super::{Pair, PairFormula, Real, RpoBwd};

impl PairFormula for RpoBwd {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (z, y) = (pair.z(), R::from_f64(self.eta) * pair.column());
        let (p, rest) = (sigmoid(y), sigmoid(-y));
        pair.loss(p * (softplus(-z) - softplus(-y)) + rest * (softplus(z) - softplus(y)));
        pair.by_z(R::select(z.is_negative(), sigmoid(z) - p, rest - sigmoid(-z)));
    }
}
