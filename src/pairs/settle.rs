//! The rare path of a single row: every result is the nearest `f32` to the exact value.
//!
//! First one `f64` with a bound of its error tries, which decides most rows and costs little; what it leaves, and what is NaN
//! or infinite, goes to 384 bits. A microcontroller, where flash is scarce, goes there at once: the bits are the same.

use super::counts::Counts;
use super::log_ratios::sign_of_h;
use super::stage::{Numbers, Stage, Staged};
use super::{Beside, OutputSlices, Pairs, RESULTS, SUMMED, place};
use crate::NAN;
use crate::exact::{CERTAIN, COUNTED, Float384, log_ratio, reward, rough_log_ratio, scaled};
use crate::lanes::{Backend, HAS_WIDE};
use crate::losses::{Pair, Real, Tracked};

/// Settles the rows `at + i` for every bit `i` of `rows`.
#[cold]
#[inline(never)]
pub fn settle_rows(
    formula: &dyn Staged,
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
        let beside = Beside { weight: pairs.weights.map_or(1.0, get), column: pairs.column.map_or(0.0, get) };
        let mut results = [NAN; RESULTS];
        settle(formula, &inputs, beside, &mut results, counts);
        for (output, result) in outputs.iter_mut().zip(results) {
            if let Some(output) = output.as_mut().and_then(|output| output.get_mut(row)) {
                *output = result;
            }
        }
    }
}

/// All results of a row, each the nearest to the exact value; counts what of them is counted after all.
#[cold]
#[inline(never)]
pub fn settle(
    formula: &dyn Staged,
    inputs: &[f32; 4],
    beside: Beside,
    results: &mut [f32; RESULTS],
    counts: &mut Counts,
) {
    if !HAS_WIDE || !settle_by_bounds(formula, inputs, beside, results) {
        settle_exactly(formula, inputs, beside, results);
    }
    let h = sign_of_h(inputs);
    counts.accurate += u32::from(h > 0.0);
    counts.ties += u32::from(h == 0.0);
    // The inputs and what the metrics sum.
    let finite = inputs.iter().chain(&results[..SUMMED]).all(|x| x.is_finite());
    counts.nonfinite += u32::from(!finite);
}

/// Rounds each result that its bound decides, and remembers whether all were.
struct Rounded<'r> {
    results: &'r mut [f32; RESULTS],
    decided: bool,
}

impl Rounded<'_> {
    /// Takes a result, and its opposite for another place.
    fn put(&mut self, place: usize, opposite: usize, value: Tracked) {
        let Some(result) = value.rounded() else {
            self.decided = false;
            return;
        };
        self.results[place] = result;
        if opposite != place {
            self.results[opposite] = 0.0 - result;
        }
    }
}

/// Whether bounds of the errors decide every result.
#[inline(never)]
fn settle_by_bounds(formula: &dyn Staged, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS]) -> bool {
    if !rough_log_ratio(inputs).is_finite() {
        return false;
    }
    let [pc, pr, rc, rr] = inputs.map(f64::from);
    let (u, v) = (Tracked::difference(pc, rc), Tracked::difference(pr, rr));
    let (beta, h) = (Tracked::from_f64(formula.beta()), u - v);
    let mut row = Rounded { results, decided: true };
    row.put(place::CHOSEN_REWARD, place::CHOSEN_REWARD, beta * u);
    row.put(place::REJECTED_REWARD, place::REJECTED_REWARD, beta * v);
    row.put(place::MARGIN, place::MARGIN, beta * h);
    if row.decided {
        let mut stage = Stage::ZERO;
        stage.u.set(0, u);
        stage.v.set(0, v);
        stage.h.set(0, h);
        stage.column[0] = beside.column.into();
        formula.stage(Backend::SCALAR, 1, &mut stage);
        let weighed = |number: &Numbers| {
            let number = number.get::<f64>(0);
            if beside.weight == 1.0 { number } else { number * Tracked::from_f64(beside.weight.into()) }
        };
        row.put(place::LOSS, place::LOSS, weighed(&stage.loss));
        row.put(place::GRAD_CHOSEN, place::GRAD_REF_CHOSEN, weighed(&stage.by_u));
        row.put(place::GRAD_REJECTED, place::GRAD_REF_REJECTED, weighed(&stage.by_v));
        row.put(place::GRAD_BETA, place::GRAD_BETA, weighed(&stage.by_beta));
    }
    row.decided
}

