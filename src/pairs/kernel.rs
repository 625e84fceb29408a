//! The pair kernel: what all losses share, over lanes.

use super::counts::Counts;
use super::log_ratios::{LogRatios, exact_log_ratios, log_ratios};
use super::settle::Settling;
use super::{Beside, OutputSlices, Pairs, RESULTS, Reference, place};
use crate::exact::Exponents;
use crate::lanes::{Backend, Kernel, Lanes, MAX_LANES, Two, dispatch};
use crate::losses::{Checked, Pair, PairFormula};
use crate::outputs::{Columns, Sink};

/// What goes over some rows: the first of the pairs, whose slices reach to the next multiple of the lanes.
pub trait Rows {
    fn run(&self, backend: Backend, pairs: Pairs<'_>, outputs: &mut OutputSlices<'_>, rows: usize, counts: &mut Counts);
}

/// The kernel of a loss that its operations define.
pub struct ByOperations<F>(pub F);

impl<F: PairFormula> Rows for ByOperations<F> {
    fn run(
        &self,
        backend: Backend,
        pairs: Pairs<'_>,
        outputs: &mut OutputSlices<'_>,
        rows: usize,
        counts: &mut Counts,
    ) {
        dispatch(backend, PairKernel { formula: &self.0, pairs, outputs, rows, counts });
    }
}

/// Evaluates a block: whole groups of lanes, then the tail in a padded copy.
pub fn block(backend: Backend, kernel: &dyn Rows, pairs: Pairs<'_>, outputs: &mut OutputSlices<'_>) -> Counts {
    let rows = pairs.len();
    let backend = backend.for_rows(rows);
    let tail = rows % backend.lanes();
    let mut counts = Counts::default();
    if rows > tail {
        kernel.run(backend, pairs, outputs, rows - tail, &mut counts);
    }
    if tail > 0 {
        let pairs = pairs.rows(rows - tail, tail);
        let mut padded = [[0.0; MAX_LANES]; 6];
        let [pc, pr, rc, rr, w, c] = &mut padded;
        pad(pc, pairs.policy_chosen_logps);
        pad(pr, pairs.policy_rejected_logps);
        if let Some(reference) = pairs.reference {
            pad(rc, reference.chosen_logps);
            pad(rr, reference.rejected_logps);
        }
        if let Some(weights) = pairs.weights {
            pad(w, weights);
        }
        if let Some(column) = pairs.column {
            pad(c, column);
        }
        let pairs = Pairs {
            policy_chosen_logps: pc,
            policy_rejected_logps: pr,
            reference: pairs.reference.map(|_| Reference { chosen_logps: rc, rejected_logps: rr }),
            weights: pairs.weights.map(|_| &w[..]),
            column: pairs.column.map(|_| &c[..]),
        };
        let mut results = [[0.0; MAX_LANES]; RESULTS];
        let mut slices = [const { None }; RESULTS];
        for ((slice, result), output) in slices.iter_mut().zip(&mut results).zip(&*outputs) {
            if output.is_some() {
                *slice = Some(&mut result[..]);
            }
        }
        kernel.run(backend, pairs, &mut slices, tail, &mut counts);
        for (output, result) in outputs.iter_mut().zip(&results) {
            if let Some(output) = output.as_mut().and_then(|x| x.get_mut(rows - tail..)) {
                for (to, from) in output.iter_mut().zip(result) {
                    *to = *from;
                }
            }
        }
    }
    counts
}

/// With the first row again and again, which raises no floating-point exception that it does not raise itself.
fn pad(to: &mut [f32; MAX_LANES], from: &[f32]) {
    if let Some(first) = from.first() {
        to.fill(*first);
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

struct PairKernel<'k, 'a, 'o, F> {
    formula: &'k F,
    pairs: Pairs<'a>,
    outputs: &'k mut OutputSlices<'o>,
    rows: usize,
    counts: &'k mut Counts,
}

impl<'a, F: PairFormula> Kernel for PairKernel<'_, 'a, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let n = self.rows.next_multiple_of(L::N);
        // One lane means a microcontroller or a reading of the code: one loop is enough there.
        if L::N > 1 && is_ordinary(self.formula.beta(), &self.pairs, n) {
            // Twice the lanes at a time: the chain of one group leaves the units idle for half of the time.
            let at = self.rows::<Two<L>, true>(0, n);
            self.rows::<L, true>(at, n);
        } else {
            self.rows::<L, false>(0, n);
        }
    }
}

