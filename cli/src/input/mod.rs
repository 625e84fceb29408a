//! Readers: named columns of numbers out of files, a chunk of rows at a time.
//!
//! Every number becomes an `f32` exactly once: decimal text is parsed to the nearest `f32`, wider numbers are rounded
//! once, narrower ones widened.

mod ahead;
mod array;
mod arrays;
mod arrow;
mod csv;
mod folder;
mod guard;
mod jsonl;
mod lists;
mod literal;
mod map;
mod memory;
mod npy;
mod npz;
mod object;
mod parquet;
mod quotes;
mod reading;
mod replay;
mod rows;
mod safetensors;
mod sequences;
mod tensors;
mod text;
mod thrift;

pub use ahead::each;
pub use folder::expand;
pub use guard::quiet_hook;
pub use reading::{Nulls, Reading, Tokens};
pub use replay::Recording;
pub use sequences::Layout;
pub use tensors::{Plain, Tensor, Tensors, numbers};

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::failure::{Failure, Place, name_list};
use crate::format::{Content, Format, head_of_file, is_stdin};
use crate::provenance::Metadata;

pub use self::csv::delimiter_problem;

/// The most rows of a chunk.
pub const CHUNK_ROWS: usize = 32_768;

/// A column that a reader must find.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name in the file.
    pub name: String,
    /// What the user can do when the file lacks it.
    pub remedy: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number a row.
    Number,
    /// A label a row, which becomes 1 or 0.
    Label,
    /// What the rows of one list have in common: any text or number.
    Group,
    /// A list of numbers a row, one an answer. A number of another column is then that of all answers of its row.
    Answers,
}

impl Kind {
    /// What a column of the kind needs, for messages.
    fn needed(self) -> &'static str {
        match self {
            Self::Number => "numbers are needed (16, 32 or 64-bit floats, integers, decimals)",
            Self::Label => "labels are needed: booleans, 1 and 0, or text (desirable, undesirable)",
            Self::Group => "text or integers are needed to tell the lists apart",
            Self::Answers => "a list of numbers a row is needed, one an answer (--group NAME reads one answer a row)",
        }
    }
}

impl Wanted {
    /// A column of numbers.
    pub fn number(name: impl Into<String>, remedy: &'static str) -> Self {
        Self { name: name.into(), remedy, kind: Kind::Number }
    }

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
    /// Of rows that stand in lists, one list a row of the file: which of those each was; empty without lists.
    records: Vec<usize>,
    /// The group of each row, before some were skipped; empty without groups.
    groups: Vec<u64>,
    /// Of rows that were gathered into lists, number and place; empty if none were.
    named: Vec<(u64, Place)>,
    /// Where each list begins among the rows, and their number last; empty where no lists are wanted.
    pub offsets: Vec<usize>,
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
        if let Some((_, place)) = self.named.get(row) {
            return *place;
        }
        let record = self.record(row);
        match self.lines.get(record) {
            Some(&line) => Place::Line(line),
            None => Place::Row(self.rows_before + record as u64 + 1),
        }
    }

    /// The number of a row of the chunk in its file, from 1; rows that were left out count. Answers of one list that is a row
    /// have the same.
    pub fn number(&self, row: usize) -> u64 {
        self.named.get(row).map_or_else(|| self.rows_before + self.record(row) as u64 + 1, |(number, _)| *number)
    }

    /// The rows of the file before the chunk; at the file's end all.
    pub fn before(&self) -> u64 {
        self.rows_before
    }

    /// Which row of the file a row is, from 0 in this chunk.
    fn record(&self, row: usize) -> usize {
        let row = self.kept.get(row).copied().unwrap_or(row);
        self.records.get(row).copied().unwrap_or(row)
    }

    /// Rows of the file, up to and with this chunk, that were left out for a value that is missing.
    pub fn skipped(&self) -> u64 {
        self.skipped_before + self.skipped
    }

    /// Takes note that the value of a row is missing.
    fn null(&mut self, row: usize, column: usize) {
        self.nulls.push((row, column));
    }

    /// Appends the answers of a list, which is a row of the file.
    fn list(&mut self, answers: usize) {
        let record = self.records.last().map_or(0, |last| last + 1);
        self.records.extend(std::iter::repeat_n(record, answers));
    }

    /// Of so many rows of the file, each a list of so many answers, a row an answer; a column that has no number an answer has one
    /// a row of the file.
    fn spread(&mut self, rows: usize, answers: usize, widths: &[usize]) {
        for (column, _) in self.columns.iter_mut().zip(widths).filter(|(_, width)| **width != answers) {
            *column = column.iter().flat_map(|&value| std::iter::repeat_n(value, answers)).collect();
        }
        (0..rows).for_each(|_| self.list(answers));
    }

    /// How many rows of the file it holds, with those that were left out.
    fn rows_of_file(&self) -> u64 {
        match self.records.last() {
            Some(last) => *last as u64 + 1,
            None => self.rows() as u64 + self.skipped,
        }
    }

    /// Leaves out the rows of the file that lack a value.
    fn skip_nulls(&mut self) {
        let mut is_whole = vec![true; self.rows_of_file() as usize];
        for &(row, _) in &self.nulls {
            is_whole[self.record(row)] = false;
        }
        self.kept = (0..self.rows()).filter(|&row| is_whole[self.record(row)]).collect();
        self.skipped = is_whole.iter().filter(|is_whole| !**is_whole).count() as u64;
        for column in &mut self.columns {
            *column = self.kept.iter().map(|&row| column[row]).collect();
        }
        self.nulls.clear();
    }

    /// Makes room for the rows that follow.
    fn advance(&mut self, columns: usize) {
        self.rows_before += self.rows_of_file();
        self.skipped_before += self.skipped;
        self.columns.resize_with(columns, Vec::new);
        self.clear();
    }

    /// Makes room for the rows that follow those of another chunk.
    fn follow(&mut self, other: &Self) {
        self.rows_before = other.rows_before + other.rows_of_file();
        self.skipped_before = other.skipped();
        self.clear();
    }

    /// Forgets its rows.
    fn clear(&mut self) {
        self.skipped = 0;
        self.kept.clear();
        self.nulls.clear();
        self.columns.iter_mut().for_each(Vec::clear);
        self.lines.clear();
        self.records.clear();
        self.groups.clear();
    }
}

