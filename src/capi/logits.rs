//! Token log-probabilities and the logits' gradient.

use super::arguments::{Arguments, read};
use super::failure::{Failure, Outcome, flag, preflane_error, report, reserved};
use super::run::preflane_run;
use super::views::*;
use crate::logits::{Element, Gradient, LogSumExp, Logits, LogitsMut, Scaling, Seeds, TokenCounts, TokenOutputs};
use crate::{Error, Run};
use half::{bf16, f16};
use preflane_dtype::*;

/// Results, one a row each; null leaves one out. A masked row gets 0 everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_token_outputs {
    /// The target's log-probability in nats: at most 0, within 0.51 ULP. NaN for a row with NaN, +inf or only -inf.
    pub logps: *mut f32,
    /// The row's log-sum-exp, which the gradient takes.
    pub log_sum_exps: *mut LogSumExp,
    /// - sum p ln p in nats, within 0.51 ULP. This and what follows costs a second look at each row.
    pub entropies: *mut f32,
    /// ln sum p^2, within 0.51 ULP.
    pub log_sum_squares: *mut f32,
    /// The mean of the row's logits as given, correctly rounded.
    pub mean_logits: *mut f32,
    /// 1 where the target is the row's largest logit, the first of equals, else 0.
    pub top1: *mut u8,
}

/// How a gradient is written. All zeros: overwritten, padding left alone.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_gradient {
    /// 1 adds to what is there, in double, instead of overwriting it.
    pub accumulate: i32,
    /// 1 sets what lies between the columns and the stride to 0, in the last row too.
    pub zero_padding: i32,
}

/// Errors count rows from the first of the matrix.
fn in_matrix(first: usize) -> impl Fn(Error) -> Failure {
    move |error| {
        Failure::Library(match error {
            Error::Target { row, label, columns } => Error::Target { row: first + row, label, columns },
            other => other,
        })
    }
}

// --- forward