/// Bits that ordinary values may be above or below 1.
const ORDINARY: u32 = 20;

/// Biased exponents of ordinary values are above: their differences are multiples of 2^-126 then, and beta times one is no 0 as `f32`.
const LEAST: u32 = 23;

/// Whether in the first `n` rows all differences of log-probabilities are exact in `f64` and no result can overflow or
/// be NaN. It is so in nearly every batch that people have; then the kernel leaves out what watches for the rest.
///
/// Exact: 24 bits, an exponent span of 27, and two more bits for a sum of four make 53. No overflow: log-probabilities,
/// weights, beta and 1/beta are at most 2^20; no formula goes beyond their product squared and the 2^52 of 1/(1-2 eps).
#[inline(always)]
fn is_ordinary<'a>(beta: f64, pairs: &Pairs<'a>, n: usize) -> bool {
    let cut = |x: &'a [f32]| x.get(..n).unwrap_or(&[f32::NAN]);
    let (pc, pr) = (cut(pairs.policy_chosen_logps), cut(pairs.policy_rejected_logps));
    // Without a reference its zeros have no exponent; a column given twice adds nothing.
    let (rc, rr) = pairs.reference.map_or((pc, pr), |r| (cut(r.chosen_logps), cut(r.rejected_logps)));
    let exponents = Exponents::of_four([pc, pr, rc, rr]);
    let limit = f64::from(1_u32 << ORDINARY);
    exponents.most.saturating_sub(exponents.least) <= 27
        && exponents.least > LEAST
        && exponents.most < 127 + ORDINARY
        && pairs.weights.is_none_or(|weights| Exponents::of(cut(weights)).most < 127 + ORDINARY)
        && beta <= limit
        && beta >= 1.0 / limit
}

impl<'a, F: PairFormula> PairKernel<'_, 'a, '_, F> {
    /// The rows from `at` on, as long as `n` has whole groups; returns where it stopped.
    #[inline(always)]
    fn rows<L: Lanes, const ORDINARY: bool>(&mut self, mut at: usize, n: usize) -> usize {
        if at + L::N > n {
            return at;
        }
        let Self { formula, pairs, outputs, rows, counts } = self;
        // All slices of one length, which the loop's condition then vouches for.
        let whole = |x: &'a [f32]| x.get(..n);
        let (Some(chosen_logps), Some(rejected_logps)) =
            (whole(pairs.policy_chosen_logps), whole(pairs.policy_rejected_logps))
        else {
            return at;
        };
        let reference = pairs.reference.and_then(|r| whole(r.chosen_logps).zip(whole(r.rejected_logps)));
        let weights = pairs.weights.and_then(whole);
        let mut results = outputs.each_mut().map(|x| x.as_mut().and_then(|x| x.get_mut(..n)));

        let zero = L::splat(0.0);
        let mut seen = Counts::default();
        while at + L::N <= n {
            let pc = L::load(chosen_logps, at);
            let pr = L::load(rejected_logps, at);
            let (rc, rr) = match reference {
                Some((chosen, rejected)) => (L::load(chosen, at), L::load(rejected, at)),
                None => (zero, zero),
            };
            #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
            let weight = match weights {
                // A weight may be -0.
                Some(weights) => Some(L::load(weights, at).abs()),
                None => None,
            };
            let valid = u32::MAX >> (32 - (*rows - at).min(L::N));
            let mut columns = Columns { results: &mut results, at };
            let group = LaneBlock { inputs: [pc, pr, rc, rr], weight, valid };
            let unsettled = group.evaluate::<F, ORDINARY>(formula, &mut columns, &mut seen);
            if unsettled != 0 {
                Settling::new(*formula).rows(*pairs, &mut results, at, unsettled, counts);
            }
            at += L::N;
        }
        counts.add(&seen);
        at
    }
}

