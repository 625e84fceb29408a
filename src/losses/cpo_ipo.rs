//! CPO with the squared loss of IPO: `L = (h - 1/(2 beta))^2 + alpha nll`, without a reference. The negative log-likelihood is given, as for
//! `cpo`.

use super::link::{Ipo, Link};
use super::{CpoIpo, Pair, PairFormula, Real};

impl PairFormula for CpoIpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let nll = pair.column();
        Ipo.at(pair.beta(), pair.h()).plus(self.alpha, nll).hand(pair);
    }
}
