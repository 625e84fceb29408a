//! A row's log-sum-exp from chunks or shards of its columns.

use super::arguments::{Arguments, read};
use super::failure::{Failure, Outcome, preflane_error, report};
use super::run::preflane_run;
use super::views::{preflane_dtype, preflane_dtype::*, preflane_scaling};
use crate::Error;
use crate::logits::{Element, LogSumExp, RowSum, RowSumState};
use core::ffi::c_void;
use half::{bf16, f16};

/// Begins a row: no columns yet. `scaling` may be null.
///
/// # Safety
/// `state` points to a state, `scaling` to a scaling or is null; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_row_sum_init(
    state: *mut RowSumState,
    scaling: *const preflane_scaling,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let scaling = unsafe { preflane_scaling::checked(scaling) }?;
        let mut arguments = Arguments::new();
        let state = arguments.output("state", state, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { state.slice(&checked) }.fill(RowSum::new(scaling).state());
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Adds `length` columns of a preflane_dtype. `target` is the place of the row's target among them, or -1 if it is not there. Chunks
/// may come in any order.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (dtype; a state that preflane_row_sum_init did not make; a second target),
/// TARGET (`target` is no place among the columns), LEVEL; the state is unchanged then.
///
/// # Safety
/// `state` points to a state, `columns` to `length` elements; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_row_sum_add(
    run: preflane_run,
    state: *mut RowSumState,
    columns: *const c_void,
    dtype: i32,
    length: usize,
    target: i64,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        unsafe {
            match preflane_dtype::of(dtype)? {
                PREFLANE_F32 => add::<f32>(run, state, columns.cast(), length, target),
                PREFLANE_BF16 => add::<bf16>(run, state, columns.cast(), length, target),
                PREFLANE_F16 => add::<f16>(run, state, columns.cast(), length, target),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// # Safety
/// The pointers are those that [`preflane_row_sum_add`] takes, and its caller vouches for them.
unsafe fn add<T: Element>(
    run: preflane_run,
    state: *mut RowSumState,
    columns: *const T,
    length: usize,
    given: i64,
) -> Outcome {
    let backend = run.check()?.backend();
    let mut arguments = Arguments::new();
    let columns = arguments.input("columns", columns, length);
    let state = arguments.output("state", state, 1);
    let checked = arguments.check()?;
    let target = match given {
        -1 => None,
        // A negative one is beyond all columns.
        _ => Some(usize::try_from(given).unwrap_or(usize::MAX)),
    };
    // SAFETY: all arguments are checked; the rest is the caller's word.
    if let ([state], columns) = unsafe { (state.slice(&checked), columns.slice(&checked)) } {
        let mut sum = restored("state", state)?;
        sum.add(backend, columns, target).map_err(|error| match error {
            Error::Target { columns, .. } => Failure::Place(given, columns),
            other => other.into(),
        })?;
        *state = sum.state();
    }
    Ok(())
}

/// Adds the columns of another shard, begun with the same scaling. Shards may be merged in any order: the bits are those of the
/// whole row.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (a state that preflane_row_sum_init did not make; another scaling; two states that both
/// hold the row's target); nothing is written then.
///
/// # Safety
/// Both point to states; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_row_sum_merge(
    into: *mut RowSumState,
    from: *const RowSumState,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let from = arguments.input("from", from, 1);
        let into = arguments.output("into", into, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        if let ([into], [from]) = unsafe { (into.slice(&checked), from.slice(&checked)) } {
            let (mut sum, more) = (restored("into", into)?, restored("from", from)?);
            if !sum.scales_like(&more) {
                return Err(Failure::State("from", " was begun with another scaling than into"));
            }
            if sum.has_target() && more.has_target() {
                return Err(Failure::State("from", " holds a target, and so does into: a row has one"));
            }
            sum.merge(&more);
            *into = sum.state();
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The log-sum-exp of the columns so far, and the log-probability of the target; either may be null.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER, and NO_TARGET if `logp` is asked for and no columns added held it.
///
/// # Safety
/// `state` points to a state, the others to their types or are null; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_row_sum_value(
    state: *const RowSumState,
    log_sum_exp: *mut LogSumExp,
    logp: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let sum = restored("state", &unsafe { read("state", state) }?)?;
        let value = if logp.is_null() { 0.0 } else { sum.token_logp()? };
        let mut arguments = Arguments::new();
        let log_sum_exp = arguments.output_if("log_sum_exp", log_sum_exp, 1);
        let logp = arguments.output_if("logp", logp, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            log_sum_exp.slice_if(&checked).unwrap_or_default().fill(sum.log_sum_exp());
            logp.slice_if(&checked).unwrap_or_default().fill(value);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

fn restored(name: &'static str, state: &RowSumState) -> Result<RowSum, Failure> {
    RowSum::restore(state).ok_or(Failure::State(name, " is no state that preflane_row_sum_init made"))
}
