//! Pairs from a stream of tokens.

use super::sequence::{Answer, ReferenceAnswer, Sums, is_mean};
use crate::evaluate::{beside, score};
use crate::logits::{Element, LogSumExp, Reduction, Scaling};
use crate::pairs::{Counts, Pairs, RESULTS, Reference};
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
    /// Loss, rewards, margin and gradients: the bits of [`Run::evaluate`](crate::Run::evaluate) on the same log-probabilities.
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
            column: None,
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
///
/// ```
/// use preflane::Loss;
/// use preflane::streaming::{Evaluator, Side};
///
/// let mut evaluator = Evaluator::new(Loss::dpo(0.1)?);
/// evaluator.begin(Side::Chosen)?;
/// evaluator.token(-1.5, None)?;
/// assert!(evaluator.end(Some(-2.0))?.is_none());
/// evaluator.begin(Side::Rejected)?;
/// evaluator.token(-3.0, None)?;
/// let scored = evaluator.end(Some(-2.5))?;
/// assert_eq!(scored.map(|scored| scored.pair.margin), Some(0.1));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluator<L> {
    loss: L,
    /// The sums of the open answer; the next two are of it too.
    sums: Sums,
    tokens: u32,
    /// Whether its tokens came with a reference.
    referenced: bool,
    /// Whether an answer's log-probability is the mean over its tokens.
    mean: bool,
    stage: Stage,
    /// The pair's first answer, once it has ended.
    first: Answer,
}

/// Where in a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Before the first answer.
    Before,
    /// In it.
    First(Side),
    /// After it; the side is its own.
    Between(Side),
    /// In the second one.
    Second(Side),
}

impl<L: PairLoss> Evaluator<L> {
    /// An answer's log-probability is the sum over its tokens.
    pub const fn new(loss: L) -> Self {
        let first = Answer { tokens: 0, logps: 0.0, reference: None };
        let sums = Sums::EMPTY;
        Self { loss, sums, tokens: 0, referenced: false, mean: false, stage: Stage::Before, first }
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
        let refuse = |requirement| Err(Error::OutOfOrder { call: "begin", requirement });
        self.stage = match self.stage {
            Stage::Before => Stage::First(side),
            Stage::Between(first) if first != side => Stage::Second(side),
            Stage::Between(_) => return refuse("a pair has one chosen and one rejected answer"),
            Stage::First(_) | Stage::Second(_) => return refuse("the open answer ends first"),
        };
        self.sums = Sums::EMPTY;
        self.tokens = 0;
        Ok(())
    }

    /// One token's log-probability in nats, and the reference's if that comes token by token.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if no answer is open, or some tokens have a reference and some have not;
    /// [`Error::Full`] after 2^32 - 1 tokens.
    pub fn token(&mut self, policy_logp: f32, reference_logp: Option<f32>) -> Result<(), Error> {
        self.check("token", reference_logp)?;
        self.add(policy_logp, reference_logp);
        Ok(())
    }

    /// One token by its row of logits and its column there: the bits of [`Run::token_logps`](crate::Run::token_logps).
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
        self.check("logits", reference_logp)?;
        let logit =
            row.get(target).ok_or(Error::Target { row: 0, label: target as i64, columns: row.len() })?.widened();
        let logp = LogSumExp::of(Backend::SCALAR, row, scaling).logp(logit, scaling);
        self.add(logp, reference_logp);
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
        let refuse = |requirement| Err(Error::OutOfOrder { call: "end", requirement });
        let (Stage::First(side) | Stage::Second(side)) = self.stage else { return refuse("begin comes first") };
        if self.tokens == 0 {
            return Err(Error::EmptySequence { sequence: usize::from(side == Side::Rejected) });
        }
        if self.referenced && reference_logps.is_some() {
            return refuse("a reference comes with the tokens or with the end, not with both");
        }
        let complete = self.stage == Stage::Second(side);
        if complete && self.first.reference.is_some() != (self.referenced || reference_logps.is_some()) {
            return refuse("both answers of a pair have a reference, or neither");
        }
        let mut answer = self.sums.answer(self.tokens, self.mean);
        answer.reference = if self.referenced {
            Some(self.sums.reference(self.tokens, self.mean))
        } else {
            reference_logps.map(|logps| ReferenceAnswer { logps, drift: None })
        };
        if !complete {
            self.first = answer;
            self.stage = Stage::Between(side);
            return Ok(None);
        }
        self.stage = Stage::Before;
        let [chosen, rejected] = if side == Side::Chosen { [&answer, &self.first] } else { [&self.first, &answer] };
        scored(&self.loss, chosen, rejected)
    }

    /// Gives up the pair in the making, if there is one.
    pub fn abandon(&mut self) {
        self.stage = Stage::Before;
    }

    /// The loss.
    pub const fn loss(&self) -> &L {
        &self.loss
    }

    /// That the open answer takes a token with such a reference.
    fn check(&self, call: &'static str, reference_logp: Option<f32>) -> Result<(), Error> {
        if matches!(self.stage, Stage::Before | Stage::Between(_)) {
            return Err(Error::OutOfOrder { call, requirement: "begin comes first" });
        }
        if self.tokens == u32::MAX {
            return Err(Error::Full { what: "the sequence", capacity: u32::MAX as usize });
        }
        if self.tokens > 0 && self.referenced != reference_logp.is_some() {
            let requirement = "all tokens of a sequence come with a reference, or none";
            return Err(Error::OutOfOrder { call, requirement });
        }
        Ok(())
    }

    fn add(&mut self, policy_logp: f32, reference_logp: Option<f32>) {
        self.tokens += 1;
        self.referenced = reference_logp.is_some();
        self.sums.add(policy_logp, reference_logp);
    }
}

