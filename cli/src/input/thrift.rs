//! The compact form of Thrift, as much as it takes to look at sizes before a decoder believes them.

use std::io::{self, ErrorKind, Read};

/// The deepest nesting that is followed.
const DEEPEST: u32 = 32;

/// The type of a list.
pub const LIST: u8 = 9;
/// The type of a struct.
pub const STRUCT: u8 = 12;

/// A reader of Thrift.
pub struct Compact<R>(pub R);

impl<R: Read> Compact<R> {
    /// The next field of a struct: its number and type; none at the end. `last` is the number of the field before, 0 at first.
    pub fn field(&mut self, last: &mut i64) -> io::Result<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *last = match head >> 4 {
            0 => self.integer()?,
            step => last.wrapping_add(step.into()),
        };
        Ok(Some((*last, head & 15)))
    }

    /// An integer of any width.
    pub fn integer(&mut self) -> io::Result<i64> {
        let bits = self.unsigned()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// The start of a list: the type of its elements and their number.
    pub fn list(&mut self) -> io::Result<(u8, u64)> {
        let head = self.byte()?;
        let length = if head >> 4 == 15 { self.unsigned()? } else { (head >> 4).into() };
        Ok((head & 15, length))
    }

    /// Reads over a value.
    pub fn skip(&mut self, kind: u8) -> io::Result<()> {
        self.skip_within(kind, DEEPEST)
    }

    fn skip_within(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| invalid("nested too deeply"))?;
        match kind {
            // As a field a boolean is its type.
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.unsigned()?),
            7 => self.bytes(8)?,
            8 => {
                let length = self.unsigned()?;
                self.bytes(length)?;
            }
            9 | 10 => {
                let (kind, length) = self.list()?;
                for _ in 0..length {
                    self.element(kind, depth)?;
                }
            }
            11 => {
                let length = self.unsigned()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                for _ in 0..length {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 15, depth)?;
                }
            }
            12 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_within(kind, depth)?;
                }
            }
            _ => return Err(invalid("a type that Thrift has not")),
        }
        Ok(())
    }

    fn element(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        // In a list a boolean is a byte.
        if matches!(kind, 1 | 2) { self.byte().map(drop) } else { self.skip_within(kind, depth) }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn bytes(&mut self, length: u64) -> io::Result<()> {
        if io::copy(&mut self.0.by_ref().take(length), &mut io::sink())? == length {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    fn unsigned(&mut self) -> io::Result<u64> {
        let mut bits = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(bits);
            }
        }
        Err(invalid("an integer without an end"))
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}
