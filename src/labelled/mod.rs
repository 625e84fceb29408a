//! Labelled answers: one answer a row, desirable or not.
//!
//! Every result is the nearest `f32` to the exact value of the formula on the given numbers, ties to even, and every zero is +0; so
//! the bits depend on nothing else.

mod metrics;
mod outputs;

pub use metrics::{LabelledMetrics, LabelledReport};
pub use outputs::{LabelledAnswer, LabelledOutputs};

use crate::error::{check_length, check_weights};
use crate::exact::{Float384, log_ratio, reward, rough_log_ratio, scaled};
use crate::losses::{Answer, AnswerFormula, LabelledLoss, Real, Tracked};
use crate::{Error, NAN};
pub(crate) use outputs::OutputSlices;
use outputs::{RESULTS, place};

/// Log-probabilities of answers, one a row. All slices have the same length.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// The policy's log-probability of each answer, in nats: the sum over its tokens or their mean.
    pub policy_logps: &'a [f32],
    /// The reference model's; `None` is the reference-free form, with 0 for each.
    pub ref_logps: Option<&'a [f32]>,
    /// Whether each answer is a desirable one.
    pub desirable: &'a [bool],
    /// The log-ratio that counts as neither good nor bad, finite. For KTO an estimate of the divergence of policy and reference, the mean
    /// log-ratio of mismatched pairs of prompt and answer, or 0 if that is negative.
    pub reference_point: f32,
    /// Weights of the answers, finite and >= 0: they multiply loss and gradients, not rewards. `None`: 1.
    pub weights: Option<&'a [f32]>,
}

impl<'a> Labelled<'a> {
    /// Answers with a reference, and a reference point of 0.
    pub fn new(policy_logps: &'a [f32], ref_logps: &'a [f32], desirable: &'a [bool]) -> Self {
        Self { policy_logps, ref_logps: Some(ref_logps), desirable, reference_point: 0.0, weights: None }
    }

