//! Rows of text: gathered on one thread, parsed on all.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::{CHUNK_ROWS, Chunk, Wanted};
use crate::failure::Failure;

/// What is longer than this is no row; the limit keeps a file without line ends, or a quote without its end, out of memory.
pub const LONGEST: usize = 256 << 20;
/// [`LONGEST`] in words.
pub const LONGEST_IN_WORDS: &str = "256 MiB";
/// Long rows make small chunks.
const CHUNK_BYTES: usize = 32 << 20;
/// Rows that one task parses.
const TASK_ROWS: usize = 1024;

/// The bytes of some rows.
#[derive(Default)]
pub struct Rows {
    /// All rows, end to end.
    pub bytes: Vec<u8>,
    /// Where each stands.
    pub rows: Vec<Range<usize>>,
    /// What stopped the gathering behind them; it is heard of when they are done.
    failure: Option<Failure>,
    /// What each task found; kept, for memory that is given back comes again page by page.
    parts: Vec<Part>,
}

/// The values that a task found, row by row, and what stopped it.
#[derive(Default)]
struct Part {
    values: Vec<Option<f32>>,
    failure: Option<Failure>,
}

/// What is wrong with a row, and which of the wanted columns it concerns, if one.
#[derive(Debug)]
pub struct Problem {
    /// An index into the wanted columns.
    pub column: Option<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// Of a whole row.
    pub fn of_row(message: impl Into<String>) -> Self {
        Self { column: None, message: message.into() }
    }
}

impl Rows {
    /// Gathers the next rows in the place of these. A failure behind some is kept until they are done with, for one of them may
    /// be bad, and the first bad row is the one to hear of.
    ///
    /// # Errors
    /// Of `gather`.
    pub fn gather(&mut self, gather: impl FnOnce(&mut Self) -> Result<(), Failure>) -> Result<(), Failure> {
        self.bytes.clear();
        self.rows.clear();
        match self.failure.take().map_or_else(|| gather(self), Err) {
            Err(failure) if !self.rows.is_empty() => {
                self.failure = Some(failure);
                Ok(())
            }
            result => result,
        }
    }

    /// Whether there are enough for a chunk.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= CHUNK_ROWS || self.bytes.len() >= CHUNK_BYTES
    }

    /// Appends to the chunk what `parse` finds in each row: a value for each wanted column, `None` where it is missing. `parse`
    /// may keep something from row to row. Rows before a bad one are handed on first, for there may be more to say of them.
    ///
    /// # Errors
    /// The problem of the first bad row.
    pub fn parse<S: Default>(
        &mut self,
        path: &Path,
        wanted: &[Wanted],
        chunk: &mut Chunk,
        parse: impl Fn(&mut S, &[u8], &mut Vec<Option<f32>>) -> Result<(), Problem> + Sync,
    ) -> Result<(), Failure> {
        self.parts.resize_with(self.rows.len().div_ceil(TASK_ROWS), Part::default);
        self.rows.par_chunks(TASK_ROWS).zip(&mut self.parts).enumerate().for_each(|(task, (rows, part))| {
            part.values.clear();
            part.failure = None;
            let mut kept = S::default();
            for (index, row) in rows.iter().enumerate() {
                if let Err(problem) = parse(&mut kept, &self.bytes[row.clone()], &mut part.values) {
                    part.values.truncate(index * wanted.len());
                    let place = chunk.place(task * TASK_ROWS + index);
                    part.failure = Some(match problem.column {
                        Some(column) => Failure::of_value(path, place, &wanted[column].name, problem.message),
                        None => Failure::at(path, place, problem.message),
                    });
                    return;
                }
            }
        });
        for Part { values, failure } in &mut self.parts {
            for row in values.chunks_exact(wanted.len()) {
                let index = chunk.rows();
                for (column, value) in row.iter().enumerate() {
                    if value.is_none() {
                        chunk.null(index, column);
                    }
                    chunk.columns[column].push(value.unwrap_or(f32::NAN));
                }
            }
            match failure.take() {
                Some(failure) if chunk.rows() == 0 => return Err(failure),
                Some(failure) => {
                    self.failure = Some(failure);
                    break;
                }
                None => {}
            }
        }
        Ok(())
    }
}
