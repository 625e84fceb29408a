//! The file formats: told by a file's ending, by the option `--format`, or guessed from a file's first bytes to name the one
//! that would do.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, or an array of them.
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

/// The endings of what is written.
const WRITTEN: &str = "known endings: .jsonl, .ndjson, .csv, .parquet, .npz, .safetensors";
/// The endings of what is read.
const READ: &str = "known endings: .jsonl, .ndjson, .json, .csv, .tsv (text also with .gz or .zst), .parquet, .arrow, .feather, .ipc, .npz, .npy, .safetensors";

impl Format {
    /// The format of a file that is read, which its ending names.
    ///
    /// # Errors
    /// An ending that names none, with what the file looks like.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        if is_stdin(path) {
            return Err(Failure::of_file(
                path,
                "has no ending to tell its format by; --format NAME does, as --format jsonl",
            ));
        }
        let (inner, compressed) = without_compression(path);
        let ending = ending(&inner);
        if let Some(format) = ending.as_deref().and_then(Self::of_ending) {
            if compressed && !format.is_text() {
                let message = "compressed as a whole, which is read of text alone; decompress it first";
                return Err(Failure::of_file(path, message));
            }
            return Ok(format);
        }
        let problem = match ending.as_deref() {
            Some(packed @ ("bz2" | "xz" | "lzma" | "lz4" | "br" | "z" | "7z" | "zip" | "tar" | "tgz")) => {
                let message =
                    format!("compressed as .{packed}, which is not read; decompress it (gzip and zstd are read)");
                return Err(Failure::of_file(path, message));
            }
            Some(other) => format!("unknown ending .{other}"),
            None => "no ending to tell the format by".to_owned(),
        };
        let guess = head_of_file(path).and_then(|head| Content::of(&head));
        let remedy = guess.map_or_else(
            || format!("{READ}; --format NAME tells what has no such ending"),
            |content| content.it_looks_like(),
        );
        Err(Failure::of_file(path, format!("{problem}; {remedy}")))
    }

    /// The format of a file to be written, which its ending names.
    ///
    /// # Errors
    /// An ending that names none, or one of a format that is only read.
    pub fn of_output(path: &Path) -> Result<Self, Failure> {
        let problem = match ending(path).as_deref() {
            Some("json") => "a JSON array is read, not written; .jsonl is".to_owned(),
            Some("tsv") => "values between tabs are read, not written; .csv is".to_owned(),
            Some("gz" | "gzip" | "zst" | "zstd") => "compressed files are read, not written".to_owned(),
            Some(other) => match Self::of_ending(other) {
                Some(Self::Arrow | Self::Npy) => format!(".{other} files are read, not written"),
                Some(format) => return Ok(format),
                None => format!("unknown ending .{other}"),
            },
            None => "no ending to tell the format by".to_owned(),
        };
        Err(Failure::new(format!("{}: {problem}; {WRITTEN}", path.display())))
    }

    /// The format that an ending names, whatever compression it may follow.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "jsonl" | "ndjson" | "json" => Self::JsonLines,
            "csv" | "tsv" => Self::Csv,
            "parquet" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "npz" => Self::Npz,
            "npy" => Self::Npy,
            "safetensors" => Self::Safetensors,
            _ => return None,
        })
    }

    /// Whether its files are text, which may be compressed as a whole.
    pub fn is_text(self) -> bool {
        matches!(self, Self::JsonLines | Self::Csv)
    }
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Whether the ending says that tabs stand between the fields.
pub fn is_tsv(path: &Path) -> bool {
    ending(&without_compression(path).0).as_deref() == Some("tsv")
}

/// A path without an ending that says only how it is compressed, and whether it had one.
fn without_compression(path: &Path) -> (PathBuf, bool) {
    match ending(path).as_deref() {
        Some("gz" | "gzip" | "zst" | "zstd") => (path.with_extension(""), true),
        _ => (path.to_owned(), false),
    }
}

fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
}

/// The first bytes of a file that can be read once more; a pipe cannot.
pub fn head_of_file(path: &Path) -> Option<Vec<u8>> {
    const LENGTH: u64 = 4096;
    let mut head = Vec::new();
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    File::open(path).ok()?.take(LENGTH).read_to_end(&mut head).ok()?;
    Some(head)
}

/// What the first bytes of a file show it to be.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// In words, with an article.
    pub what: &'static str,
    /// The name for `--format`, and what it stands for; none if it is not read.
    pub read_as: Option<(&'static str, Format)>,
    /// Whether the bytes cannot be anything else.
    pub is_certain: bool,
}

