//! Losses that are defined by their exact values, over lanes: each number with a bound of its error, each result taken where the bound
//! decides which `f32` is nearest. One kernel for all of them, around the [stage](super::stage) of the formula.

use super::counts::Counts;
use super::kernel::{Rows, count};
use super::log_ratios::log_ratios;
use super::settle::Settling;
use super::stage::{ROWS, Stage, Staged};
use super::{Beside, OutputSlices, Pairs, RESULTS, place};
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes, dispatch};
use crate::losses::{Real, Tracked};
use crate::outputs::{Columns, Nearest};

/// The kernel of a loss that its exact values define.
pub struct ByValue<'f>(pub &'f dyn Staged);

impl Rows for ByValue<'_> {
    fn run(
        &self,
        backend: Backend,
        pairs: Pairs<'_>,
        outputs: &mut OutputSlices<'_>,
        rows: usize,
        counts: &mut Counts,
    ) {
        if HAS_WIDE {
            dispatch(backend, NearestKernel { formula: self.0, backend, pairs, outputs, rows, counts });
            return;
        }
        let reference = pairs.reference.map(|r| (r.chosen_logps, r.rejected_logps));
        for at in 0..rows {
            let inputs = inputs::<f64>(pairs.policy_chosen_logps, pairs.policy_rejected_logps, reference, at);
            count(inputs, 0.0, 1, 0, counts);
            Settling::new(self.0).rows(pairs, outputs, at, 1, counts);
        }
    }
}

struct NearestKernel<'k, 'a, 'o> {
    formula: &'k dyn Staged,
    backend: Backend,
    pairs: Pairs<'a>,
    outputs: &'k mut OutputSlices<'o>,
    rows: usize,
    counts: &'k mut Counts,
}

impl<'a> Kernel for NearestKernel<'_, 'a, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { formula, backend, pairs, outputs, rows, counts } = self;
        let all = rows.next_multiple_of(L::N);
        let beta = Tracked::from_f64(formula.beta());
        let settling = Settling { tried: true, ..Settling::new(formula) };
        let mut stage = Stage::ZERO;
        let mut start = 0;
        while start < all {
            let n = (all - start).min(ROWS);
            let part = start..start + n;
            // All slices of one length, which the conditions of the loops then vouch for.
            let cut = |x: &'a [f32]| x.get(part.clone());
            let (Some(pc), Some(pr)) = (cut(pairs.policy_chosen_logps), cut(pairs.policy_rejected_logps)) else {
                return;
            };
            let reference = pairs.reference.and_then(|r| cut(r.chosen_logps).zip(cut(r.rejected_logps)));
            let (weights, column) = (pairs.weights.and_then(cut), pairs.column.and_then(cut));
            let mut results = outputs.each_mut().map(|x| x.as_mut().and_then(|x| x.get_mut(part.clone())));
            let mut at = 0;
            while at + L::N <= n {
                let ratios = log_ratios(inputs::<L>(pc, pr, reference, at));
                stage.u.set(at, Tracked::with_error(ratios.u, ratios.u_error));
                stage.v.set(at, Tracked::with_error(ratios.v, ratios.v_error));
                stage.h.set(at, Tracked::with_error(ratios.h, ratios.h_error));
                if let Some(column) = column {
                    L::load(column, at).store_f64(&mut stage.column, at);
                }
                at += L::N;
            }
            formula.stage(backend, n, &mut stage);
            at = 0;
            while at + L::N <= n {
                let valid = u32::MAX >> (32 - (rows - start - at).min(L::N));
                #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
                let weight = match weights {
                    // A weight may be -0.
                    Some(weights) => Some(L::load(weights, at).abs()),
                    None => None,
                };
                let mut columns = Columns { results: &mut results, at };
                let mut nearest = Nearest::new(&mut columns, weight);
                let (u, v, h) = (stage.u.get::<L>(at), stage.v.get::<L>(at), stage.h.get::<L>(at));
                nearest.depend_on(h);
                nearest.put::<{ place::CHOSEN_REWARD }>(beta * u);
                nearest.put::<{ place::REJECTED_REWARD }>(beta * v);
                nearest.put::<{ place::MARGIN }>(beta * h);
                nearest.put_weighed::<{ place::LOSS }>(stage.loss.get(at));
                nearest.put_weighed_both::<{ place::GRAD_CHOSEN }, { place::GRAD_REF_CHOSEN }>(stage.by_u.get(at));
                nearest.put_weighed_both::<{ place::GRAD_REJECTED }, { place::GRAD_REF_REJECTED }>(stage.by_v.get(at));
                nearest.put_weighed::<{ place::GRAD_BETA }>(stage.by_beta.get(at));
                let unsettled = nearest.undecided() & valid;
                let settled = valid & !unsettled;
                count(inputs::<L>(pc, pr, reference, at), h.with_bound().0, valid, settled, counts);
                if unsettled != 0 {
                    settling.rows(pairs.rows(start, n), &mut results, at, unsettled, counts);
                }
                at += L::N;
            }
            start += n;
        }
    }
}

/// Policy chosen, policy rejected, reference chosen, reference rejected.
#[inline(always)]
fn inputs<L: Lanes>(pc: &[f32], pr: &[f32], reference: Option<(&[f32], &[f32])>, at: usize) -> [L; 4] {
    let (rc, rr) = match reference {
        Some((rc, rr)) => (L::load(rc, at), L::load(rr, at)),
        None => (L::splat(0.0), L::splat(0.0)),
    };
    [L::load(pc, at), L::load(pr, at), rc, rr]
}

/// One row, with the bits that it has among others: policy chosen, policy rejected, reference chosen, reference rejected
/// (0 without a reference).
pub fn one_by_value(
    formula: &dyn Staged,
    inputs: &[f32; 4],
    beside: Beside,
    results: &mut [f32; RESULTS],
    counts: &mut Counts,
) {
    // What is settled counts its own sign of h.
    count(inputs.map(f64::from), 0.0, 1, 0, counts);
    Settling::new(formula).row(inputs, beside, results, counts);
}
