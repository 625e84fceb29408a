//! A row as a JSON object: finding the wanted values in it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rows::{Answers, Problem, Values};
use super::{Kind, Reading, Wanted, lists, text};
use crate::failure::{excerpt, name_list};
use crate::format::Content;

/// What is wanted of each object.
pub struct Objects<'w> {
    wanted: &'w [Wanted],
    reading: &'w Reading,
    names: Vec<Name<'w>>,
    /// Whether the file holds one object and no more.
    is_alone: bool,
}

/// The name of a wanted column, or what is left of it below an object whose key it starts with: which column, and the name.
type Name<'w> = (usize, &'w str);

/// Where the values of an object stand in its text; kept from one to the next.
pub type Found = Vec<Option<Range<usize>>>;

impl<'w> Objects<'w> {
    /// Wants these columns, of an object that may be the only one of its file.
    pub fn new(wanted: &'w [Wanted], reading: &'w Reading, is_alone: bool) -> Self {
        let names = wanted.iter().enumerate().map(|(index, wanted)| (index, wanted.name.as_str())).collect();
        Self { wanted, reading, names, is_alone }
    }

    /// Appends an object's values.
    ///
    /// # Errors
    /// What is wrong with it, and with which column.
    pub fn parse(&self, found: &mut Found, row: &[u8], values: &mut Values) -> Result<(), Problem> {
        let row = std::str::from_utf8(row)
            .map_err(|e| Problem::of_row(format!("not UTF-8 text at byte {}", e.valid_up_to() + 1)))?;
        if let Err(problem) = self.find(row, found) {
            // What Python and others write of numbers that JSON lacks makes way for a number as long. The values are taken
            // from the row itself.
            let Some(plain) = without_literals(row) else { return Err(problem) };
            self.find(&plain, found)?;
        }
        let start = values.numbers.len();
        let mut answers = Answers::new();
        for (column, (range, wanted)) in found.iter().zip(self.wanted).enumerate() {
            let Some(raw) = range.clone().and_then(|range| row.get(range)) else {
                return Err(Problem::of_row(wanted.missing_message(&keys(row))));
            };
            let fail = |message| Problem { column: Some(column), message };
            values.numbers.push(match wanted.kind {
                Kind::Number => self.value(raw).map_err(fail)?,
                Kind::Label => label(raw).map_err(fail)?,
                Kind::Group => {
                    let group = group(raw).map_err(fail)?;
                    values.groups.push(group.unwrap_or(0));
                    group.map(|_| 0.0)
                }
                Kind::Answers => None,
            });
            if lists::are_rows(self.wanted) {
                let is_list = wanted.kind == Kind::Answers;
                answers.push(if is_list { text::answers(raw, self.reading).map_err(fail)? } else { None });
            }
        }
        if answers.is_empty() { Ok(()) } else { values.spread(start, self.wanted, &answers) }
    }

    /// Finds where the wanted values stand.
    fn find(&self, row: &str, found: &mut Found) -> Result<(), Problem> {
        found.clear();
        found.resize(self.wanted.len(), None);
        let mut search = Search { row, found, current: None, twice: None };
        let mut json = serde_json::Deserializer::from_str(row);
        let parsed =
            Object { names: &self.names, search: &mut search }.deserialize(&mut json).and_then(|()| json.end());
        parsed.map_err(|error| {
            let (current, twice) = (search.current, search.twice);
            match twice {
                Some(_) => Problem { column: twice, message: "stands twice in the object; one value is needed".into() },
                None => Problem { column: current, message: syntax_problem(row, &error) },
            }
        })
    }

