//! DPO under the forward KL divergence (Wang et al. 2023, arXiv 2309.16240, f-DPO): the score of a log-ratio l is `1 - e^-l`, so that
//! `L = softplus(-x)` with `x = beta (e^-v - e^-u)`. `dL/du = -sigmoid(-x) beta e^-u`,
//! `dL/dv = sigmoid(-x) beta e^-v`.

use super::{ForwardKl, Pair, PairFormula, Real, exp_difference};

impl PairFormula for ForwardKl {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (of_u, of_v) = ((-pair.u()).exp(), (-pair.v()).exp());
        let score = exp_difference(of_v, of_u, pair.h());
        let x = (score * pair.beta()).logistic();
        pair.loss(x.softplus_of_minus());
        pair.by_u(-(x.sigmoid_of_minus * pair.beta() * of_u));
        pair.by_v(x.sigmoid_of_minus * pair.beta() * of_v);
        pair.by_beta(-(x.sigmoid_of_minus * score));
    }
}
