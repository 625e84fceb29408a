//! The order of rows in which the losses of AOT compare two distributions.

use super::arguments::{Arguments, read};
use super::failure::{Failure, constants, preflane_error, report, reserved};
use super::pairs::{preflane_pairs, reference, reference_slices};
use crate::aot::{self, Compared};
use crate::{Error, Pairs};
use preflane_compared::*;

/// Which two distributions are put in order.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_compared {
    /// The policy's margins, policy_chosen_logps - policy_rejected_logps, and the reference's: for the loss aot. The first order is that of
    /// the policy's two columns, the second that of the reference's.
    PREFLANE_COMPARED_MARGINS = 1,
    /// The log-ratios of the chosen answers and those of the rejected ones: for the loss aot_unpaired. The first order is that of the chosen
    /// answers' two columns, the second that of the rejected ones'.
    PREFLANE_COMPARED_LOG_RATIOS = 2,
}

constants!(
    preflane_compared, "compared", "a preflane_compared: 1 or 2",
    PREFLANE_COMPARED_MARGINS PREFLANE_COMPARED_LOG_RATIOS
);

/// The two orders that a loss of AOT compares, the least first: `first[k]` is the row of the k-th least value of the first distribution.
/// Each has pairs.length elements. Neither weights nor a column are looked at.
///
/// A batch goes so: this function, then preflane_aot_gather for each of the four columns by its order, then preflane_evaluate on the
/// columns in order, then preflane_aot_scatter for each gradient by the order of its column.
///
/// Differences are compared exactly. Equal ones stay in the order of their rows, and those that are NaN come last, in that order too.
/// Without a reference its log-probabilities are 0.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER; nothing is written then.
///
/// # Safety
/// `pairs` points to its struct and that to arrays of pairs.length floats, but for those that may be null; `first` and `second` point to
/// as many elements; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_aot_order(
    pairs: *const preflane_pairs,
    compared: i32,
    first: *mut usize,
    second: *mut usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let pairs = unsafe { read("pairs", pairs) }?;
        reserved(pairs.reserved, "0, in preflane_pairs")?;
        let compared = match preflane_compared::of(compared)? {
            PREFLANE_COMPARED_MARGINS => Compared::Margins,
            PREFLANE_COMPARED_LOG_RATIOS => Compared::LogRatios,
        };
        let n = pairs.length;
        let mut arguments = Arguments::new();
        let chosen = arguments.input("policy_chosen_logps", pairs.policy_chosen_logps, n);
        let rejected = arguments.input("policy_rejected_logps", pairs.policy_rejected_logps, n);
        let reference =
            reference(&mut arguments, pairs.reference_free, pairs.ref_chosen_logps, pairs.ref_rejected_logps, n)?;
        let first = arguments.output("first", first, n);
        let second = arguments.output("second", second, n);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word.
        unsafe {
            let pairs = Pairs {
                reference: reference_slices(reference, &checked),
                ..Pairs::reference_free(chosen.slice(&checked), rejected.slice(&checked))
            };
            Ok(aot::order(pairs, compared, first.slice(&checked), second.slice(&checked))?)
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Does something with a column, an order and where it goes.
///
/// # Safety
/// The pointers are null or to memory of `length` elements, as the functions below demand.
unsafe fn with_order(
    from: *const f32,
    order: *const usize,
    length: usize,
    to: *mut f32,
    body: impl FnOnce(&[f32], &[usize], &mut [f32]) -> Result<(), Error>,
) -> Result<(), Failure> {
    let mut arguments = Arguments::new();
    let from = arguments.input("from", from, length);
    let order = arguments.input("order", order, length);
    let to = arguments.output("to", to, length);
    let checked = arguments.check()?;
    // SAFETY: all arguments are checked, the rest is the caller's word.
    let done = unsafe { body(from.slice(&checked), order.slice(&checked), to.slice(&checked)) };
    done.map_err(|error| match error {
        Error::Offsets { index, value, .. } => Failure::Order { index, value, rows: length },
        other => other.into(),
    })
}

/// A column in an order: writes from[order[k]] to to[k]. Each array has `length` elements.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, OFFSETS (an order that names a row that is not there, with its place); nothing is written
/// then.
///
/// # Safety
/// `from`, `order` and `to` point to `length` elements; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_aot_gather(
    from: *const f32,
    order: *const usize,
    length: usize,
    to: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || with_order(from, order, length, to, aot::gather)) }
}

/// A column back from an order, as the gradients by what preflane_aot_gather gave: writes from[k] to to[order[k]]. Each array has `length`
/// elements.
///
/// Errors: those of preflane_aot_gather; nothing is written then.
///
/// # Safety
/// `from`, `order` and `to` point to `length` elements; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_aot_scatter(
    from: *const f32,
    order: *const usize,
    length: usize,
    to: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || with_order(from, order, length, to, aot::scatter)) }
}
