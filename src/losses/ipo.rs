//! IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17): `L = (h - 1/(2 beta))^2`.
//!
//! `dL/dh = 2 (h - 1/(2 beta))`, `dL/dbeta = (h - 1/(2 beta)) / beta^2`.
//! Whether h comes from sums (the paper, eric-mitchell, OpenRLHF) or from token means (TRL, HALOs) is up to the
//! log-probabilities given.
//!
//! Worked values at pc -12.5, pr -14, rc -13, rr -13.25, beta 0.1 (h = 1.25): loss 14.0625, dL/dh -7.5.

use super::{Formula, Real, Row, check_beta};
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
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        let mut distance = row.margin();
        {
            // 1/(2 beta)
            let mut target = row.beta();
            target.add(&row.beta());
            target.invert();
            row.sub(&mut distance, &target);
        }
        {
            let mut square = distance;
            square.mul(&distance);
            row.loss(&square);
        }
        {
            let mut twice = distance;
            twice.add(&distance);
            row.by_margin(&twice);
        }
        let mut inverse_square = row.beta();
        inverse_square.mul(&row.beta());
        inverse_square.invert();
        distance.mul(&inverse_square);
        row.by_beta(&distance);
    }
}
