//! Token log-probabilities and the logits' gradient.

use super::arguments::{Arguments, Checked, Input, Output, read};
use super::failure::{Failure, Outcome, constants, flag, preflane_error, report};
use super::run::preflane_run;
use crate::logits::{
    Element, Gradient, Labels, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Targets, TokenCounts, TokenOutputs,
};
use crate::{Backend, Error};
use core::ffi::c_void;
use half::{bf16, f16};
use preflane_dtype::*;
use preflane_label_type::*;

/// Number types of logits and of their gradient.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_dtype {
    /// float
    PREFLANE_F32 = 1,
    /// bfloat16, in 16 bits
    PREFLANE_BF16 = 2,
    /// IEEE half precision, in 16 bits
    PREFLANE_F16 = 3,
}

/// Number types of labels.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_label_type {
    /// int32_t
    PREFLANE_I32 = 1,
    /// int64_t
    PREFLANE_I64 = 2,
}

constants!(preflane_dtype, "dtype", "a preflane_dtype: 1 to 3", PREFLANE_F32 PREFLANE_BF16 PREFLANE_F16);
constants!(preflane_label_type, "label_type", "a preflane_label_type: 1 or 2", PREFLANE_I32 PREFLANE_I64);

/// The mark of a masked token in PyTorch and Hugging Face.
pub const PREFLANE_IGNORE_INDEX: i64 = -100;

/// Logits to read: [rows, columns], row-major, with stride elements from one row to the next. What lies beyond the columns of a row
/// (a padded vocabulary) is never read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_logits {
    /// The first element.
    pub data: *const c_void,
    /// How many rows.
    pub rows: usize,
    /// The vocabulary's size: at least 1.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
    /// A preflane_dtype.
    pub dtype: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Logits, or their gradient, to write: as preflane_logits.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_logits_mut {
    /// The first element.
    pub data: *mut c_void,
    /// How many rows.
    pub rows: usize,
    /// The vocabulary's size: at least 1.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
    /// A preflane_dtype.
    pub dtype: i32,
    /// Always 0.
    pub reserved: u32,
}

/// The target column of each row. preflane_targets_i32 and preflane_targets_i64 fill it in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_targets {
    /// int32_t or int64_t.
    pub labels: *const c_void,
    /// How many labels: one a row.
    pub length: usize,
    /// The label of a row that does not count; PREFLANE_IGNORE_INDEX by custom. Mind 0: a struct of zeros masks token 0.
    pub ignore_index: i64,
    /// 0: each row's label stands beside it. Else the tokens of a sequence, for labels as Hugging Face has them: the logits of
    /// position t predict the label of t + 1, so that a sequence's first label is not used and its last row counts as masked.
    pub shifted_tokens: usize,
    /// A preflane_label_type.
    pub label_type: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Targets row by row, with PREFLANE_IGNORE_INDEX. For labels as Hugging Face has them, set shifted_tokens.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_targets_i32(labels: *const i32, length: usize) -> preflane_targets {
    targets(labels.cast(), length, PREFLANE_I32)
}

/// Targets row by row, with PREFLANE_IGNORE_INDEX. For labels as Hugging Face has them, set shifted_tokens.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_targets_i64(labels: *const i64, length: usize) -> preflane_targets {
    targets(labels.cast(), length, PREFLANE_I64)
}

fn targets(labels: *const c_void, length: usize, label_type: preflane_label_type) -> preflane_targets {
    let label_type = label_type as i32;
    preflane_targets { labels, length, ignore_index: PREFLANE_IGNORE_INDEX, shifted_tokens: 0, label_type, reserved: 0 }
}

/// What happens to a logit x before the softmax: logit_scale x / temperature, or with a soft cap c
/// c tanh(logit_scale x / c) / temperature. A null pointer to it means: nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_scaling {
    /// From 1e-12 to 1e12; 1 changes nothing.
    pub temperature: f64,
    /// From 1e-12 to 1e12; 1 changes nothing.
    pub logit_scale: f64,
    /// From 1e-12 to 1e12; 0: none.
    pub soft_cap: f64,
}

/// The rows that a call is about: a host that owns the threads gives each of them some.
///
/// Arrays that have an element a row, and the matrices, are those of all rows: a call touches only its own rows of them. Calls on
/// different rows may run at the same time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_rows {
    /// The first row.
    pub first: usize,
    /// How many; SIZE_MAX: all from the first on.
    pub count: usize,
}

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

