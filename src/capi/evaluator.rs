//! Evaluation token by token.

use super::arguments::Arguments;
use super::failure::{Failure, Outcome, constants, preflane_error, report};
use super::losses::{loss_at, preflane_loss};
use super::sequences::{preflane_reduction, preflane_reduction::*};
use super::views::{preflane_dtype, preflane_dtype::*, preflane_scaling};
use crate::logits::{Element, Reduction, Scaling};
use crate::pairs::Counts;
use crate::streaming::{Answer, Drift, Evaluator, EvaluatorState, ReferenceAnswer, Scored, Side};
use crate::{Error, Loss, Pair};
use core::ffi::c_void;
use half::{bf16, f16};
use preflane_reference::*;
use preflane_side::*;

/// Which answer of a pair.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_side {
    /// The preferred one.
    PREFLANE_SIDE_CHOSEN = 1,
    /// The other.
    PREFLANE_SIDE_REJECTED = 2,
}

/// Where the reference model's log-probability of an answer is from.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_reference {
    /// There is none.
    PREFLANE_REFERENCE_NONE = 0,
    /// It was given for the whole answer, so that k1 and k3 are not known, and 0.
    PREFLANE_REFERENCE_ANSWER = 1,
    /// It came token by token.
    PREFLANE_REFERENCE_TOKENS = 2,
}

constants!(preflane_side, "side", "a preflane_side: 1 or 2", PREFLANE_SIDE_CHOSEN PREFLANE_SIDE_REJECTED);
constants!(
    preflane_reference, "reference", "a preflane_reference: 0 to 2",
    PREFLANE_REFERENCE_NONE PREFLANE_REFERENCE_ANSWER PREFLANE_REFERENCE_TOKENS
);

/// Takes the tokens of one answer after the other, and gives a result for each pair of answers. preflane_evaluator_init begins it.
///
/// For each answer: preflane_evaluator_begin, then preflane_evaluator_tokens or preflane_evaluator_logits for its tokens that count (the
/// prompt's do not), then preflane_evaluator_end. Either answer of a pair may come first. It is plain data, which may be copied; bytes
/// that no call of the library's left are refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_evaluator {
    /// Not for the caller.
    pub state: [u64; 32],
}

/// What stands in it: any bits may.
#[repr(C)]
#[derive(Clone, Copy)]
struct Held {
    loss: preflane_loss,
    state: EvaluatorState,
}

const _: () = assert!(
    size_of::<Held>() <= size_of::<preflane_evaluator>() && align_of::<Held>() <= align_of::<preflane_evaluator>()
);

impl Held {
    fn evaluator(&self) -> Result<Evaluator<Loss>, Failure> {
        let fault = Failure::State("evaluator", " is none that preflane_evaluator_init began");
        let Ok(loss) = self.loss.of_pairs() else { return Err(fault) };
        Evaluator::restored(loss, &self.state).ok_or(fault)
    }
}

/// A finished answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_answer {
    /// The policy's log-probability, as the loss takes it: the sum over the tokens, or their mean.
    pub logps: f32,
    /// The reference model's log-probability, as the loss takes it; 0 without one.
    pub ref_logps: f32,
    /// The mean of the policy's less the reference's log-probability of a token, correctly rounded: an estimate of KL(policy || reference)
    /// in nats a token, of either sign. 0 unless the reference came token by token.
    pub k1: f32,
    /// The mean of preflane_k3 over the tokens, within 0.501 ULP: another estimate, never negative. 0 unless the reference came token by
    /// token.
    pub k3: f32,
    /// How many tokens it has.
    pub tokens: u32,
    /// Where the reference is from: a preflane_reference.
    pub reference: i32,
}

