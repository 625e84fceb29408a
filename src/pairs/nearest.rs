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
        for at in 0..rows {
            count(inputs::<f64>(&pairs, at), 0.0, 1, 0, counts);
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

impl Kernel for NearestKernel<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { formula, backend, pairs, outputs, rows, counts } = self;
        let mut stage = Stage::ZERO;
        let beta = Tracked::from_f64(formula.beta());
        let mut start = 0;
        while start < rows {
            let n = (rows - start).min(ROWS);
            let mut at = 0;
            while at < n {
                let [pc, pr, rc, rr] = inputs::<L>(&pairs, start + at);
                let ratios = log_ratios([pc, pr, rc, rr]);
                stage.u.set(at, Tracked::with_error(ratios.u, ratios.u_error));
                stage.v.set(at, Tracked::with_error(ratios.v, ratios.v_error));
                stage.h.set(at, Tracked::with_error(ratios.h, ratios.h_error));
                if let Some(column) = pairs.column {
                    L::load(column, start + at).store_f64(&mut stage.column, at);
                }
                at += L::N;
            }
            formula.stage(backend, n, &mut stage);
            at = 0;
            while at < n {
                let valid = u32::MAX >> (32 - (n - at).min(L::N));
                #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
                let weight = match pairs.weights {
                    // A weight may be -0.
                    Some(weights) => Some(L::load(weights, start + at).abs()),
                    None => None,
                };
                let mut columns = Columns { results: outputs, at: start + at };
                let mut results = Nearest::new(&mut columns, weight);
                let (u, v, h) = (stage.u.get::<L>(at), stage.v.get::<L>(at), stage.h.get::<L>(at));
                results.put::<{ place::CHOSEN_REWARD }>(beta * u);
                results.put::<{ place::REJECTED_REWARD }>(beta * v);
                results.put::<{ place::MARGIN }>(beta * h);
                results.put_weighed::<{ place::LOSS }>(stage.loss.get(at));
                results.put_weighed_both::<{ place::GRAD_CHOSEN }, { place::GRAD_REF_CHOSEN }>(stage.by_u.get(at));
                results.put_weighed_both::<{ place::GRAD_REJECTED }, { place::GRAD_REF_REJECTED }>(stage.by_v.get(at));
                results.put_weighed::<{ place::GRAD_BETA }>(stage.by_beta.get(at));
                let unsettled = results.undecided() & valid;
                count(inputs::<L>(&pairs, start + at), h.with_bound().0, valid, valid & !unsettled, counts);
                if unsettled != 0 {
                    let settling = Settling { tried: true, ..Settling::new(formula) };
                    settling.rows(pairs, outputs, start + at, unsettled, counts);
                }
                at += L::N;
            }
            start += n;
        }
    }
}

/// Policy chosen, policy rejected, reference chosen, reference rejected.
#[inline(always)]
fn inputs<L: Lanes>(pairs: &Pairs<'_>, at: usize) -> [L; 4] {
    let (rc, rr) = match pairs.reference {
        Some(reference) => (L::load(reference.chosen_logps, at), L::load(reference.rejected_logps, at)),
        None => (L::splat(0.0), L::splat(0.0)),
    };
    [L::load(pairs.policy_chosen_logps, at), L::load(pairs.policy_rejected_logps, at), rc, rr]
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
