//! What the library refuses, and why.

use crate::lanes::Level;

/// An input that cannot be computed. Every error is found before anything is written.
#[derive(Clone, Copy, Debug, PartialEq)]
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
}

#[cfg(feature = "std")]
impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { argument, expected, got } => {
                write!(f, "{argument} has {got} elements where {expected} are needed")
            }
            Self::Parameter { name, value, requirement } => {
                write!(f, "{name} is {value}; it must be {requirement}")
            }
            Self::Weight { row, value } => {
                write!(f, "the weight of row {row} is {value}; weights must be finite and at least 0")
            }
            Self::Target { row, label, columns } => {
                write!(f, "the target of row {row} is {label}; the columns are 0 to {}", columns.saturating_sub(1))
            }
            Self::NoTarget => f.write_str("no shard held the target's column"),
            Self::EmptySequence { sequence } => {
                write!(f, "sequence {sequence} has no token that counts; every target of it is masked")
            }
            Self::ZeroVector { argument, row } => {
                write!(f, "row {row} of {argument} is a vector of length 0, which has no cosine; use the dot product")
            }
            Self::Level(level) => {
                write!(f, "level {} is not available on this CPU; available: ", level.name())?;
                for (i, l) in Level::ALL.into_iter().filter(|l| l.is_available()).enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, l.name())?;
                }
                Ok(())
            }
            Self::UnknownLevel => f.write_str("unknown level; levels are scalar, wide, avx2 and avx512"),
            Self::Threads => f.write_str("the thread pool could not be started"),
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

/// That an argument is as long as it should be.
pub(crate) fn check_length(argument: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Length { argument, expected, got }) }
}
