//! Batches of every shape: checked, and split where they run on threads.

use crate::evaluate::{PairLoss, evaluate_checked};
use crate::kl::{self, KlEstimate, KlOutputs, KlTokens};
use crate::labelled::{self, Labelled, LabelledMetrics, LabelledOutputs};
use crate::listed::{self, ListMetrics, ListOutputs, ListScratch, Lists};
use crate::run::join;
use crate::{Backend, Error, ExactSum, LabelledLoss, ListedLoss, Metrics, Outputs, Pairs, Run, pairs};

/// A batch whose arguments were checked.
pub(crate) trait Work: Send + Sized {
    /// What adds up over its rows.
    type Metrics: Default + Send;
    /// Rows that one task takes: enough to hide what a task costs.
    const GRAIN: usize;

    /// How many rows there are.
    fn rows(&self) -> usize;
    /// The first `n` rows and the others.
    fn split(self, n: usize) -> (Self, Self);
    /// Does it all on this thread.
    fn run(self, metrics: Option<&mut Self::Metrics>);
    /// Adds what the metrics of other rows have seen.
    fn merge(metrics: &mut Self::Metrics, more: &Self::Metrics);
}

/// Halves the rows until a task is small enough; the metrics of the halves add up exactly.
fn halves<W: Work>(work: W, mut metrics: Option<&mut W::Metrics>) {
    let rows = work.rows();
    if rows <= W::GRAIN {
        return work.run(metrics);
    }
    let (left, right) = work.split(rows.div_ceil(2).next_multiple_of(W::GRAIN));
    let mut more = metrics.is_some().then(W::Metrics::default);
    join(|| halves(left, metrics.as_deref_mut()), || halves(right, more.as_mut()));
    if let (Some(metrics), Some(more)) = (metrics, more) {
        W::merge(metrics, &more);
    }
}

/// Columns, some of which are left out.
type Columns<'o, const N: usize> = [Option<&'o mut [f32]>; N];

/// The first `n` elements of every output and the others.
fn split_outputs<const N: usize>(slices: Columns<'_, N>, n: usize) -> (Columns<'_, N>, Columns<'_, N>) {
    let (mut head, mut tail) = ([const { None }; N], [const { None }; N]);
    for ((slice, head), tail) in slices.into_iter().zip(&mut head).zip(&mut tail) {
        if let Some((a, b)) = slice.and_then(|slice| slice.split_at_mut_checked(n)) {
            (*head, *tail) = (Some(a), Some(b));
        }
    }
    (head, tail)
}

impl Run {
    pub(crate) fn work<W: Work>(self, work: W, metrics: Option<&mut W::Metrics>) -> Result<(), Error> {
        self.job(work.rows().div_ceil(W::GRAIN), |split| match split {
            false => work.run(metrics),
            true => halves(work, metrics),
        })
    }

    /// Loss, rewards, margin and gradients of every pair, and the metrics of all.
    ///
    /// `metrics`, if given, is added to: it may go through many batches. Row by row the result is that of the formula in
    /// real arithmetic on the given values, to 0.501 ULP; it does not depend on the other rows, on where this runs or on which
    /// outputs are asked for. A NaN, or a difference of equal infinities, makes NaN what depends on it in that row;
    /// an infinite log-probability gives the formula's limit.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Weight`], [`Error::Column`] and [`Error::Threads`], before anything is written.
    pub fn evaluate<L: PairLoss>(
        self,
        loss: &L,
        pairs: Pairs<'_>,
        outputs: Outputs<'_>,
        metrics: Option<&mut Metrics>,
    ) -> Result<(), Error> {
        let outputs = pairs::check(pairs, loss.column(), outputs)?;
        self.work(PairWork { backend: self.backend(), loss, pairs, outputs }, metrics)
    }

