//! The number types that logits come in.

use super::backward;
use super::certified;
use super::log_sum_exp::{self, LogSumExp, Part};
use super::scaling::Scaling;
use super::statistics::{self, Statistics};
use crate::lanes::{Backend, Singles, dispatch, dispatch_certified};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use sealed::Sealed;

/// Columns that are worked on at a time: a quarter of an L1 cache, or little stack.
pub(super) const CHUNK: usize = if crate::lanes::HAS_WIDE { 2048 } else { 64 };

/// `f32`, `half::bf16` or `half::f16`.
pub trait Element: Copy + Send + Sync + sealed::Sealed {}

impl Element for f32 {}
impl Element for bf16 {}
impl Element for f16 {}

/// Logits of any of these types.
#[derive(Clone, Copy)]
pub enum Columns<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

impl<'a> Columns<'a> {
    /// `n` of them from `start` on as `f32`, at most [`CHUNK`], and those that follow where they are read next.
    #[inline(always)]
    pub fn chunk<'b>(self, start: usize, n: usize, buffer: &'b mut [f32; CHUNK]) -> (&'b [f32], &'b [f32])
    where
        'a: 'b,
    {
        match self {
            Self::F32(x) => (part(x, start, n), x.get(start + n..).unwrap_or_default()),
            Self::Bf16(x) => (Sealed::widen(part(x, start, n), buffer), &[]),
            Self::F16(x) => (Sealed::widen(part(x, start, n), buffer), &[]),
        }
    }

    /// One of them, as `f32`.
    pub fn value(self, at: usize) -> Option<f32> {
        match self {
            Self::F32(x) => x.get(at).copied(),
            Self::Bf16(x) => x.get(at).map(|x| x.widened()),
            Self::F16(x) => x.get(at).map(|x| x.widened()),
        }
    }
}

/// The bits of an `f32` rounded to f16.
#[inline(always)]
pub fn narrowed_f16(x: f32) -> u16 {
    <f16 as Sealed>::narrowed(x).to_bits()
}

/// `n` elements from `start` on.
#[inline(always)]
fn part<T>(x: &[T], start: usize, n: usize) -> &[T] {
    x.get(start..start + n).unwrap_or_default()
}

pub(super) mod sealed {
    use super::*;

    pub trait Sealed: Copy {
        /// At most [`CHUNK`] values as `f32` (exact): the slice itself, or `buffer` filled.
        #[inline(always)]
        fn widen<'a>(x: &'a [Self], buffer: &'a mut [f32; CHUNK]) -> &'a [f32] {
            for (to, x) in buffer.iter_mut().zip(x) {
                *to = x.widened();
            }
            buffer.get(..x.len()).unwrap_or_default()
        }
        /// One value.
        fn widened(self) -> f32;
        /// To the nearest, ties to even; a zero is +0.
        fn narrowed(x: f32) -> Self;
        /// Whether this is `f32`.
        const IS_F32: bool = false;
        /// All below this power of two rounds to 0.
        const VANISHES: f64;
        /// Rounds the lanes of both, writes what comes of `high` to `out[at..]`, and says whether both round alike. None of `f32`: it has nothing to
        /// round.
        fn between<S: Singles>(low: S, high: S, out: &mut [Self], at: usize) -> bool;
        /// The slice itself, if this is `f32`.
        fn as_f32(_: &mut [Self]) -> Option<&mut [f32]> {
            None
        }
        /// The values with their type.
        fn columns(x: &[Self]) -> Columns<'_>;

        // The kernels, each compiled once, here: a generic function would be compiled again in every crate that calls it.