/// What an evaluator holds but for its loss, as plain data: for C, from where any bits may come back.
#[cfg(feature = "capi")]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct EvaluatorState {
    sums: super::sequence::SumsState,
    tokens: u32,
    stage: u32,
    flags: u32,
    first_tokens: u32,
    /// Log-probability, the reference's, k1 and k3 of the first answer.
    first: [f32; 4],
}

#[cfg(feature = "capi")]
mod state {
    use super::*;
    use crate::Loss;
    use crate::streaming::{Drift, ReferenceAnswer};

    const STAGES: [Stage; 7] = [
        Stage::Before,
        Stage::First(Side::Chosen),
        Stage::First(Side::Rejected),
        Stage::Between(Side::Chosen),
        Stage::Between(Side::Rejected),
        Stage::Second(Side::Chosen),
        Stage::Second(Side::Rejected),
    ];
    const REFERENCED: u32 = 1;
    const MEAN: u32 = 2;
    const FIRST_REFERENCED: u32 = 4;
    const FIRST_DRIFT: u32 = 8;

    impl Evaluator<Loss> {
        /// As plain data.
        pub(crate) fn state(&self) -> EvaluatorState {
            let Self { sums, tokens, referenced, mean, stage, first, .. } = *self;
            let flag = |set: bool, flag: u32| if set { flag } else { 0 };
            let drift = first.reference.and_then(|reference| reference.drift);
            let Drift { k1, k3 } = drift.unwrap_or(Drift { k1: 0.0, k3: 0.0 });
            EvaluatorState {
                sums: sums.state(),
                tokens,
                stage: STAGES.iter().position(|&x| x == stage).unwrap_or(0) as u32,
                flags: flag(referenced, REFERENCED)
                    | flag(mean, MEAN)
                    | flag(first.reference.is_some(), FIRST_REFERENCED)
                    | flag(drift.is_some(), FIRST_DRIFT),
                first_tokens: first.tokens,
                first: [first.logps, first.reference.map_or(0.0, |reference| reference.logps), k1, k3],
            }
        }

        /// From plain data, if it is some evaluator's.
        pub(crate) fn restored(loss: Loss, state: &EvaluatorState) -> Option<Self> {
            let EvaluatorState { sums, tokens, stage, flags, first_tokens, first: [logps, ref_logps, k1, k3] } = *state;
            let is = |flag: u32| flags & flag != 0;
            let sound = flags < 16 && (is(FIRST_REFERENCED) || !is(FIRST_DRIFT));
            let drift = is(FIRST_DRIFT).then_some(Drift { k1, k3 });
            let reference = is(FIRST_REFERENCED).then_some(ReferenceAnswer { logps: ref_logps, drift });
            let stage = *STAGES.get(stage as usize)?;
            let sums = Sums::restored(&sums)?;
            let first = Answer { tokens: first_tokens, logps, reference };
            sound.then_some(Self { loss, sums, tokens, referenced: is(REFERENCED), mean: is(MEAN), stage, first })
        }
    }
}

/// The result of a pair. On its own for its stack, as the next, and typed as what it becomes.
#[inline(never)]
fn scored<L: PairLoss>(loss: &L, chosen: &Answer, rejected: &Answer) -> Result<Option<Scored>, Error> {
    let reference = |answer: &Answer| answer.reference.map_or(0.0, |reference| reference.logps);
    let inputs = [chosen.logps, rejected.logps, reference(chosen), reference(rejected)];
    let (mut results, mut counts) = ([0.0; RESULTS], Counts::default());
    score(loss, &inputs, beside(loss), &mut results, &mut counts);
    assembled(&results, chosen, rejected, &counts)
}

#[inline(never)]
fn assembled(
    results: &[f32; RESULTS],
    &chosen: &Answer,
    &rejected: &Answer,
    &counts: &Counts,
) -> Result<Option<Scored>, Error> {
    Ok(Some(Scored { pair: Pair::new(results), chosen, rejected, counts }))
}
