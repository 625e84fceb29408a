//! DPO and its two label-smoothed forms: one formula, in which only the linear term differs.
//!
//! With `sp(x) = ln(1+e^x)` and `sg(x) = 1/(1+e^-x)`:
//! `L = sp(-z) + k z`, `dL/dz = k - sg(-z)`, where
//! - DPO: `k = 0` (Rafailov et al. 2023, arXiv 2305.18290, eq. 7);
//! - conservative DPO: `k = eps`, which is `(1-eps) sp(-z) + eps sp(z)` (Mitchell 2023, "A note on DPO with noisy
//!   preferences"; the label smoothing of eric-mitchell/direct-preference-optimization, OpenRLHF, torchtune);
//! - robust DPO: `k = -eps/(1-2 eps)`, which is `[(1-eps) sp(-z) - eps sp(z)]/(1-2 eps)` (Chowdhury et al. 2024,
//!   arXiv 2403.00409): unbiased under flipped labels, unbounded below.
//!
//! Stable form, with `e = exp(-|z|)`: `L = log1p(e) + |z| (z < 0 ? 1-k : k)`; one exponential serves loss and gradient.
//!
//! Worked values at pc -12.5, pr -14, rc -13, rr -13.25, beta 0.1 (h = 1.25): DPO 0.632599035317, cDPO with eps 0.1
//! 0.645099035317, robust with eps 0.1 0.616974035317.

use super::{Doubt, Formula, LogRatios, Real, Terms, check_beta, check_label_smoothing};
use crate::Error;

/// `slope` is k; `None` for DPO, which spares it two operations and the tests for cancellation.
#[inline(always)]
pub(super) fn logistic<R: Real>(slope: Option<R>, x: LogRatios<R>, beta: R, doubt: &mut Doubt<R>) -> Terms<R> {
    let zero = R::from_f64(0.0);
    let size = x.scaled.abs();
    let e = size.exp_neg();
    let (log1p, recip) = e.log1p_and_recip();
    let wrong = x.scaled.lt(zero);
    // sg(-z)
    let unlikely = R::select(wrong, recip, e * recip);
    let (loss, by_scaled) = match slope {
        None => (log1p + R::select(wrong, size, zero), zero - unlikely),
        Some(k) => {
            let rate = R::select(wrong, R::from_f64(1.0) - k, k);
            (doubt.add(log1p, size * rate), doubt.sub(k, unlikely))
        }
    };
    Terms::of_margin(loss, by_scaled * beta, by_scaled * x.margin)
}

/// DPO: `L = -ln sg(z)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dpo {
    beta: f64,
}

impl Dpo {
    /// `beta`, the strength of the pull to the reference: finite and > 0, taken exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn new(beta: f64) -> Result<Self, Error> {
        Ok(Self { beta: check_beta(beta)? })
    }
}

impl Formula for Dpo {
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
        logistic(None, x, beta, doubt)
    }
}

/// Conservative DPO: the labels are taken to be flipped with probability `label_smoothing`;
/// the optimum is at `z = ln((1-eps)/eps)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConservativeDpo {
    beta: f64,
    label_smoothing: f64,
}

impl ConservativeDpo {
    /// `beta` finite and > 0; `label_smoothing` in [0, 1/2). Both taken exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn new(beta: f64, label_smoothing: f64) -> Result<Self, Error> {
        Ok(Self { beta: check_beta(beta)?, label_smoothing: check_label_smoothing(label_smoothing)? })
    }
}

impl Formula for ConservativeDpo {
    type Constants<R: Real> = (R, R);

    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn constants<R: Real>(&self) -> (R, R) {
        (R::from_f64(self.beta), R::from_f64(self.label_smoothing))
    }
    #[inline(always)]
    fn terms<R: Real>(&(beta, eps): &(R, R), x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
        logistic(Some(eps), x, beta, doubt)
    }
}

/// Robust DPO: the unbiased estimate of the DPO loss when labels are flipped with probability `label_smoothing`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustDpo {
    beta: f64,
    label_smoothing: f64,
}

impl RobustDpo {
    /// `beta` finite and > 0; `label_smoothing` in [0, 1/2). Both taken exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn new(beta: f64, label_smoothing: f64) -> Result<Self, Error> {
        Ok(Self { beta: check_beta(beta)?, label_smoothing: check_label_smoothing(label_smoothing)? })
    }
}

impl Formula for RobustDpo {
    type Constants<R: Real> = (R, R);

    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn constants<R: Real>(&self) -> (R, R) {
        let eps = R::from_f64(self.label_smoothing);
        let slope = (R::from_f64(0.0) - eps) / (R::from_f64(1.0) - (eps + eps));
        (R::from_f64(self.beta), slope)
    }
    #[inline(always)]
    fn terms<R: Real>(&(beta, slope): &(R, R), x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
        logistic(Some(slope), x, beta, doubt)
    }
}
