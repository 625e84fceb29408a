//! How a function says what was wrong.

use crate::Error;
use crate::error::Text;
use core::ffi::{CStr, c_char};
use core::hint::black_box;

/// What every function returns: 0, or what was wrong.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_code {
    /// Done.
    PREFLANE_OK = 0,
    /// A pointer that is needed is null.
    PREFLANE_ERROR_NULL = 1,
    /// A length or size that does not fit the others, or the address space.
    PREFLANE_ERROR_LENGTH = 2,
    /// A parameter outside its range.
    PREFLANE_ERROR_PARAMETER = 3,
    /// A pointer that is not aligned for its type.
    PREFLANE_ERROR_ALIGNMENT = 4,
    /// Memory that is written overlaps other memory of the call.
    PREFLANE_ERROR_OVERLAP = 5,
    /// A weight that is negative, infinite or NaN.
    PREFLANE_ERROR_WEIGHT = 6,
    /// A target that is neither a column nor the ignore index.
    PREFLANE_ERROR_TARGET = 7,
    /// No shard held the target's column.
    PREFLANE_ERROR_NO_TARGET = 8,
    /// A sequence whose targets are all masked.
    PREFLANE_ERROR_EMPTY_SEQUENCE = 9,
    /// A level that is unknown, or not available on this CPU or in this build.
    PREFLANE_ERROR_LEVEL = 10,
    /// The threads could not be started, or the library was built without.
    PREFLANE_ERROR_THREADS = 11,
    /// The floating-point environment is not the default one.
    PREFLANE_ERROR_ENVIRONMENT = 12,
    /// Any other error.
    PREFLANE_ERROR_OTHER = 13,
    /// Offsets that are not those of lists: they begin with 0, never fall, and end with the number of answers. Or an order that names a
    /// row that is not there.
    PREFLANE_ERROR_OFFSETS = 14,
    /// A vector of length 0, whose cosine does not exist.
    PREFLANE_ERROR_ZERO_VECTOR = 15,
    /// A call of the streaming evaluator that does not fit what came before.
    PREFLANE_ERROR_ORDER = 16,
    /// A counter that can take no more.
    PREFLANE_ERROR_FULL = 17,
    /// Saved bytes that are cut off, damaged, of another version or of another kind.
    PREFLANE_ERROR_SAVED_STATE = 18,
    /// A number of the column that the loss takes beside log-probabilities, outside its range.
    PREFLANE_ERROR_COLUMN = 19,
}

use preflane_code::*;

/// Bytes of an argument's name in preflane_error, the final 0 included.
pub const PREFLANE_ARGUMENT_SIZE: usize = 40;
/// Bytes of a message in preflane_error, the final 0 included.
pub const PREFLANE_MESSAGE_SIZE: usize = 208;
/// preflane_error.row where no row is meant.
pub const PREFLANE_NO_ROW: u64 = u64::MAX;

/// What was wrong, where, and what would be right: plain bytes, which may be copied and sent.
///
/// Only a call that fails writes to it: after one that succeeds it holds what it held before, so that the code returned is what to
/// look at.
#[repr(C)]
pub struct preflane_error {
    /// A preflane_code.
    pub code: i32,
    /// Always 0.
    pub reserved: u32,
    /// The row or sequence that is wrong, counted from 0, or PREFLANE_NO_ROW. With shifted labels: the row of logits, whose label stands
    /// one place further on.
    pub row: u64,
    /// The argument that is wrong, as the header names it (a field by its own name); empty if it is none.
    pub argument: [c_char; PREFLANE_ARGUMENT_SIZE],
    /// One line for people, in English.
    pub message: [c_char; PREFLANE_MESSAGE_SIZE],
}

/// Makes a constant of an enumeration out of the integer that came from C.
macro_rules! constants {
    ($type:ident, $name:literal, $requirement:literal, $($variant:ident)*) => {
        impl $type {
            pub(in crate::capi) fn of(value: i32) -> Result<Self, $crate::capi::failure::Failure> {
                $(if value == Self::$variant as i32 { return Ok(Self::$variant); })*
                Err($crate::capi::failure::Failure::Constant($name, value.into(), $requirement))
            }
        }
    };
}
pub(super) use constants;

