//! From tokens to sequences and pairs: sums of token log-probabilities, and their gradient back to the tokens.

use super::Targets;
use crate::error::check_length;
use crate::{Error, ExactSum};
use core::num::NonZeroUsize;

/// How a batch holds the two answers of each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All chosen answers, then all rejected ones in the same order: TRL, OpenRLHF, LLaMA-Factory.
    ChosenFirst,
    /// Chosen, rejected, chosen, rejected.
    Interleaved,
}

impl Layout {
    /// The sequences of a pair: chosen and rejected.
    fn pair(self, pair: usize, pairs: usize) -> (usize, usize) {
        match self {
            Self::ChosenFirst => (pair, pairs + pair),
            Self::Interleaved => (2 * pair, 2 * pair + 1),
        }
    }
}

/// How the log-probabilities of a sequence's tokens become one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// Their sum: DPO's definition.
    Sum,
    /// Their mean over the tokens that count.
    Mean,
    /// LD-DPO (arXiv 2409.06411): the sum over as many tokens as the shorter answer of the pair has, plus alpha times
    /// the sum of the rest.
    LengthDesensitized {
        /// From 0 (the common length alone) to 1 (the plain sum).
        alpha: f64,
    },
}

impl Reduction {
    fn check(self) -> Result<(), Error> {
        match self {
            Self::LengthDesensitized { alpha } if !(0.0..=1.0).contains(&alpha) => {
                Err(Error::Parameter { name: "alpha", value: alpha, requirement: "from 0 to 1" })
            }
            _ => Ok(()),
        }
    }

    /// The weight of a sequence's token by its place among those that count.
    fn weight(self, place: usize, length: usize, common: usize) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::Mean => 1.0 / length as f64,
            Self::LengthDesensitized { alpha } => {
                if place < common {
                    1.0
                } else {
                    alpha
                }
            }
        }
    }
}

/// Pairs of sequences in a matrix of token rows: `[2 * pairs, tokens]`.
///
/// ```
/// use preflane::logits::{Labels, Layout, Reduction, Sequences, Targets};
///
/// // One pair of three tokens each, the chosen answer first; the last token of the rejected one does not count.
/// let targets = Targets::new(Labels::I64(&[1, 2, 3, 4, 5, -100]));
/// let sequences = Sequences::new(targets, 3, Layout::ChosenFirst, Reduction::Sum)?;
/// let (mut chosen, mut rejected) = ([0.0], [0.0]);
/// sequences.logps(&[-1.0, -0.5, -0.25, -2.0, -1.0, 0.0], &mut chosen, &mut rejected)?;
/// assert_eq!((chosen, rejected), ([-1.75], [-3.0]));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    targets: Targets<'a>,
    tokens: NonZeroUsize,
    layout: Layout,
    reduction: Reduction,
}

impl<'a> Sequences<'a> {
    /// `targets` has one target a row, `tokens` rows a sequence, two sequences a pair.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no tokens, for others than the targets are shifted by, or an alpha outside of its range,
    /// [`Error::Length`] unless the targets are whole pairs, [`Error::EmptySequence`] for a sequence whose tokens are all masked.
    pub fn new(targets: Targets<'a>, tokens: usize, layout: Layout, reduction: Reduction) -> Result<Self, Error> {
        let tokens = NonZeroUsize::new(tokens).ok_or(Error::Parameter {
            name: "tokens",
            value: 0.0,
            requirement: "at least 1",
        })?;
        // Else the last rows of some sequences would be taught the first labels of the next.
        if targets.shift().is_some_and(|shift| shift != tokens.get()) {
            let requirement = "the tokens that the targets are shifted by";
            return Err(Error::Parameter { name: "tokens", value: tokens.get() as f64, requirement });
        }
        reduction.check()?;
        let pairs = targets.len().div_ceil(2).div_ceil(tokens.get());
        check_length("targets", pairs.saturating_mul(2).saturating_mul(tokens.get()), targets.len())?;
        let sequences = Self { targets, tokens, layout, reduction };
        match (0..2 * pairs).find(|&sequence| sequences.length(sequence) == 0) {
            Some(sequence) => Err(Error::EmptySequence { sequence }),
            None => Ok(sequences),
        }
    }

