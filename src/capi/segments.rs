//! Segments of trajectories: scores, distances, and their gradients by steps; ranked segments.

use super::arguments::{Arguments, Checked, Input, read};
use super::contrastive::{preflane_matrix, preflane_matrix_mut};
use super::failure::{Failure, constants, flags, preflane_error, report, reserved};
use super::run::preflane_run;
use crate::segments::{Distances, Ranked, Score, SegmentGrads, Segments};
use crate::{Error, ExactSum};
use preflane_segment_score::*;

/// What is made of the numbers `x_0 .. x_(n-1)` of a segment's steps, less those of the reference.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_segment_score {
    /// The sum of gamma^t x_t: what contrastive preference learning makes of log-probabilities, and the partial return of rewards.
    PREFLANE_SEGMENT_SCORE_SUM = 1,
    /// Its opposite: the general regret, of advantages.
    PREFLANE_SEGMENT_SCORE_REGRET = 2,
    /// V(s_0) - (the sum of gamma^t x_t + gamma^n V(s_n)): the regret where transitions are deterministic, of rewards.
    PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET = 3,
}

constants!(
    preflane_segment_score, "score", "a preflane_segment_score: 1 to 3",
    PREFLANE_SEGMENT_SCORE_SUM PREFLANE_SEGMENT_SCORE_REGRET PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET
);

/// Numbers of steps, segment after segment, and the score that is made of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_segments {
    /// How many steps in all.
    pub steps: usize,
    /// How many segments.
    pub segments: usize,
    /// A number of each step: the log-probability of its action, its reward or its advantage.
    pub values: *const f32,
    /// What is subtracted from each, as the reference model's log-probability of the action; null: nothing.
    pub ref_values: *const f32,
    /// Where each segment begins among the steps, and the number of steps last: one element more than there are segments. 0, 3, 5 are a
    /// segment of three steps and one of two. A segment may be empty.
    pub offsets: *const usize,
    /// Gamma, from 0 to 1: what a step counts after one that counts 1. The first step of each segment counts 1.
    pub discount: f64,
    /// The value of the state in which each segment begins, for PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET; for others null.
    pub start: *const f32,
    /// The value of the state in which each segment ends, for PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET; for others null.
    pub end: *const f32,
    /// A preflane_segment_score.
    pub score: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Gradients by steps and states; null leaves one out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_segment_outputs {
    /// Derivative by each value: g gamma^t, or its opposite for regrets.
    pub values: *mut f32,
    /// Derivative by each reference value: the opposite of that.
    pub ref_values: *mut f32,
    /// Derivative by the value of each first state, for PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET; for others null.
    pub start: *mut f32,
    /// Derivative by the value of each last state, for PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET; for others null.
    pub end: *mut f32,
}

/// Segments whose memory is named but not yet checked.
struct Named<'a> {
    score: preflane_segment_score,
    values: Input<'a, f32>,
    ref_values: Input<'a, f32>,
    offsets: Input<'a, usize>,
    start: Input<'a, f32>,
    end: Input<'a, f32>,
    discount: f64,
}

impl preflane_segments {
    fn name<'a>(&self, arguments: &mut Arguments) -> Result<Named<'a>, Failure> {
        reserved(self.reserved, "0, in preflane_segments")?;
        let score = preflane_segment_score::of(self.score)?;
        let offset_count = self.segments.checked_add(1).ok_or(Failure::TooLarge("offsets"))?;
        let values = arguments.input("values", self.values, self.steps);
        let ref_values = arguments.input_if("ref_values", self.ref_values, self.steps);
        let offsets = arguments.input("offsets", self.offsets, offset_count);
        let of_states = matches!(score, PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET);
        if !of_states {
            for (argument, state) in [("start", self.start), ("end", self.end)] {
                // Not null, but without elements.
                crate::error::check_length(argument, 0, if state.is_null() { 0 } else { self.segments })?;
            }
        }
        let states = if of_states { self.segments } else { 0 };
        let start = arguments.input("start", self.start, states);
        let end = arguments.input("end", self.end, states);
        Ok(Named { score, values, ref_values, offsets, start, end, discount: self.discount })
    }
}

