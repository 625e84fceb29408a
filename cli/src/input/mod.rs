//! Readers: named columns of numbers out of files, a chunk of rows at a time.
//!
//! Every number becomes an `f32` exactly once: decimal text is parsed to the nearest `f32`, wider numbers are rounded
//! once, narrower ones widened.

mod csv;
mod guard;
mod jsonl;
mod map;
mod npz;
mod parquet;
mod reading;
mod safetensors;
mod sequences;
mod tensors;
mod text;

pub use guard::quiet_hook;
pub use reading::{Nulls, Reading, Tokens};
pub use sequences::Layout;
pub use tensors::{Plain, Tensor, Tensors, numbers};

use std::fs::{self, File};
use std::path::Path;

use crate::failure::{Failure, Place, name_list};
use crate::format::Format;
use crate::provenance::Metadata;

/// The most rows of a chunk.
pub const CHUNK_ROWS: usize = 65_536;

/// A column that a reader must find.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name in the file.
    pub name: String,
    /// What the user can do when the file lacks it.
    pub remedy: &'static str,
}

impl Wanted {
    fn missing(&self, path: &Path, there: &str) -> Failure {
        Failure::of_file(path, self.missing_message(there))
    }

    fn missing_message(&self, there: &str) -> String {
        format!("no column {}; columns there: {there} ({})", self.name, self.remedy)
    }
}

/// Some consecutive rows of the wanted columns.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The values, one vector a wanted column, in the order asked for; all of one length.
    pub columns: Vec<Vec<f32>>,
    /// The rows of this file before the chunk.
    rows_before: u64,
    /// The line of each row, where the format has lines.
    lines: Vec<u64>,
    /// Row and column of each value that is missing; the value is NaN.
    nulls: Vec<(usize, usize)>,
    /// Where the rows stood in the chunk before some were skipped; empty if none were.
    kept: Vec<usize>,
    /// Rows left out of this chunk for a value that is missing.
    skipped: u64,
    /// Those of the chunks before it.
    skipped_before: u64,
}

impl Chunk {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Where a row of the chunk stands in its file.
    pub fn place(&self, row: usize) -> Place {
        let row = self.kept.get(row).copied().unwrap_or(row);
        match self.lines.get(row) {
            Some(&line) => Place::Line(line),
            None => Place::Row(self.rows_before + row as u64 + 1),
        }
    }

    /// Rows of the file, up to and with this chunk, that were left out for a value that is missing.
    pub fn skipped(&self) -> u64 {
        self.skipped_before + self.skipped
    }

    /// Takes note that the value of a row is missing.
    fn null(&mut self, row: usize, column: usize) {
        self.nulls.push((row, column));
    }

    /// Leaves out the rows that lack a value.
    fn skip_nulls(&mut self) {
        let mut is_whole = vec![true; self.rows()];
        for &(row, _) in &self.nulls {
            is_whole[row] = false;
        }
        self.kept = (0..self.rows()).filter(|&row| is_whole[row]).collect();
        self.skipped = (self.rows() - self.kept.len()) as u64;
        for column in &mut self.columns {
            *column = self.kept.iter().map(|&row| column[row]).collect();
        }
        self.nulls.clear();
    }

    /// Makes room for the rows that follow.
    fn advance(&mut self, columns: usize) {
        self.rows_before += self.rows() as u64 + self.skipped;
        self.skipped_before += self.skipped;
        self.skipped = 0;
        self.kept.clear();
        self.nulls.clear();
        self.columns.resize_with(columns, Vec::new);
        self.columns.iter_mut().for_each(Vec::clear);
        self.lines.clear();
    }
}

/// A file that yields its wanted columns chunk after chunk.
pub trait ColumnReader {
    /// Replaces the chunk's rows by those that follow them; none at the end of the file.
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure>;

    /// The share of the file that has been read, from 0 to 1.
    fn progress(&self) -> f64;

    /// What the files behind it say of themselves beside their numbers: a policy's first, then its reference's.
    fn metadata(&self) -> Vec<Metadata> {
        Vec::new()
    }

    /// Whether every wanted column is of a type of integers.
    fn is_all_integers(&self) -> bool {
        false
    }
}

