//! The multi-threaded layer over [`evaluate`](crate::evaluate): the same bits for every number of threads.

use crate::evaluate::evaluate_checked;
use crate::losses::PairLoss;
use crate::pairs::{OutputSlices, RESULTS, check};
use crate::{Backend, Error, Metrics, Outputs, Pairs};
use core::num::NonZeroUsize;

/// Pairs that one task takes: large enough to hide what a task costs, a multiple of the kernel's block.
const GRAIN: usize = 16 * 1024;

/// [`evaluate`](crate::evaluate) in the rayon pool of the caller (the global one outside of any).
///
/// # Errors
/// As [`evaluate`](crate::evaluate).
pub fn evaluate<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: Outputs<'_>,
    metrics: Option<&mut Metrics>,
) -> Result<(), Error> {
    let outputs = check(pairs, outputs)?;
    split(backend, loss, pairs, outputs, metrics);
    Ok(())
}

/// [`evaluate`] in a pool of its own with that many threads. Starting threads costs some 50 us: for many small
/// batches, call [`evaluate`] inside a pool that stays.
///
/// # Errors
/// As [`evaluate`](crate::evaluate), and [`Error::Threads`].
pub fn evaluate_with_threads<L: PairLoss>(
    threads: NonZeroUsize,
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: Outputs<'_>,
    metrics: Option<&mut Metrics>,
) -> Result<(), Error> {
    let outputs = check(pairs, outputs)?;
    if threads.get() == 1 || pairs.len() <= GRAIN {
        evaluate_checked(backend, loss, pairs, outputs, metrics);
        return Ok(());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build().map_err(|_| Error::Threads)?;
    pool.install(|| split(backend, loss, pairs, outputs, metrics));
    Ok(())
}

/// Halves the rows until a task is small enough; the metrics of the halves add up exactly.
fn split<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: OutputSlices<'_>,
    metrics: Option<&mut Metrics>,
) {
    if pairs.len() <= GRAIN {
        return evaluate_checked(backend, loss, pairs, outputs, metrics);
    }
    let half = pairs.len().div_ceil(2).next_multiple_of(GRAIN);
    let (left, right) = (pairs.rows(0, half), pairs.rows(half, pairs.len() - half));
    let (left_outputs, right_outputs) = split_outputs(outputs, half);
    let mut right_metrics = metrics.is_some().then(Metrics::new);
    let mut metrics = metrics;
    rayon::join(
        || split(backend, loss, left, left_outputs, metrics.as_deref_mut()),
        || split(backend, loss, right, right_outputs, right_metrics.as_mut()),
    );
    if let (Some(metrics), Some(more)) = (metrics, right_metrics) {
        metrics.merge(&more);
    }
}

/// The first `n` elements of every output and the others.
fn split_outputs(slices: OutputSlices<'_>, n: usize) -> (OutputSlices<'_>, OutputSlices<'_>) {
    let (mut head, mut tail) = ([const { None }; RESULTS], [const { None }; RESULTS]);
    for ((slice, head), tail) in slices.into_iter().zip(&mut head).zip(&mut tail) {
        if let Some((a, b)) = slice.and_then(|slice| slice.split_at_mut_checked(n)) {
            (*head, *tail) = (Some(a), Some(b));
        }
    }
    (head, tail)
}