/// The loss, and its derivatives by both log-ratios and by beta.
pub type Sums = [Float384; 4];

/// Where results stand that are no other's opposite.
const PLACES: [usize; 4] = [place::LOSS, place::GRAD_CHOSEN, place::GRAD_REJECTED, place::GRAD_BETA];

/// What becomes of an exact result. It has a place, and its opposite another one or the same if nothing is its opposite.
trait ExactSink {
    fn put(&mut self, place: usize, opposite: usize, value: &Float384);
}

/// Results, rounded.
struct Rounding<'r> {
    weight: f32,
    /// The bits that count.
    bits: u32,
    results: &'r mut [f32; RESULTS],
}

impl ExactSink for Rounding<'_> {
    fn put(&mut self, place: usize, opposite: usize, value: &Float384) {
        let result = scaled(self.weight.into(), value, self.bits);
        // No place is outside; a microcontroller's image is free of what would panic.
        if let Some(to) = self.results.get_mut(opposite) {
            *to = 0.0 - result;
        }
        if let Some(to) = self.results.get_mut(place) {
            *to = result;
        }
    }
}

/// Sums, to which a factor times each result is added.
struct Summing<'r> {
    factor: f64,
    sums: &'r mut Sums,
}

impl ExactSink for Summing<'_> {
    fn put(&mut self, place: usize, _: usize, value: &Float384) {
        for (sum, _) in self.sums.iter_mut().zip(PLACES).filter(|(_, of)| *of == place) {
            *sum = *sum + *value * Float384::from_f64(self.factor);
        }
    }
}

/// One row in 384 bits: what is asked for is computed each time, and what comes goes to its sink at once.
pub struct ExactResults<'r> {
    beta: f64,
    inputs: &'r [f32; 4],
    column: f32,
    defined: bool,
    sink: &'r mut dyn ExactSink,
}

impl ExactResults<'_> {
    /// Adds what a formula gives, times a factor, to sums. Without them, where the row is not defined.
    pub fn add(&mut self, factor: f64, formula: &dyn Staged, sums: &mut Sums) {
        let (inputs, column, beta) = (self.inputs, self.column, formula.beta());
        let mut part = ExactResults { beta, inputs, column, defined: true, sink: &mut Summing { factor, sums } };
        formula.exact(&mut part);
        self.defined &= part.defined;
    }

    /// Takes the sums as the results.
    pub fn take(&mut self, [loss, by_u, by_v, by_beta]: Sums) {
        self.loss(loss);
        self.by_u(by_u);
        self.by_v(by_v);
        self.by_beta(by_beta);
    }

    #[inline(never)]
    fn put(&mut self, place: usize, opposite: usize, value: &Float384) {
        if self.defined {
            self.sink.put(place, opposite, value);
        }
    }
}

impl Pair<Float384> for ExactResults<'_> {
    fn beta(&self) -> Float384 {
        Float384::from_f64(self.beta)
    }
    fn u(&self) -> Float384 {
        let &[policy, _, reference, _] = self.inputs;
        log_ratio(&[policy, 0.0, reference, 0.0])
    }
    fn v(&self) -> Float384 {
        let &[_, policy, _, reference] = self.inputs;
        log_ratio(&[policy, 0.0, reference, 0.0])
    }
    fn h(&self) -> Float384 {
        log_ratio(self.inputs)
    }
    fn column(&self) -> Float384 {
        Float384::from_f64(self.column.into())
    }
    fn z(&self) -> Float384 {
        let mut z = log_ratio(self.inputs);
        z.multiply(self.beta);
        z
    }
    fn nowhere(&mut self, outside: bool) {
        self.defined &= !outside;
    }
    fn loss(&mut self, loss: Float384) {
        self.put(place::LOSS, place::LOSS, &loss);
    }
    fn by_u(&mut self, derivative: Float384) {
        self.put(place::GRAD_CHOSEN, place::GRAD_REF_CHOSEN, &derivative);
    }
    fn by_v(&mut self, derivative: Float384) {
        self.put(place::GRAD_REJECTED, place::GRAD_REF_REJECTED, &derivative);
    }
    fn by_beta(&mut self, derivative: Float384) {
        self.put(place::GRAD_BETA, place::GRAD_BETA, &derivative);
    }
}

