//! Batches of pairs: checked, and split where they run on threads.

use crate::evaluate::{PairLoss, evaluate_checked};
use crate::pairs::{OutputSlices, check};
use crate::run::join;
use crate::{Backend, Error, Metrics, Outputs, Pairs, Run};

/// Pairs that one task takes: large enough to hide what a task costs, a multiple of the kernel's block.
pub(crate) const GRAIN: usize = 16 * 1024;

impl Run {
    /// Loss, rewards, margin and gradients of every pair, and the metrics of all.
    ///
    /// `metrics`, if given, is added to: it may go through many batches. Row by row the result is that of the formula in
    /// real arithmetic on the given values, to 0.501 ULP; it does not depend on the other rows, on where this runs or on which
    /// outputs are asked for. A NaN, or a difference of equal infinities, makes NaN what depends on it in that row;
    /// an infinite log-probability gives the formula's limit.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Weight`] and [`Error::Threads`], before anything is written.
    pub fn evaluate<L: PairLoss>(
        self,
        loss: &L,
        pairs: Pairs<'_>,
        outputs: Outputs<'_>,
        metrics: Option<&mut Metrics>,
    ) -> Result<(), Error> {
        let mut outputs = check(pairs, outputs)?;
        let backend = self.backend();
        self.job(pairs.len().div_ceil(GRAIN), |split| match split {
            false => evaluate_checked(backend, loss, pairs, &mut outputs, metrics),
            true => halves(backend, loss, pairs, &mut outputs, metrics),
        })
    }
}

/// Halves the rows until a task is small enough; the metrics of the halves add up exactly.
fn halves<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: &mut OutputSlices<'_>,
    metrics: Option<&mut Metrics>,
) {
    if pairs.len() <= GRAIN {
        return evaluate_checked(backend, loss, pairs, outputs, metrics);
    }
    let half = pairs.len().div_ceil(2).next_multiple_of(GRAIN);
    let (left, right) = (pairs.rows(0, half), pairs.rows(half, pairs.len() - half));
    let (mut left_outputs, mut right_outputs) = split_outputs(outputs, half);
    let mut right_metrics = metrics.is_some().then(Metrics::new);
    let mut metrics = metrics;
    join(
        || halves(backend, loss, left, &mut left_outputs, metrics.as_deref_mut()),
        || halves(backend, loss, right, &mut right_outputs, right_metrics.as_mut()),
    );
    if let (Some(metrics), Some(more)) = (metrics, right_metrics) {
        metrics.merge(&more);
    }
}

/// The first `n` elements of every output and the others.
fn split_outputs<'o>(slices: &'o mut OutputSlices<'_>, n: usize) -> (OutputSlices<'o>, OutputSlices<'o>) {
    let (mut head, mut tail) = (OutputSlices::default(), OutputSlices::default());
    for ((slice, head), tail) in slices.iter_mut().zip(&mut head).zip(&mut tail) {
        if let Some((a, b)) = slice.as_deref_mut().and_then(|slice| slice.split_at_mut_checked(n)) {
            (*head, *tail) = (Some(a), Some(b));
        }
    }
    (head, tail)
}
