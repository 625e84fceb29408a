//! Losses, gradients and metrics of listed answers.

use super::arguments::{Arguments, read};
use super::failure::{Failure, flag, preflane_error, report, reserved};
use super::losses::{loss_at, preflane_loss};
use super::metrics::{bytes, merge, restore, save, sound, state, update};
use super::pairs::reference_column;
use super::run::preflane_run;
use crate::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use crate::{Error, ExactSum};

/// Log-probabilities of answers in nats, list after list.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_listed {
    /// How many answers in all.
    pub answers: usize,
    /// How many lists.
    pub lists: usize,
    /// The policy's log-probability of each answer. Within a list the best answer comes first.
    pub policy_logps: *const f32,
    /// The reference model's log-probability of each answer.
    pub ref_logps: *const f32,
    /// Where each list begins among the answers, and the number of answers last: one element more than there are lists. 0, 3, 5 are a
    /// list of three answers and one of two. A list may be empty.
    pub offsets: *const usize,
    /// Weights of the lists, finite and at least 0; null: all are 1.
    pub weights: *const f32,
    /// What the loss takes of each answer beside log-probabilities: preflane_loss_description.column tells what it is. Null where it takes
    /// nothing.
    pub column: *const f32,
    /// 1: there is no reference model, and ref_logps is null. 0: there is one.
    pub reference_free: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Results of listed answers; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_listed_outputs {
    /// Loss of each list, times its weight.
    pub losses: *mut f32,
    /// Derivative of each list's weighted loss by beta.
    pub grad_beta: *mut f32,
    /// Implicit reward of each answer: beta (policy_logps - ref_logps).
    pub rewards: *mut f32,
    /// Derivative of the weighted loss by policy_logps, answer by answer.
    pub grad_logps: *mut f32,
    /// Derivative of the weighted loss by ref_logps, answer by answer.
    pub grad_ref_logps: *mut f32,
}

/// Memory of one answer while its list is evaluated on the calling thread. What it holds before does not matter, and afterwards it says nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_list_scratch {
    /// Not for the caller.
    pub state: [u64; 24],
}

const _: () = assert!(
    size_of::<ListScratch>() <= size_of::<preflane_list_scratch>()
        && align_of::<ListScratch>() <= align_of::<preflane_list_scratch>()
);

/// Exact sums and counts over any number of lists, which all zeros begin.
///
/// They are plain data of a fixed size, which has the same bits for every order of the lists and every partition of them among calls,
/// threads, ranks and restarts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_listed_metrics {
    /// Lists seen.
    pub lists: u64,
    /// Lists of at least one answer.
    pub filled: u64,
    /// Answers seen.
    pub answers: u64,
    /// Lists of at least two answers whose best answer has a log-ratio above that of every other.
    pub accurate: u64,
    /// Lists with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Lists that have nothing to compare, whose loss and gradients are 0: too few answers, or all of one kind.
    pub skipped: u64,
    /// Sum of the weights; each is 1 where none were given.
    pub weights: ExactSum,
    /// Sum of the weighted losses.
    pub loss: ExactSum,
    /// Sum of the rewards of the best answers.
    pub rewards_chosen: ExactSum,
    /// Sum of the rewards of all other answers.
    pub rewards_rejected: ExactSum,
    /// Sum of the policy's log-probabilities of the best answers.
    pub logps_chosen: ExactSum,
    /// Sum of the policy's log-probabilities of all other answers.
    pub logps_rejected: ExactSum,
}

// The library's own metrics stand in that struct, field by field: a test below compares the places.
const _: () = assert!(
    size_of::<preflane_listed_metrics>() == size_of::<ListMetrics>()
        && align_of::<preflane_listed_metrics>() == align_of::<ListMetrics>()
);

/// Means over lists, each correctly rounded from the exact sum. NaN where there is nothing to take a mean of.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_listed_report {
    /// Number of lists.
    pub lists: u64,
    /// Number of answers.
    pub answers: u64,
    /// Lists with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Lists that have nothing to compare, whose loss and gradients are 0: too few answers, or all of one kind.
    pub skipped: u64,
    /// Mean of the weighted losses over the lists.
    pub loss: f32,
    /// The mean reward of the best answers.
    pub rewards_chosen: f32,
    /// The mean reward of all other answers.
    pub rewards_rejected: f32,
    /// The share of lists whose best answer has the greatest reward, strictly.
    pub rewards_accuracies: f32,
    /// The policy's mean log-probability of the best answers.
    pub logps_chosen: f32,
    /// The policy's mean log-probability of all other answers.
    pub logps_rejected: f32,
}