/// Both rewards and the margin.
#[inline(never)]
fn rewards(beta: f64, inputs: &[f32; 4], results: &mut [f32; RESULTS]) {
    let &[pc, pr, rc, rr] = inputs;
    results[place::CHOSEN_REWARD] = reward(beta, &[pc, 0.0, rc, 0.0]);
    results[place::REJECTED_REWARD] = reward(beta, &[pr, 0.0, rr, 0.0]);
    results[place::MARGIN] = reward(beta, inputs);
}

/// In 384 bits. The loss and its derivatives come apart, for their many numbers to be off the stack afterwards.
fn settle_exactly(formula: &dyn Staged, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS]) {
    let beta = formula.beta();
    *results = [NAN; RESULTS];
    rewards(beta, inputs, results);
    if !results[place::MARGIN].is_nan() {
        let Beside { weight, column } = beside;
        let bits = if formula.is_by_value() { COUNTED } else { CERTAIN };
        let sink = &mut Rounding { weight, bits, results };
        formula.exact(&mut ExactResults { beta, inputs, column, defined: true, sink });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loss;
    use crate::losses::{CASES, LOSSES, Shape};
    use crate::numbers::Bits;

    /// What the bounds decide is what 384 bits give, for every loss and its grid of parameters.
    #[test]
    fn tiers_agree() {
        let mut bits = Bits(1);
        let mut decided = 0;
        for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise) {
            for case in 0..CASES {
                let loss = Loss::new(description, &description.case(case)).unwrap();
                let formula = crate::evaluate::formula(&loss);
                for _ in 0..150 {
                    let inputs = core::array::from_fn(|_| bits.number());
                    if !rough_log_ratio(&inputs).is_finite() {
                        continue;
                    }
                    let column = description.column.map_or(0.0, |column| column.grid[case % column.grid.len()] as f32);
                    let beside = Beside { weight: bits.weight(), column };
                    let (mut bounded, mut exact) = ([NAN; RESULTS], [NAN; RESULTS]);
                    let all = settle_by_bounds(formula, &inputs, beside, &mut bounded);
                    decided += u32::from(all);
                    settle_exactly(formula, &inputs, beside, &mut exact);
                    // Where not all was decided, what was is right nevertheless, if the loss is defined there.
                    for (bounded, exact) in bounded.iter().zip(&exact) {
                        let same = bounded.to_bits() == exact.to_bits() || !all && (bounded.is_nan() || exact.is_nan());
                        assert!(same, "{loss:?} {inputs:x?} {beside:?}: {bounded:e}, not {exact:e}");
                    }
                }
            }
        }
        assert!(decided > 1_000, "{decided}");
    }

    /// The examples in which truncated sums and quotients fall on the wrong side of a midpoint.
    #[test]
    fn ties_are_decided() {
        let settled = |loss: Loss, inputs: [f32; 4]| {
            let mut results = [NAN; RESULTS];
            settle_exactly(crate::evaluate::formula(&loss), &inputs, Beside::default(), &mut results);
            results
        };
        // The loss is 300 + 2^-15 and e^-300 beside it: above the midpoint.
        let results =
            settled(Loss::dpo(0.5).unwrap(), [-(600.0 + f32::powi(2.0, -14)), -f32::powi(2.0, -15), 0.0, 0.0]);
        assert_eq!(results[place::LOSS], 300.0 + f32::powi(2.0, -15));
        // The derivative is -(1 + 3 2^-24): a midpoint, of a quotient by 3/4. To even: 1 + 2^-22.
        let beta = 1.5 * (1.0 + 3.0 * f64::powi(2.0, -24));
        let results = settled(Loss::robust(beta, 0.125).unwrap(), [0.0; 4]);
        assert_eq!(results[place::GRAD_CHOSEN], -(1.0 + f32::powi(2.0, -22)));
    }
}