/// What is true of a pair: bits of preflane_scored.flags.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_pair_flag {
    /// The chosen log-ratio exceeds the rejected one: exactly, before any rounding.
    PREFLANE_PAIR_ACCURATE = 1,
    /// The two log-ratios are exactly equal.
    PREFLANE_PAIR_TIE = 2,
    /// A log-probability, the loss, a reward or the margin is infinite or NaN.
    PREFLANE_PAIR_NONFINITE = 4,
    /// The chosen log-probability is below the reference's: likelihood displacement.
    PREFLANE_PAIR_CHOSEN_FELL = 8,
    /// The rejected log-probability is below the reference's.
    PREFLANE_PAIR_REJECTED_FELL = 16,
    /// Both are.
    PREFLANE_PAIR_BOTH_FELL = 32,
}

/// A finished pair: the bits of preflane_evaluate on the same log-probabilities.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_scored {
    /// The chosen answer.
    pub chosen: preflane_answer,
    /// The rejected answer.
    pub rejected: preflane_answer,
    /// Loss of the pair.
    pub loss: f32,
    /// beta (policy_chosen_logps - ref_chosen_logps).
    pub chosen_reward: f32,
    /// beta (policy_rejected_logps - ref_rejected_logps).
    pub rejected_reward: f32,
    /// The exact difference of the two rewards, rounded once.
    pub margin: f32,
    /// Derivative of the loss by policy_chosen_logps.
    pub grad_chosen_logps: f32,
    /// Derivative of the loss by policy_rejected_logps.
    pub grad_rejected_logps: f32,
    /// Derivative of the loss by ref_chosen_logps.
    pub grad_ref_chosen_logps: f32,
    /// Derivative of the loss by ref_rejected_logps.
    pub grad_ref_rejected_logps: f32,
    /// Derivative of the loss by beta.
    pub grad_beta: f32,
    /// What is true of the pair: a sum of preflane_pair_flag.
    pub flags: u32,
}

impl preflane_answer {
    fn of(answer: &Answer) -> Self {
        let Answer { tokens, logps, reference } = *answer;
        let drift = reference.and_then(|reference| reference.drift);
        let from = match (reference, drift) {
            (None, _) => PREFLANE_REFERENCE_NONE,
            (Some(_), None) => PREFLANE_REFERENCE_ANSWER,
            (Some(_), Some(_)) => PREFLANE_REFERENCE_TOKENS,
        };
        Self {
            logps,
            ref_logps: reference.map_or(0.0, |reference| reference.logps),
            k1: drift.map_or(0.0, |drift| drift.k1),
            k3: drift.map_or(0.0, |drift| drift.k3),
            tokens,
            reference: from as i32,
        }
    }

    fn answer(&self) -> Result<Answer, Failure> {
        let &Self { logps, ref_logps, k1, k3, tokens, reference } = self;
        let drift = Some(Drift { k1, k3 });
        let reference = match preflane_reference::of(reference)? {
            PREFLANE_REFERENCE_NONE => None,
            PREFLANE_REFERENCE_ANSWER => Some(ReferenceAnswer { logps: ref_logps, drift: None }),
            PREFLANE_REFERENCE_TOKENS => Some(ReferenceAnswer { logps: ref_logps, drift }),
        };
        Ok(Answer { tokens, logps, reference })
    }
}

impl preflane_scored {
    fn of(scored: &Scored) -> Self {
        use preflane_pair_flag::*;
        let Scored { pair, chosen, rejected, counts } = scored;
        let referenced = chosen.reference.is_some();
        let flag = |set: bool, flag: preflane_pair_flag| if set { flag as u32 } else { 0 };
        Self {
            chosen: preflane_answer::of(chosen),
            rejected: preflane_answer::of(rejected),
            loss: pair.loss,
            chosen_reward: pair.chosen_reward,
            rejected_reward: pair.rejected_reward,
            margin: pair.margin,
            grad_chosen_logps: pair.grad_chosen_logps,
            grad_rejected_logps: pair.grad_rejected_logps,
            grad_ref_chosen_logps: pair.grad_ref_chosen_logps,
            grad_ref_rejected_logps: pair.grad_ref_rejected_logps,
            grad_beta: pair.grad_beta,
            flags: flag(counts.accurate > 0, PREFLANE_PAIR_ACCURATE)
                | flag(counts.ties > 0, PREFLANE_PAIR_TIE)
                | flag(counts.nonfinite > 0, PREFLANE_PAIR_NONFINITE)
                | flag(referenced && counts.chosen_fell > 0, PREFLANE_PAIR_CHOSEN_FELL)
                | flag(referenced && counts.rejected_fell > 0, PREFLANE_PAIR_REJECTED_FELL)
                | flag(referenced && counts.both_fell > 0, PREFLANE_PAIR_BOTH_FELL),
        }
    }

