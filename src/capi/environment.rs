//! The floating-point environment, which a C program may have changed for the whole process.

use super::failure::{Failure, Outcome, preflane_error, report};
use core::hint::black_box;

/// That subnormals are kept, that rounding is to nearest and that no floating-point exception traps on the calling thread: what all
/// results suppose. A program built with -ffast-math or -Ofast (linked: objects alone do no harm), or one that sets these modes, fails it
/// with PREFLANE_ERROR_ENVIRONMENT.
///
/// Traps (feenableexcept) change no result, but end the program at an exception. Calls whose input and results are finite and of
/// ordinary size, masked columns of -inf included, raise none of invalid operation, division by zero and overflow; inexact they all
/// raise, and underflow where a result or a term lies below the least normal number. Losses with exponentials of log-ratios (e^ in the
/// formula of their description) may raise the others too, whatever becomes of the result. Told on x86-64, aarch64 and s390x; RISC-V and
/// WebAssembly have no traps, and elsewhere they cannot be asked for.
///
/// # Safety
/// `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_check_environment(error: *mut preflane_error) -> i32 {
    // SAFETY: as above.
    unsafe { report(error, check) }
}

fn check() -> Outcome {
    // First: what follows raises exceptions.
    match traps() {
        0 => {}
        traps => return Err(Failure::Traps(traps)),
    }
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

/// The exceptions that trap: bits in the order of [`super::failure::TRAPS`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn traps() -> u32 {
    let mut control = 0_u32;
    // SAFETY: stores the control and status register of SSE, which x86-64 has, in four bytes that are there.
    unsafe {
        core::arch::asm!("stmxcsr dword ptr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags));
    }
    // Masks from bit 7 on: invalid, subnormal operand, division by zero, overflow, underflow, inexact. A mask of 0 is a trap.
    let open = !(control >> 7);
    (open & 1) | (open >> 1 & 0b1_1110) | (open >> 1 & 1) << 5
}

/// Which traps are enabled, from the control register of aarch64.
#[cfg(all(target_arch = "aarch64", not(miri)))]
fn traps() -> u32 {
    let control: u64;
    // SAFETY: reads the control register of floating point; Rust's aarch64 has it.
    unsafe {
        core::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags));
    }
    // From bit 8 on: invalid, division by zero, overflow, underflow, inexact; bit 15: subnormal operand. Many CPUs have none, and
    // their bits stay 0.
    (control >> 8 & 0b1_1111 | (control >> 15 & 1) << 5) as u32
}

/// Which traps are enabled, from the control register of s390x.
#[cfg(all(target_arch = "s390x", not(miri)))]
fn traps() -> u32 {
    let control: u64;
    // SAFETY: extracts the control register of floating point, which s390x has.
    unsafe {
        core::arch::asm!("efpc {}", out(reg) control, options(nomem, nostack, preserves_flags));
    }
    // Masks from bit 31 down: invalid, division by zero, overflow, underflow, inexact.
    (control as u32 >> 27).reverse_bits() >> 27
}

/// RISC-V and WebAssembly have no traps; of others nothing can be told.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "s390x"))))]
fn traps() -> u32 {
    0
}
