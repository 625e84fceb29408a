//! Hinge: `L = max(0, 1 - z)`, as in TRL's `hinge` (the normalised form of SLiC, Zhao et al. 2023, arXiv 2305.10425).
//!
//! `dL/dz = -1` where z < 1, else 0 (z = 1 included).
//!
//! Worked values at beta 0.1, h = 6: loss 0.4, gradient by the chosen log-prob -0.1.

use super::{Doubt, Formula, LogRatios, Real, Terms, check_beta};
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
    type Constants<R: Real> = R;

    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn constants<R: Real>(&self) -> R {
        R::from_f64(self.beta)
    }
    #[inline(always)]
    fn terms<R: Real>(&beta: &R, x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
        let zero = R::from_f64(0.0);
        let shortfall = doubt.sub(R::from_f64(1.0), x.scaled);
        let active = zero.lt(shortfall);
        Terms::of_margin(
            R::select(active, shortfall, zero),
            R::select(active, zero - beta, zero),
            R::select(active, zero - x.margin, zero),
        )
    }
}
