//! The pair kernel: what all losses share, over lanes, and the rare path of a single row.

use super::{OutputSlices, Pairs, RESULTS, Reference, SUMMED};
use crate::NAN;
use crate::exact::{Exponents, Wide};
use crate::lanes::{Backend, Kernel, Lanes, MAX_LANES, Two, dispatch};
use crate::losses::{Formula, Real, Row};
use core::cmp::Ordering;

/// What the metrics count rather than sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    pub accurate: u32,
    pub ties: u32,
    pub nonfinite: u32,
    pub chosen_fell: u32,
    pub rejected_fell: u32,
    pub both_fell: u32,
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.accurate += more.accurate;
        self.ties += more.ties;
        self.nonfinite += more.nonfinite;
        self.chosen_fell += more.chosen_fell;
        self.rejected_fell += more.rejected_fell;
        self.both_fell += more.both_fell;
    }
}

/// Evaluates a block: whole groups of lanes, then the tail in a padded copy.
pub fn block<F: Formula>(backend: Backend, formula: &F, pairs: Pairs<'_>, outputs: &mut OutputSlices<'_>) -> Counts {
    let rows = pairs.len();
    let backend = backend.for_rows(rows);
    let tail = rows % backend.lanes();
    let mut counts = Counts::default();
    if rows > tail {
        run(backend, formula, pairs, outputs, rows - tail, &mut counts);
    }
    if tail > 0 {
        let pairs = pairs.rows(rows - tail, tail);
        let mut padded = [[0.0; MAX_LANES]; 5];
        let [pc, pr, rc, rr, w] = &mut padded;
        pad(pc, pairs.policy_chosen_logps);
        pad(pr, pairs.policy_rejected_logps);
        if let Some(reference) = pairs.reference {
            pad(rc, reference.chosen_logps);
            pad(rr, reference.rejected_logps);
        }
        if let Some(weights) = pairs.weights {
            pad(w, weights);
        }
        let pairs = Pairs {
            policy_chosen_logps: pc,
            policy_rejected_logps: pr,
            reference: pairs.reference.map(|_| Reference { chosen_logps: rc, rejected_logps: rr }),
            weights: pairs.weights.map(|_| &w[..]),
        };
        let mut results = [[0.0; MAX_LANES]; RESULTS];
        let mut slices = [const { None }; RESULTS];
        for ((slice, result), output) in slices.iter_mut().zip(&mut results).zip(&*outputs) {
            if output.is_some() {
                *slice = Some(&mut result[..]);
            }
        }
        run(backend, formula, pairs, &mut slices, tail, &mut counts);
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

fn pad(to: &mut [f32; MAX_LANES], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// The first `rows` of the pairs; the slices reach to the next multiple of the lanes.
fn run<F: Formula>(
    backend: Backend,
    formula: &F,
    pairs: Pairs<'_>,
    outputs: &mut OutputSlices<'_>,
    rows: usize,
    counts: &mut Counts,
) {
    dispatch(backend, Rows { formula, pairs, outputs, rows, counts });
}

struct Rows<'k, 'a, 'o, F> {
    formula: &'k F,
    pairs: Pairs<'a>,
    outputs: &'k mut OutputSlices<'o>,
    rows: usize,
    counts: &'k mut Counts,
}

/// `a - b` rounded, and the error of that: their sum is the exact difference.
#[inline(always)]
fn difference<L: Lanes>(a: L, b: L) -> (L, L) {
    let d = a - b;
    let b_part = a - d;
    let a_part = d + b_part;
    (d, (a - a_part) - (b - b_part))
}

/// Log-ratios as lanes hold them.
struct Margins<L> {
    chosen: L,
    rejected: L,
    margin: L,
}

/// `u`, `v` and `h = u - v`, each within 2^-51 of itself, h of the exact sign; NaN where one of them is infinite.
/// Adding 0 last makes every zero margin +0, whichever way it came about.
///
/// The errors of the three differences add up to what the rough margin lacks. Can adding them cancel and leave their own
/// rounding? Only if they are as large as the rough margin, which then is a few units of the last place of u and v, and
/// its own error 0. The error of u has at most 24 bits, all from its smaller term, and is at most half of such a unit, and
/// so is that of v: either they are close enough for an exact difference, or one dwarfs the other and, at half a unit, cannot
/// cancel a whole one.
#[inline(always)]
fn margins<L: Lanes>(pc: L, pr: L, rc: L, rr: L) -> Margins<L> {
    let (chosen, chosen_error) = difference(pc, rc);
    let (rejected, rejected_error) = difference(pr, rr);
    let (rough, rough_error) = difference(chosen, rejected);
    let margin = rough + ((chosen_error - rejected_error) + rough_error);
    Margins { chosen, rejected, margin: margin + L::splat(0.0) }
}

/// The same bits, where every difference is exact.
#[inline(always)]
fn exact_margins<L: Lanes>(pc: L, pr: L, rc: L, rr: L) -> Margins<L> {
    let (chosen, rejected) = (pc - rc, pr - rr);
    Margins { chosen, rejected, margin: (chosen - rejected) + L::splat(0.0) }
}

impl<'a, F: Formula> Kernel for Rows<'_, 'a, '_, F> {
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
        && exponents.most < 127 + ORDINARY
        && pairs.weights.is_none_or(|weights| Exponents::of(cut(weights)).most < 127 + ORDINARY)
        && beta <= limit
        && beta >= 1.0 / limit
}

impl<'a, F: Formula> Rows<'_, 'a, '_, F> {
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
                Some(weights) => Some(L::load(weights, at)),
                None => None,
            };
            let valid = u32::MAX >> (32 - (*rows - at).min(L::N));
            let mut columns = Columns { results: &mut results, at };
            let group = Group { inputs: [pc, pr, rc, rr], weight, valid };
            let unsettled = group.evaluate::<F, ORDINARY>(formula, &mut columns, &mut seen);
            if unsettled != 0 {
                settle_rows(*formula, *pairs, &mut results, at, unsettled, counts);
            }
            at += L::N;
        }
        counts.add(&seen);
        at
    }
}

