//! State as bytes: little-endian everywhere, with a version and a checksum.
//!
//! Layout: `PFLN`, kind and version (a byte each), two zero bytes, length of the content (u32), the content, CRC-32
//! (ISO-HDLC) of all before it (u32).

use crate::Error;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

const MAGIC: [u8; 4] = *b"PFLN";
const VERSION: u8 = 1;
const HEADER: usize = 12;
/// Bytes that every state has beside its content.
pub const OVERHEAD: usize = HEADER + 4;

/// Bit by bit: a table would cost a device a KiB of flash.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// CRC-32 of bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// What a state is of.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Metrics = 1,
    Monitor = 2,
}

/// Writes numbers one after the other.
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    written: usize,
}

impl Writer<'_> {
    pub fn bytes(&mut self, bytes: &[u8]) {
        // What has no room was refused before.
        if let Some(room) = self.bytes.get_mut(self.written..self.written + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.written += bytes.len();
    }
    pub fn u32(&mut self, x: u32) {
        self.bytes(&x.to_le_bytes());
    }
    pub fn u64(&mut self, x: u64) {
        self.bytes(&x.to_le_bytes());
    }
    pub fn f32(&mut self, x: f32) {
        self.u32(x.to_bits());
    }
}

/// Reads them again; `None` past the end.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    pub fn f32(&mut self) -> Option<f32> {
        self.u32().map(f32::from_bits)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes a state of `content` bytes, which `write` gives; returns its whole length.
pub fn write(kind: Kind, content: usize, into: &mut [u8], write: impl FnOnce(&mut Writer<'_>)) -> Result<usize, Error> {
    let length = content + OVERHEAD;
    let got = into.len();
    let into = into.get_mut(..length).ok_or(Error::Length { argument: "bytes", expected: length, got })?;
    let mut writer = Writer { bytes: into, written: 0 };
    writer.bytes(&MAGIC);
    writer.bytes(&[kind as u8, VERSION, 0, 0]);
    writer.u32(content as u32);
    write(&mut writer);
    let checksum = checksum(writer.bytes.get(..content + HEADER).unwrap_or_default());
    writer.u32(checksum);
    Ok(length)
}

/// Checks all that does not depend on the content, and hands that out. Bytes after the state are not looked at.
pub fn read(kind: Kind, bytes: &[u8]) -> Result<Reader<'_>, Error> {
    let refuse = |fault| Err(Error::SavedState { fault });
    let mut reader = Reader(bytes);
    let header = reader.take().zip(reader.take()).zip(reader.u32());
    let Some(((magic, [of, version, ..]), content)) = header as Option<(([u8; 4], [u8; 4]), u32)> else {
        return refuse("is cut off");
    };
    if magic != MAGIC {
        return refuse("does not begin with PFLN: these bytes are something else");
    }
    if version != VERSION {
        return refuse("is of another version of the format, which this library does not read");
    }
    let end = (content as usize).saturating_add(HEADER);
    let (Some(covered), Some(content), Some(stored)) =
        (bytes.get(..end), bytes.get(HEADER..end), bytes.get(end..).and_then(|rest| rest.first_chunk()))
    else {
        return refuse("is cut off");
    };
    if checksum(covered) != u32::from_le_bytes(*stored) {
        return refuse("is damaged: its checksum does not fit");
    }
    if of != kind as u8 {
        return refuse("is of another kind: metrics alone, or a whole monitor");
    }
    Ok(Reader(content))
}

/// The refusal of a content that nothing could have written.
pub const IMPOSSIBLE: Error = Error::SavedState { fault: "holds values that no state has" };
