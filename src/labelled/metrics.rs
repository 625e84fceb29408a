//! Running metrics of labelled answers: exact sums and counts, under the names of TRL's KTO trainer.

use super::Labelled;
use crate::ExactSum;
use crate::lanes::{Backend, dispatch};
use crate::metrics::Sums;
use crate::tally::tally;

tally! {
    /// Exact sums and counts over any number of labelled answers.
    ///
    /// Plain data of a fixed size, which has the same bits for every order of the answers and every partition of them among batches,
    /// threads, ranks and restarts: [`merge`](Self::merge) adds the parts.
    LabelledMetrics {
        counts: 4 {
            /// Desirable answers seen.
            desirable;
            /// Other answers seen.
            undesirable;
            /// Answers that came with a reference.
            referenced;
            /// Answers with an infinite or NaN log-probability, loss or reward.
            nonfinite;
        }
        sums: 6 {
            /// Sum of the weights; each is 1 where none were given.
            weights;
            /// Sum of the weighted losses.
            loss;
            /// Sum of the rewards of desirable answers.
            rewards_chosen;
            /// Sum of the rewards of the others.
            rewards_rejected;
            /// Sum of the policy's log-probabilities of desirable answers.
            logps_chosen;
            /// Sum of the policy's log-probabilities of the others.
            logps_rejected;
        }
    }
}

/// Answers and what they came to.
pub(super) struct Block<'a> {
    pub answers: Labelled<'a>,
    pub losses: &'a [f32],
    pub rewards: &'a [f32],
}

/// Means over the answers, each correctly rounded from an exact sum; NaN where a class has no answers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LabelledReport {
    /// Number of desirable answers: TRL's `count/chosen`.
    pub desirable: u64,
    /// Number of the others: TRL's `count/rejected`.
    pub undesirable: u64,
    /// Answers with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Mean of the weighted losses.
    pub loss: f32,
    /// TRL's `rewards/chosen`: the mean reward of desirable answers.
    pub rewards_chosen: f32,
    /// TRL's `rewards/rejected`: the mean reward of the others.
    pub rewards_rejected: f32,
    /// TRL's `rewards/margins`: the difference of the two means, each rounded before.
    pub rewards_margins: f32,
    /// TRL's `logps/chosen`: the policy's mean log-probability of desirable answers.
    pub logps_chosen: f32,
    /// TRL's `logps/rejected`: the policy's mean log-probability of the others.
    pub logps_rejected: f32,
}

impl LabelledMetrics {
    /// Answers seen.
    pub const fn answers(&self) -> u64 {
        self.desirable.saturating_add(self.undesirable)
    }

    /// Adds a block; `scratch` has room for one of its columns.
    pub(super) fn add_block(&mut self, backend: Backend, block: &Block<'_>, scratch: &mut [f32]) {
        let &Block { answers, losses, rewards } = block;
        let n = answers.len() as u64;
        let desirable = answers.desirable.iter().filter(|desirable| **desirable).count() as u64;
        let referenced = if answers.ref_logps.is_some() { n } else { 0 };
        let is_finite = |row: usize| {
            let finite = |x: &[f32]| x.get(row).is_none_or(|x| x.is_finite());
            [answers.policy_logps, answers.ref_logps.unwrap_or_default(), losses, rewards].into_iter().all(finite)
        };
        let nonfinite = (0..answers.len()).filter(|&row| !is_finite(row)).count() as u64;
        for (count, more) in [
            (&mut self.desirable, desirable),
            (&mut self.undesirable, n - desirable),
            (&mut self.referenced, referenced),
            (&mut self.nonfinite, nonfinite),
        ] {
            *count = count.saturating_add(more);
        }
        if answers.weights.is_none() {
            self.weights.add_f64(n as f64);
        }
        let weights = answers.weights.unwrap_or_default();
        dispatch(backend, Sums { sums: [&mut self.loss, &mut self.weights], columns: [losses, weights] });
        for (class, sum, column) in [
            (true, &mut self.rewards_chosen, rewards),
            (false, &mut self.rewards_rejected, rewards),
            (true, &mut self.logps_chosen, answers.policy_logps),
            (false, &mut self.logps_rejected, answers.policy_logps),
        ] {
            // A 0 adds nothing.
            for ((to, &x), &desirable) in scratch.iter_mut().zip(column).zip(answers.desirable) {
                *to = if desirable == class { x } else { 0.0 };
            }
            let column = scratch.get(..answers.len()).unwrap_or_default();
            dispatch(backend, Sums { sums: [sum], columns: [column] });
        }
    }

    /// Whether some answers could have given it: bytes from elsewhere may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        self.sums().into_iter().all(ExactSum::is_sound) && self.referenced.max(self.nonfinite) <= self.answers()
    }

    /// The means over all answers.
    pub fn report(&self) -> LabelledReport {
        let [rewards_chosen, rewards_rejected] =
            [self.rewards_chosen.mean(self.desirable), self.rewards_rejected.mean(self.undesirable)];
        let margin = rewards_chosen - rewards_rejected;
        LabelledReport {
            desirable: self.desirable,
            undesirable: self.undesirable,
            nonfinite: self.nonfinite,
            loss: self.loss.mean(self.answers()),
            rewards_chosen,
            rewards_rejected,
            rewards_margins: if margin.is_nan() { crate::NAN } else { margin },
            logps_chosen: self.logps_chosen.mean(self.desirable),
            logps_rejected: self.logps_rejected.mean(self.undesirable),
        }
    }
}
