//! Running metrics of preference pairs: exact sums and counts, under TRL's names.

use crate::exact::ExactSum;
use crate::lanes::{Backend, Kernel, Lanes, dispatch};
use crate::pairs::{Counts, Pairs};
use crate::{Error, saved};

/// Exact sums and counts over any number of pairs.
///
/// Plain data of a fixed size. It has the same bits for every order of the pairs and every partition of them among
/// batches, threads, ranks and restarts: [`merge`](Self::merge) adds the parts.
///
/// ```
/// use preflane::{Loss, Metrics, Outputs, Pairs, Run};
///
/// let (run, loss) = (Run::default(), Loss::dpo(0.1)?);
/// let (mut first, mut second) = (Metrics::new(), Metrics::new());
/// run.evaluate(&loss, Pairs::reference_free(&[-1.0], &[-2.0]), Outputs::default(), Some(&mut first))?;
/// run.evaluate(&loss, Pairs::reference_free(&[-3.0], &[-2.0]), Outputs::default(), Some(&mut second))?;
/// first.merge(&second);
/// assert_eq!((first.pairs(), first.report().rewards_accuracies), (2, 0.5));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Metrics {
    /// Pairs seen.
    pairs: u64,
    /// Pairs that came with a reference.
    referenced: u64,
    /// Pairs whose chosen log-ratio exceeds the rejected one: exactly, before any rounding.
    accurate: u64,
    /// Pairs whose two log-ratios are exactly equal. They count as not accurate.
    ties: u64,
    /// Pairs with an infinite or NaN log-probability, loss, reward or margin.
    nonfinite: u64,
    /// Pairs whose chosen log-probability is below the reference's: likelihood displacement.
    chosen_fell: u64,
    /// Pairs whose rejected log-probability is below the reference's.
    rejected_fell: u64,
    /// Pairs whose chosen and rejected log-probabilities are both below the reference's.
    both_fell: u64,
    /// Sum of the weights; each is 1 where none were given.
    weights: ExactSum,
    /// Sum of the (weighted) losses.
    loss: ExactSum,
    /// Sum of the chosen rewards.
    rewards_chosen: ExactSum,
    /// Sum of the rejected rewards.
    rewards_rejected: ExactSum,
    /// Sum of the margins.
    margins: ExactSum,
    /// Sum of the policy's chosen log-probabilities.
    logps_chosen: ExactSum,
    /// Sum of the policy's rejected log-probabilities.
    logps_rejected: ExactSum,
}

