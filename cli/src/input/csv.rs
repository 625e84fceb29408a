//! Comma-separated values with a header, and their relatives with other delimiters.

use std::path::{Path, PathBuf};

use super::quotes::{Fields, Quotes, trim_blanks};
use super::rows::{Answers, Block, LONGEST, LONGEST_IN_WORDS, Problem, Rows, Values};
use super::text::{self, Text};
use super::{Chunk, ColumnReader, Kind, Note, Reading, Wanted, lists};
use crate::failure::{Failure, Place, excerpt, name_list, shown};
use crate::format::{Content, Format, is_tsv};

/// The most fields of a record: more than any table has, and few enough for their names to fit into memory.
const MOST_FIELDS: usize = 1 << 20;
/// Which wanted column a field is, if it is none.
const NONE: usize = usize::MAX;

/// A CSV file.
pub struct Csv {
    path: PathBuf,
    wanted: Vec<Wanted>,
    reading: Reading,
    source: Source,
    /// Which of the wanted columns each field of a record is.
    columns: Vec<usize>,
    rows: Rows,
}

/// The lines of the file as records.
struct Source {
    path: PathBuf,
    text: Text,
    delimiter: u8,
    /// Lines read so far.
    line: u64,
    /// Whether the last of them had an end.
    is_ended: bool,
    /// The last comment before the header.
    comment: Vec<u8>,
}

impl Csv {
    /// Opens the file and finds the columns in its header.
    pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Self, Failure> {
        let mut text = Text::open(path, Format::Csv)?;
        if let Some(content) = json_instead(text.peek()?) {
            return Err(Failure::of_file(path, format!("is no CSV; {}", content.it_looks_like())));
        }
        let delimiter = match reading.delimiter {
            Some(delimiter) => delimiter,
            None if is_tsv(path) => b'\t',
            None if reading.decimal_comma => b';',
            None => b',',
        };
        let mut source =
            Source { path: path.to_owned(), text, delimiter, line: 0, is_ended: true, comment: Vec::new() };
        let header = source.header(wanted, reading.delimiter.is_some())?;
        let names = names(&header, source.delimiter).map_err(|message| source.failure(message))?;
        let mut columns = vec![NONE; names.len()];
        for (index, wanted) in wanted.iter().enumerate() {
            let mut found = names.iter().enumerate().filter(|(_, name)| **name == wanted.name);
            let Some((field, _)) = found.next() else {
                return Err(source.failure(source.missing(&header, &names, wanted)));
            };
            if found.next().is_some() {
                return Err(source.failure(format!("two columns are named {}", wanted.name)));
            }
            columns[field] = index;
        }
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            reading: reading.clone(),
            source,
            columns,
            rows: Rows::default(),
        })
    }
}

impl ColumnReader for Csv {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Self { path, wanted, reading, source, columns, rows } = self;
        let row = Row { columns, wanted, delimiter: source.delimiter, reading };
        rows.read(
            path,
            wanted,
            chunk,
            |block| source.gather(block),
            |(): &mut (), record, values| row.parse(record, values),
        )
    }

    fn progress(&self) -> f64 {
        self.source.text.progress()
    }

    fn notes(&self) -> Vec<Note> {
        if self.source.is_ended {
            return Vec::new();
        }
        vec![Note {
            headline: format!("The last line of {} has no end", shown(&self.path)),
            advice:
                "The file may be cut off, within the last number or before more rows. If all of it is there, a line \
                     end after the last row says so."
                    .to_owned(),
        }]
    }
}

impl Source {
    /// Appends records to a block, until it is full; blank ones are no rows.
    fn gather(&mut self, block: &mut Block) -> Result<(), Failure> {
        while !block.is_full() {
            let start = block.bytes.len();
            let Some(line) = self.record(&mut block.bytes)? else { break };
            if trim_blanks(&block.bytes[start..], self.delimiter).is_empty() {
                block.bytes.truncate(start);
            } else {
                block.rows.push(start..block.bytes.len());
                block.lines.push(line);
            }
        }
        Ok(())
    }

    /// Appends the next record to `bytes`, with its line end; returns the line where it starts, none at the end of the file.
    fn record(&mut self, bytes: &mut Vec<u8>) -> Result<Option<u64>, Failure> {
        let (start, first) = (bytes.len(), self.line + 1);
        let mut quotes = None;
        loop {
            let line = bytes.len();
            let length = self.line(bytes, LONGEST - (line - start))?;
            if length == 0 {
                return match quotes {
                    None => Ok(None),
                    Some(quotes) => Err(self.unclosed(&quotes, "before the file ends")),
                };
            }
            let line = &bytes[line..];
            if quotes.is_some() || memchr::memchr(b'"', line).is_some() {
                let quotes: &mut Quotes = quotes.get_or_insert_with(|| Quotes::new(self.delimiter, self.text.line_end));
                quotes.line(line, self.line).map_err(|(problem, remedy)| {
                    let place = match self.line {
                        line if line == quotes.opened => String::new(),
                        line => format!(" in line {line}"),
                    };
                    Failure::at(&self.path, Place::Line(quotes.opened), format!("{problem}{place}; {remedy}"))
                })?;
            }
            let is_open = quotes.as_ref().is_some_and(Quotes::is_open);
            if bytes.len() - start >= LONGEST {
                return Err(match quotes {
                    Some(quotes) if is_open => self.unclosed(&quotes, &format!("within {LONGEST_IN_WORDS}")),
                    _ => {
                        let message = format!("longer than {LONGEST_IN_WORDS}; a record a line is needed");
                        Failure::at(&self.path, Place::Line(first), message)
                    }
                });
            }
            if !is_open {
                return Ok(Some(first));
            }
        }
    }

