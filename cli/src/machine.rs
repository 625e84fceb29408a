//! What computes: the instruction set and the threads.

use std::num::NonZeroUsize;

use preflane::Backend;

use crate::failure::Failure;

/// The back end that `PREFLANE_LEVEL` names, or the best there is.
pub fn backend() -> Result<Backend, Failure> {
    Backend::from_env().map_err(|e| Failure::new(format!("PREFLANE_LEVEL: {e}")))
}

/// Starts the threads that `--threads` asks for; without it, as many as there are cores start when first needed.
pub fn start(threads: Option<NonZeroUsize>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    pool.map_err(|e| Failure::new(format!("--threads {threads}: {e}")))
}
