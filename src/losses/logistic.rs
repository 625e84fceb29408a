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

use super::{Formula, Real, Row, check_beta, check_label_smoothing};
use crate::Error;

/// `slope` is k; `None` for DPO, which spares it two operations and the tests for cancellation.
#[inline(always)]
pub(super) fn logistic<R: Real>(slope: Option<&R>, row: &mut impl Row<R>) {
    // sg(-z)
    let unlikely;
    {
        let mut loss = row.margin();
        row.scale(&mut loss);
        let wrong = loss.lt(&R::from_f64(0.0));
        unlikely = loss.logistic();
        let mut linear = row.margin();
        row.scale(&mut linear);
        linear.abs();
        match slope {
            None => {
                linear.keep(wrong, &R::from_f64(0.0));
                loss.add(&linear);
            }
            Some(k) => {
                let mut rate = R::from_f64(1.0);
                rate.sub(k);
                rate.keep(wrong, k);
                linear.mul(&rate);
                row.add(&mut loss, &linear);
            }
        }
        row.loss(&loss);
    }
    let mut by_scaled;
    match slope {
        None => {
            by_scaled = R::from_f64(0.0);
            by_scaled.sub(&unlikely);
        }
        Some(k) => {
            by_scaled = *k;
            row.sub(&mut by_scaled, &unlikely);
        }
    }
    let mut by_margin = by_scaled;
    row.scale(&mut by_margin);
    row.by_margin(&by_margin);
    by_scaled.mul(&row.margin());
    row.by_beta(&by_scaled);
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
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        logistic(None, row);
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

    /// k.
    #[inline(always)]
    pub(super) fn slope<R: Real>(&self) -> R {
        R::from_f64(self.label_smoothing)
    }
}

impl Formula for ConservativeDpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        logistic(Some(&self.slope()), row);
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

    /// k.
    #[inline(always)]
    pub(super) fn slope<R: Real>(&self) -> R {
        let mut slope = R::from_f64(0.0);
        slope.sub(&R::from_f64(self.label_smoothing));
        let mut unbiased = R::from_f64(1.0);
        {
            let mut twice = R::from_f64(self.label_smoothing);
            twice.add(&R::from_f64(self.label_smoothing));
            unbiased.sub(&twice);
        }
        slope.div(&unbiased);
        slope
    }
}

impl Formula for RobustDpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        logistic(Some(&self.slope()), row);
    }
}
