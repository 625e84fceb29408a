//! From tokens to pairs of answers, and the whole step.

use super::arguments::{Arguments, read};
use super::failure::{Failure, Outcome, constants, flag, preflane_error, report};
use super::losses::preflane_loss;
use super::metrics::sound_metrics;
use super::pairs::{reference, reference_slices};
use super::run::preflane_run;
use super::views::{
    TargetArguments, logits_output, preflane_dtype, preflane_dtype::*, preflane_logits_mut, preflane_rows,
    preflane_scaling, preflane_targets,
};
use crate::Metrics;
use crate::logits::{
    Element, Layout, LogSumExp, LogitsMut, Reduction, Sequences, Step, StepBuffers, StepOutputs, TokenCounts,
};
use half::{bf16, f16};
use preflane_layout::*;
use preflane_reduction::*;

/// How a batch holds the two answers of each pair.
#[repr(i32)]
pub enum preflane_layout {
    /// All chosen answers, then all rejected ones in the same order: TRL, OpenRLHF, LLaMA-Factory.
    PREFLANE_LAYOUT_CHOSEN_FIRST = 1,
    /// Chosen, rejected, chosen, rejected.
    PREFLANE_LAYOUT_INTERLEAVED = 2,
}

/// How the log-probabilities of an answer's tokens become one number.
#[repr(i32)]
pub enum preflane_reduction {
    /// Their sum: DPO's definition.
    PREFLANE_REDUCE_SUM = 1,
    /// Their mean over the tokens that count.
    PREFLANE_REDUCE_MEAN = 2,
    /// LD-DPO (arXiv 2409.06411): the sum over as many tokens as the shorter answer of the pair has, plus alpha times the sum of the
    /// rest.
    PREFLANE_REDUCE_LENGTH_DESENSITIZED = 3,
}

constants!(preflane_layout, "layout", "a preflane_layout: 1 or 2", PREFLANE_LAYOUT_CHOSEN_FIRST PREFLANE_LAYOUT_INTERLEAVED);
constants!(
    preflane_reduction, "reduction", "a preflane_reduction: 1 to 3",
    PREFLANE_REDUCE_SUM PREFLANE_REDUCE_MEAN PREFLANE_REDUCE_LENGTH_DESENSITIZED
);

/// Pairs of answers in token rows: [2 * pairs, tokens].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_sequences {
    /// One target a row.
    pub targets: preflane_targets,
    /// Rows of an answer, masked ones included. If the targets are shifted, by as many.
    pub tokens: usize,
    /// From 0 to 1, for PREFLANE_REDUCE_LENGTH_DESENSITIZED; 0 for the others.
    pub alpha: f64,
    /// A preflane_layout.
    pub layout: i32,
    /// A preflane_reduction.
    pub reduction: i32,
}

impl preflane_sequences {
    /// The pairs that it would have if its targets were whole ones.
    fn pairs(&self) -> usize {
        self.targets.length.checked_div(self.tokens).unwrap_or(0) / 2
    }

    fn how(&self) -> Result<(Layout, Reduction), Failure> {
        let layout = match preflane_layout::of(self.layout)? {
            PREFLANE_LAYOUT_CHOSEN_FIRST => Layout::ChosenFirst,
            PREFLANE_LAYOUT_INTERLEAVED => Layout::Interleaved,
        };
        let (alpha, reduction) = (self.alpha, preflane_reduction::of(self.reduction)?);
        if !matches!(reduction, PREFLANE_REDUCE_LENGTH_DESENSITIZED) && alpha != 0.0 {
            let requirement = "0: this reduction has no alpha";
            return Err(crate::Error::Parameter { name: "alpha", value: alpha, requirement }.into());
        }
        let reduction = match reduction {
            PREFLANE_REDUCE_SUM => Reduction::Sum,
            PREFLANE_REDUCE_MEAN => Reduction::Mean,
            PREFLANE_REDUCE_LENGTH_DESENSITIZED => Reduction::LengthDesensitized { alpha },
        };
        Ok((layout, reduction))
    }
}

