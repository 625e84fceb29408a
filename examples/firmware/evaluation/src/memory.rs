//! An array that stands for two sectors of flash.

use preflane::streaming::storage::{Slot, Storage};

/// Two slots of `N` bytes, at first as erased flash is.
#[derive(Debug)]
pub struct Memory<const N: usize>([[u8; N]; 2]);

impl<const N: usize> Default for Memory<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Memory<N> {
    /// Erased.
    pub const fn new() -> Self {
        Self([[0xff; N]; 2])
    }

    fn slot(&mut self, slot: Slot) -> &mut [u8] {
        let [a, b] = &mut self.0;
        match slot {
            Slot::A => a,
            Slot::B => b,
        }
    }
}

/// More bytes than a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooLong;

impl<const N: usize> Storage for Memory<N> {
    type Error = TooLong;

    fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), TooLong> {
        into.copy_from_slice(self.slot(slot).get(..into.len()).ok_or(TooLong)?);
        Ok(())
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), TooLong> {
        self.slot(slot).get_mut(..bytes.len()).ok_or(TooLong)?.copy_from_slice(bytes);
        Ok(())
    }
}
