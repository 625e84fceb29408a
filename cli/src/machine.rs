//! What computes: the instruction set and the threads.

use std::num::NonZeroUsize;

use preflane::Backend;

use crate::failure::Failure;

/// The back end that `PREFLANE_LEVEL` names, or the best there is.
pub fn backend() -> Result<Backend, Failure> {
    Backend::from_env().map_err(|e| Failure::new(format!("PREFLANE_LEVEL: {e}")))
}

/// A kernel needs some 30 KiB; compiled without optimisation, MiB.
pub const STACK: usize = 8 << 20;

/// Starts as many threads as `--threads` says, or as there are cores.
pub fn start(threads: Option<NonZeroUsize>) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.map_or(0, NonZeroUsize::get)).stack_size(STACK);
    pool.build_global().map_err(|e| {
        let option = threads.map_or_else(String::new, |threads| format!("--threads {threads}: "));
        Failure::new(format!("{option}the threads cannot be started: {e}"))
    })
}
