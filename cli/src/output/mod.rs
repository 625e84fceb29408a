//! Writers: named columns of numbers, chunk after chunk, into a file that appears whole or not at all.

mod column;
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

use crate::failure::{Failure, shown};
use crate::format::Format;
use crate::provenance::Entries;

pub use column::{Field, Kind, Values};
pub use rows::number;
#[cfg(feature = "judge")]
pub use whole::WholeFile;
pub use whole::{check as check_place, is_same_file, written};

/// A destination of columns.
pub trait ColumnWriter: Send {
    /// Appends rows: the numbers of each column. The first column has one a row.
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure>;

    /// Ends the file and gives it its name. Dropped before, the writer leaves nothing behind.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// Finds early what would else be found late: an ending without a format, an input as the output, a place where no file can be.
/// Nothing is opened: whoever writes to a pipe would be left without a reader.
pub fn check<'a>(path: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<Format, Failure> {
    let format = Format::of_output(path)?;
    check_inputs("--out", path, inputs)?;
    check_place(path)?;
    Ok(format)
}

/// That an option names none of the inputs, by whatever name.
pub fn check_inputs<'a>(option: &str, path: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    match inputs.into_iter().find(|input| is_same_file(input, path)) {
        Some(input) => {
            let message = format!("{option} would replace the input {}; name another file", shown(input));
            Err(Failure::of_file(path, message))
        }
        None => Ok(()),
    }
}

/// Whether a format has a place for what a file says of itself beside its numbers.
pub fn holds_metadata(format: Format) -> bool {
    matches!(format, Format::Parquet | Format::Safetensors)
}

/// Starts a file in the format of its ending; what it says of itself goes where the format has a place for it.
pub fn create(path: &Path, fields: &[Field], metadata: &Entries) -> Result<Box<dyn ColumnWriter>, Failure> {
    let format = Format::of_output(path)?;
    assert!(
        format == Format::Safetensors || fields.iter().all(|field| field.list.is_none()),
        "only tensors hold lists"
    );
    let target = Target {
        path: path.to_owned(),
        file: whole::WholeFile::create(path)?,
        fields: fields.to_vec(),
        metadata: metadata.clone(),
    };
    Ok(match format {
        Format::JsonLines => Box::new(jsonl::JsonLines::new(target)),
        Format::Csv => Box::new(csv::Csv::new(target)?),
        Format::Parquet => Box::new(parquet::Parquet::new(target)?),
        Format::Npz => Box::new(npz::Npz::new(target)?),
        Format::Safetensors => Box::new(safetensors::Safetensors::new(target)?),
        Format::Arrow | Format::Npy => unreachable!("no format that is written"),
    })
}

/// What every writer writes to.
struct Target {
    path: PathBuf,
    file: whole::WholeFile,
    fields: Vec<Field>,
    metadata: Entries,
}

impl Target {
    fn failure(&self, error: impl Display) -> Failure {
        cannot_write(&self.path, error)
    }

    fn publish(self) -> Result<(), Failure> {
        self.file.publish()
    }
}

/// A failure to write a file.
pub fn cannot_write(path: &Path, error: impl Display) -> Failure {
    Failure::of_file(path, format!("cannot be written: {error}"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pipe_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, out) = (folder.path().join("in.csv"), folder.path().join("out.csv"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (sender, receiver) = mpsc::channel();
        // Opening a pipe that nobody writes to waits for ever, and so does opening one that nobody reads.
        std::thread::spawn(move || {
            sender.send([check(&out, [pipe.as_path()]).is_ok(), check(&pipe, [out.as_path()]).is_ok()])
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok([true, false]));
    }
}
