//! Matrices, targets and ranges of rows, as C states them and as they are once checked.

use super::arguments::{Arguments, Checked, Input, Output, read};
use super::failure::{Failure, constants, reserved};
use crate::Error;
use crate::logits::{Labels, Scaling, Targets};
use core::ffi::c_void;
use preflane_label_type::*;

/// Number types of logits and of their gradient.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_dtype {
    /// float
    PREFLANE_F32 = 1,
    /// bfloat16, in 16 bits
    PREFLANE_BF16 = 2,
    /// IEEE half precision, in 16 bits
    PREFLANE_F16 = 3,
}

/// Number types of labels.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_label_type {
    /// int32_t
    PREFLANE_I32 = 1,
    /// int64_t
    PREFLANE_I64 = 2,
}

constants!(preflane_dtype, "dtype", "a preflane_dtype: 1 to 3", PREFLANE_F32 PREFLANE_BF16 PREFLANE_F16);
constants!(preflane_label_type, "label_type", "a preflane_label_type: 1 or 2", PREFLANE_I32 PREFLANE_I64);

/// The mark of a masked token in PyTorch and Hugging Face.
pub const PREFLANE_IGNORE_INDEX: i64 = -100;

/// Logits to read: [rows, columns], row-major, with stride elements from one row to the next. What lies beyond the columns of a row
/// (a padded vocabulary) is never read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_logits {
    /// The first element.
    pub data: *const c_void,
    /// How many rows.
    pub rows: usize,
    /// The vocabulary's size: at least 1.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
    /// A preflane_dtype.
    pub dtype: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Logits, or their gradient, to write: as preflane_logits.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_logits_mut {
    /// The first element.
    pub data: *mut c_void,
    /// How many rows.
    pub rows: usize,
    /// The vocabulary's size: at least 1.
    pub columns: usize,
    /// At least the columns.
    pub stride: usize,
    /// A preflane_dtype.
    pub dtype: i32,
    /// Always 0.
    pub reserved: u32,
}

/// The target column of each row. preflane_targets_i32 and preflane_targets_i64 fill it in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_targets {
    /// int32_t or int64_t.
    pub labels: *const c_void,
    /// How many labels: one a row.
    pub length: usize,
    /// The label of a row that does not count; PREFLANE_IGNORE_INDEX by custom. Mind 0: a struct of zeros masks token 0.
    pub ignore_index: i64,
    /// 0: each row's label stands beside it. Else the tokens of a sequence, for labels as Hugging Face has them: the logits of
    /// position t predict the label of t + 1, so that a sequence's first label is not used and its last row counts as masked. In
    /// preflane_sequences it must be its tokens.
    pub shifted_tokens: usize,
    /// A preflane_label_type.
    pub label_type: i32,
    /// Always 0.
    pub reserved: u32,
}

/// Targets row by row, with PREFLANE_IGNORE_INDEX. For labels as Hugging Face has them, set shifted_tokens.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_targets_i32(labels: *const i32, length: usize) -> preflane_targets {
    targets(labels.cast(), length, PREFLANE_I32)
}

/// Targets row by row, with PREFLANE_IGNORE_INDEX. For labels as Hugging Face has them, set shifted_tokens.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_targets_i64(labels: *const i64, length: usize) -> preflane_targets {
    targets(labels.cast(), length, PREFLANE_I64)
}

fn targets(labels: *const c_void, length: usize, label_type: preflane_label_type) -> preflane_targets {
    let label_type = label_type as i32;
    preflane_targets { labels, length, ignore_index: PREFLANE_IGNORE_INDEX, shifted_tokens: 0, label_type, reserved: 0 }
}

/// What happens to a logit x before the softmax: logit_scale x / temperature, or with a soft cap c
/// c tanh(logit_scale x / c) / temperature. A null pointer to it means: nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_scaling {
    /// From 1e-12 to 1e12; 1 changes nothing.
    pub temperature: f64,
    /// From 1e-12 to 1e12; 1 changes nothing.
    pub logit_scale: f64,
    /// From 1e-12 to 1e12; 0: none.
    pub soft_cap: f64,
}

/// The rows that a call is about: a host that owns the threads gives each of them some.
///
/// Arrays that have an element a row, and the matrices, are those of all rows: a call touches only its own rows of them. Calls on
/// different rows may run at the same time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_rows {
    /// The first row.
    pub first: usize,
    /// How many; SIZE_MAX: all from the first on.
    pub count: usize,
}

// --- checked forms

