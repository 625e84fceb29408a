//! Preference pairs as slices, where their results go, and the kernel between.

mod counts;
mod kernel;
mod log_ratios;
mod nearest;
mod outputs;
mod settle;
mod stage;

use crate::Error;
use crate::error::{check_column, check_length, check_weights};
use crate::losses::Parameter;
pub(crate) use counts::Counts;
pub(crate) use kernel::{ByOperations, Rows, block, one};
pub(crate) use log_ratios::sign_of_h;
pub(crate) use nearest::{ByValue, one_by_value};
pub(crate) use outputs::{OutputSlices, RESULTS, SUMMED, place};
pub use outputs::{Outputs, Pair};
pub(crate) use settle::{SettledRow, SettlingNumber};
pub(crate) use stage::{Stage, Staged};

/// Log-probabilities of preference pairs, one row a pair. All slices have the same length.
///
/// Each value is a whole answer's log-probability in nats: the sum over its tokens (the usual choice) or their mean
/// (some IPO variants), as the loss is meant.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// The policy's log-probability of the chosen answers.
    pub policy_chosen_logps: &'a [f32],
    /// The policy's log-probability of the rejected answers.
    pub policy_rejected_logps: &'a [f32],
    /// The reference model's; `None` is the reference-free form, with 0 for both in the loss and in the rewards.
    pub reference: Option<Reference<'a>>,
    /// Weights of the pairs, finite and >= 0: they multiply loss and gradients, not rewards and margins. `None`: 1.
    /// [`with_weights`](Self::with_weights) says what a weight of 0 does.
    pub weights: Option<&'a [f32]>,
    /// What the loss takes beside log-probabilities, if it does: [`Description::column`](crate::losses::Description::column) says what.
    pub column: Option<&'a [f32]>,
}

/// What stands beside the log-probabilities of a pair.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    pub weight: f32,
    /// 0 where the loss takes none.
    pub column: f32,
}

impl Default for Beside {
    fn default() -> Self {
        Self { weight: 1.0, column: 0.0 }
    }
}

/// The reference model's log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Of the chosen answers.
    pub chosen_logps: &'a [f32],
    /// Of the rejected answers.
    pub rejected_logps: &'a [f32],
}

impl<'a> Pairs<'a> {
    /// Pairs with a reference.
    pub fn new(
        policy_chosen_logps: &'a [f32],
        policy_rejected_logps: &'a [f32],
        ref_chosen_logps: &'a [f32],
        ref_rejected_logps: &'a [f32],
    ) -> Self {
        Self {
            policy_chosen_logps,
            policy_rejected_logps,
            reference: Some(Reference { chosen_logps: ref_chosen_logps, rejected_logps: ref_rejected_logps }),
            weights: None,
            column: None,
        }
    }

    /// Pairs without a reference.
    pub fn reference_free(policy_chosen_logps: &'a [f32], policy_rejected_logps: &'a [f32]) -> Self {
        Self { policy_chosen_logps, policy_rejected_logps, reference: None, weights: None, column: None }
    }

    /// The same pairs, weighted.
    ///
    /// A weight multiplies the exact loss and gradients of its pair, and the product is rounded. Infinity counts as the limit of ever
    /// larger numbers, so that a weight of 0 makes 0 of every loss and gradient that is a number, infinite ones too. NaN is no number: a
    /// pair with a NaN keeps it in its loss and gradients, whatever its weight. Weights change neither rewards and margins
    /// nor what [`Metrics`](crate::Metrics) count: a pair of weight 0 with an infinite or NaN log-probability is still one that is
    /// not finite.
    pub fn with_weights(self, weights: &'a [f32]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// The same pairs, with what the loss takes beside log-probabilities.
    pub fn with_column(self, column: &'a [f32]) -> Self {
        Self { column: Some(column), ..self }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.policy_chosen_logps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` rows from `start` on. Lengths were checked.
    #[inline]
    pub(crate) fn rows(&self, start: usize, n: usize) -> Self {
        let cut = |x: &'a [f32]| x.get(start..start + n).unwrap_or_default();
        Self {
            policy_chosen_logps: cut(self.policy_chosen_logps),
            policy_rejected_logps: cut(self.policy_rejected_logps),
            reference: self
                .reference
                .map(|r| Reference { chosen_logps: cut(r.chosen_logps), rejected_logps: cut(r.rejected_logps) }),
            weights: self.weights.map(cut),
            column: self.column.map(cut),
        }
    }

    pub(crate) fn check(&self, column: Option<&Parameter>) -> Result<(), Error> {
        let n = self.len();
        check_length("policy_rejected_logps", n, self.policy_rejected_logps.len())?;
        if let Some(reference) = self.reference {
            check_length("ref_chosen_logps", n, reference.chosen_logps.len())?;
            check_length("ref_rejected_logps", n, reference.rejected_logps.len())?;
        }
        check_column(n, column, self.column)?;
        self.weights.map_or(Ok(()), |weights| check_weights(n, weights))
    }
}

/// All that is checked before anything is written; `column` is what the loss takes beside log-probabilities.
#[inline]
pub(crate) fn check<'a>(
    pairs: Pairs<'_>,
    column: Option<&Parameter>,
    outputs: Outputs<'a>,
) -> Result<OutputSlices<'a>, Error> {
    pairs.check(column)?;
    outputs.into_slices(pairs.len())
}
