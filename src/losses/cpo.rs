//! CPO (Xu et al. 2024, arXiv 2401.08417): conservative DPO without a reference, and a likelihood term:
//! `L = softplus(-z) + label_smoothing z + alpha nll`. The negative log-likelihood of the chosen answer (of the gold one: TPO)
//! is given, for it is a token mean where the log-probabilities are sums; its derivative is alpha times the weight.

use super::link::{Link, Sigmoid};
use super::{Cpo, Pair, PairFormula, Real};

impl PairFormula for Cpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let nll = pair.column();
        let link = Sigmoid { label_smoothing: self.label_smoothing };
        link.at(pair.beta(), pair.h()).plus(self.alpha, nll).hand(pair);
    }
}