/// A yes or no from C.
pub fn flag(name: &'static str, value: i32) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Failure::Constant(name, other.into(), "0 or 1")),
    }
}

/// That a field for later is 0, as the header wants it.
pub fn reserved(value: u32, of: &'static str) -> Result<(), Failure> {
    if value == 0 { Ok(()) } else { Err(Failure::Constant("reserved", value.into(), of)) }
}

/// That bytes from C are yes or no.
pub fn flags(name: &'static str, bytes: &[u8]) -> Result<(), Failure> {
    match bytes.iter().enumerate().find(|(_, byte)| **byte > 1) {
        Some((row, &value)) => Err(Failure::Byte { name, row, value }),
        None => Ok(()),
    }
}

/// Bytes of a name that a message repeats.
const NAME: usize = 40;

/// What a call refuses: the library's errors, and those that only C can make.
pub enum Failure {
    Library(Error),
    Null(&'static str),
    Alignment(&'static str),
    TooLarge(&'static str),
    Overlap(&'static str, &'static str),
    /// A field that is none of the constants that it may be.
    Constant(&'static str, i64, &'static str),
    NotThreaded,
    Environment(&'static str),
    /// Floating-point exceptions that trap: a bit for each of [`TRAPS`].
    Traps(u32),
    /// Bytes that are no state of the library's making: the argument, and what is wrong with it.
    State(&'static str, &'static str),
    /// A log-sum-exp that no row has.
    LogSumExp {
        row: usize,
    },
    /// What the library refused, of an argument that has another name in C.
    Named(&'static str, Error),
    /// A byte that stands for yes or no, and is neither 1 nor 0.
    Byte {
        name: &'static str,
        row: usize,
        value: u8,
    },
    /// A number in the place of a parameter that the loss, which has so many, does not have.
    Unused {
        place: usize,
        value: f64,
        parameters: usize,
    },
    /// A name that no loss has, as much of it as there is room for.
    Name([u8; NAME]),
    /// An element of an order that is no row.
    Order {
        index: usize,
        value: usize,
        rows: usize,
    },
    /// A threshold of the alarm of that number.
    Threshold(usize, Error),
    /// An answer without a token: 0 is the chosen one, 1 the rejected one.
    EmptyAnswer(usize),
    /// A target that is not among so many columns given, or -1.
    Place(i64, usize),
    /// A target that is not among so many columns.
    Column(i64, usize),
    #[cfg_attr(feature = "std", allow(dead_code, reason = "std can"))]
    NoEnvironment,
}

/// The exceptions that can trap, in the order of [`Failure::Traps`].
pub const TRAPS: [&str; 6] =
    ["invalid operation", "division by zero", "overflow", "underflow", "inexact result", "subnormal operand"];

pub type Outcome = Result<(), Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Failure {
    /// That no loss has this name.
    pub fn name(given: &[u8]) -> Self {
        let mut name = [0; NAME];
        for (to, &byte) in name.iter_mut().zip(given) {
            *to = byte;
        }
        Self::Name(name)
    }

    fn code(&self) -> preflane_code {
        match self {
            Self::Library(error) | Self::Named(_, error) => match error {
                Error::Length { .. } => PREFLANE_ERROR_LENGTH,
                Error::Parameter { .. } => PREFLANE_ERROR_PARAMETER,
                Error::Weight { .. } => PREFLANE_ERROR_WEIGHT,
                Error::Column { .. } => PREFLANE_ERROR_COLUMN,
                Error::Target { .. } => PREFLANE_ERROR_TARGET,
                Error::NoTarget => PREFLANE_ERROR_NO_TARGET,
                Error::EmptySequence { .. } => PREFLANE_ERROR_EMPTY_SEQUENCE,
                Error::Level(_) | Error::UnknownLevel => PREFLANE_ERROR_LEVEL,
                Error::Threads => PREFLANE_ERROR_THREADS,
                Error::Offsets { .. } => PREFLANE_ERROR_OFFSETS,
                Error::ZeroVector { .. } => PREFLANE_ERROR_ZERO_VECTOR,
                Error::OutOfOrder { .. } => PREFLANE_ERROR_ORDER,
                Error::Full { .. } => PREFLANE_ERROR_FULL,
                Error::SavedState { .. } => PREFLANE_ERROR_SAVED_STATE,
            },
            Self::Null(_) => PREFLANE_ERROR_NULL,
            Self::Alignment(_) => PREFLANE_ERROR_ALIGNMENT,
            Self::TooLarge(_) => PREFLANE_ERROR_LENGTH,
            Self::Overlap(..) => PREFLANE_ERROR_OVERLAP,
            Self::Constant("level", ..) => PREFLANE_ERROR_LEVEL,
            Self::Constant(..)
            | Self::State(..)
            | Self::LogSumExp { .. }
            | Self::Byte { .. }
            | Self::Unused { .. }
            | Self::Name(..)
            | Self::Threshold(..) => PREFLANE_ERROR_PARAMETER,
            Self::EmptyAnswer(_) => PREFLANE_ERROR_EMPTY_SEQUENCE,
            Self::Order { .. } => PREFLANE_ERROR_OFFSETS,
            Self::Place(..) | Self::Column(..) => PREFLANE_ERROR_TARGET,
            Self::NotThreaded => PREFLANE_ERROR_THREADS,
            Self::Environment(_) | Self::Traps(_) => PREFLANE_ERROR_ENVIRONMENT,
            Self::NoEnvironment => PREFLANE_ERROR_OTHER,
        }
    }

    fn argument(&self) -> &'static str {
        match *self {
            Self::Library(Error::Length { argument, .. } | Error::ZeroVector { argument, .. }) => argument,
            Self::Library(Error::Parameter { name, .. }) => name,
            Self::Library(Error::Weight { .. }) => "weights",
            // Of ranked segments.
            Self::Library(Error::Column { name: "score", .. }) => "scores",
            Self::Library(Error::Column { .. }) => "column",
            Self::Library(Error::Target { .. } | Error::EmptySequence { .. }) => "labels",
            Self::Library(Error::Level(_) | Error::UnknownLevel) => "level",
            Self::Library(Error::Threads) | Self::NotThreaded => "threads",
            Self::Library(Error::Offsets { .. }) => "offsets",
            Self::Library(Error::SavedState { .. }) => "bytes",
            Self::Unused { .. } => "parameters",
            Self::Name(_) => "name",
            Self::Threshold(_, Error::Parameter { name, .. }) | Self::Byte { name, .. } => name,
            Self::Library(Error::NoTarget | Error::OutOfOrder { .. } | Error::Full { .. })
            | Self::EmptyAnswer(_)
            | Self::Threshold(..)
            | Self::Environment(_)
            | Self::Traps(_)
            | Self::NoEnvironment => "",
            Self::LogSumExp { .. } => "log_sum_exps",
            Self::Order { .. } => "order",
            Self::Place(..) | Self::Column(..) => "target",
            Self::Null(name)
            | Self::Alignment(name)
            | Self::TooLarge(name)
            | Self::Overlap(name, _)
            | Self::Constant(name, ..)
            | Self::Named(name, _)
            | Self::State(name, _) => name,
        }
    }

    fn row(&self) -> u64 {
        match *self {
            Self::Library(
                Error::Weight { row, .. }
                | Error::Column { row, .. }
                | Error::Target { row, .. }
                | Error::ZeroVector { row, .. },
            ) => row as u64,
            Self::Library(Error::EmptySequence { sequence }) | Self::Named(_, Error::EmptySequence { sequence }) => {
                sequence as u64
            }
            Self::Library(Error::Offsets { index, .. }) => index as u64,
            Self::Byte { row, .. } => row as u64,
            Self::Unused { place, .. } => place as u64,
            Self::Threshold(place, _) | Self::EmptyAnswer(place) => place as u64,
            Self::LogSumExp { row } => row as u64,
            Self::Order { index, .. } => index as u64,
            _ => PREFLANE_NO_ROW,
        }
    }

    fn describe(&self, out: &mut impl Text) {
        match *self {
            Self::Library(error) | Self::Named(_, error) => error.describe(out),
            Self::Threshold(_, error) => error.describe(out),
            Self::EmptyAnswer(side) => {
                out.text(if side == 0 { "the chosen answer" } else { "the rejected answer" });
                out.text(" has no token; preflane_evaluator_tokens or preflane_evaluator_logits come before its end");
            }
            Self::Byte { name, row, value } => {
                out.text("element ");
                out.count(row);
                out.text(" of ");
                out.text(name);
                out.text(" is ");
                out.count(value.into());
                out.text("; it must be 0 or 1");
            }
            Self::Unused { place, value, parameters } => {
                out.text("parameter ");
                out.count(place);
                out.text(" is ");
                out.number(value);
                out.text("; it must be 0, for the loss has parameters ");
                match parameters.checked_sub(1) {
                    None => out.text("none"),
                    Some(last) => {
                        out.text("0 to ");
                        out.count(last);
                    }
                }
            }
            Self::Name(given) => {
                out.text("no loss is called ");
                given.iter().take_while(|&&byte| byte != 0).for_each(|&byte| {
                    out.text(if byte.is_ascii_graphic() {
                        core::str::from_utf8(core::slice::from_ref(&byte)).unwrap_or("?")
                    } else {
                        "?"
                    });
                });
                out.text("; preflane_loss_describe tells the names of all");
            }
            Self::Null(name) => {
                out.text(name);
                out.text(" is null; it must point to memory");
            }
            Self::Alignment(name) => {
                out.text(name);
                out.text(" is not aligned for its type");
            }
            Self::TooLarge(name) => {
                out.text(name);
                out.text(" would end beyond the address space");
            }
            Self::Overlap(name, other) => {
                out.text(name);
                out.text(" is written and overlaps ");
                out.text(other);
            }
            Self::Constant(name, value, requirement) => {
                out.text(name);
                out.text(" is ");
                out.integer(value);
                out.text("; it must be ");
                out.text(requirement);
            }
            Self::NotThreaded => out.text("this build has no threads; threads must be 0 or 1"),
            Self::Environment(what) => {
                out.text("the floating-point environment is not the default one: ");
                out.text(what);
            }
            Self::Traps(traps) => {
                out.text(
                    "the floating-point environment is not the default one: these trap, and may end the program: ",
                );
                let names = TRAPS.iter().enumerate().filter(|(i, _)| traps >> i & 1 == 1);
                for (place, (_, name)) in names.enumerate() {
                    out.text(if place == 0 { "" } else { ", " });
                    out.text(name);
                }
            }
            Self::State(name, fault) => {
                out.text(name);
                out.text(fault);
            }
            Self::LogSumExp { row } => {
                out.text("the log_sum_exp of row ");
                out.count(row);
                out.text(" is none that a row of logits has: they come from preflane_token_logps");
            }
            Self::Order { index, value, rows } => {
                out.text("element ");
                out.count(index);
                out.text(" of order is ");
                out.count(value);
                out.text("; it must be a row, 0 to ");
                out.count(rows.saturating_sub(1));
            }
            Self::Place(place, columns) => {
                out.text("target is ");
                out.integer(place);
                match columns.checked_sub(1) {
                    Some(last) => {
                        out.text("; it must be a place among the columns given, 0 to ");
                        out.count(last);
                        out.text(", or -1");
                    }
                    None => out.text("; it must be -1, for no columns are given"),
                }
            }
            Self::Column(place, columns) => {
                out.text("target is ");
                out.integer(place);
                out.text("; it must be one of the ");
                out.count(columns);
                out.text(" columns, counted from 0");
            }
            Self::NoEnvironment => out.text("this build cannot read environment variables"),
        }
    }

    fn fill(&self, error: &mut preflane_error) {
        *error = preflane_error {
            code: self.code() as i32,
            reserved: 0,
            row: self.row(),
            argument: [0; PREFLANE_ARGUMENT_SIZE],
            message: [0; PREFLANE_MESSAGE_SIZE],
        };
        Characters(error.argument.iter_mut()).text(self.argument());
        self.describe(&mut Characters(error.message.iter_mut()));
    }
}

/// Text into an array, as much of it as fits before a final 0.
struct Characters<'a>(core::slice::IterMut<'a, c_char>);

impl Characters<'_> {
    fn put(&mut self, byte: u8) {
        if self.0.len() > 1
            && let Some(to) = self.0.next()
        {
            *to = byte as c_char;
        }
    }

    /// In decimal: core::fmt and the crate itoa both leave a path to a panic.
    fn decimal(&mut self, mut integer: u64) {
        let mut digits = [b'0'; 20];
        let mut zeros = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit += (integer % 10) as u8;
            integer /= 10;
            zeros -= 1;
            if integer == 0 {
                break;
            }
        }
        digits.iter().skip(zeros).for_each(|&digit| self.put(digit));
    }
}

/// A number that reads better without a fraction.
fn whole(number: f64) -> Option<i64> {
    const MOST: f64 = 1e15;
    // What is no integer of that size is not converted, which would raise an exception that may trap. The box keeps the
    // conversion from being done before.
    if number.is_nan() || number.abs() >= MOST {
        return None;
    }
    let integer = black_box(number) as i64;
    (integer as f64 == number).then_some(integer)
}

impl Text for Characters<'_> {
    fn text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.put(byte));
    }
    fn integer(&mut self, integer: i64) {
        if integer < 0 {
            self.put(b'-');
        }
        self.decimal(integer.unsigned_abs());
    }
    fn count(&mut self, count: usize) {
        self.decimal(count as u64);
    }
    fn number(&mut self, number: f64) {
        match whole(number) {
            Some(integer) => self.integer(integer),
            None => self.text(ryu::Buffer::new().format(number)),
        }
    }
    fn single(&mut self, number: f32) {
        match whole(number.into()) {
            Some(integer) => self.integer(integer),
            None => self.text(ryu::Buffer::new().format(number)),
        }
    }
}