/// Takes the results of a group of rows, by their place among [`RESULTS`].
trait Sink<L> {
    fn put<const RESULT: usize>(&mut self, value: L);
}

/// The group from row `at` on in columns, of which some may not be asked for.
struct Columns<'r, 'o> {
    results: &'r mut OutputSlices<'o>,
    at: usize,
}

impl<L: Lanes> Sink<L> for Columns<'_, '_> {
    #[inline(always)]
    fn put<const RESULT: usize>(&mut self, value: L) {
        if let Some(to) = &mut self.results[RESULT] {
            value.store(to, self.at);
        }
    }
}

/// A row alone.
impl Sink<f64> for [f32; RESULTS] {
    #[inline(always)]
    fn put<const RESULT: usize>(&mut self, value: f64) {
        self[RESULT] = value as f32;
    }
}

/// What the formula sees and says of a group.
struct Terms<L: Lanes> {
    beta: L,
    margin: L,
    loss: L,
    by_chosen: L,
    by_rejected: L,
    by_beta: L,
    doubt: <L as Lanes>::Mask,
}

impl<L: Lanes> Terms<L> {
    #[inline(always)]
    fn new(beta: L, margin: L) -> Self {
        let zero = L::splat(0.0);
        let doubt = L::nowhere();
        Self { beta, margin, loss: zero, by_chosen: zero, by_rejected: zero, by_beta: zero, doubt }
    }

    /// Weights multiply the loss and what derives from it.
    #[inline(always)]
    fn weigh(&mut self, weight: L) {
        self.loss = self.loss * weight;
        self.by_chosen = self.by_chosen * weight;
        self.by_rejected = self.by_rejected * weight;
        self.by_beta = self.by_beta * weight;
    }
}

impl<L: Lanes> Row<L> for Terms<L> {
    #[inline(always)]
    fn scale(&self, x: &mut L) {
        *x = *x * self.beta;
    }
    #[inline(always)]
    fn beta(&self) -> L {
        self.beta
    }
    #[inline(always)]
    fn margin(&self) -> L {
        self.margin
    }
    #[inline(always)]
    fn loss(&mut self, loss: &L) {
        self.loss = *loss;
    }
    #[inline(always)]
    fn by_chosen(&mut self, derivative: &L) {
        self.by_chosen = *derivative;
    }
    #[inline(always)]
    fn by_rejected(&mut self, derivative: &L) {
        self.by_rejected = *derivative;
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: &L) {
        self.by_beta = *derivative;
    }
    #[inline(always)]
    fn doubt(&mut self, doubtful: <L as Lanes>::Mask) {
        self.doubt = <L as Lanes>::or(self.doubt, doubtful);
    }
}