    /// The pair, if its flags are some pair's.
    pub(super) fn scored(&self) -> Result<Scored, Failure> {
        use preflane_pair_flag::*;
        let (chosen, rejected) = (self.chosen.answer()?, self.rejected.answer()?);
        let is = |flag: preflane_pair_flag| self.flags & flag as u32 != 0;
        let fell = [PREFLANE_PAIR_CHOSEN_FELL, PREFLANE_PAIR_REJECTED_FELL, PREFLANE_PAIR_BOTH_FELL].map(is);
        let sound = self.flags < 64
            && !(is(PREFLANE_PAIR_ACCURATE) && is(PREFLANE_PAIR_TIE))
            && chosen.reference.is_some() == rejected.reference.is_some()
            && (chosen.reference.is_some() || fell == [false; 3])
            && fell[2] == (fell[0] && fell[1]);
        if !sound {
            return Err(Failure::State("scored", " is no pair that preflane_evaluator_end gave"));
        }
        Ok(Scored {
            pair: Pair {
                loss: self.loss,
                chosen_reward: self.chosen_reward,
                rejected_reward: self.rejected_reward,
                margin: self.margin,
                grad_chosen_logps: self.grad_chosen_logps,
                grad_rejected_logps: self.grad_rejected_logps,
                grad_ref_chosen_logps: self.grad_ref_chosen_logps,
                grad_ref_rejected_logps: self.grad_ref_rejected_logps,
                grad_beta: self.grad_beta,
            },
            chosen,
            rejected,
            counts: Counts {
                accurate: is(PREFLANE_PAIR_ACCURATE).into(),
                ties: is(PREFLANE_PAIR_TIE).into(),
                nonfinite: is(PREFLANE_PAIR_NONFINITE).into(),
                chosen_fell: fell[0].into(),
                rejected_fell: fell[1].into(),
                both_fell: fell[2].into(),
            },
        })
    }
}

