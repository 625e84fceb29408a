//! Batches of preference pairs: slices in, slices out.

mod kernel;

use crate::error::check_length;
use crate::lanes::{Backend, HAS_WIDE};
use crate::losses::{Formula, PairLoss, Visitor};
use crate::metrics::Metrics;
use crate::{Error, exact};
use kernel::Block;
pub(crate) use kernel::Counts;

/// Log-probabilities of preference pairs, one row a pair. All slices have the same length.
///
/// Each value is a whole answer's log-probability in nats: the sum over its tokens (the usual choice) or their mean
/// (some IPO variants), as the loss is meant.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// The policy's log-probability of the chosen answers.
    pub policy_chosen_logps: &'a [f32],
    /// The policy's log-probability of the rejected answers.
    pub policy_rejected_logps: &'a [f32],
    /// The reference model's; `None` is the reference-free form, with 0 for both in the loss and in the rewards.
    pub reference: Option<Reference<'a>>,
    /// Weights of the pairs, finite and >= 0: they multiply loss and gradients, not rewards and margins. `None`: 1.
    pub weights: Option<&'a [f32]>,
}

/// The reference model's log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Of the chosen answers.
    pub chosen_logps: &'a [f32],
    /// Of the rejected answers.
    pub rejected_logps: &'a [f32],
}

impl<'a> Pairs<'a> {
    /// Pairs with a reference.
    pub fn new(
        policy_chosen_logps: &'a [f32],
        policy_rejected_logps: &'a [f32],
        ref_chosen_logps: &'a [f32],
        ref_rejected_logps: &'a [f32],
    ) -> Self {
        Self {
            policy_chosen_logps,
            policy_rejected_logps,
            reference: Some(Reference { chosen_logps: ref_chosen_logps, rejected_logps: ref_rejected_logps }),
            weights: None,
        }
    }

    /// Pairs without a reference.
    pub fn reference_free(policy_chosen_logps: &'a [f32], policy_rejected_logps: &'a [f32]) -> Self {
        Self { policy_chosen_logps, policy_rejected_logps, reference: None, weights: None }
    }

    /// The same pairs, weighted.
    pub fn with_weights(self, weights: &'a [f32]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.policy_chosen_logps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` rows from `start` on. Lengths were checked.
    #[inline]
    pub(crate) fn rows(&self, start: usize, n: usize) -> Self {
        let cut = |x: &'a [f32]| x.get(start..start + n).unwrap_or_default();
        Self {
            policy_chosen_logps: cut(self.policy_chosen_logps),
            policy_rejected_logps: cut(self.policy_rejected_logps),
            reference: self
                .reference
                .map(|r| Reference { chosen_logps: cut(r.chosen_logps), rejected_logps: cut(r.rejected_logps) }),
            weights: self.weights.map(cut),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let n = self.len();
        check_length("policy_rejected_logps", n, self.policy_rejected_logps.len())?;
        if let Some(reference) = self.reference {
            check_length("ref_chosen_logps", n, reference.chosen_logps.len())?;
            check_length("ref_rejected_logps", n, reference.rejected_logps.len())?;
        }
        if let Some(weights) = self.weights {
            check_length("weights", n, weights.len())?;
            // A NaN is not in the range either.
            if let Some((row, &value)) = weights.iter().enumerate().find(|(_, w)| !(0.0..=f32::MAX).contains(*w)) {
                return Err(Error::Weight { row, value });
            }
        }
        Ok(())
    }
}

/// Where the results go; any of them may be left out. Each is as long as the pairs.
///
/// A zero's sign follows IEEE arithmetic and is not part of the accuracy bound, but is the same everywhere.
#[derive(Debug, Default)]
pub struct Outputs<'a> {
    /// Loss, times the weight.
    pub losses: Option<&'a mut [f32]>,
    /// `beta (policy_chosen_logps - ref_chosen_logps)`.
    pub chosen_rewards: Option<&'a mut [f32]>,
    /// `beta (policy_rejected_logps - ref_rejected_logps)`.
    pub rejected_rewards: Option<&'a mut [f32]>,
    /// The exact difference of the two rewards, rounded once.
    pub margins: Option<&'a mut [f32]>,
    /// Derivative of the weighted loss by `policy_chosen_logps`.
    pub grad_chosen_logps: Option<&'a mut [f32]>,
    /// By `policy_rejected_logps`.
    pub grad_rejected_logps: Option<&'a mut [f32]>,
    /// By `ref_chosen_logps`.
    pub grad_ref_chosen_logps: Option<&'a mut [f32]>,
    /// By `ref_rejected_logps`.
    pub grad_ref_rejected_logps: Option<&'a mut [f32]>,
    /// By beta, row by row.
    pub grad_beta: Option<&'a mut [f32]>,
}

/// The results in the order of [`Outputs`]; the first four are what the metrics sum.
pub(crate) const RESULTS: usize = 9;
const SUMMED: usize = 4;
const NAMES: [&str; RESULTS] = [
    "losses",
    "chosen_rewards",
    "rejected_rewards",
    "margins",
    "grad_chosen_logps",
    "grad_rejected_logps",
    "grad_ref_chosen_logps",
    "grad_ref_rejected_logps",
    "grad_beta",
];

/// The outputs as an array.
pub(crate) type OutputSlices<'a> = [Option<&'a mut [f32]>; RESULTS];