    /// Number of answers.
    pub fn len(&self) -> usize {
        self.policy_logps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` rows from `start` on. Lengths were checked.
    pub(crate) fn rows(&self, start: usize, n: usize) -> Self {
        let cut = |x: &'a [f32]| x.get(start..start + n).unwrap_or_default();
        Self {
            policy_logps: cut(self.policy_logps),
            ref_logps: self.ref_logps.map(cut),
            desirable: self.desirable.get(start..start + n).unwrap_or_default(),
            weights: self.weights.map(cut),
            ..*self
        }
    }

    fn check(&self) -> Result<(), Error> {
        let n = self.len();
        if let Some(reference) = self.ref_logps {
            check_length("ref_logps", n, reference.len())?;
        }
        check_length("desirable", n, self.desirable.len())?;
        if !self.reference_point.is_finite() {
            let value = self.reference_point.into();
            return Err(Error::Parameter { name: "reference_point", value, requirement: "finite" });
        }
        self.weights.map_or(Ok(()), |weights| check_weights(n, weights))
    }
}

/// All that is checked before anything is written.
pub(crate) fn check<'o>(answers: &Labelled<'_>, outputs: LabelledOutputs<'o>) -> Result<OutputSlices<'o>, Error> {
    answers.check()?;
    outputs.into_slices(answers.len())
}

/// Arguments that were checked, on the calling thread.
pub(crate) fn evaluate_checked(
    loss: &LabelledLoss,
    answers: Labelled<'_>,
    outputs: &mut OutputSlices<'_>,
    mut metrics: Option<&mut LabelledMetrics>,
) {
    for (row, (&policy, &desirable)) in answers.policy_logps.iter().zip(answers.desirable).enumerate() {
        let at = |x: &[f32]| x.get(row).copied().unwrap_or(NAN);
        let inputs = Inputs {
            policy,
            reference: answers.ref_logps.map_or(0.0, at),
            desirable,
            reference_point: answers.reference_point,
            weight: answers.weights.map_or(1.0, at),
        };
        let results = one(loss, &inputs);
        for (output, result) in outputs.iter_mut().zip(results) {
            if let Some(output) = output.as_mut().and_then(|output| output.get_mut(row)) {
                *output = result;
            }
        }
        if let Some(metrics) = &mut metrics {
            metrics.add(&inputs, answers.ref_logps.is_some(), &results);
        }
    }
}

/// One labelled answer, with the bits that it would have in any batch: `reference` is the reference model's log-probability. A reference
/// point that is not finite gives NaN.
pub fn evaluate_answer(
    loss: &LabelledLoss,
    policy_logp: f32,
    reference: Option<f32>,
    desirable: bool,
    reference_point: f32,
) -> LabelledAnswer {
    let reference_point = if reference_point.is_finite() { reference_point } else { NAN };
    let reference = reference.unwrap_or_default();
    LabelledAnswer::new(&one(loss, &Inputs { policy: policy_logp, reference, desirable, reference_point, weight: 1.0 }))
}

/// A row.
struct Inputs {
    policy: f32,
    reference: f32,
    desirable: bool,
    reference_point: f32,
    weight: f32,
}

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
fn one<F: AnswerFormula>(formula: &F, inputs: &Inputs) -> [f32; RESULTS] {
    let mut results = [NAN; RESULTS];
    if !bounded(formula, inputs, &mut results) {
        exact(formula, inputs, &mut results);
    }
    results
}

/// A row in one `f64` a number, with bounds of errors.
struct Bounded<'r> {
    beta: Tracked,
    shifted: Tracked,
    weight: Tracked,
    desirable: bool,
    results: &'r mut [f32; RESULTS],
    decided: bool,
}

impl Bounded<'_> {
    fn put(&mut self, place: usize, value: Tracked) {
        match (value.rounded(), self.results.get_mut(place)) {
            (Some(value), Some(result)) => *result = value,
            _ => self.decided = false,
        }
    }
}

impl Answer<Tracked> for Bounded<'_> {
    fn is_desirable(&self) -> bool {
        self.desirable
    }
    fn beta(&self) -> Tracked {
        self.beta
    }
    fn shifted(&self) -> Tracked {
        self.shifted
    }
    fn loss(&mut self, loss: Tracked) {
        self.put(place::LOSS, loss * self.weight);
    }
    fn by_u(&mut self, derivative: Tracked) {
        self.put(place::GRAD, derivative * self.weight);
        self.results[place::GRAD_REF] = 0.0 - self.results[place::GRAD];
    }
    fn by_beta(&mut self, derivative: Tracked) {
        self.put(place::GRAD_BETA, derivative * self.weight);
    }
}

/// Whether bounds of the errors decide every result.
fn bounded<F: AnswerFormula>(formula: &F, inputs: &Inputs, results: &mut [f32; RESULTS]) -> bool {
    if !rough_log_ratio(&inputs.shifted()).is_finite() {
        return false;
    }
    let u = Tracked::difference(inputs.policy.into(), inputs.reference.into());
    let beta = Tracked::from_f64(formula.beta());
    let mut row = Bounded {
        beta,
        shifted: u - Tracked::from_f64(inputs.reference_point.into()),
        weight: Tracked::from_f64(inputs.weight.into()),
        desirable: inputs.desirable,
        results,
        decided: true,
    };
    row.put(place::REWARD, beta * u);
    if row.decided {
        formula.evaluate(&mut row);
    }
    row.decided
}

/// A row in 384 bits.
struct Exact<'r> {
    beta: f64,
    inputs: &'r Inputs,
    results: &'r mut [f32; RESULTS],
}

impl Exact<'_> {
    fn weighed(&self, value: &Float384) -> f32 {
        scaled(self.inputs.weight.into(), value)
    }
}

impl Answer<Float384> for Exact<'_> {
    fn is_desirable(&self) -> bool {
        self.inputs.desirable
    }
    fn beta(&self) -> Float384 {
        Float384::from_f64(self.beta)
    }
    fn shifted(&self) -> Float384 {
        log_ratio(&self.inputs.shifted())
    }
    fn loss(&mut self, loss: Float384) {
        self.results[place::LOSS] = self.weighed(&loss);
    }
    fn by_u(&mut self, derivative: Float384) {
        self.results[place::GRAD] = self.weighed(&derivative);
        self.results[place::GRAD_REF] = 0.0 - self.results[place::GRAD];
    }
    fn by_beta(&mut self, derivative: Float384) {
        self.results[place::GRAD_BETA] = self.weighed(&derivative);
    }
}

#[cold]
#[inline(never)]
fn exact<F: AnswerFormula>(formula: &F, inputs: &Inputs, results: &mut [f32; RESULTS]) {
    let beta = formula.beta();
    *results = [NAN; RESULTS];
    results[place::REWARD] = reward(beta, &inputs.log_ratio());
    if !rough_log_ratio(&inputs.shifted()).is_nan() {
        formula.evaluate(&mut Exact { beta, inputs, results });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                    let inputs = Inputs { policy, reference, desirable, reference_point, weight };
                    let (mut by_bounds, mut in_full) = ([NAN; RESULTS], [NAN; RESULTS]);
                    if !rough_log_ratio(&inputs.shifted()).is_finite() {
                        continue;
                    }
                    let all = bounded(&loss, &inputs, &mut by_bounds);
                    decided += u32::from(all);
                    exact(&loss, &inputs, &mut in_full);
                    // Where not all was decided, what was is right nevertheless.
                    for (bounded, exact) in by_bounds.iter().zip(&in_full) {
                        let same = bounded.to_bits() == exact.to_bits() || !all && bounded.is_nan();
                        let row = [policy, reference, reference_point, weight];
                        assert!(same, "{loss:?} {row:x?} {desirable}: {bounded:e}, not {exact:e}");
                    }
                }
            }
        }
        assert!(decided > 1_000, "{decided}");
    }
}
