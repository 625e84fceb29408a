//! Rows of text: gathered on one thread, parsed on all.

use std::mem;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::{CHUNK_ROWS, Chunk, Kind, Wanted, guard};
use crate::failure::Failure;

/// What is longer than this is no row; the limit keeps a file without line ends, or a quote without its end, out of memory.
pub const LONGEST: usize = 256 << 20;
/// [`LONGEST`] in words.
pub const LONGEST_IN_WORDS: &str = "256 MiB";
/// Long rows make small chunks.
const CHUNK_BYTES: usize = 16 << 20;
/// Rows that one task parses.
const TASK_ROWS: usize = 1024;

/// Some rows that follow each other.
#[derive(Default)]
pub struct Block {
    /// All of them, end to end.
    pub bytes: Vec<u8>,
    /// Where each stands.
    pub rows: Vec<Range<usize>>,
    /// The line of each, where the format has lines.
    pub lines: Vec<u64>,
    /// What stopped the gathering behind them; it is heard of when they are done.
    failure: Option<Failure>,
}

impl Block {
    /// Whether there are enough for a chunk.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= CHUNK_ROWS || self.bytes.len() >= CHUNK_BYTES
    }

    /// Gathers the next rows in the place of these.
    fn fill(&mut self, gather: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        self.bytes.clear();
        self.rows.clear();
        self.lines.clear();
        self.failure = gather(self).err();
    }
}

/// The rows of a file: while those of a chunk are parsed, the next are gathered.
#[derive(Default)]
pub struct Rows {
    /// What comes next, once something was gathered.
    next: Option<Block>,
    /// What is parsed now.
    now: Block,
    /// What is wrong with the row behind those that were handed on.
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
    /// Replaces the chunk's rows by those that follow them. `gather` appends rows to a block until it is full; `parse` finds in each
    /// row a value for each wanted column, `None` where it is missing, and may keep something from row to row. Rows before a bad
    /// one are handed on first, for there may be more to say of them.
    ///
    /// # Errors
    /// What is wrong with the first bad row, or what stopped the gathering behind rows that are all well.
    pub fn read<S: Default>(
        &mut self,
        path: &Path,
        wanted: &[Wanted],
        chunk: &mut Chunk,
        mut gather: impl FnMut(&mut Block) -> Result<(), Failure> + Send,
        parse: impl Fn(&mut S, &[u8], &mut Values) -> Result<(), Problem> + Sync,
    ) -> Result<(), Failure> {
        chunk.advance(wanted.len());
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.coming(&mut gather);
        let Self { next, now, parts, .. } = self;
        let next = next.get_or_insert_default();
        mem::swap(now, next);
        mem::swap(&mut chunk.lines, &mut now.lines);
        // Behind the file's end, and behind a failure, there is nothing.
        let goes_on = !now.rows.is_empty() && now.failure.is_none();
        let (gathered, parsed) = guard::unguarded(|| {
            rayon::join(
                || {
                    guard::guarded(path, || {
                        next.fill(|block| if goes_on { gather(block) } else { Ok(()) });
                        Ok(())
                    })
                },
                || now.parse(path, wanted, chunk, parts, &parse),
            )
        });
        gathered.and(parsed)?;
        self.failure = self.hand_on(wanted, chunk).or(self.now.failure.take());
        if chunk.rows() == 0 { self.failure.take().map_or(Ok(()), Err) } else { Ok(()) }
    }

    /// The rows that come next, gathered if they are the first.
    pub fn coming(&mut self, gather: impl FnOnce(&mut Block) -> Result<(), Failure>) -> &Block {
        self.next.get_or_insert_with(|| {
            let mut first = Block::default();
            first.fill(gather);
            first
        })
    }

    /// Appends what was found in all rows to the chunk, up to the first that is bad; returns what is wrong with that one.
    fn hand_on(&mut self, wanted: &[Wanted], chunk: &mut Chunk) -> Option<Failure> {
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
            if let Some(failure) = failure.take() {
                return Some(failure);
            }
        }
        None
    }
}

impl Block {
    /// Parses its rows, the first of which is the first of the chunk: a part for each task.
    fn parse<S: Default>(
        &self,
        path: &Path,
        wanted: &[Wanted],
        chunk: &Chunk,
        parts: &mut Vec<Part>,
        parse: impl Fn(&mut S, &[u8], &mut Values) -> Result<(), Problem> + Sync,
    ) -> Result<(), Failure> {
        parts.resize_with(self.rows.len().div_ceil(TASK_ROWS), Part::default);
        let tasks = self.rows.par_chunks(TASK_ROWS).zip(parts).enumerate();
        let parsed = guard::side_by_side(path, tasks, |(task, (rows, part))| {
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
                    break;
                }
            }
            Ok(())
        });
        parsed.map(drop)
    }
}
