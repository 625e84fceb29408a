//! One row: every result is the nearest `f32` to the exact value. One `f64` with a bound of its error tries first, and 384 bits decide what
//! it leaves and what is NaN or infinite.

use super::Inputs;
use super::kernel::Rows;
use super::outputs::{RESULTS, place};
use crate::NAN;
use crate::exact::{COUNTED, Float384, log_ratio, reward, rough_log_ratio, scaled};
use crate::losses::{Answer, AnswerFormula};

impl Inputs {
    /// As the inputs of a log-ratio.
    fn log_ratio(&self) -> [f32; 4] {
        [self.policy, 0.0, self.reference, 0.0]
    }

    /// The log-ratio less the reference point.
    fn shifted(&self) -> [f32; 4] {
        [self.policy, self.reference_point, self.reference, 0.0]
    }
}

/// The results of a row.
pub fn one<F: AnswerFormula>(formula: &F, inputs: &Inputs) -> [f32; RESULTS] {
    let mut results = [NAN; RESULTS];
    if !bounded(formula, inputs, &mut results) {
        exact(formula, inputs, &mut results);
    }
    results
}

/// Whether bounds of the errors decide every result.
fn bounded<F: AnswerFormula>(formula: &F, inputs: &Inputs, results: &mut [f32; RESULTS]) -> bool {
    let [policy, reference, reference_point] = [inputs.policy, inputs.reference, inputs.reference_point].map(f64::from);
    let weight = Some(f64::from(inputs.weight).abs());
    let desirable = if inputs.desirable { 1.0 } else { 0.0 };
    let mut row = Rows::new(formula, [policy, reference, reference_point], desirable, results, weight);
    row.column = inputs.column.into();
    row.evaluate(formula) == 0
}

/// A row in 384 bits.
struct Exact<'r> {
    beta: f64,
    inputs: &'r Inputs,
    results: &'r mut [f32; RESULTS],
}

impl Exact<'_> {
    fn put(&mut self, place: usize, value: &Float384) {
        self.results[place] = scaled(self.inputs.weight.into(), value, COUNTED);
    }
}

impl Answer<Float384> for Exact<'_> {
    fn by_label(&self, desirable: Float384, other: Float384) -> Float384 {
        if self.inputs.desirable { desirable } else { other }
    }
    fn beta(&self) -> Float384 {
        Float384::from_f64(self.beta)
    }
    fn u(&self) -> Float384 {
        log_ratio(&self.inputs.log_ratio())
    }
    fn shifted(&self) -> Float384 {
        log_ratio(&self.inputs.shifted())
    }
    fn column(&self) -> Float384 {
        Float384::from_f64(self.inputs.column.into())
    }
    fn loss(&mut self, loss: Float384) {
        self.put(place::LOSS, &loss);
    }
    fn by_u(&mut self, derivative: Float384) {
        self.put(place::GRAD, &derivative);
        self.results[place::GRAD_REF] = 0.0 - self.results[place::GRAD];
    }
    fn by_beta(&mut self, derivative: Float384) {
        self.put(place::GRAD_BETA, &derivative);
    }
    fn by_bias(&mut self, derivative: Float384) {
        self.put(place::GRAD_BIAS, &derivative);
    }
}

#[cold]
#[inline(never)]
fn exact<F: AnswerFormula>(formula: &F, inputs: &Inputs, results: &mut [f32; RESULTS]) {
    let beta = formula.beta();
    *results = [NAN; RESULTS];
    results[place::REWARD] = reward(beta, &inputs.log_ratio());
    if !rough_log_ratio(&inputs.shifted()).is_nan() {
        results[place::GRAD_BIAS] = 0.0;
        formula.evaluate(&mut Exact { beta, inputs, results });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelledLoss;
    use crate::losses::{CASES, LOSSES, Shape};
    use crate::numbers::Bits;

    /// What the bounds decide is what 384 bits give, for every loss and its grid of parameters.
    #[test]
    fn tiers_agree() {
        let mut bits = Bits(1);
        let mut decided = 0;
        for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Labelled) {
            for case in 0..CASES {
                let loss = LabelledLoss::new(description, &description.case(case)).unwrap();
                for _ in 0..600 {
                    let [policy, reference, reference_point] = core::array::from_fn(|_| bits.number());
                    let (desirable, weight) = (bits.next().is_multiple_of(2), bits.weight());
                    let column = description.column.map_or(0.0, |column| column.grid[case % column.grid.len()] as f32);
                    let inputs = Inputs { policy, reference, desirable, reference_point, weight, column };
                    let (mut by_bounds, mut in_full) = ([NAN; RESULTS], [NAN; RESULTS]);
                    if !rough_log_ratio(&inputs.shifted()).is_finite() || !bounded(&loss, &inputs, &mut by_bounds) {
                        continue;
                    }
                    decided += 1;
                    exact(&loss, &inputs, &mut in_full);
                    let row = [policy, reference, reference_point, weight];
                    let same = by_bounds.map(f32::to_bits) == in_full.map(f32::to_bits);
                    assert!(same, "{loss:?} {row:x?} {desirable}: {by_bounds:?}, not {in_full:?}");
                }
            }
        }
        assert!(decided > 1_000, "{decided}");
    }
}
