//! The running means that some losses compare with.

use super::arguments::{Arguments, read};
use super::failure::{preflane_error, report, reserved};
use super::metrics::{bytes, merge, restore, save, sound, state};
use super::pairs::{preflane_pairs, reference, reference_slices};
use crate::losses::ReferencePoint;
use crate::{ExactSum, MeanLogRatio, Pairs};

/// Which mean a loss of labelled answers compares the log-ratio with: what its reference point estimates.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_reference_point {
    /// None: it compares with nothing, and its reference point is 0.
    PREFLANE_REFERENCE_POINT_NONE = 0,
    /// The mean log-ratio of mismatched pairs of prompt and answer, or 0 if that is negative.
    PREFLANE_REFERENCE_POINT_MISMATCHED = 1,
    /// The mean log-ratio of all answers, desirable or not.
    PREFLANE_REFERENCE_POINT_ALL = 2,
}

impl preflane_reference_point {
    pub(super) fn of(kind: Option<ReferencePoint>) -> Self {
        match kind {
            None => Self::PREFLANE_REFERENCE_POINT_NONE,
            Some(ReferencePoint::Mismatched) => Self::PREFLANE_REFERENCE_POINT_MISMATCHED,
            Some(ReferencePoint::All) => Self::PREFLANE_REFERENCE_POINT_ALL,
        }
    }
}

/// The mean of log-ratios of policy to reference over any number of answers, or of the differences of pairs' two log-ratios, which all zeros
/// begin. KTO compares with that of mismatched pairs of prompt and answer, BCO with that of all answers so far, and beta-DPO with that
/// of all pairs so far.
///
/// It is plain data of a fixed size, which has the same bits for every order of the rows and every partition of them among calls, threads,
/// ranks and restarts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_mean_log_ratio {
    /// Rows in the mean.
    pub rows: u64,
    /// Rows left out, for a log-probability of theirs is infinite or NaN.
    pub nonfinite: u64,
    /// Sum of the log-ratios, or of the differences.
    pub log_ratios: ExactSum,
}

// The library's own state stands in that struct, field by field: a test below compares the places.
const _: () = assert!(
    size_of::<preflane_mean_log_ratio>() == size_of::<MeanLogRatio>()
        && align_of::<preflane_mean_log_ratio>() == align_of::<MeanLogRatio>()
);

/// Bytes of a saved mean log-ratio.
pub const PREFLANE_MEAN_LOG_RATIO_BYTES: usize = 72;
const _: () = assert!(PREFLANE_MEAN_LOG_RATIO_BYTES == MeanLogRatio::BYTES);

state!(MeanLogRatio, " holds counts or a sum that no rows give; all zeros begin a new one");
bytes!(MeanLogRatio);

