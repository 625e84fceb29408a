//! Lanes of `f64`: the few exactly specified operations that every kernel is written in, and the back ends that perform them.
//!
//! A kernel is one generic function over [`Lanes`]. Every operation here has one result that IEEE 754 (or plain
//! integer arithmetic) defines: `+ - * /`, comparisons, selects, conversions and bit operations. There is no reciprocal
//! estimate, no min or max with a rule of its own, so all back ends give the same bits, and a level without FMA hardware
//! needs no emulation. The one exception is [`Lanes::mul_add`], for certified kernels alone: what they decide does not
//! depend on their own bits.

mod level;
#[cfg(any(target_pointer_width = "64", target_arch = "x86", target_family = "wasm"))]
mod portable;
/// A microcontroller has one lane, and none of the crate behind more.
#[cfg(not(any(target_pointer_width = "64", target_arch = "x86", target_family = "wasm")))]
mod portable {
    pub type Portable = f64;
}
mod scalar;
mod singles;
mod two;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use level::{Backend, Level};
pub(crate) use level::{HAS_WIDE, Kernel, dispatch, dispatch_certified, dispatch_to_few};
pub(crate) use singles::Singles;
pub(crate) use two::Two;

use core::ops::{Add, Div, Mul, Sub};

/// A block of `f64` lanes.
pub trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    /// Lanes in the block; a power of two, at most [`MAX_LANES`].
    const N: usize;
    /// One truth value a lane.
    type Mask: Copy;
    /// A register of `f32`.
    type Singles: Singles;

    /// `x` in every lane.
    fn splat(x: f64) -> Self;
    /// Widens `x[at..at + N]` (exact). All zeros if that is out of range, which the kernels never ask for.
    fn load(x: &[f32], at: usize) -> Self;
    /// `x[at..at + N]`. All zeros if that is out of range, which the kernels never ask for.
    fn load_f64(x: &[f64], at: usize) -> Self;
    /// Writes the lanes to `out[at..at + N]`; nothing if out of range.
    fn store_f64(self, out: &mut [f64], at: usize);
    /// Rounds each lane to the nearest `f32`, ties to even, and writes it to `out[at..at + N]`; nothing if out of range.
    fn store(self, out: &mut [f32], at: usize);
    /// The same, with every zero as +0.
    fn store_result(self, out: &mut [f32], at: usize);
    /// Stores what [`store_result`](Self::store_result) does with the opposite sign, every zero as +0.
    fn store_opposite(self, out: &mut [f32], at: usize);
    /// Rounds each lane to the nearest `f32`, ties to even.
    fn round_f32(self) -> Self;
    /// Clears the sign bit.
    fn abs(self) -> Self;
    /// The first lane.
    #[inline(always)]
    fn first(self) -> f64 {
        let mut lanes = [0.0; 2 * MAX_LANES];
        self.store_f64(&mut lanes, 0);
        lanes[0]
    }
    /// The sum of the lanes in any order: only where every partial sum is exact.
    fn sum(self) -> f64;

    /// `self < other`; false where either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self == other`; false where either is NaN.
    fn eq(self, other: Self) -> Self::Mask;
    /// Lane by lane `a` where the mask holds, `b` elsewhere.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// Both.
    fn and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Either.
    fn or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Lane `i` in bit `i`; the other bits are 0.
    fn bits(mask: Self::Mask) -> u32;

    /// The bits of either.
    fn bit_or(self, other: Self) -> Self;
    /// The sum of the lanes' bits as 64-bit integers, wrapping.
    fn bits_add(self, other: Self) -> Self;
    /// The difference of the lanes' bits as 64-bit integers, wrapping.
    fn bits_sub(self, other: Self) -> Self;
    /// The bits shifted left by 52: an integer in the low bits becomes an exponent.
    fn bits_shl52(self) -> Self;
    /// The bits shifted right by 52, zeros entering: sign and exponent become an integer.
    fn bits_shr52(self) -> Self;
    /// The bits shifted left by 48.
    fn bits_shl48(self) -> Self;
    /// The sum of all lanes' bits as 64-bit integers, wrapping.
    fn bits_sum(self) -> u64;
    /// `floor` where `self < floor`, `self` elsewhere, NaN included.
    fn at_least(self, floor: Self) -> Self;
    /// `table[i]`, with i the low four bits of the lane.
    fn look_up(self, table: &[f64; 16]) -> Self;
    /// `self * a + b`, rounded once on levels that certified kernels run on, and twice on others: for certified kernels alone.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// A hint that `x[at..]` is read soon.
    #[inline(always)]
    fn prefetch<T>(x: &[T], at: usize) {
        let _ = (x, at);
    }
}

/// The widest block of any back end.
pub const MAX_LANES: usize = 16;