/// What the formula sees and says of a block.
struct LaneResults<L: Lanes> {
    beta: L,
    u: L,
    v: L,
    h: L,
    loss: L,
    by_u: L,
    /// If it is not the opposite of the one before.
    by_v: Option<L>,
    by_beta: L,
    doubt: L::Mask,
}

impl<L: Lanes> LaneResults<L> {
    #[inline(always)]
    fn new(beta: L, LogRatios { u, v, h, .. }: LogRatios<L>) -> Self {
        let zero = L::splat(0.0);
        let doubt = Checked::new(zero).doubt;
        Self { beta, u, v, h, loss: zero, by_u: zero, by_v: None, by_beta: zero, doubt }
    }

    /// A result, in doubt where one of its sums has cancelled.
    #[inline(always)]
    fn take(&mut self, result: Checked<L>) -> L {
        self.doubt = L::or(self.doubt, result.doubt);
        result.value
    }

    /// Weights multiply the loss and what derives from it.
    #[inline(always)]
    fn weigh(&mut self, weight: L) {
        self.loss = self.loss * weight;
        self.by_u = self.by_u * weight;
        if let Some(by_v) = &mut self.by_v {
            *by_v = *by_v * weight;
        }
        self.by_beta = self.by_beta * weight;
    }
}

impl<L: Lanes> Pair<Checked<L>> for LaneResults<L> {
    #[inline(always)]
    fn beta(&self) -> Checked<L> {
        Checked::new(self.beta)
    }
    #[inline(always)]
    fn u(&self) -> Checked<L> {
        Checked::new(self.u)
    }
    #[inline(always)]
    fn v(&self) -> Checked<L> {
        Checked::new(self.v)
    }
    #[inline(always)]
    fn h(&self) -> Checked<L> {
        Checked::new(self.h)
    }
    #[inline(always)]
    fn column(&self) -> Checked<L> {
        Checked::new(L::splat(0.0))
    }
    #[inline(always)]
    fn nowhere(&mut self, outside: L::Mask) {
        self.doubt = L::or(self.doubt, outside);
    }
    #[inline(always)]
    fn loss(&mut self, loss: Checked<L>) {
        self.loss = self.take(loss);
    }
    #[inline(always)]
    fn by_u(&mut self, derivative: Checked<L>) {
        self.by_u = self.take(derivative);
    }
    #[inline(always)]
    fn by_v(&mut self, derivative: Checked<L>) {
        self.by_v = Some(self.take(derivative));
    }
    #[inline(always)]
    fn by_h(&mut self, derivative: Checked<L>) {
        self.by_u(derivative);
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: Checked<L>) {
        self.by_beta = self.take(derivative);
    }
}

/// As many rows as there are lanes.
struct LaneBlock<L> {
    /// Log-probabilities: policy chosen, policy rejected, reference chosen, reference rejected.
    inputs: [L; 4],
    weight: Option<L>,
    /// The lanes that hold a row.
    valid: u32,
}

impl<L: Lanes> LaneBlock<L> {
    /// Hands all results to `sink` and returns the rows that must be settled, which are not counted yet.
    #[inline(always)]
    fn evaluate<F: PairFormula, const ORDINARY: bool>(
        self,
        formula: &F,
        sink: &mut impl Sink<L>,
        seen: &mut Counts,
    ) -> u32 {
        let ratios = if ORDINARY { exact_log_ratios(self.inputs) } else { log_ratios(self.inputs) };
        let h = ratios.h;
        let unsettled = self.results::<F, ORDINARY>(formula, ratios, sink) & self.valid;
        count(self.inputs, h, self.valid, self.valid & !unsettled, seen);
        unsettled
    }

