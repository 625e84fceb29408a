//! RPO (Pang et al. 2024, arXiv 2404.19733, iterative reasoning preference optimisation; `rpo_alpha` of TRL and LLaMA-Factory): DPO and the
//! likelihood of the chosen answer, `L = softplus(-z) + alpha nll`. The negative log-likelihood is given, for it is a token mean where the
//! log-probabilities are sums; its derivative is alpha times the weight.

use super::link::{Link, Sigmoid};
use super::{Pair, PairFormula, Real, Rpo};

impl PairFormula for Rpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let nll = pair.column();
        Sigmoid { label_smoothing: 0.0 }.at(pair.beta(), pair.h()).plus(self.alpha, nll).hand(pair);
    }
}