    /// How many pairs.
    pub fn pairs(&self) -> usize {
        self.targets.len() / self.tokens / 2
    }

    /// The targets, row by row.
    pub fn targets(&self) -> Targets<'a> {
        self.targets
    }

    /// The rows of a sequence that count.
    fn rows(&self, sequence: usize) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let start = sequence * self.tokens.get();
        (start..start + self.tokens.get()).filter(|&row| self.targets.column(row).is_some())
    }

    /// Tokens of a sequence that count.
    pub fn length(&self, sequence: usize) -> usize {
        self.rows(sequence).count()
    }

    /// Log-probabilities of the answers, one a pair, from those of the tokens: sums are exact and rounded once, means
    /// correctly rounded, LD-DPO's to 0.501 ULP.
    ///
    /// # Errors
    /// [`Error::Length`], before anything is written.
    pub fn logps(&self, token_logps: &[f32], chosen: &mut [f32], rejected: &mut [f32]) -> Result<(), Error> {
        check_length("token_logps", self.targets.len(), token_logps.len())?;
        check_length("chosen", self.pairs(), chosen.len())?;
        check_length("rejected", self.pairs(), rejected.len())?;
        for (pair, (chosen, rejected)) in chosen.iter_mut().zip(rejected).enumerate() {
            let (c, r) = self.layout.pair(pair, self.pairs());
            let common = self.length(c).min(self.length(r));
            *chosen = self.logp(token_logps, c, common);
            *rejected = self.logp(token_logps, r, common);
        }
        Ok(())
    }

    fn logp(&self, token_logps: &[f32], sequence: usize, common: usize) -> f32 {
        let (mut sum, mut tail) = (ExactSum::new(), ExactSum::new());
        for (place, row) in self.rows(sequence).enumerate() {
            let logp = token_logps.get(row).copied().unwrap_or(crate::NAN);
            if place < common { sum.add(logp) } else { tail.add(logp) }
        }
        match self.reduction {
            // A rest of -inf must not come back as 0 * -inf.
            Reduction::LengthDesensitized { alpha: 0.0 } => sum.sum(),
            Reduction::LengthDesensitized { alpha } => {
                let logp = sum.to_f64() + alpha * tail.to_f64();
                if logp.is_nan() { crate::NAN } else { logp as f32 + 0.0 }
            }
            Reduction::Sum | Reduction::Mean => {
                sum.merge(&tail);
                if self.reduction == Reduction::Sum { sum.sum() } else { sum.mean(self.length(sequence) as u64) }
            }
        }
    }

    /// The derivatives by the tokens' log-probabilities from those by the answers', times `scale` (1 / pairs for the mean
    /// loss, or the share of this batch in an accumulated one; 0 for a loss that does not count). 0 for masked tokens.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::Parameter`] for a scale that is not finite, before anything is written.
    pub fn token_grads(&self, chosen: &[f32], rejected: &[f32], scale: f64, grads: &mut [f32]) -> Result<(), Error> {
        check_length("chosen", self.pairs(), chosen.len())?;
        check_length("rejected", self.pairs(), rejected.len())?;
        check_length("grads", self.targets.len(), grads.len())?;
        if !scale.is_finite() {
            return Err(Error::Parameter { name: "scale", value: scale, requirement: "finite" });
        }
        grads.fill(0.0);
        for (pair, (chosen, rejected)) in chosen.iter().zip(rejected).enumerate() {
            let (c, r) = self.layout.pair(pair, self.pairs());
            let lengths = (self.length(c), self.length(r));
            let common = lengths.0.min(lengths.1);
            for (sequence, length, grad) in [(c, lengths.0, chosen), (r, lengths.1, rejected)] {
                for (place, row) in self.rows(sequence).enumerate() {
                    let value = f64::from(*grad) * (self.reduction.weight(place, length, common) * scale);
                    if let Some(out) = grads.get_mut(row) {
                        *out = if value.is_nan() { crate::NAN } else { value as f32 + 0.0 };
                    }
                }
            }
        }
        Ok(())
    }
}