/// Generates accessors.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {
        $($(#[$doc])* pub const fn $name(&self) -> $type { self.$name })*
    };
    ($($(#[$doc:meta])* $name:ident & $type:ty;)*) => {
        $($(#[$doc])* pub const fn $name(&self) -> &$type { &self.$name })*
    };
}

impl Metrics {
    /// No pairs yet.
    pub const fn new() -> Self {
        const EMPTY: ExactSum = ExactSum::new();
        Self {
            pairs: 0,
            referenced: 0,
            accurate: 0,
            ties: 0,
            nonfinite: 0,
            chosen_fell: 0,
            rejected_fell: 0,
            both_fell: 0,
            weights: EMPTY,
            loss: EMPTY,
            rewards_chosen: EMPTY,
            rewards_rejected: EMPTY,
            margins: EMPTY,
            logps_chosen: EMPTY,
            logps_rejected: EMPTY,
        }
    }

    getters! {
        /// Pairs seen.
        pairs -> u64;
        /// Pairs that came with a reference.
        referenced -> u64;
        /// Pairs whose chosen log-ratio exceeds the rejected one: exactly, before any rounding.
        accurate -> u64;
        /// Pairs whose two log-ratios are exactly equal. They count as not accurate.
        ties -> u64;
        /// Pairs with an infinite or NaN log-probability, loss, reward or margin.
        nonfinite -> u64;
        /// Pairs whose chosen log-probability is below the reference's: likelihood displacement.
        chosen_fell -> u64;
        /// Pairs whose rejected log-probability is below the reference's.
        rejected_fell -> u64;
        /// Pairs where both are.
        both_fell -> u64;
    }
    getters! {
        /// Sum of the weights; each is 1 where none were given.
        weights & ExactSum;
        /// Sum of the (weighted) losses.
        loss & ExactSum;
        /// Sum of the chosen rewards.
        rewards_chosen & ExactSum;
        /// Sum of the rejected rewards.
        rewards_rejected & ExactSum;
        /// Sum of the margins.
        margins & ExactSum;
        /// Sum of the policy's chosen log-probabilities.
        logps_chosen & ExactSum;
        /// Sum of the policy's rejected log-probabilities.
        logps_rejected & ExactSum;
    }

    /// Adds what another state has seen.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts_mut().into_iter().zip(other.counts()) {
            *count = count.saturating_add(more);
        }
        for (sum, more) in self.sums_mut().into_iter().zip(other.sums()) {
            sum.merge(more);
        }
    }

    /// Length of [`to_bytes`](Self::to_bytes).
    pub const BYTES: usize = saved::OVERHEAD + Self::CONTENT;
    /// Eight counts, seven sums of five limbs.
    pub(crate) const CONTENT: usize = 8 * (8 + 7 * 5);

    /// The state as bytes: the same on every machine, with a version and a checksum. A server restores those of its
    /// devices with [`from_bytes`](Self::from_bytes) and [`merge`](Self::merge)s them: the fleet's metrics are exact.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        // The length fits.
        let _ = saved::write(saved::Kind::Metrics, Self::CONTENT, &mut bytes, |to| self.write(to));
        bytes
    }

    /// From bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`Error::SavedState`] for bytes that are cut off, damaged, of another version or no metrics.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = saved::read(saved::Kind::Metrics, bytes)?;
        let mut metrics = Self::new();
        metrics.read(&mut from).filter(|()| from.is_empty()).ok_or(saved::IMPOSSIBLE)?;
        Ok(metrics)
    }

    pub(crate) fn write(&self, to: &mut saved::Writer<'_>) {
        self.counts().into_iter().for_each(|count| to.u64(count));
        for sum in self.sums() {
            sum.to_limbs().into_iter().for_each(|limb| to.u64(limb));
        }
    }

    /// Becomes what stands there; `None` if there are too few bytes, or no pairs could have given them, and then any metrics.
    /// In place, for they are large on a microcontroller's stack.
    pub(crate) fn read(&mut self, from: &mut saved::Reader<'_>) -> Option<()> {
        for count in self.counts_mut() {
            *count = from.u64()?;
        }
        for sum in self.sums_mut() {
            let mut limbs = [0; _];
            for limb in &mut limbs {
                *limb = from.u64()?;
            }
            *sum = ExactSum::from_limbs(limbs)?;
        }
        self.is_sound().then_some(())
    }

    /// Whether some pairs could have given it: bytes from elsewhere may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        let Self { pairs, referenced, accurate, ties, nonfinite, chosen_fell, rejected_fell, both_fell, .. } = *self;
        self.sums().into_iter().all(ExactSum::is_sound)
            && accurate.checked_add(ties).is_some_and(|ordered| ordered <= pairs)
            && referenced.max(nonfinite) <= pairs
            && chosen_fell.max(rejected_fell) <= referenced
            && both_fell <= chosen_fell.min(rejected_fell)
    }

    fn counts(&self) -> [u64; 8] {
        let mut copy = *self;
        copy.counts_mut().map(|x| *x)
    }

    fn counts_mut(&mut self) -> [&mut u64; 8] {
        [
            &mut self.pairs,
            &mut self.referenced,
            &mut self.accurate,
            &mut self.ties,
            &mut self.nonfinite,
            &mut self.chosen_fell,
            &mut self.rejected_fell,
            &mut self.both_fell,
        ]
    }

    /// In the order in which a block's columns come, the weights last.
    fn sums_mut(&mut self) -> [&mut ExactSum; 7] {
        [
            &mut self.loss,
            &mut self.rewards_chosen,
            &mut self.rewards_rejected,
            &mut self.margins,
            &mut self.logps_chosen,
            &mut self.logps_rejected,
            &mut self.weights,
        ]
    }

    fn sums(&self) -> [&ExactSum; 7] {
        [
            &self.loss,
            &self.rewards_chosen,
            &self.rewards_rejected,
            &self.margins,
            &self.logps_chosen,
            &self.logps_rejected,
            &self.weights,
        ]
    }

    /// Adds a block: its results (loss, chosen reward, rejected reward, margin), inputs and counts.
    pub(crate) fn add_block(&mut self, backend: Backend, pairs: Pairs<'_>, results: [&[f32]; 4], counts: Counts) {
        let n = pairs.len() as u64;
        let referenced = u64::from(pairs.reference.is_some());
        let more = [
            n,
            n * referenced,
            counts.accurate.into(),
            counts.ties.into(),
            counts.nonfinite.into(),
            u64::from(counts.chosen_fell) * referenced,
            u64::from(counts.rejected_fell) * referenced,
            u64::from(counts.both_fell) * referenced,
        ];
        for (count, more) in self.counts_mut().into_iter().zip(more) {
            *count = count.saturating_add(more);
        }
        if pairs.weights.is_none() {
            self.weights.add_f64(n as f64);
        }
        let [losses, chosen, rejected, margins] = results;
        let logps = [pairs.policy_chosen_logps, pairs.policy_rejected_logps];
        let [pc, pr] = logps;
        let columns = [losses, chosen, rejected, margins, pc, pr, pairs.weights.unwrap_or_default()];
        dispatch(backend, Sums { sums: self.sums_mut(), columns });
    }

    /// The means over all pairs.
    pub fn report(&self) -> Report {
        let share = |count: u64, of: u64| {
            let mut sum = ExactSum::new();
            sum.add_f64(count as f64);
            sum.mean(of)
        };
        let displaced = |count| (self.referenced > 0).then(|| share(count, self.referenced));
        Report {
            pairs: self.pairs,
            loss: self.loss.mean(self.pairs),
            rewards_chosen: self.rewards_chosen.mean(self.pairs),
            rewards_rejected: self.rewards_rejected.mean(self.pairs),
            rewards_accuracies: share(self.accurate, self.pairs),
            rewards_margins: self.margins.mean(self.pairs),
            logps_chosen: self.logps_chosen.mean(self.pairs),
            logps_rejected: self.logps_rejected.mean(self.pairs),
            ties: self.ties,
            nonfinite: self.nonfinite,
            chosen_fell: displaced(self.chosen_fell),
            rejected_fell: displaced(self.rejected_fell),
            both_fell: displaced(self.both_fell),
        }
    }
}

