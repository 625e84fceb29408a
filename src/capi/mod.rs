//! The C interface: what `capi/include/preflane.h` declares, generated from here by cbindgen.
//!
//! Plain structs and functions over pointers and sizes. Every function checks all of its arguments before it writes
//! anything but `error`, and none keeps a pointer. Results are those of the Rust functions of the same names, bit for bit.
//!
//! Integers stand where C has enumerations: any bits may come from there.
#![allow(unsafe_code, reason = "pointers from C")]
#![allow(non_camel_case_types, reason = "the names that C sees")]

mod aot;
mod arguments;
mod contrastive;
mod environment;
mod evaluator;
mod failure;
mod kl;
mod labelled;
mod listed;
mod logits;
mod losses;
mod mean_log_ratio;
mod metrics;
mod monitor;
mod pairs;
#[cfg(all(not(feature = "std"), not(test), panic = "abort"))]
mod panic;
mod row_sum;
mod run;
mod segments;
mod sequences;
mod step;
mod views;

use core::ffi::c_char;

pub use aot::*;
pub use contrastive::*;
pub use environment::preflane_check_environment;
pub use evaluator::*;
pub use failure::*;
pub use kl::*;
pub use labelled::*;
pub use listed::*;
pub use logits::*;
pub use losses::*;
pub use mean_log_ratio::*;
pub use metrics::*;
pub use monitor::*;
pub use pairs::*;
pub use row_sum::*;
pub use run::*;
pub use segments::*;
pub use sequences::*;
pub use step::*;
pub use views::*;

/// Major version of the library.
pub const PREFLANE_VERSION_MAJOR: u32 = 0;
/// Minor version of the library.
pub const PREFLANE_VERSION_MINOR: u32 = 1;
/// Patch version of the library.
pub const PREFLANE_VERSION_PATCH: u32 = 0;
/// Version of the binary interface: it changes whenever a program must be compiled anew.
pub const PREFLANE_ABI_VERSION: u32 = 3;

/// Bytes of stack that are enough for a thread that calls any function on one thread of its own (preflane_run.threads 0 or 1): the
/// most that a call was measured to need is 28,944, of preflane_evaluate with AVX2, and the rest is a margin for the caller's functions
/// and for what the C library keeps there. With more threads, the others are started with stacks of their own, and the calling one
/// should have the usual size.
pub const PREFLANE_STACK_SIZE: usize = 40960;

/// The library's version, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn preflane_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    const { assert!(is(env!("CARGO_PKG_VERSION_MAJOR"), PREFLANE_VERSION_MAJOR)) };
    const { assert!(is(env!("CARGO_PKG_VERSION_MINOR"), PREFLANE_VERSION_MINOR)) };
    const { assert!(is(env!("CARGO_PKG_VERSION_PATCH"), PREFLANE_VERSION_PATCH)) };
    VERSION.as_ptr().cast()
}

/// Whether a part of the package's version is what the header says.
const fn is(part: &str, number: u32) -> bool {
    matches!(u32::from_str_radix(part, 10), Ok(part) if part == number)
}

/// The library's PREFLANE_ABI_VERSION; a program compiled with another one must not go on.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_abi_version() -> u32 {
    PREFLANE_ABI_VERSION
}
