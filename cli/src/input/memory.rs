//! Whether there is memory for what a file asks for.

use std::path::Path;

use memmap2::MmapOptions;

use crate::failure::Failure;

/// Less than this is not asked about.
const LITTLE: u64 = 1 << 20;

/// That so many bytes could be had now.
pub fn is_there(bytes: u64) -> Result<(), String> {
    if bytes < LITTLE {
        return Ok(());
    }
    // Not by the allocator: with the command's own a refusal is the end.
    let had = usize::try_from(bytes).is_ok_and(|bytes| MmapOptions::new().len(bytes).map_anon().is_ok());
    if had { Ok(()) } else { Err(format!("{} MiB of memory are needed and not to be had", bytes >> 20)) }
}

/// The same, as a failure of a file.
pub fn check(path: &Path, bytes: u64) -> Result<(), Failure> {
    is_there(bytes).map_err(|message| Failure::of_file(path, message))
}
