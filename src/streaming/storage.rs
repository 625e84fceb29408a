//! State that survives a loss of power at any moment.
//!
//! Two slots take turns: a save goes to the one that does not hold the newest state, so that whatever a loss of power
//! leaves there, the other is whole. Each record carries a generation and a checksum; the newest whole one counts.
//!
//! Layout of a record: generation (u32), length of the state (u32), the state, CRC-32 of all before it (u32), all
//! little-endian.

use crate::Error;
use crate::saved::{Reader, Writer, seal, unseal};

/// One of the two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What the device keeps states in: two sectors of flash, two ranges of an EEPROM, two files.
///
/// The slots must not share what one write can damage, such as a sector that is erased as a whole.
pub trait Storage {
    /// What can go wrong.
    type Error;

    /// Reads the first bytes of a slot. What was never written may be anything.
    fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes the first bytes of a slot, after erasing what must be erased. Returns when they would survive a loss of
    /// power.
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// What can be kept: a [`Monitor`](super::Monitor) or [`Metrics`](crate::Metrics).
pub trait Saved {
    /// Writes the state to the beginning of `into` and returns its length.
    ///
    /// # Errors
    /// [`Error::Length`] if there is too little room.
    fn save(&self, into: &mut [u8]) -> Result<usize, Error>;
    /// Takes the state back; bytes after it are not looked at.
    ///
    /// # Errors
    /// [`Error::SavedState`]; the state is as it was then.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error>;
}

/// Why a state could not be kept or restored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StorageError<E> {
    /// The storage's own error.
    Storage(E),
    /// Too small a buffer, or a state of another version or kind.
    State(Error),
    /// What was read back is not what was written. The state kept before is still there.
    NotWritten,
}

/// Bytes of a record beside the state: what the buffers of [`Slots`] need more than the state.
pub const RECORD_OVERHEAD: usize = 12;
const HEADER: usize = 8;

/// Two slots and which of them is the newest.
///
/// ```
/// use preflane::streaming::Monitor;
/// use preflane::streaming::storage::{RECORD_OVERHEAD, Slot, Slots, Storage};
///
/// const BYTES: usize = Monitor::<16>::BYTES + RECORD_OVERHEAD;
///
/// /// Stands for two sectors of flash.
/// struct Memory([[u8; BYTES]; 2]);
///
/// impl Storage for Memory {
///     type Error = core::convert::Infallible;
///     fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), Self::Error> {
///         into.copy_from_slice(&self.0[slot as usize][..into.len()]);
///         Ok(())
///     }
///     fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), Self::Error> {
///         self.0[slot as usize][..bytes.len()].copy_from_slice(bytes);
///         Ok(())
///     }
/// }
///
/// let (mut monitor, mut buffer) = (Monitor::<16>::new(), [0; BYTES]);
/// let (mut slots, found) = Slots::open(Memory([[0xff; BYTES]; 2]), &mut monitor, &mut buffer)?;
/// assert!(!found);
/// slots.save(&monitor, &mut buffer)?;
/// let (_, found) = Slots::open(slots.into_storage(), &mut monitor, &mut buffer)?;
/// assert!(found);
/// # Ok::<(), preflane::streaming::storage::StorageError<core::convert::Infallible>>(())
/// ```
#[derive(Debug)]
pub struct Slots<S> {
    storage: S,
    /// The slot with the newest whole record, and its generation.
    newest: Option<(Slot, u32)>,
}

impl<S: Storage> Slots<S> {
    /// Looks for the newest state and restores it: `true`, or `false` if no slot holds one (a new device) and `state` is
    /// as it was. `buffer` takes a record: the largest state and [`RECORD_OVERHEAD`].
    ///
    /// A slot that cannot be read counts as empty as long as the other holds a state, for flash may refuse to read what a
    /// loss of power left half written.
    ///
    /// # Errors
    /// [`StorageError::Storage`] if a slot cannot be read and the other holds nothing;
    /// [`StorageError::State`] with [`Error::Length`] for a buffer that could hold no record at all, or with
    /// [`Error::SavedState`] if the newest record is whole but its state is of another version or kind.
    pub fn open(
        mut storage: S,
        state: &mut impl Saved,
        buffer: &mut [u8],
    ) -> Result<(Self, bool), StorageError<S::Error>> {
        if buffer.len() < RECORD_OVERHEAD {
            return Err(too_short(RECORD_OVERHEAD, buffer.len()));
        }
        let mut newest = None;
        let mut failed = None;
        for slot in [Slot::A, Slot::B] {
            match storage.read(slot, buffer) {
                Ok(()) => {
                    if let Some(Record { generation, .. }) = Record::read(buffer) {
                        // The generations differ by one, and may wrap.
                        let newer = newest.is_none_or(|(_, other)| generation.wrapping_sub(other) as i32 > 0);
                        newest = if newer { Some((slot, generation)) } else { newest };
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some((slot, _)) = newest else {
            return failed.map_or(Ok((Self { storage, newest }, false)), |error| Err(StorageError::Storage(error)));
        };
        storage.read(slot, buffer).map_err(StorageError::Storage)?;
        let found = Record::read(buffer).ok_or(StorageError::NotWritten)?;
        state.restore(found.state).map_err(StorageError::State)?;
        Ok((Self { storage, newest }, true))
    }

    /// Keeps a state, in the slot that does not hold the newest one, and reads it back. `buffer` takes a record: the
    /// state and [`RECORD_OVERHEAD`].
    ///
    /// # Errors
    /// [`StorageError`]; the state kept before is still there.
    pub fn save(&mut self, state: &impl Saved, buffer: &mut [u8]) -> Result<(), StorageError<S::Error>> {
        let got = buffer.len();
        let content = buffer.get_mut(HEADER..).ok_or(too_short(RECORD_OVERHEAD, got))?;
        let length = state.save(content).map_err(StorageError::State)?;
        let needed = length + RECORD_OVERHEAD;
        let record_bytes = buffer.get_mut(..needed).ok_or(too_short(needed, got))?;
        let (slot, generation) = match self.newest {
            Some((slot, generation)) => (slot.other(), generation.wrapping_add(1)),
            None => (Slot::A, 0),
        };
        let mut header = Writer::new(record_bytes);
        header.u32(generation);
        header.u32(length as u32);
        let written = seal(record_bytes, HEADER + length);
        self.storage.write(slot, record_bytes).map_err(StorageError::Storage)?;
        record_bytes.fill(0);
        self.storage.read(slot, record_bytes).map_err(StorageError::Storage)?;
        // The checksum stored, not only one that fits: an older record of the slot would have that too.
        if Record::read(record_bytes).is_none_or(|found| found.checksum != written) {
            return Err(StorageError::NotWritten);
        }
        self.newest = Some((slot, generation));
        Ok(())
    }

    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }
}

fn too_short<E>(expected: usize, got: usize) -> StorageError<E> {
    StorageError::State(Error::Length { argument: "buffer", expected, got })
}

/// A whole record.
struct Record<'a> {
    generation: u32,
    state: &'a [u8],
    checksum: u32,
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut header = Reader::new(bytes);
        let (generation, length) = (header.u32()?, header.u32()?);
        let (covered, checksum) = unseal(bytes, HEADER.checked_add(length as usize)?).ok()?;
        Some(Self { generation, state: covered.get(HEADER..)?, checksum })
    }
}
