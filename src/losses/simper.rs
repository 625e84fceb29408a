//! SimPER (Xiao et al. 2025, arXiv 2502.00883): the inverse perplexities, `L = e^v - e^u` of token means u and v, without a parameter.
//! `dL/du = -e^u`, `dL/dv = e^v`. The rewards are the token means.

use super::{Pair, PairFormula, Real, SimPer, exp_difference};

impl PairFormula for SimPer {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (chosen, rejected) = (pair.u().exp(), pair.v().exp());
        pair.loss(exp_difference(rejected, chosen, -pair.h()));
        pair.by_u(-chosen);
        pair.by_v(rejected);
        pair.by_beta(R::from_f64(0.0));
    }
}