impl<'a> Outputs<'a> {
    /// After checking every length.
    pub(crate) fn into_slices(self, n: usize) -> Result<OutputSlices<'a>, Error> {
        let slices = [
            self.losses,
            self.chosen_rewards,
            self.rejected_rewards,
            self.margins,
            self.grad_chosen_logps,
            self.grad_rejected_logps,
            self.grad_ref_chosen_logps,
            self.grad_ref_rejected_logps,
            self.grad_beta,
        ];
        for (name, slice) in NAMES.iter().zip(&slices) {
            if let Some(slice) = slice {
                check_length(name, n, slice.len())?;
            }
        }
        Ok(slices)
    }
}

/// Loss, rewards, margin and gradients of every pair, and the metrics of all, on the calling thread.
///
/// `metrics`, if given, is added to: it may go through many batches. Row by row the result is that of the formula in
/// real arithmetic on the given values, to 0.501 ULP; it does not depend on the other rows, on the back end or on which
/// outputs are asked for. A NaN, or a difference of equal infinities, makes NaN what depends on it in that row;
/// an infinite log-probability gives the formula's limit.
///
/// # Errors
/// [`Error::Length`] and [`Error::Weight`], before anything is written.
pub fn evaluate<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: Outputs<'_>,
    metrics: Option<&mut Metrics>,
) -> Result<(), Error> {
    let outputs = check(pairs, outputs)?;
    evaluate_checked(backend, loss, pairs, outputs, metrics);
    Ok(())
}

/// All that is checked before anything is written.
pub(crate) fn check<'a>(pairs: Pairs<'_>, outputs: Outputs<'a>) -> Result<OutputSlices<'a>, Error> {
    pairs.check()?;
    outputs.into_slices(pairs.len())
}

pub(crate) fn evaluate_checked<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: OutputSlices<'_>,
    metrics: Option<&mut Metrics>,
) {
    loss.visit(Evaluation { backend, pairs, outputs, metrics });
}

struct Evaluation<'a, 'm> {
    backend: Backend,
    pairs: Pairs<'a>,
    outputs: OutputSlices<'a>,
    metrics: Option<&'m mut Metrics>,
}

/// Rows at a time: as many as an exact block sum takes, few where stack is scarce.
const ROWS: usize = if HAS_WIDE { exact::BLOCK } else { 8 };

/// Small batches, whose time a large scratch would fill with clearing it.
const FEW_ROWS: usize = if HAS_WIDE { 64 } else { ROWS };

impl Visitor for Evaluation<'_, '_> {
    type Output = ();

