//! Estimates of the divergence of policy and reference.

use super::arguments::{Arguments, read};
use super::failure::{Failure, constants, preflane_error, report, reserved};
use super::metrics::sound;
use super::run::preflane_run;
use crate::kl::{KlEstimate, KlOutputs, KlTokens};
use crate::{Error, ExactSum};
use preflane_kl_estimate::*;

/// Estimates of the divergence, of d, a token's log-probability by the policy less that by the reference.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_kl_estimate {
    /// d; its derivative by the policy's log-probability is 1.
    PREFLANE_KL_K1 = 1,
    /// d^2 / 2; its derivative is d.
    PREFLANE_KL_K2 = 2,
    /// e^-d - 1 + d; its derivative is 1 - e^-d.
    PREFLANE_KL_K3 = 3,
}

constants!(preflane_kl_estimate, "estimate", "a preflane_kl_estimate: 1 to 3", PREFLANE_KL_K1 PREFLANE_KL_K2 PREFLANE_KL_K3);

/// Log-probabilities of tokens that the policy gave, in nats, sequence after sequence.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_kl_tokens {
    /// How many tokens in all.
    pub tokens: usize,
    /// How many sequences.
    pub sequences: usize,
    /// The policy's log-probability of each token.
    pub policy_logps: *const f32,
    /// The reference model's.
    pub ref_logps: *const f32,
    /// Where each sequence begins among the tokens, and the number of tokens last: one element more than there are sequences. 0, 3, 5
    /// are a sequence of three tokens and one of two. No sequence is empty.
    pub offsets: *const usize,
    /// A preflane_kl_estimate.
    pub estimate: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Estimates, their derivatives, sums and means; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_kl_outputs {
    /// The estimate of each token.
    pub estimates: *mut f32,
    /// The estimate's derivative by policy_logps, token by token; by ref_logps it is the opposite.
    pub grad_logps: *mut f32,
    /// The sum over each sequence.
    pub sums: *mut f32,
    /// The mean over each sequence's tokens.
    pub means: *mut f32,
}

/// An estimate of the divergence of policy and reference of every token, its derivative, and its sum and mean over every sequence; adds
/// the exact sum over all tokens to `total` unless that is null.
///
/// The estimate and the derivative of a token are the nearest float to their exact values. The sum and the mean of k1 are exact before they
/// are rounded once; those of k2 and k3 are exact sums of the tokens' floats, rounded once.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP (outputs must not overlap inputs, the total or one another), PARAMETER (also for a total that
/// no values give), OFFSETS (with the place among the offsets), EMPTY_SEQUENCE, LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `tokens` and `outputs` point to their structs and these to arrays of as many elements as there are tokens or sequences, but for those
/// that may be null; `total` is null or points to a sum; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_kl(
    run: preflane_run,
    tokens: *const preflane_kl_tokens,
    outputs: *const preflane_kl_outputs,
    total: *mut ExactSum,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("tokens", tokens) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        reserved(given.reserved, "0, in preflane_kl_tokens")?;
        let estimate = match preflane_kl_estimate::of(given.estimate)? {
            PREFLANE_KL_K1 => KlEstimate::K1,
            PREFLANE_KL_K2 => KlEstimate::K2,
            PREFLANE_KL_K3 => KlEstimate::K3,
        };
        let (n, sequences) = (given.tokens, given.sequences);
        let offset_count = sequences.checked_add(1).ok_or(Failure::TooLarge("offsets"))?;
        let none = sequences == 0 && n == 0 && given.offsets.is_null();
        let mut arguments = Arguments::new();
        let policy = arguments.input("policy_logps", given.policy_logps, n);
        let reference = arguments.input("ref_logps", given.ref_logps, n);
        let offsets = arguments.input("offsets", given.offsets, if none { 0 } else { offset_count });
        let estimates = arguments.output_if("estimates", outputs.estimates, n);
        let grad_logps = arguments.output_if("grad_logps", outputs.grad_logps, n);
        let sums = arguments.output_if("sums", outputs.sums, sequences);
        let means = arguments.output_if("means", outputs.means, sequences);
        let total = arguments.output_if("total", total, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the function's caller vouches for the memory. A sum takes any bits.
        let (tokens, outputs, total) = unsafe {
            (
                KlTokens {
                    policy_logps: policy.slice(&checked),
                    ref_logps: reference.slice(&checked),
                    offsets: if none { &[0] } else { offsets.slice(&checked) },
                },
                KlOutputs {
                    estimates: estimates.slice_if(&checked),
                    grad_logps: grad_logps.slice_if(&checked),
                    sums: sums.slice_if(&checked),
                    means: means.slice_if(&checked),
                },
                total.slice_if(&checked).and_then(|total| total.first_mut()),
            )
        };
        total.as_deref().map_or(Ok(()), |total| sound("total", total))?;
        run.kl(estimate, tokens, outputs, total).map_err(|error| match error {
            Error::EmptySequence { .. } => Failure::Named("offsets", error),
            other => other.into(),
        })
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
