//! Pairwise preference losses: one file a formula, written once over [`Real`].
//!
//! Notation, as in the papers: `u` and `v` are the chosen and the rejected answer's log-ratio of policy to reference,
//! `h = u - v`, `z = beta h`. A formula gives the loss and its derivatives by `u`, `v` and `beta`; the kernel in
//! `pairs` does the rest, which is the same for all: log-ratios, rewards, weights, the rare path.

mod any;
mod hinge;
mod ipo;
mod logistic;
mod real;
mod row;

pub use any::Any;
pub use hinge::Hinge;
pub use ipo::Ipo;
pub use logistic::{ConservativeDpo, Dpo, RobustDpo};
pub use real::Real;
pub use row::Row;

use crate::Error;

/// A loss as mathematics.
#[doc(hidden)]
pub trait Formula: Copy + Send + Sync {
    /// The scale of the rewards.
    fn beta(&self) -> f64;
    /// Hands the loss of one pair and its derivatives to `row`. Every sum whose terms may cancel goes through
    /// [`Row::add`] or [`Row::sub`].
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>);
}

/// beta as every loss needs it.
fn check_beta(beta: f64) -> Result<f64, Error> {
    if beta > 0.0 && beta < f64::INFINITY {
        Ok(beta)
    } else {
        Err(Error::Parameter { name: "beta", value: beta, requirement: "finite and greater than 0" })
    }
}

/// The share of labels taken to be flipped.
fn check_label_smoothing(label_smoothing: f64) -> Result<f64, Error> {
    if (0.0..0.5).contains(&label_smoothing) {
        Ok(label_smoothing)
    } else {
        Err(Error::Parameter {
            name: "label_smoothing",
            value: label_smoothing,
            requirement: "at least 0 and less than 1/2",
        })
    }
}

/// Any of the losses, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// See [`Dpo`].
    Dpo(Dpo),
    /// See [`ConservativeDpo`].
    ConservativeDpo(ConservativeDpo),
    /// See [`RobustDpo`].
    RobustDpo(RobustDpo),
    /// See [`Ipo`].
    Ipo(Ipo),
    /// See [`Hinge`].
    Hinge(Hinge),
}

impl Loss {
    /// [`Dpo::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn dpo(beta: f64) -> Result<Self, Error> {
        Dpo::new(beta).map(Self::Dpo)
    }

    /// [`ConservativeDpo::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn cdpo(beta: f64, label_smoothing: f64) -> Result<Self, Error> {
        ConservativeDpo::new(beta, label_smoothing).map(Self::ConservativeDpo)
    }

    /// [`RobustDpo::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn robust(beta: f64, label_smoothing: f64) -> Result<Self, Error> {
        RobustDpo::new(beta, label_smoothing).map(Self::RobustDpo)
    }

    /// [`Ipo::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn ipo(beta: f64) -> Result<Self, Error> {
        Ipo::new(beta).map(Self::Ipo)
    }

    /// [`Hinge::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn hinge(beta: f64) -> Result<Self, Error> {
        Hinge::new(beta).map(Self::Hinge)
    }
}