state!(ListMetrics, " holds counts or sums that no lists give; all zeros begin new metrics");

/// Losses of lists, rewards and gradients of their answers, each the nearest float to the exact value of the formula (docs/definition.md says what that is where a sum
/// cancels all but 2^-320 of its terms); adds them to `metrics` unless that is null. The bits depend neither on the threads nor on how lists are split
/// into calls. Lists that have nothing to compare have a loss of 0.
///
/// `scratch` has `scratch_length` elements: at least as many as the longest list has answers.
///
/// Errors: NULL, ALIGNMENT, LENGTH (also for too little scratch), OVERLAP (outputs must not overlap inputs, metrics or one another),
/// PARAMETER (also for metrics that no lists give), OFFSETS (with the place among the offsets), WEIGHT, COLUMN, LEVEL, THREADS; nothing is
/// written then.
///
/// # Safety
/// `loss`, `lists` and `outputs` point to their structs and these to arrays of as many elements as there are answers or lists, but for
/// those that may be null; `scratch` points to `scratch_length` elements; `metrics` is null or points to metrics; `error` is null or
/// points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluate_listed(
    run: preflane_run,
    loss: *const preflane_loss,
    lists: *const preflane_listed,
    outputs: *const preflane_listed_outputs,
    metrics: *mut preflane_listed_metrics,
    scratch: *mut preflane_list_scratch,
    scratch_length: usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let loss = unsafe { loss_at(loss) }?.of_listed()?;
        // SAFETY: likewise.
        let given = unsafe { read("lists", lists) }?;
        reserved(given.reserved, "0, in preflane_listed")?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let (answers, lists) = (given.answers, given.lists);
        let free = flag("reference_free", given.reference_free)?;
        let mut arguments = Arguments::new();
        let policy = arguments.input("policy_logps", given.policy_logps, answers);
        let reference = reference_column(&mut arguments, free, given.ref_logps, answers)?;
        // Without lists there is no need to say where they end, if there are no answers.
        let offset_count = lists.checked_add(1).ok_or(Failure::TooLarge("offsets"))?;
        let none = lists == 0 && answers == 0 && given.offsets.is_null();
        let offsets = arguments.input("offsets", given.offsets, if none { 0 } else { offset_count });
        let weights = arguments.input_if("weights", given.weights, lists);
        let column = arguments.input_if("column", given.column, answers);
        let losses = arguments.output_if("losses", outputs.losses, lists);
        let grad_beta = arguments.output_if("grad_beta", outputs.grad_beta, lists);
        let rewards = arguments.output_if("rewards", outputs.rewards, answers);
        let grad = arguments.output_if("grad_logps", outputs.grad_logps, answers);
        let grad_ref = arguments.output_if("grad_ref_logps", outputs.grad_ref_logps, answers);
        let metrics = arguments.output_if("metrics", metrics.cast::<ListMetrics>(), 1);
        let scratch = arguments.output("scratch", scratch, scratch_length);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the function's caller vouches for the memory.
        let lists = unsafe {
            Lists {
                policy_logps: policy.slice(&checked),
                ref_logps: if free { None } else { Some(reference.slice(&checked)) },
                offsets: if none { &[0] } else { offsets.slice(&checked) },
                weights: weights.slice_if(&checked),
                column: column.slice_if(&checked),
            }
        };
        lists.check(loss.description().column.as_ref())?;
        let longest = lists.longest();
        if scratch_length < longest {
            return Err(Error::Length { argument: "scratch", expected: longest, got: scratch_length }.into());
        }
        // SAFETY: likewise; metrics take any bits.
        let metrics = unsafe { metrics.slice_if(&checked) }.and_then(|metrics| metrics.first_mut());
        metrics.as_deref().map_or(Ok(()), |metrics| sound("metrics", metrics))?;
        // SAFETY: likewise. An element of the caller's has room for one of the library's, which are written before they are read.
        let (outputs, scratch) = unsafe {
            (
                ListOutputs {
                    losses: losses.slice_if(&checked),
                    grad_beta: grad_beta.slice_if(&checked),
                    rewards: rewards.slice_if(&checked),
                    grad_logps: grad.slice_if(&checked),
                    grad_ref_logps: grad_ref.slice_if(&checked),
                },
                scratch.filled_as(&checked, longest, ListScratch::default()),
            )
        };
        Ok(run.evaluate_listed(&loss, lists, outputs, metrics, scratch)?)
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Adds to `into` what `from` has seen: the same bits in every order and partition, across threads, ranks and restarts.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (metrics that no lists give: damaged, or never begun); nothing is written then.
///
/// # Safety
/// Both point to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_listed_metrics_merge(
    into: *mut preflane_listed_metrics,
    from: *const preflane_listed_metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: the caller's word; metrics take any bits.
    unsafe { report(error, || merge(into.cast::<ListMetrics>(), from.cast())) }
}

