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
use crate::{Error, Metrics};

/// What a step computes with.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, L> {
    /// Instruction-set level.
    pub backend: Backend,
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
    /// Multiplies the gradient: 1 / pairs for the mean loss, or the share of this batch in an accumulated one. Finite and not 0, by
    /// which nothing would be trained; a negative one climbs the loss.
    pub grad_scale: f64,
    /// Sets the padding beyond the columns to 0, for a host whose backward pass goes over all of a row; else it keeps what stood
    /// there, which is no gradient.
    pub zero_padding: bool,
}

impl<L> Step<'_, L> {
    /// How the gradient is written.
    pub(crate) fn gradient(&self) -> Gradient {
        Gradient { accumulate: false, zero_padding: self.zero_padding }
    }
}

/// Memory of a step, the caller's: 24 bytes a row and 16 a pair. All of it is overwritten and may be read afterwards.
#[derive(Debug)]
pub struct StepBuffers<'a> {
    /// Tokens' log-probabilities, one a row; 0 for masked ones.
    pub token_logps: &'a mut [f32],
    /// One a row.
    pub log_sum_exps: &'a mut [LogSumExp],
    /// The derivatives by `token_logps`.
    pub token_grads: &'a mut [f32],
    /// The chosen answers' log-probabilities, one a pair.
    pub chosen_logps: &'a mut [f32],
    /// The rejected answers'.
    pub rejected_logps: &'a mut [f32],
    /// The derivatives by `chosen_logps`, without `grad_scale`.
    pub grad_chosen_logps: &'a mut [f32],
    /// By `rejected_logps`.
    pub grad_rejected_logps: &'a mut [f32],
}

/// Results of a pair, each one a pair; any may be left out.
#[derive(Debug, Default)]
pub struct StepOutputs<'a> {
    /// Loss, times the weight.
    pub losses: Option<&'a mut [f32]>,
    /// Implicit rewards of the chosen answers.
    pub chosen_rewards: Option<&'a mut [f32]>,
    /// Of the rejected answers.
    pub rejected_rewards: Option<&'a mut [f32]>,
    /// Their differences.
    pub margins: Option<&'a mut [f32]>,
}

impl<L: PairLoss> Step<'_, L> {
    /// Runs it on the calling thread. The logits are replaced by the loss's gradient; rows of masked tokens become 0.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Target`], [`Error::Weight`] and [`Error::Parameter`], before anything is written.
    pub fn run<T: Element>(
        &self,
        logits: LogitsMut<'_, T>,
        buffers: StepBuffers<'_>,
        outputs: StepOutputs<'_>,
        metrics: Option<&mut Metrics>,
    ) -> Result<TokenCounts, Error> {
        self.run_by(logits, buffers, outputs, metrics, forward::token_logps_checked, |logits, seeds| {
            let (targets, how) = (self.sequences.targets(), self.gradient());
            backward::grads::<T, T>(self.backend, None, targets, &self.scaling, seeds, how, logits);
        })
    }

    /// With the two passes over the logits as given.
    pub(crate) fn run_by<T: Element>(
        &self,
        logits: LogitsMut<'_, T>,
        buffers: StepBuffers<'_>,
        outputs: StepOutputs<'_>,
        metrics: Option<&mut Metrics>,
        forward: impl Fn(Backend, super::Logits<'_, T>, super::Targets<'_>, &Scaling, TokenOutputs<'_>) -> TokenCounts,
        backward: impl Fn(LogitsMut<'_, T>, Seeds<'_>),
    ) -> Result<TokenCounts, Error> {
        let Self { backend, ref loss, ref scaling, sequences, reference, weights, grad_scale, .. } = *self;
        let StepBuffers {
            token_logps,
            log_sum_exps,
            token_grads,
            chosen_logps,
            rejected_logps,
            grad_chosen_logps,
            grad_rejected_logps,
        } = buffers;
        let (rows, pairs) = (logits.rows(), sequences.pairs());
        sequences.targets().check(rows, logits.columns())?;
        check_length("token_logps", rows, token_logps.len())?;
        check_length("log_sum_exps", rows, log_sum_exps.len())?;
        check_length("token_grads", rows, token_grads.len())?;
        check_length("chosen_logps", pairs, chosen_logps.len())?;
        check_length("rejected_logps", pairs, rejected_logps.len())?;
        if !grad_scale.is_finite() || grad_scale == 0.0 {
            let requirement = "finite and not 0: 1 / pairs for the mean loss";
            return Err(Error::Parameter { name: "grad_scale", value: grad_scale, requirement });
        }
        let outputs = Outputs {
            losses: outputs.losses,
            chosen_rewards: outputs.chosen_rewards,
            rejected_rewards: outputs.rejected_rewards,
            margins: outputs.margins,
            grad_chosen_logps: Some(&mut *grad_chosen_logps),
            grad_rejected_logps: Some(&mut *grad_rejected_logps),
            ..Default::default()
        };
        // Lengths and weights are checked before the log-probabilities are known.
        let unknown =
            Pairs { policy_chosen_logps: chosen_logps, policy_rejected_logps: rejected_logps, reference, weights };
        let mut outputs = pairs::check(unknown, outputs)?;

        let tokens = TokenOutputs {
            logps: Some(&mut *token_logps),
            log_sum_exps: Some(&mut *log_sum_exps),
            ..Default::default()
        };
        let counts = forward(backend, logits.view(), sequences.targets(), scaling, tokens);
        sequences.logps(token_logps, chosen_logps, rejected_logps)?;
        let known =
            Pairs { policy_chosen_logps: chosen_logps, policy_rejected_logps: rejected_logps, reference, weights };
        evaluate_checked(backend, loss, known, &mut outputs, metrics);
        sequences.token_grads(grad_chosen_logps, grad_rejected_logps, grad_scale, token_grads)?;
        backward(logits, Seeds { log_sum_exps, grad_logps: token_grads });
        Ok(counts)
    }
}