/// Runs a function's body and reports how it went.
///
/// # Safety
/// `error` is null or points to memory for an error that nothing else uses meanwhile.
pub unsafe fn report(error: *mut preflane_error, body: impl FnOnce() -> Outcome) -> i32 {
    let Err(failure) = body() else { return PREFLANE_OK as i32 };
    if !error.is_null() && error.is_aligned() {
        // SAFETY: it is not null, it is aligned, and it is the caller's memory for an error. All its bytes may be anything.
        failure.fill(unsafe { &mut *error });
    }
    failure.code() as i32
}

/// What a code means, in a few words. For what was wrong in a call, see preflane_error.message.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_code_text(code: i32) -> *const c_char {
    const TEXTS: [&CStr; 20] = [
        c"done",
        c"a pointer that is needed is null",
        c"a length or size that does not fit",
        c"a parameter outside its range",
        c"a pointer that is not aligned for its type",
        c"memory that is written overlaps other memory of the call",
        c"a weight that is negative, infinite or NaN",
        c"a target that is neither a column nor the ignore index",
        c"no shard held the target's column",
        c"a sequence whose targets are all masked",
        c"a level that is unknown or not available",
        c"threads could not be started",
        c"the floating-point environment is not the default one",
        c"another error",
        c"offsets that are not those of lists, or an order of other rows",
        c"a vector of length 0, whose cosine does not exist",
        c"a call that does not fit what came before",
        c"a counter that can take no more",
        c"saved bytes that cannot be restored",
        c"a number of the loss's column outside its range",
    ];
    let text = usize::try_from(code).ok().and_then(|code| TEXTS.get(code));
    text.unwrap_or(&c"not a preflane_code").as_ptr()
}
