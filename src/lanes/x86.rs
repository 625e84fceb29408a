//! AVX2 (four lanes) and AVX-512 (eight) on x86-64.
//!
//! SAFETY of every block here: a value of these types is only made by kernels that [`super::dispatch`] runs inside a
//! function with the instruction set enabled, which it enters only for a [`super::Backend`] that proves the CPU has it.
#![allow(unsafe_code, reason = "core::arch intrinsics and entry into target_feature functions")]

use super::two::Two;
use super::{Kernel, Lanes, Singles};
use core::arch::x86_64::*;

/// Runs a kernel with AVX2 enabled.
#[target_feature(enable = "avx2,popcnt")]
pub fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two<Avx2>>()
}

/// Runs a certified kernel with AVX2 and fused operations enabled. A function of its own, so that the name of the code that holds fused
/// operations tells that it may.
#[target_feature(enable = "avx2,fma,popcnt")]
pub fn certified_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two<Avx2>>()
}

/// Runs a certified kernel with AVX-512F enabled, which has fused operations.
#[target_feature(enable = "avx512f,avx2,popcnt")]
pub fn certified_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two<Avx512>>()
}

/// Runs a kernel with AVX-512F enabled.
#[target_feature(enable = "avx512f,popcnt")]
pub fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Two<Avx512>>()
}

/// Four `f64` lanes in a 256-bit register.
#[derive(Clone, Copy)]
pub struct Avx2(__m256d);

/// Eight `f64` lanes in a 512-bit register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512d);

/// `intrinsic!(Type: name(a, b))`: the intrinsic over the wrapped registers, wrapped again.
macro_rules! call {
    ($wrap:expr, $f:ident ( $($arg:expr),* )) => {{
        // SAFETY: the instruction set is enabled, see the head of this file.
        let x = unsafe { $f($($arg),*) };
        $wrap(x)
    }};
}

macro_rules! arithmetic {
    ($type:ident, $add:ident, $sub:ident, $mul:ident, $div:ident) => {
        impl $type {
            #[inline(always)]
            fn plus(a: Self, b: Self) -> Self {
                call!(Self, $add(a.0, b.0))
            }
            #[inline(always)]
            fn minus(a: Self, b: Self) -> Self {
                call!(Self, $sub(a.0, b.0))
            }
            #[inline(always)]
            fn times(a: Self, b: Self) -> Self {
                call!(Self, $mul(a.0, b.0))
            }
            #[inline(always)]
            fn over(a: Self, b: Self) -> Self {
                call!(Self, $div(a.0, b.0))
            }
        }
        super::portable::operators!($type, $type::plus, $type::minus, $type::times, $type::over);
    };
}
arithmetic!(Avx2, _mm256_add_pd, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd);
arithmetic!(Avx512, _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd);

/// For arguments and results that are not wrapped.
#[inline(always)]
fn plain<T>(x: T) -> T {
    x
}

/// Asks for the cache line of `x[at]`.
#[inline(always)]
fn prefetch<T>(x: &[T], at: usize) {
    if let Some(x) = x.get(at) {
        // SAFETY: a hint, on an address inside of the slice; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(x).cast()) }
    }
}

impl Avx2 {
    #[inline(always)]
    fn integers(self) -> __m256i {
        call!(plain, _mm256_castpd_si256(self.0))
    }
    #[inline(always)]
    fn from_integers(x: __m256i) -> Self {
        call!(Self, _mm256_castsi256_pd(x))
    }
    #[inline(always)]
    fn narrow(self) -> __m128 {
        call!(plain, _mm256_cvtpd_ps(self.0))
    }
}

