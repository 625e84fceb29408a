//! The optimum of Psi-PO (Azar et al. 2023, arXiv 2310.12036, section 4): where training on known preferences would end.
//!
//! Over a finite set of answers the policy that maximises `E[Psi(p(y > y'))] - tau KL(policy to reference)`, y of the policy and y' of a
//! behaviour policy, is `reference(y) e^(g(y)/tau)` over its sum, with `g(y) = E[Psi(p(y > y'))]` over y'. [`Psi::Identity`] is IPO,
//! [`Psi::Logit`] DPO where preferences are those of a Bradley-Terry model.
//!
//! ```
//! use preflane::listed::ListScratch;
//! use preflane::psi_po::{Psi, optimum};
//!
//! // Two answers, of which the first always wins; half of the other answers are the first again.
//! let preferences = [0.5, 1.0, 0.0, 0.5];
//! let (mut policy, mut scratch) = ([0.0; 2], [ListScratch::default(); 2]);
//! optimum(Psi::Identity, &preferences, &[0.5, 0.5], &[0.5, 0.5], 1.0, &mut policy, &mut scratch)?;
//! // sigmoid(0.5/tau)
//! assert_eq!(policy, [0.62245935, 0.37754068]);
//! # Ok::<(), preflane::Error>(())
//! ```

use crate::Error;
use crate::error::check_length;
use crate::exact::Float384;
use crate::listed::ListScratch;
use crate::losses::{Place, Real};

/// What is made of the probability that an answer is preferred.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Psi {
    /// The probability itself: IPO.
    Identity,
    /// Its logit `ln(p/(1 - p))`, which is the difference of two rewards in a Bradley-Terry model: DPO, and RLHF. Preferences must be above
    /// 0 and below 1.
    Logit,
    /// Any other function; its value is taken as exact, and must be finite.
    Of(fn(f64) -> f64),
}

impl Psi {
    fn of(self, probability: f32) -> Float384 {
        let p: f64 = probability.into();
        match self {
            Self::Identity => Float384::from_f64(p),
            // 1 - p is exact in 384 bits.
            Self::Logit => Float384::from_f64(p).ln() - (Float384::from_f64(1.0) - Float384::from_f64(p)).ln(),
            Self::Of(function) => Float384::from_f64(function(p)),
        }
    }

    fn requirement(self, probability: f32) -> Result<(), &'static str> {
        let inside = match self {
            Self::Logit if !(probability > 0.0 && probability < 1.0) => {
                return Err("above 0 and below 1, for its logit");
            }
            Self::Of(function) => function(probability.into()).is_finite(),
            _ => true,
        };
        match inside && (0.0..=1.0).contains(&probability) {
            true => Ok(()),
            false if inside => Err("a probability, from 0 to 1"),
            false => Err("one of which Psi is finite"),
        }
    }
}

/// The probability of each answer under the optimal policy.
///
/// - `preferences`: n rows of n probabilities, `preferences[i * n + j]` that answer i is preferred to answer j (1/2 where both are the same).
/// - `behaviour`: how likely each answer is to be compared with, at least 0; it need not add up to 1.
/// - `reference`: how likely the reference policy gives each, at least 0; it need not add up to 1. Where it is 0 so is the optimum.
/// - `tau`: the strength of the regularisation, above 0.
/// - `scratch`: memory, one element an answer.
///
/// Each result is the nearest `f32` to its exact value, computed in 384 bits: for studies, not for a training step.
///
/// # Errors
/// [`Error::Length`] for a slice that is not of `n` (`n * n`) elements, [`Error::Parameter`] for tau, [`Error::Column`] for a number that is
/// none of the above, by its argument's name, and for a behaviour or reference of zeros alone; [`Error::Full`] for too little scratch. Nothing is
/// written then.
pub fn optimum(
    psi: Psi,
    preferences: &[f32],
    behaviour: &[f32],
    reference: &[f32],
    tau: f64,
    optimum: &mut [f32],
    scratch: &mut [ListScratch],
) -> Result<(), Error> {
    let n = optimum.len();
    check_length("preferences", n.saturating_mul(n), preferences.len())?;
    check_length("behaviour", n, behaviour.len())?;
    check_length("reference", n, reference.len())?;
    if scratch.len() < n {
        return Err(Error::Full { what: "scratch", capacity: scratch.len() });
    }
    if !(tau > 0.0 && tau.is_finite()) {
        return Err(Error::Parameter { name: "tau", value: tau, requirement: "a finite number above 0" });
    }
    for (row, &value) in preferences.iter().enumerate() {
        let refused = |requirement| Error::Column { name: "preferences", row, value, requirement };
        psi.requirement(value).map_err(refused)?;
    }
    for (name, column) in [("behaviour", behaviour), ("reference", reference)] {
        for (row, &value) in column.iter().enumerate() {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::Column { name, row, value, requirement: "a finite number, at least 0" });
            }
        }
        if n > 0 && column.iter().all(|x| *x == 0.0) {
            return Err(Error::Column { name, row: 0, value: 0.0, requirement: "above 0 in at least one row" });
        }
    }

    let zero = Float384::from_f64(0.0);
    let compared = behaviour.iter().fold(zero, |sum, x| sum + Float384::from_f64((*x).into()));
    let scratch = scratch.get_mut(..n).unwrap_or_default();
    for (row, to) in preferences.chunks(n.max(1)).zip(&mut *scratch) {
        let terms = row.iter().zip(behaviour).filter(|(_, weight)| **weight > 0.0);
        let sum = terms.fold(zero, |sum, (p, weight)| sum + psi.of(*p) * Float384::from_f64((*weight).into()));
        to.keep(Place::First, sum / compared / Float384::from_f64(tau));
    }
    // Of the largest exponent the power is 1.
    let possible =
        scratch.iter().zip(reference).filter(|(_, r)| **r > 0.0).map(|(x, _)| x.kept::<Float384>(Place::First));
    let largest = possible.reduce(|a, b| if a.lt(&b) { b } else { a }).unwrap_or(zero);
    let mut sum = zero;
    for (share, r) in scratch.iter_mut().zip(reference) {
        let r = Float384::from_f64((*r).into());
        let exponent: Float384 = share.kept(Place::First);
        let part = if r.is_zero() { zero } else { r * (exponent - largest).exp() };
        share.keep(Place::Second, part);
        sum = sum + part;
    }
    for (to, share) in optimum.iter_mut().zip(scratch) {
        let part: Float384 = share.kept(Place::Second);
        *to = (part / sum).rounded_by_value();
    }
    Ok(())
}
