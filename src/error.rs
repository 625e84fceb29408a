//! What the library refuses, and why.

use crate::lanes::Level;
use crate::losses::Parameter;

/// An input that cannot be computed. Every error is found before anything is written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Error {
    /// A slice whose length differs from that of `policy_chosen_logps` (or, for slice functions, of the input).
    Length {
        /// The argument's name.
        argument: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
        got: usize,
    },
    /// A parameter outside its range.
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// The value given.
        value: f64,
        /// What it must satisfy.
        requirement: &'static str,
    },
    /// A weight that is negative, infinite or NaN.
    Weight {
        /// The row, counted from 0.
        row: usize,
        /// The value given.
        value: f32,
    },
    /// A number of the column that the loss takes beside log-probabilities, outside its range.
    Column {
        /// What the column is.
        name: &'static str,
        /// The row, counted from 0; of a list, the answer among all.
        row: usize,
        /// The value given.
        value: f32,
        /// What it must satisfy.
        requirement: &'static str,
    },
    /// Offsets that are not those of lists or segments: they begin with 0, never fall, and end with the number of answers or steps.
    Offsets {
        /// The place among the offsets, counted from 0.
        index: usize,
        /// The offset given; the length of the offsets where there are none.
        value: usize,
        /// What it must satisfy.
        requirement: &'static str,
    },
    /// A target that is neither a column nor the mark of a masked row.
    Target {
        /// The row, counted from 0.
        row: usize,
        /// The label given.
        label: i64,
        /// How many columns there are.
        columns: usize,
    },
    /// A target that none of the merged shards holds.
    NoTarget,
    /// A sequence without a token that counts.
    EmptySequence {
        /// The sequence, counted from 0.
        sequence: usize,
    },
    /// A vector of length 0, whose cosine does not exist.
    ZeroVector {
        /// The argument's name.
        argument: &'static str,
        /// The row, counted from 0.
        row: usize,
    },
    /// An instruction-set level that this CPU (or this build) lacks.
    Level(Level),
    /// A name that is no instruction-set level.
    UnknownLevel,
    /// The thread pool could not be started.
    Threads,
    /// A call of the streaming evaluator that does not fit what came before. It changed nothing.
    OutOfOrder {
        /// The function's name.
        call: &'static str,
        /// What would have been right.
        requirement: &'static str,
    },
    /// A buffer or counter that can take no more. It was left as it is.
    Full {
        /// What is full.
        what: &'static str,
        /// How much it holds.
        capacity: usize,
    },
    /// Bytes that cannot be restored. The state that they were meant for was left as it is.
    SavedState {
        /// What is wrong with them.
        fault: &'static str,
    },
}

/// Where an error's text goes, piece by piece: without `core::fmt`, which a device would pay for in flash.
#[cfg(any(feature = "std", feature = "capi"))]
pub(crate) trait Text {
    fn text(&mut self, text: &str);
    fn integer(&mut self, integer: i64);
    fn count(&mut self, count: usize);
    fn number(&mut self, number: f64);
    fn single(&mut self, number: f32);
}

#[cfg(any(feature = "std", feature = "capi"))]
impl Error {
    /// Says what was wrong, where, and what would be right.
    pub(crate) fn describe(&self, out: &mut impl Text) {
        match *self {
            Self::Length { argument, expected, got } => {
                out.text(argument);
                out.text(" has ");
                out.count(got);
                out.text(" elements where ");
                out.count(expected);
                out.text(" are needed");
            }
            Self::Parameter { name, value, requirement } => {
                out.text(name);
                out.text(" is ");
                out.number(value);
                out.text("; it must be ");
                out.text(requirement);
            }
            Self::Weight { row, value } => {
                out.text("the weight of row ");
                out.count(row);
                out.text(" is ");
                out.single(value);
                out.text("; weights must be finite and at least 0");
            }
            Self::Column { name, row, value, requirement } => {
                out.text("the ");
                out.text(name);
                out.text(" of row ");
                out.count(row);
                out.text(" is ");
                out.single(value);
                out.text("; it must be ");
                out.text(requirement);
            }
            Self::Offsets { index, value, requirement } => {
                out.text("offset ");
                out.count(index);
                out.text(" is ");
                out.count(value);
                out.text("; it must be ");
                out.text(requirement);
            }
            Self::Target { row, label, columns } => {
                out.text("the target of row ");
                out.count(row);
                out.text(" is ");
                out.integer(label);
                out.text("; the columns are 0 to ");
                out.count(columns.saturating_sub(1));
            }
            Self::NoTarget => out.text("no shard held the target's column"),
            Self::EmptySequence { sequence } => {
                out.text("sequence ");
                out.count(sequence);
                out.text(" has no token that counts: none came, or every target of it is masked");
            }
            Self::ZeroVector { argument, row } => {
                out.text("row ");
                out.count(row);
                out.text(" of ");
                out.text(argument);
                out.text(" is a vector of length 0, which has no cosine; use the dot product");
            }
            Self::Level(level) => {
                out.text("level ");
                out.text(level.name());
                out.text(" is not available on this CPU; available: ");
                for (i, l) in Level::ALL.into_iter().filter(|l| l.is_available()).enumerate() {
                    out.text(if i == 0 { "" } else { ", " });
                    out.text(l.name());
                }
            }
            Self::UnknownLevel => out.text("unknown level; levels are scalar, wide, avx2 and avx512"),
            Self::Threads => out.text("the thread pool could not be started"),
            Self::OutOfOrder { call, requirement } => {
                out.text(call);
                out.text(" is out of order: ");
                out.text(requirement);
            }
            Self::Full { what, capacity } => {
                out.text(what);
                out.text(" is full: it holds ");
                out.count(capacity);
            }
            Self::SavedState { fault } => {
                out.text("the saved state ");
                out.text(fault);
            }
        }
    }
}

