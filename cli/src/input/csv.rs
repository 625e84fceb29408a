//! Comma-separated values with a header.

use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

use super::{CHUNK_ROWS, Chunk, ColumnReader, Reading, Wanted, text};
use crate::failure::{Failure, Place, name_list};

/// A CSV file.
pub struct Csv {
    path: PathBuf,
    wanted: Vec<Wanted>,
    /// Where the wanted columns stand in a record.
    fields: Vec<usize>,
    /// How many fields each record has.
    width: usize,
    reader: Reader<text::Text>,
    record: ByteRecord,
    size: u64,
}

impl Csv {
    /// Opens the file and finds the columns in its header.
    pub fn open(path: &Path, wanted: &[Wanted], _reading: &Reading) -> Result<Self, Failure> {
        let (text, size) = text::open(path)?;
        // Lines end with \n alone, so that they can be counted; trimming each field takes the \r of Windows. Flexible, for a
        // line of blanks is then seen, and not an error.
        let mut reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).flexible(true).from_reader(text);
        let header = reader.byte_headers().map_err(|e| failure(path, e))?;
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned()).collect();
        let mut fields = Vec::new();
        for wanted in wanted {
            let mut found = names.iter().enumerate().filter(|(_, name)| **name == wanted.name);
            let Some((field, _)) = found.next() else {
                let mut there = name_list(names.iter().map(String::as_str));
                if names.len() == 1 && names[0].contains([';', '\t']) {
                    there.push_str("; the separator must be a comma");
                }
                return Err(Failure::at(path, Place::Line(1), wanted.missing_message(&there)));
            };
            if found.next().is_some() {
                return Err(Failure::at(path, Place::Line(1), format!("two columns are named {}", wanted.name)));
            }
            fields.push(field);
        }
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            fields,
            width: names.len(),
            reader,
            record: ByteRecord::new(),
            size,
        })
    }

    /// The line on which the current record starts.
    fn line(&self) -> u64 {
        // The reader's own answer counts from the end of the record before, and there may be blank lines between.
        let before = self.record.position().map_or(0, csv::Position::line);
        let inside = memchr::memchr_iter(b'\n', self.record.as_slice()).count() as u64;
        before.max(self.reader.position().line().saturating_sub(1 + inside))
    }
}

impl ColumnReader for Csv {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.wanted.len());
        while chunk.lines.len() < CHUNK_ROWS {
            if !self.reader.read_byte_record(&mut self.record).map_err(|e| failure(&self.path, e))? {
                break;
            }
            if self.record.len() == 1 && self.record[0].trim_ascii().is_empty() {
                continue;
            }
            let line = self.line();
            if self.record.len() != self.width {
                let (fields, width) = (self.record.len(), self.width);
                let message = format!("{fields} fields, but the header has {width}; every line needs as many");
                return Err(Failure::at(&self.path, Place::Line(line), message));
            }
            for ((column, &field), wanted) in chunk.columns.iter_mut().zip(&self.fields).zip(&self.wanted) {
                let bytes = self.record.get(field).unwrap_or_default().trim_ascii();
                let value = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()).and_then(|text| {
                    if text.is_empty() {
                        Err("empty; a number is needed (nan for one that is not known)".into())
                    } else {
                        text::number(text)
                    }
                });
                column.push(
                    value.map_err(|message| Failure::of_value(&self.path, Place::Line(line), &wanted.name, message))?,
                );
            }
            chunk.lines.push(line);
        }
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.reader.position().byte() as f64 / self.size.max(1) as f64
    }
}

fn failure(path: &Path, error: csv::Error) -> Failure {
    match error.kind() {
        ErrorKind::Io(e) => Failure::of_file(path, format!("cannot be read: {e}")),
        _ => Failure::of_file(path, format!("not valid CSV: {error}")),
    }
}
