//! The whole step, at once or in phases, and the memory that it needs.

use super::arguments::{Arguments, Checked, Input, Output, read};
use super::failure::{Failure, Outcome, flag, preflane_error, report, reserved};
use super::losses::preflane_loss;
use super::metrics::sound;
use super::pairs::{reference, reference_slices};
use super::run::preflane_run;
use super::sequences::preflane_sequences;
use super::views::{
    TargetArguments, logits_output, preflane_dtype, preflane_dtype::*, preflane_logits_mut, preflane_rows,
    preflane_scaling,
};
use crate::error::{check_column, check_length, check_weights};
use crate::logits::{
    Element, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Sequences, Step, StepBuffers, StepOutputs, TokenCounts,
    TokenOutputs, check_grad_scale,
};
use crate::{Error, Loss, Metrics, Outputs, Pairs, Run};
use core::ffi::c_void;
use half::{bf16, f16};

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
    /// The reference model's log-probabilities of the rejected answers, one a pair, reduced in the same way.
    pub ref_rejected_logps: *const f32,
    /// Weights of the pairs; null: all are 1.
    pub weights: *const f32,
    /// What the loss takes beside log-probabilities, one a pair: preflane_loss_description.column tells what it is. Null where it takes nothing.
    pub column: *const f32,
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
    /// The rows' log-sum-exps, one a row.
    pub log_sum_exps: *mut LogSumExp,
    /// The derivatives by token_logps, one a row.
    pub token_grads: *mut f32,
    /// The chosen answers' log-probabilities, one a pair.
    pub chosen_logps: *mut f32,
    /// The rejected answers' log-probabilities, one a pair.
    pub rejected_logps: *mut f32,
    /// The derivatives by chosen_logps, without grad_scale.
    pub grad_chosen_logps: *mut f32,
    /// The derivatives by rejected_logps, without grad_scale.
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
    /// Implicit rewards of the rejected answers.
    pub rejected_rewards: *mut f32,
    /// The exact differences of the two rewards, rounded once.
    pub margins: *mut f32,
}

/// Results of a step that leaves them all out.
const NO_OUTPUTS: preflane_step_outputs = preflane_step_outputs {
    losses: core::ptr::null_mut(),
    chosen_rewards: core::ptr::null_mut(),
    rejected_rewards: core::ptr::null_mut(),
    margins: core::ptr::null_mut(),
};

