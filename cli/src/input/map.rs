//! Files as memory.
#![allow(unsafe_code, reason = "a memory map lets files larger than memory stream in")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// A whole file, read-only. Its pages come from the disk when they are looked at, and go when memory is short.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only ever read, as plain bytes that may hold any value. The file is an input that nobody
    // should write meanwhile. Should somebody do: numbers that changed are used as they are found, each range of bytes
    // having been checked against the length of the map, which stays; where the file was cut short, the process ends
    // by a signal (SIGBUS) without a result.
    unsafe { Mmap::map(file) }
}