/// Begins an evaluator of a loss of pairs. A loss that takes a column (preflane_loss_description.column) gets the column's default for every pair,
/// as no reward or label comes with tokens: preflane_evaluate takes others. `reduction` is PREFLANE_REDUCE_SUM or PREFLANE_REDUCE_MEAN: what of its tokens'
/// log-probabilities an answer's is. (The length of the other answer, for PREFLANE_REDUCE_LENGTH_DESENSITIZED, is not known in time.)
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER; nothing is written then.
///
/// # Safety
/// `evaluator` and `loss` point to their structs; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_init(
    evaluator: *mut preflane_evaluator,
    loss: *const preflane_loss,
    reduction: i32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        arguments.input("loss", loss, 1);
        let out = arguments.output("evaluator", evaluator, 1);
        let checked = arguments.check()?;
        // SAFETY: as the function's own.
        let loss = unsafe { loss_at(loss) }?;
        let begun = match preflane_reduction::of(reduction)? {
            PREFLANE_REDUCE_SUM => Evaluator::new(loss.of_pairs()?),
            PREFLANE_REDUCE_MEAN => Evaluator::new(loss.of_pairs()?).with_reduction(Reduction::Mean)?,
            PREFLANE_REDUCE_LENGTH_DESENSITIZED => {
                let requirement = "PREFLANE_REDUCE_SUM or PREFLANE_REDUCE_MEAN: the other answer's length is not known";
                return Err(Failure::Constant("reduction", reduction.into(), requirement));
            }
        };
        let held = Held { loss, state: begun.state() };
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { out.zeroed_if(&checked) };
        // SAFETY: the struct has room for it, as was asserted, and an alignment that is enough.
        unsafe { evaluator.cast::<Held>().write(held) };
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Does something to an evaluator, which stays as it was if that is refused.
///
/// # Safety
/// `evaluator` points to its struct, and was checked to.
unsafe fn change<R>(
    evaluator: *mut preflane_evaluator,
    body: impl FnOnce(&mut Evaluator<Loss>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let at = evaluator.cast::<Held>();
    // SAFETY: the caller's; any bits may stand there.
    let mut held = unsafe { at.read() };
    let mut evaluator = held.evaluator()?;
    let result = body(&mut evaluator)?;
    held.state = evaluator.state();
    // SAFETY: likewise.
    unsafe { at.write(held) };
    Ok(result)
}

/// Begins an answer, the chosen or the rejected one: `side` is a preflane_side.
///
/// Errors: NULL, ALIGNMENT, PARAMETER (an evaluator that preflane_evaluator_init did not begin, a side that is none), ORDER (an answer is
/// open, or this side of the pair has ended already); nothing is written then.
///
/// # Safety
/// `evaluator` points to its struct; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_begin(
    evaluator: *mut preflane_evaluator,
    side: i32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let side = match preflane_side::of(side)? {
            PREFLANE_SIDE_CHOSEN => Side::Chosen,
            PREFLANE_SIDE_REJECTED => Side::Rejected,
        };
        let mut arguments = Arguments::new();
        arguments.output("evaluator", evaluator, 1);
        arguments.check()?;
        // SAFETY: the argument is checked; the rest is the caller's word.
        unsafe { change(evaluator, |evaluator| Ok(evaluator.begin(side)?)) }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Takes the log-probabilities of `length` tokens of the open answer, in nats, and the reference model's if they come token by token
/// (`ref_logps` is null if not). Tokens may come one at a time or many.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (an evaluator that preflane_evaluator_init did not begin), ORDER (no answer is
/// open, or some tokens of it have a reference and some have not), FULL (after 2^32 - 1 tokens); nothing is written then.
///
/// # Safety
/// `evaluator` points to its struct, `policy_logps` to `length` floats, and so does `ref_logps` unless it is null; `error` is null or
/// points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_tokens(
    evaluator: *mut preflane_evaluator,
    policy_logps: *const f32,
    ref_logps: *const f32,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let policy = arguments.input("policy_logps", policy_logps, length);
        let reference = arguments.input_if("ref_logps", ref_logps, length);
        arguments.output("evaluator", evaluator, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let (policy, reference) = (policy.slice(&checked), reference.slice_if(&checked));
            change(evaluator, |evaluator| {
                for (place, &policy) in policy.iter().enumerate() {
                    let reference = reference.map(|x| x.get(place).copied().unwrap_or(crate::NAN));
                    evaluator.token(policy, reference)?;
                }
                Ok(())
            })
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Takes one token of the open answer by its row of logits and its column there: the bits of preflane_token_logps. `dtype` is a
/// preflane_dtype, `scaling` may be null, `ref_logp` points to the reference model's log-probability of the token or is null.
///
/// A host that cannot hold a whole row sums it in pieces, with preflane_row_sum_add, and hands its log-probability to
/// preflane_evaluator_tokens.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER, TARGET (a target that is no column), and those of preflane_evaluator_tokens;
/// nothing is written then.
///
/// # Safety
/// `evaluator` points to its struct, `row` to `columns` elements, `scaling` and `ref_logp` to their types or are null; `error` is null
/// or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_logits(
    evaluator: *mut preflane_evaluator,
    row: *const c_void,
    dtype: i32,
    columns: usize,
    target: i64,
    scaling: *const preflane_scaling,
    ref_logp: *const f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own.
        let scaling = unsafe { preflane_scaling::checked(scaling) }?;
        let token = Token { evaluator, columns, target, scaling, ref_logp };
        // SAFETY: likewise.
        unsafe {
            match preflane_dtype::of(dtype)? {
                PREFLANE_F32 => token.add::<f32>(row.cast()),
                PREFLANE_BF16 => token.add::<bf16>(row.cast()),
                PREFLANE_F16 => token.add::<f16>(row.cast()),
            }
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

struct Token {
    evaluator: *mut preflane_evaluator,
    columns: usize,
    target: i64,
    scaling: Scaling,
    ref_logp: *const f32,
}

impl Token {
    /// # Safety
    /// The pointers are those that [`preflane_evaluator_logits`] takes, and its caller vouches for them.
    unsafe fn add<T: Element>(self, row: *const T) -> Outcome {
        let Self { evaluator, columns, target, scaling, ref_logp } = self;
        let mut arguments = Arguments::new();
        let row = arguments.input("row", row, columns);
        let reference = arguments.input_if("ref_logp", ref_logp, 1);
        arguments.output("evaluator", evaluator, 1);
        let checked = arguments.check()?;
        // A negative one is beyond all columns.
        let place = usize::try_from(target).unwrap_or(usize::MAX);
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let row = row.slice(&checked);
            let reference = reference.slice_if(&checked).and_then(|x| x.first().copied());
            change(evaluator, |evaluator| {
                evaluator.logits(row, place, &scaling, reference).map_err(|error| match error {
                    Error::Target { .. } => Failure::Column(target, columns),
                    other => other.into(),
                })
            })
        }
    }
}

/// Ends the open answer. `ref_logp` points to the reference model's log-probability of the whole answer (a sum or a mean, as the
/// policy's), or is null where there is none or it came with the tokens.
///
/// `is_pair` becomes 1 and `scored` the result if the other answer of the pair has ended before; else `is_pair` becomes 0, and `scored`
/// stays as it was.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (an evaluator that preflane_evaluator_init did not begin), EMPTY_SEQUENCE (an answer
/// without a token: 0 is the chosen one, 1 the rejected one), ORDER (no answer is open, a reference came with the tokens and again
/// here, or one answer of the pair has a reference and the other has not); nothing is written then, and the answer stays open.
///
/// # Safety
/// `evaluator`, `scored` and `is_pair` point to their types, `ref_logp` to a float or is null; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_end(
    evaluator: *mut preflane_evaluator,
    ref_logp: *const f32,
    scored: *mut preflane_scored,
    is_pair: *mut i32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let reference = arguments.input_if("ref_logp", ref_logp, 1);
        arguments.output("evaluator", evaluator, 1);
        let out = arguments.output("scored", scored, 1);
        let is_pair = arguments.output("is_pair", is_pair, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let reference = reference.slice_if(&checked).and_then(|x| x.first().copied());
            let found = change(evaluator, |evaluator| {
                evaluator.end(reference).map_err(|error| match error {
                    Error::EmptySequence { sequence } => Failure::EmptyAnswer(sequence),
                    other => other.into(),
                })
            })?;
            is_pair.slice(&checked).fill(found.is_some().into());
            if let Some(found) = found {
                out.slice(&checked).fill(preflane_scored::of(&found));
            }
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Gives up the pair in the making, if there is one.
///
/// Errors: NULL, ALIGNMENT, PARAMETER (an evaluator that preflane_evaluator_init did not begin); nothing is written then.
///
/// # Safety
/// `evaluator` points to its struct; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_evaluator_abandon(
    evaluator: *mut preflane_evaluator,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        arguments.output("evaluator", evaluator, 1);
        arguments.check()?;
        // SAFETY: the argument is checked; the rest is the caller's word.
        unsafe {
            change(evaluator, |evaluator| {
                evaluator.abandon();
                Ok(())
            })
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The k3 estimate of one token, in nats: e^r - 1 - r with r = reference_logp - policy_logp. Never negative; within 0.501 ULP. NaN if
/// either is NaN or both are the same infinity.
///
/// Its mean over samples of the policy estimates KL(policy || reference) without bias, at less variance than that of
/// policy_logp - reference_logp.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_k3(policy_logp: f32, reference_logp: f32) -> f32 {
    crate::streaming::k3(policy_logp, reference_logp)
}