/// Opens a file, by its ending unless its format is given, and finds the wanted columns in it.
pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Box<dyn ColumnReader>, Failure> {
    let format = reading.format.map_or_else(|| Format::of(path), Ok)?;
    let reader = guard::guarded(path, || {
        Ok(match format {
            Format::JsonLines => Box::new(jsonl::JsonLines::open(path, wanted, reading)?) as Box<dyn ColumnReader>,
            Format::Csv => Box::new(csv::Csv::open(path, wanted, reading)?),
            Format::Parquet => Box::new(parquet::Parquet::open(path, wanted, reading)?),
            Format::Npz => Box::new(npz::Npz::open(path, wanted)?),
            Format::Safetensors => Box::new(safetensors::Safetensors::open(path, wanted)?),
        })
    })?;
    let reader = Box::new(guard::Guarded::new(path, reader));
    Ok(Box::new(reading::WithNulls::new(path, wanted, reading.nulls, reader)))
}

/// Opens the policy's sequences and those of the reference, if there is one, as pairs: columns in the order policy
/// chosen, policy rejected, reference chosen, reference rejected.
pub fn open_sequences(
    policy: &Path,
    reference: Option<&Path>,
    layout: Layout,
) -> Result<Box<dyn ColumnReader>, Failure> {
    for path in [policy].into_iter().chain(reference) {
        check_safetensors(path)?;
    }
    Ok(Box::new(sequences::Sequences::open(policy, reference, layout)?))
}

/// That a file's ending is the only one that will do.
pub fn check_safetensors(path: &Path) -> Result<(), Failure> {
    match Format::of(path)? {
        Format::Safetensors => Ok(()),
        _ => Err(Failure::of_file(path, "another format; tensors are read from .safetensors files")),
    }
}

/// Opens a file for reading, with its size.
fn open_file(path: &Path) -> Result<(File, u64), Failure> {
    let fail = |e: std::io::Error| Failure::of_file(path, format!("cannot be opened: {e}"));
    // Asked before opening: a directory opens well and fails later, with a worse message.
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(Failure::of_file(path, "is a directory; a file is needed"));
    }
    Ok((File::open(path).map_err(fail)?, metadata.len()))
}

/// Like [`open_file`], for formats that cannot be empty.
fn open_binary(path: &Path) -> Result<(File, u64), Failure> {
    let (file, size) = open_file(path)?;
    if size == 0 {
        return Err(Failure::of_file(path, "is empty; there is nothing in it to read"));
    }
    Ok((file, size))
}

fn corrupt(path: &Path, why: impl std::fmt::Display) -> Failure {
    // Some decoders quote what they choke on, at any length.
    const LONGEST: usize = 200;
    let why: String = why.to_string().lines().next().unwrap_or_default().chars().take(LONGEST).collect();
    Failure::of_file(path, format!("corrupt or cut off: {why}"))
}

/// The failure of columns whose lengths differ.
fn check_lengths(path: &Path, wanted: &[Wanted], lengths: &[u64]) -> Result<u64, Failure> {
    let first = lengths.first().copied().unwrap_or(0);
    match lengths.iter().position(|&n| n != first) {
        None => Ok(first),
        Some(other) => Err(Failure::of_file(
            path,
            format!(
                "column {} has {} rows, column {} has {}; all columns must have the same length (row {} is the first \
                 that one of them lacks)",
                wanted[0].name,
                first,
                wanted[other].name,
                lengths[other],
                first.min(lengths[other]) + 1
            ),
        )),
    }
}

/// The length of a column of the given shape.
fn check_shape(path: &Path, column: &str, shape: &[u64]) -> Result<u64, Failure> {
    match shape {
        [n] => Ok(*n),
        _ => Err(Failure::of_file(
            path,
            format!("column {column} has the shape {shape:?}; one number a pair is needed, the shape [pairs]"),
        )),
    }
}

fn wrong_type(path: &Path, column: &str, found: impl std::fmt::Display) -> Failure {
    Failure::of_file(
        path,
        format!("column {column} holds {found}; numbers are needed (16, 32 or 64-bit floats, integers)"),
    )
}

fn sorted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    name_list(names)
}
