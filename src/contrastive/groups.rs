//! Several positives an anchor: NT-Xent and SupCon, each in both of its conventions.

use super::info_nce::put;
use crate::elementary::lanes::exp_of;
use crate::error::check_length;
use crate::lanes::Backend;
use crate::logits::{LogSumExp, Logits, LogitsMut, Probability, RowSum, Scaling, softmax_row};
use crate::run::{join, tasks};
use crate::{Error, ExactSum, NAN, Run};

/// Samples in groups: every sample is an anchor, the others of its group are its positives, those of other groups its negatives.
///
/// ```
/// use preflane::Run;
/// use preflane::contrastive::{Groups, GroupsOutputs};
/// use preflane::logits::Logits;
///
/// // Two views of each of two samples, by their similarities.
/// let similarities = [1.0, 0.8, 0.1, 0.2, 0.8, 1.0, 0.0, 0.1, 0.1, 0.0, 1.0, 0.9, 0.2, 0.1, 0.9, 1.0];
/// let groups = Groups::nt_xent(Logits::new(&similarities, 4, 4)?, &[0, 0, 1, 1]);
/// let result = Run::default().groups(groups, 0.5, GroupsOutputs::default())?;
/// assert!((result.loss - 0.37266).abs() < 1e-5);
/// assert_eq!((result.pairs, result.anchors), (4, 4));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// The similarity of every sample to every other, `[n, n]`. What stands on the diagonal is not looked at.
    pub similarities: Logits<'a, f32>,
    /// The group of each sample.
    pub labels: &'a [i64],
    /// What a positive is compared with.
    pub against: Against,
    /// What the mean is taken over.
    pub mean: MeanOver,
}

/// What an anchor's positive is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// All other samples, the anchor's other positives among them.
    Others,
    /// The positive itself and the anchor's negatives; other positives are left out.
    Negatives,
}

/// What the mean of a loss is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeanOver {
    /// All pairs of an anchor and a positive.
    Pairs,
    /// All anchors, each of which has the mean over its positives; one without positives has a loss of 0.
    Anchors,
    /// The anchors that have positives.
    AnchorsWithPositives,
}

impl<'a> Groups<'a> {
    /// NT-Xent (arXiv 2002.05709) as SimCLR and lightly have it: of an anchor and a positive against all other samples, which for two
    /// views of each sample are 2N - 1. The mean is over all such pairs.
    pub fn nt_xent(similarities: Logits<'a, f32>, labels: &'a [i64]) -> Self {
        Self { similarities, labels, against: Against::Others, mean: MeanOver::Pairs }
    }

    /// NT-Xent as pytorch-metric-learning has it: an anchor's other positives are not among what a positive is compared with. For two views
    /// of each sample both conventions are the same.
    pub fn nt_xent_of_negatives(similarities: Logits<'a, f32>, labels: &'a [i64]) -> Self {
        Self { against: Against::Negatives, ..Self::nt_xent(similarities, labels) }
    }

    /// SupCon (arXiv 2004.11362, eq. 2) as its authors' code has it: an anchor without positives stays in the mean, with a loss of 0.
    pub fn supcon(similarities: Logits<'a, f32>, labels: &'a [i64]) -> Self {
        Self { mean: MeanOver::Anchors, ..Self::nt_xent(similarities, labels) }
    }

    /// SupCon as pytorch-metric-learning has it: an anchor without positives leaves the mean.
    pub fn supcon_of_positives(similarities: Logits<'a, f32>, labels: &'a [i64]) -> Self {
        Self { mean: MeanOver::AnchorsWithPositives, ..Self::nt_xent(similarities, labels) }
    }
}

/// Where the results go; any may be left out.
#[derive(Debug, Default)]
pub struct GroupsOutputs<'a> {
    /// Loss of each anchor, the mean over its positives, to 0.51 ULP; 0 for one without positives.
    pub losses: Option<&'a mut [f32]>,
    /// Derivative of the mean loss by the similarities, `[n, n]`, the anchor's row by its column; 0 on the diagonal. By a negative, and by an
    /// only positive, it is within 0.55 ULP; by one of several positives, where `k p - 1` cancels as it should, within half a ULP and
    /// 2^-29 of the 1.
    pub grads: Option<LogitsMut<'a, f32>>,
}

