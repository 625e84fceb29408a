//! The multi-threaded layer over [`evaluate`](crate::evaluate) and [`logits`](crate::logits): the same bits for every
//! number of threads.

use crate::evaluate::{PairLoss, evaluate_checked};
use crate::logits::{
    Element, Gradient, Logits, LogitsMut, Scaling, Seeds, Step, StepBuffers, StepOutputs, Targets, TokenCounts,
    TokenOutputs, backward, forward,
};
use crate::pairs::{OutputSlices, RESULTS, check};
use crate::{Backend, Error, Metrics, Outputs, Pairs};
use core::num::NonZeroUsize;

/// Pairs that one task takes: large enough to hide what a task costs, a multiple of the kernel's block.
const GRAIN: usize = 16 * 1024;

/// Of each thread: optimised kernels need a few KiB, those of a debug build more than the usual 2 MiB.
const STACK: usize = 8 << 20;

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
    let mut outputs = check(pairs, outputs)?;
    split(backend, loss, pairs, &mut outputs, metrics);
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
    let mut outputs = check(pairs, outputs)?;
    if threads.get() == 1 || pairs.len() <= GRAIN {
        evaluate_checked(backend, loss, pairs, &mut outputs, metrics);
        return Ok(());
    }
    with_threads(threads, || split(backend, loss, pairs, &mut outputs, metrics))
}

/// Runs a call of this module in a pool of its own with that many threads; they end with it.
///
/// # Errors
/// [`Error::Threads`]; the call is not made then.
pub fn with_threads<R: Send>(threads: NonZeroUsize, call: impl FnOnce() -> R + Send) -> Result<R, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).stack_size(STACK);
    let pool = pool.build().map_err(|_| Error::Threads)?;
    Ok(pool.install(call))
}

/// Halves the rows until a task is small enough; the metrics of the halves add up exactly.
fn split<L: PairLoss>(
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
    rayon::join(
        || split(backend, loss, left, &mut left_outputs, metrics.as_deref_mut()),
        || split(backend, loss, right, &mut right_outputs, right_metrics.as_mut()),
    );
    if let (Some(metrics), Some(more)) = (metrics, right_metrics) {
        metrics.merge(&more);
    }
}

/// Rows of logits that one task takes: some 256 KiB, below which threads gain nothing.
fn rows_a_task(columns: usize) -> usize {
    (65_536 / columns.max(1)).max(1)
}

/// [`logits::token_logps`](crate::logits::token_logps) in the rayon pool of the caller.
///
/// # Errors
/// As [`logits::token_logps`](crate::logits::token_logps).
pub fn token_logps<T: Element>(
    backend: Backend,
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    outputs: TokenOutputs<'_>,
) -> Result<TokenCounts, Error> {
    forward::check(logits, targets, &outputs)?;
    Ok(split_forward(backend, logits, targets, scaling, outputs))
}

fn split_forward<T: Element>(
    backend: Backend,
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    outputs: TokenOutputs<'_>,
) -> TokenCounts {
    let rows = logits.rows();
    if rows <= rows_a_task(logits.columns()) {
        return forward::token_logps_checked(backend, logits, targets, scaling, outputs);
    }
    let half = rows / 2;
    let (head, tail) = outputs.split(half);
    let (mut counts, more) = rayon::join(
        || split_forward(backend, logits.rows_from(0, half), targets.range(0, half), scaling, head),
        || split_forward(backend, logits.rows_from(half, rows - half), targets.range(half, rows - half), scaling, tail),
    );
    counts.merge(&more);
    counts
}

/// [`logits::logits_grad`](crate::logits::logits_grad) in the rayon pool of the caller.
///
/// # Errors
/// As [`logits::logits_grad`](crate::logits::logits_grad).
pub fn logits_grad<T: Element, G: Element>(
    backend: Backend,
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    seeds: Seeds<'_>,
    how: Gradient,
    grads: LogitsMut<'_, G>,
) -> Result<(), Error> {
    backward::check(logits, targets, seeds, &grads)?;
    split_backward(backend, Some(logits), targets, scaling, seeds, how, grads);
    Ok(())
}

/// [`logits::logits_grad_in_place`](crate::logits::logits_grad_in_place) in the rayon pool of the caller.
///
/// # Errors
/// As [`logits::logits_grad_in_place`](crate::logits::logits_grad_in_place).
pub fn logits_grad_in_place<T: Element>(
    backend: Backend,
    logits: LogitsMut<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    seeds: Seeds<'_>,
    zero_padding: bool,
) -> Result<(), Error> {
    backward::check(logits.view(), targets, seeds, &logits)?;
    let how = Gradient { accumulate: false, zero_padding };
    split_backward::<T, T>(backend, None, targets, scaling, seeds, how, logits);
    Ok(())
}

/// [`Step::run`](crate::logits::Step::run) in the rayon pool of the caller.
///
/// # Errors
/// As [`Step::run`](crate::logits::Step::run).
pub fn step<T: Element, L: PairLoss>(
    step: &Step<'_, L>,
    logits: LogitsMut<'_, T>,
    buffers: StepBuffers<'_>,
    outputs: StepOutputs<'_>,
    metrics: Option<&mut Metrics>,
) -> Result<TokenCounts, Error> {
    step.run_by(logits, buffers, outputs, metrics, split_forward, |logits, seeds| {
        let targets = step.sequences.targets();
        split_backward::<T, T>(step.backend, None, targets, &step.scaling, seeds, step.gradient(), logits);
    })
}

pub(crate) fn split_backward<T: Element, G: Element>(
    backend: Backend,
    logits: Option<Logits<'_, T>>,
    targets: Targets<'_>,
    scaling: &Scaling,
    seeds: Seeds<'_>,
    how: Gradient,
    grads: LogitsMut<'_, G>,
) {
    let rows = grads.rows();
    if rows <= rows_a_task(grads.columns()) {
        return backward::grads(backend, logits, targets, scaling, seeds, how, grads);
    }
    let half = rows / 2;
    let (head, tail) = grads.split(half);
    let cut = |start, n| (logits.map(|x| x.rows_from(start, n)), targets.range(start, n), seeds.range(start, n));
    let (a, b) = (cut(0, half), cut(half, rows - half));
    rayon::join(
        || split_backward(backend, a.0, a.1, scaling, a.2, how, head),
        || split_backward(backend, b.0, b.1, scaling, b.2, how, tail),
    );
}

/// The first `n` elements of every output and the others.
fn split_outputs<'o>(slices: &'o mut OutputSlices<'_>, n: usize) -> (OutputSlices<'o>, OutputSlices<'o>) {
    let (mut head, mut tail) = ([const { None }; RESULTS], [const { None }; RESULTS]);
    for ((slice, head), tail) in slices.iter_mut().zip(&mut head).zip(&mut tail) {
        if let Some((a, b)) = slice.as_deref_mut().and_then(|slice| slice.split_at_mut_checked(n)) {
            (*head, *tail) = (Some(a), Some(b));
        }
    }
    (head, tail)
}