impl Content {
    /// Of a file that starts so.
    pub fn of(head: &[u8]) -> Option<Self> {
        Self::binary(head).or_else(|| Self::text(head))
    }

    /// What carries its mark in the first bytes.
    fn binary(head: &[u8]) -> Option<Self> {
        let holds = |word: &[u8]| memchr::memmem::find(&head[..head.len().min(512)], word).is_some();
        let (what, read_as) = match head {
            [b'P', b'A', b'R', b'1', ..] => ("a Parquet file", Some(("parquet", Format::Parquet))),
            [b'P', b'K', 3, 4, ..] if holds(b".npy") => ("an .npz archive", Some(("npz", Format::Npz))),
            [b'P', b'K', 3, 4, ..] if holds(b"xl/") || holds(b"[Content_Types]") => {
                ("a spreadsheet (.xlsx), which can be exported as CSV", None)
            }
            [b'P', b'K', 3, 4, ..] => ("a zip archive", None),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => ("an Arrow file", Some(("arrow", Format::Arrow))),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => ("a numpy array (.npy)", Some(("npy", Format::Npy))),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => ("compressed by bzip2, which is not read; decompress it", None),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => ("compressed by xz, which is not read; decompress it", None),
            [4, 0x22, 0x4d, 0x18, ..] => ("compressed by lz4, which is not read; decompress it", None),
            [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file, which is not read", None),
            // Before the pickle, whose first bytes may be those of a length.
            _ if head.get(8) == Some(&b'{') && is_header_length(head) => {
                ("a safetensors file", Some(("safetensors", Format::Safetensors)))
            }
            [0x80, 2..=5, ..] => ("a Python pickle, which is not read", None),
            _ if head.starts_with(b"SQLite format 3") => ("a SQLite database, which is not read", None),
            _ if head.starts_with(b"version https://git-lfs") => {
                ("a Git LFS pointer, not the file that it stands for (git lfs pull fetches it)", None)
            }
            _ => return None,
        };
        Some(Self { what, read_as, is_certain: true })
    }

    /// What text looks like.
    fn text(head: &[u8]) -> Option<Self> {
        if is_compressed_text(head) {
            let what = "text that is compressed";
            return Some(Self { what, read_as: Some(("csv (or jsonl)", Format::Csv)), is_certain: false });
        }
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        // The end may have been cut within a character.
        if head.contains(&0) || std::str::from_utf8(head).is_err_and(|e| e.error_len().is_some()) {
            return None;
        }
        let head = head.trim_ascii_start();
        let line = head.split(|&byte| byte == b'\n').next()?;
        let (what, read_as) = match line {
            [b'{', ..] => ("JSON lines", ("jsonl", Format::JsonLines)),
            [b'[', ..] => ("a JSON array", ("json", Format::JsonLines)),
            [b'<', ..] => {
                return Some(Self { what: "HTML or XML, which is not read", read_as: None, is_certain: false });
            }
            [first, ..] if first.is_ascii_control() || line.contains(&b'{') => return None,
            _ if line.contains(&b'\t') => ("values between tabs", ("tsv", Format::Csv)),
            _ if memchr::memchr3(b',', b';', b'|', line).is_some() => ("CSV", ("csv", Format::Csv)),
            _ => return None,
        };
        Some(Self { what, read_as: Some(read_as), is_certain: false })
    }

    /// What to do with a file that had to be guessed.
    pub fn it_looks_like(&self) -> String {
        match self.read_as {
            Some((name, _)) => format!("it looks like {}: --format {name} reads it", self.what),
            None => format!("it is {}", self.what),
        }
    }

    /// What to do with a file that was taken for another format, if it is not that one.
    pub fn but_not(&self, taken_for: Format) -> Option<String> {
        match self.read_as {
            Some((_, format)) if format == taken_for => None,
            // What kind of text it is, its reader finds out.
            _ if taken_for.is_text() && !self.is_certain => None,
            Some((name, _)) => Some(format!("is {}, by its contents: --format {name} reads it", self.what)),
            None => Some(format!("is {}", self.what)),
        }
    }
}

/// The length of the header of a safetensors file stands in its first 8 bytes; the format allows 100 MB.
fn is_header_length(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|&bytes| (2..=100_000_000).contains(&u64::from_le_bytes(bytes)))
}

fn is_compressed_text(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}