/// Log-probabilities of the answers, one a pair, from those of the tokens: sums are exact and rounded once, means correctly rounded,
/// LD-DPO's within 0.501 ULP.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, EMPTY_SEQUENCE (with the sequence); nothing is written then.
///
/// # Safety
/// `sequences` points to its struct, `token_logps` to a float for each target, `chosen_logps` and `rejected_logps` to a float for
/// each pair; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_sequence_logps(
    sequences: *const preflane_sequences,
    token_logps: *const f32,
    chosen_logps: *mut f32,
    rejected_logps: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let given = unsafe { read("sequences", sequences) }?;
        let (layout, reduction) = given.how()?;
        let mut arguments = Arguments::new();
        let targets = TargetArguments::new(&mut arguments, given.targets)?;
        let tokens = arguments.input("token_logps", token_logps, given.targets.length);
        let chosen = arguments.output("chosen_logps", chosen_logps, given.pairs());
        let rejected = arguments.output("rejected_logps", rejected_logps, given.pairs());
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = Sequences::new(targets.slices(&checked)?, given.tokens, layout, reduction)?;
            sequences.logps(tokens.slice(&checked), chosen.slice(&checked), rejected.slice(&checked))?;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The derivatives by the tokens' log-probabilities from those by the answers', times `scale` (1 / pairs for the mean loss, or this
/// batch's share of an accumulated one; 0 where a host's own rule gives this loss no part): the grad_logps of preflane_logits_grad. 0
/// for masked tokens.
///
/// Errors: as preflane_sequence_logps.
///
/// # Safety
/// As preflane_sequence_logps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_token_grads(
    sequences: *const preflane_sequences,
    grad_chosen_logps: *const f32,
    grad_rejected_logps: *const f32,
    scale: f64,
    token_grads: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let given = unsafe { read("sequences", sequences) }?;
        let (layout, reduction) = given.how()?;
        let mut arguments = Arguments::new();
        let targets = TargetArguments::new(&mut arguments, given.targets)?;
        let chosen = arguments.input("grad_chosen_logps", grad_chosen_logps, given.pairs());
        let rejected = arguments.input("grad_rejected_logps", grad_rejected_logps, given.pairs());
        let grads = arguments.output("token_grads", token_grads, given.targets.length);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = Sequences::new(targets.slices(&checked)?, given.tokens, layout, reduction)?;
            sequences.token_grads(chosen.slice(&checked), rejected.slice(&checked), scale, grads.slice(&checked))?;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// What a training step computes with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_step {
    /// The loss of a pair.
    pub loss: preflane_loss,
    /// Which rows make up which answers.
    pub sequences: preflane_sequences,
    /// What happens to a logit before the softmax; null: nothing.
    pub scaling: *const preflane_scaling,
    /// The reference model's log-probabilities of the chosen answers, one a pair, reduced in the same way.
    pub ref_chosen_logps: *const f32,
    /// Of the rejected answers.
    pub ref_rejected_logps: *const f32,
    /// Weights of the pairs; null: all are 1.
    pub weights: *const f32,
    /// Multiplies the gradient: 1 / pairs for the mean loss, or this batch's share of an accumulated one. Finite and not 0, which a
    /// struct of zeros has and by which nothing would be trained; a negative one climbs the loss.
    pub grad_scale: f64,
    /// 1: there is no reference model, and its two pointers are null. 0: there is one.
    pub reference_free: i32,
    /// 1 sets what lies between the columns and the stride to 0, in the last row too, for a host whose backward pass goes over all of
    /// a row. 0 leaves it alone: it then is no gradient.
    pub zero_padding: i32,
}

/// Memory of a step, the caller's: 24 bytes a row and 16 a pair. All of it is overwritten and may be read afterwards.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_step_buffers {
    /// Tokens' log-probabilities, one a row; 0 for masked ones.
    pub token_logps: *mut f32,
    /// One a row.
    pub log_sum_exps: *mut LogSumExp,
    /// The derivatives by token_logps, one a row.
    pub token_grads: *mut f32,
    /// The chosen answers' log-probabilities, one a pair.
    pub chosen_logps: *mut f32,
    /// The rejected answers', one a pair.
    pub rejected_logps: *mut f32,
    /// The derivatives by chosen_logps, without grad_scale.
    pub grad_chosen_logps: *mut f32,
    /// By rejected_logps.
    pub grad_rejected_logps: *mut f32,
}

/// Results of a step, one a pair each; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_step_outputs {
    /// Loss, times the weight.
    pub losses: *mut f32,
    /// Implicit rewards of the chosen answers.
    pub chosen_rewards: *mut f32,
    /// Of the rejected answers.
    pub rejected_rewards: *mut f32,
    /// Their differences.
    pub margins: *mut f32,
}