    /// Loss, reward and gradients of every labelled answer, and the metrics of all.
    ///
    /// `metrics`, if given, is added to: it may go through many batches. Every result is the nearest `f32` to the formula's exact
    /// value on the given numbers. A NaN input makes every result of its row that depends on it NaN; an infinite log-probability gives
    /// the formula's limit. A class without answers is no error.
    ///
    /// ```
    /// use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs};
    /// use preflane::{LabelledLoss, Run};
    ///
    /// let answers = Labelled::new(&[-12.5, -14.0], &[-13.0, -13.25], &[true, false]);
    /// let (mut losses, mut metrics) = ([0.0; 2], LabelledMetrics::new());
    /// let outputs = LabelledOutputs { losses: Some(&mut losses), ..Default::default() };
    /// Run::default().evaluate_labelled(&LabelledLoss::kto(0.1, 1.0, 1.0)?, answers, outputs, Some(&mut metrics))?;
    /// assert_eq!(losses, [0.4875026, 0.48125878]);
    /// assert_eq!(metrics.report().rewards_chosen, 0.05);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Weight`], [`Error::Column`], [`Error::Parameter`] for a reference point that is not finite or that the loss
    /// does not take, and [`Error::Threads`]; nothing is written then.
    pub fn evaluate_labelled(
        self,
        loss: &LabelledLoss,
        answers: Labelled<'_>,
        outputs: LabelledOutputs<'_>,
        metrics: Option<&mut LabelledMetrics>,
    ) -> Result<(), Error> {
        let outputs = labelled::check(loss, &answers, outputs)?;
        self.work(LabelledWork { backend: self.backend(), loss, answers, outputs }, metrics)
    }

    /// Loss of every list, rewards and gradients of every answer, and the metrics of all.
    ///
    /// `metrics`, if given, is added to: it may go through many batches. Every result is the nearest `f32` to the formula's exact
    /// value on the given numbers, but that a list of two answers has the bits of [`evaluate`](Run::evaluate) on that pair. A list with a
    /// log-ratio that is NaN, or with two that are the same infinity, has NaN for its loss and gradients; one that is infinite gives
    /// the formula's limit. Lists of one answer, and of none, have a loss of 0. `scratch` has at least
    /// [`Lists::longest`] elements, whose contents do not matter; other threads have their own.
    ///
    /// ```
    /// use preflane::listed::{ListOutputs, ListScratch, Lists};
    /// use preflane::{ListedLoss, Run};
    ///
    /// let lists = Lists { ref_logps: None, ..Lists::new(&[0.5, -0.25, 0.1], &[], &[0, 3]) };
    /// let (mut losses, mut scratch) = ([0.0], [ListScratch::default(); 3]);
    /// let outputs = ListOutputs { losses: Some(&mut losses), ..Default::default() };
    /// Run::default().evaluate_listed(&ListedLoss::plackett_luce(1.0)?, lists, outputs, None, &mut scratch)?;
    /// assert_eq!(losses, [1.6454426]);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] (also for a column that the loss takes and is not there, or the other way round), [`Error::Offsets`],
    /// [`Error::Column`], [`Error::Weight`], [`Error::Full`] for too little scratch, and [`Error::Threads`]; nothing is written then.
    pub fn evaluate_listed(
        self,
        loss: &ListedLoss,
        lists: Lists<'_>,
        outputs: ListOutputs<'_>,
        metrics: Option<&mut ListMetrics>,
        scratch: &mut [ListScratch],
    ) -> Result<(), Error> {
        listed::check(&lists, loss.description().column.as_ref(), &outputs, scratch)?;
        self.work(ListWork { loss, lists, outputs, scratch: Some(scratch) }, metrics)
    }
}

impl Run {
    /// An estimate of the divergence of policy and reference of every token, its derivative, and its sum and mean over every sequence.
    ///
    /// `total`, if given, is added to: the exact sum over all tokens, which merges across batches and ranks. The estimate and the
    /// derivative of a token are the nearest `f32` to their exact values. The sum and the mean of k1 are exact before they are rounded once;
    /// those of k2 and k3 are exact sums of the tokens' `f32`, rounded once.
    ///
    /// ```
    /// use preflane::Run;
    /// use preflane::kl::{KlEstimate, KlOutputs, KlTokens};
    ///
    /// // A sequence of two tokens and one of a single token.
    /// let tokens = KlTokens { policy_logps: &[-1.5, -0.25, -3.0], ref_logps: &[-2.0, -0.5, -3.5], offsets: &[0, 2, 3] };
    /// let (mut estimates, mut means) = ([0.0; 3], [0.0; 2]);
    /// let outputs = KlOutputs { estimates: Some(&mut estimates), means: Some(&mut means), ..Default::default() };
    /// Run::default().kl(KlEstimate::K3, tokens, outputs, None)?;
    /// assert_eq!(estimates[0], 0.106530659712633_f64 as f32);
    /// assert_eq!(means, [0.06766572, estimates[2]]);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Offsets`], [`Error::EmptySequence`] and [`Error::Threads`]; nothing is written then.
    pub fn kl(
        self,
        estimate: KlEstimate,
        tokens: KlTokens<'_>,
        outputs: KlOutputs<'_>,
        total: Option<&mut ExactSum>,
    ) -> Result<(), Error> {
        kl::check(&tokens, &outputs)?;
        self.work(KlWork { backend: self.backend(), estimate, tokens, outputs }, total)
    }
}

