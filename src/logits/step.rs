//! A whole step: logits of a batch of pairs in, loss, metrics and the logits' gradient out, in two passes over the logits.

use super::backward::{self, Gradient, Seeds};
use super::forward::{self, TokenCounts, TokenOutputs};
use super::sequences::Sequences;
use super::{Element, LogSumExp, LogitsMut, Scaling};
use crate::PairLoss;
use crate::error::check_length;
use crate::evaluate::evaluate_checked;
use crate::lanes::Backend;
use crate::pairs::{self, Outputs, Pairs, Reference};
use crate::run::tasks;
use crate::{Error, Metrics, Run};

/// What a step computes with.
///
/// [`Trainer`](crate::Trainer) does the same in memory of its own.
///
/// ```
/// use preflane::logits::*;
/// use preflane::{Loss, Run};
///
/// // One pair of a token each over a vocabulary of two.
/// let mut logits = [0.5_f32, 0.5, 0.5, 0.5];
/// let targets = Targets::new(Labels::I32(&[0, 1]));
/// let step = Step {
///     loss: Loss::dpo(0.1)?,
///     scaling: Scaling::NONE,
///     sequences: Sequences::new(targets, 1, Layout::ChosenFirst, Reduction::Sum)?,
///     reference: None,
///     weights: None,
///     column: None,
///     grad_scale: 1.0,
///     zero_padding: false,
/// };
/// let (mut sums, [mut by_token, mut token_grads]) = ([LogSumExp::default(); 2], [[0.0; 2]; 2]);
/// let [mut chosen, mut rejected, mut by_chosen, mut by_rejected, mut losses] = [[0.0]; 5];
/// let buffers = StepBuffers {
///     token_logps: &mut by_token,
///     log_sum_exps: &mut sums,
///     token_grads: &mut token_grads,
///     chosen_logps: &mut chosen,
///     rejected_logps: &mut rejected,
///     grad_chosen_logps: &mut by_chosen,
///     grad_rejected_logps: &mut by_rejected,
/// };
/// let outputs = StepOutputs { losses: Some(&mut losses), ..Default::default() };
/// Run::default().step(&step, LogitsMut::new(&mut logits, 2, 2)?, buffers, outputs, None)?;
/// assert_eq!(losses, [core::f32::consts::LN_2]);
/// assert_eq!(logits, [-0.025, 0.025, -0.025, 0.025]);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, L> {
    /// The loss of a pair.
    pub loss: L,
    /// What happens to a logit before the softmax.
    pub scaling: Scaling,
    /// Which rows make up which answers.
    pub sequences: Sequences<'a>,
    /// The reference model's log-probabilities of the answers, one a pair, reduced in the same way.
    pub reference: Option<Reference<'a>>,
    /// Weights of the pairs.
    pub weights: Option<&'a [f32]>,
    /// What the loss takes beside log-probabilities, one a pair, if it does.
    pub column: Option<&'a [f32]>,
    /// Multiplies the gradient: 1 / pairs for the mean loss, or the share of this batch in an accumulated one. Finite and not 0, by
    /// which nothing would be trained; a negative one climbs the loss.
    pub grad_scale: f64,
    /// Sets the padding beyond the columns to 0, for a host whose backward pass goes over all of a row; else it keeps what stood
    /// there, which is no gradient.
    pub zero_padding: bool,
}

/// Memory of a step, the caller's: 24 bytes a row and 16 a pair. All of it is overwritten and may be read afterwards.
#[derive(Debug)]
pub struct StepBuffers<'a> {
    /// Tokens' log-probabilities, one a row; 0 for masked ones.
    pub token_logps: &'a mut [f32],
    /// The rows' log-sum-exps, one a row.
    pub log_sum_exps: &'a mut [LogSumExp],
    /// The derivatives by `token_logps`.
    pub token_grads: &'a mut [f32],
    /// The chosen answers' log-probabilities, one a pair.
    pub chosen_logps: &'a mut [f32],
    /// The rejected answers' log-probabilities, one a pair.
    pub rejected_logps: &'a mut [f32],
    /// The derivatives by `chosen_logps`, without `grad_scale`.
    pub grad_chosen_logps: &'a mut [f32],
    /// The derivatives by `rejected_logps`, without `grad_scale`.
    pub grad_rejected_logps: &'a mut [f32],
}

/// Results of a pair, each one a pair; any may be left out.
#[derive(Debug, Default)]
pub struct StepOutputs<'a> {
    /// Loss, times the weight.
    pub losses: Option<&'a mut [f32]>,
    /// Implicit rewards of the chosen answers.
    pub chosen_rewards: Option<&'a mut [f32]>,
    /// Implicit rewards of the rejected answers.
    pub rejected_rewards: Option<&'a mut [f32]>,
    /// The exact differences of the two rewards, rounded once.
    pub margins: Option<&'a mut [f32]>,
}