impl Lanes for Avx2 {
    const N: usize = 4;
    type Mask = __m256d;
    type Singles = Avx2Singles;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        call!(Self, _mm256_set1_pd(x))
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        match x.get(at..at + 4).and_then(|x| x.first_chunk::<4>()) {
            // SAFETY: reads the 16 bytes of the array, unaligned; instruction set as above.
            Some(x) => Self(unsafe { _mm256_cvtps_pd(_mm_loadu_ps(x.as_ptr())) }),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn load_f64(x: &[f64], at: usize) -> Self {
        match x.get(at..at + 4).and_then(|x| x.first_chunk::<4>()) {
            // SAFETY: reads the 32 bytes of the array, unaligned; instruction set as above.
            Some(x) => Self(unsafe { _mm256_loadu_pd(x.as_ptr()) }),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn store_f64(self, out: &mut [f64], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm256_storeu_pd(out.as_mut_ptr(), self.0) }
        }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            // SAFETY: writes the 16 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm_storeu_ps(out.as_mut_ptr(), self.narrow()) }
        }
    }
    #[inline(always)]
    fn store_result(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            // SAFETY: writes the 16 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(self.narrow(), _mm_setzero_ps())) }
        }
    }
    #[inline(always)]
    fn store_opposite(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 4).and_then(|out| out.first_chunk_mut::<4>()) {
            // SAFETY: writes the 16 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm_storeu_ps(out.as_mut_ptr(), _mm_sub_ps(_mm_setzero_ps(), self.narrow())) }
        }
    }
    #[inline(always)]
    fn round_f32(self) -> Self {
        call!(Self, _mm256_cvtps_pd(self.narrow()))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        call!(Self, _mm256_andnot_pd(Self::splat(-0.0).0, self.0))
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        // SAFETY: four f64 are 32 bytes, any bits of them are valid; instruction set as above.
        let [a, b, c, d] = unsafe { core::mem::transmute::<__m256d, [f64; 4]>(self.0) };
        (a + c) + (b + d)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> __m256d {
        // SAFETY: instruction set as above.
        unsafe { _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn eq(self, other: Self) -> __m256d {
        // SAFETY: instruction set as above.
        unsafe { _mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn select(mask: __m256d, a: Self, b: Self) -> Self {
        call!(Self, _mm256_blendv_pd(b.0, a.0, mask))
    }
    #[inline(always)]
    fn and(a: __m256d, b: __m256d) -> __m256d {
        call!(plain, _mm256_and_pd(a, b))
    }
    #[inline(always)]
    fn or(a: __m256d, b: __m256d) -> __m256d {
        call!(plain, _mm256_or_pd(a, b))
    }
    #[inline(always)]
    fn bits(mask: __m256d) -> u32 {
        call!(i32::cast_unsigned, _mm256_movemask_pd(mask))
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        call!(Self, _mm256_or_pd(self.0, other.0))
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        call!(Self::from_integers, _mm256_add_epi64(self.integers(), other.integers()))
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        call!(Self::from_integers, _mm256_sub_epi64(self.integers(), other.integers()))
    }
    #[inline(always)]
    fn bits_shl52(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm256_slli_epi64::<52>(self.integers()) })
    }
    #[inline(always)]
    fn bits_shr52(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm256_srli_epi64::<52>(self.integers()) })
    }
    #[inline(always)]
    fn bits_shl48(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm256_slli_epi64::<48>(self.integers()) })
    }
    #[inline(always)]
    fn bits_sum(self) -> u64 {
        // SAFETY: four u64 are 32 bytes, any bits of them are valid; instruction set as above.
        let [a, b, c, d] = unsafe { core::mem::transmute::<__m256d, [u64; 4]>(self.0) };
        a.wrapping_add(b).wrapping_add(c).wrapping_add(d)
    }
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        // The second operand where either is NaN.
        call!(Self, _mm256_max_pd(floor.0, self.0))
    }
    #[inline(always)]
    fn look_up(self, table: &[f64; 16]) -> Self {
        // Four loads: a gather made the logits' kernels take nearly twice as long (Cascade Lake).
        // SAFETY: four u64 are 32 bytes, any bits of them are valid; instruction set as above.
        let [a, b, c, d] = unsafe { core::mem::transmute::<__m256d, [u64; 4]>(self.0) };
        let at = |i: u64| table[(i & 15) as usize];
        let (a, b, c, d) = (at(a), at(b), at(c), at(d));
        call!(Self, _mm256_set_pd(d, c, b, a))
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: only certified kernels call it, whose functions enable FMA, see the head of this file.
        Self(unsafe { _mm256_fmadd_pd(self.0, a.0, b.0) })
    }
    #[inline(always)]
    fn prefetch<T>(x: &[T], at: usize) {
        prefetch(x, at);
    }
}

impl Avx512 {
    #[inline(always)]
    fn integers(self) -> __m512i {
        call!(plain, _mm512_castpd_si512(self.0))
    }
    #[inline(always)]
    fn from_integers(x: __m512i) -> Self {
        call!(Self, _mm512_castsi512_pd(x))
    }
    #[inline(always)]
    fn narrow(self) -> __m256 {
        call!(plain, _mm512_cvtpd_ps(self.0))
    }
}