/// A whole step: logits of a batch of pairs to losses, metrics and, in the place of the logits, dlogits, in two passes over them. Rows
/// of masked tokens become 0. `outputs`, `metrics` and `counts` may be null.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, WEIGHT, COLUMN, TARGET (with the row), EMPTY_SEQUENCE, LEVEL, THREADS; nothing is written
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
    let body = || {
        // SAFETY: as the function's own.
        let (call, logits) = unsafe {
            let call = StepCall::new(run, step, buffers)?;
            (StepCall { outputs: outputs_at(outputs)?, metrics, counts, ..call }, read("logits", logits)?)
        };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(logits.dtype)? {
                PREFLANE_F32 => call.run::<f32>(logits),
                PREFLANE_BF16 => call.run::<bf16>(logits),
                PREFLANE_F16 => call.run::<f16>(logits),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The first phase of a step for a host that owns the threads: the log-probabilities of the tokens of some rows, and their
/// log-sum-exps, into `buffers`. `counts` (null: left out) gets how many of the rows had a target, were masked, or were not finite.
///
/// A step in phases gives the bits of preflane_step_run:
///
/// 1. preflane_step_forward on all rows, in any number of calls that may run at the same time on different rows;
/// 2. after all of them, preflane_step_pairs, once;
/// 3. after that, preflane_step_backward on all rows, in any number of calls that may run at the same time on different rows.
///
/// `step`, `logits` and `buffers` are those of the whole batch in every call, and stay the same. Each call of this phase looks at all of
/// them, so that whatever preflane_step_run would refuse is refused here, by every thread, before anything is written.
///
/// Errors: those of preflane_step_run; nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `counts` is null or points to its struct; `error` is null or points to a
/// preflane_error. No other call writes what this one uses at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_forward(
    run: preflane_run,
    step: *const preflane_step,
    logits: *const preflane_logits_mut,
    rows: preflane_rows,
    buffers: *const preflane_step_buffers,
    counts: *mut TokenCounts,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let (call, logits) =
            unsafe { (StepCall { counts, ..StepCall::new(run, step, buffers)? }, read("logits", logits)?) };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(logits.dtype)? {
                PREFLANE_F32 => call.forward::<f32>(logits, rows),
                PREFLANE_BF16 => call.forward::<bf16>(logits, rows),
                PREFLANE_F16 => call.forward::<f16>(logits, rows),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The second phase of a step: losses, metrics and the gradients by the log-probabilities of the tokens, from what
/// preflane_step_forward left in `buffers` for all rows. `outputs` and `metrics` may be null. It takes little time, and is called once.
///
/// Errors: those of preflane_step_run but for TARGET; nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `metrics` is null or points to metrics; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_pairs(
    run: preflane_run,
    step: *const preflane_step,
    buffers: *const preflane_step_buffers,
    outputs: *const preflane_step_outputs,
    metrics: *mut Metrics,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let call = unsafe {
            let call = StepCall::new(run, step, buffers)?;
            StepCall { outputs: outputs_at(outputs)?, metrics, ..call }
        };
        // SAFETY: likewise.
        unsafe { call.pairs() }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The third phase of a step: the logits of some rows become the gradient of the loss by them, from what the phases before left in
/// `buffers`. Rows of masked tokens become 0.
///
/// Errors: those of preflane_step_run, and PARAMETER for a log-sum-exp that no row has (with the row); nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `error` is null or points to a preflane_error. No other call writes what this one
/// uses at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_backward(
    run: preflane_run,
    step: *const preflane_step,
    logits: *const preflane_logits_mut,
    rows: preflane_rows,
    buffers: *const preflane_step_buffers,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let (call, logits) = unsafe { (StepCall::new(run, step, buffers)?, read("logits", logits)?) };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(logits.dtype)? {
                PREFLANE_F32 => call.backward::<f32>(logits, rows),
                PREFLANE_BF16 => call.backward::<bf16>(logits, rows),
                PREFLANE_F16 => call.backward::<f16>(logits, rows),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// # Safety
/// `outputs` is null or points to outputs.
unsafe fn outputs_at(outputs: *const preflane_step_outputs) -> Result<preflane_step_outputs, Failure> {
    // SAFETY: the caller's.
    if outputs.is_null() { Ok(NO_OUTPUTS) } else { unsafe { read("outputs", outputs) } }
}

/// What came from C.
#[derive(Clone, Copy)]
struct StepCall {
    run: Run,
    step: preflane_step,
    loss: Loss,
    scaling: Scaling,
    zero_padding: bool,
    buffers: preflane_step_buffers,
    outputs: preflane_step_outputs,
    metrics: *mut Metrics,
    counts: *mut TokenCounts,
}

/// The memory of a step, all of it checked.
struct Memory<'a> {
    targets: TargetArguments<'a>,
    reference: [Input<'a, f32>; 2],
    weights: Input<'a, f32>,
    column: Input<'a, f32>,
    token_logps: Output<'a, f32>,
    log_sum_exps: Output<'a, LogSumExp>,
    token_grads: Output<'a, f32>,
    chosen_logps: Output<'a, f32>,
    rejected_logps: Output<'a, f32>,
    grad_chosen_logps: Output<'a, f32>,
    grad_rejected_logps: Output<'a, f32>,
    losses: Output<'a, f32>,
    chosen_rewards: Output<'a, f32>,
    rejected_rewards: Output<'a, f32>,
    margins: Output<'a, f32>,
    metrics: Output<'a, Metrics>,
    counts: Output<'a, TokenCounts>,
    checked: Checked,
}

impl StepCall {
    /// What can be checked before the memory is.
    ///
    /// # Safety
    /// The pointers are those that [`preflane_step_run`] takes, and its caller vouches for them.
    unsafe fn new(
        run: preflane_run,
        step: *const preflane_step,
        buffers: *const preflane_step_buffers,
    ) -> Result<Self, Failure> {
        let run = run.check()?;
        // SAFETY: the caller's.
        let step = unsafe { read("step", step) }?;
        let loss = step.loss.of_pairs()?;
        step.sequences.how()?;
        let zero_padding = flag("zero_padding", step.zero_padding)?;
        check_grad_scale(step.grad_scale)?;
        // SAFETY: likewise.
        let (scaling, buffers) = unsafe { (preflane_scaling::checked(step.scaling)?, read("buffers", buffers)?) };
        let (metrics, counts) = (core::ptr::null_mut(), core::ptr::null_mut());
        Ok(Self { run, step, loss, scaling, zero_padding, buffers, outputs: NO_OUTPUTS, metrics, counts })
    }

    /// That rows of logits are the targets', and their memory.
    fn logits<'a, T>(&self, arguments: &mut Arguments, logits: preflane_logits_mut) -> Result<Output<'a, T>, Failure> {
        let rows = logits.rows;
        check_length("targets", rows, self.step.sequences.targets.length)?;
        logits_output::<T>(arguments, "logits", logits, preflane_rows::ALL.of(rows)?, self.zero_padding)
    }

    /// All memory but the logits, which `arguments` has already.
    fn memory<'a>(&self, mut arguments: Arguments) -> Result<Memory<'a>, Failure> {
        let Self { step, buffers, outputs, .. } = *self;
        let (rows, pairs) = (step.sequences.targets.length, step.sequences.pairs());
        let a = &mut arguments;
        let targets = TargetArguments::new(a, step.sequences.targets)?;
        let reference = reference(a, step.reference_free, step.ref_chosen_logps, step.ref_rejected_logps, pairs)?;
        Ok(Memory {
            targets,
            reference,
            weights: a.input_if("weights", step.weights, pairs),
            column: a.input_if("column", step.column, pairs),
            token_logps: a.output("token_logps", buffers.token_logps, rows),
            log_sum_exps: a.output("log_sum_exps", buffers.log_sum_exps, rows),
            token_grads: a.output("token_grads", buffers.token_grads, rows),
            chosen_logps: a.output("chosen_logps", buffers.chosen_logps, pairs),
            rejected_logps: a.output("rejected_logps", buffers.rejected_logps, pairs),
            grad_chosen_logps: a.output("grad_chosen_logps", buffers.grad_chosen_logps, pairs),
            grad_rejected_logps: a.output("grad_rejected_logps", buffers.grad_rejected_logps, pairs),
            losses: a.output_if("losses", outputs.losses, pairs),
            chosen_rewards: a.output_if("chosen_rewards", outputs.chosen_rewards, pairs),
            rejected_rewards: a.output_if("rejected_rewards", outputs.rejected_rewards, pairs),
            margins: a.output_if("margins", outputs.margins, pairs),
            metrics: a.output_if("metrics", self.metrics, 1),
            counts: a.output_if("counts", self.counts, 1),
            checked: a.check()?,
        })
    }

    /// # Safety
    /// The pointers are those that [`preflane_step_run`] takes, and its caller vouches for them.
    unsafe fn sequences<'a>(&self, memory: &Memory<'a>) -> Result<Sequences<'a>, Failure> {
        let (layout, reduction) = self.step.sequences.how()?;
        // SAFETY: the caller's.
        let targets = unsafe { memory.targets.slices(&memory.checked) }?;
        Ok(Sequences::new(targets, self.step.sequences.tokens, layout, reduction)?)
    }

    /// # Safety
    /// The pointers are those that [`preflane_step_run`] takes, and its caller vouches for them.
    unsafe fn run<T: Element>(self, logits: preflane_logits_mut) -> Outcome {
        let mut arguments = Arguments::new();
        let data = self.logits::<T>(&mut arguments, logits)?;
        let memory = self.memory(arguments)?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = self.sequences(&memory)?;
            let checked = &memory.checked;
            let step = Step {
                loss: self.loss,
                scaling: self.scaling,
                sequences,
                reference: reference_slices(memory.reference, checked),
                weights: memory.weights.slice_if(checked),
                column: memory.column.slice_if(checked),
                grad_scale: self.step.grad_scale,
                zero_padding: self.zero_padding,
            };
            let logits = LogitsMut::<T>::with_stride(data.slice(checked), logits.rows, logits.columns, logits.stride)?;
            let buffers = StepBuffers {
                token_logps: memory.token_logps.slice(checked),
                log_sum_exps: memory.log_sum_exps.slice(checked),
                token_grads: memory.token_grads.slice(checked),
                chosen_logps: memory.chosen_logps.slice(checked),
                rejected_logps: memory.rejected_logps.slice(checked),
                grad_chosen_logps: memory.grad_chosen_logps.slice(checked),
                grad_rejected_logps: memory.grad_rejected_logps.slice(checked),
            };
            let outputs = StepOutputs {
                losses: memory.losses.slice_if(checked),
                chosen_rewards: memory.chosen_rewards.slice_if(checked),
                rejected_rewards: memory.rejected_rewards.slice_if(checked),
                margins: memory.margins.slice_if(checked),
            };
            let metrics = memory.metrics.slice_if(checked).and_then(|metrics| metrics.first_mut());
            metrics.as_deref().map_or(Ok(()), |metrics| sound("metrics", metrics))?;
            let found = self.run.step(&step, logits, buffers, outputs, metrics)?;
            memory.counts.slice_if(checked).unwrap_or_default().fill(found);
        }
        Ok(())
    }

    /// # Safety
    /// The pointers are those that [`preflane_step_forward`] takes, and its caller vouches for them.
    unsafe fn forward<T: Element>(self, logits: preflane_logits_mut, rows: preflane_rows) -> Outcome {
        let (first, n) = rows.of(logits.rows)?;
        let mut arguments = Arguments::new();
        let data = self.logits::<T>(&mut arguments, logits)?;
        let memory = self.memory(arguments)?;
        // SAFETY: all arguments are checked; the rest is the caller's word. Of the outputs that other calls use meanwhile, only this
        // call's rows become slices.
        unsafe {
            let sequences = self.sequences(&memory)?;
            let checked = &memory.checked;
            sequences.targets().check(logits.rows, logits.columns)?;
            memory.weights.slice_if(checked).map_or(Ok(()), |weights| check_weights(sequences.pairs(), weights))?;
            let column = self.loss.description().column.as_ref();
            check_column(sequences.pairs(), column, memory.column.slice_if(checked))?;
            let data = data.range(first.wrapping_mul(logits.stride), span(n, logits.columns, logits.stride));
            let logits = Logits::with_stride(data.read_only().slice(checked), n, logits.columns, logits.stride)?;
            let outputs = TokenOutputs {
                logps: Some(memory.token_logps.range(first, n).slice(checked)),
                log_sum_exps: Some(memory.log_sum_exps.range(first, n).slice(checked)),
                ..Default::default()
            };
            let targets = sequences.targets().range(first, n);
            let found = self.run.token_logps(logits, targets, &self.scaling, outputs)?;
            memory.counts.slice_if(checked).unwrap_or_default().fill(found);
        }
        Ok(())
    }

    /// # Safety
    /// The pointers are those that [`preflane_step_pairs`] takes, and its caller vouches for them.
    unsafe fn pairs(self) -> Outcome {
        let memory = self.memory(Arguments::new())?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = self.sequences(&memory)?;
            let checked = &memory.checked;
            let weights = memory.weights.slice_if(checked);
            weights.map_or(Ok(()), |weights| check_weights(sequences.pairs(), weights))?;
            let column = memory.column.slice_if(checked);
            check_column(sequences.pairs(), self.loss.description().column.as_ref(), column)?;
            let metrics = memory.metrics.slice_if(checked).and_then(|metrics| metrics.first_mut());
            metrics.as_deref().map_or(Ok(()), |metrics| sound("metrics", metrics))?;
            let (chosen, rejected) = (memory.chosen_logps.slice(checked), memory.rejected_logps.slice(checked));
            sequences.logps(memory.token_logps.read_only().slice(checked), chosen, rejected)?;
            let pairs = Pairs {
                policy_chosen_logps: chosen,
                policy_rejected_logps: rejected,
                reference: reference_slices(memory.reference, checked),
                weights,
                column,
            };
            let grads = [memory.grad_chosen_logps.slice(checked), memory.grad_rejected_logps.slice(checked)];
            let [grad_chosen, grad_rejected] = grads;
            let outputs = Outputs {
                losses: memory.losses.slice_if(checked),
                chosen_rewards: memory.chosen_rewards.slice_if(checked),
                rejected_rewards: memory.rejected_rewards.slice_if(checked),
                margins: memory.margins.slice_if(checked),
                grad_chosen_logps: Some(&mut *grad_chosen),
                grad_rejected_logps: Some(&mut *grad_rejected),
                ..Default::default()
            };
            self.run.evaluate(&self.loss, pairs, outputs, metrics)?;
            let token_grads = memory.token_grads.slice(checked);
            sequences.token_grads(grad_chosen, grad_rejected, self.step.grad_scale, token_grads)?;
        }
        Ok(())
    }

    /// # Safety
    /// The pointers are those that [`preflane_step_backward`] takes, and its caller vouches for them.
    unsafe fn backward<T: Element>(self, logits: preflane_logits_mut, rows: preflane_rows) -> Outcome {
        let (first, n) = rows.of(logits.rows)?;
        let mut arguments = Arguments::new();
        let data = self.logits::<T>(&mut arguments, logits)?;
        let memory = self.memory(arguments)?;
        // SAFETY: all arguments are checked; the rest is the caller's word. Of the logits, which other calls use meanwhile, only this
        // call's rows become a slice.
        unsafe {
            let sequences = self.sequences(&memory)?;
            let checked = &memory.checked;
            sequences.targets().check(logits.rows, logits.columns)?;
            let seeds = Seeds {
                log_sum_exps: memory.log_sum_exps.read_only().range(first, n).slice(checked),
                grad_logps: memory.token_grads.read_only().range(first, n).slice(checked),
            };
            for (row, sum) in seeds.log_sum_exps.iter().enumerate() {
                reserved(sum.reserved, "0, in preflane_log_sum_exp")?;
                if !sum.is_sound() {
                    return Err(Failure::LogSumExp { row: first + row });
                }
            }
            let last = if self.zero_padding { logits.stride } else { logits.columns };
            let data = data.range(first.wrapping_mul(logits.stride), span(n, last, logits.stride));
            let logits = LogitsMut::with_stride(data.slice(checked), n, logits.columns, logits.stride)?;
            let targets = sequences.targets().range(first, n);
            self.run.logits_grad_in_place(logits, targets, &self.scaling, seeds, self.zero_padding)?;
        }
        Ok(())
    }
}

