//! The floating-point environment, which a C program may have changed for the whole process.

use super::failure::{Failure, Outcome, preflane_error, report};
use core::hint::black_box;

/// That subnormals are kept and that rounding is to nearest on the calling thread: what all results suppose. A program built with
/// -ffast-math or -Ofast (linked: objects alone do no harm), or one that sets these modes for speed, fails it with PREFLANE_ERROR_ENVIRONMENT.
///
/// # Safety
/// `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_check_environment(error: *mut preflane_error) -> i32 {
    // SAFETY: as above.
    unsafe { report(error, check) }
}

fn check() -> Outcome {
    let subnormal = f32::from_bits(1);
    if black_box(f32::MIN_POSITIVE) * black_box(0.5) == 0.0 || black_box(f64::MIN_POSITIVE) * black_box(0.5) == 0.0 {
        return Err(Failure::Environment("subnormal results become 0 (flush to zero)"));
    }
    if black_box(subnormal) * black_box(f32::MAX) == 0.0 || black_box(f64::from_bits(1)) * black_box(f64::MAX) == 0.0 {
        return Err(Failure::Environment("subnormal operands count as 0 (denormals are zero)"));
    }
    // A quarter and three quarters of a last place beyond 1: each other way of rounding errs in one of them.
    let (quarter, three) = (f32::EPSILON / 4.0, f32::EPSILON * 0.75);
    let (up, down) = (black_box(1.0) + black_box(quarter), black_box(1.0) + black_box(three));
    let (quarter, three) = (f64::EPSILON / 4.0, f64::EPSILON * 0.75);
    let (up64, down64) = (black_box(1.0) + black_box(quarter), black_box(1.0) + black_box(three));
    let nearest = up == 1.0 && down == 1.0 + f32::EPSILON && up64 == 1.0 && down64 == 1.0 + f64::EPSILON;
    if nearest { Ok(()) } else { Err(Failure::Environment("rounding is not to nearest")) }
}
