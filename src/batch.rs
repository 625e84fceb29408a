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

/// The most threads that may be asked for; no machine has more.
pub const MOST_THREADS: usize = 1 << 16;

/// Threads a processor that may be started where they are asked for. Beyond one a processor they gain nothing, but a count that
/// was written down for another machine may as well be tried on this one.
const THREADS_A_PROCESSOR: usize = 4;

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
/// batches, call [`evaluate`] inside a pool that stays. No more are started than [`threads_for`] says are worth it.
///
/// # Errors
/// As [`evaluate`](crate::evaluate), and as [`with_threads`].
pub fn evaluate_with_threads<L: PairLoss>(
    threads: NonZeroUsize,
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: Outputs<'_>,
    metrics: Option<&mut Metrics>,
) -> Result<(), Error> {
    let mut outputs = check(pairs, outputs)?;
    let tasks = pairs.len().div_ceil(GRAIN);
    if threads_for(threads, tasks)?.get() == 1 {
        evaluate_checked(backend, loss, pairs, &mut outputs, metrics);
        return Ok(());
    }
    with_threads_for(threads, tasks, || split(backend, loss, pairs, &mut outputs, metrics))
}

/// How many threads are worth starting where so many are asked for: no more than there are tasks, and no more than four a
/// processor. Everything that starts threads asks here, so that a count of them is never more than a wish: the results are
/// the same for every number.
///
/// # Errors
/// [`Error::Parameter`] beyond [`MOST_THREADS`].
pub fn threads_for(asked: NonZeroUsize, tasks: usize) -> Result<NonZeroUsize, Error> {
    if asked.get() > MOST_THREADS {
        let requirement = "at most 65536; no machine has more";
        return Err(Error::Parameter { name: "threads", value: asked.get() as f64, requirement });
    }
    let wanted = asked.get().min(tasks);
    // Asking the system takes as long as starting a thread: not where any machine will do.
    let most = if wanted <= THREADS_A_PROCESSOR {
        wanted
    } else {
        std::thread::available_parallelism().map_or(1, NonZeroUsize::get).saturating_mul(THREADS_A_PROCESSOR)
    };
    Ok(NonZeroUsize::new(wanted.min(most)).unwrap_or(NonZeroUsize::MIN))
}

/// Runs a call of this module in a pool of its own with that many threads, or as many as [`threads_for`] says are worth
/// starting; they end with it.
///
/// # Errors
/// [`Error::Threads`] and that of [`threads_for`]; the call is not made then.
pub fn with_threads<R: Send>(threads: NonZeroUsize, call: impl FnOnce() -> R + Send) -> Result<R, Error> {
    with_threads_for(threads, usize::MAX, call)
}

/// [`with_threads`] for a call of so many tasks.
pub(crate) fn with_threads_for<R: Send>(
    threads: NonZeroUsize,
    tasks: usize,
    call: impl FnOnce() -> R + Send,
) -> Result<R, Error> {
    let threads = threads_for(threads, tasks)?;
    // One task is not split, and needs no pool.
    if tasks <= 1 {
        return Ok(call());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).stack_size(STACK);
    let pool = pool.build().map_err(|_| Error::Threads)?;
    #[cfg(test)]
    tests::STARTED.set(pool.current_num_threads());
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

/// The tasks that rows of logits make.
#[cfg(feature = "capi")]
pub(crate) fn row_tasks(rows: usize, columns: usize) -> usize {
    rows.div_ceil(rows_a_task(columns))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loss;
    use std::cell::Cell;
    use std::vec;

    std::thread_local! {
        /// The threads of the pool that this thread has started last.
        pub(super) static STARTED: Cell<usize> = const { Cell::new(0) };
    }

    fn count(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    fn machine() -> usize {
        THREADS_A_PROCESSOR * std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }

    #[test]
    fn no_more_threads_than_work_and_machine_need() {
        assert_eq!(threads_for(count(64), 1), Ok(count(1)));
        assert_eq!(threads_for(count(64), 0), Ok(count(1)));
        assert_eq!(threads_for(count(64), 3), Ok(count(3)));
        assert_eq!(threads_for(count(2), 1_000_000), Ok(count(2)));
        assert_eq!(threads_for(count(MOST_THREADS), usize::MAX), Ok(count(machine())));
        for asked in [MOST_THREADS + 1, 1_000_000_000, usize::MAX] {
            assert!(matches!(threads_for(count(asked), 1), Err(Error::Parameter { name: "threads", .. })), "{asked}");
        }
    }

    /// The threads that evaluating so many pairs starts.
    fn started(threads: usize, pairs: usize) -> usize {
        STARTED.set(0);
        let logps = vec![-1.0; pairs];
        let pairs = Pairs::new(&logps, &logps, &logps, &logps);
        let loss = Loss::dpo(0.1).unwrap();
        evaluate_with_threads(count(threads), Backend::detect(), &loss, pairs, Outputs::default(), None).unwrap();
        STARTED.get()
    }

    #[test]
    fn evaluation_starts_what_its_rows_need() {
        assert_eq!(started(64, 16), 0);
        assert_eq!(started(64, GRAIN + 1), 2);
        assert_eq!(started(1, 4 * GRAIN), 0);
        assert_eq!(started(60_000, 200_000), 200_000_usize.div_ceil(GRAIN).min(machine()));
    }

    /// C gives each call the tasks that its rows make.
    #[cfg(feature = "capi")]
    #[test]
    fn rows_of_logits_make_tasks() {
        assert_eq!([row_tasks(16, 8), row_tasks(16, 151_936), row_tasks(0, 8)], [1, 16, 0]);
        with_threads_for(count(64), row_tasks(16, 8), || ()).unwrap();
        assert_eq!(STARTED.get(), 0);
        with_threads_for(count(64), row_tasks(3, 151_936), || ()).unwrap();
        assert_eq!(STARTED.get(), 3);
    }

    #[test]
    fn a_pool_that_cannot_be_starts_nothing() {
        let mut made = false;
        let result = with_threads(count(1_000_000_000), || made = true);
        assert!(result.is_err() && !made);
        with_threads(count(60_000), || made = true).unwrap();
        assert!(made);
        assert_eq!(STARTED.get(), machine());
    }
}
