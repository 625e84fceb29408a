//! BCO on pairs (Jung et al. 2024, arXiv 2404.04656): `L = softplus(-(beta u - d)) + softplus(beta v - d)`. The shift d is the running mean of
//! the rewards in TRL up to 0.28 and LLaMA-Factory, 0 in TRL 1 and Liger; it is a constant in the gradient.

use super::real::{sigmoid, softplus};
use super::{BcoPair, Pair, PairFormula, Real};

impl PairFormula for BcoPair {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let shift = R::from_f64(self.shift);
        let (a, b) = (pair.beta() * pair.u() - shift, pair.beta() * pair.v() - shift);
        pair.loss(softplus(-a) + softplus(b));
        pair.by_rewards(-sigmoid(-a), sigmoid(b));
    }
}
