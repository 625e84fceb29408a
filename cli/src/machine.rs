//! What computes: the instruction set and the threads.

use std::num::NonZeroUsize;

use preflane::{Backend, Run};

use crate::failure::Failure;

/// On the level that `PREFLANE_LEVEL` names, or the best there is, and on the threads that [`start`] starts.
pub fn run() -> Result<Run, Failure> {
    let backend = Backend::from_env().map_err(|e| Failure::new(format!("PREFLANE_LEVEL: {e}")))?;
    Ok(Run::on(backend).in_pool())
}

/// A kernel needs some 30 KiB; compiled without optimisation, MiB.
pub const STACK: usize = 8 << 20;

/// What a thread works on at least: below that, another gains nothing.
const BYTES_A_THREAD: u64 = 64 << 10;

/// Starts as many threads as `--threads` says, or as there are cores, but no more than so many bytes of input need, where that is
/// known, nor than the machine can use.
pub fn start(threads: Option<NonZeroUsize>, bytes: Option<u64>) -> Result<(), Failure> {
    let option = threads.map_or_else(String::new, |threads| format!("--threads {threads}: "));
    let asked = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let tasks = bytes.map_or(usize::MAX, |bytes| bytes.div_ceil(BYTES_A_THREAD).try_into().unwrap_or(usize::MAX));
    let run = Run::default().threads(asked.get()).map_err(|e| Failure::new(format!("{option}{e}")))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(run.threads_for(tasks).get()).stack_size(STACK);
    pool.build_global().map_err(|e| Failure::new(format!("{option}the threads cannot be started: {e}")))
}

/// Does work on the threads that [`start`] has started, which it may share with what it starts there.
pub fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}
