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

    /// Gathers the elements of the next chunk.
    fn read_elements(&mut self, array: &mut Array, chunk: &Chunk) -> Result<(), Failure> {
        while !self.rows.is_full() {
            let start = self.rows.bytes.len();
            match array.element(&mut self.text, &mut self.rows.bytes) {
                Ok(true) => self.rows.rows.push(start..self.rows.bytes.len()),
                Ok(false) => break,
                Err(Fault::File(failure)) => return Err(failure),
                Err(Fault::Element(message)) => {
                    return Err(Failure::at(&self.path, chunk.place(self.rows.rows.len()), message));
                }
            }
        }
        Ok(())
    }

    /// Gathers the lines of the next chunk; blank ones are no rows.
    fn read_lines(&mut self, lines: &mut Vec<u64>) -> Result<(), Failure> {
        while !self.rows.is_full() {
            let start = self.rows.bytes.len();
            let length = self.text.read_line(&mut self.rows.bytes, LONGEST)?;
            if length == 0 {
                break;
            }
            self.line += 1;
            if length == LONGEST {
                let message = format!("longer than {LONGEST_IN_WORDS}; one JSON object a line is needed");
                return Err(Failure::at(&self.path, Place::Line(self.line), message));
            }
            if self.rows.bytes[start..].trim_ascii().is_empty() {
                self.rows.bytes.truncate(start);
            } else {
                self.rows.rows.push(start..self.rows.bytes.len());
                lines.push(self.line);
            }
        }
        Ok(())
    }
}

impl ColumnReader for JsonLines {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.wanted.len());
        self.rows.clear();
        match self.array {
            Some(mut array) => {
                self.read_elements(&mut array, chunk)?;
                self.array = Some(array);
            }
            None => self.read_lines(&mut chunk.lines)?,
        }
        let objects = Objects::new(&self.wanted, &self.reading);
        self.rows.parse(&self.path, &self.wanted, chunk, |found, row, values| objects.parse(found, row, values))
    }

    fn progress(&self) -> f64 {
        self.text.progress()
    }
}