impl Lanes for Avx512 {
    const N: usize = 8;
    type Mask = __mmask8;
    type Singles = Avx512Singles;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        call!(Self, _mm512_set1_pd(x))
    }
    #[inline(always)]
    fn load(x: &[f32], at: usize) -> Self {
        match x.get(at..at + 8).and_then(|x| x.first_chunk::<8>()) {
            // SAFETY: reads the 32 bytes of the array, unaligned; instruction set as above.
            Some(x) => Self(unsafe { _mm512_cvtps_pd(_mm256_loadu_ps(x.as_ptr())) }),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn load_f64(x: &[f64], at: usize) -> Self {
        match x.get(at..at + 8).and_then(|x| x.first_chunk::<8>()) {
            // SAFETY: reads the 64 bytes of the array, unaligned; instruction set as above.
            Some(x) => Self(unsafe { _mm512_loadu_pd(x.as_ptr()) }),
            None => Self::splat(0.0),
        }
    }
    #[inline(always)]
    fn store_f64(self, out: &mut [f64], at: usize) {
        if let Some(out) = out.get_mut(at..at + 8).and_then(|out| out.first_chunk_mut::<8>()) {
            // SAFETY: writes the 64 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm512_storeu_pd(out.as_mut_ptr(), self.0) }
        }
    }
    #[inline(always)]
    fn store(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 8).and_then(|out| out.first_chunk_mut::<8>()) {
            // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), self.narrow()) }
        }
    }
    #[inline(always)]
    fn store_result(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 8).and_then(|out| out.first_chunk_mut::<8>()) {
            // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(self.narrow(), _mm256_setzero_ps())) }
        }
    }
    #[inline(always)]
    fn store_opposite(self, out: &mut [f32], at: usize) {
        if let Some(out) = out.get_mut(at..at + 8).and_then(|out| out.first_chunk_mut::<8>()) {
            // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_sub_ps(_mm256_setzero_ps(), self.narrow())) }
        }
    }
    #[inline(always)]
    fn round_f32(self) -> Self {
        call!(Self, _mm512_cvtps_pd(self.narrow()))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        call!(Self, _mm512_abs_pd(self.0))
    }
    #[inline(always)]
    fn sum(self) -> f64 {
        call!(plain, _mm512_reduce_add_pd(self.0))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> __mmask8 {
        // SAFETY: instruction set as above.
        unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn eq(self, other: Self) -> __mmask8 {
        // SAFETY: instruction set as above.
        unsafe { _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn select(mask: __mmask8, a: Self, b: Self) -> Self {
        call!(Self, _mm512_mask_blend_pd(mask, b.0, a.0))
    }
    #[inline(always)]
    fn and(a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }
    #[inline(always)]
    fn or(a: __mmask8, b: __mmask8) -> __mmask8 {
        a | b
    }
    #[inline(always)]
    fn bits(mask: __mmask8) -> u32 {
        mask.into()
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        call!(Self::from_integers, _mm512_or_si512(self.integers(), other.integers()))
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        call!(Self::from_integers, _mm512_add_epi64(self.integers(), other.integers()))
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        call!(Self::from_integers, _mm512_sub_epi64(self.integers(), other.integers()))
    }
    #[inline(always)]
    fn bits_shl52(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm512_slli_epi64::<52>(self.integers()) })
    }
    #[inline(always)]
    fn bits_shr52(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm512_srli_epi64::<52>(self.integers()) })
    }
    #[inline(always)]
    fn bits_shl48(self) -> Self {
        // SAFETY: instruction set as above.
        Self::from_integers(unsafe { _mm512_slli_epi64::<48>(self.integers()) })
    }
    #[inline(always)]
    fn bits_sum(self) -> u64 {
        call!(i64::cast_unsigned, _mm512_reduce_add_epi64(self.integers()))
    }
    #[inline(always)]
    fn at_least(self, floor: Self) -> Self {
        // The second operand where either is NaN.
        call!(Self, _mm512_max_pd(floor.0, self.0))
    }
    #[inline(always)]
    fn look_up(self, table: &[f64; 16]) -> Self {
        // The instruction takes four bits of each index. SAFETY: reads the 128 bytes of the table, unaligned;
        // instruction set as above.
        Self(unsafe {
            let (low, high) = (_mm512_loadu_pd(table.as_ptr()), _mm512_loadu_pd(table.as_ptr().add(8)));
            _mm512_permutex2var_pd(low, self.integers(), high)
        })
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        call!(Self, _mm512_fmadd_pd(self.0, a.0, b.0))
    }
    #[inline(always)]
    fn prefetch<T>(x: &[T], at: usize) {
        prefetch(x, at);
    }
}

/// Eight `f32` lanes in a 256-bit register.
#[derive(Clone, Copy)]
pub struct Avx2Singles(__m256);

