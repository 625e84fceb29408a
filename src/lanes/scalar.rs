//! One lane: microcontrollers, and the plainest reading of every kernel.

use super::Lanes;

impl Lanes for f64 {
    const N: usize = 1;
    type Mask = bool;
    type Singles = f32;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        x.get(at).copied().unwrap_or(0.0).into()
    }
    #[inline(always)]
    fn load_f64(x: &[f64], at: usize) -> Self {
        x.get(at).copied().unwrap_or(0.0)
    }
    #[inline(always)]
    fn store_f64(self, out: &mut [f64], at: usize) {
        if let Some(out) = out.get_mut(at) {
            *out = self;
        }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at) {
            *out = self as f32;
        }
    }
    #[inline(always)]
    fn store_result(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at) {
            *out = self as f32 + 0.0;
        }
    }
    #[inline(always)]
    fn store_opposite(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at) {
            *out = 0.0 - self as f32;
        }
    }
    #[inline(always)]
    fn round_f32(self) -> Self {
        self as f32 as f64
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::from_bits(self.to_bits() & !(1 << 63))
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        self
    }
    #[inline(always)]
    fn lt(self, other: Self) -> bool {
        self < other
    }
    #[inline(always)]
    fn eq(self, other: Self) -> bool {
        self == other
    }
    #[inline(always)]
    fn select(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    #[inline(always)]
    fn and(a: bool, b: bool) -> bool {
        a & b
    }
    #[inline(always)]
    fn or(a: bool, b: bool) -> bool {
        a | b
    }
    #[inline(always)]
    fn bits(mask: bool) -> u32 {
        mask.into()
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        f64::from_bits(self.to_bits() | other.to_bits())
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        f64::from_bits(self.to_bits().wrapping_add(other.to_bits()))
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        f64::from_bits(self.to_bits().wrapping_sub(other.to_bits()))
    }
    #[inline(always)]
    fn bits_shl52(self) -> Self {
        f64::from_bits(self.to_bits() << 52)
    }
    #[inline(always)]
    fn bits_shr52(self) -> Self {
        f64::from_bits(self.to_bits() >> 52)
    }
    #[inline(always)]
    fn bits_shl48(self) -> Self {
        f64::from_bits(self.to_bits() << 48)
    }
    #[inline(always)]
    fn bits_sum(self) -> u64 {
        self.to_bits()
    }
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        if self < floor { floor } else { self }
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline(always)]
    fn look_up(self, table: &[f64; 16]) -> Self {
        table[(self.to_bits() & 15) as usize]
    }
}
