//! JSON: one object a line, or an array of objects.

use std::path::{Path, PathBuf};

use super::array::{Array, Fault};
use super::object::Objects;
use super::rows::{LONGEST, LONGEST_IN_WORDS, Rows};
use super::text::Text;
use super::{Chunk, ColumnReader, Reading, Wanted};
use crate::failure::{Failure, Place};
use crate::format::Format;

/// A file of JSON objects.
pub struct JsonLines {
    path: PathBuf,
    wanted: Vec<Wanted>,
    reading: Reading,
    text: Text,
    /// Lines read so far.
    line: u64,
    /// The state of the array, if the file is one.
    array: Option<Array>,
    rows: Rows,
}

impl JsonLines {
    /// Opens the file; its columns are checked row by row.
    pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Self, Failure> {
        let mut text = Text::open(path, Format::JsonLines)?;
        let is_array = text.peek()?.trim_ascii_start().starts_with(b"[");
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            reading: reading.clone(),
            text,
            line: 0,
            array: is_array.then(Array::default),
            rows: Rows::default(),
        })
    }
}

impl ColumnReader for JsonLines {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.wanted.len());
        let is_first = self.line == 0;
        let (path, text, line, array) = (&self.path, &mut self.text, &mut self.line, &mut self.array);
        match array {
            Some(array) => self.rows.gather(|rows| gather_elements(path, text, array, rows, chunk))?,
            None => self.rows.gather(|rows| gather_lines(path, text, line, rows, &mut chunk.lines))?,
        }
        let is_alone = is_first && self.array.is_none() && self.rows.rows.len() == 1;
        let objects = Objects::new(&self.wanted, &self.reading, is_alone);
        self.rows.parse(&self.path, &self.wanted, chunk, |found, row, values| objects.parse(found, row, values))
    }

    fn progress(&self) -> f64 {
        self.text.progress()
    }
}

/// Gathers the elements of the next chunk.
fn gather_elements(
    path: &Path,
    text: &mut Text,
    array: &mut Array,
    rows: &mut Rows,
    chunk: &Chunk,
) -> Result<(), Failure> {
    while !rows.is_full() {
        let start = rows.bytes.len();
        match array.element(text, &mut rows.bytes) {
            Ok(true) => rows.rows.push(start..rows.bytes.len()),
            Ok(false) => break,
            Err(Fault::File(failure)) => return Err(failure),
            Err(Fault::Element(message)) => return Err(Failure::at(path, chunk.place(rows.rows.len()), message)),
        }
    }
    Ok(())
}

/// Gathers the lines of the next chunk; blank ones are no rows.
fn gather_lines(
    path: &Path,
    text: &mut Text,
    line: &mut u64,
    rows: &mut Rows,
    lines: &mut Vec<u64>,
) -> Result<(), Failure> {
    while !rows.is_full() {
        let start = rows.bytes.len();
        let length = text.read_line(&mut rows.bytes, LONGEST)?;
        if length == 0 {
            break;
        }
        *line += 1;
        if length == LONGEST {
            let message = format!("longer than {LONGEST_IN_WORDS}; one JSON object a line is needed");
            return Err(Failure::at(path, Place::Line(*line), message));
        }
        if rows.bytes[start..].trim_ascii().is_empty() {
            rows.bytes.truncate(start);
        } else {
            rows.rows.push(start..rows.bytes.len());
            lines.push(*line);
        }
    }
    Ok(())
}