/// As many rows as there are lanes.
struct Group<L> {
    /// Log-probabilities: policy chosen, policy rejected, reference chosen, reference rejected.
    inputs: [L; 4],
    weight: Option<L>,
    /// The lanes that hold a row.
    valid: u32,
}

impl<L: Lanes> Group<L> {
    /// Hands all results to `sink` and returns the rows that must be settled, which are not counted yet.
    #[inline(always)]
    fn evaluate<F: Formula, const ORDINARY: bool>(
        self,
        formula: &F,
        sink: &mut impl Sink<L>,
        seen: &mut Counts,
    ) -> u32 {
        let Self { inputs: [pc, pr, rc, rr], weight, valid } = self;
        let (zero, beta) = (L::splat(0.0), L::splat(formula.beta()));
        let m = if ORDINARY { exact_margins(pc, pr, rc, rr) } else { margins(pc, pr, rc, rr) };
        let (chosen_reward, rejected_reward) = (beta * m.chosen, beta * m.rejected);
        let mut terms = Terms::new(beta, m.margin);
        sink.put::<1>(chosen_reward);
        sink.put::<2>(rejected_reward);
        sink.put::<3>(beta * m.margin);

        formula.evaluate(&mut terms);
        if let Some(weight) = weight {
            terms.weigh(weight);
        }
        sink.put::<0>(terms.loss);
        sink.put::<4>(terms.by_chosen);
        sink.put::<5>(terms.by_rejected);
        sink.put::<6>(zero - terms.by_chosen);
        sink.put::<7>(zero - terms.by_rejected);
        sink.put::<8>(terms.by_beta);

        let mut unsettled = L::bits(terms.doubt);
        if !ORDINARY {
            // False for NaN and infinity too, whether given or reached: those rows are settled, and counted, apart.
            let size = terms.loss.abs() + (chosen_reward.abs() + rejected_reward.abs());
            let tame = size.lt(L::splat(f32::MAX as f64));
            unsettled |= !L::bits(tame);
            // A derivative beyond f64 times a weight of 0, which the loss does not show.
            let derivatives = (terms.by_chosen - terms.by_rejected) + terms.by_beta;
            unsettled |= !L::bits(derivatives.eq(derivatives));
        }
        unsettled &= valid;
        let settled = valid & !unsettled;
        seen.accurate += (L::bits(zero.lt(m.margin)) & settled).count_ones();
        seen.ties += (L::bits(m.margin.eq(zero)) & settled).count_ones();
        let (chosen_fell, rejected_fell) = (L::bits(pc.lt(rc)) & valid, L::bits(pr.lt(rr)) & valid);
        seen.chosen_fell += chosen_fell.count_ones();
        seen.rejected_fell += rejected_fell.count_ones();
        seen.both_fell += (chosen_fell & rejected_fell).count_ones();
        unsettled
    }
}

/// One row, with the bits that it has among others: policy chosen, policy rejected, reference chosen, reference rejected
/// (0 without a reference).
pub fn one<F: Formula>(formula: &F, inputs: &[f32; 4], results: &mut [f32; RESULTS], counts: &mut Counts) {
    if one_in_f64(formula, inputs, results, counts) {
        settle(formula, inputs, 1.0, results, counts);
    }
}

/// Whether the row must be settled. On its own, for its stack to be free by then.
#[inline(never)]
fn one_in_f64<F: Formula>(formula: &F, inputs: &[f32; 4], results: &mut [f32; RESULTS], counts: &mut Counts) -> bool {
    let group = Group { inputs: inputs.map(f64::from), weight: None, valid: 1 };
    group.evaluate::<F, false>(formula, results, counts) != 0
}

/// Settles the rows `at + i` for every bit `i` of `rows`.
#[cold]
#[inline(never)]
fn settle_rows<F: Formula>(
    formula: &F,
    pairs: Pairs<'_>,
    outputs: &mut OutputSlices<'_>,
    at: usize,
    mut rows: u32,
    counts: &mut Counts,
) {
    while rows != 0 {
        let row = at + rows.trailing_zeros() as usize;
        rows &= rows - 1;
        let get = |x: &[f32]| x.get(row).copied().unwrap_or(NAN);
        let (rc, rr) = pairs.reference.map_or((0.0, 0.0), |r| (get(r.chosen_logps), get(r.rejected_logps)));
        let inputs = [get(pairs.policy_chosen_logps), get(pairs.policy_rejected_logps), rc, rr];
        let mut results = [NAN; RESULTS];
        settle(formula, &inputs, pairs.weights.map_or(1.0, get), &mut results, counts);
        for (output, result) in outputs.iter_mut().zip(results) {
            if let Some(output) = output.as_mut().and_then(|output| output.get_mut(row)) {
                *output = result;
            }
        }
    }
}

