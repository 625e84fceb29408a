//! Losses, gradients and metrics of pairs.

use super::arguments::{Arguments, Checked, Input, read};
use super::failure::{Failure, Outcome, constants, flag, preflane_error, report, reserved};
use super::run::preflane_run;
use crate::{ExactSum, Loss, Metrics, Outputs, Pairs, Reference};
use preflane_loss_kind::*;

/// Losses of a pair.
#[repr(i32)]
pub enum preflane_loss_kind {
    /// DPO: arXiv 2305.18290.
    PREFLANE_LOSS_DPO = 1,
    /// Conservative DPO, with label_smoothing.
    PREFLANE_LOSS_CDPO = 2,
    /// Robust DPO: arXiv 2403.00409, with label_smoothing.
    PREFLANE_LOSS_ROBUST = 3,
    /// IPO: arXiv 2310.12036.
    PREFLANE_LOSS_IPO = 4,
    /// Hinge, as in SLiC-HF and RSO.
    PREFLANE_LOSS_HINGE = 5,
}

constants!(
    preflane_loss_kind, "kind", "a preflane_loss_kind: 1 to 5",
    PREFLANE_LOSS_DPO PREFLANE_LOSS_CDPO PREFLANE_LOSS_ROBUST PREFLANE_LOSS_IPO PREFLANE_LOSS_HINGE
);

/// A loss with its parameters.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_loss {
    /// A preflane_loss_kind.
    pub kind: i32,
    /// Always 0.
    pub reserved: u32,
    /// Finite and greater than 0.
    pub beta: f64,
    /// At least 0 and less than 1/2; 0 for losses without it.
    pub label_smoothing: f64,
}

impl preflane_loss {
    pub(super) fn checked(self) -> Result<Loss, Failure> {
        let Self { kind, reserved: zero, beta, label_smoothing } = self;
        reserved(zero, "0, in preflane_loss")?;
        let kind = preflane_loss_kind::of(kind)?;
        if !matches!(kind, PREFLANE_LOSS_CDPO | PREFLANE_LOSS_ROBUST) && label_smoothing != 0.0 {
            let requirement = "0: this loss has no label smoothing";
            return Err(crate::Error::Parameter { name: "label_smoothing", value: label_smoothing, requirement }.into());
        }
        Ok(match kind {
            PREFLANE_LOSS_DPO => Loss::dpo(beta),
            PREFLANE_LOSS_CDPO => Loss::cdpo(beta, label_smoothing),
            PREFLANE_LOSS_ROBUST => Loss::robust(beta, label_smoothing),
            PREFLANE_LOSS_IPO => Loss::ipo(beta),
            PREFLANE_LOSS_HINGE => Loss::hinge(beta),
        }?)
    }
}

/// Log-probabilities of answers in nats, one a pair.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_pairs {
    /// How many pairs: the length of each array.
    pub length: usize,
    /// The policy's log-probabilities of the chosen answers.
    pub policy_chosen_logps: *const f32,
    /// The policy's log-probabilities of the rejected answers.
    pub policy_rejected_logps: *const f32,
    /// The reference model's log-probabilities of the chosen answers.
    pub ref_chosen_logps: *const f32,
    /// The reference model's log-probabilities of the rejected answers.
    pub ref_rejected_logps: *const f32,
    /// Weights of the pairs, finite and at least 0; null: all are 1.
    pub weights: *const f32,
    /// 1: there is no reference model, and the two pointers above are null. 0: there is one.
    pub reference_free: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Results, one a pair each; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_pair_outputs {
    /// Loss, times the weight.
    pub losses: *mut f32,
    /// beta (policy_chosen_logps - ref_chosen_logps).
    pub chosen_rewards: *mut f32,
    /// beta (policy_rejected_logps - ref_rejected_logps).
    pub rejected_rewards: *mut f32,
    /// The exact difference of the two rewards, rounded once.
    pub margins: *mut f32,
    /// Derivative of the weighted loss by policy_chosen_logps.
    pub grad_chosen_logps: *mut f32,
    /// Derivative of the weighted loss by policy_rejected_logps.
    pub grad_rejected_logps: *mut f32,
    /// Derivative of the weighted loss by ref_chosen_logps.
    pub grad_ref_chosen_logps: *mut f32,
    /// Derivative of the weighted loss by ref_rejected_logps.
    pub grad_ref_rejected_logps: *mut f32,
    /// Derivative of each pair's weighted loss by beta.
    pub grad_beta: *mut f32,
}

/// The reference model's two columns; null if there is none, never silently.
pub(super) fn reference<'a>(
    arguments: &mut Arguments,
    reference_free: i32,
    chosen: *const f32,
    rejected: *const f32,
    pairs: usize,
) -> Result<[Input<'a, f32>; 2], Failure> {
    let free = flag("reference_free", reference_free)?;
    if free && !(chosen.is_null() && rejected.is_null()) {
        let requirement = "0 where ref_chosen_logps or ref_rejected_logps is given";
        return Err(Failure::Constant("reference_free", 1, requirement));
    }
    let length = if free { 0 } else { pairs };
    Ok([arguments.input("ref_chosen_logps", chosen, length), arguments.input("ref_rejected_logps", rejected, length)])
}

/// The slices of a reference.
///
/// # Safety
/// The caller vouches for the memory, as [`Input::slice`] demands.
pub(super) unsafe fn reference_slices<'a>(
    [chosen, rejected]: [Input<'a, f32>; 2],
    checked: &Checked,
) -> Option<Reference<'a>> {
    // SAFETY: the caller's.
    unsafe { Some(Reference { chosen_logps: chosen.slice_if(checked)?, rejected_logps: rejected.slice_if(checked)? }) }
}

