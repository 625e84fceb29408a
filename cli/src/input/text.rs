//! What the text formats share: opening, decompression, lines, and numbers written as text.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::{Kind, Reading, open_stream};
use crate::failure::{Failure, excerpt};
use crate::format::{Content, Format};

/// How much is looked at to tell what a file is.
const HEAD: u64 = 64 << 10;
/// How much is read at once.
const BUFFER: usize = 1 << 20;

type Bytes = Box<dyn Read + Send>;

/// A text file after its byte order mark, decompressed.
pub struct Text {
    path: PathBuf,
    compression: Option<&'static str>,
    /// What ends a line: \n, or \r in a file that has no other.
    pub line_end: u8,
    reader: BufReader<Bytes>,
    size: u64,
    consumed: Arc<AtomicU64>,
}

impl Text {
    /// Opens a file; refuses what is no text.
    pub fn open(path: &Path, format: Format) -> Result<Self, Failure> {
        let (file, size) = open_stream(path)?;
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Box::new(Counted { file, consumed: consumed.clone() });
        let fail = |compression| move |e: io::Error| read_failure(path, compression, &e);
        let (magic, file) = peek(counted, 6).map_err(fail(None))?;
        let (file, compression) = decompressed(&magic, file).map_err(fail(None))?;
        let (head, file) = peek(file, HEAD).map_err(fail(compression))?;
        if head.is_empty() {
            return Err(Failure::of_file(path, "is empty; there is nothing in it to read"));
        }
        let is_mark = head.starts_with(b"\xef\xbb\xbf");
        let text = &head[if is_mark { 3 } else { 0 }..];
        if let Some(problem) = not_text(&head, format) {
            return Err(Failure::of_file(path, problem));
        }
        let line_end = line_end(text);
        let mut text = Self {
            path: path.to_owned(),
            compression,
            line_end,
            reader: BufReader::with_capacity(BUFFER, file),
            size,
            consumed,
        };
        if is_mark {
            text.peek()?;
            text.consume(3);
        }
        Ok(text)
    }

    /// The bytes that come next, as many as happen to be there; none at the end.
    pub fn peek(&mut self) -> Result<&[u8], Failure> {
        let (path, compression) = (&self.path, self.compression);
        self.reader.fill_buf().map_err(|e| read_failure(path, compression, &e))
    }

    /// Goes on behind bytes that were peeked at.
    pub fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
    }

    /// Reads to the end of the line into `line`, but no more than `most` bytes; returns how many, 0 at the end.
    pub fn read_line(&mut self, line: &mut Vec<u8>, most: usize) -> Result<usize, Failure> {
        let start = line.len();
        loop {
            let line_end = self.line_end;
            let there = self.peek()?;
            let there = &there[..there.len().min(most - (line.len() - start))];
            let end = memchr::memchr(line_end, there);
            let piece = &there[..end.map_or(there.len(), |end| end + 1)];
            line.extend_from_slice(piece);
            let length = piece.len();
            self.consume(length);
            if end.is_some() || length == 0 {
                return Ok(line.len() - start);
            }
        }
    }

    /// The share of the file that has been read.
    pub fn progress(&self) -> f64 {
        self.consumed.load(Ordering::Relaxed) as f64 / self.size.max(1) as f64
    }
}

/// Counts what is read of the file itself, for the progress.
struct Counted {
    file: Bytes,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The first bytes, and a reader that still yields all: a pipe cannot go back.
fn peek(mut file: Bytes, most: u64) -> io::Result<(Vec<u8>, Bytes)> {
    let mut head = Vec::new();
    file.by_ref().take(most).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(file))))
}

