//! Rows that are needed twice, of a file that can be read once: a temporary file keeps them in between.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::{Chunk, ColumnReader};
use crate::failure::{Failure, Place};

/// Keeps the rows that a reader yields. They are no lists.
pub struct Recording {
    path: PathBuf,
    file: BufWriter<File>,
    chunks: u64,
}

impl Recording {
    /// Of the file `path`.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let file = tempfile::tempfile().map_err(|e| failure(path, &e))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), chunks: 0 })
    }

    /// The rows that follow.
    pub fn add(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        self.chunks += 1;
        write(&mut self.file, chunk).map_err(|e| failure(&self.path, &e))
    }

    /// A reader of all of them, in the place of the one that yielded them; `last` is what it yielded at its end.
    pub fn replay(self, reader: Box<dyn ColumnReader>, last: &Chunk) -> Result<Box<dyn ColumnReader>, Failure> {
        let Self { path, file, chunks } = self;
        let rewound = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut file| {
            file.rewind()?;
            Ok(BufReader::new(file))
        });
        let file = rewound.map_err(|e| failure(&path, &e))?;
        let (rows, skipped) = (last.before(), last.skipped());
        Ok(Box::new(Replay { path, file, chunks, read: 0, rows, skipped, reader }))
    }
}

/// The rows of a recording.
struct Replay {
    path: PathBuf,
    file: BufReader<File>,
    chunks: u64,
    read: u64,
    rows: u64,
    skipped: u64,
    /// The one that yielded them first.
    reader: Box<dyn ColumnReader>,
}

impl ColumnReader for Replay {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.columns.iter_mut().for_each(Vec::clear);
        chunk.named.clear();
        if self.read < self.chunks {
            self.read += 1;
            return read(&mut self.file, chunk).map_err(|e| failure(&self.path, &e));
        }
        (chunk.rows_before, chunk.skipped_before) = (self.rows, self.skipped);
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.chunks.max(1) as f64
    }

    fn behind(&self) -> Option<&dyn ColumnReader> {
        Some(&*self.reader)
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::of_file(path, format!("cannot be kept in a temporary file, to be read twice: {error}"))
}

/// How many columns and rows, then number and place of each row, then column by column the numbers.
fn write(file: &mut impl Write, chunk: &Chunk) -> io::Result<()> {
    for count in [chunk.columns.len(), chunk.rows()] {
        file.write_all(&(count as u64).to_le_bytes())?;
    }
    for row in 0..chunk.rows() {
        let (is_line, place) = match chunk.place(row) {
            Place::Line(line) => (1, line),
            Place::Row(row) => (0, row),
        };
        for number in [chunk.number(row), is_line, place] {
            file.write_all(&number.to_le_bytes())?;
        }
    }
    chunk.columns.iter().flatten().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

fn read(file: &mut impl Read, chunk: &mut Chunk) -> io::Result<()> {
    let mut number = || {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    };
    let (columns, rows) = (number()? as usize, number()? as usize);
    for _ in 0..rows {
        let (row, is_line, place) = (number()?, number()?, number()?);
        chunk.named.push((row, if is_line == 1 { Place::Line(place) } else { Place::Row(place) }));
    }
    chunk.columns.resize_with(columns, Vec::new);
    for column in &mut chunk.columns {
        let mut bytes = vec![0; 4 * rows];
        file.read_exact(&mut bytes)?;
        column.extend(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
    }
    Ok(())
}
