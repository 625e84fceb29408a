//! The front room of training from logits: a state that owns its memory.

use crate::error::check_length;
use crate::logits::{
    Element, Labels, Layout, LogSumExp, Logits, LogitsMut, Reduction, Scaling, Sequences, Step, StepBuffers,
    StepOutputs, Targets, TokenCounts, TokenOutputs,
};
use crate::{Error, Loss, Metrics, Reference, Report, Run};
use std::vec::Vec;

/// Training steps from logits: a loss, and the memory of a step, which is kept from one step to the next. Once a step of some size was
/// taken, the next ones of that size or less allocate nothing.
///
/// What stands here by default is TRL's convention: logits `[2 * pairs, tokens, vocabulary]` with all chosen answers first and the
/// rejected ones after them in the same order, labels shifted by one token, -100 for a token that does not count, an answer's
/// log-probability as the sum over its tokens, and the mean of the pairs' losses.
///
/// ```
/// use preflane::{Batch, Loss, Trainer};
///
/// // One pair of three tokens each over a vocabulary of four. The first token is the prompt's.
/// let shape = [2, 3, 4];
/// let labels = [-100, 1, 2, /* rejected: */ -100, 3, 0_i64];
/// let ref_logits = [0.25_f32; 24];
/// let mut logits = [0.25_f32; 24];
/// logits[1] = 1.25; // The policy finds the chosen answer's first token more likely.
///
/// let mut trainer = Trainer::new(Loss::dpo(0.1)?);
/// let reference = trainer.logps(&ref_logits, Batch::new(shape, &labels))?;
/// let results = trainer.step(&mut logits, Batch::new(shape, &labels).with_reference(&reference))?;
///
/// assert!(results.losses[0] < std::f32::consts::LN_2);
/// assert_eq!(results.report().rewards_accuracies, 1.0);
/// // The logits are now the gradient of the loss by them: more of the chosen token lowers the loss.
/// assert!(logits[1] < 0.0);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trainer {
    loss: Loss,
    run: Run,
    scaling: Scaling,
    layout: Layout,
    reduction: Reduction,
    /// Whether the logits of a position predict the next label.
    shifted: bool,
    ignore_index: Option<i64>,
    /// `None`: 1 / pairs.
    grad_scale: Option<f64>,
    log_sum_exps: Vec<LogSumExp>,
    token_grads: Vec<f32>,
    grad_chosen_logps: Vec<f32>,
    grad_rejected_logps: Vec<f32>,
    results: StepResults,
}

/// One batch of pairs as a [`Trainer`] takes it, but for the logits: their shape, the labels, and what may come beside.
///
/// ```
/// use preflane::Batch;
///
/// let labels = [-100, 1, 2, -100, 3, 0];
/// let batch = Batch::new([2, 3, 4], &labels).with_reference((&[-2.5], &[-3.0])).with_weights(&[0.5]);
/// # let _ = batch;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    shape: [usize; 3],
    stride: Option<usize>,
    labels: Labels<'a>,
    reference: Option<Reference<'a>>,
    weights: Option<&'a [f32]>,
    column: Option<&'a [f32]>,
}

impl<'a> Batch<'a> {
    /// `shape` is that of the logits, `[2 * pairs, tokens, vocabulary]`; the labels, i32 or i64, are `[2 * pairs, tokens]`.
    pub fn new(shape: [usize; 3], labels: impl Into<Labels<'a>>) -> Self {
        Self { shape, stride: None, labels: labels.into(), reference: None, weights: None, column: None }
    }

    /// With the reference model's log-probabilities of the answers, one a pair: those that [`Trainer::logps`] gave, or two slices
    /// `(chosen, rejected)`. Without them the loss is reference-free.
    pub fn with_reference(self, reference: impl Into<Reference<'a>>) -> Self {
        Self { reference: Some(reference.into()), ..self }
    }