impl<'a> Named<'a> {
    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    unsafe fn view(&self, checked: &Checked) -> Segments<'a> {
        // SAFETY: the caller's.
        unsafe {
            Segments {
                values: self.values.slice(checked),
                ref_values: self.ref_values.slice_if(checked),
                offsets: self.offsets.slice(checked),
                discount: self.discount,
                score: match self.score {
                    PREFLANE_SEGMENT_SCORE_SUM => Score::Sum,
                    PREFLANE_SEGMENT_SCORE_REGRET => Score::Regret,
                    PREFLANE_SEGMENT_SCORE_DETERMINISTIC_REGRET => {
                        Score::DeterministicRegret { start: self.start.slice(checked), end: self.end.slice(checked) }
                    }
                },
            }
        }
    }
}

/// The score of every segment, each the nearest float to the exact value: `scores` has as many elements as there are segments. Scores stand
/// for log-probabilities in preflane_evaluate, without a reference.
///
/// NaN in a step makes its segment's score NaN, and so do infinite steps of either sign; one of no steps has a sum of 0. What a discount
/// of 0 leaves out does not count, unless it is NaN.
///
/// Errors: NULL, ALIGNMENT, LENGTH (also for states where the score has none), OVERLAP, PARAMETER (a discount outside of 0 to 1, a score
/// that is none), OFFSETS (with the place among the offsets), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `segments` points to its struct and that to arrays of the sizes it states, but for those that may be null; `scores` points to an element
/// a segment; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_segment_scores(
    run: preflane_run,
    segments: *const preflane_segments,
    scores: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("segments", segments) }?;
        let mut arguments = Arguments::new();
        let named = given.name(&mut arguments)?;
        let scores = arguments.output("scores", scores, given.segments);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { Ok(run.segment_scores(named.view(&checked), scores.slice(&checked))?) }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Gradients by the steps, each the nearest float to the exact product, given that by the score of each segment (`grads`, an element a
/// segment).
///
/// Errors: those of preflane_segment_scores; nothing is written then.
///
/// # Safety
/// `segments` and `outputs` point to their structs and these to arrays of as many elements as there are steps or segments, but for those
/// that may be null; `grads` points to an element a segment; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_segment_grads(
    run: preflane_run,
    segments: *const preflane_segments,
    grads: *const f32,
    outputs: *const preflane_segment_outputs,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("segments", segments) }?;
        // SAFETY: likewise.
        let outputs = unsafe { read("outputs", outputs) }?;
        let mut arguments = Arguments::new();
        let named = given.name(&mut arguments)?;
        let grads = arguments.input("grads", grads, given.segments);
        let values = arguments.output_if("grads by values", outputs.values, given.steps);
        let ref_values = arguments.output_if("grads by ref_values", outputs.ref_values, given.steps);
        let start = arguments.output_if("grads by start", outputs.start, given.segments);
        let end = arguments.output_if("grads by end", outputs.end, given.segments);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let outputs = SegmentGrads {
                values: values.slice_if(&checked),
                ref_values: ref_values.slice_if(&checked),
                start: start.slice_if(&checked),
                end: end.slice_if(&checked),
            };
            Ok(run.segment_grads(named.view(&checked), grads.slice(&checked), outputs)?)
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Actions of a policy and of segments, a row a step, segment after segment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_segment_actions {
    /// The policy's action in the state of each step.
    pub policy: preflane_matrix,
    /// The action of each step: as many rows and columns.
    pub actions: preflane_matrix,
    /// One byte a step: 1 where it counts, 0 where it does not; other values are refused. What does not count may hold anything, NaN
    /// included. Null: all count.
    pub mask: *const u8,
    /// Where each segment begins among the steps, and the number of steps last: one element more than there are segments.
    pub offsets: *const usize,
    /// How many segments.
    pub segments: usize,
}

