//! Whether there is memory for what a file asks for.

use std::path::Path;

use crate::failure::Failure;

/// Less than this is not asked about.
const LITTLE: u64 = 1 << 20;

/// That so many bytes could be had now.
pub fn is_there(bytes: u64) -> Result<(), String> {
    if bytes < LITTLE {
        return Ok(());
    }
    let mut memory: Vec<u8> = Vec::new();
    let had = usize::try_from(bytes).is_ok_and(|bytes| memory.try_reserve_exact(bytes).is_ok());
    // Else an optimiser may find that nobody uses it, and all memory be there.
    std::hint::black_box(&mut memory);
    if had { Ok(()) } else { Err(format!("{} MiB of memory are needed and not to be had", bytes >> 20)) }
}

/// The same, as a failure of a file.
pub fn check(path: &Path, bytes: u64) -> Result<(), Failure> {
    is_there(bytes).map_err(|message| Failure::of_file(path, message))
}
