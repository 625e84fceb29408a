//! Losses by number and by name, and what the list says of them. Nothing here names a loss.

use super::arguments::{Arguments, read};
use super::failure::{Failure, preflane_error, report, reserved};
use super::mean_log_ratio::preflane_reference_point;
use crate::Error;
use crate::losses::{Description, LOSSES, MOST_PARAMETERS, Parameter, Shape, find, find_number};
use crate::{LabelledLoss, ListedLoss, Loss};
use core::ffi::c_char;

/// Numbers in preflane_loss.parameters. No loss has as many parameters; the room is there so that losses to come change no struct.
pub const PREFLANE_LOSS_PARAMETERS: usize = 8;

const _: () = assert!(MOST_PARAMETERS <= PREFLANE_LOSS_PARAMETERS);

/// A loss with its parameters. Functions named after the losses make it, as preflane_dpo does; preflane_loss_by_name makes it of a
/// text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_loss {
    /// A preflane_loss_kind.
    pub kind: i32,
    /// Always 0.
    pub reserved: u32,
    /// The parameters in the order of the loss's description. Those that the loss does not have are 0.
    pub parameters: [f64; PREFLANE_LOSS_PARAMETERS],
}

/// What a loss compares.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_shape {
    /// A chosen and a rejected answer to one prompt: preflane_evaluate and the steps take such a loss.
    PREFLANE_SHAPE_PAIRWISE = 1,
    /// One answer, desirable or not: preflane_evaluate_labelled takes such a loss.
    PREFLANE_SHAPE_LABELLED = 2,
    /// Any number of answers to one prompt, from best to worst: preflane_evaluate_listed takes such a loss.
    PREFLANE_SHAPE_LISTED = 3,
    /// Similarities of samples: a function of its own takes the parameter of such a loss, as preflane_info_nce does, and none takes a
    /// preflane_loss.
    PREFLANE_SHAPE_CONTRASTIVE = 4,
}

impl preflane_shape {
    fn of(shape: Shape) -> Self {
        match shape {
            Shape::Pairwise => Self::PREFLANE_SHAPE_PAIRWISE,
            Shape::Labelled => Self::PREFLANE_SHAPE_LABELLED,
            Shape::Listed => Self::PREFLANE_SHAPE_LISTED,
            Shape::Contrastive => Self::PREFLANE_SHAPE_CONTRASTIVE,
        }
    }
}

impl preflane_loss {
    /// The loss's place in the list, and its parameters.
    fn described(&self, shape: Shape) -> Result<(&'static Description, &[f64]), Failure> {
        reserved(self.reserved, "0, in preflane_loss")?;
        let refuse = |requirement| Failure::Constant("kind", self.kind.into(), requirement);
        let loss = find_number(self.kind).ok_or(refuse("a preflane_loss_kind"))?;
        if loss.shape != shape {
            return Err(refuse(match shape {
                Shape::Pairwise => "a loss of pairs, whose shape is PREFLANE_SHAPE_PAIRWISE",
                Shape::Labelled => "a loss of labelled answers, whose shape is PREFLANE_SHAPE_LABELLED",
                Shape::Listed => "a loss of listed answers, whose shape is PREFLANE_SHAPE_LISTED",
                Shape::Contrastive => "a contrastive loss, whose shape is PREFLANE_SHAPE_CONTRASTIVE",
            }));
        }
        let (given, unused) = self.parameters.split_at_checked(loss.parameters.len()).unwrap_or_default();
        match unused.iter().position(|&x| x != 0.0) {
            Some(place) => Err(Failure::Unused {
                place: given.len() + place,
                value: unused.get(place).copied().unwrap_or_default(),
                parameters: given.len(),
            }),
            None => Ok((loss, given)),
        }
    }

    /// The loss, for a call on pairs.
    pub(super) fn of_pairs(&self) -> Result<Loss, Failure> {
        let (loss, parameters) = self.described(Shape::Pairwise)?;
        Ok(Loss::new(loss, parameters)?)
    }

    /// The loss, for a call on labelled answers.
    pub(super) fn of_labelled(&self) -> Result<LabelledLoss, Failure> {
        let (loss, parameters) = self.described(Shape::Labelled)?;
        Ok(LabelledLoss::new(loss, parameters)?)
    }

    /// The loss, for a call on lists.
    pub(super) fn of_listed(&self) -> Result<ListedLoss, Failure> {
        let (loss, parameters) = self.described(Shape::Listed)?;
        Ok(ListedLoss::new(loss, parameters)?)
    }

    /// A loss with the parameters that people mean who do not give them.
    fn by_default(loss: &Description) -> Self {
        let mut parameters = [0.0; PREFLANE_LOSS_PARAMETERS];
        for (to, parameter) in parameters.iter_mut().zip(loss.parameters) {
            *to = parameter.default;
        }
        Self { kind: loss.number, reserved: 0, parameters }
    }
}

