//! The judge: every formula of preflane in arithmetic of any precision, written from its textbook definition and independent of the
//! library's generic code.
//!
//! A loss is one expression, as its paper prints it ([`DEFINITIONS`]): [`Textbook::exact`] has its value and gradient, [`Textbook::zeros`] the
//! rows at which they are 0 or bend. [`Float`] rounds each operation once, whatever the precision of its operands; the precision rises until
//! nothing that cancelled matters. [`classes`] makes inputs worth judging. With the feature `mpfr`
//! every operation is compared with MPFR's, on machines of 64 bits.

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod answers;
mod ball;
pub mod classes;
pub mod contrastive;
mod drift;
mod dual;
pub mod elementary;
mod error;
mod float;
pub mod logits;
mod pairs;
mod random;
pub mod segments;
mod sequences;
pub mod sums;
pub mod sweep;
mod textbook;
mod zeros;

use ball::Logistic;

pub use answers::{Answers, answers_near, labelled, listed, log_ratio, midpoint};
pub use ball::Trace;
pub use drift::k3;
pub use error::{Format, is_nearest, is_nearest_within, is_rounded, ulps};
pub use float::{Float, Incomplete, PRECISIONS, Special, Value};
pub use pairs::{RESULTS, log_ratios, pair, pair_of_log_ratios};
pub use random::Random;
pub use sequences::{Sequence, sequence};
pub use textbook::{
    DEFINITIONS, Definition, Derivatives, Doubt, Form, Inputs, Losses, PARAMETERS, Parameter, Textbook, textbook,
};
pub use zeros::rows_near;

/// Bits. Four f32 and their product with an f64 need 332; what cancels beyond leaves hundreds.
pub const PRECISION: u32 = 1000;

/// Bits of results in which nothing cancels: a hundred more than any type judged here has.
pub(crate) const WORKING: u32 = 128;

/// An exact number.
pub fn float(x: impl Into<f64>) -> Float {
    Float::with_val(PRECISION, x.into())
}

/// CRC-32 (ISO-HDLC), bit by bit: the checksum of saved states.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// `ln(1 + e^x)`, in the precision of x.
pub fn softplus(x: &Float) -> Float {
    Logistic::of(x.clone().abs()).softplus(x)
}

/// `1/(1 + e^-x)`, in the precision of x.
pub fn sigmoid(x: &Float) -> Float {
    let logistic = Logistic::of(x.clone().abs());
    if x.is_sign_negative() { logistic.lower } else { logistic.upper }
}

/// NaN for functions outside of their domain.
pub fn nan() -> Float {
    Float::with_val(PRECISION, Special::Nan)
}