impl preflane_segment_actions {
    /// Does something with the actions, given what else the call needs.
    ///
    /// # Safety
    /// The caller vouches for the memory.
    unsafe fn with<'a, M>(
        &self,
        mut arguments: Arguments,
        more: impl FnOnce(&mut Arguments) -> Result<M, Failure>,
        body: impl FnOnce(Distances<'a>, M, &Checked) -> Result<(), Failure>,
        nothing: impl FnOnce(M, &Checked),
    ) -> Result<(), Failure> {
        let steps = self.actions.rows;
        let offset_count = self.segments.checked_add(1).ok_or(Failure::TooLarge("offsets"))?;
        let policy = self.policy.input(&mut arguments, "policy")?;
        let actions = self.actions.input(&mut arguments, "actions")?;
        let mask = arguments.input_if("mask", self.mask, steps);
        let offsets = arguments.input("offsets", self.offsets, offset_count);
        let more = more(&mut arguments)?;
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (offsets, bytes) = unsafe { (offsets.slice(&checked), mask.slice_if(&checked)) };
        flags("mask", bytes.unwrap_or_default())?;
        if steps == 0 {
            crate::error::check_length("rows of policy", 0, self.policy.rows)?;
            Segments::new(&[], offsets).check()?;
            nothing(more, &checked);
            return Ok(());
        }
        // SAFETY: likewise. The mask's bytes are bools, as was just seen.
        let distances = unsafe {
            Distances {
                policy: self.policy.view(policy, &checked)?,
                actions: self.actions.view(actions, &checked)?,
                mask: mask.cast::<bool>().slice_if(&checked),
                offsets,
            }
        };
        body(distances, more, &checked)
    }
}

