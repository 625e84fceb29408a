//! Pairs from a stream of tokens.

use super::sequence::{Answer, Sequence, is_mean};
use crate::evaluate::score;
use crate::logits::{Element, LogSumExp, Reduction, Scaling};
use crate::pairs::{Counts, Pairs, Reference};
use crate::{Backend, Error, Metrics, Pair, PairLoss};

/// Which answer of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// The preferred one.
    Chosen,
    /// The other.
    Rejected,
}

/// A finished pair.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Scored {
    /// Loss, rewards, margin and gradients: the bits of [`evaluate`](crate::evaluate) on the same log-probabilities.
    pub pair: Pair,
    /// The chosen answer.
    pub chosen: Answer,
    /// The rejected answer.
    pub rejected: Answer,
    pub(crate) counts: Counts,
}

impl Scored {
    /// Counts the pair in, as a batch that holds it would.
    pub fn add_to(&self, metrics: &mut Metrics) {
        let Self { pair, chosen, rejected, counts } = self;
        let reference = chosen.reference.zip(rejected.reference).map(|(c, r)| ([c.logps], [r.logps]));
        let pairs = Pairs {
            policy_chosen_logps: &[chosen.logps],
            policy_rejected_logps: &[rejected.logps],
            reference: reference.as_ref().map(|(c, r)| Reference { chosen_logps: c, rejected_logps: r }),
            weights: None,
        };
        let results = [&[pair.loss], &[pair.chosen_reward], &[pair.rejected_reward], &[pair.margin]];
        metrics.add_block(Backend::SCALAR, pairs, results.map(|x| &x[..]), *counts);
    }
}

/// Takes the tokens of one answer after the other, and gives a result for each pair of answers.
///
/// For each answer: [`begin`](Self::begin), then [`token`](Self::token) or [`logits`](Self::logits) for each of its
/// tokens that count (the prompt's do not), then [`end`](Self::end). Either answer of a pair may come first. A call that
/// is refused changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluator<L> {
    loss: L,
    sequence: Sequence,
    /// The answer that waits for the other one.
    waiting: Option<Answer>,
    /// Of the answer that waits.
    waiting_side: Side,
    open: Option<Side>,
    mean: bool,
}

impl<L: PairLoss> Evaluator<L> {
    /// An answer's log-probability is the sum over its tokens.
    pub const fn new(loss: L) -> Self {
        Self { loss, sequence: Sequence::EMPTY, waiting: None, waiting_side: Side::Chosen, open: None, mean: false }
    }

    /// The same with the sum over the tokens or their mean.
    ///
    /// # Errors
    /// [`Error::Parameter`] for [`Reduction::LengthDesensitized`], which needs both answers at once.
    pub fn with_reduction(self, reduction: Reduction) -> Result<Self, Error> {
        Ok(Self { mean: is_mean(reduction)?, ..self })
    }

    /// Begins an answer.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if an answer is open, or this side of the pair has ended already.
    pub fn begin(&mut self, side: Side) -> Result<(), Error> {
        let requirement = if self.open.is_some() {
            "the open answer ends first"
        } else if self.waiting.is_some() && self.waiting_side == side {
            "a pair has one chosen and one rejected answer"
        } else {
            self.open = Some(side);
            self.sequence = Sequence::EMPTY;
            return Ok(());
        };
        Err(Error::OutOfOrder { call: "begin", requirement })
    }

    /// One token's log-probability in nats, and the reference's if that comes token by token.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if no answer is open, or some tokens have a reference and some have not;
    /// [`Error::Full`] after 2^32 - 1 tokens.
    pub fn token(&mut self, policy_logp: f32, reference_logp: Option<f32>) -> Result<(), Error> {
        self.takes("token", reference_logp)?;
        self.sequence.add(policy_logp, reference_logp);
        Ok(())
    }

    /// One token by its row of logits and its column there: the bits of [`token_logps`](crate::logits::token_logps).
    ///
    /// A device that cannot hold a whole row sums it in pieces with [`RowSum`](crate::logits::RowSum), and hands its
    /// log-probability to [`token`](Self::token).
    ///
    /// # Errors
    /// [`Error::Target`] (with row 0) for a column that the row has not; those of [`token`](Self::token).
    pub fn logits<T: Element>(
        &mut self,
        row: &[T],
        target: usize,
        scaling: &Scaling,
        reference_logp: Option<f32>,
    ) -> Result<(), Error> {
        self.takes("logits", reference_logp)?;
        let logit =
            row.get(target).ok_or(Error::Target { row: 0, label: target as i64, columns: row.len() })?.widened();
        let logp = LogSumExp::of(Backend::SCALAR, row, scaling).logp(logit, scaling);
        self.sequence.add(logp, reference_logp);
        Ok(())
    }

    /// Ends the open answer: the pair's result if the other answer is there, `None` if it is still to come.
    /// `reference_logps` is the reference's log-probability of the whole answer (a sum or a mean, as the policy's),
    /// where the tokens came without.
    ///
    /// # Errors
    /// [`Error::EmptySequence`] (0: chosen, 1: rejected) without a token; [`Error::OutOfOrder`] if no answer is open, if
    /// a reference came with the tokens and again here, or if one answer of the pair has a reference and the other not.
    /// The answer stays open then.
    pub fn end(&mut self, reference_logps: Option<f32>) -> Result<Option<Scored>, Error> {
        let side = self.open.ok_or(Error::OutOfOrder { call: "end", requirement: "begin comes first" })?;
        if self.sequence.tokens() == 0 {
            return Err(Error::EmptySequence { sequence: usize::from(side == Side::Rejected) });
        }
        let answer = self.sequence.finish(self.mean, reference_logps)?;
        let Some(other) = self.waiting else {
            self.waiting = Some(answer);
            self.waiting_side = side;
            self.open = None;
            return Ok(None);
        };
        let (chosen, rejected) = if side == Side::Chosen { (answer, other) } else { (other, answer) };
        let reference = match (chosen.reference, rejected.reference) {
            (Some(chosen), Some(rejected)) => Some((chosen.logps, rejected.logps)),
            (None, None) => None,
            _ => {
                return Err(Error::OutOfOrder {
                    call: "end",
                    requirement: "both answers of a pair have a reference, or neither",
                });
            }
        };
        let (pair, counts) = score(&self.loss, chosen.logps, rejected.logps, reference);
        self.waiting = None;
        self.open = None;
        Ok(Some(Scored { pair, chosen, rejected, counts }))
    }

    /// Gives up the open answer and the one that waits, if there are any.
    pub fn abandon(&mut self) {
        self.open = None;
        self.waiting = None;
    }

    /// The loss.
    pub const fn loss(&self) -> &L {
        &self.loss
    }

    fn takes(&self, call: &'static str, reference_logp: Option<f32>) -> Result<(), Error> {
        if self.open.is_none() {
            return Err(Error::OutOfOrder { call, requirement: "begin comes first" });
        }
        self.sequence.takes(reference_logp.is_some())
    }
}
