//! From pointers to slices: null, alignment, size and overlap are checked for all arguments of a call before the first
//! slice is made.

use super::failure::Failure;
use core::marker::PhantomData;

/// Memory that a call reads or writes.
#[derive(Clone, Copy)]
struct Span {
    name: &'static str,
    start: usize,
    end: usize,
    /// 0 or 1: a bool would leave padding, which vector code reads and memory checkers notice.
    written: usize,
}

impl Span {
    const NONE: Self = Self { name: "", start: 0, end: 0, written: 0 };

    /// That one of the two is written and that they share a byte.
    #[inline(always)]
    fn clashes(&self, other: &Self) -> bool {
        ((self.written | other.written) != 0) & (self.start < other.end) & (other.start < self.end)
    }
}

/// The address behind some elements, if memory can hold as many from there on.
#[inline(always)]
fn span_end<T>(start: *const T, length: usize) -> Option<usize> {
    let bytes = length.checked_mul(size_of::<T>()).filter(|&bytes| bytes <= isize::MAX as usize);
    bytes.and_then(|bytes| start.addr().checked_add(bytes))
}

/// The most spans of any call: a step's.
const MOST: usize = 24;

/// The memory of a call so far, and the first thing that is wrong with it.
pub struct Arguments {
    spans: [Span; MOST],
    used: usize,
    failure: Option<Failure>,
}

/// That all memory of a call is checked: what makes slices of it.
pub struct Checked(());

/// Memory that will be read.
pub struct Input<'a, T> {
    start: *const T,
    length: usize,
    call: PhantomData<&'a T>,
}

/// Memory that will be written.
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
        Self { spans: [Span::NONE; MOST], used: 0, failure: None }
    }

    #[inline]
    fn add<T>(&mut self, name: &'static str, start: *const T, length: usize, written: bool) {
        if length == 0 {
            return;
        }
        match (span_end(start, length), self.spans.get_mut(self.used)) {
            (Some(end), Some(span)) if !start.is_null() && start.is_aligned() => {
                *span = Span { name, start: start.addr(), end, written: written.into() };
                self.used += 1;
            }
            _ => self.fail(if start.is_null() {
                Failure::Null(name)
            } else if !start.is_aligned() {
                Failure::Alignment(name)
            } else {
                Failure::TooLarge(name)
            }),
        }
    }

    /// The first failure is the one that counts.
    #[cold]
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// `length` elements to read.
    pub fn input<'a, T>(&mut self, name: &'static str, start: *const T, length: usize) -> Input<'a, T> {
        self.add(name, start, length, false);
        Input { start, length, call: PhantomData }
    }

    /// The same, where null means that there is none: [`Input::slice_if`]. Not an Option, whose payload the compiler may look at
    /// before it knows that there is one, as memory checkers then report.
    pub fn input_if<'a, T>(&mut self, name: &'static str, start: *const T, length: usize) -> Input<'a, T> {
        self.input(name, start, if start.is_null() { 0 } else { length })
    }

    /// `length` elements to write.
    pub fn output<'a, T>(&mut self, name: &'static str, start: *mut T, length: usize) -> Output<'a, T> {
        self.add(name, start, length, true);
        Output { start, length, call: PhantomData }
    }

    /// The same, where null means that it is left out: [`Output::slice_if`].
    pub fn output_if<'a, T>(&mut self, name: &'static str, start: *mut T, length: usize) -> Output<'a, T> {
        self.output(name, start, if start.is_null() { 0 } else { length })
    }

    /// `start` moved on by some elements. Null stays null: left out, or an error.
    fn skip<T>(&mut self, name: &'static str, start: *mut T, elements: usize) -> *mut T {
        if start.is_null() {
            return start;
        }
        if span_end(start, elements).is_none() {
            // It would come round to memory that is not the caller's.
            self.fail(Failure::TooLarge(name));
        }
        start.wrapping_add(elements)
    }

    /// `length` elements to read from element `first` of an array on.
    pub fn input_from<'a, T>(
        &mut self,
        name: &'static str,
        start: *const T,
        first: usize,
        length: usize,
    ) -> Input<'a, T> {
        let start = self.skip(name, start.cast_mut(), first);
        self.input(name, start, length)
    }

    /// `length` elements to write from element `first` of an array on.
    pub fn output_from<'a, T>(
        &mut self,
        name: &'static str,
        start: *mut T,
        first: usize,
        length: usize,
    ) -> Output<'a, T> {
        let start = self.skip(name, start, first);
        self.output(name, start, length)
    }

    /// The same, where null means that it is left out: [`Output::slice_if`].
    pub fn output_from_if<'a, T>(
        &mut self,
        name: &'static str,
        start: *mut T,
        first: usize,
        length: usize,
    ) -> Output<'a, T> {
        self.output_from(name, start, first, if start.is_null() { 0 } else { length })
    }

    /// That every pointer is good, and that nothing that is written overlaps anything else.
    pub fn check(&mut self) -> Result<Checked, Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut spans = self.spans.get(..self.used).unwrap_or_default();
        while let [span, others @ ..] = spans {
            if let Some(other) = others.iter().find(|other| other.clashes(span)) {
                let (written, other) = if other.written != 0 { (other, span) } else { (span, other) };
                return Err(Failure::Overlap(written.name, other.name));
            }
            spans = others;
        }
        Ok(Checked(()))
    }
}