/// Each row's target's log-probability, its log-sum-exp, and what else is asked for. `counts` (null: left out) gets how many of the
/// rows had a target, were masked, or were not finite.
///
/// A row's bits depend on that row alone: not on its place, the other rows, the stride, the level or the threads. -inf is a
/// masked column.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, TARGET (with the row), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `scaling` and `counts` may be null; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_token_logps(
    run: preflane_run,
    logits: *const preflane_logits,
    targets: *const preflane_targets,
    scaling: *const preflane_scaling,
    rows: preflane_rows,
    outputs: *const preflane_token_outputs,
    counts: *mut TokenCounts,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let logits = unsafe { read("logits", logits) }?;
        // SAFETY: likewise.
        let targets = unsafe { read("targets", targets) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        // SAFETY: likewise.
        let scaling = unsafe { preflane_scaling::checked(scaling) }?;
        let forward = Forward { run, logits, targets, scaling, rows, outputs, counts };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(logits.dtype)? {
                PREFLANE_F32 => forward.run::<f32>(),
                PREFLANE_BF16 => forward.run::<bf16>(),
                PREFLANE_F16 => forward.run::<f16>(),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

struct Forward {
    run: Run,
    logits: preflane_logits,
    targets: preflane_targets,
    scaling: Scaling,
    rows: preflane_rows,
    outputs: preflane_token_outputs,
    counts: *mut TokenCounts,
}

impl Forward {
    /// # Safety
    /// The pointers are those that [`preflane_token_logps`] takes, and its caller vouches for them.
    unsafe fn run<T: Element>(self) -> Outcome {
        let Self { run, logits, targets, scaling, rows, outputs, counts } = self;
        let (first, n) = rows.of(logits.rows)?;
        crate::error::check_length("targets", logits.rows, targets.length)?;
        let mut arguments = Arguments::new();
        let data = logits_input::<T>(&mut arguments, logits, first, n)?;
        let targets = TargetArguments::new(&mut arguments, targets)?;
        let logps = arguments.output_from_if("logps", outputs.logps, first, n);
        let log_sum_exps = arguments.output_from_if("log_sum_exps", outputs.log_sum_exps, first, n);
        let entropies = arguments.output_from_if("entropies", outputs.entropies, first, n);
        let squares = arguments.output_from_if("log_sum_squares", outputs.log_sum_squares, first, n);
        let mean_logits = arguments.output_from_if("mean_logits", outputs.mean_logits, first, n);
        let top1 = arguments.output_from_if("top1", outputs.top1.cast::<bool>(), first, n);
        let counts = arguments.output_if("counts", counts, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let targets = unsafe { targets.slices(&checked) }?.range(first, n);
        // SAFETY: likewise.
        let logits = Logits::<T>::with_stride(unsafe { data.slice(&checked) }, n, logits.columns, logits.stride)?;
        targets.check(n, logits.columns()).map_err(in_matrix(first))?;
        // SAFETY: likewise; the bools are zeroed first, for they do not take any bits.
        let (outputs, counts) = unsafe {
            let outputs = TokenOutputs {
                logps: logps.slice_if(&checked),
                log_sum_exps: log_sum_exps.slice_if(&checked),
                entropies: entropies.slice_if(&checked),
                log_sum_squares: squares.slice_if(&checked),
                mean_logits: mean_logits.slice_if(&checked),
                top1: top1.zeroed_if(&checked),
            };
            (outputs, counts.slice_if(&checked))
        };
        let found = run.token_logps(logits, targets, &scaling, outputs)?;
        counts.unwrap_or_default().fill(found);
        Ok(())
    }
}

// --- backward

/// dL/dlogits = dL/dlogp (onehot(target) - softmax) of each row, into `grads`, which has the rows and columns of `logits`, its dtype or
/// PREFLANE_F32, and any stride.
///
/// `log_sum_exps` is what preflane_token_logps gave for the same logits, `grad_logps` dL/dlogp, both one a row. Within 0.51 ULP of
/// float, 0.501 ULP of bf16 and f16. A masked row's gradient is 0 whatever its logits.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (also for a log-sum-exp that no row has, with the row), TARGET (with the row),
/// LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// The structs point to arrays of the sizes they state; `scaling` may be null; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_logits_grad(
    run: preflane_run,
    logits: *const preflane_logits,
    targets: *const preflane_targets,
    scaling: *const preflane_scaling,
    rows: preflane_rows,
    log_sum_exps: *const LogSumExp,
    grad_logps: *const f32,
    gradient: preflane_gradient,
    grads: *const preflane_logits_mut,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let from = Some(unsafe { read("logits", logits) }?);
        // SAFETY: likewise.
        let backward =
            unsafe { Backward::new(run, from, targets, scaling, rows, log_sum_exps, grad_logps, gradient, grads) }?;
        // SAFETY: likewise.
        unsafe { backward.dispatch() }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The gradient of preflane_logits_grad in the place of the logits: they are read and overwritten.
///
/// # Safety
/// The pointers are those that [`preflane_logits_grad`] takes, but for `grads`; `logits` points to logits that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_logits_grad_in_place(
    run: preflane_run,
    logits: *const preflane_logits_mut,
    targets: *const preflane_targets,
    scaling: *const preflane_scaling,
    rows: preflane_rows,
    log_sum_exps: *const LogSumExp,
    grad_logps: *const f32,
    gradient: preflane_gradient,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        if gradient.accumulate != 0 {
            let requirement = "0 in place: the logits would be added to their gradient";
            return Err(Failure::Constant("accumulate", gradient.accumulate.into(), requirement));
        }
        // SAFETY: as the function's own.
        let backward =
            unsafe { Backward::new(run, None, targets, scaling, rows, log_sum_exps, grad_logps, gradient, logits) }?;
        // SAFETY: likewise.
        unsafe { backward.dispatch() }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

struct Backward {
    run: Run,
    /// None: in place.
    logits: Option<preflane_logits>,
    targets: preflane_targets,
    scaling: Scaling,
    rows: preflane_rows,
    log_sum_exps: *const LogSumExp,
    grad_logps: *const f32,
    how: Gradient,
    grads: preflane_logits_mut,
}

impl Backward {
    /// # Safety
    /// The pointers are those that [`preflane_logits_grad`] takes, and its caller vouches for them.
    #[allow(clippy::too_many_arguments, reason = "those of the C functions")]
    unsafe fn new(
        run: preflane_run,
        logits: Option<preflane_logits>,
        targets: *const preflane_targets,
        scaling: *const preflane_scaling,
        rows: preflane_rows,
        log_sum_exps: *const LogSumExp,
        grad_logps: *const f32,
        gradient: preflane_gradient,
        grads: *const preflane_logits_mut,
    ) -> Result<Self, Failure> {
        let how = Gradient {
            accumulate: flag("accumulate", gradient.accumulate)?,
            zero_padding: flag("zero_padding", gradient.zero_padding)?,
        };
        let run = run.check()?;
        // SAFETY: the caller's.
        let (targets, scaling, grads) = unsafe {
            let grads = read(if logits.is_some() { "grads" } else { "logits" }, grads)?;
            (read("targets", targets)?, preflane_scaling::checked(scaling)?, grads)
        };
        Ok(Self { run, logits, targets, scaling, rows, log_sum_exps, grad_logps, how, grads })
    }

    /// # Safety
    /// The pointers are those that [`preflane_logits_grad`] takes, and its caller vouches for them.
    unsafe fn dispatch(self) -> Outcome {
        let to = preflane_dtype::of(self.grads.dtype)?;
        let from = self.logits.map_or(Ok(to), |logits| preflane_dtype::of(logits.dtype))?;
        // SAFETY: the caller's.
        unsafe {
            match (from, to) {
                (PREFLANE_F32, PREFLANE_F32) => self.run::<f32, f32>(),
                (PREFLANE_BF16, PREFLANE_F32) => self.run::<bf16, f32>(),
                (PREFLANE_BF16, PREFLANE_BF16) => self.run::<bf16, bf16>(),
                (PREFLANE_F16, PREFLANE_F32) => self.run::<f16, f32>(),
                (PREFLANE_F16, PREFLANE_F16) => self.run::<f16, f16>(),
                // Each pair of types is a kernel of its own on every level, and nobody asks for these.
                _ => {
                    let requirement = "PREFLANE_F32 or that of the logits, for the gradient";
                    Err(Failure::Constant("dtype", self.grads.dtype.into(), requirement))
                }
            }
        }
    }

    /// # Safety
    /// The pointers are those that [`preflane_logits_grad`] takes, and its caller vouches for them.
    unsafe fn run<T: Element, G: Element>(self) -> Outcome {
        let Self { run, logits, targets, scaling, rows, log_sum_exps, grad_logps, how, grads } = self;
        let (first, n) = rows.of(grads.rows)?;
        if let Some(logits) = logits {
            crate::error::check_length("rows of grads", logits.rows, grads.rows)?;
            crate::error::check_length("columns of grads", logits.columns, grads.columns)?;
        }
        crate::error::check_length("targets", grads.rows, targets.length)?;
        let mut arguments = Arguments::new();
        let from = match logits {
            Some(logits) => Some((logits_input::<T>(&mut arguments, logits, first, n)?, logits.stride)),
            None => None,
        };
        let targets = TargetArguments::new(&mut arguments, targets)?;
        let sums = arguments.input_from("log_sum_exps", log_sum_exps, first, n);
        let seeds = arguments.input_from("grad_logps", grad_logps, first, n);
        let name = if from.is_some() { "grads" } else { "logits" };
        let out = logits_output::<G>(&mut arguments, name, grads, (first, n), how.zero_padding)?;
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (targets, seeds) = unsafe {
            (
                targets.slices(&checked)?.range(first, n),
                Seeds { log_sum_exps: sums.slice(&checked), grad_logps: seeds.slice(&checked) },
            )
        };
        targets.check(n, grads.columns).map_err(in_matrix(first))?;
        for (row, sum) in seeds.log_sum_exps.iter().enumerate() {
            reserved(sum.reserved, "0, in preflane_log_sum_exp")?;
            if !sum.is_sound() {
                return Err(Failure::LogSumExp { row: first + row });
            }
        }
        // SAFETY: likewise.
        let out = LogitsMut::with_stride(unsafe { out.slice(&checked) }, n, grads.columns, grads.stride)?;
        let from = match from {
            // SAFETY: likewise.
            Some((x, stride)) => Some(Logits::with_stride(unsafe { x.slice(&checked) }, n, grads.columns, stride)?),
            None => None,
        };
        Ok(run.grads(from, targets, &scaling, seeds, how, out)?)
    }
}
