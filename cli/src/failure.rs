//! What the command says when it cannot go on.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use crate::format::is_stdin;

/// A position in an input file, in the unit in which its reader can find it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file, from 1.
    Line(u64),
    /// A row of a binary file, from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// One line for the user: what is wrong, where, and what would be right.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure that belongs to no file.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// A failure of a whole file.
    pub fn of_file(path: &Path, message: impl fmt::Display) -> Self {
        Self(format!("{}: {message}", shown(path)))
    }

    /// A failure at a place in a file.
    pub fn at(path: &Path, place: Place, message: impl fmt::Display) -> Self {
        Self(format!("{}: {place}: {message}", shown(path)))
    }

    /// A failure of one value.
    pub fn of_value(path: &Path, place: Place, column: &str, message: impl fmt::Display) -> Self {
        Self(format!("{}: {place}, column {column}: {message}", shown(path)))
    }

    /// A failure of a whole tensor.
    pub fn of_tensor(path: &Path, name: &str, message: impl fmt::Display) -> Self {
        Self(format!("{}: tensor {name} {message}", shown(path)))
    }

    /// A failure in one sequence of a tensor, counted from 0 as in the tensor's shape.
    pub fn of_sequence(path: &Path, name: &str, sequence: usize, message: impl fmt::Display) -> Self {
        Self(format!("{}: tensor {name}, sequence {sequence} (from 0): {message}", shown(path)))
    }
}

impl fmt::Display for Failure {
    /// Always one line: file names and excerpts of bad input may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.trim_end().chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// The name of an input file, which may be standard input.
pub fn shown(path: &Path) -> Cow<'_, str> {
    if is_stdin(path) { "standard input".into() } else { path.to_string_lossy() }
}

/// A piece of bad input, short enough to quote.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 32;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Some names, for a message that says which there are.
pub fn name_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let names: Vec<_> = names.into_iter().map(excerpt).collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n <= MOST => names.join(", "),
        n => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
    }
}