/// Losses, rewards, margins and gradients of pairs, each within 0.501 ULP of the formula; adds them to `metrics` unless that is
/// null. The bits do not depend on the level, the threads or how pairs are split into calls.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP (outputs must not overlap inputs, metrics or one another), PARAMETER (also for metrics that
/// no pairs give), WEIGHT, LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `loss`, `pairs` and `outputs` point to their structs and these to arrays of pairs.length floats, but for those that may be
/// null; `metrics` is null or points to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluate(
    run: preflane_run,
    loss: *const preflane_loss,
    pairs: *const preflane_pairs,
    outputs: *const preflane_pair_outputs,
    metrics: *mut Metrics,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let loss = unsafe { read("loss", loss) }?.checked()?;
        // SAFETY: likewise.
        let pairs = unsafe { read("pairs", pairs) }?;
        reserved(pairs.reserved, "0, in preflane_pairs")?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let n = pairs.length;
        let mut arguments = Arguments::new();
        let chosen = arguments.input("policy_chosen_logps", pairs.policy_chosen_logps, n);
        let rejected = arguments.input("policy_rejected_logps", pairs.policy_rejected_logps, n);
        let reference =
            reference(&mut arguments, pairs.reference_free, pairs.ref_chosen_logps, pairs.ref_rejected_logps, n)?;
        let weights = arguments.input_if("weights", pairs.weights, n);
        let losses = arguments.output_if("losses", outputs.losses, n);
        let chosen_rewards = arguments.output_if("chosen_rewards", outputs.chosen_rewards, n);
        let rejected_rewards = arguments.output_if("rejected_rewards", outputs.rejected_rewards, n);
        let margins = arguments.output_if("margins", outputs.margins, n);
        let grad_chosen = arguments.output_if("grad_chosen_logps", outputs.grad_chosen_logps, n);
        let grad_rejected = arguments.output_if("grad_rejected_logps", outputs.grad_rejected_logps, n);
        let grad_ref_chosen = arguments.output_if("grad_ref_chosen_logps", outputs.grad_ref_chosen_logps, n);
        let grad_ref_rejected = arguments.output_if("grad_ref_rejected_logps", outputs.grad_ref_rejected_logps, n);
        let grad_beta = arguments.output_if("grad_beta", outputs.grad_beta, n);
        let metrics = arguments.output_if("metrics", metrics, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the function's caller vouches for the memory. Metrics take any bits.
        let (pairs, outputs, metrics) = unsafe {
            (
                Pairs {
                    policy_chosen_logps: chosen.slice(&checked),
                    policy_rejected_logps: rejected.slice(&checked),
                    reference: reference_slices(reference, &checked),
                    weights: weights.slice_if(&checked),
                },
                Outputs {
                    losses: losses.slice_if(&checked),
                    chosen_rewards: chosen_rewards.slice_if(&checked),
                    rejected_rewards: rejected_rewards.slice_if(&checked),
                    margins: margins.slice_if(&checked),
                    grad_chosen_logps: grad_chosen.slice_if(&checked),
                    grad_rejected_logps: grad_rejected.slice_if(&checked),
                    grad_ref_chosen_logps: grad_ref_chosen.slice_if(&checked),
                    grad_ref_rejected_logps: grad_ref_rejected.slice_if(&checked),
                    grad_beta: grad_beta.slice_if(&checked),
                },
                metrics.slice_if(&checked).and_then(|metrics| metrics.first_mut()),
            )
        };
        metrics.as_deref().map_or(Ok(()), |metrics| sound_metrics("metrics", metrics))?;
        Ok(run.evaluate(&loss, pairs, outputs, metrics)?)
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// That pairs could have given it.
pub(super) fn sound_metrics(name: &'static str, metrics: &Metrics) -> Result<(), Failure> {
    let fault = " holds counts or sums that no pairs give; all zeros begin new metrics";
    if metrics.is_sound() { Ok(()) } else { Err(Failure::State(name, fault)) }
}

/// That values could have given it.
fn sound_sum(name: &'static str, sum: &ExactSum) -> Result<(), Failure> {
    let fault = " holds bits that no sum has; all zeros begin a new one";
    if sum.is_sound() { Ok(()) } else { Err(Failure::State(name, fault)) }
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
    unsafe {
        report(error, || {
            update("into", into, "from", from, |into, from| {
                sound_metrics("into", into)?;
                sound_metrics("from", from)?;
                into.merge(from);
                Ok(())
            })
        })
    }
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
/// Errors: as preflane_metrics_merge.
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
        sound_metrics("metrics", metrics)?;
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

/// Changes one struct with the help of another.
///
/// # Safety
/// Both pointers are null or point to their types, which take any bits.
unsafe fn update<T, U>(
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
            sound_sum("sum", sum)?;
            values.iter().for_each(|&x| sum.add(x));
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}

/// Adds one exact sum to another.
///
/// Errors: as preflane_sum_add.
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
    unsafe {
        report(error, || {
            update("into", into, "from", from, |into, from| {
                sound_sum("into", into)?;
                sound_sum("from", from)?;
                into.merge(from);
                Ok(())
            })
        })
    }
}

/// The sum, and its mean over `count` (a global number of pairs or tokens, say), each rounded once; either pointer may be
/// null. The mean over 0 is NaN.
///
/// Errors: as preflane_sum_add.
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
            sound_sum("sum", sum)?;
            value.unwrap_or_default().fill(sum.sum());
            mean.unwrap_or_default().fill(sum.mean(count));
        }
        Ok(())
    };
    // SAFETY: the caller's word.
    unsafe { report(error, body) }
}
