//! Weights that trainers compute beside a loss: of policies that learn from a value function, and of pairs by how likely the policy is to
//! give them (WPO). Each is the nearest `f32` to its exact value.
//!
//! ```
//! use preflane::weights::{PolicyWeight, TokenSums, wpo};
//!
//! // Of target values q and values v.
//! let (q, v) = ([1.5, 0.25, 80.0], [1.0, 0.5, 0.0]);
//! let mut weights = [0.0; 3];
//! PolicyWeight::sql().of_all(&q, &v, &mut weights)?;
//! assert_eq!(weights, [0.5, 0.0, 80.0]);
//! PolicyWeight::advantage(3.0)?.of_all(&q, &v, &mut weights)?;
//! assert_eq!(weights, [4.4816891, 0.47236655, 100.0]);
//!
//! // Of a pair: log-probabilities of tokens, and the logarithms of the sums of squared probabilities at their places.
//! let chosen = TokenSums { logps: &[-0.5, -2.0], log_sum_squares: &[-0.25, -1.0] };
//! let rejected = TokenSums { logps: &[-1.0], log_sum_squares: &[-0.5] };
//! assert_eq!(wpo(chosen, rejected)?, 0.32465246);
//! # Ok::<(), preflane::Error>(())
//! ```

use crate::error::check_length;
use crate::exact::{Double, Float384};
use crate::lanes::HAS_WIDE;
use crate::losses::{Real, Tracked};
use crate::{Error, NAN};

/// The largest weight of a policy.
const MOST: f32 = 100.0;

/// Exponents beyond give a weight beyond [`MOST`].
const SURELY_MOST: f64 = 5.0;

/// How much an action counts in the training of a policy, by its target value q and the value v of its state. Weights are from 0 to 100:
/// what is beyond counts as the nearer of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyWeight {
    shape: Shape,
    times: f64,
    over: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// `offset + x` where that is above 0.
    Linear { offset: f64 },
    /// `e^x`.
    Exponential,
}

impl PolicyWeight {
    /// SQL as in its code: `max(0, q - v)` (Xu et al. 2023, arXiv 2303.15810).
    pub const fn sql() -> Self {
        Self { shape: Shape::Linear { offset: 0.0 }, times: 1.0, over: 1.0 }
    }

    /// SQL as in its paper: `max(0, 1 + (q - v)/(2 alpha))`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an alpha that is not a finite number above 0.
    pub fn sql_paper(alpha: f64) -> Result<Self, Error> {
        Ok(Self { shape: Shape::Linear { offset: 1.0 }, times: 0.5, over: positive("alpha", alpha)? })
    }

    /// EQL as in its code: `e^(10 (q - v)/alpha)` (Xu et al. 2023, arXiv 2303.15810).
    ///
    /// # Errors
    /// [`Error::Parameter`] for an alpha that is not a finite number above 0.
    pub fn eql(alpha: f64) -> Result<Self, Error> {
        Ok(Self { shape: Shape::Exponential, times: 10.0, over: positive("alpha", alpha)? })
    }

    /// EQL as in its paper: `e^((q - v)/alpha)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an alpha that is not a finite number above 0.
    pub fn eql_paper(alpha: f64) -> Result<Self, Error> {
        Ok(Self { shape: Shape::Exponential, times: 1.0, over: positive("alpha", alpha)? })
    }

    /// Advantage-weighted regression as IQL and XQL have it: `e^(beta (q - v))` (Kostrikov et al. 2021, arXiv 2110.06169; Garg et al. 2023,
    /// arXiv 2301.02328).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a beta that is not a finite number above 0.
    pub fn advantage(beta: f64) -> Result<Self, Error> {
        Ok(Self { shape: Shape::Exponential, times: positive("beta", beta)?, over: 1.0 })
    }

    /// The weight of one action. NaN where the advantage `q - v` is; of an infinite one the limit, 0 or 100.
    pub fn of(&self, q: f32, v: f32) -> f32 {
        let advantage = f64::from(q) - f64::from(v);
        let rough = advantage * self.times / self.over;
        if advantage.is_nan() {
            NAN
        } else if rough
            > match self.shape {
                Shape::Linear { .. } => f64::from(MOST),
                Shape::Exponential => SURELY_MOST,
            }
        {
            MOST
        } else if advantage == f64::NEG_INFINITY {
            0.0
        } else {
            // Rounding keeps the order, so that what is cut off may be so afterwards.
            nearest(self.value(q, v), || self.value(q, v), || self.value(q, v)).clamp(0.0, MOST)
        }
    }

