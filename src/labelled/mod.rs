//! Labelled answers: one answer a row, desirable or not.
//!
//! Every result is the nearest `f32` to the exact value of the formula on the given numbers, ties to even, and every zero is +0; so
//! the bits depend on nothing else.

mod kernel;
mod metrics;
mod outputs;
mod settle;

pub use metrics::{LabelledMetrics, LabelledReport};
pub use outputs::{LabelledAnswer, LabelledOutputs};

use crate::error::{check_column, check_length, check_weights};
use crate::losses::LabelledLoss;
use crate::{Error, NAN};
pub(crate) use kernel::evaluate_checked;
pub(crate) use outputs::OutputSlices;

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
    /// log-ratio of mismatched pairs of prompt and answer, or 0 if that is negative. For BCO the running mean of the log-ratios; the shift
    /// of its paper and of trainers, a mean of rewards, is beta times it. [`MeanLogRatio`](crate::MeanLogRatio) gives either. 0 for a loss
    /// that compares with none.
    pub reference_point: f32,
    /// Weights of the answers, finite and >= 0: they multiply loss and gradients, not rewards. `None`: 1.
    pub weights: Option<&'a [f32]>,
    /// What the loss takes beside log-probabilities, if it does: [`Description::column`](crate::losses::Description::column) says what.
    pub column: Option<&'a [f32]>,
}

impl<'a> Labelled<'a> {
    /// Answers with a reference, and a reference point of 0.
    pub fn new(policy_logps: &'a [f32], ref_logps: &'a [f32], desirable: &'a [bool]) -> Self {
        Self { policy_logps, ref_logps: Some(ref_logps), desirable, reference_point: 0.0, weights: None, column: None }
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
            column: self.column.map(cut),
            ..*self
        }
    }

    fn check(&self, loss: &LabelledLoss) -> Result<(), Error> {
        let n = self.len();
        if let Some(reference) = self.ref_logps {
            check_length("ref_logps", n, reference.len())?;
        }
        check_length("desirable", n, self.desirable.len())?;
        if !self.reference_point.is_finite() {
            let value = self.reference_point.into();
            return Err(Error::Parameter { name: "reference_point", value, requirement: "finite" });
        }
        if self.reference_point != 0.0 && loss.description().reference_point.is_none() {
            let (value, requirement) = (self.reference_point.into(), "0: this loss compares with no reference point");
            return Err(Error::Parameter { name: "reference_point", value, requirement });
        }
        check_column(n, loss.description().column.as_ref(), self.column)?;
        self.weights.map_or(Ok(()), |weights| check_weights(n, weights))
    }
}

/// All that is checked before anything is written.
pub(crate) fn check<'o>(
    loss: &LabelledLoss,
    answers: &Labelled<'_>,
    outputs: LabelledOutputs<'o>,
) -> Result<OutputSlices<'o>, Error> {
    answers.check(loss)?;
    outputs.into_slices(answers.len())
}

/// One labelled answer, with the bits that it would have in any batch: `reference` is the reference model's log-probability. A reference
/// point that is not finite gives NaN; a loss that compares with none does not look at it. Of what a loss takes beside log-probabilities the default counts.
pub fn evaluate_answer(
    loss: &LabelledLoss,
    policy_logp: f32,
    reference: Option<f32>,
    desirable: bool,
    reference_point: f32,
) -> LabelledAnswer {
    let reference_point = if reference_point.is_finite() { reference_point } else { NAN };
    let column = loss.description().column.map_or(0.0, |column| column.default as f32);
    let reference = reference.unwrap_or_default();
    let inputs = Inputs { policy: policy_logp, reference, desirable, reference_point, weight: 1.0, column };
    LabelledAnswer::new(&settle::one(loss, &inputs))
}

/// A row.
struct Inputs {
    policy: f32,
    reference: f32,
    desirable: bool,
    reference_point: f32,
    weight: f32,
    /// 0 where the loss takes none.
    column: f32,
}
