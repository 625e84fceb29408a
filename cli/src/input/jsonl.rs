//! JSON lines: one object a line, parsed in parallel.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{CHUNK_ROWS, Chunk, ColumnReader, Reading, Wanted, text};
use crate::failure::{Failure, Place, excerpt, name_list};

/// A line longer than this is no row; the limit keeps a file without line ends out of memory.
const LONGEST_LINE: usize = 256 << 20;
/// Long lines make small chunks.
const CHUNK_BYTES: usize = 32 << 20;
/// Rows that one task parses.
const TASK_ROWS: usize = 1024;

/// A JSON lines file.
pub struct JsonLines {
    path: PathBuf,
    wanted: Vec<Wanted>,
    text: text::Text,
    size: u64,
    consumed: u64,
    line: u64,
    bytes: Vec<u8>,
    rows: Vec<Range<usize>>,
}

impl JsonLines {
    /// Opens the file; its columns are checked row by row.
    pub fn open(path: &Path, wanted: &[Wanted], _reading: &Reading) -> Result<Self, Failure> {
        let (text, size) = text::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            text,
            size,
            consumed: 0,
            line: 0,
            bytes: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// Reads the lines of the next chunk; blank ones are no rows.
    fn read_lines(&mut self, lines: &mut Vec<u64>) -> Result<(), Failure> {
        self.bytes.clear();
        self.rows.clear();
        while self.rows.len() < CHUNK_ROWS && self.bytes.len() < CHUNK_BYTES {
            let start = self.bytes.len();
            let length = text::read_line(&mut self.text, &mut self.bytes, LONGEST_LINE as u64)
                .map_err(|e| Failure::of_file(&self.path, format!("cannot be read: {e}")))?;
            if length == 0 {
                break;
            }
            self.line += 1;
            self.consumed += length as u64;
            if length == LONGEST_LINE {
                let message = "longer than 256 MiB; one JSON object a line is needed";
                return Err(Failure::at(&self.path, Place::Line(self.line), message));
            }
            if self.bytes[start..].trim_ascii().is_empty() {
                self.bytes.truncate(start);
            } else {
                self.rows.push(start..self.bytes.len());
                lines.push(self.line);
            }
        }
        Ok(())
    }
}

impl ColumnReader for JsonLines {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.wanted.len());
        self.read_lines(&mut chunk.lines)?;
        let (path, wanted, bytes) = (&self.path, &self.wanted, &self.bytes);
        let parts: Vec<Result<Vec<f32>, Failure>> = (self.rows.par_chunks(TASK_ROWS))
            .zip(chunk.lines.par_chunks(TASK_ROWS))
            .map(|(rows, lines)| {
                let mut values = Vec::with_capacity(rows.len() * wanted.len());
                let mut raw = vec![None; wanted.len()];
                for (row, &line) in rows.iter().zip(lines) {
                    parse_row(&bytes[row.clone()], wanted, &mut raw, &mut values)
                        .map_err(|problem| problem.at(path, line))?;
                }
                Ok(values)
            })
            .collect();
        // In order, so that the first bad line is the one reported.
        for part in parts {
            for row in part?.chunks_exact(wanted.len()) {
                for (column, &value) in chunk.columns.iter_mut().zip(row) {
                    column.push(value);
                }
            }
        }
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.consumed as f64 / self.size.max(1) as f64
    }
}

/// What is wrong with a line, and with which column of it.
struct Problem {
    column: Option<String>,
    message: String,
}

impl Problem {
    fn at(self, path: &Path, line: u64) -> Failure {
        match self.column {
            Some(column) => Failure::of_value(path, Place::Line(line), &column, self.message),
            None => Failure::at(path, Place::Line(line), self.message),
        }
    }
}

