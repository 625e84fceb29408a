//! Files as memory.
#![allow(unsafe_code, reason = "a memory map lets files larger than memory stream in")]

use std::fs::File;
use std::io;

use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

/// Some bytes of a file, read-only. They come from the disk when they are looked at.
pub fn map(file: &File, range: Range<usize>) -> io::Result<Mmap> {
    // SAFETY: the map is only ever read, as plain bytes that may hold any value. The file is an input that nobody
    // should write meanwhile. Should somebody do: numbers that changed are used as they are found, and are checked
    // where they could do harm; where the file was cut short, the process ends by a signal (SIGBUS) without a result.
    unsafe { MmapOptions::new().offset(range.start as u64).len(range.len()).map(file) }
}
