//! The rare path of a single row: every result is the nearest `f32` to the exact value.
//!
//! First one `f64` with a bound of its error tries, which decides most rows and costs little, unless lanes tried the same; then a
//! double-double number. What that leaves, and what is NaN or infinite, goes to 384 bits. A microcontroller, where flash is scarce, goes
//! there at once: the bits are the same.

use super::counts::Counts;
use super::log_ratios::sign_of_h;
use super::stage::{Stage, Staged};
use super::{Beside, OutputSlices, Pairs, RESULTS, SUMMED, place};
use crate::NAN;
use crate::exact::{CERTAIN, COUNTED, Double, Float384, log_ratio, reward, rough_log_ratio, scaled};
use crate::lanes::{Backend, HAS_WIDE};
use crate::losses::{Choice, Pair, Real, Tracked, Value};

/// What is to be settled: a formula, the number tiers that are left, and the results that are asked for, bit by bit in their places.
#[derive(Clone, Copy)]
pub struct Settling<'f> {
    pub formula: &'f dyn Staged,
    /// Whether one `f64` with a bound decided too little already.
    pub tried: bool,
    pub wanted: u32,
}

/// All results.
const ALL: u32 = (1 << RESULTS) - 1;

impl<'f> Settling<'f> {
    /// All results, by all tiers.
    pub fn new(formula: &'f dyn Staged) -> Self {
        Self { formula, tried: false, wanted: ALL }
    }

    /// Settles the rows `at + i` for every bit `i` of `rows`.
    #[cold]
    #[inline(never)]
    pub fn rows(self, pairs: Pairs<'_>, outputs: &mut OutputSlices<'_>, at: usize, mut rows: u32, counts: &mut Counts) {
        let asked = outputs.iter().rev().fold(0, |asked, output| asked << 1 | u32::from(output.is_some()));
        let settling = Self { wanted: asked, ..self };
        while rows != 0 {
            let row = at + rows.trailing_zeros() as usize;
            rows &= rows - 1;
            let get = |x: &[f32]| x.get(row).copied().unwrap_or(NAN);
            let (rc, rr) = pairs.reference.map_or((0.0, 0.0), |r| (get(r.chosen_logps), get(r.rejected_logps)));
            let inputs = [get(pairs.policy_chosen_logps), get(pairs.policy_rejected_logps), rc, rr];
            let beside = Beside { weight: pairs.weights.map_or(1.0, get), column: pairs.column.map_or(0.0, get) };
            let mut results = [NAN; RESULTS];
            settling.row(&inputs, beside, &mut results, counts);
            for (output, result) in outputs.iter_mut().zip(results) {
                if let Some(output) = output.as_mut().and_then(|output| output.get_mut(row)) {
                    *output = result;
                }
            }
        }
    }

    /// All results of a row that are asked for, each the nearest to the exact value; counts what of them is counted after all.
    #[cold]
    #[inline(never)]
    pub fn row(self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts) {
        let decided = HAS_WIDE
            && rough_log_ratio(inputs).is_finite()
            && (!self.tried && self.by_bounds(inputs, beside, results) || self.by_doubles(inputs, beside, results));
        if !decided {
            settle_exactly(self.formula, inputs, beside, results);
        }
        let h = sign_of_h(inputs);
        counts.accurate += u32::from(h > 0.0);
        counts.ties += u32::from(h == 0.0);
        // The inputs and what the metrics sum.
        let finite = inputs.iter().chain(&results[..SUMMED]).all(|x| x.is_finite());
        counts.nonfinite += u32::from(!finite);
    }

    /// Whether bounds of the errors of `f64` decide every result that is asked for.
    #[inline(never)]
    fn by_bounds(self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS]) -> bool {
        let formula = self.formula;
        let [pc, pr, rc, rr] = inputs.map(f64::from);
        let (u, v) = (Tracked::difference(pc, rc), Tracked::difference(pr, rr));
        let h = u - v;
        let mut row = self.deciding(beside, results);
        row.rewards(Tracked::from_f64(formula.beta()), [u, v, h]);
        if row.decided {
            let mut stage = Stage::ZERO;
            stage.u.set(0, u);
            stage.v.set(0, v);
            stage.h.set(0, h);
            stage.column[0] = beside.column.into();
            formula.stage(Backend::SCALAR, 1, &mut stage);
            row.put(place::LOSS, place::LOSS, &stage.loss.get(0));
            row.put(place::GRAD_CHOSEN, place::GRAD_REF_CHOSEN, &stage.by_u.get(0));
            row.put(place::GRAD_REJECTED, place::GRAD_REF_REJECTED, &stage.by_v.get(0));
            row.put(place::GRAD_BETA, place::GRAD_BETA, &stage.by_beta.get(0));
        }
        row.decided
    }

    /// Whether bounds of the errors of double-double numbers decide every result that is asked for.
    #[inline(never)]
    fn by_doubles(self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS]) -> bool {
        let (formula, mut sink) = (self.formula, self.deciding(beside, results));
        let [pc, pr, rc, rr] = inputs.map(|x| Double::new(x.into()));
        let (u, v) = (Tracked::difference(pc, rc), Tracked::difference(pr, rr));
        let ratios = [u, v, u - v];
        let mut row = SettledRow::new(formula, &ratios, beside.column, &mut sink);
        formula.doubles(&mut row);
        let defined = row.defined;
        sink.rewards(Tracked::from_f64(formula.beta()), ratios);
        defined && sink.decided
    }

    fn deciding<'r, V: Value>(self, beside: Beside, results: &'r mut [f32; RESULTS]) -> Deciding<'r, V> {
        let weight = (beside.weight != 1.0).then(|| Tracked::from_f64(beside.weight.into()));
        Deciding { weight, wanted: self.wanted, results, decided: true }
    }
}

