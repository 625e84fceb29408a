//! What JSON lines and CSV share: opening, and numbers written as text.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::open_file;
use crate::failure::{Failure, excerpt};

/// A text file after its byte order mark.
pub type Text = BufReader<File>;

/// Opens a text file with its size; refuses what only bears the name of one.
pub fn open(path: &Path) -> Result<(Text, u64), Failure> {
    let (file, size) = open_file(path)?;
    let mut text = BufReader::with_capacity(1 << 20, file);
    let head = text.fill_buf().map_err(|e| Failure::of_file(path, format!("cannot be read: {e}")))?;
    if head.is_empty() {
        return Err(Failure::of_file(path, "is empty; there is nothing in it to read"));
    }
    let disguise = match head {
        [0x1f, 0x8b, ..] => Some("is compressed by gzip; decompress it first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("is compressed by zstd; decompress it first"),
        [b'P', b'K', 3, 4, ..] => Some("is a zip archive; text is needed"),
        [b'P', b'A', b'R', b'1', ..] => Some("is a Parquet file; it must end in .parquet"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("is UTF-16 text; UTF-8 is needed"),
        _ => None,
    };
    if let Some(message) = disguise {
        return Err(Failure::of_file(path, message));
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    Ok((text, size))
}

/// Reads the next line into `line`, without more than `most` bytes; returns its length, 0 at the end.
pub fn read_line(text: &mut Text, line: &mut Vec<u8>, most: u64) -> std::io::Result<usize> {
    text.take(most).read_until(b'\n', line)
}

/// The nearest `f32` to a decimal number; also nan, inf and infinity in any case, with a sign.
pub fn number(text: &str) -> Result<f32, String> {
    text.parse()
        .map_err(|_| format!("\"{}\" is not a number; a decimal number, nan, inf or -inf is needed", excerpt(text)))
}