/// A file that yields its wanted columns chunk after chunk.
pub trait ColumnReader: Send {
    /// Replaces the chunk's rows by those that follow them; none at the end of the file.
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure>;

    /// The share of the file that has been read, from 0 to 1.
    fn progress(&self) -> f64;

    /// The reader behind this one, if it only changes what that reads: what is not said below, that one says.
    fn behind(&self) -> Option<&dyn ColumnReader> {
        None
    }

    /// What the user should know of the file, once it has been read to its end.
    fn notes(&self) -> Vec<Note> {
        self.behind().map_or_else(Vec::new, |reader| reader.notes())
    }

    /// What the files behind it say of themselves beside their numbers: a policy's first, then its reference's.
    fn metadata(&self) -> Vec<Metadata> {
        self.behind().map_or_else(Vec::new, |reader| reader.metadata())
    }

    /// Whether every wanted column is of a type of integers.
    fn is_all_integers(&self) -> bool {
        self.behind().is_some_and(|reader| reader.is_all_integers())
    }
}

/// Something about a file that is no error and yet deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What was seen, in a few words.
    pub headline: String,
    /// What it may mean, and what to do.
    pub advice: String,
}

/// Opens a file, by its ending unless its format is given, and finds the wanted columns in it.
pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Box<dyn ColumnReader>, Failure> {
    let format = reading.format.map_or_else(|| Format::of(path), Ok)?;
    check_contents(path, format)?;
    let reader = guard::guarded(path, || {
        Ok(match format {
            Format::JsonLines => Box::new(jsonl::JsonLines::open(path, wanted, reading)?) as Box<dyn ColumnReader>,
            Format::Csv => Box::new(csv::Csv::open(path, wanted, reading)?),
            Format::Parquet => Box::new(parquet::Parquet::open(path, wanted, reading)?),
            Format::Arrow => Box::new(arrow::Arrow::open(path, wanted, reading)?),
            Format::Npz => Box::new(npz::Npz::open(path, wanted)?),
            Format::Npy => Box::new(npz::Npy::open(path, wanted)?),
            Format::Safetensors => Box::new(safetensors::Safetensors::open(path, wanted)?),
        })
    })?;
    let reader = Box::new(guard::Guarded::new(path, reader));
    let reader = Box::new(reading::Checked::new(path, wanted, reading.nulls, reader));
    Ok(if lists::are_wanted(wanted) { Box::new(lists::Lists::new(path, wanted, reader)) } else { reader })
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
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let problem = match ending.as_deref() {
        Some(ending) => match Format::of_ending(ending) {
            Some(Format::Safetensors) => return Ok(()),
            Some(_) => "another format".to_owned(),
            None => format!("unknown ending .{ending}"),
        },
        None => "no ending".to_owned(),
    };
    Err(Failure::of_file(path, format!("{problem}; tensors are read from .safetensors files")))
}

/// That the first bytes of a binary file are not those of another format: its reader would only find it corrupt.
fn check_contents(path: &Path, format: Format) -> Result<(), Failure> {
    if format.is_text() {
        return Ok(());
    }
    if format == Format::Npz && !can_go_back(path) {
        let message = "an .npz archive is read in several places at a time; a file is needed, no pipe";
        return Err(Failure::of_file(path, message));
    }
    let other = head_of_file(path).and_then(|head| Content::of(&head)?.but_not(format));
    other.map_or(Ok(()), |message| Err(Failure::of_file(path, message)))
}