/// A whole step: logits of a batch of pairs to losses, metrics and, in the place of the logits, dlogits, in two passes over them. Rows
/// of masked tokens become 0. `outputs`, `metrics` and `counts` may be null.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, WEIGHT, TARGET (with the row), EMPTY_SEQUENCE, LEVEL, THREADS; nothing is written
/// then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_run(
    run: preflane_run,
    step: *const preflane_step,
    logits: *const preflane_logits_mut,
    buffers: *const preflane_step_buffers,
    outputs: *const preflane_step_outputs,
    metrics: *mut Metrics,
    counts: *mut TokenCounts,
    error: *mut preflane_error,
) -> i32 {
    const NONE: preflane_step_outputs = preflane_step_outputs {
        losses: core::ptr::null_mut(),
        chosen_rewards: core::ptr::null_mut(),
        rejected_rewards: core::ptr::null_mut(),
        margins: core::ptr::null_mut(),
    };
    let body = || {
        // SAFETY: as the function's own.
        let call = unsafe {
            StepCall {
                run,
                step: read("step", step)?,
                logits: read("logits", logits)?,
                buffers: read("buffers", buffers)?,
                outputs: if outputs.is_null() { NONE } else { read("outputs", outputs)? },
                metrics,
                counts,
            }
        };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(call.logits.dtype)? {
                PREFLANE_F32 => call.run::<f32>(),
                PREFLANE_BF16 => call.run::<bf16>(),
                PREFLANE_F16 => call.run::<f16>(),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

struct StepCall {
    run: preflane_run,
    step: preflane_step,
    logits: preflane_logits_mut,
    buffers: preflane_step_buffers,
    outputs: preflane_step_outputs,
    metrics: *mut Metrics,
    counts: *mut TokenCounts,
}

impl StepCall {
    /// # Safety
    /// As [`preflane_step_run`].
    unsafe fn run<T: Element>(self) -> Outcome {
        let Self { run, step, logits, buffers, outputs, metrics, counts } = self;
        let run = run.check()?;
        let loss = step.loss.of_pairs()?;
        let (layout, reduction) = step.sequences.how()?;
        let zero_padding = flag("zero_padding", step.zero_padding)?;
        // SAFETY: the caller's.
        let scaling = unsafe { preflane_scaling::checked(step.scaling) }?;
        let (rows, pairs) = (logits.rows, step.sequences.pairs());
        crate::error::check_length("targets", rows, step.sequences.targets.length)?;

        let mut arguments = Arguments::new();
        let data = logits_output::<T>(&mut arguments, "logits", logits, preflane_rows::ALL.of(rows)?, zero_padding)?;
        let targets = TargetArguments::new(&mut arguments, step.sequences.targets)?;
        let reference =
            reference(&mut arguments, step.reference_free, step.ref_chosen_logps, step.ref_rejected_logps, pairs)?;
        let weights = arguments.input_if("weights", step.weights, pairs);
        let token_logps = arguments.output("token_logps", buffers.token_logps, rows);
        let log_sum_exps = arguments.output("log_sum_exps", buffers.log_sum_exps, rows);
        let token_grads = arguments.output("token_grads", buffers.token_grads, rows);
        let chosen_logps = arguments.output("chosen_logps", buffers.chosen_logps, pairs);
        let rejected_logps = arguments.output("rejected_logps", buffers.rejected_logps, pairs);
        let grad_chosen = arguments.output("grad_chosen_logps", buffers.grad_chosen_logps, pairs);
        let grad_rejected = arguments.output("grad_rejected_logps", buffers.grad_rejected_logps, pairs);
        let losses = arguments.output_if("losses", outputs.losses, pairs);
        let chosen_rewards = arguments.output_if("chosen_rewards", outputs.chosen_rewards, pairs);
        let rejected_rewards = arguments.output_if("rejected_rewards", outputs.rejected_rewards, pairs);
        let margins = arguments.output_if("margins", outputs.margins, pairs);
        let metrics = arguments.output_if("metrics", metrics, 1);
        let counts = arguments.output_if("counts", counts, 1);
        let checked = arguments.check()?;

        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = Sequences::new(targets.slices(&checked)?, step.sequences.tokens, layout, reduction)?;
            let step = Step {
                loss,
                scaling,
                sequences,
                reference: reference_slices(reference, &checked),
                weights: weights.slice_if(&checked),
                grad_scale: step.grad_scale,
                zero_padding,
            };
            let logits = LogitsMut::<T>::with_stride(data.slice(&checked), rows, logits.columns, logits.stride)?;
            let buffers = StepBuffers {
                token_logps: token_logps.slice(&checked),
                log_sum_exps: log_sum_exps.slice(&checked),
                token_grads: token_grads.slice(&checked),
                chosen_logps: chosen_logps.slice(&checked),
                rejected_logps: rejected_logps.slice(&checked),
                grad_chosen_logps: grad_chosen.slice(&checked),
                grad_rejected_logps: grad_rejected.slice(&checked),
            };
            let outputs = StepOutputs {
                losses: losses.slice_if(&checked),
                chosen_rewards: chosen_rewards.slice_if(&checked),
                rejected_rewards: rejected_rewards.slice_if(&checked),
                margins: margins.slice_if(&checked),
            };
            let metrics = metrics.slice_if(&checked).and_then(|metrics| metrics.first_mut());
            metrics.as_deref().map_or(Ok(()), |metrics| sound_metrics("metrics", metrics))?;
            let found = run.step(&step, logits, buffers, outputs, metrics)?;
            counts.slice_if(&checked).unwrap_or_default().fill(found);
        }
        Ok(())
    }
}
