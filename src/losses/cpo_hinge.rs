//! CPO with the hinge: `L = max(0, 1 - z) + alpha nll`, without a reference. The negative log-likelihood is given, as for `cpo`.

use super::link::{Hinge, Link};
use super::{CpoHinge, Pair, PairFormula, Real};

impl PairFormula for CpoHinge {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let nll = pair.column();
        Hinge.at(pair.beta(), pair.h()).plus(self.alpha, nll).hand(pair);
    }
}
