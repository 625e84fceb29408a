//! From pointers to slices: null, alignment, size and overlap are checked for all arguments of a call before the first
//! slice is made.

use super::failure::{Failure, Outcome};
use core::marker::PhantomData;

/// Memory that a call reads or writes.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    start: usize,
    end: usize,
    written: bool,
}

impl Span {
    const NONE: Self = Self { name: "", start: 0, end: 0, written: false };

    /// That one of the two is written and that they share a byte.
    #[inline(always)]
    fn clashes(&self, other: &Self) -> bool {
        (self.written | other.written) & (self.start < other.end) & (other.start < self.end)
    }
}

/// The most spans of any call: a step's.
const MOST: usize = 24;

/// The memory of a call so far.
pub struct Arguments {
    spans: [Span; MOST],
    used: usize,
}

/// Memory that will be read, once all is checked.
pub struct Input<'a, T> {
    start: *const T,
    length: usize,
    call: PhantomData<&'a T>,
}

/// Memory that will be written, once all is checked.
pub struct Output<'a, T> {
    start: *mut T,
    length: usize,
    call: PhantomData<&'a mut T>,
}

impl<T> Clone for Input<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Input<'_, T> {}

impl Arguments {
    pub const fn new() -> Self {
        Self { spans: [Span::NONE; MOST], used: 0 }
    }

    fn add<T>(&mut self, name: &'static str, start: *const T, length: usize, written: bool) -> Outcome {
        if length == 0 {
            return Ok(());
        }
        if start.is_null() {
            return Err(Failure::Null(name));
        }
        if !start.is_aligned() {
            return Err(Failure::Alignment(name));
        }
        let bytes = length.checked_mul(size_of::<T>()).filter(|&bytes| bytes <= isize::MAX as usize);
        let end = bytes.and_then(|bytes| start.addr().checked_add(bytes)).ok_or(Failure::TooLarge(name))?;
        let span = Span { name, start: start.addr(), end, written };
        if let Some(other) = self.spans.iter().take(self.used).find(|other| other.clashes(&span)) {
            let (written, other) = if written { (name, other.name) } else { (other.name, name) };
            return Err(Failure::Overlap(written, other));
        }
        // There is room for more than any call has.
        *self.spans.get_mut(self.used).ok_or(Failure::TooLarge(name))? = span;
        self.used += 1;
        Ok(())
    }

    /// `length` elements to read.
    pub fn input<'a, T>(
        &mut self,
        name: &'static str,
        start: *const T,
        length: usize,
    ) -> Result<Input<'a, T>, Failure> {
        self.add(name, start, length, false)?;
        Ok(Input { start, length, call: PhantomData })
    }

    /// The same, where null means that there is none.
    pub fn input_if<'a, T>(
        &mut self,
        name: &'static str,
        start: *const T,
        length: usize,
    ) -> Result<Option<Input<'a, T>>, Failure> {
        if start.is_null() { Ok(None) } else { self.input(name, start, length).map(Some) }
    }

    /// `length` elements to write.
    pub fn output<'a, T>(
        &mut self,
        name: &'static str,
        start: *mut T,
        length: usize,
    ) -> Result<Output<'a, T>, Failure> {
        self.add(name, start, length, true)?;
        Ok(Output { start, length, call: PhantomData })
    }

    /// The same, where null means that it is left out.
    pub fn output_if<'a, T>(
        &mut self,
        name: &'static str,
        start: *mut T,
        length: usize,
    ) -> Result<Option<Output<'a, T>>, Failure> {
        if start.is_null() { Ok(None) } else { self.output(name, start, length).map(Some) }
    }
}

impl<'a, T> Input<'a, T> {
    /// The memory.
    ///
    /// # Safety
    /// The caller of the C function vouches for it: initialised, and not written by others during the call. All arguments of the call
    /// are checked.
    pub unsafe fn slice(self) -> &'a [T] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: not null, aligned, of a size that is allowed, and apart from all that is written: checked when it was made.
        unsafe { core::slice::from_raw_parts(self.start, self.length) }
    }
}

impl<'a, T> Output<'a, T> {
    /// The memory.
    ///
    /// # Safety
    /// As [`Input::slice`]; also, T takes any bits, and nothing else uses the memory during the call.
    pub unsafe fn slice(self) -> &'a mut [T] {
        if self.length == 0 {
            return &mut [];
        }
        // SAFETY: as in Input::slice.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// The memory after zeroing it, for a T that does not take any bits but 0.
    ///
    /// # Safety
    /// As [`Output::slice`], with a T for which 0 is a value.
    pub unsafe fn zeroed(self) -> &'a mut [T] {
        if self.length > 0 {
            // SAFETY: as in Input::slice.
            unsafe { core::ptr::write_bytes(self.start, 0, self.length) };
        }
        // SAFETY: all of it now is a value.
        unsafe { self.slice() }
    }
}

/// A struct of the caller's.
///
/// # Safety
/// `from` is null or points to a T, which takes any bits.
pub unsafe fn read<T: Copy>(name: &'static str, from: *const T) -> Result<T, Failure> {
    if from.is_null() {
        return Err(Failure::Null(name));
    }
    if !from.is_aligned() {
        return Err(Failure::Alignment(name));
    }
    // SAFETY: not null, aligned, and the caller vouches for the rest.
    Ok(unsafe { *from })
}