// --- checked forms

impl preflane_scaling {
    /// # Safety
    /// `from` is null or points to a scaling.
    pub(super) unsafe fn checked(from: *const Self) -> Result<Scaling, Failure> {
        if from.is_null() {
            return Ok(Scaling::NONE);
        }
        // SAFETY: the caller's.
        let Self { temperature, logit_scale, soft_cap } = unsafe { read("scaling", from) }?;
        Ok(Scaling::new(temperature, logit_scale, (soft_cap != 0.0).then_some(soft_cap))?)
    }
}

impl preflane_rows {
    pub(super) const ALL: Self = Self { first: 0, count: usize::MAX };

    /// That the rows are there: the first and how many.
    pub(super) fn of(self, rows: usize) -> Result<(usize, usize), Failure> {
        let count = if self.count == usize::MAX { rows.saturating_sub(self.first) } else { self.count };
        match self.first.checked_add(count) {
            Some(end) if end <= rows => Ok((self.first, count)),
            end => Err(Error::Length { argument: "rows", expected: rows, got: end.unwrap_or(usize::MAX) }.into()),
        }
    }
}

/// `start` moved on by some elements of memory that is checked after it.
pub(super) fn from_row<T>(start: *mut T, row: usize) -> *mut T {
    // Null stays null: left out, or an error.
    if start.is_null() { start } else { start.wrapping_add(row) }
}

/// Labels before the other arguments are checked.
pub(super) struct TargetArguments<'a> {
    labels: LabelInput<'a>,
    targets: preflane_targets,
}

enum LabelInput<'a> {
    I32(Input<'a, i32>),
    I64(Input<'a, i64>),
}

impl<'a> TargetArguments<'a> {
    pub(super) fn new(arguments: &mut Arguments, targets: preflane_targets) -> Result<Self, Failure> {
        let (start, n) = (targets.labels, targets.length);
        let labels = match preflane_label_type::of(targets.label_type)? {
            PREFLANE_I32 => LabelInput::I32(arguments.input("labels", start.cast(), n)),
            PREFLANE_I64 => LabelInput::I64(arguments.input("labels", start.cast(), n)),
        };
        Ok(Self { labels, targets })
    }

    /// # Safety
    /// As [`Input::slice`].
    pub(super) unsafe fn slices(&self, checked: &Checked) -> Result<Targets<'a>, Failure> {
        // SAFETY: the caller's.
        let labels = unsafe {
            match self.labels {
                LabelInput::I32(x) => Labels::I32(x.slice(checked)),
                LabelInput::I64(x) => Labels::I64(x.slice(checked)),
            }
        };
        let targets = match self.targets.shifted_tokens {
            0 => Targets::new(labels),
            tokens => Targets::shifted(labels, tokens)?,
        };
        Ok(targets.with_ignore_index(self.targets.ignore_index))
    }
}

/// How many elements some rows span: the last one's padding counts if it is to be zeroed.
fn matrix_length(rows: usize, columns: usize, stride: usize, whole: bool) -> Result<usize, Failure> {
    if columns == 0 {
        return Err(Error::Parameter { name: "columns", value: 0.0, requirement: "at least 1" }.into());
    }
    if stride < columns {
        let requirement = "at least the columns";
        return Err(Error::Parameter { name: "stride", value: stride as f64, requirement }.into());
    }
    let last = if whole { stride } else { columns };
    match rows.checked_sub(1) {
        None => Ok(0),
        Some(before) => before.checked_mul(stride).and_then(|x| x.checked_add(last)).ok_or(Failure::TooLarge("logits")),
    }
}

/// The memory of some rows to read.
pub(super) fn logits_input<'a, T>(
    arguments: &mut Arguments,
    logits: preflane_logits,
    first: usize,
    rows: usize,
) -> Result<Input<'a, T>, Failure> {
    let length = matrix_length(rows, logits.columns, logits.stride, false)?;
    // All rows fit, so this one's start does not overflow.
    matrix_length(logits.rows, logits.columns, logits.stride, false)?;
    let start = from_row(logits.data.cast_mut().cast::<T>(), first.wrapping_mul(logits.stride));
    Ok(arguments.input("logits", start, length))
}

