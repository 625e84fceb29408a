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

/// Writes the checksum of the first `length` bytes behind them, and returns it.
pub fn seal(bytes: &mut [u8], length: usize) -> u32 {
    let Some((covered, rest)) = bytes.split_at_mut_checked(length) else { return 0 };
    let checksum = CRC.checksum(covered);
    Writer::new(rest).u32(checksum);
    checksum
}

/// Why bytes are none that [`seal`] left.
pub enum Unsealed {
    CutOff,
    Damaged,
}

/// The first `length` bytes and their checksum, which stands behind them.
pub fn unseal(bytes: &[u8], length: usize) -> Result<(&[u8], u32), Unsealed> {
    let (covered, rest) = bytes.split_at_checked(length).ok_or(Unsealed::CutOff)?;
    let stored = Reader(rest).u32().ok_or(Unsealed::CutOff)?;
    if stored == CRC.checksum(covered) { Ok((covered, stored)) } else { Err(Unsealed::Damaged) }
}

/// What a state is of.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Metrics = 1,
    Monitor = 2,
    LabelledMetrics = 3,
    ListMetrics = 4,
    MeanLogRatio = 5,
}

/// Writes numbers one after the other.
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, written: 0 }
    }
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

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
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
    let mut writer = Writer::new(into);
    writer.bytes(&MAGIC);
    writer.bytes(&[kind as u8, VERSION, 0, 0]);
    writer.u32(content as u32);
    write(&mut writer);
    seal(into, content + HEADER);
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
    match unseal(bytes, end) {
        Err(Unsealed::CutOff) => refuse("is cut off"),
        Err(Unsealed::Damaged) => refuse("is damaged: its checksum does not fit"),
        Ok(_) if of != kind as u8 => refuse(
            "is of another kind: metrics of pairs, of labelled answers or of lists, a mean log-ratio, or a whole monitor",
        ),
        Ok((covered, _)) => Ok(Reader(covered.get(HEADER..).unwrap_or_default())),
    }
}

/// The refusal of a content that nothing could have written.
pub const IMPOSSIBLE: Error = Error::SavedState { fault: "holds values that no state has" };