    /// With weights of the pairs, as [`Pairs::with_weights`](crate::Pairs::with_weights) has them.
    pub fn with_weights(self, weights: &'a [f32]) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// With what the loss takes beside log-probabilities, as [`Pairs::with_column`](crate::Pairs::with_column) has it.
    pub fn with_column(self, column: &'a [f32]) -> Self {
        Self { column: Some(column), ..self }
    }

    /// The logits' rows are so many elements apart, as for a padded vocabulary. The padding is never read, and gets 0 as its gradient.
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride: Some(stride), ..self }
    }

    /// The rows, and the elements from one to the next; that the logits are of this shape.
    fn check(&self, logits: usize) -> Result<(usize, usize), Error> {
        let [sequences, tokens, vocabulary] = self.shape;
        let stride = self.stride.unwrap_or(vocabulary);
        let refused = |name, value: usize, requirement| Error::Parameter { name, value: value as f64, requirement };
        if !sequences.is_multiple_of(2) {
            return Err(refused("sequences", sequences, "even: each pair has a chosen and a rejected one"));
        }
        if tokens == 0 {
            return Err(refused("tokens", tokens, "at least 1"));
        }
        if vocabulary == 0 {
            return Err(refused("vocabulary", vocabulary, "at least 1"));
        }
        if stride < vocabulary {
            return Err(refused("stride", stride, "at least the vocabulary"));
        }
        let rows = sequences.saturating_mul(tokens);
        check_length("labels", rows, self.labels.len())?;
        // The padding of the last row may be missing.
        let whole = rows.saturating_mul(stride);
        if !(whole.saturating_sub(stride - vocabulary)..=whole).contains(&logits) {
            check_length("logits", whole, logits)?;
        }
        Ok((rows, stride))
    }
}

/// Log-probabilities of the answers of a batch, one a pair.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AnswerLogps {
    /// Those of the chosen answers.
    pub chosen: Vec<f32>,
    /// Those of the rejected answers.
    pub rejected: Vec<f32>,
}

impl<'a> From<&'a AnswerLogps> for Reference<'a> {
    fn from(logps: &'a AnswerLogps) -> Self {
        Self { chosen_logps: &logps.chosen, rejected_logps: &logps.rejected }
    }
}

impl<'a, C: AsRef<[f32]> + ?Sized, R: AsRef<[f32]> + ?Sized> From<(&'a C, &'a R)> for Reference<'a> {
    /// A reference of the log-probabilities of the chosen and of the rejected answers.
    fn from((chosen, rejected): (&'a C, &'a R)) -> Self {
        Self { chosen_logps: chosen.as_ref(), rejected_logps: rejected.as_ref() }
    }
}

/// What a step gave, beside the gradient that stands where the logits were.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StepResults {
    /// Loss of each pair, times its weight.
    pub losses: Vec<f32>,
    /// Implicit rewards of the chosen answers.
    pub chosen_rewards: Vec<f32>,
    /// Implicit rewards of the rejected answers.
    pub rejected_rewards: Vec<f32>,
    /// The exact difference of the two rewards, rounded once.
    pub margins: Vec<f32>,
    /// The policy's log-probabilities of the answers.
    pub logps: AnswerLogps,
    /// The policy's log-probabilities of the tokens, one a row; 0 for a token that does not count.
    pub token_logps: Vec<f32>,
    /// How many tokens counted, and how many did not.
    pub tokens: TokenCounts,
    /// The metrics of this batch. Those of more batches, or of more ranks, add up exactly: [`Metrics::merge`].
    pub metrics: Metrics,
}

impl StepResults {
    /// Mean loss, mean rewards, accuracy and the like of this batch.
    pub fn report(&self) -> Report {
        self.metrics.report()
    }
}

/// Makes memory as long as it should be, whatever it holds.
fn fit<T: Copy + Default>(memory: &mut Vec<T>, length: usize) -> &mut [T] {
    memory.resize(length, T::default());
    memory
}

impl Trainer {
    /// With TRL's convention, at the best level of this CPU, on the calling thread.
    pub fn new(loss: Loss) -> Self {
        Self {
            loss,
            run: Run::default(),
            scaling: Scaling::NONE,
            layout: Layout::ChosenFirst,
            reduction: Reduction::Sum,
            shifted: true,
            ignore_index: None,
            grad_scale: None,
            log_sum_exps: Vec::new(),
            token_grads: Vec::new(),
            grad_chosen_logps: Vec::new(),
            grad_rejected_logps: Vec::new(),
            results: StepResults::default(),
        }
    }

    /// On other threads or another level. The bits do not depend on it.
    pub fn with_run(self, run: Run) -> Self {
        Self { run, ..self }
    }

    /// With a temperature, logit scale or soft cap, which count in the log-probabilities and in the gradient.
    pub fn with_scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    /// With another order of the answers in a batch.
    pub fn with_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// With another way from the tokens' log-probabilities to an answer's.
    pub fn with_reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// With labels that are the targets of their own positions: the host has shifted them.
    pub fn with_targets_as_labels(self) -> Self {
        Self { shifted: false, ..self }
    }

