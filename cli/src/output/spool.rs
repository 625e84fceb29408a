//! Columns on the disk, for formats that state the number of rows before the first of them.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Columns of little-endian `f32` in temporary files without names.
pub struct Spool {
    columns: Vec<BufWriter<File>>,
    rows: u64,
}

impl Spool {
    /// Starts empty columns in a folder.
    pub fn new(folder: &Path, columns: usize) -> io::Result<Self> {
        let file = || Ok(BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(folder)?));
        Ok(Self { columns: (0..columns).map(|_| file()).collect::<io::Result<_>>()?, rows: 0 })
    }

    /// Appends rows.
    pub fn write(&mut self, columns: &[&[f32]]) -> io::Result<()> {
        for (spool, column) in self.columns.iter_mut().zip(columns) {
            for value in *column {
                spool.write_all(&value.to_le_bytes())?;
            }
        }
        self.rows += columns.first().map_or(0, |column| column.len()) as u64;
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A column's bytes from the first on.
    pub fn column(&mut self, index: usize) -> io::Result<impl Read> {
        let spool = &mut self.columns[index];
        spool.flush()?;
        spool.rewind()?;
        Ok(BufReader::with_capacity(1 << 18, spool.get_ref()))
    }
}