impl<'a, T> Input<'a, T> {
    /// The same bytes as another type of the same size and alignment, or of less.
    pub fn cast<U>(self) -> Input<'a, U> {
        const { assert!(size_of::<U>() == size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        Input { start: self.start.cast(), length: self.length, call: PhantomData }
    }

    /// A struct that stands at the beginning of the one element, and takes any bits.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    pub unsafe fn part<U>(self, _: &Checked) -> &'a [U] {
        const { assert!(size_of::<U>() <= size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        // SAFETY: as in Input::slice: the larger type is there.
        unsafe { core::slice::from_raw_parts(self.start.cast(), 1) }
    }

    /// The first elements of it, which are no more than there are.
    pub fn first(self, length: usize) -> Self {
        self.range(0, length)
    }

    /// Some elements of it, which are there.
    pub fn range(self, first: usize, length: usize) -> Self {
        let there = first.checked_add(length).is_some_and(|end| end <= self.length);
        let length = if there { length } else { 0 };
        Self { start: self.start.wrapping_add(if there { first } else { 0 }), length, ..self }
    }

    /// The memory.
    ///
    /// # Safety
    /// The caller of the C function vouches for it: initialised, and not written by others during the call. `checked` is of the
    /// call that this is an argument of.
    pub unsafe fn slice(self, _: &Checked) -> &'a [T] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: not null, aligned, of a size that is allowed, and apart from all that is written: checked when it was made.
        unsafe { core::slice::from_raw_parts(self.start, self.length) }
    }

    /// The memory, if there is any.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    pub unsafe fn slice_if(self, checked: &Checked) -> Option<&'a [T]> {
        // SAFETY: the caller's.
        if self.start.is_null() { None } else { Some(unsafe { self.slice(checked) }) }
    }
}

impl<'a, T> Output<'a, T> {
    /// Some elements of it, which are there: other calls may write the others meanwhile.
    pub fn range(self, first: usize, length: usize) -> Self {
        let there = first.checked_add(length).is_some_and(|end| end <= self.length);
        let length = if there { length } else { 0 };
        Self { start: self.start.wrapping_add(if there { first } else { 0 }), length, ..self }
    }

    /// The same bytes as another type of the same size and alignment, or of less.
    pub fn cast<U>(self) -> Output<'a, U> {
        const { assert!(size_of::<U>() == size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        Output { start: self.start.cast(), length: self.length, call: PhantomData }
    }

    /// A struct that stands at the beginning of the one element, and takes any bits.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands.
    pub unsafe fn part<U>(self, _: &Checked) -> &'a mut [U] {
        const { assert!(size_of::<U>() <= size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        // SAFETY: as in Output::slice: the larger type is there.
        unsafe { core::slice::from_raw_parts_mut(self.start.cast(), 1) }
    }

    /// The same memory where this call only reads it.
    pub fn read_only(self) -> Input<'a, T> {
        Input { start: self.start, length: self.length, call: PhantomData }
    }

    /// The memory.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands; also, T takes any bits, and nothing else uses the memory during the call.
    pub unsafe fn slice(self, _: &Checked) -> &'a mut [T] {
        if self.length == 0 {
            return &mut [];
        }
        // SAFETY: as in Input::slice.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// The memory, if it is not left out.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands.
    pub unsafe fn slice_if(self, checked: &Checked) -> Option<&'a mut [T]> {
        // SAFETY: the caller's.
        if self.start.is_null() { None } else { Some(unsafe { self.slice(checked) }) }
    }

    /// The first elements as those of a type that is no larger, after setting them to a value.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands.
    pub unsafe fn filled_as<U: Copy>(self, _: &Checked, length: usize, value: U) -> &'a mut [U] {
        const { assert!(size_of::<U>() <= size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        let start = self.start.cast::<U>();
        if length == 0 || length > self.length {
            return &mut [];
        }
        for place in 0..length {
            // SAFETY: there is room for as many of the larger type.
            unsafe { start.add(place).write(value) };
        }
        // SAFETY: as in Input::slice, and all of them are written.
        unsafe { core::slice::from_raw_parts_mut(start, length) }
    }

    /// The memory, if it is not left out, after zeroing it, for a T that does not take any bits but 0.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands, with a T for which 0 is a value.
    pub unsafe fn zeroed_if(self, checked: &Checked) -> Option<&'a mut [T]> {
        if self.length > 0 {
            // SAFETY: as in Input::slice.
            unsafe { core::ptr::write_bytes(self.start, 0, self.length) };
        }
        // SAFETY: all of it now is a value.
        unsafe { self.slice_if(checked) }
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