/// Whether a file can be read again from its start: standard input and pipes cannot.
fn can_go_back(path: &Path) -> bool {
    !is_stdin(path) && fs::metadata(path).is_ok_and(|metadata| !is_stream(&metadata))
}

fn is_stream(metadata: &fs::Metadata) -> bool {
    !metadata.is_file() && !metadata.is_dir()
}

/// Opens a file, or standard input, to be read once from start to end, with its size (0 if that is not known).
fn open_stream(path: &Path) -> Result<(Box<dyn Read + Send>, u64), Failure> {
    if is_stdin(path) {
        return Ok((Box::new(io::stdin()), 0));
    }
    let (file, size) = open_file(path)?;
    Ok((Box::new(file), size))
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

/// Like [`open_file`], for formats that cannot be empty, and that are not read from start to end: what cannot go back is
/// first copied to a temporary file.
fn open_binary(path: &Path) -> Result<(File, u64), Failure> {
    let (file, size) = if can_go_back(path) || fs::metadata(path).is_err() && !is_stdin(path) {
        open_file(path)?
    } else {
        let (mut stream, _) = open_stream(path)?;
        let mut copy = || {
            let mut file = tempfile::tempfile()?;
            let size = io::copy(&mut stream, &mut file)?;
            file.rewind()?;
            Ok((file, size))
        };
        copy().map_err(|e: io::Error| Failure::of_file(path, format!("cannot be copied to a temporary file: {e}")))?
    };
    if size == 0 {
        return Err(Failure::of_file(path, "is empty; there is nothing in it to read"));
    }
    Ok((file, size))
}

fn corrupt(path: &Path, why: impl std::fmt::Display) -> Failure {
    // Some decoders quote what they choke on, at any length.
    const LONGEST: usize = 200;
    let why = why.to_string();
    // The layers of a decoder put their names before each other's messages.
    const LAYERS: [&str; 4] = ["Parquet argument error: ", "Parquet error: ", "External: ", "Ipc error: "];
    let mut why = why.lines().next().unwrap_or_default();
    while let Some(rest) = LAYERS.iter().find_map(|layer| why.strip_prefix(layer)) {
        why = rest;
    }
    let why: String = why.chars().take(LONGEST).collect();
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

/// How many answers each list has where a row of a matrix is one; none where rows are no lists.
fn check_widths(path: &Path, wanted: &[Wanted], widths: &[usize]) -> Result<Option<usize>, Failure> {
    let mut lists = wanted.iter().zip(widths).filter(|(wanted, _)| wanted.kind == Kind::Answers);
    let Some((first, &answers)) = lists.next() else { return Ok(None) };
    match lists.find(|(_, width)| **width != answers) {
        None => Ok(Some(answers)),
        Some((other, width)) => {
            let message = format!(
                "column {} has {answers} numbers a row, column {} has {width}; one number an answer is needed",
                first.name, other.name
            );
            Err(Failure::of_file(path, message))
        }
    }
}

/// The rows of a column of the given shape, and how many numbers each has.
fn check_shape(path: &Path, wanted: &Wanted, shape: &[u64]) -> Result<(u64, usize), Failure> {
    let column = &wanted.name;
    if wanted.kind == Kind::Answers {
        // More than so many answers are no list.
        const MOST_ANSWERS: u64 = 1 << 20;
        return match *shape {
            [lists, answers @ 1..=MOST_ANSWERS] => Ok((lists, answers as usize)),
            [_] => Err(wrong_type(path, wanted, "a number a row")),
            _ => Err(Failure::of_file(
                path,
                format!(
                    "column {column} has the shape {shape:?}; the numbers of a list a row are needed, the shape [lists, answers]"
                ),
            )),
        };
    }
    // A column or a row of a matrix is a column here: its numbers stand in the same order.
    let others = shape.iter().filter(|&&n| n != 1).count();
    match shape {
        [_, ..] if others <= 1 => Ok((shape.iter().product(), 1)),
        _ => Err(Failure::of_file(
            path,
            format!("column {column} has the shape {shape:?}; one number a row is needed, the shape [rows]"),
        )),
    }
}

fn wrong_type(path: &Path, wanted: &Wanted, found: impl std::fmt::Display) -> Failure {
    let found = found.to_string();
    let needed = if found == arrays::LISTS && wanted.kind == Kind::Number {
        "--tokens sum adds up the numbers of each, --tokens mean averages them"
    } else {
        wanted.kind.needed()
    };
    Failure::of_file(path, format!("column {} holds {found}; {needed}", wanted.name))
}

fn sorted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    name_list(names)
}
