//! The judge: every formula of preflane in arithmetic of any precision, written from its textbook definition and independent of the
//! library's generic code.
//!
//! One file a family. [`Float`] rounds each operation once, whatever the precision of its operands; so what is subtracted is
//! exact first, and the precision of the rest follows the inputs' span. [`classes`] makes inputs worth judging. With the feature `mpfr`
//! every operation is compared with MPFR's, on machines of 64 bits.

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod classes;
pub mod contrastive;
mod drift;
pub mod elementary;
mod error;
mod float;
pub mod logits;
mod pairs;
mod random;
mod relatives;
mod sequences;
pub mod sums;
pub mod sweep;

pub use drift::k3;
pub use error::{Format, ulps};
pub use float::{Float, Incomplete, PRECISIONS, Special, Value};
pub use pairs::{Kind, RESULTS, log_ratios, pair, pair_of_log_ratios};
pub use random::Random;
pub use relatives::{ByLogRatios, Relative, relative};
pub use sequences::{Sequence, sequence};

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
    Logistic::of(x).plus
}

/// `1/(1 + e^-x)`, in the precision of x.
pub fn sigmoid(x: &Float) -> Float {
    Logistic::of(x).sigmoid
}

/// NaN for functions outside of their domain.
pub fn nan() -> Float {
    Float::with_val(PRECISION, Special::Nan)
}

/// What the logistic losses are made of, from one exponential, none of it by a difference of near numbers.
pub(crate) struct Logistic {
    /// `ln(1 + e^x)`.
    pub plus: Float,
    /// `ln(1 + e^-x)`.
    pub minus: Float,
    /// `1/(1 + e^-x)`.
    pub sigmoid: Float,
    /// `1/(1 + e^x)`.
    pub complement: Float,
}

impl Logistic {
    pub fn of(x: &Float) -> Self {
        let e = (-x.clone().abs()).exp();
        let small = e.clone().ln_1p();
        let large = x.clone().abs() + &small;
        let one = e.clone() + 1_u32;
        let (upper, lower) = (one.clone().recip(), e / one);
        if x.is_sign_negative() {
            Self { plus: small, minus: large, sigmoid: lower, complement: upper }
        } else {
            Self { plus: large, minus: small, sigmoid: upper, complement: lower }
        }
    }
}
