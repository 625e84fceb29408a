//! Which instruction sets there are, which this CPU has, and the one `match` that runs a kernel on one of them.

use super::{Lanes, portable::Portable};
use crate::Error;

/// An instruction-set level. Every level gives the same bits; they differ in speed only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Level {
    /// One `f64` at a time: every target.
    Scalar,
    /// Four lanes by the crate `wide`: SSE2 on x86, NEON on aarch64, simd128 on wasm, plain arrays on other 64-bit
    /// targets. Not on 32-bit microcontrollers, where it would only cost flash.
    Wide,
    /// Four lanes by AVX2: x86-64.
    Avx2,
    /// Eight lanes by AVX-512F: x86-64.
    Avx512,
}

/// Whether lanes beyond the scalar ones are built for this target.
pub(crate) const HAS_WIDE: bool = Portable::N > 1;

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(cpu_avx2, "avx2", "popcnt");
#[cfg(target_arch = "x86_64")]
cpufeatures::new!(cpu_fma, "fma");
#[cfg(target_arch = "x86_64")]
cpufeatures::new!(cpu_avx512, "avx512f", "avx2", "popcnt");

impl Level {
    /// All levels, slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Wide, Self::Avx2, Self::Avx512];

    /// The name that `PREFLANE_LEVEL` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Wide => "wide",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The level of that name.
    ///
    /// # Errors
    /// [`Error::UnknownLevel`] if there is none.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|level| level.name() == name).ok_or(Error::UnknownLevel)
    }

    /// Whether this build and this CPU can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Wide => HAS_WIDE,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => cpu_avx2::get(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => cpu_avx512::get(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// A level that is known to be available here.
///
/// ```
/// use preflane::{Backend, Error, Level};
///
/// let scalar = Backend::new(Level::Scalar)?;
/// assert_eq!(scalar.level(), Level::Scalar);
/// // The others depend on the CPU; what it lacks is an error, never a crash.
/// assert!(matches!(Backend::new(Level::Avx512), Ok(_) | Err(Error::Level(Level::Avx512))));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    level: Level,
    /// Whether certified kernels may run.
    certified: bool,
}

impl Backend {
    /// One lane: available everywhere.
    pub const SCALAR: Self = Self::of(Level::Scalar);

    const fn of(level: Level) -> Self {
        Self { level, certified: true }
    }

    /// The same level without certified kernels. They are the faster ways that a level with fused operations has to some results:
    /// an approximation with a bound of its error, which is taken where every number within the bound rounds alike. The
    /// bits are the same; this is for comparing both, and for measuring what they gain.
    pub const fn by_definition(self) -> Self {
        Self { certified: false, ..self }
    }

    /// Rows that it computes at a time.
    pub(crate) const fn lanes(self) -> usize {
        match self.level {
            Level::Scalar => 1,
            Level::Wide => 4,
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }

    /// The narrowest level of the CPU that takes so many rows at once, or this one: half-filled lanes cost as much as full
    /// ones, and copies beside.
    pub(crate) fn for_rows(self, rows: usize) -> Self {
        let narrower = Self { level: Level::Avx2, ..self };
        if self.level == Level::Avx512 && rows <= narrower.lanes() { narrower } else { self }
    }

    /// The fastest level of this CPU.
    pub fn detect() -> Self {
        Self::of(Level::ALL.into_iter().rev().find(|level| level.is_available()).unwrap_or(Level::Scalar))
    }

    /// The given level.
    ///
    /// # Errors
    /// [`Error::Level`] if this CPU or this build lacks it.
    pub fn new(level: Level) -> Result<Self, Error> {
        if level.is_available() { Ok(Self::of(level)) } else { Err(Error::Level(level)) }
    }

    /// The level named by the environment variable `PREFLANE_LEVEL`, or the fastest if it is unset or empty.
    ///
    /// # Errors
    /// [`Error::UnknownLevel`] and [`Error::Level`].
    #[cfg(feature = "std")]
    pub fn from_env() -> Result<Self, Error> {
        match std::env::var_os("PREFLANE_LEVEL") {
            Some(name) if !name.is_empty() => Self::new(Level::from_name(name.to_str().ok_or(Error::UnknownLevel)?)?),
            _ => Ok(Self::detect()),
        }
    }

    /// Which level it is.
    pub const fn level(self) -> Level {
        self.level
    }
}

/// A computation written once over [`Lanes`].
///
/// `run` must be `#[inline(always)]`, and so must be all that it calls with lanes. Closures and combinators such as
/// `array::map` are not: what they hold is compiled without the instruction set, and every intrinsic becomes a call.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// Runs it on lanes of type `L`.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs a kernel on the back end's lanes.
#[inline]
pub fn dispatch<K: Kernel>(backend: Backend, kernel: K) -> K::Output {
    match backend.level {
        Level::Wide if HAS_WIDE => kernel.run::<Portable>(),
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "entry into a target_feature function")]
        // SAFETY: a Backend holds only levels whose instruction set the CPU was found to have.
        Level::Avx2 => unsafe { super::x86::run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "entry into a target_feature function")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { super::x86::run_avx512(kernel) },
        _ => kernel.run::<f64>(),
    }
}

/// Runs a certified kernel, where the level has fused operations and the back end allows it; gives it back elsewhere. AVX2 without FMA is hardly found.
#[inline]
pub fn dispatch_certified<K: Kernel>(backend: Backend, kernel: K) -> Result<K::Output, K> {
    match backend.level {
        _ if !backend.certified => Err(kernel),
        #[cfg(target_arch = "aarch64")]
        Level::Wide if HAS_WIDE => Ok(kernel.run::<Portable>()),
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "entry into a target_feature function")]
        // SAFETY: a Backend holds only levels whose instruction set the CPU was found to have; FMA is looked for here.
        Level::Avx2 if cpu_fma::get() => Ok(unsafe { super::x86::certified_avx2(kernel) }),
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "entry into a target_feature function")]
        // SAFETY: as above; AVX-512F has fused operations.
        Level::Avx512 => Ok(unsafe { super::x86::certified_avx512(kernel) }),
        _ => Err(kernel),
    }
}

/// The same for kernels of which there are many and whose bits no level changes: they are compiled for fewer levels. AVX-512 takes AVX2's
/// lanes, SSE2 one.
pub fn dispatch_to_few<K: Kernel>(backend: Backend, kernel: K) -> K::Output {
    match backend.level {
        #[cfg(not(target_arch = "x86_64"))]
        Level::Wide if HAS_WIDE => kernel.run::<Portable>(),
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "entry into a target_feature function")]
        // SAFETY: a Backend holds only levels whose instruction set the CPU was found to have, and AVX-512's is looked for with AVX2.
        Level::Avx2 | Level::Avx512 => unsafe { super::x86::run_avx2(kernel) },
        _ => kernel.run::<f64>(),
    }
}
