//! Reward-aware preference optimisation, squared (NeMo-Aligner): `L = (z - eta reward_difference)^2`.

use super::{Pair, PairFormula, Real, RpoSq};

impl PairFormula for RpoSq {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let distance = pair.z() - R::from_f64(self.eta) * pair.column();
        pair.loss(distance * distance);
        pair.by_z(distance + distance);
    }
}