/// Appends a row's wanted values.
fn parse_row<'a>(
    line: &'a [u8],
    wanted: &[Wanted],
    raw: &mut Vec<Option<&'a RawValue>>,
    values: &mut Vec<f32>,
) -> Result<(), Problem> {
    let line = std::str::from_utf8(line)
        .map_err(|e| Problem { column: None, message: format!("not UTF-8 text at byte {}", e.valid_up_to() + 1) })?;
    raw.iter_mut().for_each(|value| *value = None);
    let mut progress = Progress { raw, current: None, twice: None };
    let mut json = serde_json::Deserializer::from_str(line);
    let parsed = Row { wanted, progress: &mut progress }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = parsed {
        return Err(syntax_problem(line, wanted, &progress, &error));
    }
    for (wanted, raw) in wanted.iter().zip(raw.iter()) {
        let Some(raw) = raw else {
            return Err(Problem { column: None, message: wanted.missing_message(&keys(line)) });
        };
        let value = value(raw.get()).map_err(|message| Problem { column: Some(wanted.name.clone()), message })?;
        values.push(value);
    }
    Ok(())
}

/// The number that a JSON value stands for.
fn value(raw: &str) -> Result<f32, String> {
    match raw.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => text::number(raw),
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
            match text.parse::<f32>() {
                Ok(number) if !number.is_finite() && !text.contains(|c: char| c.is_ascii_digit()) => Ok(number),
                _ => Err(format!(
                    "\"{}\" is text; a number is needed (as text only \"nan\", \"inf\" and \"-inf\")",
                    excerpt(&text)
                )),
            }
        }
        Some(b'n') => Err("null; a number is needed (\"nan\" for one that is not known)".to_owned()),
        Some(b'[') => Err("a list; a number is needed".to_owned()),
        Some(b'{') => Err("an object; a number is needed".to_owned()),
        _ => Err(format!("{}; a number is needed", excerpt(raw))),
    }
}

fn syntax_problem(line: &str, wanted: &[Wanted], progress: &Progress<'_, '_>, error: &serde_json::Error) -> Problem {
    if let Some(index) = progress.twice {
        return Problem {
            column: Some(wanted[index].name.clone()),
            message: "the key stands twice in the object".into(),
        };
    }
    let column = progress.current.map(|index| wanted[index].name.clone());
    let start = error.column().saturating_sub(2).min(line.len());
    let rest = line.as_bytes()[start..].trim_ascii_start();
    let near = |token: &[u8]| rest.starts_with(token) || rest.get(1..).is_some_and(|rest| rest.starts_with(token));
    let message = if near(b"NaN") || near(b"Infinity") {
        "NaN and Infinity are not JSON; write the strings \"nan\", \"inf\" or \"-inf\"".to_owned()
    } else if error.is_eof() {
        "the object is cut off at the end of the line; one whole JSON object a line is needed".to_owned()
    } else if !line.trim_ascii_start().starts_with('{') {
        "not a JSON object; one object with the columns as keys is needed on each line".to_owned()
    } else {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
        format!("not valid JSON at character {}: {text}", error.column())
    };
    Problem { column, message }
}

/// The keys of a line, for the message that one is missing.
fn keys(line: &str) -> String {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let keys = serde_json::Deserializer::from_str(line).deserialize_map(Keys).unwrap_or_default();
    name_list(keys.iter().map(String::as_str))
}

/// What has been found in a line, also when it fails.
struct Progress<'r, 'a> {
    raw: &'r mut Vec<Option<&'a RawValue>>,
    /// The wanted column whose value is being parsed.
    current: Option<usize>,
    /// A wanted column that came a second time.
    twice: Option<usize>,
}

/// One line's object.
struct Row<'w, 'p, 'r, 'a> {
    wanted: &'w [Wanted],
    progress: &'p mut Progress<'r, 'a>,
}

impl<'a> DeserializeSeed<'a> for Row<'_, '_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Row<'_, '_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(found) = map.next_key_seed(Key { wanted: self.wanted })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.progress.current = Some(index);
            if self.progress.raw[index].replace(map.next_value()?).is_some() {
                self.progress.twice = Some(index);
                return Err(serde::de::Error::custom("twice"));
            }
            self.progress.current = None;
        }
        Ok(())
    }
}

/// A key: which wanted column it is, if any.
struct Key<'w> {
    wanted: &'w [Wanted],
}

impl<'a> DeserializeSeed<'a> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.wanted.iter().position(|wanted| wanted.name == key))
    }
}