/// A file that starts with `magic`, decompressed if that says so, and by what.
fn decompressed(magic: &[u8], file: Bytes) -> io::Result<(Bytes, Option<&'static str>)> {
    let buffered = |file| BufReader::with_capacity(BUFFER, file);
    Ok(match magic {
        [0x1f, 0x8b, ..] => (Box::new(MultiGzDecoder::new(buffered(file))), Some("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => (Box::new(zstd::Decoder::with_buffer(buffered(file))?), Some("zstd")),
        _ => (file, None),
    })
}

/// A failure to read on.
fn read_failure(path: &Path, compression: Option<&str>, error: &io::Error) -> Failure {
    let message = match compression {
        Some(name) if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("cut off: its {name} data stops before its end, or ends in bytes of something else")
        }
        Some(name) => format!("its {name} data cannot be read, or something else follows it: {error}"),
        None => format!("cannot be read: {error}"),
    };
    Failure::of_file(path, message)
}

/// Why a file that starts so is no text to read.
fn not_text(head: &[u8], format: Format) -> Option<String> {
    let utf16 =
        |order, mark| Some(format!("is UTF-16 text{mark}; UTF-8 is needed: iconv -f UTF-16{order} -t UTF-8 makes it"));
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Some("is UTF-32 text; UTF-8 is needed: iconv -f UTF-32 -t UTF-8 makes it".to_owned());
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return utf16("", ""),
        [1..=u8::MAX, 0, 1..=u8::MAX, 0, ..] => return utf16("LE", " without a byte order mark"),
        [0, 1..=u8::MAX, 0, 1..=u8::MAX, ..] => return utf16("BE", " without a byte order mark"),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Some("is compressed twice; decompress it once".to_owned());
        }
        _ => {}
    }
    if let Some(problem) = Content::of(head).and_then(|content| content.but_not(format)) {
        return Some(problem);
    }
    let zero = memchr::memchr(0, head)?;
    Some(format!("is no text: byte {} is 0", zero + 1))
}

/// What ends the lines of a text that starts so.
fn line_end(head: &[u8]) -> u8 {
    let is_cr = |at: usize| head.get(at + 1).is_some_and(|&next| next != b'\n');
    match memchr::memchr2(b'\n', b'\r', head) {
        Some(at) if head[at] == b'\r' && is_cr(at) && memchr::memchr(b'\n', head).is_none() => b'\r',
        _ => b'\n',
    }
}

/// What a field of CSV, or a string that is to be read as one, stands for; `None` if its value is missing.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn value(text: &str, reading: &Reading) -> Result<Option<f32>, String> {
    if is_null(text) {
        return Ok(None);
    }
    if text.starts_with('[') {
        return list(text, reading).map(Some);
    }
    number(text, reading.decimal_comma).map(Some)
}

/// The nearest `f32` to a decimal number; also nan, inf and infinity in any case, with a sign.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn number(text: &str, decimal_comma: bool) -> Result<f32, String> {
    let number = if !decimal_comma {
        text.parse().ok()
    } else if text.contains('.') {
        None
    } else if text.contains(',') {
        text.replacen(',', ".", 1).parse().ok()
    } else {
        text.parse().ok()
    };
    number.ok_or_else(|| format!("\"{}\" is not a number{}", excerpt(text), hint(text, decimal_comma)))
}

/// How what is not a number came to be there, and what would be one.
fn hint(text: &str, decimal_comma: bool) -> &'static str {
    let has = |pattern: &[char]| text.contains(pattern);
    if !text.contains(|c: char| c.is_ascii_digit()) {
        "; a decimal number, nan, inf or -inf is needed"
    } else if decimal_comma && has(&['.']) {
        ": it has a point, where --decimal-comma wants a comma; separators of thousands are not read"
    } else if !decimal_comma && has(&[',']) {
        ": it has a comma; --decimal-comma reads decimal commas, separators of thousands are not read"
    } else if text.ends_with('%') {
        ": a percentage is not read; divide it by 100"
    } else if has(&['\u{2212}', '\u{2013}', '\u{2014}']) {
        ": its minus is another character than -"
    } else if has(&['(']) {
        ": brackets are not read; the bare number is needed, in Python float(x)"
    } else if has(&[' ', '\'', '_', '\u{a0}', '\u{202f}', '\u{2009}', ',']) {
        ": separators of thousands are not read; remove them"
    } else if has(&['d', 'D']) && text.replace(['d', 'D'], "e").parse::<f32>().is_ok() {
        ": Fortran's exponent D is not read; E is needed"
    } else {
        "; a decimal number, nan, inf or -inf is needed"
    }
}

