//! Four lanes by the crate `wide`: SSE2, NEON, wasm's simd128, plain arrays elsewhere.
//!
//! Only its exactly specified operations are used: no `reduce_*`, and `mul_add`, minima and maxima for certified kernels alone.

use super::{Lanes, Singles};
use wide::bytemuck::cast;
use wide::{f32x8, f64x4, u32x8, u64x4};

/// Implements the four arithmetic operators of a back end's type by the given functions.
macro_rules! operators {
    ($type:ty, $add:path, $sub:path, $mul:path, $div:path) => {
        $crate::lanes::portable::operators!(@ $type, Add, add, $add);
        $crate::lanes::portable::operators!(@ $type, Sub, sub, $sub);
        $crate::lanes::portable::operators!(@ $type, Mul, mul, $mul);
        $crate::lanes::portable::operators!(@ $type, Div, div, $div);
    };
    (@ $type:ty, $trait:ident, $method:ident, $function:path) => {
        impl core::ops::$trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                $function(self, other)
            }
        }
    };
}
pub(super) use operators;

/// Four `f64` lanes.
#[derive(Clone, Copy)]
pub struct Portable(f64x4);

#[inline(always)]
fn add(a: Portable, b: Portable) -> Portable {
    Portable(a.0 + b.0)
}
#[inline(always)]
fn sub(a: Portable, b: Portable) -> Portable {
    Portable(a.0 - b.0)
}
#[inline(always)]
fn mul(a: Portable, b: Portable) -> Portable {
    Portable(a.0 * b.0)
}
#[inline(always)]
fn div(a: Portable, b: Portable) -> Portable {
    Portable(a.0 / b.0)
}
operators!(Portable, add, sub, mul, div);

impl Portable {
    #[inline(always)]
    fn integers(self) -> u64x4 {
        cast(self.0)
    }
    #[inline(always)]
    fn from_integers(x: u64x4) -> Self {
        Self(cast(x))
    }
}

impl Lanes for Portable {
    const N: usize = 4;
    type Mask = f64x4;
    type Singles = PortableSingles;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self(f64x4::splat(x))
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        match x.get(at..at + 4).and_then(|x| x.first_chunk::<4>()) {
            Some(x) => Self(f64x4::new(x.map(f64::from))),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn load_f64(x: &[f64], at: usize) -> Self {
        match x.get(at..at + 4).and_then(|x| x.first_chunk::<4>()) {
            Some(x) => Self(f64x4::new(*x)),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn store_f64(self, out: &mut [f64], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            *out = self.0.to_array();
        }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            *out = self.0.to_array().map(|x| x as f32);
        }
    }
    #[inline(always)]
    fn store_result(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            *out = self.0.to_array().map(|x| x as f32 + 0.0);
        }
    }
    #[inline(always)]
    fn store_opposite(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            *out = self.0.to_array().map(|x| 0.0 - x as f32);
        }
    }
    #[inline(always)]
    fn round_f32(self) -> Self {
        Self(f64x4::new(self.0.to_array().map(|x| f64::from(x as f32))))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs())
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        let [a, b, c, d] = self.0.to_array();
        (a + c) + (b + d)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> f64x4 {
        self.0.simd_lt(other.0)
    }
    #[inline(always)]
    fn eq(self, other: Self) -> f64x4 {
        self.0.simd_eq(other.0)
    }
    #[inline(always)]
    fn select(mask: f64x4, a: Self, b: Self) -> Self {
        Self((mask & a.0) | (cast::<u64x4, f64x4>(!cast::<f64x4, u64x4>(mask)) & b.0))
    }
    #[inline(always)]
    fn and(a: f64x4, b: f64x4) -> f64x4 {
        a & b
    }
    #[inline(always)]
    fn or(a: f64x4, b: f64x4) -> f64x4 {
        a | b
    }
    #[inline(always)]
    fn bits(mask: f64x4) -> u32 {
        mask.to_bitmask()
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        Self::from_integers(self.integers() + other.integers())
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        Self::from_integers(self.integers() - other.integers())
    }
    #[inline(always)]
    fn bits_shl52(self) -> Self {
        Self::from_integers(self.integers() << 52_u32)
    }
    #[inline(always)]
    fn bits_shr52(self) -> Self {
        Self::from_integers(self.integers() >> 52_u32)
    }
    #[inline(always)]
    fn bits_shl48(self) -> Self {
        Self::from_integers(self.integers() << 48_u32)
    }
    #[inline(always)]
    fn bits_sum(self) -> u64 {
        let [a, b, c, d] = self.integers().to_array();
        a.wrapping_add(b).wrapping_add(c).wrapping_add(d)
    }
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        Self::select(self.lt(floor), floor, self)
    }
    #[inline(always)]
    #[expect(clippy::disallowed_methods, reason = "for certified kernels")]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0))
    }
    #[inline(always)]
    fn look_up(self, table: &[f64; 16]) -> Self {
        let [a, b, c, d] = self.integers().to_array();
        let [a, b, c, d] =
            [table[(a & 15) as usize], table[(b & 15) as usize], table[(c & 15) as usize], table[(d & 15) as usize]];
        Self(f64x4::new([a, b, c, d]))
    }
}

/// Eight `f32` lanes.
#[derive(Clone, Copy)]
pub struct PortableSingles(f32x8);

macro_rules! singles_operator {
    ($trait:ident, $method:ident) => {
        impl core::ops::$trait for PortableSingles {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0))
            }
        }
    };
}
singles_operator!(Add, add);
singles_operator!(Sub, sub);
singles_operator!(Mul, mul);

impl Singles for PortableSingles {
    const N: usize = 8;
    type Mask = f32x8;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self(f32x8::splat(x))
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        match x.get(at..at + 8).and_then(|x| x.first_chunk::<8>()) {
            Some(x) => Self(f32x8::new(*x)),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 8).and_then(|out| out.first_chunk_mut::<8>()) {
            *out = self.0.to_array();
        }
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0))
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self(self.0.fast_min(other.0))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self(self.0.fast_max(other.0))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> f32x8 {
        self.0.simd_lt(other.0)
    }
    #[inline(always)]
    fn select(mask: f32x8, a: Self, b: Self) -> Self {
        Self(mask.bitselect(a.0, b.0))
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        Self(cast(cast::<f32x8, u32x8>(self.0) + cast::<f32x8, u32x8>(other.0)))
    }
    #[inline(always)]
    fn bits_shl20(self) -> Self {
        Self(cast(cast::<f32x8, u32x8>(self.0) << 20_u32))
    }
    #[inline(always)]
    fn look_up(self, table: &[f32; 16]) -> Self {
        let indices = cast::<f32x8, u32x8>(self.0).to_array();
        Self(f32x8::new(indices.map(|i| table[(i & 7) as usize])))
    }
}
