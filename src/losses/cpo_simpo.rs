//! CPO-SimPO: SimPO's margin on token means and a likelihood term, `L = softplus(-(z - gamma)) + alpha nll`. With the gold answer's negative
//! log-likelihood it is TPO-L. The likelihood is given, as for `cpo`.

use super::{CpoSimPo, Pair, PairFormula, Real};

impl PairFormula for CpoSimPo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let nll = pair.column();
        let x = (pair.z() - R::from_f64(self.gamma)).logistic();
        pair.loss(x.softplus_of_minus() + R::from_f64(self.alpha) * nll);
        pair.by_z(-x.sigmoid_of_minus);
    }
}