/// Whether a field says that its value is missing: nothing, or one of the words that data tools write for it.
pub fn is_null(text: &str) -> bool {
    const WORDS: [&str; 8] = ["null", "none", "na", "n/a", "#n/a", "#na", "<na>", "\\n"];
    // Numbers start otherwise, and are many.
    match text.as_bytes().first() {
        None => true,
        Some(b'-' | b'+' | b'.' | b'0'..=b'9') => false,
        Some(_) => WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)),
    }
}

/// The log-probability of an answer whose tokens stand in a list.
///
/// # Errors
/// That lists are not to be read, or what is wrong with this one.
pub fn list(text: &str, reading: &Reading) -> Result<f32, String> {
    let inside = inside(text)?;
    let Some(tokens) = reading.tokens else {
        return Err(format!(
            "holds lists (here, values: {}); a number is needed (of the log-probabilities of tokens --tokens sum makes \
             their sum, --tokens mean their mean)",
            items(inside).count()
        ));
    };
    tokens.reduce(numbers(inside, reading)?)
}

/// The numbers of a list's answers; `None` if the list is missing.
///
/// # Errors
/// What is wrong with it.
pub fn answers(text: &str, reading: &Reading) -> Result<Option<Vec<Option<f32>>>, String> {
    if is_null(text) {
        return Ok(None);
    }
    if !text.starts_with('[') {
        return Err(format!("\"{}\" is no list; {}", excerpt(text), Kind::Answers.needed()));
    }
    numbers(inside(text)?, reading).map(Some)
}

/// A list without its brackets.
fn inside(text: &str) -> Result<&str, String> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(str::trim_ascii);
    inside.ok_or_else(|| format!("\"{}\" is a list without its end", excerpt(text)))
}

fn items(inside: &str) -> impl Iterator<Item = &str> {
    inside.split(',').filter(move |_| !inside.is_empty()).map(str::trim_ascii)
}

/// The numbers of a list; `None` for each null.
fn numbers(inside: &str, reading: &Reading) -> Result<Vec<Option<f32>>, String> {
    let mut values = Vec::new();
    for (position, item) in items(inside).enumerate() {
        let value = if item.starts_with(['[', '{']) {
            Err("a list or an object is in it; numbers are needed".to_owned())
        } else if matches!(item, "null" | "None") {
            Ok(None)
        } else {
            match item.strip_prefix('"').and_then(|item| item.strip_suffix('"')) {
                Some(string) if is_not_finite(string) || reading.number_strings => {
                    number(string, reading.decimal_comma)
                }
                Some(string) => Err(text_problem(string)),
                // A list has commas between its numbers, and so none in them.
                None => number(item, false),
            }
            .map(Some)
        };
        values.push(value.map_err(|problem| format!("position {position} (from 0) of the list: {problem}"))?);
    }
    Ok(values)
}

/// What a label may be, for messages.
pub const LABELS: &str = "true or false, 1 or 0, desirable or undesirable, chosen or rejected is needed";

/// The label that a text stands for, 1 or 0, or a number that is still to be checked; `None` if it is missing.
///
/// # Errors
/// That it is none.
pub fn label(text: &str) -> Result<Option<f32>, String> {
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if is(["true", "desirable", "chosen"]) => Ok(Some(1.0)),
        Err(_) if is(["false", "undesirable", "rejected"]) => Ok(Some(0.0)),
        Err(_) if is_null(text) => Ok(None),
        Err(_) => Err(format!("\"{}\" is no label; {LABELS}", excerpt(text))),
    }
}

/// What stands for a group: alike for what is alike.
pub fn group(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Whether text is one of the numbers that JSON cannot write otherwise.
pub fn is_not_finite(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_digit()) && text.parse::<f32>().is_ok_and(|number| !number.is_finite())
}

/// What is wrong with a JSON string in the place of a number.
pub fn text_problem(text: &str) -> String {
    let excerpt = excerpt(text);
    if text.trim_ascii().parse::<f32>().is_ok() {
        format!("\"{excerpt}\" is text; a number is needed (--number-strings reads numbers in strings)")
    } else {
        format!("\"{excerpt}\" is text; a number is needed (as text only \"nan\", \"inf\" and \"-inf\")")
    }
}