/// Bytes of a name that are looked at: no loss has a longer one.
const MOST_NAME: usize = 64;

/// The loss of a name or alias, with the defaults of its parameters. Case does not matter, and `-` is as good as `_`.
///
/// Errors: NULL, ALIGNMENT, OVERLAP, PARAMETER (a name that no loss has); nothing is written then.
///
/// # Safety
/// `name` points to a text that ends with a 0, `out` to a preflane_loss; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_loss_by_name(
    name: *const c_char,
    out: *mut preflane_loss,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut length = 0;
        // SAFETY: the text goes on until its 0.
        while !name.is_null() && length < MOST_NAME && unsafe { *name.add(length) } != 0 {
            length += 1;
        }
        let mut arguments = Arguments::new();
        // With its 0, so that an empty one is looked for too.
        let text = arguments.input("name", name.cast::<u8>(), length + 1);
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word. Bytes up to the 0 or the most are there.
        let text = unsafe { text.first(length).slice(&checked) };
        let loss = core::str::from_utf8(text).ok().and_then(find).ok_or(Failure::name(text))?;
        // SAFETY: likewise.
        unsafe { out.slice(&checked) }.fill(preflane_loss::by_default(loss));
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// A parameter of a loss, or the column that it takes. The texts are the library's, and stay.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_loss_parameter {
    /// Its name.
    pub name: *const c_char,
    /// What it is.
    pub meaning: *const c_char,
    /// The values that it may have, in words.
    pub requirement: *const c_char,
    /// Values from everyday ones to the ends of the range, for tests and studies.
    pub grid: *const f64,
    /// How many values the grid has.
    pub grid_length: usize,
    /// The value that people mean who do not give one.
    pub default_value: f64,
}

impl preflane_loss_parameter {
    /// None at all.
    const NONE: Self = Self {
        name: core::ptr::null(),
        meaning: core::ptr::null(),
        requirement: core::ptr::null(),
        grid: core::ptr::null(),
        grid_length: 0,
        default_value: 0.0,
    };

    /// The three texts of a parameter come next.
    fn new(texts: &mut Texts, parameter: &Parameter) -> Self {
        Self {
            name: texts.next(),
            meaning: texts.next(),
            requirement: texts.next(),
            grid: parameter.grid.as_ptr(),
            grid_length: parameter.grid.len(),
            default_value: parameter.default,
        }
    }
}

/// A loss as the library's list has it. The texts are the library's, and stay.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_loss_description {
    /// Its name.
    pub name: *const c_char,
    /// What trainers call it: names with ", " between them, or an empty text.
    pub aliases: *const c_char,
    /// The formula, in the notation of preflane_loss_kind.
    pub formula: *const c_char,
    /// Where the formula is from.
    pub source: *const c_char,
    /// The number that stands for it: a preflane_loss_kind.
    pub kind: i32,
    /// What it compares: a preflane_shape.
    pub shape: i32,
    /// 1: it is defined with a reference model. 0: it is defined without one.
    pub reference: i32,
    /// What a loss of labelled answers compares the log-ratio with: a preflane_reference_point.
    pub reference_point: i32,
    /// How many parameters it has.
    pub parameter_count: u32,
    /// Always 0.
    pub reserved: u32,
    /// Its parameters, in the order of preflane_loss.parameters; null pointers and zeros beyond the count.
    pub parameters: [preflane_loss_parameter; PREFLANE_LOSS_PARAMETERS],
    /// What it takes beside log-probabilities: a number of each pair or answer, in the array that preflane_pairs, preflane_labelled,
    /// preflane_listed and preflane_step have as `column`. Null pointers and zeros for a loss that takes nothing, whose array is null.
    /// Where nothing is given for a loss that takes a column, the call is refused: the default is for the caller to write.
    pub column: preflane_loss_parameter,
}

/// The texts of the list as C has them: a 0 behind each.
struct Joined<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Joined<N> {
    const fn text(&mut self, text: &str) {
        let mut bytes = text.as_bytes();
        while let [byte, rest @ ..] = bytes {
            if self.length < N {
                self.bytes[self.length] = *byte;
            }
            self.length += 1;
            bytes = rest;
        }
    }

    const fn parameter(&mut self, parameter: &Parameter) {
        self.text(parameter.name);
        self.text("\0");
        self.text(parameter.meaning);
        self.text("\0");
        self.text(parameter.requirement);
        self.text("\0");
    }

    /// In the order in which [`describe`] takes them.
    const fn all(mut self) -> Self {
        let mut losses = LOSSES;
        while let [loss, rest @ ..] = losses {
            self.text(loss.name);
            self.text("\0");
            let mut aliases = loss.aliases;
            while let [alias, rest @ ..] = aliases {
                self.text(alias);
                self.text(if rest.is_empty() { "" } else { ", " });
                aliases = rest;
            }
            self.text("\0");
            self.text(loss.formula);
            self.text("\0");
            self.text(loss.source);
            self.text("\0");
            let mut parameters = loss.parameters;
            while let [parameter, rest @ ..] = parameters {
                self.parameter(parameter);
                parameters = rest;
            }
            if let Some(column) = &loss.column {
                self.parameter(column);
            }
            losses = rest;
        }
        self
    }
}

