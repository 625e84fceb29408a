//! DPO with soft labels: `L = p softplus(-z) + (1 - p) softplus(z) = softplus(-z) + (1 - p) z`, p the probability that the chosen answer is
//! the better one; `dL/dz = sigmoid(z) - p`. p = 1 is DPO, `1 - label_smoothing` conservative DPO, 1/2 a tie.

use super::{Pair, PairFormula, Real, SoftDpo};

impl PairFormula for SoftDpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let rest = R::from_f64(1.0) - pair.column();
        let z = pair.z().logistic();
        pair.loss(z.softplus_of_minus_with_slope(rest));
        pair.by_z(rest - z.sigmoid_of_minus);
    }
}
