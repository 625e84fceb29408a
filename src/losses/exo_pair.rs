//! EXO on pairs (Ji et al. 2024, arXiv 2402.00856, eq. 16): the divergence of the policy's preference from smoothed labels. With
//! `q = sigmoid(z)` and `p = sigmoid(-z)`, `L = q (ln q - ln(1 - eps)) + p (ln p - ln eps)` and
//! `dL/dz = q p (z - ln(1 - eps) + ln eps)`, for `ln q - ln p = z`.
//!
//! `ln q = -softplus(-z)`: `L = c - q ln(1 - eps) - p ln eps` with `c = -(ln(1 + e^-|z|) + |z| sigmoid(-|z|))`.

use super::{ExoPair, Pair, PairFormula, Real};

impl PairFormula for ExoPair {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let eps = R::from_f64(self.label_smoothing);
        let (of_chosen, of_rejected) = ((R::from_f64(1.0) - eps).ln(), eps.ln());
        let z = pair.z();
        let (right, wrong) = (z.logistic(), (-z).logistic());
        let (p, q) = (right.sigmoid_of_minus, wrong.sigmoid_of_minus);
        let unlikely = R::select(z.is_negative(), q, p);
        pair.loss(-(right.log1p_exp + z.abs() * unlikely + q * of_chosen + p * of_rejected));
        pair.by_z(q * p * (z - of_chosen + of_rejected));
    }
}
