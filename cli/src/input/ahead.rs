//! The chunks of a file, one after the other, on all threads.
//!
//! Three things are done at a time, each with the rows that follow those of the one below it; every column of the drawing is a
//! [`rayon::join`], whose parts take what they can of the threads:
//!
//! ```text
//! gather the bytes of rows (text)      3   4   5   one thread, as the bytes come
//! parse them, or decode the columns    2   3   4   in parts, side by side: `guard::side_by_side`
//! work on the chunk                    1   2   3   its caller, which may share as well
//! ```
//!
//! Nothing overtakes: a round ends when all of it is done, so that chunks, failures and results come in the order of the file, and two
//! chunks are the most that is there at a time.

use super::{Chunk, ColumnReader};
use crate::failure::Failure;

/// Hands on chunk after chunk, each with the share of the file up to its end, and reads on meanwhile. Returns the end: a chunk
/// without rows, that knows of those before it.
///
/// # Errors
/// The first failure, of the work on a chunk before that of reading the next.
pub fn each(
    reader: &mut dyn ColumnReader,
    mut work: impl FnMut(&Chunk, f64) -> Result<(), Failure> + Send,
) -> Result<Chunk, Failure> {
    let (mut chunk, mut next) = (Chunk::default(), Chunk::default());
    reader.read(&mut chunk)?;
    while chunk.rows() > 0 {
        let share = reader.progress().clamp(0.0, 1.0);
        next.follow(&chunk);
        let (worked, read) = rayon::join(|| work(&chunk, share), || reader.read(&mut next));
        worked.and(read)?;
        std::mem::swap(&mut chunk, &mut next);
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Chunks of so many rows, whose numbers count on; the one behind the last cannot be read, if so.
    struct Counting {
        chunks: std::vec::IntoIter<usize>,
        ends_well: bool,
    }

    impl ColumnReader for Counting {
        fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
            chunk.advance(1);
            match self.chunks.next() {
                None if !self.ends_well => return Err(failure("read")),
                rows => (0..rows.unwrap_or(0) as u64)
                    .for_each(|row| chunk.columns[0].push((chunk.rows_before + row) as f32)),
            }
            Ok(())
        }

        fn progress(&self) -> f64 {
            1.0 / (1 + self.chunks.len()) as f64
        }
    }

    fn failure(what: &str) -> Failure {
        Failure::of_file(Path::new("a"), what)
    }

    #[test]
    fn chunks_follow_each_other() {
        let chunks = vec![3, 1, 4, 1, 5];
        let (mut all, mut shares) = (Vec::new(), Vec::new());
        let mut reader = Counting { chunks: chunks.into_iter(), ends_well: true };
        let end = each(&mut reader, |chunk, share| {
            assert_eq!(chunk.number(0), all.len() as u64 + 1);
            all.extend_from_slice(&chunk.columns[0]);
            shares.push(share);
            Ok(())
        });
        assert_eq!(end.unwrap().before(), 14);
        assert!(all.into_iter().eq((0..14).map(|row| row as f32)));
        // Of a chunk, not of what was read since.
        assert_eq!(shares, [1.0 / 5.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0]);
    }

    #[test]
    fn the_first_failure_counts() {
        for (bad, said) in [(1, "a: work"), (2, "a: work"), (9, "a: read")] {
            let mut worked = 0;
            let mut reader = Counting { chunks: vec![1, 1].into_iter(), ends_well: false };
            let ended = each(&mut reader, |_, _| {
                worked += 1;
                if worked == bad { Err(failure("work")) } else { Ok(()) }
            });
            assert_eq!(ended.unwrap_err().to_string(), said);
            assert_eq!(worked, bad.min(2));
        }
    }
}
