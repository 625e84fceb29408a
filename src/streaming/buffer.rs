//! Pairs that are collected first and evaluated later.

use crate::{Error, Pairs};
use heapless::Vec;

/// Up to `N` pairs, column by column, for [`Run::evaluate`](crate::Run::evaluate).
///
/// ```
/// use preflane::streaming::PairBuffer;
/// use preflane::{Loss, Metrics, Outputs, Run};
///
/// let mut buffer = PairBuffer::<8>::new();
/// buffer.push(-12.5, -14.0, Some((-13.0, -13.25)))?;
/// let mut metrics = Metrics::new();
/// Run::default().evaluate(&Loss::dpo(0.1)?, buffer.pairs(), Outputs::default(), Some(&mut metrics))?;
/// assert_eq!(metrics.report().rewards_accuracies, 1.0);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairBuffer<const N: usize> {
    policy_chosen_logps: Vec<f32, N>,
    policy_rejected_logps: Vec<f32, N>,
    ref_chosen_logps: Vec<f32, N>,
    ref_rejected_logps: Vec<f32, N>,
}

impl<const N: usize> PairBuffer<N> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            policy_chosen_logps: Vec::new(),
            policy_rejected_logps: Vec::new(),
            ref_chosen_logps: Vec::new(),
            ref_rejected_logps: Vec::new(),
        }
    }

    /// Adds a pair: log-probabilities of whole answers, in nats. `reference` is the reference model's of the chosen and
    /// of the rejected answer.
    ///
    /// # Errors
    /// [`Error::Full`] after `N` pairs; [`Error::OutOfOrder`] if the pairs so far came with a reference and this one
    /// does not, or the other way round. Nothing is added then.
    pub fn push(
        &mut self,
        policy_chosen_logps: f32,
        policy_rejected_logps: f32,
        reference: Option<(f32, f32)>,
    ) -> Result<(), Error> {
        if !self.is_empty() && self.is_referenced() != reference.is_some() {
            return Err(Error::OutOfOrder {
                call: "push",
                requirement: "all pairs of a buffer come with a reference, or none",
            });
        }
        let full = Error::Full { what: "the pair buffer", capacity: N };
        self.policy_chosen_logps.push(policy_chosen_logps).map_err(|_| full)?;
        // All columns have the same length, or the reference's have none.
        let _ = self.policy_rejected_logps.push(policy_rejected_logps);
        if let Some((chosen, rejected)) = reference {
            let _ = self.ref_chosen_logps.push(chosen);
            let _ = self.ref_rejected_logps.push(rejected);
        }
        Ok(())
    }

    /// The pairs as a batch.
    pub fn pairs(&self) -> Pairs<'_> {
        if self.is_referenced() {
            Pairs::new(
                &self.policy_chosen_logps,
                &self.policy_rejected_logps,
                &self.ref_chosen_logps,
                &self.ref_rejected_logps,
            )
        } else {
            Pairs::reference_free(&self.policy_chosen_logps, &self.policy_rejected_logps)
        }
    }

    /// Pairs so far.
    pub fn len(&self) -> usize {
        self.policy_chosen_logps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.policy_chosen_logps.is_empty()
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.policy_chosen_logps.is_full()
    }

    /// Forgets the pairs.
    pub fn clear(&mut self) {
        self.policy_chosen_logps.clear();
        self.policy_rejected_logps.clear();
        self.ref_chosen_logps.clear();
        self.ref_rejected_logps.clear();
    }

    fn is_referenced(&self) -> bool {
        !self.ref_chosen_logps.is_empty()
    }
}