/// The means of what the metrics have seen.
///
/// Errors: those of preflane_listed_metrics_merge; nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `out` to a preflane_listed_report; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_listed_metrics_report(
    metrics: *const preflane_listed_metrics,
    out: *mut preflane_listed_report,
    error: *mut preflane_error,
) -> i32 {
    let body = |out: &mut preflane_listed_report, metrics: &ListMetrics| {
        sound("metrics", metrics)?;
        let report = metrics.report();
        *out = preflane_listed_report {
            lists: report.lists,
            answers: report.answers,
            nonfinite: report.nonfinite,
            skipped: report.skipped,
            loss: report.loss,
            rewards_chosen: report.rewards_chosen,
            rewards_rejected: report.rewards_rejected,
            rewards_accuracies: report.rewards_accuracies,
            logps_chosen: report.logps_chosen,
            logps_rejected: report.logps_rejected,
        };
        Ok(())
    };
    // SAFETY: the caller's word; metrics take any bits.
    unsafe { report(error, || update("out", out, "metrics", metrics.cast(), body)) }
}

bytes!(ListMetrics);

/// Writes metrics of lists as PREFLANE_LISTED_METRICS_BYTES bytes, which are the same on every machine, with a version and a
/// checksum.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, LENGTH (too little room), PARAMETER (metrics that no lists give); nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `bytes` to `length` bytes; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_listed_metrics_save(
    metrics: *const preflane_listed_metrics,
    bytes: *mut u8,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || save(metrics.cast::<ListMetrics>(), bytes, length)) }
}

/// Reads metrics of lists from the bytes of preflane_listed_metrics_save. Bytes behind them are not looked at.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, SAVED_STATE (bytes that are cut off, damaged, of another version or of another kind); nothing is
/// written then.
///
/// # Safety
/// `bytes` points to `length` bytes, `metrics` to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_listed_metrics_restore(
    bytes: *const u8,
    length: usize,
    metrics: *mut preflane_listed_metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || restore(bytes, length, metrics.cast::<ListMetrics>())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The struct of the header and the library's metrics are the same memory.
    #[test]
    fn metrics_are_the_header_s() {
        let sum = |x: f32| {
            let mut sum = ExactSum::new();
            sum.add(x);
            sum
        };
        let given = preflane_listed_metrics {
            lists: 9,
            filled: 8,
            answers: 7,
            accurate: 6,
            nonfinite: 5,
            skipped: 4,
            weights: sum(1.0),
            loss: sum(2.0),
            rewards_chosen: sum(3.0),
            rewards_rejected: sum(4.0),
            logps_chosen: sum(5.0),
            logps_rejected: sum(6.0),
        };
        // SAFETY: one size, and any bits are metrics.
        let metrics: ListMetrics = unsafe { core::mem::transmute(given) };
        let counts = [metrics.lists(), metrics.filled(), metrics.answers(), metrics.accurate(), metrics.nonfinite()];
        assert_eq!((counts, metrics.skipped()), ([9, 8, 7, 6, 5], 4));
        let sums = [
            metrics.weights(),
            metrics.loss(),
            metrics.rewards_chosen(),
            metrics.rewards_rejected(),
            metrics.logps_chosen(),
            metrics.logps_rejected(),
        ];
        assert_eq!(sums.map(ExactSum::sum), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
