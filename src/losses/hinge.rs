//! Hinge: `L = max(0, 1 - z)`, as in TRL's `hinge` (the normalised form of SLiC, Zhao et al. 2023, arXiv 2305.10425).
//!
//! `dL/dz = -1` where z < 1, else 0 (z = 1 included).
//!
//! Worked values at beta 0.1, h = 6: loss 0.4, gradient by the chosen log-prob -0.1.

use super::{Formula, Real, Row, check_beta};
use crate::Error;

/// Hinge loss on the reward margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hinge {
    beta: f64,
}

impl Hinge {
    /// `beta`, the scale of the margin: finite and > 0, taken exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn new(beta: f64) -> Result<Self, Error> {
        Ok(Self { beta: check_beta(beta)? })
    }
}

impl Formula for Hinge {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        let zero = R::from_f64(0.0);
        let active;
        {
            let mut shortfall = R::from_f64(1.0);
            let mut scaled = row.margin();
            row.scale(&mut scaled);
            row.sub(&mut shortfall, &scaled);
            active = zero.lt(&shortfall);
            shortfall.keep(active, &zero);
            row.loss(&shortfall);
        }
        {
            let mut by_margin = zero;
            by_margin.sub(&row.beta());
            by_margin.keep(active, &zero);
            row.by_margin(&by_margin);
        }
        let mut by_beta = zero;
        by_beta.sub(&row.margin());
        by_beta.keep(active, &zero);
        row.by_beta(&by_beta);
    }
}
