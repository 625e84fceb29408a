//! Rows of text: gathered on one thread, parsed on all.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::{CHUNK_ROWS, Chunk, Kind, Wanted};
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
    values: Values,
    failure: Option<Failure>,
}

/// The values of some rows.
#[derive(Default)]
pub struct Values {
    /// Row by row a number for each wanted column, `None` where it is missing.
    pub numbers: Vec<Option<f32>>,
    /// The group of each row, where one is wanted.
    pub groups: Vec<u64>,
    /// Of lists, each of which is a row of the file: how many answers each has.
    answers: Vec<usize>,
}

/// The answers of a list, column by column; none of a column of single numbers, and where the list is missing.
pub type Answers = Vec<Option<Vec<Option<f32>>>>;

impl Values {
    /// Spreads the row that begins at `start` over the answers of its lists: a row each.
    ///
    /// # Errors
    /// Lists of several lengths, or without an answer.
    pub fn spread(&mut self, start: usize, wanted: &[Wanted], answers: &Answers) -> Result<(), Problem> {
        let row = self.numbers.split_off(start);
        let mut lists = answers.iter().enumerate().filter_map(|(column, list)| Some((column, list.as_ref()?.len())));
        // Where all of them are missing, so is the row.
        let (first, count) = lists.next().unwrap_or((0, 1));
        if let Some((column, other)) = lists.find(|(_, other)| *other != count) {
            let message =
                format!("a list of {other}, where {} has {count}; one number an answer is needed", wanted[first].name);
            return Err(Problem { column: Some(column), message });
        }
        if count == 0 {
            let message = "a list without an answer; at least one is needed".to_owned();
            return Err(Problem { column: Some(first), message });
        }
        for answer in 0..count {
            for (column, wanted) in wanted.iter().enumerate() {
                let list = answers[column].as_ref().map(|list| list[answer]);
                self.numbers.push(if wanted.kind == Kind::Answers { list.flatten() } else { row[column] });
            }
        }
        self.answers.push(count);
        Ok(())
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.groups.clear();
        self.answers.clear();
    }
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
        parse: impl Fn(&mut S, &[u8], &mut Values) -> Result<(), Problem> + Sync,
    ) -> Result<(), Failure> {
        self.parts.resize_with(self.rows.len().div_ceil(TASK_ROWS), Part::default);
        self.rows.par_chunks(TASK_ROWS).zip(&mut self.parts).enumerate().for_each(|(task, (rows, part))| {
            part.values.clear();
            part.failure = None;
            let mut kept = S::default();
            for (index, row) in rows.iter().enumerate() {
                let (numbers, groups) = (part.values.numbers.len(), part.values.groups.len());
                if let Err(problem) = parse(&mut kept, &self.bytes[row.clone()], &mut part.values) {
                    part.values.numbers.truncate(numbers);
                    part.values.groups.truncate(groups);
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
            values.answers.iter().for_each(|&answers| chunk.list(answers));
            chunk.groups.extend_from_slice(&values.groups);
            for row in values.numbers.chunks_exact(wanted.len()) {
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