/// Rounds each result that its bound decides, and remembers whether all were that are asked for.
struct Deciding<'r, V: Value> {
    weight: Option<Tracked<V>>,
    wanted: u32,
    results: &'r mut [f32; RESULTS],
    decided: bool,
}

impl<V: Value<Bound = f64>> Deciding<'_, V> {
    fn put_plain(&mut self, place: usize, opposite: usize, value: Tracked<V>) {
        let Some(result) = value.rounded() else {
            self.decided = false;
            return;
        };
        // No place is outside; the library without std is free of what would panic.
        if opposite != place
            && let Some(to) = self.results.get_mut(opposite)
        {
            *to = 0.0 - result;
        }
        if let Some(to) = self.results.get_mut(place) {
            *to = result;
        }
    }

    fn rewards(&mut self, beta: Tracked<V>, ratios: [Tracked<V>; 3]) {
        for (place, ratio) in [place::CHOSEN_REWARD, place::REJECTED_REWARD, place::MARGIN].into_iter().zip(ratios) {
            if self.wanted >> place & 1 == 1 {
                self.put_plain(place, place, beta * ratio);
            }
        }
    }
}

impl<V: Value<Bound = f64>> ResultSink<Tracked<V>> for Deciding<'_, V> {
    fn put(&mut self, place: usize, opposite: usize, value: &Tracked<V>) {
        if (self.wanted >> place | self.wanted >> opposite) & 1 == 1 {
            self.put_plain(place, opposite, self.weight.map_or(*value, |weight| *value * weight));
        }
    }
}

/// A number that settles rows: what it does that [`Real`] does not say.
pub trait SettlingNumber: Real {
    /// What log-ratios are made of.
    type Ratios;
    /// The chosen log-ratio.
    fn u(ratios: &Self::Ratios) -> Self;
    /// The rejected log-ratio.
    fn v(ratios: &Self::Ratios) -> Self;
    /// The chosen log-ratio less the rejected one.
    fn h(ratios: &Self::Ratios) -> Self;
    /// Times an `f64`, taken exactly.
    fn times(self, factor: f64) -> Self;
    /// Whether a comparison holds, for all that is known.
    fn may_hold(mask: Self::Mask) -> bool;
    /// A row of a formula.
    fn evaluate(formula: &dyn Staged, row: &mut SettledRow<'_, Self>);
}

/// Numbers of 384 bits are large: each is computed when it is asked for.
impl SettlingNumber for Float384 {
    type Ratios = [f32; 4];
    fn u(&[policy, _, reference, _]: &[f32; 4]) -> Self {
        log_ratio(&[policy, 0.0, reference, 0.0])
    }
    fn v(&[_, policy, _, reference]: &[f32; 4]) -> Self {
        log_ratio(&[policy, 0.0, reference, 0.0])
    }
    fn h(inputs: &[f32; 4]) -> Self {
        log_ratio(inputs)
    }
    fn times(mut self, factor: f64) -> Self {
        self.multiply(factor);
        self
    }
    fn may_hold(mask: bool) -> bool {
        mask
    }
    fn evaluate(formula: &dyn Staged, row: &mut SettledRow<'_, Self>) {
        formula.exact(row);
    }
}

impl SettlingNumber for Tracked<Double> {
    type Ratios = [Self; 3];
    fn u(&[u, ..]: &[Self; 3]) -> Self {
        u
    }
    fn v(&[_, v, _]: &[Self; 3]) -> Self {
        v
    }
    fn h(&[.., h]: &[Self; 3]) -> Self {
        h
    }
    fn times(self, factor: f64) -> Self {
        self * Self::from_f64(factor)
    }
    fn may_hold(mask: Choice<bool>) -> bool {
        mask.may_hold::<f64>()
    }
    fn evaluate(formula: &dyn Staged, row: &mut SettledRow<'_, Self>) {
        formula.doubles(row);
    }
}

/// The loss, and its derivatives by both log-ratios and by beta.
pub type Sums<R> = [R; 4];

/// Where results stand that are no other's opposite.
const PLACES: [usize; 4] = [place::LOSS, place::GRAD_CHOSEN, place::GRAD_REJECTED, place::GRAD_BETA];

/// What becomes of a result. It has a place, and its opposite another one or the same if nothing is its opposite.
trait ResultSink<R> {
    fn put(&mut self, place: usize, opposite: usize, value: &R);
}

/// Results, rounded.
struct Rounding<'r> {
    weight: f32,
    /// The bits that count.
    bits: u32,
    results: &'r mut [f32; RESULTS],
}