    /// The number that a JSON value stands for; none for a null.
    fn value(&self, raw: &str) -> Result<Option<f32>, String> {
        match raw.as_bytes().first() {
            Some(b'"') => {
                let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
                if self.reading.number_strings {
                    text::value(text.trim_ascii(), self.reading)
                } else if text::is_not_finite(&text) {
                    text::number(&text, false).map(Some)
                } else {
                    Err(text::text_problem(&text))
                }
            }
            Some(b'[' | b'{') if self.is_alone && self.reading.tokens.is_none() => Err("holds all rows of a column, or an \
                 answer's tokens; of rows one object each is needed (in pandas orient=\"records\"), of tokens --tokens sum \
                 or --tokens mean"
                .to_owned()),
            Some(b'[') => text::list(raw, self.reading).map(Some),
            Some(b'{') => Err("an object; a number is needed (NAME.KEY names a number inside of it)".to_owned()),
            Some(b't' | b'f') => Err(format!("{}; a number is needed", excerpt(raw))),
            _ if raw == "null" => Ok(None),
            _ => text::number(raw, false).map(Some),
        }
    }
}

/// The label that a JSON value stands for.
fn label(raw: &str) -> Result<Option<f32>, String> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
            text::label(text.trim_ascii())
        }
        Some(b'[' | b'{') => Err(format!("a list or an object; {}", text::LABELS)),
        _ => text::label(raw),
    }
}

/// What stands for the group that a JSON value names.
fn group(raw: &str) -> Result<Option<u64>, String> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
            Ok(Some(text::group(text)))
        }
        Some(b'[' | b'{') => Err(format!("a list or an object; {}", Kind::Group.needed())),
        Some(b'n') => Ok(None),
        _ => Ok(Some(text::group(raw))),
    }
}

/// The keys of an object, for the message that one is missing; those of objects inside of it behind a dot.
fn keys(row: &str) -> String {
    let plain = without_literals(row);
    let mut json = serde_json::Deserializer::from_str(plain.as_deref().unwrap_or(row));
    let mut names = Vec::new();
    // What was read before an error will do.
    let _ = json.deserialize_map(Keys { above: "", names: &mut names });
    name_list(names.iter().map(String::as_str))
}

/// Collects the keys of an object whose own name is given.
struct Keys<'s> {
    above: &'s str,
    names: &'s mut Vec<String>,
}

impl<'a> Visitor<'a> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        // More than anybody will read, few enough for memory; objects in objects in objects end somewhere.
        const MOST: usize = 1000;
        const DEEPEST: usize = 3;
        while let Some((key, value)) = map.next_entry::<Cow<'_, str>, &RawValue>()? {
            let name = format!("{}{key}", self.above);
            let is_object = value.get().starts_with('{') && name.matches('.').count() < DEEPEST;
            if is_object {
                let mut json = serde_json::Deserializer::from_str(value.get());
                json.deserialize_map(Keys { above: &format!("{name}."), names: &mut *self.names })
                    .map_err(A::Error::custom)?;
            } else if self.names.len() < MOST {
                self.names.push(name);
            }
        }
        Ok(())
    }
}

