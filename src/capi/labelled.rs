//! Losses, gradients and metrics of labelled answers.

use super::arguments::{Arguments, read};
use super::failure::{flag, flags, preflane_error, report};
use super::losses::{loss_at, preflane_loss};
use super::metrics::{bytes, merge, restore, save, sound, state, update};
use super::pairs::reference_column;
use super::run::preflane_run;
use crate::ExactSum;
use crate::labelled::{Labelled, LabelledMetrics, LabelledOutputs};

/// Log-probabilities of labelled answers in nats, one answer a row.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_labelled {
    /// How many answers: the length of each array.
    pub length: usize,
    /// The policy's log-probability of each answer.
    pub policy_logps: *const f32,
    /// The reference model's log-probability of each answer.
    pub ref_logps: *const f32,
    /// 1 where the answer is a desirable one, 0 where it is not; other values are refused.
    pub desirable: *const u8,
    /// Weights of the answers, finite and at least 0; null: all are 1.
    pub weights: *const f32,
    /// The log-ratio that counts as neither good nor bad, finite; 0 for a loss that compares with none. For KTO it is an estimate of the
    /// divergence of policy and reference: the mean log-ratio of mismatched pairs of prompt and answer, or 0 if that is negative. For BCO
    /// it is the running mean of the log-ratios of all answers: the shift of its paper and of trainers, a mean of rewards, is beta times
    /// it. preflane_mean_log_ratio_value gives either.
    pub reference_point: f32,
    /// 1: there is no reference model, and ref_logps is null. 0: there is one.
    pub reference_free: i32,
    /// What the loss takes beside log-probabilities, one number an answer: preflane_loss_description.column tells what it is. Null where it
    /// takes nothing.
    pub column: *const f32,
}

/// Results of labelled answers, one an answer each; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_labelled_outputs {
    /// Loss of the answer, times its weight.
    pub losses: *mut f32,
    /// Implicit reward of the answer: beta (policy_logps - ref_logps).
    pub rewards: *mut f32,
    /// Derivative of the weighted loss by policy_logps.
    pub grad_logps: *mut f32,
    /// Derivative of the weighted loss by ref_logps.
    pub grad_ref_logps: *mut f32,
    /// Derivative of the answer's weighted loss by beta.
    pub grad_beta: *mut f32,
    /// Derivative of the answer's weighted loss by the loss's bias; 0 for a loss that has none.
    pub grad_bias: *mut f32,
}

/// Exact sums and counts over any number of labelled answers, which all zeros begin.
///
/// They are plain data of a fixed size, which has the same bits for every order of the answers and every partition of them among calls,
/// threads, ranks and restarts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_labelled_metrics {
    /// Desirable answers seen.
    pub desirable: u64,
    /// Other answers seen.
    pub undesirable: u64,
    /// Answers that came with a reference.
    pub referenced: u64,
    /// Answers with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Sum of the weights; each is 1 where none were given.
    pub weights: ExactSum,
    /// Sum of the weighted losses.
    pub loss: ExactSum,
    /// Sum of the rewards of desirable answers.
    pub rewards_chosen: ExactSum,
    /// Sum of the rewards of the others.
    pub rewards_rejected: ExactSum,
    /// Sum of the policy's log-probabilities of desirable answers.
    pub logps_chosen: ExactSum,
    /// Sum of the policy's log-probabilities of the others.
    pub logps_rejected: ExactSum,
}

// The library's own metrics stand in that struct, field by field: a test below compares the places.
const _: () = assert!(
    size_of::<preflane_labelled_metrics>() == size_of::<LabelledMetrics>()
        && align_of::<preflane_labelled_metrics>() == align_of::<LabelledMetrics>()
);

/// Means over labelled answers, under the names of TRL's KTO trainer, each correctly rounded from the exact sum. NaN where a class has
/// no answers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_labelled_report {
    /// Number of desirable answers: count/chosen.
    pub desirable: u64,
    /// Number of the others: count/rejected.
    pub undesirable: u64,
    /// Answers with an infinite or NaN log-probability, loss or reward.
    pub nonfinite: u64,
    /// Mean of the weighted losses.
    pub loss: f32,
    /// rewards/chosen: the mean reward of desirable answers.
    pub rewards_chosen: f32,
    /// rewards/rejected: the mean reward of the others.
    pub rewards_rejected: f32,
    /// rewards/margins: the difference of the two means, each rounded before.
    pub rewards_margins: f32,
    /// logps/chosen: the policy's mean log-probability of desirable answers.
    pub logps_chosen: f32,
    /// logps/rejected: the policy's mean log-probability of the others.
    pub logps_rejected: f32,
}

state!(LabelledMetrics, " holds counts or sums that no labelled answers give; all zeros begin new metrics");

