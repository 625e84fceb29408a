//! EXO on pairs (Ji et al. 2024, arXiv 2402.00856, eq. 16): the divergence of the policy's preference from smoothed labels. The labels must be
//! smoothed: at 0 it is infinite.

use super::link::{Exo, Link};
use super::{ExoPair, Pair, PairFormula, Real};

impl PairFormula for ExoPair {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        Exo { label_smoothing: self.label_smoothing }.at(pair.beta(), pair.h()).hand(pair);
    }
}
