//! Losses that are defined by their exact values, over lanes: each number with a bound of its error, each result taken where the bound
//! decides which `f32` is nearest. One kernel for all of them, around the [stage](super::stage) of the formula.

use super::counts::Counts;
use super::kernel::{Columns, Rows, Sink, count};
use super::log_ratios::log_ratios;
use super::settle::settle_rows;
use super::stage::{ROWS, Stage, Staged};
use super::{OutputSlices, Pairs, place};
use crate::lanes::{Backend, Kernel, Lanes, dispatch};
use crate::losses::{Real, Tracked};

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
        dispatch(backend, NearestKernel { formula: self.0, backend, pairs, outputs, rows, counts });
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
                let mut results =
                    Results { sink: Columns { results: outputs, at: start + at }, weight: None, unsettled: 0 };
                if let Some(weights) = pairs.weights {
                    // A weight may be -0.
                    results.weight = Some(L::load(weights, start + at).abs());
                }
                let beta = Tracked::from_f64(formula.beta());
                let (u, v, h) = (stage.u.get::<L>(at), stage.v.get::<L>(at), stage.h.get::<L>(at));
                results.put::<{ place::CHOSEN_REWARD }>(beta * u);
                results.put::<{ place::REJECTED_REWARD }>(beta * v);
                results.put::<{ place::MARGIN }>(beta * h);
                results.put_weighed::<{ place::LOSS }>(stage.loss.get(at));
                let by_u = results.put_weighed::<{ place::GRAD_CHOSEN }>(stage.by_u.get(at));
                results.sink.put_opposite::<{ place::GRAD_REF_CHOSEN }>(by_u);
                let by_v = results.put_weighed::<{ place::GRAD_REJECTED }>(stage.by_v.get(at));
                results.sink.put_opposite::<{ place::GRAD_REF_REJECTED }>(by_v);
                results.put_weighed::<{ place::GRAD_BETA }>(stage.by_beta.get(at));
                let unsettled = results.unsettled & valid;
                count(inputs::<L>(&pairs, start + at), h.with_bound().0, valid, valid & !unsettled, counts);
                if unsettled != 0 {
                    settle_rows(formula, pairs, outputs, start + at, unsettled, counts);
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

/// Where the results of a block of rows go.
struct Results<'r, 'o, L> {
    sink: Columns<'r, 'o>,
    weight: Option<L>,
    /// The lanes of which a result is undecided.
    unsettled: u32,
}

impl<L: Lanes> Results<'_, '_, L> {
    #[inline(always)]
    fn put<const PLACE: usize>(&mut self, result: Tracked<L>) -> L {
        let (value, decided) = result.decided();
        self.unsettled |= !L::bits(decided);
        self.sink.put::<PLACE>(value);
        value
    }

    #[inline(always)]
    fn put_weighed<const PLACE: usize>(&mut self, result: Tracked<L>) -> L {
        match self.weight {
            Some(weight) => self.put::<PLACE>(result * Tracked::new(weight)),
            None => self.put::<PLACE>(result),
        }
    }
}
