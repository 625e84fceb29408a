//! Contrastive preference learning (Hejna et al. 2023, arXiv 2310.13639). u and v are scores of two segments, sums of `gamma^t ln pi(a_t|s_t)`,
//! beta is the paper's alpha, lam its contrastive bias, and y the probability that the first segment is preferred: with
//! `a = u - lam v` and `b = v - lam u`,
//! `L = y softplus(-beta a) + (1-y) softplus(-beta b)`. With `p = y sigmoid(-beta a)` and `q = (1-y) sigmoid(-beta b)`:
//! `dL/du = beta (lam q - p)`, `dL/dv = beta (lam p - q)`, `dL/dbeta = -(p a + q b)`.
//!
//! At lam = 1 and y = 1 it is DPO, without a reference, or with one in the form that subtracts the reference's log-probabilities.
//!
//! Worked values at beta = 1, u = -0.7, v = -1.2, lam = 0.5: 0.744396660074 at y = 1, 1.20586506844 at y = 0, and 0.975130864258 at
//! y = 1/2 with dL/du -0.0873478081210 and dL/dv -0.219038774367.

use super::{Cpl, Pair, PairFormula, Real};

impl PairFormula for Cpl {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (bias, beta) = (R::from_f64(self.contrastive_bias), pair.beta());
        let (a, b) = (pair.u() - bias * pair.v(), pair.v() - bias * pair.u());
        let (first, second) = ((beta * a).logistic(), (beta * b).logistic());
        let preference = pair.column();
        let other = R::from_f64(1.0) - preference;
        pair.loss(preference * first.softplus_of_minus() + other * second.softplus_of_minus());
        let (p, q) = (preference * first.sigmoid_of_minus, other * second.sigmoid_of_minus);
        pair.by_u(beta * (bias * q - p));
        pair.by_v(beta * (bias * p - q));
        pair.by_beta(-(p * a + q * b));
    }
}