/// Sixteen `f32` lanes in a 512-bit register.
#[derive(Clone, Copy)]
pub struct Avx512Singles(__m512);

arithmetic!(Avx2Singles, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps);
arithmetic!(Avx512Singles, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps);

macro_rules! singles {
    ($type:ident, $n:literal, $splat:ident, $load:ident, $store:ident, $fmadd:ident, $min:ident, $max:ident, $mask:ident, $to_integers:ident, $from_integers:ident, $add_integers:ident, $shl:ident) => {
        impl Singles for $type {
            const N: usize = $n;
            type Mask = $mask;

            #[inline(always)]
            fn splat(x: f32) -> Self {
                call!(Self, $splat(x))
            }
            #[inline(always)]
            fn load(x: &[f32], at: usize) -> Self {
                match x.get(at..at + $n).and_then(|x| x.first_chunk::<$n>()) {
                    // SAFETY: reads the bytes of the array, unaligned; instruction set as above.
                    Some(x) => Self(unsafe { $load(x.as_ptr()) }),
                    None => Self::splat(0.0),
                }
            }
            #[inline(always)]
            fn store(self, out: &mut [f32], at: usize) {
                if let Some(out) = out.get_mut(at..at + $n).and_then(|out| out.first_chunk_mut::<$n>()) {
                    // SAFETY: writes the bytes of the array, unaligned; instruction set as above.
                    unsafe { $store(out.as_mut_ptr(), self.0) }
                }
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: only certified kernels call it, whose functions enable fused operations, see the head of this file.
                Self(unsafe { $fmadd(self.0, a.0, b.0) })
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                self.less(other)
            }
            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                Self::blend(mask, a, b)
            }
            #[inline(always)]
            fn bits_add(self, other: Self) -> Self {
                // SAFETY: instruction set as above.
                Self(unsafe { $from_integers($add_integers($to_integers(self.0), $to_integers(other.0))) })
            }
            #[inline(always)]
            fn bits_shl20(self) -> Self {
                // SAFETY: instruction set as above.
                Self(unsafe { $from_integers($shl::<20>($to_integers(self.0))) })
            }
            #[inline(always)]
            fn look_up(self, table: &[f32; 16]) -> Self {
                self.permute(table)
            }
            #[inline(always)]
            fn bf16_between(low: Self, high: Self, out: &mut [u16], at: usize) -> bool {
                let Some(out) = out.get_mut(at..at + $n).and_then(|out| out.first_chunk_mut::<$n>()) else {
                    return false;
                };
                Self::round_bf16(low, high, out)
            }
            #[inline(always)]
            fn f16_between(low: Self, high: Self, out: &mut [u16], at: usize) -> bool {
                let Some(out) = out.get_mut(at..at + $n).and_then(|out| out.first_chunk_mut::<$n>()) else {
                    return false;
                };
                Self::round_f16(low, high, out)
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                call!(Self, $min(self.0, other.0))
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                call!(Self, $max(self.0, other.0))
            }
        }
    };
}
singles!(
    Avx2Singles,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_min_ps,
    _mm256_max_ps,
    __m256,
    _mm256_castps_si256,
    _mm256_castsi256_ps,
    _mm256_add_epi32,
    _mm256_slli_epi32
);
singles!(
    Avx512Singles,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    __mmask16,
    _mm512_castps_si512,
    _mm512_castsi512_ps,
    _mm512_add_epi32,
    _mm512_slli_epi32
);

