//! numpy's `.npz`: a zip of arrays, stored as `numpy.savez` does.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use npyz::{AutoSerialize, WriteOptions, WriterBuilder, npz};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::spool::Spool;
use super::{ColumnWriter, Field, Kind, Target, Values};
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
        let mut failed = None;
        let file = Once { file: self.target.file.file(), failed: &mut failed };
        let written = write_zip(&self.target.fields, &mut self.spool, BufWriter::with_capacity(1 << 18, file));
        failed.map_or(written, Err)
    }
}

/// A file that reports the first failed write and takes all that follow for done: a zip writer that is dropped after a failure
/// tries to end its archive, and would say on standard error that it failed again.
struct Once<'a> {
    file: &'a mut File,
    failed: &'a mut Option<io::Error>,
}

impl Write for Once<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Ok(bytes.len());
        }
        self.file.write(bytes).map_err(|e| {
            let kind = e.kind();
            if kind != io::ErrorKind::Interrupted {
                *self.failed = Some(e);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_some() { Ok(()) } else { self.file.flush() }
    }
}

impl Seek for Once<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

type Archive<'a> = BufWriter<Once<'a>>;

fn write_zip(fields: &[Field], spool: &mut Spool, file: Archive<'_>) -> io::Result<()> {
    let mut zip = ZipWriter::new(file);
    // Always the same date, 1980: the same rows give the same bytes.
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Stored)
        .large_file(spool.rows() > u64::from(u32::MAX) / 8);
    for (index, field) in fields.iter().enumerate() {
        zip.start_file(npz::file_name_from_array_name(field.name), options)?;
        let (rows, bytes) = (spool.rows(), spool.column(index)?);
        match field.kind {
            Kind::F32 => write_array(&mut zip, rows, bytes, f32::from_le_bytes)?,
            Kind::I64 => write_array(&mut zip, rows, bytes, i64::from_le_bytes)?,
        }
    }
    zip.finish()?.flush()
}

fn write_array<T: AutoSerialize, const N: usize>(
    zip: &mut ZipWriter<Archive<'_>>,
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
