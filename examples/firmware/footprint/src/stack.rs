//! How deep the stack goes: painted before, looked through after.
#![allow(unsafe_code, reason = "memory below the stack pointer belongs to no variable")]

use core::arch::asm;
use core::hint::black_box;

/// As deep as a call may go and still be seen.
const DEPTH: usize = 4 * 1024;
const PAINT: u32 = 0x5afe_57ac;

/// The stack pointer: what a call takes is below it.
#[inline(always)]
pub fn pointer() -> usize {
    let pointer: usize;
    #[cfg(target_arch = "arm")]
    // SAFETY: copies a register.
    unsafe {
        asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: copies a register.
    unsafe {
        asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

/// The bytes of stack that go below the [`pointer`] which `call` returns: read where the library is called, so that what is
/// above, the program's own, is left out.
#[inline(never)]
pub fn depth(call: impl FnOnce() -> usize) -> usize {
    let top = pointer();
    let bottom = top - DEPTH;
    let words = (bottom..top).step_by(4).map(|address| core::ptr::with_exposed_provenance_mut::<u32>(address));
    for word in words.clone() {
        // SAFETY: aligned RAM below the stack pointer, which no interrupt uses: none is enabled; and the loop calls nothing.
        unsafe { word.write_volatile(PAINT) }
    }
    let called_at = enter(call);
    for (untouched, word) in words.enumerate() {
        // SAFETY: as above.
        if unsafe { word.read_volatile() } != PAINT {
            return called_at - (bottom + 4 * untouched);
        }
    }
    0
}

/// Calls the library; the [`pointer`] there.
#[inline(always)]
pub fn called<T>(call: impl FnOnce() -> T) -> usize {
    let called_at = pointer();
    black_box(apart(call));
    called_at
}

/// A frame of its own, so that what is inlined into the call counts as it does when it is not.
#[inline(never)]
fn apart<T>(call: impl FnOnce() -> T) -> T {
    call()
}

/// A frame of its own, below the one that paints.
#[inline(never)]
fn enter(call: impl FnOnce() -> usize) -> usize {
    call()
}