impl preflane_scaling {
    /// # Safety
    /// `from` is null or points to a scaling.
    pub(super) unsafe fn checked(from: *const Self) -> Result<Scaling, Failure> {
        if from.is_null() {
            return Ok(Scaling::NONE);
        }
        // SAFETY: the caller's.
        let Self { temperature, logit_scale, soft_cap } = unsafe { read("scaling", from) }?;
        Ok(Scaling::new(temperature, logit_scale, (soft_cap != 0.0).then_some(soft_cap))?)
    }
}

impl preflane_rows {
    pub(super) const ALL: Self = Self { first: 0, count: usize::MAX };

    /// That the rows are there: the first and how many.
    pub(super) fn of(self, rows: usize) -> Result<(usize, usize), Failure> {
        let count = if self.count == usize::MAX { rows.saturating_sub(self.first) } else { self.count };
        match self.first.checked_add(count) {
            Some(end) if end <= rows => Ok((self.first, count)),
            end => Err(Error::Length { argument: "rows", expected: rows, got: end.unwrap_or(usize::MAX) }.into()),
        }
    }
}

/// Labels before the other arguments are checked.
pub(super) struct TargetArguments<'a> {
    labels: LabelInput<'a>,
    targets: preflane_targets,
}

enum LabelInput<'a> {
    I32(Input<'a, i32>),
    I64(Input<'a, i64>),
}

impl<'a> TargetArguments<'a> {
    pub(super) fn new(arguments: &mut Arguments, targets: preflane_targets) -> Result<Self, Failure> {
        reserved(targets.reserved, "0, in preflane_targets")?;
        let (start, n) = (targets.labels, targets.length);
        let labels = match preflane_label_type::of(targets.label_type)? {
            PREFLANE_I32 => LabelInput::I32(arguments.input("labels", start.cast(), n)),
            PREFLANE_I64 => LabelInput::I64(arguments.input("labels", start.cast(), n)),
        };
        Ok(Self { labels, targets })
    }

    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    pub(super) unsafe fn slices(&self, checked: &Checked) -> Result<Targets<'a>, Failure> {
        // SAFETY: the caller's.
        let labels = unsafe {
            match self.labels {
                LabelInput::I32(x) => Labels::I32(x.slice(checked)),
                LabelInput::I64(x) => Labels::I64(x.slice(checked)),
            }
        };
        let targets = match self.targets.shifted_tokens {
            0 => Targets::new(labels),
            tokens => Targets::shifted(labels, tokens)?,
        };
        Ok(targets.with_ignore_index(self.targets.ignore_index))
    }
}

/// How many elements some rows span: the last one's padding counts if it is to be zeroed.
pub(super) fn matrix_length(
    name: &'static str,
    rows: usize,
    columns: usize,
    stride: usize,
    whole: bool,
) -> Result<usize, Failure> {
    if columns == 0 {
        return Err(Error::Parameter { name: "columns", value: 0.0, requirement: "at least 1" }.into());
    }
    if stride < columns {
        let requirement = "at least the columns";
        return Err(Error::Parameter { name: "stride", value: stride as f64, requirement }.into());
    }
    let last = if whole { stride } else { columns };
    match rows.checked_sub(1) {
        None => Ok(0),
        Some(before) => before.checked_mul(stride).and_then(|x| x.checked_add(last)).ok_or(Failure::TooLarge(name)),
    }
}

/// The memory of some rows to read.
pub(super) fn logits_input<'a, T>(
    arguments: &mut Arguments,
    logits: preflane_logits,
    first: usize,
    rows: usize,
) -> Result<Input<'a, T>, Failure> {
    reserved(logits.reserved, "0, in preflane_logits")?;
    let name = "logits";
    let length = matrix_length(name, rows, logits.columns, logits.stride, false)?;
    // All rows fit, so this one's start does not overflow.
    matrix_length(name, logits.rows, logits.columns, logits.stride, false)?;
    Ok(arguments.input_from(name, logits.data.cast::<T>(), first.wrapping_mul(logits.stride), length))
}

/// The memory of some rows to write.
pub(super) fn logits_output<'a, T>(
    arguments: &mut Arguments,
    name: &'static str,
    logits: preflane_logits_mut,
    (first, rows): (usize, usize),
    whole: bool,
) -> Result<Output<'a, T>, Failure> {
    reserved(logits.reserved, "0, in preflane_logits_mut")?;
    let length = matrix_length(name, rows, logits.columns, logits.stride, whole)?;
    matrix_length(name, logits.rows, logits.columns, logits.stride, whole)?;
    Ok(arguments.output_from(name, logits.data.cast::<T>(), first.wrapping_mul(logits.stride), length))
}
