//! Where work runs: the instruction set and the threads.

use crate::Error;
use crate::lanes::Backend;
#[cfg(feature = "std")]
use core::num::NonZeroUsize;

/// Where work runs. The work itself is the methods: [`evaluate`](Run::evaluate) for pairs, [`token_logps`](Run::token_logps),
/// [`logits_grad`](Run::logits_grad) and [`step`](Run::step) for logits, [`info_nce`](Run::info_nce) and its relatives.
///
/// The default is the fastest level of this CPU, on the calling thread. The bits of a result never depend on this choice. Every
/// argument is checked before a thread is started and before anything is written.
///
/// ```
/// use preflane::{Level, Backend, Loss, Metrics, Outputs, Pairs, Run};
///
/// let pairs = Pairs::new(&[-12.5, -30.0], &[-14.0, -28.0], &[-13.0, -29.0], &[-13.25, -29.5]);
/// let loss_of = |run: Run| {
///     let mut losses = [0.0; 2];
///     let outputs = Outputs { losses: Some(&mut losses), ..Default::default() };
///     run.evaluate(&Loss::dpo(0.1)?, pairs, outputs, None)?;
///     Ok::<_, preflane::Error>(losses)
/// };
/// let losses = loss_of(Run::default())?;
/// assert_eq!(loss_of(Run::on(Backend::new(Level::Scalar)?))?, losses);
/// # #[cfg(feature = "std")]
/// assert_eq!(loss_of(Run::default().threads(2)?)?, losses);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    backend: Backend,
    #[cfg(feature = "std")]
    threads: Threads,
}

/// Which threads do the work.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    /// The calling one.
    Calling,
    /// Those of the rayon pool that the call is made in.
    Pool,
    /// So many, started for the call.
    Own(NonZeroUsize),
}

/// Threads a processor that may be started where they are asked for. Beyond one a processor they gain nothing, but a count that
/// was written down for another machine may as well be tried on this one.
#[cfg(feature = "std")]
const THREADS_A_PROCESSOR: usize = 4;

/// Stack of each thread: optimised kernels need a few KiB, those of a debug build more than the usual 2 MiB.
#[cfg(feature = "std")]
const STACK: usize = 8 << 20;

impl Default for Run {
    /// The fastest level of this CPU, on the calling thread.
    fn default() -> Self {
        Self::on(Backend::detect())
    }
}

impl Run {
    /// On the given level, on the calling thread.
    pub const fn on(backend: Backend) -> Self {
        Self {
            backend,
            #[cfg(feature = "std")]
            threads: Threads::Calling,
        }
    }

    /// The level.
    pub const fn backend(self) -> Backend {
        self.backend
    }

    /// Does work that has so many tasks, once its arguments are checked. The job is told whether to split them.
    #[inline(always)]
    #[cfg_attr(not(feature = "std"), expect(unused_variables, reason = "there is one thread"))]
    pub(crate) fn job<R: Send>(self, tasks: usize, job: impl FnOnce(bool) -> R + Send) -> Result<R, Error> {
        #[cfg(feature = "std")]
        match self.threads {
            Threads::Calling => {}
            Threads::Pool => return Ok(job(true)),
            Threads::Own(_) => return self.in_own_pool(tasks, job),
        }
        Ok(job(false))
    }
}

/// What takes the standard library.
#[cfg(feature = "std")]
impl Run {
    /// The most threads that may be asked for; no machine has more.
    pub const MOST_THREADS: usize = 2_usize.pow(16);

    /// On so many threads, which each call starts and ends: that costs some 50 us. For many small calls there is
    /// [`in_pool`](Run::in_pool). A count is a wish: no more are started than the work has parts, and than four a processor; where
    /// that leaves one, the calling thread does the work.
    ///
    /// # Errors
    /// [`Error::Parameter`] for 0, and beyond [`MOST_THREADS`](Run::MOST_THREADS).
    pub fn threads(self, threads: usize) -> Result<Self, Error> {
        let refused = |requirement| Error::Parameter { name: "threads", value: threads as f64, requirement };
        if threads > Self::MOST_THREADS {
            return Err(refused("at most 65536; no machine has more"));
        }
        let threads = NonZeroUsize::new(threads).ok_or_else(|| refused("at least 1"))?;
        Ok(Self { threads: Threads::Own(threads), ..self })
    }

    /// On the threads of the rayon pool in which the call is made: that of [`rayon::ThreadPool::install`], and outside of any the
    /// global one.
    pub const fn in_pool(self) -> Self {
        Self { threads: Threads::Pool, ..self }
    }