/// Elements of some rows, of which the last one has so many; they are there.
fn span(rows: usize, last: usize, stride: usize) -> usize {
    rows.checked_sub(1).map_or(0, |before| before.wrapping_mul(stride).wrapping_add(last))
}

/// What a batch of so many sequences of so many tokens is to a step: rows, pairs and bytes of buffers.
fn sizes(sequences: usize, tokens: usize) -> Result<(usize, usize, usize), Failure> {
    let refused = |name, value: usize, requirement| Error::Parameter { name, value: value as f64, requirement };
    if !sequences.is_multiple_of(2) {
        let requirement = "even: each pair has a chosen and a rejected one";
        return Err(refused("sequences", sequences, requirement).into());
    }
    if tokens == 0 {
        return Err(refused("tokens", tokens, "at least 1").into());
    }
    let pairs = sequences / 2;
    let rows = sequences.checked_mul(tokens).ok_or(Failure::TooLarge("buffers"))?;
    let by_row = rows.checked_mul(size_of::<LogSumExp>() + 2 * size_of::<f32>());
    let by_pair = pairs.checked_mul(4 * size_of::<f32>());
    let bytes = by_row.zip(by_pair).and_then(|(a, b)| a.checked_add(b)).filter(|&bytes| bytes <= isize::MAX as usize);
    Ok((rows, pairs, bytes.ok_or(Failure::TooLarge("buffers"))?))
}

