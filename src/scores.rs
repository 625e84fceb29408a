//! The front room of pairs: results that own their memory.

use crate::{Error, Metrics, Outputs, PairLoss, Pairs, Report, Run};
use std::vec;
use std::vec::Vec;

/// What [`Run::score`] gives: a result of each pair, one a pair in the order given, and the metrics of all.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Scores {
    /// Loss of each pair, times its weight.
    pub losses: Vec<f32>,
    /// Implicit rewards of the chosen answers.
    pub chosen_rewards: Vec<f32>,
    /// Implicit rewards of the rejected answers.
    pub rejected_rewards: Vec<f32>,
    /// The exact difference of the two rewards, rounded once.
    pub margins: Vec<f32>,
    /// Derivative of each loss by `policy_chosen_logps`.
    pub grad_chosen_logps: Vec<f32>,
    /// Derivative of each loss by `policy_rejected_logps`.
    pub grad_rejected_logps: Vec<f32>,
    /// Exact sums and counts of all pairs.
    pub metrics: Metrics,
}

impl Scores {
    /// Mean loss, mean rewards, accuracy and the like.
    pub fn report(&self) -> Report {
        self.metrics.report()
    }
}

impl Run {
    /// Losses, rewards, margins, gradients and metrics of pairs, in memory of their own. [`evaluate`](Run::evaluate) has
    /// the same in the caller's memory, and the other gradients.
    ///
    /// ```
    /// use preflane::{Loss, Pairs, Run};
    ///
    /// let pairs = Pairs::new(&[-12.5, -30.0], &[-14.0, -28.0], &[-13.0, -29.0], &[-13.25, -29.5]);
    /// let scores = Run::default().score(&Loss::dpo(0.1)?, pairs)?;
    /// assert_eq!(scores.losses[0], 0.632599035317_f64 as f32);
    /// assert_eq!(scores.report().rewards_accuracies, 0.5);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Weight`] and [`Error::Threads`].
    pub fn score<L: PairLoss>(self, loss: &L, pairs: Pairs<'_>) -> Result<Scores, Error> {
        let column = || vec![0.0; pairs.len()];
        let mut scores = Scores {
            losses: column(),
            chosen_rewards: column(),
            rejected_rewards: column(),
            margins: column(),
            grad_chosen_logps: column(),
            grad_rejected_logps: column(),
            metrics: Metrics::new(),
        };
        let outputs = Outputs {
            losses: Some(&mut scores.losses),
            chosen_rewards: Some(&mut scores.chosen_rewards),
            rejected_rewards: Some(&mut scores.rejected_rewards),
            margins: Some(&mut scores.margins),
            grad_chosen_logps: Some(&mut scores.grad_chosen_logps),
            grad_rejected_logps: Some(&mut scores.grad_rejected_logps),
            ..Default::default()
        };
        self.evaluate(loss, pairs, outputs, Some(&mut scores.metrics))?;
        Ok(scores)
    }
}
