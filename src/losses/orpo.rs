//! ORPO (Hong et al. 2024, arXiv 2403.07691): the likelihood of the chosen answer and the ratio of the odds,
//! `L = nll + beta softplus(-x)`, `x = ln(a/(1 - a)) - ln(b/(1 - b))` with `a = e^u`, `b = e^v` of token means below 0 (beta is the paper's
//! lambda). Whether the likelihood is that of prompt and answer (TRL) or of the answer (LLaMA-Factory, Liger) is for who gives it to say.
//!
//! `x = h + ln(1 - b) - ln(1 - a)`, `dL/du = -beta/(e^h (1 - b) + (1 - a))`, `dL/dv = beta sigmoid(-x)/(1 - b)`, and
//! `1 - a = -expm1(u)`, which is right where a is next to 1, down to the limit at u = 0. A token mean above 0 is none: its row is NaN.

use super::{Orpo, Pair, PairFormula, Real};

impl PairFormula for Orpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        pair.nowhere(pair.u().is_positive());
        pair.nowhere(pair.v().is_positive());
        let (a, b) = (-pair.u().exp_m1(), -pair.v().exp_m1());
        let x = (pair.h() + b.ln() - a.ln()).logistic();
        pair.loss(pair.column() + pair.beta() * x.softplus_of_minus());
        pair.by_u(-(pair.beta() / (pair.h().exp() * b + a)));
        pair.by_v(pair.beta() * x.sigmoid_of_minus / b);
        pair.by_beta(x.softplus_of_minus());
    }
}