const LENGTH: usize = Joined { bytes: [], length: 0 }.all().length;
static TEXTS: [u8; LENGTH] = Joined { bytes: [0; LENGTH], length: 0 }.all().bytes;

/// Takes one text after the other.
struct Texts(&'static [u8]);

impl Texts {
    fn next(&mut self) -> *const c_char {
        let text = self.0;
        let end = text.iter().position(|&byte| byte == 0).map_or(text.len(), |end| end + 1);
        self.0 = text.get(end..).unwrap_or_default();
        text.as_ptr().cast()
    }
}

fn describe(index: usize) -> Option<preflane_loss_description> {
    let loss = LOSSES.get(index)?;
    let mut texts = Texts(&TEXTS);
    for before in LOSSES.iter().take(index) {
        for _ in 0..4 + 3 * (before.parameters.len() + usize::from(before.column.is_some())) {
            texts.next();
        }
    }
    let mut description = preflane_loss_description {
        name: texts.next(),
        aliases: texts.next(),
        formula: texts.next(),
        source: texts.next(),
        kind: loss.number,
        shape: preflane_shape::of(loss.shape) as i32,
        reference: loss.reference.into(),
        reference_point: preflane_reference_point::of(loss.reference_point) as i32,
        parameter_count: loss.parameters.len() as u32,
        reserved: 0,
        parameters: [preflane_loss_parameter::NONE; PREFLANE_LOSS_PARAMETERS],
        column: preflane_loss_parameter::NONE,
    };
    for (to, parameter) in description.parameters.iter_mut().zip(loss.parameters) {
        *to = preflane_loss_parameter::new(&mut texts, parameter);
    }
    if let Some(column) = &loss.column {
        description.column = preflane_loss_parameter::new(&mut texts, column);
    }
    Some(description)
}

/// How many losses the library has.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_loss_count() -> usize {
    LOSSES.len()
}

/// What the library's list says of a loss; `index` counts the losses from 0, in the order of their numbers.
///
/// Errors: NULL, ALIGNMENT, PARAMETER (an index that no loss has); nothing is written then.
///
/// # Safety
/// `out` points to a preflane_loss_description; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_loss_describe(
    index: usize,
    out: *mut preflane_loss_description,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        let requirement = "less than preflane_loss_count()";
        let description =
            describe(index).ok_or(Error::Parameter { name: "index", value: index as f64, requirement })?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        unsafe { out.slice(&checked) }.fill(description);
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The loss that a struct's pointer is to.
///
/// # Safety
/// `loss` is null or points to a preflane_loss.
pub(super) unsafe fn loss_at(loss: *const preflane_loss) -> Result<preflane_loss, Failure> {
    // SAFETY: the caller's.
    unsafe { read("loss", loss) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::ffi::CStr;
    use std::string::String;

    fn text(at: *const c_char) -> String {
        // SAFETY: texts of the library's end with a 0.
        unsafe { CStr::from_ptr(at) }.to_str().unwrap().into()
    }

    /// Every text is the list's own, whatever stands before it.
    #[test]
    fn descriptions_are_those_of_the_list() {
        for (index, loss) in LOSSES.iter().enumerate() {
            let found = describe(index).unwrap();
            assert_eq!(text(found.name), loss.name);
            assert_eq!(text(found.aliases), loss.aliases.join(", "));
            assert_eq!(text(found.formula), loss.formula);
            assert_eq!(text(found.source), loss.source);
            assert_eq!(found.parameter_count as usize, loss.parameters.len());
            for (found, parameter) in found.parameters.iter().zip(loss.parameters) {
                assert_eq!(text(found.name), parameter.name);
                assert_eq!(text(found.meaning), parameter.meaning);
                assert_eq!(text(found.requirement), parameter.requirement);
            }
            assert_eq!(found.column.name.is_null(), loss.column.is_none());
            if let Some(column) = &loss.column {
                assert_eq!(text(found.column.name), column.name);
                assert_eq!(text(found.column.meaning), column.meaning);
                assert_eq!(text(found.column.requirement), column.requirement);
                assert_eq!((found.column.default_value, found.column.grid_length), (column.default, column.grid.len()));
            }
        }
        assert!(describe(LOSSES.len()).is_none());
    }

    /// No name is longer than what is looked at.
    #[test]
    fn names_are_looked_at_as_a_whole() {
        for loss in LOSSES {
            assert!(loss.aliases.iter().chain([&loss.name]).all(|name| name.len() < MOST_NAME));
        }
    }
}