    /// With another label than -100 for a token that does not count.
    pub fn with_ignore_index(self, ignore_index: i64) -> Self {
        Self { ignore_index: Some(ignore_index), ..self }
    }

    /// With another factor of the gradient than 1 / pairs: the share of a batch in an accumulated gradient.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and not 0.
    pub fn with_grad_scale(self, grad_scale: f64) -> Result<Self, Error> {
        crate::logits::check_grad_scale(grad_scale)?;
        Ok(Self { grad_scale: Some(grad_scale), ..self })
    }

    fn sequences<'a>(&self, batch: &Batch<'a>) -> Result<Sequences<'a>, Error> {
        let [_, tokens, _] = batch.shape;
        let targets = if self.shifted { Targets::shifted(batch.labels, tokens)? } else { Targets::new(batch.labels) };
        let targets = self.ignore_index.map_or(targets, |ignore| targets.with_ignore_index(ignore));
        Sequences::new(targets, tokens, self.layout, self.reduction)
    }

    /// Log-probabilities of the answers, without a gradient: those of the reference model, say. The batch's own reference and
    /// weights have no part in it.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Parameter`], [`Error::Target`], [`Error::EmptySequence`] and [`Error::Threads`].
    pub fn logps<T: Element>(&mut self, logits: &[T], batch: Batch<'_>) -> Result<AnswerLogps, Error> {
        let (rows, stride) = batch.check(logits.len())?;
        let sequences = self.sequences(&batch)?;
        let [_, _, vocabulary] = batch.shape;
        let logits = Logits::with_stride(logits, rows, vocabulary, stride)?;
        let tokens = fit(&mut self.results.token_logps, rows);
        let outputs = TokenOutputs { logps: Some(&mut *tokens), ..Default::default() };
        self.run.token_logps(logits, sequences.targets(), &self.scaling, outputs)?;
        let mut logps = AnswerLogps::default();
        let pairs = sequences.pairs();
        sequences.logps(tokens, fit(&mut logps.chosen, pairs), fit(&mut logps.rejected, pairs))?;
        Ok(logps)
    }

    /// A step: losses, rewards and metrics of a batch, and the gradient of its loss by the logits, in their place. Rows of tokens that
    /// do not count become 0.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Parameter`], [`Error::Target`], [`Error::EmptySequence`], [`Error::Weight`] and
    /// [`Error::Threads`]; the logits are untouched then.
    pub fn step<T: Element>(&mut self, logits: &mut [T], batch: Batch<'_>) -> Result<&StepResults, Error> {
        let (rows, stride) = batch.check(logits.len())?;
        let sequences = self.sequences(&batch)?;
        let [_, _, vocabulary] = batch.shape;
        let logits = LogitsMut::with_stride(logits, rows, vocabulary, stride)?;
        let pairs = sequences.pairs();
        let step = Step {
            loss: self.loss,
            scaling: self.scaling,
            sequences,
            reference: batch.reference,
            weights: batch.weights,
            column: batch.column,
            grad_scale: self.grad_scale.unwrap_or(1.0 / pairs.max(1) as f64),
            zero_padding: true,
        };
        let results = &mut self.results;
        let buffers = StepBuffers {
            token_logps: fit(&mut results.token_logps, rows),
            log_sum_exps: fit(&mut self.log_sum_exps, rows),
            token_grads: fit(&mut self.token_grads, rows),
            chosen_logps: fit(&mut results.logps.chosen, pairs),
            rejected_logps: fit(&mut results.logps.rejected, pairs),
            grad_chosen_logps: fit(&mut self.grad_chosen_logps, pairs),
            grad_rejected_logps: fit(&mut self.grad_rejected_logps, pairs),
        };
        let outputs = StepOutputs {
            losses: Some(fit(&mut results.losses, pairs)),
            chosen_rewards: Some(fit(&mut results.chosen_rewards, pairs)),
            rejected_rewards: Some(fit(&mut results.rejected_rewards, pairs)),
            margins: Some(fit(&mut results.margins, pairs)),
        };
        results.metrics = Metrics::new();
        results.tokens = self.run.step(&step, logits, buffers, outputs, Some(&mut results.metrics))?;
        Ok(results)
    }
}