/// The loss of groups.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupsLoss {
    /// The mean, correctly rounded, of losses that are each within 0.51 ULP; 0 where it is over nothing.
    pub loss: f32,
    /// Pairs of an anchor and a positive.
    pub pairs: u64,
    /// Anchors that have positives.
    pub anchors: u64,
}

/// Elements of a row that are gathered at a time where some are left out.
const GATHER: usize = 64;

impl Run {
    /// NT-Xent or SupCon, as the groups say. A NaN or +inf beside the diagonal makes its row's results NaN; -inf is as good as left out.
    ///
    /// Without a positive the loss and all gradients are 0, and [`GroupsLoss`] says that there was none.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a temperature outside of 1e-12 to 1e12, [`Error::Length`] and [`Error::Threads`]; before anything
    /// is written.
    pub fn groups(self, groups: Groups<'_>, temperature: f64, outputs: GroupsOutputs<'_>) -> Result<GroupsLoss, Error> {
        let scaling = Scaling::temperature(temperature)?;
        let n = groups.labels.len();
        check_length("rows of similarities", n, groups.similarities.rows())?;
        check_length("columns of similarities", n, groups.similarities.columns())?;
        outputs.losses.as_ref().map_or(Ok(()), |losses| check_length("losses", n, losses.len()))?;
        if let Some(grads) = &outputs.grads {
            check_length("rows of grads", n, grads.rows())?;
            check_length("columns of grads", n, grads.columns())?;
        }
        let positives = (0..n).map(|anchor| groups.positives(anchor).count() as u64);
        let (pairs, anchors) = positives.fold((0, 0), |(pairs, anchors), k| (pairs + k, anchors + u64::from(k > 0)));
        let over = match groups.mean {
            MeanOver::Pairs => pairs,
            MeanOver::Anchors => n as u64,
            MeanOver::AnchorsWithPositives => anchors,
        };
        let batch = Batch { backend: self.backend(), groups, scaling, temperature, over: over as f64 };
        let sum = self.job(tasks(n, n), |split| batch.rows(split, 0, n, outputs))??;
        // Losses are the opposites of log-probabilities.
        let mean = if over == 0 { 0.0 } else { sum.mean(over) };
        Ok(GroupsLoss { loss: mean, pairs, anchors })
    }
}

impl Groups<'_> {
    fn is_alike(&self, anchor: usize, other: usize) -> bool {
        self.labels.get(anchor) == self.labels.get(other)
    }

    /// The places of an anchor's positives.
    fn positives(&self, anchor: usize) -> impl Iterator<Item = usize> {
        (0..self.labels.len()).filter(move |&other| other != anchor && self.is_alike(anchor, other))
    }
}

/// What all rows have in common.
#[derive(Clone, Copy)]
struct Batch<'a> {
    backend: Backend,
    groups: Groups<'a>,
    scaling: Scaling,
    temperature: f64,
    /// What the mean is over.
    over: f64,
}

