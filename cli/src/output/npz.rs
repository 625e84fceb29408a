//! numpy's `.npz`: a zip of arrays, stored as `numpy.savez` does.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use npyz::{AutoSerialize, WriteOptions, WriterBuilder, npz};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::spool::Spool;
use super::{ColumnWriter, Kind, Target, Values};
use crate::failure::Failure;

/// An npz file.
pub struct Npz {
    target: Target,
    spool: Spool,
}

impl Npz {
    pub fn new(target: Target) -> Result<Self, Failure> {
        let spool = Spool::new(target.file.folder(), target.fields.len()).map_err(|e| target.failure(e))?;
        Ok(Self { target, spool })
    }

    fn write_archive(&mut self) -> io::Result<()> {
        let mut zip = ZipWriter::new(BufWriter::with_capacity(1 << 18, self.target.file.file()));
        // Always the same date, 1980: the same rows give the same bytes.
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Stored)
            .large_file(self.spool.rows() > u64::from(u32::MAX) / 8);
        for (index, field) in self.target.fields.iter().enumerate() {
            zip.start_file(npz::file_name_from_array_name(field.name), options)?;
            let (rows, bytes) = (self.spool.rows(), self.spool.column(index)?);
            match field.kind {
                Kind::F32 => write_array(&mut zip, rows, bytes, f32::from_le_bytes)?,
                Kind::I64 => write_array(&mut zip, rows, bytes, i64::from_le_bytes)?,
            }
        }
        zip.finish()?.flush()
    }
}

fn write_array<T: AutoSerialize, const N: usize>(
    zip: &mut ZipWriter<BufWriter<&mut File>>,
    rows: u64,
    mut bytes: impl Read,
    number: impl Fn([u8; N]) -> T,
) -> io::Result<()> {
    // Buffered: the zip writer takes a checksum at every write.
    let mut buffered = BufWriter::with_capacity(1 << 16, zip);
    let mut array = WriteOptions::<T>::new().default_dtype().shape(&[rows]).writer(&mut buffered).begin_nd()?;
    for _ in 0..rows {
        let mut value = [0; N];
        bytes.read_exact(&mut value)?;
        array.push(&number(value))?;
    }
    array.finish()?;
    buffered.flush()
}

impl ColumnWriter for Npz {
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure> {
        self.spool.write(columns).map_err(|e| self.target.failure(e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.write_archive().map_err(|e| self.target.failure(e))?;
        self.target.publish()
    }
}
