//! JSON: one object a line, or an array of objects.

use std::path::{Path, PathBuf};

use super::array::{Array, Fault};
use super::object::Objects;
use super::rows::{Block, LONGEST, LONGEST_IN_WORDS, Rows};
use super::text::Text;
use super::{Chunk, ColumnReader, Reading, Wanted};
use crate::failure::{Failure, Place};
use crate::format::Format;

/// A file of JSON objects.
pub struct JsonLines {
    path: PathBuf,
    wanted: Vec<Wanted>,
    reading: Reading,
    source: Source,
    rows: Rows,
}

/// The objects of the file as text.
struct Source {
    path: PathBuf,
    text: Text,
    /// Lines read so far; of an array, elements.
    count: u64,
    /// The state of the array, if the file is one.
    array: Option<Array>,
}

impl JsonLines {
    /// Opens the file; its columns are checked row by row.
    pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Self, Failure> {
        let mut text = Text::open(path, Format::JsonLines)?;
        let is_array = text.peek()?.trim_ascii_start().starts_with(b"[");
        let array = is_array.then(Array::default);
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            reading: reading.clone(),
            source: Source { path: path.to_owned(), text, count: 0, array },
            rows: Rows::default(),
        })
    }
}

impl ColumnReader for JsonLines {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Self { path, wanted, reading, source, rows } = self;
        let is_first = source.count == 0 && source.array.is_none();
        let is_alone = is_first && rows.coming(|block| source.gather(block)).rows.len() == 1;
        let objects = Objects::new(wanted, reading, is_alone);
        rows.read(
            path,
            wanted,
            chunk,
            |block| source.gather(block),
            |found, row, values| objects.parse(found, row, values),
        )
    }

    fn progress(&self) -> f64 {
        self.source.text.progress()
    }
}

impl Source {
    /// Appends objects to a block, until it is full.
    fn gather(&mut self, block: &mut Block) -> Result<(), Failure> {
        while !block.is_full() {
            let start = block.bytes.len();
            let is_there = match &mut self.array {
                Some(array) => match array.element(&mut self.text, &mut block.bytes) {
                    Ok(is_there) => is_there,
                    Err(Fault::File(failure)) => return Err(failure),
                    Err(Fault::Element(message)) => {
                        return Err(Failure::at(&self.path, Place::Row(self.count + 1), message));
                    }
                },
                None => self.line(&mut block.bytes)?,
            };
            if !is_there {
                break;
            }
            self.count += 1;
            if self.array.is_some() {
                block.rows.push(start..block.bytes.len());
            } else if block.bytes[start..].trim_ascii().is_empty() {
                // A blank line is no row.
                block.bytes.truncate(start);
            } else {
                block.rows.push(start..block.bytes.len());
                block.lines.push(self.count);
            }
        }
        Ok(())
    }

    /// Appends the next line to `bytes`; false when there is none.
    fn line(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let length = self.text.read_line(bytes, LONGEST)?;
        if length == LONGEST {
            let message = format!("longer than {LONGEST_IN_WORDS}; one JSON object a line is needed");
            return Err(Failure::at(&self.path, Place::Line(self.count + 1), message));
        }
        Ok(length > 0)
    }
}
