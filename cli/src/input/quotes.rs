//! Quoting in CSV, read strictly. Readers of CSV that are to be had guess what a stray quote means, and when they guess wrong,
//! rows become the text of a field. Here a quote opens a field or is an error.

/// Where a reader of a record stands, and what it has seen.
pub struct Quotes {
    delimiter: u8,
    line_end: u8,
    state: State,
    /// The line where the last quote opened.
    pub opened: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a field, or behind blanks there.
    Start { blanks: bool },
    /// In a field without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes the field, unless another one follows.
    Closed,
}

impl Quotes {
    /// At the start of a record.
    pub fn new(delimiter: u8, line_end: u8) -> Self {
        Self { delimiter, line_end, state: State::Start { blanks: false }, opened: 0 }
    }

    /// Whether a quote is still open.
    pub fn is_open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Reads on through the next line of the record, with its end if it has one. `number` is the line's.
    ///
    /// # Errors
    /// A quote that stands where none may: what is wrong, and what would be right.
    pub fn line(&mut self, line: &[u8], number: u64) -> Result<(), (&'static str, &'static str)> {
        let text = line.strip_suffix(&[self.line_end]).unwrap_or(line);
        let mut at = 0;
        while let Some(&byte) = line.get(at) {
            match self.state {
                State::Start { blanks } => {
                    self.state = match byte {
                        b'"' if blanks => {
                            self.opened = number;
                            return Err(("a blank stands before the quote that opens a field", "it must go"));
                        }
                        b'"' => {
                            self.opened = number;
                            State::Quoted
                        }
                        _ if byte == self.delimiter => State::Start { blanks: false },
                        b' ' | b'\t' => State::Start { blanks: self.delimiter != b' ' },
                        _ => State::Plain,
                    };
                    at += 1;
                }
                State::Plain => match memchr::memchr2(self.delimiter, b'"', &line[at..]) {
                    Some(next) if line[at + next] == b'"' => {
                        self.opened = number;
                        return Err((
                            "a quote stands inside a field that does not start with one",
                            "such a field must be quoted, and the quotes in it doubled",
                        ));
                    }
                    Some(next) => {
                        self.state = State::Start { blanks: false };
                        at += next + 1;
                    }
                    None => return Ok(()),
                },
                State::Quoted => match memchr::memchr(b'"', &line[at..]) {
                    Some(next) => {
                        self.state = State::Closed;
                        at += next + 1;
                    }
                    None => return Ok(()),
                },
                State::Closed => {
                    self.state = match byte {
                        b'"' => State::Quoted,
                        _ if byte == self.delimiter => State::Start { blanks: false },
                        // The end of the line, also that of Windows.
                        _ if matches!(&line[at..], [b'\r', b'\n'] | [b'\r']) || at == text.len() => return Ok(()),
                        _ => {
                            return Err((
                                "the quote that opens here closes in front of other text",
                                "quotes inside a field must be doubled (a backslash does not escape them)",
                            ));
                        }
                    };
                    at += 1;
                }
            }
        }
        Ok(())
    }
}

/// The fields of a record whose quotes are right, without the blanks around them and the quotes.
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    /// Of a record with or without its line end.
    pub fn new(record: &'a [u8], delimiter: u8) -> Self {
        Self { rest: Some(trim_blanks(record, delimiter)), delimiter }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut end = 0;
        if rest.first() == Some(&b'"') {
            // Behind the quote that closes the field: doubled ones come in twos.
            end = 1;
            while let Some(quote) = memchr::memchr(b'"', rest.get(end..).unwrap_or_default()) {
                end += quote + 1;
                if rest.get(end) != Some(&b'"') {
                    break;
                }
                end += 1;
            }
        }
        let after = rest.get(end..).unwrap_or_default();
        let field = match memchr::memchr(self.delimiter, after) {
            Some(next) => {
                let following = &after[next + 1..];
                // Numbers in columns have as many blanks between them as it takes.
                self.rest = Some(if self.delimiter == b' ' { following.trim_ascii_start() } else { following });
                &rest[..end + next]
            }
            None => rest,
        };
        let field = field.trim_ascii();
        let unquoted = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\""));
        Some(unquoted.map_or(field, <[u8]>::trim_ascii))
    }
}

/// A record without the blanks around it; tabs between fields are none, for there are fields before the first and behind the last.
pub fn trim_blanks(record: &[u8], delimiter: u8) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() && (*byte != delimiter || delimiter == b' ');
    let start = record.iter().position(|byte| !is_blank(byte)).unwrap_or(record.len());
    let end = record.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &record[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str) -> Result<bool, (&'static str, &'static str)> {
        let mut quotes = Quotes::new(b',', b'\n');
        for (index, line) in record.split_inclusive('\n').enumerate() {
            quotes.line(line.as_bytes(), index as u64 + 1)?;
        }
        Ok(!quotes.is_open())
    }

    #[test]
    fn quotes_open_fields_or_are_errors() {
        for right in [
            "",
            "a,b\n",
            "\"a\",\"b\"\r\n",
            "\"a,\"\"b\"\"\",c",
            "\"\",\"\"",
            "\"a\nb\",c\n",
            "\"\"\"\"",
            ",,\n",
            "\"a\"\r",
        ] {
            assert_eq!(check(right), Ok(true), "{right:?}");
        }
        for open in ["\"a", "a,\"b\n", "\"a\"\"", "\"a\nb\nc\n", "\"6\\\"\","] {
            assert_ne!(check(open), Ok(true), "{open:?}");
        }
        for (wrong, word) in [
            ("a\"b\"\n", "inside"),
            ("6\",7\n", "inside"),
            ("\"a\"b,c\n", "other text"),
            ("\"a\" ,c\n", "other text"),
            ("\"a\"\rb,c\n", "other text"),
            ("\"a\\\"b\",c\n", "other text"),
            ("a, \"b\"\n", "blank"),
            (" \"a\"\n", "blank"),
        ] {
            assert!(check(wrong).unwrap_err().0.contains(word), "{wrong:?}");
        }
    }

    #[test]
    fn fields_come_without_their_quotes() {
        let fields = |record: &'static str, delimiter| -> Vec<&str> {
            Fields::new(record.as_bytes(), delimiter).map(|field| std::str::from_utf8(field).unwrap()).collect()
        };
        assert_eq!(fields("a, b ,\"c,d\",\"\"\r\n", b','), ["a", "b", "c,d", ""]);
        assert_eq!(fields("\"a\"\"b,\"\"\",c\n", b','), ["a\"\"b,\"\"", "c"]);
        assert_eq!(fields("\t1\t\n", b'\t'), ["", "1", ""]);
        assert_eq!(fields("  1.5   -2  3\n", b' '), ["1.5", "-2", "3"]);
        assert_eq!(fields("\"a\nb\";c", b';'), ["a\nb", "c"]);
        assert_eq!(fields("", b','), [""]);
    }
}