    /// The results as the operations define them; returns the lanes in doubt.
    #[inline(always)]
    fn results<F: PairFormula, const ORDINARY: bool>(
        &self,
        formula: &F,
        ratios: LogRatios<L>,
        sink: &mut impl Sink<L>,
    ) -> u32 {
        let LogRatios { u, v, h, .. } = ratios;
        let beta = L::splat(formula.beta());
        let (chosen_reward, rejected_reward) = (beta * u, beta * v);
        sink.put::<{ place::CHOSEN_REWARD }>(chosen_reward);
        sink.put::<{ place::REJECTED_REWARD }>(rejected_reward);
        // A zero of h is +0, and an ordinary product does not underflow.
        if ORDINARY {
            sink.put_plain::<{ place::MARGIN }>(beta * h);
        } else {
            sink.put::<{ place::MARGIN }>(beta * h);
        }

        let mut results = LaneResults::new(beta, ratios);
        formula.evaluate(&mut results);
        if let Some(weight) = self.weight {
            results.weigh(weight);
        }
        if F::NONNEGATIVE {
            sink.put_plain::<{ place::LOSS }>(results.loss);
        } else {
            sink.put::<{ place::LOSS }>(results.loss);
        }
        sink.put::<{ place::GRAD_CHOSEN }>(results.by_u);
        sink.put_opposite::<{ place::GRAD_REF_CHOSEN }>(results.by_u);
        match results.by_v {
            Some(by_v) => {
                sink.put::<{ place::GRAD_REJECTED }>(by_v);
                sink.put_opposite::<{ place::GRAD_REF_REJECTED }>(by_v);
            }
            None => {
                sink.put_opposite::<{ place::GRAD_REJECTED }>(results.by_u);
                sink.put::<{ place::GRAD_REF_REJECTED }>(results.by_u);
            }
        }
        sink.put::<{ place::GRAD_BETA }>(results.by_beta);

        let mut unsettled = L::bits(results.doubt);
        if !ORDINARY {
            // False for NaN and infinity too, whether given or reached: those rows are settled, and counted, apart.
            let size = results.loss.abs() + (chosen_reward.abs() + rejected_reward.abs());
            let tame = size.lt(L::splat(f32::MAX as f64));
            unsettled |= !L::bits(tame);
            // A derivative beyond f64 times a weight of 0, which the loss does not show.
            let derivatives = match results.by_v {
                Some(by_v) => (results.by_u - by_v) + results.by_beta,
                None => results.by_u + results.by_beta,
            };
            unsettled |= !L::bits(derivatives.eq(derivatives));
        }
        unsettled
    }
}

/// Counts what lanes say of rows: `h`, of those that are settled, and what fell, of all that are `valid`.
#[inline(always)]
pub fn count<L: Lanes>([pc, pr, rc, rr]: [L; 4], h: L, valid: u32, settled: u32, seen: &mut Counts) {
    let zero = L::splat(0.0);
    seen.accurate += (L::bits(zero.lt(h)) & settled).count_ones();
    seen.ties += (L::bits(h.eq(zero)) & settled).count_ones();
    let (chosen_fell, rejected_fell) = (L::bits(pc.lt(rc)) & valid, L::bits(pr.lt(rr)) & valid);
    seen.chosen_fell += chosen_fell.count_ones();
    seen.rejected_fell += rejected_fell.count_ones();
    seen.both_fell += (chosen_fell & rejected_fell).count_ones();
}

/// One row, with the bits that it has among others: policy chosen, policy rejected, reference chosen, reference rejected
/// (0 without a reference).
pub fn one<F: PairFormula>(
    formula: &F,
    inputs: &[f32; 4],
    beside: Beside,
    results: &mut [f32; RESULTS],
    counts: &mut Counts,
) {
    if one_in_f64(formula, inputs, beside, results, counts) {
        Settling::new(formula).row(inputs, beside, results, counts);
    }
}

/// Whether the row must be settled. On its own, for its stack to be free by then.
#[inline(never)]
fn one_in_f64<F: PairFormula>(
    formula: &F,
    inputs: &[f32; 4],
    beside: Beside,
    results: &mut [f32; RESULTS],
    counts: &mut Counts,
) -> bool {
    let weight = Some(f64::from(beside.weight).abs());
    let group = LaneBlock { inputs: inputs.map(f64::from), weight, valid: 1 };
    group.evaluate::<F, false>(formula, results, counts) != 0
}
