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
        Self(readable(&message.to_string()))
    }

    /// A failure of a whole file.
    pub fn of_file(path: &Path, message: impl fmt::Display) -> Self {
        Self(format!("{}: {}", shown(path), Self::new(message).0))
    }

    /// A failure at a place in a file.
    pub fn at(path: &Path, place: Place, message: impl fmt::Display) -> Self {
        Self::of_file(path, format!("{place}: {message}"))
    }

    /// A failure of one value.
    pub fn of_value(path: &Path, place: Place, column: &str, message: impl fmt::Display) -> Self {
        Self::of_file(path, format!("{place}, column {}: {message}", name(column)))
    }

    /// A failure of a whole tensor.
    pub fn of_tensor(path: &Path, tensor: &str, message: impl fmt::Display) -> Self {
        Self::of_file(path, format!("tensor {} {message}", name(tensor)))
    }

    /// A failure in one sequence of a tensor, counted from 0 as in the tensor's shape.
    pub fn of_sequence(path: &Path, tensor: &str, sequence: usize, message: impl fmt::Display) -> Self {
        Self::of_file(path, format!("tensor {}, sequence {sequence} (from 0): {message}", name(tensor)))
    }
}

/// The most characters of a failure: with the name of the command and the line end, fewer than 500.
const LONGEST: usize = 480;

impl fmt::Display for Failure {
    /// Always one line, which a person can read: file names and excerpts of bad input may hold anything, of any length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for c in self.0.trim_end().chars() {
            if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
        }
        // The place stands in front, and what would be right at the end.
        f.write_str(&without_middle(&line, LONGEST / 2, LONGEST / 2))
    }
}

/// The first and the last characters of a text, where it has more.
fn without_middle(text: &str, first: usize, last: usize) -> Cow<'_, str> {
    const GAP: &str = "...";
    if text.chars().count() <= first + last {
        return text.into();
    }
    let end = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let start = |n: usize| text.char_indices().nth_back(n).map_or(0, |(at, _)| at);
    format!("{}{GAP}{}", &text[..end(first)], &text[start((last - GAP.len()).saturating_sub(1))..]).into()
}

/// The name of an input file, which may be standard input; of a long path the end says most.
pub fn shown(path: &Path) -> Cow<'_, str> {
    const LONGEST: usize = 160;
    if is_stdin(path) {
        return "standard input".into();
    }
    without_middle(&path.display().to_string(), LONGEST / 4, LONGEST * 3 / 4).into_owned().into()
}

/// The name of a column or tensor.
fn name(name: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    without_middle(name, LONGEST / 2, LONGEST / 2)
}

/// A text in which no number is written with so many digits that nobody can read it: those of 1e300 become 1e300.
fn readable(text: &str) -> String {
    // As many as the largest integer has.
    const MOST_DIGITS: usize = 20;
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[start..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len() - start);
        let number = rest[start..start + length].trim_end_matches('.');
        let is_letter = |c: char| c.is_ascii_alphabetic();
        // Digits of a checksum or of a name.
        let is_part = rest[..start].ends_with(is_letter) || rest[start + number.len()..].starts_with(is_letter);
        result.push_str(&rest[..start]);
        rest = &rest[start + number.len()..];
        if is_part || number.split('.').all(|digits| digits.len() <= MOST_DIGITS) {
            result.push_str(number);
            continue;
        }
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() => result.push_str(&format!("{value:e}")),
            _ => result.push_str(&format!("{}... ({} digits)", &number[..6], number.len())),
        }
    }
    result + rest
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn lines_are_short_and_keep_both_ends() {
        let path = PathBuf::from(format!("/data/{}/pairs.csv", "x".repeat(4000)));
        let column = "c".repeat(3000);
        let failure = Failure::of_value(&path, Place::Line(7), &column, "\"oops\" is not a number");
        let line = failure.to_string();
        assert!(line.chars().count() <= LONGEST, "{line}");
        for part in ["/data/xxx", "xxx/pairs.csv: line 7, column ccc", "ccc: \"oops\" is not a number"] {
            assert!(line.contains(part), "{line}");
        }
        let line = Failure::new(format!("start {} end", "\u{1b}é".repeat(2000))).to_string();
        assert!(
            line.chars().count() == LONGEST && line.starts_with("start \\u{1b}é") && line.ends_with("é end"),
            "{line}"
        );
    }

    #[test]
    fn numbers_can_be_read() {
        let of = |text: String| Failure::new(text).to_string();
        assert_eq!(of(format!("beta is {}; no", 1e300)), "beta is 1e300; no");
        assert_eq!(of(format!("{}, {}", f32::MAX, -1e-300)), "3.4028235e38, -1e-300");
        assert_eq!(of(format!("{}.", "9".repeat(400))), "999999... (400 digits).");
        assert_eq!(of(format!("{} of {} at 1.5.", u64::MAX, 0.25)), "18446744073709551615 of 0.25 at 1.5.");
        // A file's name is never changed.
        let digits = "1".repeat(40);
        assert_eq!(Failure::of_file(Path::new(&digits), "bad").to_string(), format!("{digits}: bad"));
    }
}
