//! DPO on token means (the `sigmoid_norm` of TRL, `dpo_norm` of open-instruct): `L = softplus(-z)`, the log-probabilities divided by the tokens of
//! their answers.

use super::link::{Link, Sigmoid};
use super::{Pair, PairFormula, Real, SigmoidNorm};

impl PairFormula for SigmoidNorm {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        Sigmoid { label_smoothing: 0.0 }.at(pair.beta(), pair.h()).hand(pair);
    }
}
