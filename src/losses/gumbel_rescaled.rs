//! The Gumbel regression as its code rescales it (Garg et al. 2023, arXiv 2301.02328): `L = (e^z - z - 1) e^-M`,
//! `z = min((q - v)/temperature, clip)`, M the batch's largest z, at least -1, given as `log_scale`. A row that is clipped has the
//! derivative 0.
//!
//! Worked value at q = (1, 0, -1), v = 0.25, temperature 0.5, clip 7, M = 1.5: mean 0.272985227301.

use super::{GumbelRescaled, Pair, PairFormula, Real};

impl PairFormula for GumbelRescaled {
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let (temperature, clip) = (R::from_f64(self.temperature), R::from_f64(self.clip));
        let (zero, unit) = (R::from_f64(0.0), R::from_f64(-self.log_scale).exp());
        let z = pair.h() / temperature;
        let clipped = (z - clip).is_positive();
        let z = R::select(clipped, clip, z);
        let e = z.exp_m1();
        pair.loss((e - z) * unit);
        pair.by_h(R::select(clipped, zero, e * unit / temperature));
        pair.by_beta(zero);
    }
}