/// `(pc - rc) - (pr - rr)` in `f64`, where finite `f32` cannot overflow.
fn rough_log_ratio(&[pc, pr, rc, rr]: &[f32; 4]) -> f64 {
    (f64::from(pc) - f64::from(rc)) - (f64::from(pr) - f64::from(rr))
}

/// The same exactly, where it is not NaN; a stand-in for infinity.
#[inline(never)]
fn log_ratio(inputs: &[f32; 4]) -> Wide {
    let rough = rough_log_ratio(inputs);
    let mut exact = Wide::ZERO;
    if rough.is_infinite() {
        exact.set_infinite(rough < 0.0);
    } else {
        let &[pc, pr, rc, rr] = inputs;
        for term in [pc, -rc, -pr, rr] {
            exact.add(term.into());
        }
    }
    exact
}

/// One row in wide arithmetic: what is asked for is computed each time, and what comes is rounded at once.
struct WideTerms<'r> {
    beta: f64,
    inputs: &'r [f32; 4],
    weight: f32,
    results: &'r mut [f32; RESULTS],
}

impl WideTerms<'_> {
    fn put<const RESULT: usize>(&mut self, value: &Wide) {
        self.results[RESULT] = scaled(self.weight.into(), value);
    }
}

impl Row<Wide> for WideTerms<'_> {
    fn scale(&self, x: &mut Wide) {
        x.multiply(self.beta);
    }
    fn beta(&self) -> Wide {
        Wide::from_f64(self.beta)
    }
    fn margin(&self) -> Wide {
        log_ratio(self.inputs)
    }
    fn loss(&mut self, loss: &Wide) {
        self.put::<0>(loss);
    }
    fn by_chosen(&mut self, derivative: &Wide) {
        self.put::<4>(derivative);
        self.results[6] = -self.results[4];
    }
    fn by_rejected(&mut self, derivative: &Wide) {
        self.put::<5>(derivative);
        self.results[7] = -self.results[5];
    }
    fn by_beta(&mut self, derivative: &Wide) {
        self.put::<8>(derivative);
    }
    fn doubt(&mut self, _: bool) {}
}

/// `factor x` rounded.
#[inline(never)]
fn scaled(factor: f64, x: &Wide) -> f32 {
    let mut product = *x;
    product.multiply(factor);
    product.rounded()
}

/// `beta` times a log-ratio, rounded.
#[inline(never)]
fn reward(beta: f64, inputs: &[f32; 4]) -> f32 {
    if rough_log_ratio(inputs).is_nan() { NAN } else { scaled(beta, &log_ratio(inputs)) }
}

/// Both rewards and the margin.
#[inline(never)]
fn rewards(beta: f64, inputs: &[f32; 4], results: &mut [f32; RESULTS]) {
    let &[pc, pr, rc, rr] = inputs;
    results[1] = reward(beta, &[pc, 0.0, rc, 0.0]);
    results[2] = reward(beta, &[pr, 0.0, rr, 0.0]);
    results[3] = reward(beta, inputs);
}

/// The loss and its derivatives. On its own, for its many numbers of 384 bits to be off the stack afterwards.
#[inline(never)]
fn wide_terms<F: Formula>(formula: &F, mut row: WideTerms<'_>) {
    formula.evaluate(&mut row);
}

/// All results of a row in wide arithmetic; counts what of them is counted after all.
#[cold]
#[inline(never)]
fn settle<F: Formula>(formula: &F, inputs: &[f32; 4], weight: f32, results: &mut [f32; RESULTS], counts: &mut Counts) {
    let beta = formula.beta();
    *results = [NAN; RESULTS];
    rewards(beta, inputs, results);
    if !results[3].is_nan() {
        wide_terms(formula, WideTerms { beta, inputs, weight, results });
        match log_ratio(inputs).sign() {
            Ordering::Greater => counts.accurate += 1,
            Ordering::Equal => counts.ties += 1,
            Ordering::Less => {}
        }
    }
    // The inputs and what the metrics sum.
    let finite = inputs.iter().chain(&results[..SUMMED]).all(|x| x.is_finite());
    counts.nonfinite += u32::from(!finite);
}
