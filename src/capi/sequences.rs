//! From tokens to pairs of answers.

use super::arguments::{Arguments, read};
use super::failure::{Failure, constants, preflane_error, report};
use super::views::{TargetArguments, preflane_targets};
use crate::logits::{Layout, Reduction, Sequences};
use preflane_layout::*;
use preflane_reduction::*;

/// How a batch holds the two answers of each pair.
#[repr(i32)]
pub enum preflane_layout {
    /// All chosen answers, then all rejected ones in the same order: TRL, OpenRLHF, LLaMA-Factory.
    PREFLANE_LAYOUT_CHOSEN_FIRST = 1,
    /// Chosen, rejected, chosen, rejected.
    PREFLANE_LAYOUT_INTERLEAVED = 2,
}

/// How the log-probabilities of an answer's tokens become one number.
#[repr(i32)]
pub enum preflane_reduction {
    /// Their sum: DPO's definition.
    PREFLANE_REDUCE_SUM = 1,
    /// Their mean over the tokens that count.
    PREFLANE_REDUCE_MEAN = 2,
    /// LD-DPO (arXiv 2409.06411): the sum over as many tokens as the shorter answer of the pair has, plus alpha times the sum of the
    /// rest.
    PREFLANE_REDUCE_LENGTH_DESENSITIZED = 3,
}

constants!(preflane_layout, "layout", "a preflane_layout: 1 or 2", PREFLANE_LAYOUT_CHOSEN_FIRST PREFLANE_LAYOUT_INTERLEAVED);
constants!(
    preflane_reduction, "reduction", "a preflane_reduction: 1 to 3",
    PREFLANE_REDUCE_SUM PREFLANE_REDUCE_MEAN PREFLANE_REDUCE_LENGTH_DESENSITIZED
);

/// Pairs of answers in token rows: [2 * pairs, tokens].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_sequences {
    /// One target a row.
    pub targets: preflane_targets,
    /// Rows of an answer, masked ones included. If the targets are shifted, by as many.
    pub tokens: usize,
    /// From 0 to 1, for PREFLANE_REDUCE_LENGTH_DESENSITIZED; 0 for the others.
    pub alpha: f64,
    /// A preflane_layout.
    pub layout: i32,
    /// A preflane_reduction.
    pub reduction: i32,
}

impl preflane_sequences {
    /// The pairs that it would have if its targets were whole ones.
    pub(super) fn pairs(&self) -> usize {
        self.targets.length.checked_div(self.tokens).unwrap_or(0) / 2
    }

    pub(super) fn how(&self) -> Result<(Layout, Reduction), Failure> {
        let layout = match preflane_layout::of(self.layout)? {
            PREFLANE_LAYOUT_CHOSEN_FIRST => Layout::ChosenFirst,
            PREFLANE_LAYOUT_INTERLEAVED => Layout::Interleaved,
        };
        let (alpha, reduction) = (self.alpha, preflane_reduction::of(self.reduction)?);
        if !matches!(reduction, PREFLANE_REDUCE_LENGTH_DESENSITIZED) && alpha != 0.0 {
            let requirement = "0: this reduction has no alpha";
            return Err(crate::Error::Parameter { name: "alpha", value: alpha, requirement }.into());
        }
        let reduction = match reduction {
            PREFLANE_REDUCE_SUM => Reduction::Sum,
            PREFLANE_REDUCE_MEAN => Reduction::Mean,
            PREFLANE_REDUCE_LENGTH_DESENSITIZED => Reduction::LengthDesensitized { alpha },
        };
        Ok((layout, reduction))
    }
}

/// Log-probabilities of the answers, one a pair, from those of the tokens: sums are exact and rounded once, means correctly rounded,
/// LD-DPO's within 0.501 ULP.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, EMPTY_SEQUENCE (with the sequence); nothing is written then.
///
/// # Safety
/// `sequences` points to its struct, `token_logps` to a float for each target, `chosen_logps` and `rejected_logps` to a float for
/// each pair; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_sequence_logps(
    sequences: *const preflane_sequences,
    token_logps: *const f32,
    chosen_logps: *mut f32,
    rejected_logps: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let given = unsafe { read("sequences", sequences) }?;
        let (layout, reduction) = given.how()?;
        let mut arguments = Arguments::new();
        let targets = TargetArguments::new(&mut arguments, given.targets)?;
        let tokens = arguments.input("token_logps", token_logps, given.targets.length);
        let chosen = arguments.output("chosen_logps", chosen_logps, given.pairs());
        let rejected = arguments.output("rejected_logps", rejected_logps, given.pairs());
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = Sequences::new(targets.slices(&checked)?, given.tokens, layout, reduction)?;
            sequences.logps(tokens.slice(&checked), chosen.slice(&checked), rejected.slice(&checked))?;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The derivatives by the tokens' log-probabilities from those by the answers', times `scale` (1 / pairs for the mean loss, or this
/// batch's share of an accumulated one; 0 where a host's own rule gives this loss no part): the grad_logps of preflane_logits_grad. 0
/// for masked tokens.
///
/// Errors: those of preflane_sequence_logps; nothing is written then.
///
/// # Safety
/// `sequences` points to its struct, `grad_chosen_logps` and `grad_rejected_logps` to a float for each pair, `token_grads` to a float
/// for each target; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_token_grads(
    sequences: *const preflane_sequences,
    grad_chosen_logps: *const f32,
    grad_rejected_logps: *const f32,
    scale: f64,
    token_grads: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let given = unsafe { read("sequences", sequences) }?;
        let (layout, reduction) = given.how()?;
        let mut arguments = Arguments::new();
        let targets = TargetArguments::new(&mut arguments, given.targets)?;
        let chosen = arguments.input("grad_chosen_logps", grad_chosen_logps, given.pairs());
        let rejected = arguments.input("grad_rejected_logps", grad_rejected_logps, given.pairs());
        let grads = arguments.output("token_grads", token_grads, given.targets.length);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let sequences = Sequences::new(targets.slices(&checked)?, given.tokens, layout, reduction)?;
            sequences.token_grads(chosen.slice(&checked), rejected.slice(&checked), scale, grads.slice(&checked))?;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
