//! Decoders of binary formats may panic on hostile bytes: that is a corrupt file, not a crash.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Chunk, ColumnReader, corrupt};
use crate::failure::Failure;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Silences the panic message of threads that are decoding a file; all others keep theirs.
pub fn quiet_hook() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !DECODING.get() {
            loud(info);
        }
    }));
}

/// Runs a decoder; its panic becomes the failure of a corrupt file.
pub fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let before = DECODING.replace(true);
    // A decoder that panicked is never used again, so its broken state is never seen.
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(before);
    result.unwrap_or_else(|_| Err(corrupt(path, "its contents cannot be decoded")))
}

/// Decodes parts of a file side by side, on all threads; what comes of them is in their order.
///
/// # Errors
/// The failure of the first part that has one.
pub fn side_by_side<T: Send, R: Send>(
    path: &Path,
    parts: impl IndexedParallelIterator<Item = T>,
    decode: impl Fn(T) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let decoded: Vec<_> = unguarded(|| parts.map(|part| guarded(path, || decode(part))).collect());
    decoded.into_iter().collect()
}

/// Shares work with other threads from inside of a decoder: while this one waits for them, it may do what is no decoder's.
pub fn unguarded<T>(share: impl FnOnce() -> T) -> T {
    let before = DECODING.replace(false);
    let result = share();
    DECODING.set(before);
    result
}

/// A reader whose panics are failures.
pub struct Guarded {
    path: PathBuf,
    reader: Box<dyn ColumnReader>,
}

impl Guarded {
    /// Guards the reader of `path`.
    pub fn new(path: &Path, reader: Box<dyn ColumnReader>) -> Self {
        Self { path: path.to_owned(), reader }
    }
}

impl ColumnReader for Guarded {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        guarded(&self.path, || self.reader.read(chunk))
    }

    fn progress(&self) -> f64 {
        self.reader.progress()
    }

    fn behind(&self) -> Option<&dyn ColumnReader> {
        Some(&*self.reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_and_the_first_failure_counts() {
        let path = Path::new("a.parquet");
        let decode = |bad: [usize; 2]| {
            side_by_side(path, (0..100_usize).into_par_iter(), |part| match part {
                part if part == bad[0] => panic!("no part like this"),
                part if part == bad[1] => Err(Failure::of_file(path, part)),
                part => Ok(part),
            })
        };
        assert!(decode([200, 200]).unwrap().into_iter().eq(0..100));
        assert_eq!(decode([80, 7]).unwrap_err().to_string(), "a.parquet: 7");
        assert!(decode([7, 80]).unwrap_err().to_string().starts_with("a.parquet: corrupt"));
    }

    #[test]
    fn a_panic_is_a_corrupt_file() {
        let path = Path::new("a.parquet");
        assert_eq!(guarded(path, || Ok(7)).unwrap(), 7);
        let bytes: &[u8] = &[];
        let failure = guarded(path, || Ok(bytes[std::hint::black_box(3)])).unwrap_err();
        assert!(failure.to_string().starts_with("a.parquet: corrupt"), "{failure}");
        assert!(!DECODING.get());
    }
}
