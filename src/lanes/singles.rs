//! Lanes of `f32`, for certified kernels alone: what they decide does not depend on their own bits, so fused operations and minima and maxima
//! whose result at NaN is each instruction set's own are allowed here.

use super::MAX_LANES;
use crate::logits::narrowed_f16;
use core::ops::{Add, Mul, Sub};

/// A block of `f32` lanes.
pub trait Singles: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// Lanes in the block; a power of two, at most [`super::MAX_LANES`].
    const N: usize;
    /// One truth value a lane.
    type Mask: Copy;

    /// `x` in every lane.
    fn splat(x: f32) -> Self;
    /// `x[at..at + N]`. All zeros if that is out of range, which the kernels never ask for.
    fn load(x: &[f32], at: usize) -> Self;
    /// Writes the lanes to `out[at..at + N]`; nothing if out of range.
    fn store(self, out: &mut [f32], at: usize);
    /// `self * a + b`, rounded once on levels that certified kernels run on.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// `self < other`; false where either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// Lane by lane `a` where the mask holds, `b` elsewhere.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// The sum of the lanes' bits as 32-bit integers, wrapping.
    fn bits_add(self, other: Self) -> Self;
    /// The bits shifted left by 20.
    fn bits_shl20(self) -> Self;
    /// `table[i]`, with i the low three bits of the lane. The table stands twice.
    fn look_up(self, table: &[f32; 16]) -> Self;
    /// Rounds each lane of `high` to bf16, a zero to +0, and writes the bits to `out[at..at + N]`; whether the lanes of `low` round alike. All are
    /// finite, those of `low` the smaller in size, and so is all between them: the results are what it rounds to.
    #[inline(always)]
    fn bf16_between(low: Self, high: Self, out: &mut [u16], at: usize) -> bool {
        // Half a unit more, and a boundary between them is where the upper halves differ. A tie is never rounded: both sides are within.
        let halves = |x: f32| (x.to_bits().wrapping_add(0x8000) >> 16) as u16;
        between(low, high, out, at, halves)
    }
    /// The same in f16.
    #[inline(always)]
    fn f16_between(low: Self, high: Self, out: &mut [u16], at: usize) -> bool {
        between(low, high, out, at, narrowed_f16)
    }
    /// The smaller of the two; either where one is NaN.
    fn smaller(self, other: Self) -> Self;
    /// The larger of the two; either where one is NaN.
    fn larger(self, other: Self) -> Self;
}

/// One lane after the other.
#[inline(always)]
fn between<S: Singles>(low: S, high: S, out: &mut [u16], at: usize, narrowed: impl Fn(f32) -> u16) -> bool {
    let (mut lows, mut highs) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
    low.store(&mut lows, 0);
    high.store(&mut highs, 0);
    let mut same = true;
    let out = out.get_mut(at..at + S::N).unwrap_or_default();
    for ((out, low), high) in out.iter_mut().zip(lows).zip(highs) {
        *out = narrowed(high);
        same &= narrowed(low) == *out;
    }
    same
}

impl Singles for f32 {
    const N: usize = 1;
    type Mask = bool;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        x
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        x.get(at).copied().unwrap_or(0.0)
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at) {
            *out = self;
        }
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self < other
    }
    #[inline(always)]
    fn select(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        f32::from_bits(self.to_bits().wrapping_add(other.to_bits()))
    }
    #[inline(always)]
    fn bits_shl20(self) -> Self {
        f32::from_bits(self.to_bits() << 20)
    }
    #[inline(always)]
    fn look_up(self, table: &[f32; 16]) -> Self {
        table[(self.to_bits() & 7) as usize]
    }
}