/// Adds columns of at most a block to their sums.
pub(crate) struct Sums<'a, const N: usize> {
    pub sums: [&'a mut ExactSum; N],
    pub columns: [&'a [f32]; N],
}

impl<const N: usize> Kernel for Sums<'_, N> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (sum, column) in self.sums.into_iter().zip(self.columns) {
            sum.add_block::<L>(column);
        }
    }
}

/// Means over the pairs, each correctly rounded from the exact sum of the per-pair `f32` values. NaN if there are no
/// pairs; infinities and NaN among the pairs show in the means as in IEEE arithmetic, and in `nonfinite`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Report {
    /// Number of pairs.
    pub pairs: u64,
    /// Mean of the (weighted) losses.
    pub loss: f32,
    /// TRL's `rewards/chosen`.
    pub rewards_chosen: f32,
    /// TRL's `rewards/rejected`.
    pub rewards_rejected: f32,
    /// TRL's `rewards/accuracies`: the share of pairs whose chosen reward is the greater; ties count as not.
    pub rewards_accuracies: f32,
    /// TRL's `rewards/margins`.
    pub rewards_margins: f32,
    /// TRL's `logps/chosen`.
    pub logps_chosen: f32,
    /// TRL's `logps/rejected`.
    pub logps_rejected: f32,
    /// Pairs with equal rewards.
    pub ties: u64,
    /// Pairs with an infinite or NaN log-probability, loss, reward or margin.
    pub nonfinite: u64,
    /// Likelihood displacement: share of pairs whose chosen log-probability fell below the reference's. `None` without
    /// a reference, as the next two.
    pub chosen_fell: Option<f32>,
    /// Share of pairs whose rejected log-probability fell below the reference's.
    pub rejected_fell: Option<f32>,
    /// Share of pairs where both fell.
    pub both_fell: Option<f32>,
}