    fn visit<F: Formula>(self, formula: F) {
        let [losses, chosen, rejected, margins, ..] = &self.outputs;
        let complete = losses.is_some() && chosen.is_some() && rejected.is_some() && margins.is_some();
        if complete || self.metrics.is_none() {
            self.blocks(&formula, &mut [[]; SUMMED]);
        } else if self.pairs.len() <= FEW_ROWS {
            self.blocks(&formula, &mut [[0.0; FEW_ROWS]; SUMMED]);
        } else {
            self.blocks(&formula, &mut [[0.0; ROWS]; SUMMED]);
        }
    }
}

impl Evaluation<'_, '_> {
    /// `scratch` takes what the metrics need and the caller did not ask for.
    fn blocks<F: Formula, const N: usize>(self, formula: &F, scratch: &mut [[f32; N]; SUMMED]) {
        let Self { backend, pairs, mut outputs, mut metrics } = self;
        let mut start = 0;
        while start < pairs.len() {
            let n = (pairs.len() - start).min(ROWS);
            let pairs = pairs.rows(start, n);
            let mut block = [const { None }; RESULTS];
            for (to, from) in block.iter_mut().zip(&mut outputs) {
                *to = from.as_deref_mut().and_then(|from| from.get_mut(start..start + n));
            }
            if metrics.is_some() {
                for (output, scratch) in block.iter_mut().zip(&mut *scratch) {
                    if output.is_none() {
                        *output = scratch.get_mut(..n);
                    }
                }
            }
            let counts = kernel::block(backend, formula, Block { pairs, outputs: &mut block });
            if let Some(metrics) = metrics.as_deref_mut() {
                let [losses, chosen, rejected, margins, ..] = &block;
                let results = [losses, chosen, rejected, margins].map(|x| x.as_deref().unwrap_or_default());
                metrics.add_block(backend, pairs, results, counts);
            }
            start += n;
        }
    }
}

/// One pair's results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Loss.
    pub loss: f32,
    /// Implicit reward of the chosen answer.
    pub chosen_reward: f32,
    /// Implicit reward of the rejected answer.
    pub rejected_reward: f32,
    /// Their exact difference, rounded once.
    pub margin: f32,
    /// Derivative of the loss by `policy_chosen_logps`.
    pub grad_chosen_logps: f32,
    /// By `policy_rejected_logps`.
    pub grad_rejected_logps: f32,
    /// By `ref_chosen_logps`.
    pub grad_ref_chosen_logps: f32,
    /// By `ref_rejected_logps`.
    pub grad_ref_rejected_logps: f32,
    /// By beta.
    pub grad_beta: f32,
}

/// One pair, with the bits that it would have in any batch. `reference` is the reference model's log-probability of the
/// chosen and of the rejected answer.
pub fn evaluate_pair<L: PairLoss>(
    loss: &L,
    policy_chosen_logps: f32,
    policy_rejected_logps: f32,
    reference: Option<(f32, f32)>,
) -> Pair {
    let reference = reference.map(|(chosen, rejected)| ([chosen], [rejected]));
    let mut results = [[0.0]; RESULTS];
    let pairs = Pairs {
        policy_chosen_logps: &[policy_chosen_logps],
        policy_rejected_logps: &[policy_rejected_logps],
        reference: reference
            .as_ref()
            .map(|(chosen, rejected)| Reference { chosen_logps: chosen, rejected_logps: rejected }),
        weights: None,
    };
    let outputs = results.each_mut().map(|x| Some(&mut x[..]));
    evaluate_checked(Backend::SCALAR, loss, pairs, outputs, None);
    let [
        loss,
        chosen_reward,
        rejected_reward,
        margin,
        grad_chosen_logps,
        grad_rejected_logps,
        grad_ref_chosen_logps,
        grad_ref_rejected_logps,
        grad_beta,
    ] = results.map(|[x]| x);
    Pair {
        loss,
        chosen_reward,
        rejected_reward,
        margin,
        grad_chosen_logps,
        grad_rejected_logps,
        grad_ref_chosen_logps,
        grad_ref_rejected_logps,
        grad_beta,
    }
}