/// The memory of some rows to write.
pub(super) fn logits_output<'a, T>(
    arguments: &mut Arguments,
    name: &'static str,
    logits: preflane_logits_mut,
    (first, rows): (usize, usize),
    whole: bool,
) -> Result<Output<'a, T>, Failure> {
    let length = matrix_length(rows, logits.columns, logits.stride, whole)?;
    matrix_length(logits.rows, logits.columns, logits.stride, whole)?;
    Ok(arguments.output(name, from_row(logits.data.cast::<T>(), first.wrapping_mul(logits.stride)), length))
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
        let backend = run.check()?;
        // SAFETY: as the function's own.
        let logits = unsafe { read("logits", logits) }?;
        // SAFETY: likewise.
        let targets = unsafe { read("targets", targets) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        // SAFETY: likewise.
        let scaling = unsafe { preflane_scaling::checked(scaling) }?;
        let forward = Forward { run, backend, logits, targets, scaling, rows, outputs, counts };
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
    run: preflane_run,
    backend: Backend,
    logits: preflane_logits,
    targets: preflane_targets,
    scaling: Scaling,
    rows: preflane_rows,
    outputs: preflane_token_outputs,
    counts: *mut TokenCounts,
}

impl Forward {
    /// # Safety
    /// As [`preflane_token_logps`].
    unsafe fn run<T: Element>(self) -> Outcome {
        let Self { run, backend, logits, targets, scaling, rows, outputs, counts } = self;
        let (first, n) = rows.of(logits.rows)?;
        crate::error::check_length("targets", logits.rows, targets.length)?;
        let mut arguments = Arguments::new();
        let data = logits_input::<T>(&mut arguments, logits, first, n)?;
        let targets = TargetArguments::new(&mut arguments, targets)?;
        let logps = arguments.output_if("logps", from_row(outputs.logps, first), n);
        let log_sum_exps = arguments.output_if("log_sum_exps", from_row(outputs.log_sum_exps, first), n);
        let entropies = arguments.output_if("entropies", from_row(outputs.entropies, first), n);
        let squares = arguments.output_if("log_sum_squares", from_row(outputs.log_sum_squares, first), n);
        let mean_logits = arguments.output_if("mean_logits", from_row(outputs.mean_logits, first), n);
        let top1 = arguments.output_if("top1", from_row(outputs.top1, first).cast::<bool>(), n);
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
        let found = match run.threads() {
            #[cfg(feature = "std")]
            Some(threads) => {
                let job = || crate::batch::token_logps(backend, logits, targets, &scaling, outputs);
                crate::batch::with_threads(threads, job)??
            }
            _ => crate::logits::token_logps(backend, logits, targets, &scaling, outputs)?,
        };
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
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, TARGET (with the row), LEVEL, THREADS; nothing is written then.
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

/// The same in the place of the logits.
///
/// # Safety
/// As preflane_logits_grad.
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
    run: preflane_run,
    backend: Backend,
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
    /// As [`preflane_logits_grad`].
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
        let backend = run.check()?;
        // SAFETY: the caller's.
        let (targets, scaling, grads) = unsafe {
            let grads = read(if logits.is_some() { "grads" } else { "logits" }, grads)?;
            (read("targets", targets)?, preflane_scaling::checked(scaling)?, grads)
        };
        Ok(Self { run, backend, logits, targets, scaling, rows, log_sum_exps, grad_logps, how, grads })
    }

    /// # Safety
    /// As [`preflane_logits_grad`].
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
    /// As [`preflane_logits_grad`].
    unsafe fn run<T: Element, G: Element>(self) -> Outcome {
        let Self { run, backend, logits, targets, scaling, rows, log_sum_exps, grad_logps, how, grads } = self;
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
        let sums = arguments.input("log_sum_exps", from_row(log_sum_exps.cast_mut(), first), n);
        let seeds = arguments.input("grad_logps", from_row(grad_logps.cast_mut(), first), n);
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
        // SAFETY: likewise.
        let out = LogitsMut::with_stride(unsafe { out.slice(&checked) }, n, grads.columns, grads.stride)?;
        let from = match from {
            // SAFETY: likewise.
            Some((x, stride)) => Some(Logits::with_stride(unsafe { x.slice(&checked) }, n, grads.columns, stride)?),
            None => None,
        };
        match run.threads() {
            #[cfg(feature = "std")]
            Some(threads) => {
                let job = || crate::batch::split_backward::<T, G>(backend, from, targets, &scaling, seeds, how, out);
                crate::batch::with_threads(threads, job)?;
            }
            _ => crate::logits::backward::grads::<T, G>(backend, from, targets, &scaling, seeds, how, out),
        }
        Ok(())
    }
}