/// The sizes of a step on a batch of `sequences` answers of `tokens` rows each: how many rows and pairs it has, which are the
/// elements of the arrays of preflane_step_buffers, and how many bytes these take together, for preflane_step_buffers_in. Each pointer
/// may be null.
///
/// Errors: ALIGNMENT, OVERLAP, LENGTH (sizes beyond the address space), PARAMETER (an odd number of sequences, no tokens); nothing is
/// written then.
///
/// # Safety
/// `rows`, `pairs` and `bytes` are null or point to a size_t each; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_sizes(
    sequences: usize,
    tokens: usize,
    rows: *mut usize,
    pairs: *mut usize,
    bytes: *mut usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let (row_count, pair_count, byte_count) = sizes(sequences, tokens)?;
        let mut arguments = Arguments::new();
        let rows = arguments.output_if("rows", rows, 1);
        let pairs = arguments.output_if("pairs", pairs, 1);
        let bytes = arguments.output_if("bytes", bytes, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            rows.slice_if(&checked).unwrap_or_default().fill(row_count);
            pairs.slice_if(&checked).unwrap_or_default().fill(pair_count);
            bytes.slice_if(&checked).unwrap_or_default().fill(byte_count);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Buffers of a step in one piece of memory, aligned as a double is, of `bytes` bytes: at least as many as preflane_step_sizes says for
/// the same batch. The memory is not touched.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, LENGTH (also for too few bytes), PARAMETER (an odd number of sequences, no tokens); nothing is
/// written then.
///
/// # Safety
/// `memory` points to `bytes` bytes, `out` to a preflane_step_buffers; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_step_buffers_in(
    memory: *mut c_void,
    bytes: usize,
    sequences: usize,
    tokens: usize,
    out: *mut preflane_step_buffers,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let (rows, pairs, needed) = sizes(sequences, tokens)?;
        if bytes < needed {
            return Err(Error::Length { argument: "memory", expected: needed, got: bytes }.into());
        }
        let mut arguments = Arguments::new();
        // All of it is in units of the log-sum-exps' alignment.
        arguments.output("memory", memory.cast::<f64>(), needed / size_of::<f64>());
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        let log_sum_exps = memory.cast::<LogSumExp>();
        let mut next = log_sum_exps.wrapping_add(rows).cast::<f32>();
        let mut floats = |count: usize| {
            let start = next;
            next = next.wrapping_add(count);
            start
        };
        let buffers = preflane_step_buffers {
            token_logps: floats(rows),
            log_sum_exps,
            token_grads: floats(rows),
            chosen_logps: floats(pairs),
            rejected_logps: floats(pairs),
            grad_chosen_logps: floats(pairs),
            grad_rejected_logps: floats(pairs),
        };
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { out.slice(&checked) }.fill(buffers);
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