/// Adds `length` answers to the mean. A row with an infinite or NaN log-probability is counted and left out.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a state that no rows give: damaged, or never begun); nothing is written then.
///
/// # Safety
/// `state` points to a state, `policy_logps` and `ref_logps` to `length` floats; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_add(
    state: *mut preflane_mean_log_ratio,
    policy_logps: *const f32,
    ref_logps: *const f32,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let policy = arguments.input("policy_logps", policy_logps, length);
        let reference = arguments.input("ref_logps", ref_logps, length);
        let state = arguments.output("state", state.cast::<MeanLogRatio>(), 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word; a state takes any bits.
        let (state, policy, reference) =
            unsafe { (state.slice(&checked), policy.slice(&checked), reference.slice(&checked)) };
        if let [state] = state {
            sound("state", state)?;
            state.add(policy, reference)?;
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// Adds pairs to the mean: of each the difference of its chosen and its rejected log-ratio. Neither weights nor a column are looked at. A
/// pair with an infinite or NaN log-probability is counted and left out.
///
/// Errors: those of preflane_mean_log_ratio_add; nothing is written then.
///
/// # Safety
/// `state` points to a state, `pairs` to its struct and that to arrays of pairs.length floats, but for those that may be null; `error` is
/// null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_add_pairs(
    state: *mut preflane_mean_log_ratio,
    pairs: *const preflane_pairs,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let pairs = unsafe { read("pairs", pairs) }?;
        reserved(pairs.reserved, "0, in preflane_pairs")?;
        let n = pairs.length;
        let mut arguments = Arguments::new();
        let chosen = arguments.input("policy_chosen_logps", pairs.policy_chosen_logps, n);
        let rejected = arguments.input("policy_rejected_logps", pairs.policy_rejected_logps, n);
        let reference =
            reference(&mut arguments, pairs.reference_free, pairs.ref_chosen_logps, pairs.ref_rejected_logps, n)?;
        let state = arguments.output("state", state.cast::<MeanLogRatio>(), 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word; a state takes any bits.
        let (state, pairs) = unsafe {
            let pairs = Pairs {
                reference: reference_slices(reference, &checked),
                ..Pairs::reference_free(chosen.slice(&checked), rejected.slice(&checked))
            };
            (state.slice(&checked), pairs)
        };
        if let [state] = state {
            sound("state", state)?;
            state.add_pairs(pairs)?;
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// Adds to `into` the rows of `from`: the same bits in every order and partition, across threads, ranks and restarts.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (a state that no rows give: damaged, or never begun); nothing is written then.
///
/// # Safety
/// Both point to states; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_merge(
    into: *mut preflane_mean_log_ratio,
    from: *const preflane_mean_log_ratio,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: the caller's word; a state takes any bits.
    unsafe { report(error, || merge(into.cast::<MeanLogRatio>(), from.cast())) }
}

/// What losses take from the mean; each pointer may be null but the first. `mean` is the mean, NaN without rows. `mismatched` is the
/// reference point of KTO where the rows are mismatched pairs of prompt and answer: the mean, or 0 if that is negative, clamped after all
/// merging. `all` is the reference point of BCO where the rows are all answers so far: the mean. Both are 0 without rows. Each is rounded
/// once from the exact sum.
///
/// Errors: those of preflane_mean_log_ratio_merge; nothing is written then.
///
/// # Safety
/// `state` points to a state, the others to a float or are null; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_value(
    state: *const preflane_mean_log_ratio,
    mean: *mut f32,
    mismatched: *mut f32,
    all: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let state = arguments.input("state", state.cast::<MeanLogRatio>(), 1);
        let mean = arguments.output_if("mean", mean, 1);
        let mismatched = arguments.output_if("mismatched", mismatched, 1);
        let all = arguments.output_if("all", all, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word; a state takes any bits.
        let (state, outputs) = unsafe {
            let outputs = [mean, mismatched, all].map(|output| output.slice_if(&checked).unwrap_or_default());
            (state.slice(&checked), outputs)
        };
        if let [state] = state {
            sound("state", state)?;
            let points = [ReferencePoint::Mismatched, ReferencePoint::All].map(|kind| state.reference_point(kind));
            let [mismatched, all] = points;
            for (output, value) in outputs.into_iter().zip([state.mean(), mismatched, all]) {
                output.fill(value);
            }
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// The beta of beta-DPO (Wu et al. 2024, arXiv 2407.08639) for the pairs of a batch: beta (1 + strength (m - r)), where m is the mean of
/// `batch` and r that of `running`, all pairs so far, both exact; at least 0.001, and rounded once. Where either has no rows it is beta.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (a state that no rows give, a beta that is not finite and above 0, a strength that is not
/// finite and at least 0); nothing is written then.
///
/// # Safety
/// `batch` and `running` point to states, `out` to a float; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_beta_of_batch(
    batch: *const preflane_mean_log_ratio,
    running: *const preflane_mean_log_ratio,
    beta: f64,
    strength: f64,
    out: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let batch = arguments.input("batch", batch.cast::<MeanLogRatio>(), 1);
        let running = arguments.input("running", running.cast::<MeanLogRatio>(), 1);
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked, the rest is the caller's word; a state takes any bits.
        let (batch, running, out) = unsafe { (batch.slice(&checked), running.slice(&checked), out.slice(&checked)) };
        if let ([batch], [running]) = (batch, running) {
            sound("batch", batch)?;
            sound("running", running)?;
            out.fill(batch.beta(running, beta, strength)?);
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// Writes a mean log-ratio as PREFLANE_MEAN_LOG_RATIO_BYTES bytes, which are the same on every machine, with a version and a checksum.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, LENGTH (too little room), PARAMETER (a state that no rows give); nothing is written then.
///
/// # Safety
/// `metrics` points to a state, `bytes` to `length` bytes; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_save(
    metrics: *const preflane_mean_log_ratio,
    bytes: *mut u8,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || save(metrics.cast::<MeanLogRatio>(), bytes, length)) }
}

/// Reads a mean log-ratio from the bytes of preflane_mean_log_ratio_save. Bytes behind them are not looked at.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, SAVED_STATE (bytes that are cut off, damaged, of another version or of another kind); nothing is
/// written then.
///
/// # Safety
/// `bytes` points to `length` bytes, `metrics` to a state; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_mean_log_ratio_restore(
    bytes: *const u8,
    length: usize,
    metrics: *mut preflane_mean_log_ratio,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || restore(bytes, length, metrics.cast::<MeanLogRatio>())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The struct of the header and the library's state are the same memory.
    #[test]
    fn state_is_the_header_s() {
        let mut log_ratios = ExactSum::new();
        log_ratios.add(7.5);
        let given = preflane_mean_log_ratio { rows: 5, nonfinite: 2, log_ratios };
        // SAFETY: one size, and any bits are a state.
        let state: MeanLogRatio = unsafe { core::mem::transmute(given) };
        assert_eq!((state.rows(), state.nonfinite(), state.mean()), (5, 2, 1.5));
    }
}
