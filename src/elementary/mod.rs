//! Elementary functions on `f32`, correctly rounded: each result is the `f32` nearest to the exact value.
//!
//! The lanes compute in `f64` to a relative error below 2^-48. A value is taken only if every number within 2^-45 of
//! it rounds to the same `f32`; the others (about one in ten million, and arguments outside the domain) go to 384-bit
//! arithmetic. So the result is what mathematics defines, on every level.

mod functions;
pub(crate) mod lanes;

pub use functions::{exp, expm1, log, log_sigmoid, log1mexp, log1p, sigmoid, slices, softplus};
pub(crate) use lanes::logistic;
