//! A JSON array, element by element: no more of it is in memory than some rows.

use super::rows::{LONGEST, LONGEST_IN_WORDS};
use super::text::Text;
use crate::failure::Failure;

/// Where the reader stands in the array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Array {
    /// Before the bracket that opens it.
    #[default]
    Before,
    /// Behind that.
    Opened,
    /// Behind an element.
    Element,
    /// Behind a comma.
    Comma,
    /// Behind the bracket that closes it.
    Closed,
}

/// What came instead of an element.
pub enum Fault {
    /// The file cannot be read.
    File(Failure),
    /// The array is none of objects.
    Element(String),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::File(failure)
    }
}

impl Array {
    /// Appends the next element, an object, to `bytes`; false when there is none.
    ///
    /// # Errors
    /// What stands where an element or the array's end should.
    pub fn element(&mut self, text: &mut Text, bytes: &mut Vec<u8>) -> Result<bool, Fault> {
        while let Some(byte) = next_byte(text)? {
            match (*self, byte) {
                (Self::Before, b'[') => *self = Self::Opened,
                (Self::Opened | Self::Element, b']') => *self = Self::Closed,
                (Self::Element, b',') => *self = Self::Comma,
                (Self::Opened | Self::Comma, b'{') => {
                    copy_object(text, bytes)?;
                    *self = Self::Element;
                    return Ok(true);
                }
                (Self::Opened | Self::Comma, b'[') => {
                    return fault("a list; an object with the columns as keys is needed for each row");
                }
                (Self::Opened | Self::Comma, _) => {
                    return fault(format!("an object is needed for each row, not what starts with {}", quoted(byte)));
                }
                (Self::Element, _) => {
                    return fault(format!("a comma or ] is needed before it, not {}", quoted(byte)));
                }
                (Self::Before | Self::Closed, _) => {
                    return fault(format!("{} follows the end of the array; a file holds one", quoted(byte)));
                }
            }
            text.consume(1);
        }
        if *self == Self::Closed { Ok(false) } else { fault("cut off: the array has no end") }
    }
}

fn fault<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Element(message.into()))
}

fn quoted(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("'{}'", char::from(byte)) } else { format!("byte {byte}") }
}

/// The next byte that is not white space, not consumed.
fn next_byte(text: &mut Text) -> Result<Option<u8>, Failure> {
    loop {
        let there = text.peek()?;
        if there.is_empty() {
            return Ok(None);
        }
        let blanks = there.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let next = there.get(blanks).copied();
        text.consume(blanks);
        if next.is_some() {
            return Ok(next);
        }
    }
}

/// Copies an object to its end, which is that of its brackets outside of strings; whether it is right inside, its parser says.
fn copy_object(text: &mut Text, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    let start = bytes.len();
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    loop {
        let there = text.peek()?;
        if there.is_empty() {
            return fault("cut off: the object has no end");
        }
        let mut at = 0;
        while let Some(&byte) = there.get(at) {
            at += 1;
            if is_escaped {
                is_escaped = false;
            } else if in_string {
                match byte {
                    b'"' => in_string = false,
                    b'\\' => is_escaped = true,
                    // Most of a text is neither.
                    _ => at += memchr::memchr2(b'"', b'\\', &there[at..]).unwrap_or(there.len() - at),
                }
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
            }
            if depth == 0 {
                break;
            }
        }
        bytes.extend_from_slice(&there[..at]);
        text.consume(at);
        if depth == 0 {
            return Ok(());
        }
        if bytes.len() - start >= LONGEST {
            return fault(format!("an object longer than {LONGEST_IN_WORDS} is no row"));
        }
    }
}