    /// Appends the next line to `bytes`, as far as there is room; returns its length, 0 at the end of the file.
    fn line(&mut self, bytes: &mut Vec<u8>, room: usize) -> Result<usize, Failure> {
        let length = self.text.read_line(bytes, room)?;
        if length > 0 {
            self.line += 1;
            let line = &bytes[bytes.len() - length..];
            self.is_ended = line.last() == Some(&self.text.line_end) || line.trim_ascii().is_empty();
        }
        Ok(length)
    }

    /// The record that names the columns.
    fn header(&mut self, wanted: &[Wanted], delimiter_is_given: bool) -> Result<Vec<u8>, Failure> {
        let mut header = Vec::new();
        loop {
            header.clear();
            let is_comment = self.text.peek()?.first() == Some(&b'#');
            if is_comment {
                // As numpy.savetxt writes the names, and others a title before them.
                if self.line(&mut header, LONGEST)? >= LONGEST {
                    return Err(self.failure(format!("longer than {LONGEST_IN_WORDS}; a record a line is needed")));
                }
                let marks = header.iter().take_while(|&&byte| byte == b'#').count();
                let text = header[marks..].trim_ascii();
                if names(text, self.delimiter)
                    .is_ok_and(|names| wanted.iter().all(|wanted| names.contains(&wanted.name)))
                {
                    return Ok(text.to_vec());
                }
                self.comment = text.to_vec();
                continue;
            }
            if self.record(&mut header)?.is_none() {
                return Err(self.failure("holds comments alone; a header that names the columns is needed"));
            }
            let text = header.trim_ascii();
            if let Some(delimiter) = excel_delimiter(text) {
                if !delimiter_is_given {
                    self.delimiter = delimiter;
                }
            } else if !trim_blanks(text, self.delimiter).is_empty() {
                return Ok(header);
            }
        }
    }

    /// What is said of a header that lacks a column, with the cause if it can be told.
    fn missing(&self, header: &[u8], names: &[String], wanted: &Wanted) -> String {
        let there = name_list(names.iter().map(String::as_str));
        let message = wanted.missing_message(&there);
        for header in [header, &self.comment] {
            match found_delimiter(header, &wanted.name) {
                Some(found) if found != self.delimiter => {
                    return format!("{message}; the fields seem to stand between {}", in_words(found));
                }
                _ => {}
            }
        }
        if names.iter().all(|name| text::number(name, false).or_else(|_| text::number(name, true)).is_ok()) {
            let first = excerpt(&names[0]);
            return format!(
                "a number, {first}, where the first line must name the columns ({} is needed)",
                wanted.name
            );
        }
        if header.trim_ascii().contains(&b'\r') && self.text.line_end == b'\n' {
            return format!(
                "{message}; some lines end with a carriage return alone, others do not: all must end alike"
            );
        }
        match Content::of(header).filter(|content| content.read_as.is_none_or(|(_, format)| format != Format::Csv)) {
            Some(content) => format!("{message}; {}", content.it_looks_like()),
            None => message,
        }
    }

    fn unclosed(&self, quotes: &Quotes, end: &str) -> Failure {
        let message = format!("the quote that opens here is not closed {end}");
        Failure::at(&self.path, Place::Line(quotes.opened), message)
    }

    /// A failure of the header.
    fn failure(&self, message: impl std::fmt::Display) -> Failure {
        Failure::at(&self.path, Place::Line(self.line.max(1)), message)
    }
}

/// What is needed to read a record.
struct Row<'a> {
    columns: &'a [usize],
    wanted: &'a [Wanted],
    delimiter: u8,
    reading: &'a Reading,
}

