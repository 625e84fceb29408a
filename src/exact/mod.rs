//! Arithmetic wider than `f64`, of fixed size: the sum that no order can change, and the two numbers that settle what `f64` leaves in
//! doubt.

mod double;
mod log_ratio;
mod number;
mod sum;

pub(crate) use double::{Double, FUNCTION as DOUBLE_FUNCTION};
pub(crate) use log_ratio::{log_ratio, reward, rough_log_ratio, scaled};
pub(crate) use number::{CERTAIN, COUNTED, Float384};
pub use sum::ExactSum;
pub(crate) use sum::{BLOCK, Exponents};
