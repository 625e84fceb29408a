//! Losses and gradients of pairs.

use super::arguments::{Arguments, Checked, Input, read};
use super::failure::{Failure, flag, preflane_error, report, reserved};
use super::losses::{loss_at, preflane_loss};
use super::metrics::sound;
use super::run::preflane_run;
use crate::{Metrics, Outputs, Pairs, Reference};
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
    /// What the loss takes beside log-probabilities, one a pair: preflane_loss_description.column tells what it is. Null where it takes nothing.
    pub column: *const f32,
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

/// The reference model's column of answers that are no pairs; null if there is none, never silently.
pub(super) fn reference_column<'a>(
    arguments: &mut Arguments,
    free: bool,
    logps: *const f32,
    answers: usize,
) -> Result<Input<'a, f32>, Failure> {
    if free && !logps.is_null() {
        return Err(Failure::Constant("reference_free", 1, "0 where ref_logps is given"));
    }
    Ok(arguments.input("ref_logps", logps, if free { 0 } else { answers }))
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
/// no pairs give), WEIGHT, COLUMN (a number outside its range, with the row; LENGTH tells of a column that is missing, or that the loss
/// does not take), LEVEL, THREADS; nothing is written then.
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
        let loss = unsafe { loss_at(loss) }?.of_pairs()?;
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
        let column = arguments.input_if("column", pairs.column, n);
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
                    column: column.slice_if(&checked),
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
        metrics.as_deref().map_or(Ok(()), |metrics| sound("metrics", metrics))?;
        Ok(run.evaluate(&loss, pairs, outputs, metrics)?)
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
