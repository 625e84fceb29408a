//! IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17): `L = (h - 1/(2 beta))^2`.
//!
//! `dL/dh = 2 (h - 1/(2 beta))`, `dL/dbeta = (h - 1/(2 beta)) / beta^2`.
//! Whether h comes from sums (the paper, eric-mitchell, OpenRLHF) or from token means (TRL, HALOs) is up to the
//! log-probabilities given.
//!
//! Worked values at pc -12.5, pr -14, rc -13, rr -13.25, beta 0.1 (h = 1.25): loss 14.0625, dL/dh -7.5.

use super::{Doubt, Formula, LogRatios, Real, Terms, check_beta};
use crate::Error;

/// IPO: a squared distance of the margin from `1/(2 beta)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ipo {
    beta: f64,
}

impl Ipo {
    /// `beta` (the paper's tau): finite and > 0, taken exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn new(beta: f64) -> Result<Self, Error> {
        Ok(Self { beta: check_beta(beta)? })
    }
}

impl Formula for Ipo {
    /// `1/(2 beta)` and `1/beta^2`.
    type Constants<R: Real> = (R, R);

    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn constants<R: Real>(&self) -> (R, R) {
        let (one, beta) = (R::from_f64(1.0), R::from_f64(self.beta));
        (one / (beta + beta), one / (beta * beta))
    }
    #[inline(always)]
    fn terms<R: Real>(&(target, inverse_square): &(R, R), x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
        let distance = doubt.sub(x.margin, target);
        Terms::of_margin(distance * distance, distance + distance, distance * inverse_square)
    }
}