    fn value<R: Real>(&self, q: f32, v: f32) -> R {
        let [q, v, times, over] = [q.into(), v.into(), self.times, self.over].map(R::from_f64);
        let x = (q - v) * times / over;
        match self.shape {
            Shape::Linear { offset } => R::from_f64(offset) + x,
            Shape::Exponential => x.exp(),
        }
    }

    /// The weights of many actions.
    ///
    /// # Errors
    /// [`Error::Length`] for slices of different lengths, before anything is written.
    pub fn of_all(&self, q: &[f32], v: &[f32], weights: &mut [f32]) -> Result<(), Error> {
        check_length("v", q.len(), v.len())?;
        check_length("weights", q.len(), weights.len())?;
        for ((weight, q), v) in weights.iter_mut().zip(q).zip(v) {
            *weight = self.of(*q, *v);
        }
        Ok(())
    }
}

fn positive(name: &'static str, value: f64) -> Result<f64, Error> {
    let right = value > 0.0 && value.is_finite();
    right.then_some(value).ok_or(Error::Parameter { name, value, requirement: "a finite number above 0" })
}

/// The nearest `f32` to a value, by a bound of its error where that is enough.
fn nearest(bounded: Tracked, double: impl FnOnce() -> Tracked<Double>, exact: impl FnOnce() -> Float384) -> f32 {
    let doubled = || if HAS_WIDE { double().rounded() } else { None };
    bounded.rounded().or_else(doubled).unwrap_or_else(|| exact().rounded_by_value())
}

/// What WPO takes of an answer: two numbers for each of its tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenSums<'a> {
    /// The log-probabilities of the tokens.
    pub logps: &'a [f32],
    /// The logarithm of the sum of the squared probabilities of the vocabulary at each token, as
    /// [`TokenOutputs::log_sum_squares`](crate::logits::TokenOutputs::log_sum_squares) gives it.
    pub log_sum_squares: &'a [f32],
}

impl TokenSums<'_> {
    fn check(&self, sequence: usize) -> Result<(), Error> {
        check_length("log_sum_squares", self.logps.len(), self.log_sum_squares.len())?;
        if self.logps.is_empty() { Err(Error::EmptySequence { sequence }) } else { Ok(()) }
    }

    /// The mean of the tokens' differences.
    fn mean<R: Real>(&self) -> R {
        let terms = self.logps.iter().zip(self.log_sum_squares);
        let number = |x: &f32| R::from_f64((*x).into());
        let sum = terms.fold(R::from_f64(0.0), |sum, (logp, squares)| sum + number(logp) - number(squares));
        sum / R::from_f64(self.logps.len() as f64)
    }
}

/// The weight of a pair in WPO (Zhou et al. 2024, arXiv 2406.11827): `e^` of the mean of `logp - ln sum p^2` over the chosen answer's tokens, times the
/// same of the rejected answer. It is a constant for gradients. TRL takes the smaller of this and 1: `wpo(chosen, rejected)?.min(1.0)`.
///
/// NaN if a number is NaN or both infinities come together; beyond all numbers it is 0 or infinite.
///
/// # Errors
/// [`Error::Length`] for slices of different lengths, [`Error::EmptySequence`] for an answer without a token, the chosen one's number being 0.
pub fn wpo(chosen: TokenSums<'_>, rejected: TokenSums<'_>) -> Result<f32, Error> {
    chosen.check(0)?;
    rejected.check(1)?;
    let signed = |of: TokenSums<'_>| -> f64 {
        let sums = [of.logps, of.log_sum_squares].map(|x| x.iter().map(|x| f64::from(*x)).sum::<f64>());
        sums[0] - sums[1]
    };
    // Of finite numbers it is finite: no f64 is left by a sum of f32.
    let rough = signed(chosen) + signed(rejected);
    if !rough.is_finite() {
        return Ok(if rough.is_nan() {
            NAN
        } else if rough > 0.0 {
            f32::INFINITY
        } else {
            0.0
        });
    }
    fn weight<R: Real>(chosen: TokenSums<'_>, rejected: TokenSums<'_>) -> R {
        (chosen.mean::<R>() + rejected.mean::<R>()).exp()
    }
    Ok(nearest(weight(chosen, rejected), || weight(chosen, rejected), || weight(chosen, rejected)))
}
