//! Metrics of pairs, their report and their bytes, and exact sums.

use super::arguments::Arguments;
use super::failure::{Failure, Outcome, preflane_error, report};
use crate::labelled::LabelledMetrics;
use crate::listed::ListMetrics;
use crate::{Error, ExactSum, Metrics};

/// What adds up, and comes from memory that may hold anything.
pub(super) trait State {
    /// What is wrong with one that nothing gives.
    const FAULT: &'static str;
    /// Whether something could have given it.
    fn is_sound(&self) -> bool;
    /// Adds what another has seen.
    fn merge(&mut self, other: &Self);
}

/// Says that a type is a [`State`], by its own functions.
macro_rules! state {
    ($State:ty, $fault:literal) => {
        impl $crate::capi::metrics::State for $State {
            const FAULT: &'static str = $fault;
            fn is_sound(&self) -> bool {
                <$State>::is_sound(self)
            }
            fn merge(&mut self, other: &Self) {
                <$State>::merge(self, other);
            }
        }
    };
}
pub(super) use state;
state!(Metrics, " holds counts or sums that no pairs give; all zeros begin new metrics");
state!(ExactSum, " holds bits that no sum has; all zeros begin a new one");

/// That something could have given it.
pub(super) fn sound<S: State>(name: &'static str, state: &S) -> Outcome {
    if state.is_sound() { Ok(()) } else { Err(Failure::State(name, S::FAULT)) }
}

/// Adds one state to another.
///
/// # Safety
/// Both pointers are null or point to states, which take any bits.
pub(super) unsafe fn merge<S: State>(into: *mut S, from: *const S) -> Outcome {
    let body = |into: &mut S, from: &S| {
        sound("into", into)?;
        sound("from", from)?;
        into.merge(from);
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { update("into", into, "from", from, body) }
}

/// Adds to `into` what `from` has seen: the same bits in every order and partition, across threads, ranks and restarts.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (metrics that no pairs give: damaged, or never begun); nothing is written then.
///
/// # Safety
/// Both point to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_metrics_merge(
    into: *mut Metrics,
    from: *const Metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe { report(error, || merge(into, from)) }
}

/// Means over the pairs, under TRL's names, each correctly rounded from the exact sum. NaN where there are no pairs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_report {
    /// Number of pairs.
    pub pairs: u64,
    /// Pairs with equal rewards. They count as not accurate.
    pub ties: u64,
    /// Pairs with an infinite or NaN log-probability, loss, reward or margin.
    pub nonfinite: u64,
    /// Mean of the (weighted) losses.
    pub loss: f32,
    /// rewards/chosen
    pub rewards_chosen: f32,
    /// rewards/rejected
    pub rewards_rejected: f32,
    /// rewards/accuracies: the share of pairs whose chosen reward is the greater.
    pub rewards_accuracies: f32,
    /// rewards/margins
    pub rewards_margins: f32,
    /// logps/chosen
    pub logps_chosen: f32,
    /// logps/rejected
    pub logps_rejected: f32,
    /// Likelihood displacement: share of pairs whose chosen log-probability fell below the reference's. NaN without a
    /// reference, as the next two.
    pub chosen_fell: f32,
    /// Share of pairs whose rejected log-probability fell below the reference's.
    pub rejected_fell: f32,
    /// Share of pairs where both fell.
    pub both_fell: f32,
}

/// The means of what the metrics have seen.
///
/// Errors: those of preflane_metrics_merge; nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `out` to a preflane_report; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_metrics_report(
    metrics: *const Metrics,
    out: *mut preflane_report,
    error: *mut preflane_error,
) -> i32 {
    let body = |out: &mut preflane_report, metrics: &Metrics| {
        sound("metrics", metrics)?;
        let report = metrics.report();
        *out = preflane_report {
            pairs: report.pairs,
            ties: report.ties,
            nonfinite: report.nonfinite,
            loss: report.loss,
            rewards_chosen: report.rewards_chosen,
            rewards_rejected: report.rewards_rejected,
            rewards_accuracies: report.rewards_accuracies,
            rewards_margins: report.rewards_margins,
            logps_chosen: report.logps_chosen,
            logps_rejected: report.logps_rejected,
            chosen_fell: report.chosen_fell.unwrap_or(crate::NAN),
            rejected_fell: report.rejected_fell.unwrap_or(crate::NAN),
            both_fell: report.both_fell.unwrap_or(crate::NAN),
        };
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, || update("out", out, "metrics", metrics, body)) }
}

/// Bytes of saved metrics of pairs.
pub const PREFLANE_METRICS_BYTES: usize = 360;
/// Bytes of saved metrics of labelled answers.
pub const PREFLANE_LABELLED_METRICS_BYTES: usize = 288;
/// Bytes of saved metrics of lists.
pub const PREFLANE_LISTED_METRICS_BYTES: usize = 304;

const _: () = assert!(
    PREFLANE_METRICS_BYTES == Metrics::BYTES
        && PREFLANE_LABELLED_METRICS_BYTES == LabelledMetrics::BYTES
        && PREFLANE_LISTED_METRICS_BYTES == ListMetrics::BYTES
);

/// Metrics that go to bytes and back.
pub(super) trait Bytes: State + Copy {
    /// How many.
    const LENGTH: usize;
    /// Into as many bytes.
    fn save(&self, into: &mut [u8]);
    /// From bytes.
    fn restore(bytes: &[u8]) -> Result<Self, Error>;
}

