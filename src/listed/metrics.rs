//! Running metrics of lists of answers: exact sums and counts, under TRL's names where the best answer is the chosen one.

use super::{Inputs, ListScratch};
use crate::ExactSum;
use crate::tally::tally;

tally! {
    /// Exact sums and counts over any number of lists.
    ///
    /// Plain data of a fixed size, which has the same bits for every order of the lists and every partition of them among batches,
    /// threads, ranks and restarts: [`merge`](Self::merge) adds the parts.
    ListMetrics {
        counts: 6 {
            /// Lists seen.
            lists;
            /// Lists of at least one answer.
            filled;
            /// Answers seen.
            answers;
            /// Lists of at least two answers whose best answer has a log-ratio above that of every other.
            accurate;
            /// Lists with an infinite or NaN log-probability, loss or reward.
            nonfinite;
            /// Lists that have nothing to compare, whose loss and gradients are 0: too few answers, or all of one kind.
            skipped;
        }
        sums: 6 {
            /// Sum of the weights; each is 1 where none were given.
            weights;
            /// Sum of the weighted losses.
            loss;
            /// Sum of the rewards of the best answers.
            rewards_chosen;
            /// Sum of the rewards of all other answers.
            rewards_rejected;
            /// Sum of the policy's log-probabilities of the best answers.
            logps_chosen;
            /// Sum of the policy's log-probabilities of all other answers.
            logps_rejected;
        }
    }
}

/// Means over the lists, each correctly rounded from an exact sum; NaN where there is nothing to take one of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ListReport {
    /// Number of lists.
    pub lists: u64,
    /// Number of answers.
    pub answers: u64,
    /// Lists with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Lists that have nothing to compare, whose loss and gradients are 0: too few answers, or all of one kind.
    pub skipped: u64,
    /// Mean of the weighted losses over the lists.
    pub loss: f32,
    /// The mean reward of the best answers.
    pub rewards_chosen: f32,
    /// The mean reward of all other answers.
    pub rewards_rejected: f32,
    /// The share of lists whose best answer has the greatest reward, strictly.
    pub rewards_accuracies: f32,
    /// The policy's mean log-probability of the best answers.
    pub logps_chosen: f32,
    /// The policy's mean log-probability of all other answers.
    pub logps_rejected: f32,
}

impl ListMetrics {
    /// Counts a list in.
    pub(super) fn add(&mut self, inputs: &Inputs<'_>, loss: f32, skipped: bool, scratch: &[ListScratch]) {
        let n = scratch.len();
        let more = |count: &mut u64, by: u64| *count = count.saturating_add(by);
        more(&mut self.lists, 1);
        more(&mut self.filled, (n > 0).into());
        more(&mut self.answers, n as u64);
        let mut finite = loss.is_finite();
        let mut accurate = n > 1;
        for (i, answer) in scratch.iter().enumerate() {
            let (policy, reference) = inputs.at(i);
            let (rewards, logps) = if i == 0 {
                (&mut self.rewards_chosen, &mut self.logps_chosen)
            } else {
                (&mut self.rewards_rejected, &mut self.logps_rejected)
            };
            rewards.add(answer.reward);
            logps.add(policy);
            finite &= [policy, reference, answer.reward].into_iter().all(f32::is_finite);
            accurate &= i == 0 || inputs.is_above(0, i);
        }
        self.loss.add(loss);
        self.weights.add(inputs.weight);
        more(&mut self.accurate, accurate.into());
        more(&mut self.nonfinite, (!finite).into());
        more(&mut self.skipped, skipped.into());
    }

    /// Whether some lists could have given it: bytes from elsewhere may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        self.sums().into_iter().all(ExactSum::is_sound)
            && self.filled.max(self.nonfinite).max(self.skipped) <= self.lists
            && self.accurate <= self.filled
            && self.filled <= self.answers
    }

    /// The means over all lists.
    pub fn report(&self) -> ListReport {
        let others = self.answers.saturating_sub(self.filled);
        let mut accurate = ExactSum::new();
        accurate.add_f64(self.accurate as f64);
        ListReport {
            lists: self.lists,
            answers: self.answers,
            nonfinite: self.nonfinite,
            skipped: self.skipped,
            loss: self.loss.mean(self.lists),
            rewards_chosen: self.rewards_chosen.mean(self.filled),
            rewards_rejected: self.rewards_rejected.mean(others),
            rewards_accuracies: accurate.mean(self.lists),
            logps_chosen: self.logps_chosen.mean(self.filled),
            logps_rejected: self.logps_rejected.mean(others),
        }
    }
}