/// The distance of every segment: the mean over its steps that count of the Euclidean length of (policy - action)/2, the nearest float to
/// the exact value. `distances` has as many elements as there are segments. `empty` (null: left out) gets how many segments have no step that
/// counts; their distance is 0.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, OFFSETS (with the place among the offsets), PARAMETER (a stride below the columns, a byte of
/// the mask that is neither 0 nor 1, with its place), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `actions` points to its struct and that to arrays of the sizes it states, but for those that may be null; `distances` points to an
/// element a segment; `empty` is null or points to a uint64_t; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_segment_distances(
    run: preflane_run,
    actions: *const preflane_segment_actions,
    distances: *mut f32,
    empty: *mut u64,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("actions", actions) }?;
        let more = |arguments: &mut Arguments| {
            let out = arguments.output("distances", distances, given.segments);
            Ok((out, arguments.output_if("empty", empty, 1)))
        };
        // SAFETY: the memory is the caller's word, and was checked when it is made slices of.
        unsafe {
            given.with(
                Arguments::new(),
                more,
                |distances, (out, empty), checked| {
                    let found = run.segment_distances(distances, out.slice(checked))?;
                    empty.slice_if(checked).unwrap_or_default().fill(found);
                    Ok(())
                },
                |(out, empty), checked| {
                    out.slice(checked).fill(0.0);
                    empty.slice_if(checked).unwrap_or_default().fill(given.segments as u64);
                },
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The gradient by the policy's actions, given that by each segment's distance (`grads`, an element a segment): 0 where the distance of a step
/// is 0, and where it does not count. That by the segments' actions is its opposite. `out` has the rows and columns of the actions.
///
/// Errors: those of preflane_segment_distances; nothing is written then.
///
/// # Safety
/// `actions` and `out` point to their structs and these to arrays of the sizes they state, but for those that may be null; `grads` points
/// to an element a segment; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_segment_distances_grad(
    run: preflane_run,
    actions: *const preflane_segment_actions,
    grads: *const f32,
    out: *const preflane_matrix_mut,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("actions", actions) }?;
        // SAFETY: likewise.
        let to = unsafe { read("out", out) }?;
        crate::error::check_length("rows of the gradient", given.actions.rows, to.rows)?;
        let more = |arguments: &mut Arguments| {
            let grads = arguments.input("grads", grads, given.segments);
            Ok((grads, to.output(arguments, "out")?))
        };
        // SAFETY: the memory is the caller's word, and was checked when it is made slices of.
        unsafe {
            given.with(
                Arguments::new(),
                more,
                |distances, (grads, out), checked| {
                    Ok(run.segment_distances_grad(distances, grads.slice(checked), to.view(out, checked)?)?)
                },
                |_, _| {},
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The soft maximum of each row, the nearest float to the exact value: the mean of its values by their softmax at `temperature`. With the
/// value of a state under each of some policies in a row it is the value of that state, from which regrets are taken. A NaN makes its row
/// NaN; a policy of -inf is as good as absent. `out` has an element a row.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a temperature outside of 1e-12 to 1e12, no column, a stride below the columns),
/// LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `values` points to its struct and that to an array of the size it states; `out` points to an element a row; `error` is null or points
/// to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_soft_maximum(
    run: preflane_run,
    values: *const preflane_matrix,
    temperature: f64,
    out: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("values", values) }?;
        let mut arguments = Arguments::new();
        let values = given.input(&mut arguments, "values")?;
        let out = arguments.output("out", out, given.rows);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { Ok(run.soft_maximum(given.view(values, &checked)?, temperature, out.slice(&checked))?) }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The gradient by the values, given that by each row's soft maximum (`grads`, an element a row): g p_j (1 + (v_j - V)/temperature), the
/// nearest float. `out` has the rows and columns of the values.
///
/// Errors: those of preflane_soft_maximum; nothing is written then.
///
/// # Safety
/// `values` and `out` point to their structs and these to arrays of the sizes they state; `grads` points to an element a row; `error` is
/// null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_soft_maximum_grad(
    run: preflane_run,
    values: *const preflane_matrix,
    temperature: f64,
    grads: *const f32,
    out: *const preflane_matrix_mut,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        // SAFETY: as the function's own.
        let given = unsafe { read("values", values) }?;
        // SAFETY: likewise.
        let to = unsafe { read("out", out) }?;
        let mut arguments = Arguments::new();
        let values = given.input(&mut arguments, "values")?;
        let grads = arguments.input("grads", grads, given.rows);
        let out = to.output(&mut arguments, "out")?;
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let (values, grads) = (given.view(values, &checked)?, grads.slice(&checked));
            Ok(run.soft_maximum_grad(values, temperature, grads, to.view(out, &checked)?)?)
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// `strength` times the mean of (here - there)^2 over `count` elements, the nearest float to the exact value, and 0 of none: how far a
/// predictor's scores change from a segment to its neighbour. `grads` (null: left out) gets the derivative by each of `here`; that by
/// `there` is its opposite.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (a strength that is negative, infinite or NaN), LEVEL, THREADS; nothing is written then.
///
/// # Safety
/// `here`, `there` and `grads`, unless null, point to `count` elements, `value` to a float; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_smoothness(
    run: preflane_run,
    strength: f64,
    here: *const f32,
    there: *const f32,
    count: usize,
    value: *mut f32,
    grads: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let run = run.check()?;
        let mut arguments = Arguments::new();
        let here = arguments.input("here", here, count);
        let there = arguments.input("there", there, count);
        let value = arguments.output("value", value, 1);
        let grads = arguments.output_if("grads", grads, count);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe {
            let (here, there) = (here.slice(&checked), there.slice(&checked));
            let found = run.smoothness(strength, here, there, grads.slice_if(&checked))?;
            value.slice(&checked).fill(found);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Lists of segments with a given score each. A pair is a segment and one of the same list with a lower given score; equal ones make none.
/// Pairs stand list after list; in a list by the preferred segment, then by the other, in the order of the list.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_ranked {
    /// The given score of each segment, the higher the better.
    pub scores: *const f32,
    /// Where each list begins among the segments, and the number of segments last: one element more than there are lists.
    pub offsets: *const usize,
    /// How many segments in all.
    pub segments: usize,
    /// How many lists.
    pub lists: usize,
}

/// Ranked segments and what else a call needs, named and checked.
///
/// # Safety
/// The caller vouches for the memory.
unsafe fn with_ranked<'a, M>(
    ranked: *const preflane_ranked,
    more: impl FnOnce(&mut Arguments, &preflane_ranked) -> M,
    body: impl FnOnce(Ranked<'a>, M, &Checked) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // SAFETY: the caller's.
    let given = unsafe { read("ranked", ranked) }?;
    let offset_count = given.lists.checked_add(1).ok_or(Failure::TooLarge("offsets"))?;
    let mut arguments = Arguments::new();
    let scores = arguments.input("scores", given.scores, given.segments);
    let offsets = arguments.input("offsets", given.offsets, offset_count);
    let more = more(&mut arguments, &given);
    let checked = arguments.check()?;
    // SAFETY: all arguments are checked; the rest is the caller's word.
    let ranked = unsafe { Ranked::new(scores.slice(&checked), offsets.slice(&checked))? };
    body(ranked, more, &checked)
}

/// How many pairs ranked segments make.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, OFFSETS (with the place among the offsets), COLUMN (a score that is NaN, with its place); nothing is written
/// then.
///
/// # Safety
/// `ranked` points to its struct and that to arrays of the sizes it states, `count` to a size_t; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_ranked_count(
    ranked: *const preflane_ranked,
    count: *mut usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own; memory is made slices of when it was checked.
        unsafe {
            with_ranked(
                ranked,
                |arguments, _| arguments.output("count", count, 1),
                |ranked, count, checked| {
                    count.slice(checked).fill(ranked.len());
                    Ok(())
                },
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The columns of all pairs, of a number of each segment (`values`): `preferred` and `others` have `count` elements, which is what
/// preflane_ranked_count says. They are the chosen and the rejected log-probabilities of preflane_evaluate, without a reference.
///
/// Errors: those of preflane_ranked_count, and LENGTH (another count); nothing is written then.
///
/// # Safety
/// `ranked` points to its struct and that to arrays of the sizes it states, `values` to an element a segment, `preferred` and `others` to
/// `count` elements; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_ranked_lay_out(
    ranked: *const preflane_ranked,
    values: *const f32,
    count: usize,
    preferred: *mut f32,
    others: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own; memory is made slices of when it was checked.
        unsafe {
            with_ranked(
                ranked,
                |arguments, given| {
                    let values = arguments.input("values", values, given.segments);
                    let preferred = arguments.output("preferred", preferred, count);
                    (values, preferred, arguments.output("others", others, count))
                },
                |ranked, (values, preferred, others), checked| {
                    Ok(ranked.lay_out(values.slice(checked), preferred.slice(checked), others.slice(checked))?)
                },
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The mean loss of each list over its pairs, correctly rounded, and 0 for a list without pairs: `losses` has `count` elements, `means` as many as
/// there are lists.
///
/// Errors: those of preflane_ranked_lay_out; nothing is written then.
///
/// # Safety
/// `ranked` points to its struct and that to arrays of the sizes it states, `losses` to `count` elements, `means` to an element a list;
/// `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_ranked_means(
    ranked: *const preflane_ranked,
    losses: *const f32,
    count: usize,
    means: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own; memory is made slices of when it was checked.
        unsafe {
            with_ranked(
                ranked,
                |arguments, given| {
                    (arguments.input("losses", losses, count), arguments.output("means", means, given.lists))
                },
                |ranked, (losses, means), checked| Ok(ranked.means(losses.slice(checked), means.slice(checked))?),
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The gradient of each list's mean loss by the number of each segment, correctly rounded from the gradients of its pairs by the preferred
/// segment's number and the other's: these have `count` elements, `grads` one a segment. `scratch` has `scratch_length` elements, at least as
/// many as the longest list has segments; what it holds does not matter.
///
/// Errors: those of preflane_ranked_lay_out, and LENGTH for too little scratch; nothing is written then.
///
/// # Safety
/// `ranked` points to its struct and that to arrays of the sizes it states, `by_preferred` and `by_others` to `count` elements, `scratch`
/// to `scratch_length` sums, `grads` to an element a segment; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_ranked_gather(
    ranked: *const preflane_ranked,
    by_preferred: *const f32,
    by_others: *const f32,
    count: usize,
    scratch: *mut ExactSum,
    scratch_length: usize,
    grads: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        // SAFETY: as the function's own; memory is made slices of when it was checked.
        unsafe {
            with_ranked(
                ranked,
                |arguments, given| {
                    let by_preferred = arguments.input("by_preferred", by_preferred, count);
                    let by_others = arguments.input("by_others", by_others, count);
                    let scratch = arguments.output("scratch", scratch, scratch_length);
                    (by_preferred, by_others, scratch, arguments.output("grads", grads, given.segments))
                },
                |ranked, (by_preferred, by_others, scratch, grads), checked| {
                    let longest = ranked.longest();
                    if scratch_length < longest {
                        return Err(
                            Error::Length { argument: "scratch", expected: longest, got: scratch_length }.into()
                        );
                    }
                    let (by_preferred, by_others) = (by_preferred.slice(checked), by_others.slice(checked));
                    let scratch = scratch.filled_as(checked, longest, ExactSum::new());
                    Ok(ranked.gather(by_preferred, by_others, scratch, grads.slice(checked))?)
                },
            )
        }
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
