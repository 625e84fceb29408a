//! Direct preference-based policy optimisation (An et al. 2023, arXiv 2301.12842). u and v are distances of the policy's actions from those of
//! the preferred segment and of the other one, T is the temperature and lam the conservative bias: with `x = (u - lam v)/T`,
//! `L = softplus(x)`, `dL/du = sigmoid(x)/T`, `dL/dv = -lam sigmoid(x)/T`.
//!
//! The authors' code divides exponentials, which are both 0 where distances exceed 104 T: then its loss is NaN.
//!
//! Worked value: the mean over the pairs that distances 0.2, 0.35, 0.5 make in this order is 0.871092697192 at T = 0.1, lam = 0.5, where
//! 0.2 is the best and 0.5 the worst.

use super::{Dppo, Pair, PairFormula, Real};

impl PairFormula for Dppo {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (bias, temperature) = (R::from_f64(self.contrastive_bias), R::from_f64(self.temperature));
        let minus = ((bias * pair.v() - pair.u()) / temperature).logistic();
        pair.loss(minus.softplus_of_minus());
        let slope = minus.sigmoid_of_minus / temperature;
        pair.by_u(slope);
        pair.by_v(-(bias * slope));
        pair.by_beta(R::from_f64(0.0));
    }
}
