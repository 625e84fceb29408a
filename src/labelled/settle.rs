//! One row: every result is the nearest `f32` to the exact value. One `f64` with a bound of its error tries first, then a double-double
//! number, and 384 bits decide what they leave and what is NaN or infinite.

use super::Inputs;
use super::kernel::Rows;
use super::outputs::{RESULTS, place};
use crate::NAN;
use crate::exact::{COUNTED, Double, Float384, log_ratio, reward, rough_log_ratio, scaled};
use crate::lanes::HAS_WIDE;
use crate::losses::{Answer, AnswerFormula, Value};

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
    if !(bounded::<f64, F>(formula, inputs, &mut results)
        || HAS_WIDE && bounded::<Double, F>(formula, inputs, &mut results))
    {
        exact(formula, inputs, &mut results);
    }
    results
}

/// Whether bounds of the errors decide every result.
#[inline(never)]
fn bounded<V: Value<Bound = f64>, F: AnswerFormula>(
    formula: &F,
    inputs: &Inputs,
    results: &mut [f32; RESULTS],
) -> bool {
    let number = |x: f32| V::from_f64(x.into());
    let log_probabilities = [inputs.policy, inputs.reference, inputs.reference_point].map(number);
    let desirable = V::from_f64(if inputs.desirable { 1.0 } else { 0.0 });
    let mut row = Rows::new(formula, log_probabilities, desirable, results, Some(number(inputs.weight.abs())));
    row.column = number(inputs.column);
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
        let mut decided = [0; 2];
        for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Labelled) {
            for case in 0..CASES {
                let loss = LabelledLoss::new(description, &description.case(case)).unwrap();
                for _ in 0..600 {
                    let [policy, reference, reference_point] = core::array::from_fn(|_| bits.number());
                    let (desirable, weight) = (bits.next().is_multiple_of(2), bits.weight());
                    let column = description.column.map_or(0.0, |column| column.grid[case % column.grid.len()] as f32);
                    let inputs = Inputs { policy, reference, desirable, reference_point, weight, column };
                    if !rough_log_ratio(&inputs.shifted()).is_finite() {
                        continue;
                    }
                    let mut in_full = [NAN; RESULTS];
                    exact(&loss, &inputs, &mut in_full);
                    let row = [policy, reference, reference_point, weight];
                    let tiers = [bounded::<f64, _>, bounded::<Double, _>];
                    for (tier, decided) in tiers.into_iter().zip(&mut decided) {
                        let mut by_bounds = [NAN; RESULTS];
                        if tier(&loss, &inputs, &mut by_bounds) {
                            *decided += 1;
                            let same = by_bounds.map(f32::to_bits) == in_full.map(f32::to_bits);
                            assert!(same, "{loss:?} {row:x?} {desirable}: {by_bounds:?}, not {in_full:?}");
                        }
                    }
                }
            }
        }
        assert!(decided[0] > 1_000 && decided[1] > decided[0], "{decided:?}");
    }
}
