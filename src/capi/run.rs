//! How a call is run: the instruction-set level and the threads.

use super::arguments::Arguments;
use super::failure::{Failure, constants, preflane_error, report};
use crate::{Backend, Level, Run};
use core::ffi::{CStr, c_char};
use preflane_level::*;

/// Instruction-set levels. All give the same bits; they differ in speed.
#[repr(i32)]
pub enum preflane_level {
    /// The fastest of this CPU.
    PREFLANE_LEVEL_BEST = 0,
    /// One number at a time.
    PREFLANE_LEVEL_SCALAR = 1,
    /// SSE2, NEON, simd128, or plain arrays.
    PREFLANE_LEVEL_WIDE = 2,
    /// AVX2.
    PREFLANE_LEVEL_AVX2 = 3,
    /// AVX-512F.
    PREFLANE_LEVEL_AVX512 = 4,
}

constants!(
    preflane_level, "level", "a preflane_level: 0 to 4",
    PREFLANE_LEVEL_BEST PREFLANE_LEVEL_SCALAR PREFLANE_LEVEL_WIDE PREFLANE_LEVEL_AVX2 PREFLANE_LEVEL_AVX512
);

/// How a call is run. All zeros: the fastest level, on the calling thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_run {
    /// A preflane_level.
    pub level: i32,
    /// How many threads: 0 and 1 mean the calling thread alone. More are started for the call and ended with it, which costs some
    /// 50 us; the bits are the same for every number. At most 65536; no more are started than the work has parts, and than four a
    /// processor. A library built without std takes 0 and 1 only.
    pub threads: u32,
}

impl preflane_run {
    /// That this build can do it, before anything is written.
    pub(super) fn check(self) -> Result<Run, Failure> {
        let run = Run::on(backend(self.level)?);
        match self.threads {
            0 | 1 => Ok(run),
            #[cfg(feature = "std")]
            threads => Ok(run.threads(threads as usize)?),
            #[cfg(not(feature = "std"))]
            _ => Err(Failure::NotThreaded),
        }
    }
}

fn level_of(level: i32) -> Result<Option<Level>, Failure> {
    Ok(match preflane_level::of(level)? {
        PREFLANE_LEVEL_BEST => None,
        PREFLANE_LEVEL_SCALAR => Some(Level::Scalar),
        PREFLANE_LEVEL_WIDE => Some(Level::Wide),
        PREFLANE_LEVEL_AVX2 => Some(Level::Avx2),
        PREFLANE_LEVEL_AVX512 => Some(Level::Avx512),
    })
}

fn number(level: Level) -> i32 {
    let level = match level {
        Level::Scalar => PREFLANE_LEVEL_SCALAR,
        Level::Wide => PREFLANE_LEVEL_WIDE,
        Level::Avx2 => PREFLANE_LEVEL_AVX2,
        Level::Avx512 => PREFLANE_LEVEL_AVX512,
    };
    level as i32
}

fn backend(level: i32) -> Result<Backend, Failure> {
    match level_of(level)? {
        None => Ok(Backend::detect()),
        Some(level) => Ok(Backend::new(level)?),
    }
}

/// The level that PREFLANE_LEVEL_BEST stands for on this CPU.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_best_level() -> i32 {
    number(Backend::detect().level())
}

/// Whether a level can run here: PREFLANE_OK, or PREFLANE_ERROR_LEVEL with what there is in the message.
///
/// # Safety
/// `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_check_level(level: i32, error: *mut preflane_error) -> i32 {
    // SAFETY: as above.
    unsafe { report(error, || backend(level).map(drop)) }
}

/// The level's name, as the environment variable PREFLANE_LEVEL takes it; an empty one for a number that is no level.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_level_name(level: i32) -> *const c_char {
    const NAMES: [&CStr; 5] = [c"best", c"scalar", c"wide", c"avx2", c"avx512"];
    usize::try_from(level).ok().and_then(|level| NAMES.get(level)).unwrap_or(&c"").as_ptr()
}

fn from_environment() -> Result<i32, Failure> {
    #[cfg(feature = "std")]
    return Ok(number(Backend::from_env()?.level()));
    #[cfg(not(feature = "std"))]
    Err(Failure::NoEnvironment)
}

/// The level that the environment variable PREFLANE_LEVEL names, or the fastest if it is unset or empty. Of a library with std.
///
/// # Safety
/// `level` points to an int32_t; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_level_from_environment(level: *mut i32, error: *mut preflane_error) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let out = arguments.output("level", level, 1);
        let checked = arguments.check()?;
        let found = from_environment()?;
        // SAFETY: the caller vouches for it; it is the only argument that is written.
        unsafe { out.slice(&checked) }.fill(found);
        Ok(())
    };
    // SAFETY: as above.
    unsafe { report(error, body) }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::Error;

    /// Before anything is written.
    #[test]
    fn threads_that_no_machine_has_are_refused() {
        let check = |threads| preflane_run { level: 0, threads }.check();
        assert!([0, 1, 64, 65_536].into_iter().all(|threads| check(threads).is_ok()));
        for threads in [65_537, 1_000_000_000, u32::MAX] {
            let is_named = matches!(check(threads), Err(Failure::Library(Error::Parameter { name: "threads", .. })));
            assert!(is_named, "{threads}");
        }
    }
}