#[cfg(feature = "std")]
impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        struct Formatted<'a, 'b>(&'a mut core::fmt::Formatter<'b>, core::fmt::Result);
        impl Formatted<'_, '_> {
            fn put(&mut self, value: impl core::fmt::Display) {
                self.1 = self.1.and_then(|()| write!(self.0, "{value}"));
            }
        }
        impl Text for Formatted<'_, '_> {
            fn text(&mut self, text: &str) {
                self.put(text);
            }
            fn integer(&mut self, integer: i64) {
                self.put(integer);
            }
            fn count(&mut self, count: usize) {
                self.put(count);
            }
            fn number(&mut self, number: f64) {
                if is_short(number) { self.put(number) } else { self.put(format_args!("{number:e}")) }
            }
            fn single(&mut self, number: f32) {
                if is_short(number.into()) { self.put(number) } else { self.put(format_args!("{number:e}")) }
            }
        }
        /// Whether plain digits say it well: 1e300 has 301 of them.
        fn is_short(number: f64) -> bool {
            number == 0.0 || (1e-5..1e15).contains(&number.abs())
        }
        let mut text = Formatted(f, Ok(()));
        self.describe(&mut text);
        text.1
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

/// That an argument is as long as it should be.
pub(crate) fn check_length(argument: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Length { argument, expected, got }) }
}

/// That offsets begin with 0, never fall, and end with `n`; the first and the last requirement in words.
pub(crate) fn check_offsets(offsets: &[usize], n: usize, [first, last]: [&'static str; 2]) -> Result<(), Error> {
    let mut before = 0;
    for (index, &value) in offsets.iter().enumerate() {
        let fault = |requirement| Err(Error::Offsets { index, value, requirement });
        if index == 0 && value != 0 {
            return fault(first);
        }
        if value < before {
            return fault("at least the offset before it");
        }
        before = value;
    }
    if before != n || offsets.is_empty() {
        return Err(Error::Offsets { index: offsets.len().saturating_sub(1), value: before, requirement: last });
    }
    Ok(())
}

/// That there are as many weights as rows, each finite and at least 0.
pub(crate) fn check_weights(rows: usize, weights: &[f32]) -> Result<(), Error> {
    check_length("weights", rows, weights.len())?;
    // A NaN is not in the range either.
    match weights.iter().enumerate().find(|(_, w)| !(0.0..=f32::MAX).contains(*w)) {
        Some((row, &value)) => Err(Error::Weight { row, value }),
        None => Ok(()),
    }
}

/// That a column is there if the loss takes one and not otherwise, as many numbers as rows, each in its range.
pub(crate) fn check_column(rows: usize, wanted: Option<&Parameter>, given: Option<&[f32]>) -> Result<(), Error> {
    let expected = if wanted.is_some() { rows } else { 0 };
    let given = given.unwrap_or_default();
    check_length("column", expected, given.len())?;
    let Some(&Parameter { name, requirement, .. }) = wanted else { return Ok(()) };
    let outside = |value: f32| wanted.is_some_and(|wanted| wanted.check(value.into()).is_err());
    match given.iter().enumerate().find(|(_, value)| outside(**value)) {
        Some((row, &value)) => Err(Error::Column { name, row, value, requirement }),
        None => Ok(()),
    }
}