impl Batch<'_> {
    /// So many anchors from `first` on: the sum of their losses, or of those of their pairs.
    fn rows(&self, split: bool, first: usize, rows: usize, outputs: GroupsOutputs<'_>) -> Result<ExactSum, Error> {
        let GroupsOutputs { losses, grads } = outputs;
        if split && tasks(rows, self.groups.labels.len()) > 1 {
            let half = rows / 2;
            let losses = losses.and_then(|losses| losses.split_at_mut_checked(half)).unzip();
            let grads = grads.map(|grads| grads.split(half)).unzip();
            let (head, tail) = (
                GroupsOutputs { losses: losses.0, grads: grads.0 },
                GroupsOutputs { losses: losses.1, grads: grads.1 },
            );
            let (a, b) =
                join(|| self.rows(true, first, half, head), || self.rows(true, first + half, rows - half, tail));
            let mut sum = a?;
            sum.merge(&b?);
            return Ok(sum);
        }
        let (mut losses, mut grads) = (losses, grads);
        let mut sum = ExactSum::new();
        for place in 0..rows {
            let grads = grads.as_mut().map_or(&mut [][..], |grads| grads.row_and_padding(place).0);
            let loss = self.row(first + place, grads, &mut sum)?;
            put(&mut losses, place, loss);
        }
        Ok(sum)
    }

    /// One anchor: its loss and gradients; adds to the sum what the mean is over.
    fn row(&self, anchor: usize, grads: &mut [f32], sum: &mut ExactSum) -> Result<f32, Error> {
        let row = self.groups.similarities.row(anchor);
        let at = |place: usize| row.get(place).copied().unwrap_or(NAN);
        let k = self.groups.positives(anchor).count() as f64;
        if k == 0.0 {
            grads.fill(0.0);
            return Ok(0.0);
        }
        let shared = self.shared(anchor, row)?;
        let of = |positive: f32| -> Result<LogSumExp, Error> {
            let mut all = shared;
            if self.groups.against == Against::Negatives {
                all.add(self.backend, &[positive], None)?;
            }
            Ok(all.log_sum_exp())
        };
        // All terms have one sign: nothing cancels.
        let (mut total, mut least) = (0.0, LogSumExp::default());
        for (i, positive) in self.groups.positives(anchor).map(at).enumerate() {
            let of_this = of(positive)?;
            let logp = of_this.logp_f64(positive, &self.scaling);
            total -= logp;
            // Where all others are in the sum, it is the same for all. Large ones differ by less than their values show.
            let is_less = || {
                self.groups.against == Against::Negatives
                    && (of_this.value(&self.scaling) < least.value(&self.scaling) || self.more(least, of_this) > 0.0)
            };
            if i == 0 || is_less() {
                least = of_this;
            }
            if self.groups.mean == MeanOver::Pairs {
                sum.add(0.0 - logp as f32);
            }
        }
        let loss = (total / k) as f32;
        if self.groups.mean != MeanOver::Pairs {
            sum.add(loss);
        }
        if grads.is_empty() {
            return Ok(loss);
        }
        // By the opposite of one log-probability, which the mean has with this weight.
        let weight = match self.groups.mean {
            MeanOver::Pairs => 1.0 / (self.over * self.temperature),
            _ => 1.0 / (self.over * k * self.temperature),
        };
        let shares = self.shares(anchor, least, &of, at)?;
        softmax_row(self.backend, row, grads, &self.scaling, least, weight * shares);
        for (place, grad) in grads.iter_mut().enumerate() {
            let value = if place == anchor {
                0.0
            } else if self.groups.is_alike(anchor, place) {
                let (positive, of_this) = (at(place), of(at(place))?);
                if k == 1.0 || self.groups.against == Against::Negatives {
                    of_this.probability_less_one(positive, &self.scaling) * weight
                } else {
                    (k * Probability::new(of_this, &self.scaling).value(positive) - 1.0) * weight
                }
            } else {
                f64::from(*grad)
            };
            let value = value as f32;
            *grad = if value.is_nan() { NAN } else { value + 0.0 };
        }
        Ok(loss)
    }

    /// The sum over what all positives of an anchor are compared with.
    fn shared(&self, anchor: usize, row: &[f32]) -> Result<RowSum, Error> {
        let mut sum = RowSum::new(self.scaling);
        if self.groups.against == Against::Others {
            for part in [row.get(..anchor), row.get(anchor + 1..)] {
                sum.add(self.backend, part.unwrap_or_default(), None)?;
            }
            return Ok(sum);
        }
        for (start, part) in (0..).step_by(GATHER).zip(row.chunks(GATHER)) {
            let mut gathered = [f32::NEG_INFINITY; GATHER];
            for ((to, &x), place) in gathered.iter_mut().zip(part).zip(start..) {
                if !self.groups.is_alike(anchor, place) {
                    *to = x;
                }
            }
            sum.add(self.backend, &gathered, None)?;
        }
        Ok(sum)
    }

    /// By how much the log-sum-exp `one` is more than the other: the log-probability that the other gives to its largest logit less the one that
    /// it gives itself.
    fn more(&self, one: LogSumExp, other: LogSumExp) -> f64 {
        other.logp_f64(one.max, &self.scaling) + one.rest
    }

    /// What a negative's probabilities beside each positive add up to, by that at the least log-sum-exp.
    fn shares(
        &self,
        anchor: usize,
        least: LogSumExp,
        of: &impl Fn(f32) -> Result<LogSumExp, Error>,
        at: impl Fn(usize) -> f32,
    ) -> Result<f64, Error> {
        let mut shares = 0.0;
        for positive in self.groups.positives(anchor).map(at) {
            let more = match self.groups.against {
                Against::Others => 0.0,
                Against::Negatives => self.more(least, of(positive)?).min(0.0),
            };
            shares += exp_of(more);
        }
        Ok(shares)
    }
}