        /// The log-sum-exp of a row, where a certified kernel decides it.
        fn certified(backend: Backend, row: certified::Row<'_, Self>) -> Option<LogSumExp>;
        /// What some columns of a row come to.
        fn part(backend: Backend, columns: &[Self], scaling: &Scaling) -> Part;
        /// Entropy and its kin of a row that has a log-sum-exp.
        fn statistics(backend: Backend, row: &[Self], sum: LogSumExp, scaling: &Scaling) -> Statistics;
        /// The gradient of a row.
        fn gradient(backend: Backend, row: backward::Row<'_, Self>);
    }

    macro_rules! kernels {
        ($columns:ident) => {
            #[inline(always)]
            fn columns(x: &[Self]) -> Columns<'_> {
                Columns::$columns(x)
            }
            #[inline(never)]
            fn certified(backend: Backend, row: certified::Row<'_, Self>) -> Option<LogSumExp> {
                dispatch_certified(backend, row).ok()??.decided()
            }
            #[inline(never)]
            fn part(backend: Backend, columns: &[Self], scaling: &Scaling) -> Part {
                dispatch(backend, log_sum_exp::Row { row: columns, scaling })
            }
            #[inline(never)]
            fn statistics(backend: Backend, row: &[Self], sum: LogSumExp, scaling: &Scaling) -> Statistics {
                dispatch(backend, statistics::Row { row, sum, scaling })
            }
            #[inline(never)]
            fn gradient(backend: Backend, row: backward::Row<'_, Self>) {
                if let Err(row) = row.certified(backend) {
                    dispatch(backend, row);
                }
            }
        };
    }

    impl Sealed for f32 {
        kernels!(F32);
        const IS_F32: bool = true;
        const VANISHES: f64 = -150.0;
        #[inline(always)]
        fn between<S: Singles>(_: S, _: S, _: &mut [Self], _: usize) -> bool {
            false
        }
        #[inline(always)]
        fn widen<'a>(x: &'a [Self], _: &'a mut [f32; CHUNK]) -> &'a [f32] {
            x
        }
        #[inline(always)]
        fn widened(self) -> f32 {
            self
        }
        #[inline(always)]
        fn narrowed(x: f32) -> Self {
            x + 0.0
        }
        #[inline(always)]
        fn as_f32(x: &mut [Self]) -> Option<&mut [f32]> {
            Some(x)
        }
    }

    impl Sealed for bf16 {
        kernels!(Bf16);
        const VANISHES: f64 = -134.0;
        #[inline(always)]
        fn between<S: Singles>(low: S, high: S, out: &mut [Self], at: usize) -> bool {
            S::bf16_between(low, high, out.reinterpret_cast_mut(), at)
        }
        #[inline(always)]
        fn widened(self) -> f32 {
            f32::from_bits(u32::from(self.to_bits()) << 16)
        }
        #[inline(always)]
        fn narrowed(x: f32) -> Self {
            let bits = x.to_bits();
            let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
            let rounded = if rounded == 0x8000 { 0 } else { rounded };
            Self::from_bits(if x.is_nan() { 0x7fc0 } else { rounded as u16 })
        }
    }

    // The crate's own conversions branch (or ask the CPU) for every value; these the compiler makes vectors of.
    impl Sealed for f16 {
        kernels!(F16);
        const VANISHES: f64 = -25.0;
        #[inline(always)]
        fn between<S: Singles>(low: S, high: S, out: &mut [Self], at: usize) -> bool {
            S::f16_between(low, high, out.reinterpret_cast_mut(), at)
        }
        #[inline(always)]
        fn widened(self) -> f32 {
            let bits = u32::from(self.to_bits());
            let magnitude = (bits & 0x7fff) << 13;
            // 2^112 corrects the exponent's bias, subnormals included; infinity and NaN keep theirs.
            let finite = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
            let special = magnitude | 0x7f80_0000;
            f32::from_bits((bits & 0x8000) << 16 | if magnitude >= 0x0f80_0000 { special } else { finite })
        }
        #[inline(always)]
        fn narrowed(x: f32) -> Self {
            let bits = x.to_bits();
            let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
            // Normal results: rebias, round to ten bits. Subnormal ones: adding 1/2 rounds to 2^-24 in its low bits.
            let normal = magnitude.wrapping_add(0xc800_0000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
            let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
            let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
            // 65520 and above round to infinity.
            let special = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
            // No sign for NaN, nor for what rounds to 0: 2^-25 at most.
            let signed = magnitude > 0x3300_0000 && magnitude <= 0x7f80_0000;
            let sign = if signed { sign } else { 0 };
            Self::from_bits((sign | if magnitude >= 0x477f_f000 { special } else { finite }) as u16)
        }
    }
}