impl Row<'_> {
    /// Appends the wanted values of a record.
    fn parse(&self, record: &[u8], values: &mut Values) -> Result<(), Problem> {
        let start = values.numbers.len();
        values.numbers.resize(start + self.wanted.len(), None);
        let mut answers = if lists::are_rows(self.wanted) { vec![None; self.wanted.len()] } else { Answers::new() };
        let (mut count, mut problem) = (0, None);
        for field in Fields::new(record, self.delimiter) {
            let column = self.columns.get(count).copied().unwrap_or(NONE);
            count += 1;
            if column == NONE || problem.is_some() {
                continue;
            }
            let value = match self.wanted[column].kind {
                Kind::Answers => self.answers(field).map(|list| {
                    answers[column] = list;
                    None
                }),
                Kind::Group => self.group(field).map(|group| {
                    values.groups.push(group.unwrap_or(0));
                    group.map(|_| 0.0)
                }),
                kind => self.value(field, column, kind == Kind::Label),
            };
            match value {
                Ok(value) => values.numbers[start + column] = value,
                Err(message) => problem = Some(Problem { column: Some(column), message }),
            }
        }
        if count != self.columns.len() {
            return Err(self.wrong_count(record, count));
        }
        match problem {
            Some(problem) => Err(problem),
            None if answers.is_empty() => Ok(()),
            None => values.spread(start, self.wanted, &answers),
        }
    }

    fn answers(&self, field: &[u8]) -> Result<Option<Vec<Option<f32>>>, String> {
        text::answers(std::str::from_utf8(field).map_err(|_| "not UTF-8 text")?, self.reading)
    }

    fn group(&self, field: &[u8]) -> Result<Option<u64>, String> {
        let field = std::str::from_utf8(field).map_err(|_| "not UTF-8 text")?;
        Ok((!text::is_null(field)).then(|| text::group(field)))
    }

    fn value(&self, field: &[u8], column: usize, is_label: bool) -> Result<Option<f32>, String> {
        let field = std::str::from_utf8(field).map_err(|_| "not UTF-8 text")?;
        let value = if is_label { text::label(field) } else { text::value(field, self.reading) };
        value.map_err(|problem| {
            if field == self.wanted[column].name {
                "the header stands here a second time; a file has it once".to_owned()
            } else {
                problem
            }
        })
    }

    fn wrong_count(&self, record: &[u8], count: usize) -> Problem {
        let width = self.columns.len();
        let cause = if record.starts_with(b"#") {
            "; a comment may stand before the header alone"
        } else if self.reading.decimal_comma || self.delimiter != b',' || count != 2 * width {
            ""
        } else {
            "; of numbers with decimal commas --decimal-comma reads those between semicolons"
        };
        let fields = if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
        Problem::of_row(format!("{fields}, but the header has {width}; every line needs as many{cause}"))
    }
}

/// The names in a header.
fn names(header: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
    let mut quotes = Quotes::new(delimiter, b'\n');
    quotes.line(header, 1).map_err(|(problem, _)| problem)?;
    let names: Vec<String> = Fields::new(header, delimiter)
        .take(MOST_FIELDS + 1)
        .map(|name| String::from_utf8_lossy(name).replace("\"\"", "\""))
        .collect();
    if names.len() > MOST_FIELDS {
        return Err(format!("more than {MOST_FIELDS} fields; that is no table of log-probabilities"));
    }
    Ok(names)
}

/// What seems to separate the fields of a header that names a column.
fn found_delimiter(header: &[u8], name: &str) -> Option<u8> {
    let start = memchr::memmem::find(header, name.as_bytes())?;
    // Blanks may stand around a delimiter, and quotes around names.
    let is_other = |byte: &&u8| !matches!(**byte, b' ' | b'"' | b'\r' | b'\n');
    let (before, after) = (&header[..start], &header[start + name.len()..]);
    let found = after.iter().find(is_other).or_else(|| before.iter().rev().find(is_other));
    let found = found.filter(|found| delimiter_problem(**found).is_none()).unwrap_or(&b' ');
    let is_column = || names(header, *found).is_ok_and(|names| names.iter().any(|there| there == name));
    is_column().then_some(*found)
}

/// What looks like JSON, and would be CSV with quotes that are wrong.
fn json_instead(head: &[u8]) -> Option<Content> {
    let (bracket, inside) = head.trim_ascii_start().split_first()?;
    match (bracket, inside.trim_ascii_start().first()?) {
        (b'{', b'"') | (b'[', b'{') => Content::of(head),
        _ => None,
    }
}

/// A delimiter, and the option that names it.
fn in_words(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs: --delimiter tab".to_owned(),
        b' ' => "blanks: --delimiter space".to_owned(),
        b',' => "commas: --delimiter ','".to_owned(),
        b';' => "semicolons: --delimiter ';', or --decimal-comma if numbers have commas".to_owned(),
        other if other.is_ascii_graphic() => format!("{0}: --delimiter '{0}'", char::from(other)),
        other => format!("bytes of value {other}: --delimiter $'\\x{other:02x}'"),
    }
}

/// Why a byte cannot be a delimiter, if so.
pub fn delimiter_problem(byte: u8) -> Option<&'static str> {
    match byte {
        b'"' | b'\n' | b'\r' | 0 => Some("a quote or a line end cannot stand between fields"),
        b'.' | b'-' | b'+' | b'_' => Some("it is a part of numbers or of names"),
        _ if byte.is_ascii_alphanumeric() => Some("it is a part of numbers or of names"),
        _ if !byte.is_ascii() => Some("an ASCII character is needed"),
        _ => None,
    }
}

/// What the line that Excel looks for before a header says.
fn excel_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, delimiter) = line.split_at_checked(4)?;
    match delimiter {
        _ if !name.eq_ignore_ascii_case(b"sep=") => None,
        [] => Some(b'\t'),
        [delimiter] => delimiter_problem(*delimiter).is_none().then_some(*delimiter),
        _ => None,
    }
}
