//! Writers: named columns of `f32`, chunk after chunk, into a file that appears whole or not at all.

mod csv;
mod jsonl;
mod npz;
mod parquet;
mod rows;
mod safetensors;
mod spool;
mod whole;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::format::Format;

pub use rows::number;

/// A destination of columns.
pub trait ColumnWriter {
    /// Appends rows: one slice a column, all of one length.
    fn write(&mut self, columns: &[&[f32]]) -> Result<(), Failure>;

    /// Ends the file and gives it its name. Dropped before, the writer leaves nothing behind.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// Starts a file in the format of its ending.
pub fn create(path: &Path, names: &'static [&'static str]) -> Result<Box<dyn ColumnWriter>, Failure> {
    let format = Format::of(path)?;
    let target = Target { path: path.to_owned(), file: whole::WholeFile::create(path)?, names };
    Ok(match format {
        Format::JsonLines => Box::new(jsonl::JsonLines::new(target)),
        Format::Csv => Box::new(csv::Csv::new(target)?),
        Format::Parquet => Box::new(parquet::Parquet::new(target)?),
        Format::Npz => Box::new(npz::Npz::new(target)?),
        Format::Safetensors => Box::new(safetensors::Safetensors::new(target)?),
    })
}

/// What every writer writes to.
struct Target {
    path: PathBuf,
    file: whole::WholeFile,
    names: &'static [&'static str],
}

impl Target {
    fn failure(&self, error: impl Display) -> Failure {
        cannot_write(&self.path, error)
    }

    fn publish(self) -> Result<(), Failure> {
        self.file.publish().map_err(|e| cannot_write(&self.path, e))
    }
}

fn cannot_write(path: &Path, error: impl Display) -> Failure {
    Failure::of_file(path, format!("cannot be written: {error}"))
}