/// Losses, rewards and gradients of labelled answers, each the nearest float to the exact value of the formula; adds them to `metrics`
/// unless that is null. The bits depend neither on the threads nor on how answers are split into calls.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP (outputs must not overlap inputs, metrics or one another), PARAMETER (also for a byte of
/// `desirable` that is neither 0 nor 1, with the row, for metrics that no labelled answers give, and for a reference point that is not finite or
/// that the loss does not take), WEIGHT, COLUMN, LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `loss`, `answers` and `outputs` point to their structs and these to arrays of answers.length elements, but for those that may be
/// null; `metrics` is null or points to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluate_labelled(
    run: preflane_run,
    loss: *const preflane_loss,
    answers: *const preflane_labelled,
    outputs: *const preflane_labelled_outputs,
    metrics: *mut preflane_labelled_metrics,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let loss = unsafe { loss_at(loss) }?.of_labelled()?;
        // SAFETY: likewise.
        let answers = unsafe { read("answers", answers) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let n = answers.length;
        let free = flag("reference_free", answers.reference_free)?;
        let mut arguments = Arguments::new();
        let policy = arguments.input("policy_logps", answers.policy_logps, n);
        let reference = reference_column(&mut arguments, free, answers.ref_logps, n)?;
        let desirable = arguments.input("desirable", answers.desirable, n);
        let weights = arguments.input_if("weights", answers.weights, n);
        let column = arguments.input_if("column", answers.column, n);
        let losses = arguments.output_if("losses", outputs.losses, n);
        let rewards = arguments.output_if("rewards", outputs.rewards, n);
        let grad = arguments.output_if("grad_logps", outputs.grad_logps, n);
        let grad_ref = arguments.output_if("grad_ref_logps", outputs.grad_ref_logps, n);
        let grad_beta = arguments.output_if("grad_beta", outputs.grad_beta, n);
        let grad_bias = arguments.output_if("grad_bias", outputs.grad_bias, n);
        let metrics = arguments.output_if("metrics", metrics.cast::<LabelledMetrics>(), 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the function's caller vouches for the memory.
        flags("desirable", unsafe { desirable.slice(&checked) })?;
        // SAFETY: likewise. The bytes are bools, as was just seen; metrics take any bits.
        let (answers, outputs, metrics) = unsafe {
            (
                Labelled {
                    policy_logps: policy.slice(&checked),
                    ref_logps: if free { None } else { Some(reference.slice(&checked)) },
                    desirable: desirable.cast::<bool>().slice(&checked),
                    reference_point: answers.reference_point,
                    weights: weights.slice_if(&checked),
                    column: column.slice_if(&checked),
                },
                LabelledOutputs {
                    losses: losses.slice_if(&checked),
                    rewards: rewards.slice_if(&checked),
                    grad_logps: grad.slice_if(&checked),
                    grad_ref_logps: grad_ref.slice_if(&checked),
                    grad_beta: grad_beta.slice_if(&checked),
                    grad_bias: grad_bias.slice_if(&checked),
                },
                metrics.slice_if(&checked).and_then(|metrics| metrics.first_mut()),
            )
        };
        metrics.as_deref().map_or(Ok(()), |metrics| sound("metrics", metrics))?;
        Ok(run.evaluate_labelled(&loss, answers, outputs, metrics)?)
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Adds to `into` what `from` has seen: the same bits in every order and partition, across threads, ranks and restarts.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (metrics that no labelled answers give: damaged, or never begun); nothing is written
/// then.
///
/// # Safety
/// Both point to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_labelled_metrics_merge(
    into: *mut preflane_labelled_metrics,
    from: *const preflane_labelled_metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: the caller's word; metrics take any bits.
    unsafe { report(error, || merge(into.cast::<LabelledMetrics>(), from.cast())) }
}

/// The means of what the metrics have seen.
///
/// Errors: those of preflane_labelled_metrics_merge; nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `out` to a preflane_labelled_report; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_labelled_metrics_report(
    metrics: *const preflane_labelled_metrics,
    out: *mut preflane_labelled_report,
    error: *mut preflane_error,
) -> i32 {
    let body = |out: &mut preflane_labelled_report, metrics: &LabelledMetrics| {
        sound("metrics", metrics)?;
        let report = metrics.report();
        *out = preflane_labelled_report {
            desirable: report.desirable,
            undesirable: report.undesirable,
            nonfinite: report.nonfinite,
            loss: report.loss,
            rewards_chosen: report.rewards_chosen,
            rewards_rejected: report.rewards_rejected,
            rewards_margins: report.rewards_margins,
            logps_chosen: report.logps_chosen,
            logps_rejected: report.logps_rejected,
        };
        Ok(())
    };
    // SAFETY: the caller's word; metrics take any bits.
    unsafe { report(error, || update("out", out, "metrics", metrics.cast(), body)) }
}

bytes!(LabelledMetrics);

/// Writes metrics of labelled answers as PREFLANE_LABELLED_METRICS_BYTES bytes, which are the same on every machine, with a version and a
/// checksum.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, LENGTH (too little room), PARAMETER (metrics that no labelled answers give); nothing is written then.
///
/// # Safety
/// `metrics` points to metrics, `bytes` to `length` bytes; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_labelled_metrics_save(
    metrics: *const preflane_labelled_metrics,
    bytes: *mut u8,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || save(metrics.cast::<LabelledMetrics>(), bytes, length)) }
}

/// Reads metrics of labelled answers from the bytes of preflane_labelled_metrics_save. Bytes behind them are not looked at.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, SAVED_STATE (bytes that are cut off, damaged, of another version or of another kind); nothing is
/// written then.
///
/// # Safety
/// `bytes` points to `length` bytes, `metrics` to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_labelled_metrics_restore(
    bytes: *const u8,
    length: usize,
    metrics: *mut preflane_labelled_metrics,
    error: *mut preflane_error,
) -> i32 {
    // SAFETY: as the function's own.
    unsafe { report(error, || restore(bytes, length, metrics.cast::<LabelledMetrics>())) }
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
        let given = preflane_labelled_metrics {
            desirable: 5,
            undesirable: 4,
            referenced: 3,
            nonfinite: 2,
            weights: sum(1.0),
            loss: sum(2.0),
            rewards_chosen: sum(3.0),
            rewards_rejected: sum(4.0),
            logps_chosen: sum(5.0),
            logps_rejected: sum(6.0),
        };
        // SAFETY: one size, and any bits are metrics.
        let metrics: LabelledMetrics = unsafe { core::mem::transmute(given) };
        let counts = [metrics.desirable(), metrics.undesirable(), metrics.referenced(), metrics.nonfinite()];
        assert_eq!(counts, [5, 4, 3, 2]);
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
