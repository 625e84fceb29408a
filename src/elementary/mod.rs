//! Elementary functions on `f32`, correctly rounded: each result is the `f32` nearest to the exact value.
//!
//! The lanes compute in `f64` to a relative error below 2^-48. A value is taken only if every number within 2^-45 of
//! it rounds to the same `f32`; the others (about one in ten million, and arguments outside the domain) go to 384-bit
//! arithmetic. So the result is what mathematics defines, on every level.

mod functions;
pub(crate) mod lanes;

pub use functions::{exp, expm1, log, log_sigmoid, log1mexp, log1p, sigmoid, slices, softplus};
pub(crate) use lanes::logistic;

/// The square root by Newton's method from above, to 2^-52; NaN and infinity as they are. (`core` has none.)
pub(crate) fn root(x: f64) -> f64 {
    if !(x > 0.0 && x < f64::INFINITY) {
        return x;
    }
    // Half the exponent: within a factor of 1.5.
    let mut y = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..5 {
        y = 0.5 * (y + x / y);
    }
    y
}