/// Says how metrics of a type go to bytes and back.
macro_rules! bytes {
    ($Metrics:ty) => {
        impl $crate::capi::metrics::Bytes for $Metrics {
            const LENGTH: usize = <$Metrics>::BYTES;
            fn save(&self, into: &mut [u8]) {
                for (to, byte) in into.iter_mut().zip(self.to_bytes()) {
                    *to = byte;
                }
            }
            fn restore(bytes: &[u8]) -> Result<Self, $crate::Error> {
                <$Metrics>::from_bytes(bytes)
            }
        }
    };
}
pub(super) use bytes;
bytes!(Metrics);

/// Writes metrics as bytes.
///
/// # Safety
/// `metrics` is null or points to metrics, which take any bits, and `bytes` is null or points to `length` bytes.
pub(super) unsafe fn save<M: Bytes>(metrics: *const M, bytes: *mut u8, length: usize) -> Outcome {
    let mut arguments = Arguments::new();
    let metrics = arguments.input("metrics", metrics, 1);
    let into = arguments.output("bytes", bytes, length);
    let checked = arguments.check()?;
    if length < M::LENGTH {
        return Err(Error::Length { argument: "bytes", expected: M::LENGTH, got: length }.into());
    }
    // SAFETY: all arguments are checked; the rest is the caller's word.
    if let ([metrics], into) = unsafe { (metrics.slice(&checked), into.slice(&checked)) } {
        sound("metrics", metrics)?;
        metrics.save(into);
    }
    Ok(())
}

/// Reads metrics from bytes.
///
/// # Safety
/// `bytes` is null or points to `length` bytes, and `metrics` is null or points to metrics, which take any bits.
pub(super) unsafe fn restore<M: Bytes>(bytes: *const u8, length: usize, metrics: *mut M) -> Outcome {
    let mut arguments = Arguments::new();
    let from = arguments.input("bytes", bytes, length);
    let metrics = arguments.output("metrics", metrics, 1);
    let checked = arguments.check()?;
    // SAFETY: all arguments are checked; the rest is the caller's word.
    unsafe {
        let found = M::restore(from.slice(&checked))?;
        metrics.slice(&checked).fill(found);
    }
    Ok(())
}

/// Writes metrics as PREFLANE_METRICS_BYTES bytes, which are the same on every machine, with a version and a checksum.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, LENGTH (too little room), PARAMETER (metrics that no pairs give); nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `bytes` to `length` bytes; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_metrics_save(
    metrics: *const Metrics,
    bytes: *mut u8,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || save(metrics, bytes, length)) }
}

/// Reads metrics from the bytes of preflane_metrics_save. Bytes behind them are not looked at.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, SAVED_STATE (bytes that are cut off, damaged, of another version or of another kind); nothing is
/// written then.
///
/// # Safety
/// `bytes` points to `length` bytes, `metrics` to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_metrics_restore(
    bytes: *const u8,
    length: usize,
    metrics: *mut Metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || restore(bytes, length, metrics)) }
}

/// Changes one struct with the help of another.
///
/// # Safety
/// Both pointers are null or point to their types, which take any bits.
pub(super) unsafe fn update<T, U>(
    into_name: &'static str,
    into: *mut T,
    from_name: &'static str,
    from: *const U,
    body: impl FnOnce(&mut T, &U) -> Outcome,
) -> Outcome {
    let mut arguments = Arguments::new();
    let from = arguments.input(from_name, from, 1);
    let into = arguments.output(into_name, into, 1);
    let checked = arguments.check()?;
    // SAFETY: all arguments are checked, the rest is the caller's word.
    if let ([into], [from]) = unsafe { (into.slice(&checked), from.slice(&checked)) } {
        return body(into, from);
    }
    Ok(())
}

/// Adds values to an exact sum, which all zeros begin. Every order and grouping gives the same bits.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a sum that no values give: damaged, or never begun); nothing is written then.
///
/// # Safety
/// `sum` points to a sum, `values` to `length` floats; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_sum_add(
    sum: *mut ExactSum,
    values: *const f32,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let values = arguments.input("values", values, length);
        let sum = arguments.output("sum", sum, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word.
        if let ([sum], values) = unsafe { (sum.slice(&checked), values.slice(&checked)) } {
            sound("sum", sum)?;
            values.iter().for_each(|&x| sum.add(x));
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// Adds one exact sum to another.
///
/// Errors: those of preflane_sum_add; nothing is written then.
///
/// # Safety
/// Both point to sums; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_sum_merge(
    into: *mut ExactSum,
    from: *const ExactSum,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: the caller's word.
    unsafe { report(error, || merge(into, from)) }
}

/// The sum, and its mean over `count` (a global number of pairs or tokens, say), each rounded once; either pointer may be
/// null. The mean over 0 is NaN.
///
/// Errors: those of preflane_sum_add; nothing is written then.
///
/// # Safety
/// `sum` points to a sum, `value` and `mean` to a float or are null; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_sum_value(
    sum: *const ExactSum,
    count: u64,
    value: *mut f32,
    mean: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let sum = arguments.input("sum", sum, 1);
        let value = arguments.output_if("value", value, 1);
        let mean = arguments.output_if("mean", mean, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word.
        let (sum, value, mean) = unsafe { (sum.slice(&checked), value.slice_if(&checked), mean.slice_if(&checked)) };
        if let [sum] = sum {
            sound("sum", sum)?;
            value.unwrap_or_default().fill(sum.sum());
            mean.unwrap_or_default().fill(sum.mean(count));
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}