impl Run {
    /// A whole step. The logits are replaced by the loss's gradient; rows of masked tokens become 0.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Target`], [`Error::Weight`], [`Error::Parameter`] and [`Error::Threads`], before anything is
    /// written.
    pub fn step<T: Element, L: PairLoss>(
        self,
        step: &Step<'_, L>,
        logits: LogitsMut<'_, T>,
        mut buffers: StepBuffers<'_>,
        mut outputs: StepOutputs<'_>,
        metrics: Option<&mut Metrics>,
    ) -> Result<TokenCounts, Error> {
        step.check(&logits, &mut buffers, &mut outputs)?;
        self.job(tasks(logits.rows(), logits.columns()), |split| {
            step.run(self.backend(), split, logits, buffers, outputs, metrics)
        })?
    }
}

impl<L: PairLoss> Step<'_, L> {
    /// All that is checked before anything is written.
    fn check<T: Element>(
        &self,
        logits: &LogitsMut<'_, T>,
        buffers: &mut StepBuffers<'_>,
        outputs: &mut StepOutputs<'_>,
    ) -> Result<(), Error> {
        let (rows, pairs) = (logits.rows(), self.sequences.pairs());
        self.sequences.targets().check(rows, logits.columns())?;
        check_length("token_logps", rows, buffers.token_logps.len())?;
        check_length("log_sum_exps", rows, buffers.log_sum_exps.len())?;
        check_length("token_grads", rows, buffers.token_grads.len())?;
        check_length("chosen_logps", pairs, buffers.chosen_logps.len())?;
        check_length("rejected_logps", pairs, buffers.rejected_logps.len())?;
        check_grad_scale(self.grad_scale)?;
        // Lengths and weights are known before the log-probabilities are.
        let StepBuffers { chosen_logps, rejected_logps, grad_chosen_logps, grad_rejected_logps, .. } = buffers;
        let outputs = outputs.with_grads(grad_chosen_logps, grad_rejected_logps);
        pairs::check(self.pairs(chosen_logps, rejected_logps), self.loss.column(), outputs).map(drop)
    }

    fn pairs<'a>(&'a self, policy_chosen_logps: &'a [f32], policy_rejected_logps: &'a [f32]) -> Pairs<'a> {
        let Self { reference, weights, column, .. } = *self;
        Pairs { policy_chosen_logps, policy_rejected_logps, reference, weights, column }
    }

    /// The step, of arguments that were checked.
    fn run<T: Element>(
        &self,
        backend: Backend,
        split: bool,
        logits: LogitsMut<'_, T>,
        buffers: StepBuffers<'_>,
        mut outputs: StepOutputs<'_>,
        metrics: Option<&mut Metrics>,
    ) -> Result<TokenCounts, Error> {
        let Self { ref loss, ref scaling, sequences, grad_scale, zero_padding, .. } = *self;
        let StepBuffers {
            token_logps,
            log_sum_exps,
            token_grads,
            chosen_logps,
            rejected_logps,
            grad_chosen_logps,
            grad_rejected_logps,
        } = buffers;
        let targets = sequences.targets();
        let tokens = TokenOutputs {
            logps: Some(&mut *token_logps),
            log_sum_exps: Some(&mut *log_sum_exps),
            ..Default::default()
        };
        let counts = forward::token_logps(backend, split, logits.view(), targets, scaling, tokens);
        sequences.logps(token_logps, chosen_logps, rejected_logps)?;
        let pairs = self.pairs(chosen_logps, rejected_logps);
        let mut outputs =
            pairs::check(pairs, loss.column(), outputs.with_grads(grad_chosen_logps, grad_rejected_logps))?;
        evaluate_checked(backend, loss, pairs, &mut outputs, metrics);
        sequences.token_grads(grad_chosen_logps, grad_rejected_logps, grad_scale, token_grads)?;
        let (seeds, how) =
            (Seeds { log_sum_exps, grad_logps: token_grads }, Gradient { accumulate: false, zero_padding });
        backward::grads::<T, T>(backend, split, None, targets, scaling, seeds, how, logits);
        Ok(counts)
    }
}

pub(crate) fn check_grad_scale(grad_scale: f64) -> Result<(), Error> {
    if grad_scale.is_finite() && grad_scale != 0.0 {
        return Ok(());
    }
    let requirement = "finite and not 0: 1 / pairs for the mean loss";
    Err(Error::Parameter { name: "grad_scale", value: grad_scale, requirement })
}

impl StepOutputs<'_> {
    /// With those that the step itself needs.
    fn with_grads<'a>(&'a mut self, chosen: &'a mut [f32], rejected: &'a mut [f32]) -> Outputs<'a> {
        Outputs {
            losses: self.losses.as_deref_mut(),
            chosen_rewards: self.chosen_rewards.as_deref_mut(),
            rejected_rewards: self.rejected_rewards.as_deref_mut(),
            margins: self.margins.as_deref_mut(),
            grad_chosen_logps: Some(chosen),
            grad_rejected_logps: Some(rejected),
            ..Default::default()
        }
    }
}
