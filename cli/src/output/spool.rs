//! Columns on the disk, for formats that state the number of rows before the first of them.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::column::{Values, rows};

/// Columns of little-endian numbers in temporary files without names.
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
    pub fn write(&mut self, columns: &[Values<'_>]) -> io::Result<()> {
        for (spool, column) in self.columns.iter_mut().zip(columns) {
            match column {
                Values::F32(values) => values.iter().try_for_each(|x| spool.write_all(&x.to_le_bytes()))?,
                Values::I64(values) => values.iter().try_for_each(|x| spool.write_all(&x.to_le_bytes()))?,
            }
        }
        self.rows += rows(columns) as u64;
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
