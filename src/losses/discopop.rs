//! DiscoPOP (Lu et al. 2024, arXiv 2406.08414), the logistic loss and the exponential one in a share that depends on the margin:
//! `L = (1 - m) softplus(-z) + m e^-z`, `m = sigmoid(z/tau)`. Peers multiply an m of 0 with an infinite exponential, NaN from z = -89 on; here
//! the product is one exponential.

use super::link::{self, Link};
use super::{Discopop, Pair, PairFormula, Real};

impl PairFormula for Discopop {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        link::Discopop { tau: self.tau }.at(pair.beta(), pair.h()).hand(pair);
    }
}