fn syntax_problem(row: &str, error: &serde_json::Error) -> String {
    let start = error.column().saturating_sub(2).min(row.len());
    let rest = row.as_bytes()[start..].trim_ascii_start();
    let near = |token: &[u8]| rest.starts_with(token) || rest.get(1..).is_some_and(|rest| rest.starts_with(token));
    let trimmed = row.trim_ascii_start();
    if near(b"'") || near(b"None") || near(b"True") || near(b"False") {
        return format!(
            "not valid JSON at character {}: Python's own notation is not read; json.dumps writes JSON",
            error.column()
        );
    }
    if error.is_eof() && trimmed.starts_with('{') {
        return "the object is cut off at the end of the line; one whole JSON object a line, or an array of them, is needed"
            .to_owned();
    }
    if !trimmed.starts_with('{') {
        let message = "not a JSON object; one object with the columns as keys is needed on each line";
        let other = Content::of(row.as_bytes()).filter(|_| !trimmed.starts_with('['));
        return other.map_or_else(|| message.to_owned(), |content| format!("{message}; {}", content.it_looks_like()));
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    format!("not valid JSON at character {}: {text}", error.column())
}

/// An object in which the words for numbers that are not finite (in any case: Python and JavaScript write NaN and Infinity, C
/// nan and inf) are replaced by numbers of the same length; `None` if there are none.
fn without_literals(row: &str) -> Option<String> {
    let bytes = row.as_bytes();
    let mut plain = bytes.to_vec();
    let (mut at, mut is_changed) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                // To the quote that ends the string.
                while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
                    at += next + 1;
                    if bytes[at - 1] == b'"' {
                        break;
                    }
                    at += 1;
                }
            }
            _ if byte.is_ascii_alphabetic() => {
                let word = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                let is = |name: &str| bytes[at..at + word].eq_ignore_ascii_case(name.as_bytes());
                if is("nan") || is("inf") || is("infinity") {
                    let number = &mut plain[at..at + word];
                    number.fill(b'0');
                    number[1] = b'e';
                    is_changed = true;
                }
                at += word;
            }
            _ => at += 1,
        }
    }
    is_changed.then(|| String::from_utf8(plain).ok()).flatten()
}

/// What has been found in an object, also when it fails.
struct Search<'f, 'a> {
    row: &'a str,
    found: &'f mut Found,
    /// The wanted column whose value is being parsed.
    current: Option<usize>,
    /// A wanted column that came a second time.
    twice: Option<usize>,
}

impl Search<'_, '_> {
    /// Takes note of where a column's value stands.
    fn take<E: Error>(&mut self, column: usize, raw: &RawValue) -> Result<(), E> {
        let text = raw.get();
        // The value is a part of the row.
        let start = text.as_ptr() as usize - self.row.as_ptr() as usize;
        if self.found[column].replace(start..start + text.len()).is_some() {
            self.twice = Some(column);
            return Err(E::custom("twice"));
        }
        Ok(())
    }
}

/// One object.
struct Object<'n, 'w, 's, 'f, 'a> {
    names: &'n [Name<'w>],
    search: &'s mut Search<'f, 'a>,
}

impl<'a> DeserializeSeed<'a> for Object<'_, '_, '_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Object<'_, '_, '_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key { names: self.names })? {
            match key {
                Match::None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Match::Column(column) => {
                    self.search.current = Some(column);
                    self.search.take(column, map.next_value()?)?;
                    self.search.current = None;
                }
                Match::Below(names) => {
                    let raw: &RawValue = map.next_value()?;
                    match raw.get().as_bytes().first() {
                        Some(b'{') => {
                            let mut json = serde_json::Deserializer::from_str(raw.get());
                            let object = Object { names: &names, search: &mut *self.search };
                            object.deserialize(&mut json).map_err(A::Error::custom)?;
                        }
                        // What a missing object would hold is missing.
                        Some(b'n') => names.iter().try_for_each(|(column, _)| self.search.take(*column, raw))?,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// A key of an object.
struct Key<'n, 'w> {
    names: &'n [Name<'w>],
}

/// What a key says.
enum Match<'w> {
    /// Nothing that is wanted.
    None,
    /// It is that of a wanted column.
    Column(usize),
    /// Wanted columns have names that start with it and a dot; the rest of their names.
    Below(Vec<Name<'w>>),
}

impl<'a, 'w> DeserializeSeed<'a> for Key<'_, 'w> {
    type Value = Match<'w>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Key<'_, 'w> {
    type Value = Match<'w>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if let Some((column, _)) = self.names.iter().find(|(_, name)| *name == key) {
            return Ok(Match::Column(*column));
        }
        let below = |name: &'w str| name.strip_prefix(key)?.strip_prefix('.');
        // No memory is taken where there are none.
        let names: Vec<Name<'w>> =
            self.names.iter().filter_map(|&(column, name)| Some((column, below(name)?))).collect();
        Ok(if names.is_empty() { Match::None } else { Match::Below(names) })
    }
}