impl Avx2Singles {
    #[inline(always)]
    fn less(self, other: Self) -> __m256 {
        // SAFETY: instruction set as above.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn blend(mask: __m256, a: Self, b: Self) -> Self {
        call!(Self, _mm256_blendv_ps(b.0, a.0, mask))
    }
    /// The instruction takes three bits of each index.
    #[inline(always)]
    fn permute(self, table: &[f32; 16]) -> Self {
        // SAFETY: reads 32 of the table's 64 bytes, unaligned; instruction set as above.
        Self(unsafe { _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.as_ptr()), _mm256_castps_si256(self.0)) })
    }
    #[inline(always)]
    fn round_bf16(low: Self, high: Self, out: &mut [u16; 8]) -> bool {
        // SAFETY: writes the 16 bytes of the array, unaligned; instruction set as above.
        unsafe {
            let half = _mm256_set1_epi32(0x8000);
            let (low, high) = (_mm256_castps_si256(low.0), _mm256_castps_si256(high.0));
            let (low, high) = (_mm256_add_epi32(low, half), _mm256_add_epi32(high, half));
            let upper = _mm256_srli_epi32::<16>(high);
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(upper, upper));
            _mm_storeu_si128(out.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
            let differ = _mm256_xor_si256(low, high);
            _mm256_testz_si256(differ, _mm256_set1_epi32(!0xffff)) != 0
        }
    }
    /// The magnitude on the grid of f16, which has no more bits from 2^-14 down: adding the magic number rounds there.
    #[inline(always)]
    fn on_f16_grid(self) -> __m256 {
        let magnitude = call!(plain, _mm256_andnot_ps(Self::splat(-0.0).0, self.0));
        // SAFETY: instruction set as above.
        unsafe {
            let exponent = _mm256_and_si256(_mm256_castps_si256(magnitude), _mm256_set1_epi32(0x7f80_0000));
            let exponent = _mm256_max_epu32(exponent, _mm256_set1_epi32(F16_NORMAL));
            let magic = _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(13 << 23)));
            // 65520 and above round to 2^16, which becomes infinity.
            _mm256_min_ps(_mm256_sub_ps(_mm256_add_ps(magnitude, magic), magic), _mm256_set1_ps(65_536.0))
        }
    }
    /// Without F16C, which need not be there.
    #[inline(always)]
    fn round_f16(low: Self, high: Self, out: &mut [u16; 8]) -> bool {
        let (of_low, of_high) = (low.on_f16_grid(), high.on_f16_grid());
        // SAFETY: writes the 16 bytes of the array, unaligned; instruction set as above.
        unsafe {
            let bits = _mm256_castps_si256(of_high);
            let normal =
                _mm256_sub_epi32(_mm256_srli_epi32::<13>(bits), _mm256_set1_epi32((F16_NORMAL - (1 << 23)) >> 13));
            // A multiple of 2^-24 stands in the low bits of its sum with 1/2.
            let half = _mm256_set1_ps(0.5);
            let sum = _mm256_castps_si256(_mm256_add_ps(of_high, half));
            let subnormal = _mm256_sub_epi32(sum, _mm256_castps_si256(half));
            let is_subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(F16_NORMAL), bits);
            let magnitude = _mm256_blendv_epi8(normal, subnormal, is_subnormal);
            let is_zero = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
            let sign = _mm256_castps_si256(_mm256_and_ps(high.0, _mm256_set1_ps(-0.0)));
            let signed = _mm256_or_si256(magnitude, _mm256_andnot_si256(is_zero, _mm256_srli_epi32::<16>(sign)));
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(signed, signed));
            _mm_storeu_si128(out.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
            let differ = _mm256_xor_si256(_mm256_castps_si256(of_low), bits);
            _mm256_testz_si256(differ, differ) != 0
        }
    }
}

/// The bits of the least normal number of f16, as `f32`.
const F16_NORMAL: i32 = 113 << 23;

impl Avx512Singles {
    #[inline(always)]
    fn round_bf16(low: Self, high: Self, out: &mut [u16; 16]) -> bool {
        // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above.
        unsafe {
            let half = _mm512_set1_epi32(0x8000);
            let (low, high) = (_mm512_castps_si512(low.0), _mm512_castps_si512(high.0));
            let (low, high) = (_mm512_add_epi32(low, half), _mm512_add_epi32(high, half));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(high)));
            _mm512_test_epi32_mask(_mm512_xor_si512(low, high), _mm512_set1_epi32(!0xffff)) == 0
        }
    }
    #[inline(always)]
    fn round_f16(low: Self, high: Self, out: &mut [u16; 16]) -> bool {
        // SAFETY: writes the 32 bytes of the array, unaligned; instruction set as above, AVX2 with it.
        unsafe {
            let low = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(low.0);
            let high = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(high.0);
            let negative_zero = _mm256_cmpeq_epi16(high, _mm256_set1_epi16(i16::MIN));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_andnot_si256(negative_zero, high));
            let differ = _mm256_xor_si256(low, high);
            _mm256_testz_si256(differ, differ) != 0
        }
    }
    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        // SAFETY: instruction set as above.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn blend(mask: __mmask16, a: Self, b: Self) -> Self {
        call!(Self, _mm512_mask_blend_ps(mask, b.0, a.0))
    }
    /// The instruction takes four bits of each index.
    #[inline(always)]
    fn permute(self, table: &[f32; 16]) -> Self {
        // SAFETY: reads the table's 64 bytes, unaligned; instruction set as above.
        Self(unsafe { _mm512_permutexvar_ps(_mm512_castps_si512(self.0), _mm512_loadu_ps(table.as_ptr())) })
    }
}
