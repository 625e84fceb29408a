//! The file formats, told by a file's ending.

use std::path::Path;

use crate::failure::Failure;

/// A format that is read, and written unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// A zip of numpy arrays.
    Npz,
    /// One numpy array of records; read only.
    Npy,
    /// Arrow's files and streams; read only.
    Arrow,
    /// One tensor a column.
    Safetensors,
}

impl Format {
    /// The format that the ending of `path` names.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        const KNOWN: &str =
            "known endings: .jsonl, .ndjson, .csv, .parquet, .arrow, .feather, .ipc, .npz, .npy, .safetensors";
        if path == Path::new("-") {
            return Err(Failure::of_file(path, format!("the ending of a file name tells its format; {KNOWN}")));
        }
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some("npz") => Ok(Self::Npz),
            Some("npy") => Ok(Self::Npy),
            Some("arrow" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("safetensors") => Ok(Self::Safetensors),
            Some(other) => Err(Failure::of_file(path, format!("unknown ending .{other}; {KNOWN}"))),
            None => Err(Failure::of_file(path, format!("no ending to tell the format by; {KNOWN}"))),
        }
    }
}