    /// How many threads work of so many parts takes. A caller that starts threads of its own asks here how many are worth it.
    pub fn threads_for(self, parts: usize) -> NonZeroUsize {
        let asked = match self.threads {
            Threads::Calling => 1,
            Threads::Pool => {
                return NonZeroUsize::new(parts.min(rayon::current_num_threads())).unwrap_or(NonZeroUsize::MIN);
            }
            Threads::Own(threads) => threads.get(),
        };
        let wanted = asked.min(parts);
        // Asking the system takes as long as starting a thread: not where any machine will do.
        let most = if wanted <= THREADS_A_PROCESSOR {
            wanted
        } else {
            std::thread::available_parallelism().map_or(1, NonZeroUsize::get).saturating_mul(THREADS_A_PROCESSOR)
        };
        NonZeroUsize::new(wanted.min(most)).unwrap_or(NonZeroUsize::MIN)
    }

    fn in_own_pool<R: Send>(self, tasks: usize, job: impl FnOnce(bool) -> R + Send) -> Result<R, Error> {
        let threads = self.threads_for(tasks).get();
        if threads == 1 {
            return Ok(job(false));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK);
        let pool = pool.build().map_err(|_| Error::Threads)?;
        #[cfg(test)]
        tests::STARTED.set(pool.current_num_threads());
        Ok(pool.install(|| job(true)))
    }
}

/// The tasks that rows of logits make: some 256 KiB each, below which threads gain nothing.
pub(crate) fn tasks(rows: usize, columns: usize) -> usize {
    rows.div_ceil((65_536 / columns.max(1)).max(1))
}

/// Does two halves of a job that is split, on two threads where one is free.
#[inline(always)]
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    #[cfg(feature = "std")]
    return rayon::join(a, b);
    #[cfg(not(feature = "std"))]
    (a(), b())
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::logits::{Labels, Logits, Scaling, Targets, TokenOutputs};
    use crate::{Loss, Outputs, Pairs};
    use std::cell::Cell;
    use std::vec;

    std::thread_local! {
        /// The threads of the pool that this thread has started last.
        pub(super) static STARTED: Cell<usize> = const { Cell::new(0) };
    }

    fn on(threads: usize) -> Run {
        Run::default().threads(threads).unwrap()
    }

    fn machine() -> usize {
        THREADS_A_PROCESSOR * std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }

    #[test]
    fn no_more_threads_than_work_and_machine_need() {
        assert_eq!(on(64).threads_for(1).get(), 1);
        assert_eq!(on(64).threads_for(0).get(), 1);
        assert_eq!(on(64).threads_for(3).get(), 3);
        assert_eq!(on(2).threads_for(1_000_000).get(), 2);
        assert_eq!(on(Run::MOST_THREADS).threads_for(usize::MAX).get(), machine());
        assert_eq!(Run::default().threads_for(9).get(), 1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| [2, 9].map(|parts| Run::default().in_pool().threads_for(parts).get())), [2, 3]);
        for asked in [0, Run::MOST_THREADS + 1, 1_000_000_000, usize::MAX] {
            let refused = Run::default().threads(asked);
            assert!(matches!(refused, Err(Error::Parameter { name: "threads", .. })), "{asked}");
        }
    }

    /// The threads that evaluating so many pairs starts.
    fn started(threads: usize, pairs: usize) -> usize {
        STARTED.set(0);
        let logps = vec![-1.0; pairs];
        let pairs = Pairs::new(&logps, &logps, &logps, &logps);
        on(threads).evaluate(&Loss::dpo(0.1).unwrap(), pairs, Outputs::default(), None).unwrap();
        STARTED.get()
    }

    #[test]
    fn evaluation_starts_what_its_rows_need() {
        // Pairs a task.
        const GRAIN: usize = 16 * 1024;
        assert_eq!(started(64, 16), 0);
        assert_eq!(started(64, GRAIN + 1), 2);
        assert_eq!(started(1, 4 * GRAIN), 0);
        assert_eq!(started(60_000, 200_000), 200_000_usize.div_ceil(GRAIN).min(machine()));
    }

    /// Each call has the tasks that its rows make.
    #[test]
    fn rows_of_logits_start_what_they_need() {
        let started = |rows: usize, columns: usize, label: i64| {
            STARTED.set(0);
            let (logits, labels) = (vec![0.0_f32; rows * columns], vec![label; rows]);
            let logits = Logits::new(&logits, rows, columns).unwrap();
            let targets = Targets::new(Labels::I64(&labels));
            let counts = on(64).token_logps(logits, targets, &Scaling::NONE, TokenOutputs::default());
            (counts.is_ok(), STARTED.get())
        };
        assert_eq!(started(16, 8, 0), (true, 0));
        assert_eq!(started(3, 151_936, 0), (true, 3));
        assert_eq!(started(0, 8, 0), (true, 0));
        // What is refused starts none.
        assert_eq!(started(3, 151_936, 151_936), (false, 0));
    }
}
