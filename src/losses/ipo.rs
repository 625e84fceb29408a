//! IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17; beta is the paper's tau): `L = (h - 1/(2 beta))^2`,
//! `dL/dh = 2 (h - 1/(2 beta))`, `dL/dbeta = (h - 1/(2 beta)) / beta^2`.
//!
//! Whether h comes from sums (the paper, eric-mitchell, OpenRLHF) or from token means (TRL, HALOs) is up to the
//! log-probabilities given.
//!
//! Worked values at policy -12.5 and -14, reference -13 and -13.25, beta 0.1 (h = 1.25): loss 14.0625, dL/dh -7.5.

use super::{Ipo, Pair, PairFormula, Real};

impl PairFormula for Ipo {
    const BY_VALUE: bool = false;
    const NONNEGATIVE: bool = true;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let distance = pair.h() - (pair.beta() + pair.beta()).recip();
        pair.loss(distance * distance);
        pair.by_h((distance + distance).exact());
        pair.by_beta(distance * (pair.beta() * pair.beta()).recip());
    }
}