struct KlWork<'w> {
    backend: Backend,
    estimate: KlEstimate,
    tokens: KlTokens<'w>,
    outputs: KlOutputs<'w>,
}

impl Work for KlWork<'_> {
    type Metrics = ExactSum;
    const GRAIN: usize = 64;

    fn rows(&self) -> usize {
        self.tokens.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (left, right) = self.tokens.split(n);
        let (head, tail) = self.outputs.split(n, left.policy_logps.len());
        (Self { tokens: left, outputs: head, ..self }, Self { tokens: right, outputs: tail, ..self })
    }
    fn run(mut self, metrics: Option<&mut ExactSum>) {
        kl::evaluate_checked(self.backend, self.estimate, &self.tokens, &mut self.outputs, metrics);
    }
    fn merge(metrics: &mut ExactSum, more: &ExactSum) {
        metrics.merge(more);
    }
}

struct PairWork<'w, L> {
    backend: Backend,
    loss: &'w L,
    pairs: Pairs<'w>,
    outputs: pairs::OutputSlices<'w>,
}

impl<L: PairLoss> Work for PairWork<'_, L> {
    type Metrics = Metrics;
    // A multiple of the kernel's block.
    const GRAIN: usize = 16 * 1024;

    fn rows(&self) -> usize {
        self.pairs.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (head, tail) = split_outputs(self.outputs, n);
        let (left, right) = (self.pairs.rows(0, n), self.pairs.rows(n, self.pairs.len() - n));
        (Self { pairs: left, outputs: head, ..self }, Self { pairs: right, outputs: tail, ..self })
    }
    fn run(mut self, metrics: Option<&mut Metrics>) {
        evaluate_checked(self.backend, self.loss, self.pairs, &mut self.outputs, metrics);
    }
    fn merge(metrics: &mut Metrics, more: &Metrics) {
        metrics.merge(more);
    }
}

struct LabelledWork<'w> {
    backend: Backend,
    loss: &'w LabelledLoss,
    answers: Labelled<'w>,
    outputs: labelled::OutputSlices<'w>,
}

impl Work for LabelledWork<'_> {
    type Metrics = LabelledMetrics;
    // A multiple of the kernel's block.
    const GRAIN: usize = 8 * 1024;

    fn rows(&self) -> usize {
        self.answers.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (head, tail) = split_outputs(self.outputs, n);
        let (left, right) = (self.answers.rows(0, n), self.answers.rows(n, self.answers.len() - n));
        (Self { answers: left, outputs: head, ..self }, Self { answers: right, outputs: tail, ..self })
    }
    fn run(mut self, metrics: Option<&mut LabelledMetrics>) {
        labelled::evaluate_checked(self.backend, self.loss, self.answers, &mut self.outputs, metrics);
    }
    fn merge(metrics: &mut LabelledMetrics, more: &LabelledMetrics) {
        metrics.merge(more);
    }
}

struct ListWork<'w> {
    loss: &'w ListedLoss,
    lists: Lists<'w>,
    outputs: ListOutputs<'w>,
    /// The caller's; none for a part that may run on another thread.
    scratch: Option<&'w mut [ListScratch]>,
}

impl Work for ListWork<'_> {
    type Metrics = ListMetrics;
    const GRAIN: usize = 256;

    fn rows(&self) -> usize {
        self.lists.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let Self { loss, lists, outputs, .. } = self;
        let (left, right) = lists.split(n);
        let (head, tail) = outputs.split(n, left.policy_logps.len());
        let part = |lists, outputs| Self { loss, lists, outputs, scratch: None };
        (part(left, head), part(right, tail))
    }
    fn run(mut self, metrics: Option<&mut ListMetrics>) {
        #[cfg(feature = "std")]
        let mut own = std::vec::Vec::new();
        let scratch = match self.scratch {
            Some(scratch) => scratch,
            #[cfg(feature = "std")]
            None => {
                own.resize(self.lists.longest(), ListScratch::default());
                &mut own
            }
            // Nothing is split there.
            #[cfg(not(feature = "std"))]
            None => &mut [],
        };
        listed::evaluate_checked(self.loss, self.lists, &mut self.outputs, metrics, scratch);
    }
    fn merge(metrics: &mut ListMetrics, more: &ListMetrics) {
        metrics.merge(more);
    }
}