impl ResultSink<Float384> for Rounding<'_> {
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
struct Summing<'r, R> {
    factor: f64,
    sums: &'r mut Sums<R>,
}

impl<R: Real> ResultSink<R> for Summing<'_, R> {
    fn put(&mut self, place: usize, _: usize, value: &R) {
        for (sum, _) in self.sums.iter_mut().zip(PLACES).filter(|(_, of)| *of == place) {
            *sum = *sum + *value * R::from_f64(self.factor);
        }
    }
}

/// One row in 384 bits or double-double numbers: what is asked for is computed each time, and what comes goes to its sink at once.
pub struct SettledRow<'r, R: SettlingNumber> {
    beta: f64,
    ratios: &'r R::Ratios,
    column: f32,
    defined: bool,
    sink: &'r mut dyn ResultSink<R>,
}

impl<'r, R: SettlingNumber> SettledRow<'r, R> {
    fn new(formula: &dyn Staged, ratios: &'r R::Ratios, column: f32, sink: &'r mut dyn ResultSink<R>) -> Self {
        Self { beta: formula.beta(), ratios, column, defined: true, sink }
    }

    /// Adds what a formula gives, times a factor, to sums. Without them, where the row is not defined.
    pub fn add(&mut self, factor: f64, formula: &dyn Staged, sums: &mut Sums<R>) {
        let sink = &mut Summing { factor, sums };
        let mut part = SettledRow::new(formula, self.ratios, self.column, sink);
        R::evaluate(formula, &mut part);
        self.defined &= part.defined;
    }

    /// Takes the sums as the results.
    pub fn take(&mut self, [loss, by_u, by_v, by_beta]: Sums<R>) {
        self.loss(loss);
        self.by_u(by_u);
        self.by_v(by_v);
        self.by_beta(by_beta);
    }

    #[inline(never)]
    fn put(&mut self, place: usize, opposite: usize, value: &R) {
        if self.defined {
            self.sink.put(place, opposite, value);
        }
    }
}

impl<R: SettlingNumber> Pair<R> for SettledRow<'_, R> {
    fn beta(&self) -> R {
        R::from_f64(self.beta)
    }
    fn u(&self) -> R {
        R::u(self.ratios)
    }
    fn v(&self) -> R {
        R::v(self.ratios)
    }
    fn h(&self) -> R {
        R::h(self.ratios)
    }
    fn column(&self) -> R {
        R::from_f64(self.column.into())
    }
    fn z(&self) -> R {
        self.h().times(self.beta)
    }
    fn nowhere(&mut self, outside: R::Mask) {
        self.defined &= !R::may_hold(outside);
    }
    fn loss(&mut self, loss: R) {
        self.put(place::LOSS, place::LOSS, &loss);
    }
    fn by_u(&mut self, derivative: R) {
        self.put(place::GRAD_CHOSEN, place::GRAD_REF_CHOSEN, &derivative);
    }
    fn by_v(&mut self, derivative: R) {
        self.put(place::GRAD_REJECTED, place::GRAD_REF_REJECTED, &derivative);
    }
    fn by_beta(&mut self, derivative: R) {
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
        formula.exact(&mut SettledRow::new(formula, inputs, column, sink));
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
        let mut decided = [0; 2];
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
                    let mut exact = [NAN; RESULTS];
                    settle_exactly(formula, &inputs, beside, &mut exact);
                    let settling = Settling::new(formula);
                    for (tier, decided) in [Settling::by_bounds, Settling::by_doubles].into_iter().zip(&mut decided) {
                        let mut bounded = [NAN; RESULTS];
                        let all = tier(settling, &inputs, beside, &mut bounded);
                        *decided += u32::from(all);
                        // Where not all was decided, what was is right nevertheless, if the loss is defined there.
                        for (bounded, exact) in bounded.iter().zip(&exact) {
                            let same =
                                bounded.to_bits() == exact.to_bits() || !all && (bounded.is_nan() || exact.is_nan());
                            assert!(same, "{loss:?} {inputs:x?} {beside:?}: {bounded:e}, not {exact:e}");
                        }
                    }
                }
            }
        }
        assert!(decided[0] > 1_000 && decided[1] > decided[0], "{decided:?}");
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
