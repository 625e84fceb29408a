//! A binary floating-point number of 384 bits: the rare path of every kernel.
//!
//! Width: four `f32` add up exactly (they are multiples of 2^-149 below 2^130: 279 bits), and so does their product with an
//! `f64` parameter (332 bits). What cancels in a formula beyond that is the distance of a transcendental value from a
//! value that four `f32` and a parameter reach, 149 bits of freedom; more than 200 bits remain.
//! Operations truncate (relative error below 2^-382) and are exact where the result fits.
//!
//! Ties: sums and products of inputs and parameters fit 356 bits, so two such values, or their quotients by parameters, that
//! differ at all differ by more than 2^-358. Two rules make [`Float384::rounded`] decide every tie by the exact value then:
//! what lies within 2^-370 of a midpoint is the midpoint, from which truncation alone has moved it; and a term
//! of a sum is never taken to be less than 2^-362 of the other, so that one that is far smaller (`e^-300` beside
//! 300) still says on which side of a midpoint the sum lies.

use core::cmp::Ordering;
use core::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

const BITS: u32 = 384;

/// Infinity's stand-in is this power of two. No product of finite inputs and parameters is beyond its root.
const INFINITE: i32 = 1 << 27;

/// Bits by which the terms of a sum differ at most: see the module's word on ties.
const APART: u32 = 362;

/// Bits that a formula's sum has lost at most: one that has lost more is 0. Exact terms (332 bits) that differ at all lose fewer; what truncation and
/// [`APART`] leave of equal ones, after the squarings of an exponential too, is less.
const CANCELLED: i32 = 340;

/// Bits from the top one on within which a value that is next to a midpoint is taken to be one.
pub const CERTAIN: u32 = 370;

/// Bits of an exact value that count where values define results: what lies nearer to a midpoint is the midpoint. A remainder that only
/// thousands of bits would show (`e^-2000` beside 2000) decides nothing.
pub const COUNTED: u32 = 320;

/// As wide as what the target multiplies in one instruction. The bits of a number do not depend on it.
#[cfg(target_pointer_width = "64")]
type Limb = u64;
#[cfg(target_pointer_width = "64")]
type Double = u128;
#[cfg(target_pointer_width = "64")]
type Signed = i128;
#[cfg(not(target_pointer_width = "64"))]
type Limb = u32;
#[cfg(not(target_pointer_width = "64"))]
type Double = u64;
#[cfg(not(target_pointer_width = "64"))]
type Signed = i64;

const LIMBS: usize = (BITS / Limb::BITS) as usize;
const HALF: u32 = Limb::BITS / 2;
/// Limbs of 64 bits.
const TOP: usize = (64 / Limb::BITS) as usize;

type Limbs = [Limb; LIMBS];

/// `±0.m * 2^exponent`, the top bit of m set; or 0. No infinities and no NaN: callers settle those first.
#[derive(Clone, Copy, Debug)]
pub struct Float384 {
    negative: bool,
    exponent: i32,
    /// Most significant limb first. All zero for 0.
    limbs: Limbs,
}

/// The top 384 bits of ln 2, which is in [1/2, 1).
const LN2: Float384 = Float384 {
    negative: false,
    exponent: 0,
    limbs: limbs([
        0xb17217f7d1cf79ab,
        0xc9e3b39803f2f6af,
        0x40f343267298b62d,
        0x8a0d175b8baafa2b,
        0xe7b876206debac98,
        0x559552fb4afa1b10,
    ]),
};

/// From the most significant 64 bits on.
const fn limbs(words: [u64; LIMBS / TOP]) -> Limbs {
    let mut limbs = [0; LIMBS];
    let mut i = 0;
    while i < words.len() {
        let part = split(words[i]);
        let mut j = 0;
        while j < TOP {
            limbs[TOP * i + j] = part[j];
            j += 1;
        }
        i += 1;
    }
    limbs
}

/// 64 bits, from the most significant limb on.
const fn split(mut word: u64) -> [Limb; TOP] {
    let mut limbs = [0; TOP];
    let mut i = TOP;
    while i > 0 {
        i -= 1;
        limbs[i] = word as Limb;
        word = word >> HALF >> HALF;
    }
    limbs
}

/// Limb `i` of `x` shifted right by `bits`.
#[inline]
fn shifted(x: &Limbs, bits: u32, i: usize) -> Limb {
    let above = |i: usize, shift: usize| i.checked_sub(shift).and_then(|i| x.get(i)).map_or(0, |&x| Double::from(x));
    let (limbs, bits) = ((bits / Limb::BITS) as usize, bits % Limb::BITS);
    ((above(i, limbs + 1) << Limb::BITS | above(i, limbs)) >> bits) as Limb
}

/// Shifts left by `bits`.
fn shift_left(x: &mut Limbs, bits: u32) {
    let (limbs, bits) = ((bits / Limb::BITS) as usize, bits % Limb::BITS);
    let below = |x: &Limbs, i: usize| x.get(i + limbs).map_or(0, |&x| Double::from(x));
    for i in 0..LIMBS {
        x[i] = ((below(x, i) << Limb::BITS | below(x, i + 1)) << bits >> Limb::BITS) as Limb;
    }
}

/// Puts a one before the limbs.
fn shift_in(x: &mut Limbs) {
    let mut above = 1;
    for limb in x {
        let bits = above << (Limb::BITS - 1) | *limb >> 1;
        above = core::mem::replace(limb, bits);
    }
}

/// `x` or, if so wished, `-x`.
#[inline]
fn signed(x: Limb, minus: bool) -> Signed {
    if minus { -Signed::from(x) } else { Signed::from(x) }
}

/// Adds `more` or subtracts it; says what is carried out of the top.
fn add_limbs(to: &mut Limbs, more: &Limbs, subtract: bool) -> Signed {
    let mut carry = 0;
    for (to, &more) in to.iter_mut().zip(more).rev() {
        carry += Signed::from(*to) + signed(more, subtract);
        *to = carry as Limb;
        carry >>= Limb::BITS;
    }
    carry
}

/// Clears all but the first bits.
fn keep_bits(limbs: &mut Limbs, mut bits: u32) {
    for limb in limbs {
        let mine = bits.min(Limb::BITS);
        *limb &= Limb::MAX.checked_shl(Limb::BITS - mine).unwrap_or(0);
        bits -= mine;
    }
}

/// The top 64 bits.
fn top_of(limbs: &Limbs) -> u64 {
    limbs[..TOP].iter().fold(0 as Double, |top, &limb| top << Limb::BITS | Double::from(limb)) as u64
}

/// Half a limb more of a division by d: the next digit, and the rest, which takes that half in first. For a rest below d, and d
/// less than half a limb; `inverse` is the largest limb divided by d, for no division is as fast as a product.
#[inline]
fn divide_half(rest: &mut Limb, half: Limb, d: Limb, inverse: Limb) -> Limb {
    *rest = *rest << HALF | half;
    let mut digit = ((Double::from(*rest) * Double::from(inverse)) >> Limb::BITS) as Limb;
    *rest = rest.wrapping_sub(digit.wrapping_mul(d));
    // Too small by at most two.
    while *rest >= d {
        *rest -= d;
        digit += 1;
    }
    digit
}

/// The limb `(high, low) / d`, or the largest one, for high <= d and d with its top bit set: two digits of half a limb, each
/// from d's upper half.
fn divide_limb(high: Limb, low: Limb, d: Limb) -> Limb {
    if high >= d {
        return Limb::MAX;
    }
    let (mut rest, mut quotient) = (high, 0);
    for half in [low >> HALF, low & (Limb::MAX >> HALF)] {
        let part = Double::from(rest) << HALF | Double::from(half);
        // Too large by at most two. checked_div: so that the compiler need not believe in d.
        let mut digit = rest.checked_div(d >> HALF).unwrap_or(0);
        while Double::from(digit) * Double::from(d) > part {
            digit -= 1;
        }
        rest = (part as Limb).wrapping_sub(digit.wrapping_mul(d));
        quotient = quotient << HALF | digit;
    }
    quotient
}

impl Float384 {
    /// 0.
    pub const ZERO: Self = Self { negative: false, exponent: i32::MIN, limbs: [0; LIMBS] };
    /// 1.
    pub const ONE: Self = Self::power(0);
    const TWO: Self = Self::power(1);

    const fn power(of_two: i32) -> Self {
        let mut limbs = [0; LIMBS];
        limbs[0] = 1 << (Limb::BITS - 1);
        Self { negative: false, exponent: of_two + 1, limbs }
    }

    /// Becomes a stand-in for infinity: so large that every formula's value at it rounds to its limit there.
    pub fn set_infinite(&mut self, negative: bool) {
        *self = Self { negative, ..Self::power(INFINITE) };
    }

    /// The value of a finite `f64`, exactly.
    #[inline(never)]
    pub fn from_f64(x: f64) -> Self {
        let bits = x.to_bits();
        let field = (bits >> 52 & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        // Value: significand * 2^exponent.
        let (significand, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) };
        if significand == 0 {
            return Self::ZERO;
        }
        let zeros = significand.leading_zeros();
        let top = significand << zeros;
        let mut limbs = [0; LIMBS];
        limbs[..TOP].copy_from_slice(&split(top));
        Self { negative: bits >> 63 != 0, exponent: exponent + 64 - zeros as i32, limbs }
    }

    /// The integer of 64-bit limbs, the least significant first, times 2^exponent.
    pub fn from_limbs<const N: usize>(negative: bool, limbs: [u64; N], exponent: i32) -> Self {
        const { assert!(TOP * N <= LIMBS) };
        let mut number = Self { negative, exponent: exponent + 64 * N as i32, limbs: [0; LIMBS] };
        for (to, from) in number.limbs.chunks_exact_mut(TOP).zip(limbs.iter().rev()) {
            to.copy_from_slice(&split(*from));
        }
        number.normalize();
        number
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.limbs[0] == 0
    }

    /// The magnitude.
    pub fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// Changes the sign.
    pub fn negate(&mut self) {
        self.negative = !self.negative;
    }

    /// Multiplies by `2^k`.
    fn scale(&mut self, k: i32) {
        self.exponent = self.exponent.saturating_add(k);
    }

    /// Shifts until the top bit is set.
    #[inline(never)]
    fn normalize(&mut self) {
        let Some(first) = self.limbs.iter().position(|&x| x != 0) else {
            *self = Self::ZERO;
            return;
        };
        let zeros = Limb::BITS * first as u32 + self.limbs.get(first).map_or(0, |x| x.leading_zeros());
        self.scale(-(zeros as i32));
        shift_left(&mut self.limbs, zeros);
    }

    /// Compares with 0.
    pub fn sign(&self) -> Ordering {
        match (self.is_zero(), self.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        }
    }

    /// Compares magnitudes; a zero's exponent is below all others.
    fn compare_magnitude(&self, other: &Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.limbs.cmp(&other.limbs))
    }

    /// `self < other`.
    pub fn lt(&self, other: &Self) -> bool {
        let (sign, other_sign) = (self.sign(), other.sign());
        sign < other_sign || sign == other_sign && sign.is_ne() && other.compare_magnitude(self) == sign
    }

    /// Adds `other`, or subtracts it.
    #[inline(never)]
    fn accumulate(&mut self, other: &Self, subtract: bool) {
        let swapped = self.compare_magnitude(other) == Ordering::Less;
        let other_negative = other.negative != subtract;
        let opposite = self.negative != other_negative;
        // A zero's exponent does not matter.
        let distance = self.exponent.saturating_sub(other.exponent).unsigned_abs().min(APART);
        let (shift, other_shift) = if swapped { (distance, 0) } else { (0, distance) };
        let (minus, other_minus) = (opposite && swapped, opposite && !swapped);
        if swapped {
            self.exponent = other.exponent;
            self.negative = other_negative;
        }
        let mut carry = 0;
        // From the lowest on: what is read of self is not yet written.
        for i in (0..LIMBS).rev() {
            carry += signed(shifted(&self.limbs, shift, i), minus);
            carry += signed(shifted(&other.limbs, other_shift, i), other_minus);
            self.limbs[i] = carry as Limb;
            carry >>= Limb::BITS;
        }
        if carry == 0 {
            self.normalize();
        } else {
            shift_in(&mut self.limbs);
            self.scale(1);
        }
    }

    /// Adds `other`, or subtracts it, as a formula does: what has cancelled wholly is 0.
    #[inline(never)]
    fn combine(&mut self, other: &Self, subtract: bool) {
        let largest = self.exponent.max(other.exponent);
        self.accumulate(other, subtract);
        if self.exponent < largest.saturating_sub(CANCELLED) {
            *self = Self::ZERO;
        }
    }

    fn plus(&mut self, other: &Self) {
        self.combine(other, false);
    }

    fn minus(&mut self, other: &Self) {
        self.combine(other, true);
    }

    /// Adds a finite `f64`.
    #[inline(never)]
    pub fn add_f64(&mut self, term: f64) {
        *self += &Self::from_f64(term);
    }

    /// Multiplies by a finite `f64`, taken exactly.
    #[inline(never)]
    pub fn multiply(&mut self, factor: f64) {
        *self *= &Self::from_f64(factor);
    }

    /// Multiplies by `n/d`, for 0 < n <= d. What is left over at the 384th bit behind the top one is dropped.
    #[inline(never)]
    fn multiply_by_ratio(&mut self, n: u16, d: u16) {
        let (n, d) = (Double::from(n), Limb::from(d));
        let mut carry = 0;
        for limb in self.limbs.iter_mut().rev() {
            carry += n * Double::from(*limb);
            *limb = carry as Limb;
            carry >>= Limb::BITS;
        }
        // What is carried out of the top is less than n.
        let mut rest = carry as Limb;
        let inverse = Limb::MAX.checked_div(d).unwrap_or(0);
        for limb in &mut self.limbs {
            let high = divide_half(&mut rest, *limb >> HALF, d, inverse);
            let low = divide_half(&mut rest, *limb & (Limb::MAX >> HALF), d, inverse);
            *limb = high << HALF | low;
        }
        self.normalize();
    }

    /// Divides by any n > 0, and drops as much.
    pub fn divide_by(&mut self, n: u64) {
        match u16::try_from(n) {
            Ok(n) => self.multiply_by_ratio(1, n),
            Err(_) => self.divide_by_u64(n),
        }
    }

    /// Rare, and apart for its stack.
    #[cold]
    #[inline(never)]
    fn divide_by_u64(&mut self, n: u64) {
        let mut divisor = Self::from_f64(((n >> 32) as u32).into());
        divisor.scale(32);
        divisor.add_f64((n as u32).into());
        *self /= &divisor;
    }

    /// The top 64 bits.
    fn top(&self) -> u64 {
        top_of(&self.limbs)
    }

    /// Rounded to the nearest `f32`, ties to even, subnormals and overflow as IEEE 754 says.
    pub fn rounded(&self) -> f32 {
        self.rounded_by(CERTAIN)
    }

    /// The same of a value of which [`COUNTED`] bits count.
    pub fn rounded_by_value(&self) -> f32 {
        self.rounded_by(COUNTED)
    }

    /// The same of a value of which that many bits count, fewer than it has.
    #[inline(never)]
    pub fn rounded_by(&self, bits: u32) -> f32 {
        // To these bits, first.
        let mut exponent = self.exponent;
        let mut limbs = self.limbs;
        let mut half = [0; LIMBS];
        if let Some(limb) = half.get_mut((bits / Limb::BITS) as usize) {
            *limb = 1 << (Limb::BITS - 1 - bits % Limb::BITS);
        }
        if add_limbs(&mut limbs, &half, false) != 0 {
            shift_in(&mut limbs);
            exponent = exponent.saturating_add(1);
        }
        keep_bits(&mut limbs, bits);
        let sign = u32::from(self.negative) << 31;
        let top = top_of(&limbs);
        let sticky = limbs[TOP..].iter().any(|&x| x != 0);
        // Bits that fit: 24, fewer below 2^-126.
        let fit = (exponent.saturating_add(149)).min(24);
        if self.is_zero() || fit < 0 {
            return f32::from_bits(sign);
        }
        if exponent > 128 {
            return f32::from_bits(sign | 0x7f80_0000);
        }
        let kept = if fit == 0 { 0 } else { top >> (64 - fit) };
        let rest = top << fit;
        let half = 1 << 63;
        let up = rest > half || rest == half && (sticky || kept & 1 == 1);
        let significand = kept as u32 + u32::from(up);
        // The leading bit of a normal significand adds 1 to the exponent field, and so does a carry.
        let field = (exponent + 125).max(0) as u32;
        f32::from_bits(sign | ((field << 23) + significand))
    }

    /// `1 + self x n/d`: a step of Horner's scheme.
    #[inline(always)]
    fn step(&mut self, x: &Self, n: u16, d: u16) {
        *self *= x;
        self.multiply_by_ratio(n, d);
        *self += &Self::ONE;
    }

    /// Becomes `e^-self`, for self >= 0.
    #[inline(never)]
    fn exp_neg(&mut self) {
        // Beyond, the value is below every power that matters: see EXP_NEG_END in the lane functions. It is still more than 0, for a
        // sum to lie on its side of a midpoint; only the stand-in for infinity has the limit.
        if self.exponent > 24 {
            *self = if self.exponent > INFINITE / 2 { Self::ZERO } else { Self::power(-INFINITE / 4) };
            return;
        }
        // 1 - self, to all bits: the series has smaller parts of self beside 1, which [`APART`] would enlarge, and squarings the more.
        if self.exponent < -CANCELLED {
            self.negate();
            *self += &Self::ONE;
            return;
        }
        // The nearest integer to self / ln 2, or its neighbour where that is as near: from 31 bits of each.
        let log2_e = (core::f64::consts::LOG2_E * (1_u64 << 32) as f64) as u64;
        let halves = ((self.top() >> 33) * log2_e).checked_shr((62_i32.saturating_sub(self.exponent)).unsigned_abs());
        let k = halves.unwrap_or(0).div_ceil(2) as u32;
        let mut y = Self::from_f64(k.into());
        y *= &LN2;
        // k ln 2 - self, below 0.35 in magnitude: Taylor's series of its 2^-16 (17.5 bits a term), then 16 squarings.
        *self -= &y;
        self.negate();
        self.scale(-16);
        y = Self::ONE;
        for i in (1..=21).rev() {
            y.step(self, 1, i);
        }
        *self = y;
        for _ in 0..16 {
            y = *self;
            *self *= &y;
        }
        self.scale(-(k as i32));
    }

    /// Becomes `1/self`, for self != 0.
    #[inline(never)]
    pub fn invert(&mut self) {
        let divisor = *self;
        *self = Self::ONE;
        *self /= &divisor;
    }

    /// Becomes its square root, for self >= 0; exactly, where the root has half as many bits.
    #[inline(never)]
    pub fn sqrt(&mut self) {
        if self.is_zero() {
            return;
        }
        // A power of 4 apart: the rest is in [1/2, 2).
        let power = self.exponent.div_euclid(2);
        self.exponent -= 2 * power;
        let near = self.top() as f64 / (1_u128 << 64) as f64 * if self.exponent == 1 { 2.0 } else { 1.0 };
        // Newton's method from 50 bits: 100, 200 and 400.
        let mut root = Self::from_f64(crate::elementary::root(near));
        for _ in 0..3 {
            let mut quotient = *self;
            quotient /= &root;
            root += &quotient;
            root.scale(-1);
        }
        let mut short = root;
        short.round_to_half();
        let mut square = short;
        square *= &short;
        if square.compare_magnitude(self).is_eq() {
            root = short;
        }
        root.scale(power);
        *self = root;
    }

    /// Rounds to half as many bits, or next to that.
    fn round_to_half(&mut self) {
        let mut half = [0; LIMBS];
        half[LIMBS / 2] = 1 << (Limb::BITS - 1);
        if add_limbs(&mut self.limbs, &half, false) != 0 {
            shift_in(&mut self.limbs);
            self.scale(1);
        }
        for limb in self.limbs.iter_mut().skip(LIMBS / 2) {
            *limb = 0;
        }
    }

    /// Becomes `e^self`; 2^(2^22) where self is 2^21 and more: `e^-x` of a larger x than that takes all of it. That of infinity's stand-in
    /// is beyond every power of it.
    pub fn exp(&mut self) {
        let grows = !self.negative;
        if grows && self.exponent > 21 {
            *self = Self::power(if self.exponent > INFINITE / 2 { 4 * INFINITE } else { INFINITE / 32 });
            return;
        }
        self.negative = false;
        self.exp_neg();
        if grows {
            self.invert();
        }
    }

    /// Becomes `e^self - 1`, to full relative precision.
    pub fn exp_m1(&mut self) {
        if self.exponent > -32 {
            self.exp();
            *self -= &Self::ONE;
            return;
        }
        // Taylor's series: 32 bits a term and more.
        let x = *self;
        let mut y = Self::ONE;
        for i in (2..=12).rev() {
            y.step(&x, 1, i);
        }
        *self *= &y;
    }

    /// Becomes `ln(1 + self)`, for -1/3 <= self <= 1, to full relative precision.
    pub fn log1p(&mut self) {
        if !self.is_zero() {
            self.over_self_and(&Self::TWO);
            self.twice_atanh();
        }
    }

    /// Becomes `ln(1 + self)`, for self > -1; to full relative precision where `log1p` does.
    pub fn ln_1p(&mut self) {
        // From 1 on, or from -1/4 down.
        if self.exponent > 0 || self.negative && self.exponent > -2 {
            *self += &Self::ONE;
            self.log();
        } else {
            self.log1p();
        }
    }

    /// Becomes the nearest multiple of that power of two, a half away from 0.
    #[inline(never)]
    pub fn round_to(&mut self, unit: i32) {
        let kept = self.exponent.saturating_sub(unit);
        if kept >= BITS as i32 {
            return;
        }
        let Ok(kept) = u32::try_from(kept) else {
            *self = Self::ZERO;
            return;
        };
        let mut half = [0; LIMBS];
        if let Some(limb) = half.get_mut((kept / Limb::BITS) as usize) {
            *limb = 1 << (Limb::BITS - 1 - kept % Limb::BITS);
        }
        let carried = add_limbs(&mut self.limbs, &half, false) != 0;
        keep_bits(&mut self.limbs, kept);
        if carried {
            shift_in(&mut self.limbs);
            self.scale(1);
        }
        self.normalize();
    }

    /// The power of two above it: it is less than that and at least half of it, or 0.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Becomes `self / (self + other)`.
    #[inline(never)]
    fn over_self_and(&mut self, other: &Self) {
        let mut sum = *self;
        sum += other;
        *self /= &sum;
    }

    /// Becomes `ln((1 + self) / (1 - self))`, for |self| <= 1/3 but not 0.
    #[inline(never)]
    fn twice_atanh(&mut self) {
        let mut square = *self;
        square *= self;
        // 2 s (1 + s^2/3 + s^4/5 + ...): each term brings -log2(s^2) bits, at least 3.1.
        let bits_a_term = (-square.exponent).max(3);
        let mut y = Self::ZERO;
        for i in (0..(BITS as i32 / bits_a_term + 2) as u16).rev() {
            y.step(&square, 2 * i + 1, 2 * i + 3);
        }
        *self *= &y;
        self.scale(1);
    }

    /// Becomes `ln(1 + e^-|self|)`; returns `1/(1 + e^self)`.
    #[inline(never)]
    pub fn logistic(&mut self) -> Self {
        let wrong = self.sign().is_lt();
        self.negative = false;
        self.exp_neg();
        // e / (1 + e), at most 1/2
        let mut unlikely = *self;
        unlikely.over_self_and(&Self::ONE);
        if wrong {
            unlikely -= &Self::ONE;
            unlikely.negative = false;
        }
        self.log1p();
        unlikely
    }

    /// Becomes `ln self`, for self > 0.
    pub fn log(&mut self) {
        // self = 2^k m with m in [2/3, 4/3).
        let two_thirds = 0xaaaa_aaaa;
        let up = i32::from(self.top() >> 32 < two_thirds);
        let mut linear = Self::from_f64((self.exponent - up).into());
        linear *= &LN2;
        self.exponent = up;
        *self -= &Self::ONE;
        self.log1p();
        *self += &linear;
    }
}

/// Operators on values, for formulas. Each is the function in place, which alone stands in flash.
macro_rules! operator {
    ($trait:ident $method:ident, $in_place:ident) => {
        impl $trait for Float384 {
            type Output = Self;
            #[inline]
            fn $method(mut self, other: Self) -> Self {
                self.$in_place(&other);
                self
            }
        }
    };
}
operator!(Add add, plus);
operator!(Sub sub, minus);
operator!(Mul mul, mul_assign);
operator!(Div div, div_assign);

impl Neg for Float384 {
    type Output = Self;
    #[inline]
    fn neg(mut self) -> Self {
        self.negate();
        self
    }
}

impl AddAssign<&Self> for Float384 {
    fn add_assign(&mut self, other: &Self) {
        self.accumulate(other, false);
    }
}

impl SubAssign<&Self> for Float384 {
    fn sub_assign(&mut self, other: &Self) {
        self.accumulate(other, true);
    }
}

impl MulAssign<&Self> for Float384 {
    #[inline(never)]
    fn mul_assign(&mut self, other: &Self) {
        if self.is_zero() || other.is_zero() {
            *self = Self::ZERO;
            return;
        }
        self.negative ^= other.negative;
        self.scale(other.exponent);
        // Column by column from the lowest on, so that no more than the upper half is kept: limbs i and j meet in column i + j.
        let (mut low, mut high) = (0 as Double, 0 as Double);
        // The limb below the last.
        let mut next = 0 as Limb;
        for column in (0..2 * LIMBS - 1).rev() {
            let (first, last) = (column.saturating_sub(LIMBS - 1), column.min(LIMBS - 1));
            let (a, b) =
                (self.limbs.get(first..=last).unwrap_or_default(), other.limbs.get(first..=last).unwrap_or_default());
            for (&a, &b) in a.iter().zip(b.iter().rev()) {
                let (sum, carry) = low.overflowing_add(Double::from(a) * Double::from(b));
                low = sum;
                high += Double::from(carry);
            }
            // The column's own limb is one place lower in the product: where no column that follows reads.
            if let Some(limb) = self.limbs.get_mut(column + 1) {
                *limb = low as Limb;
            } else if column + 1 == LIMBS {
                next = low as Limb;
            }
            low = high << Limb::BITS | low >> Limb::BITS;
            high = 0;
        }
        self.limbs[0] = low as Limb;
        if self.limbs[0].leading_zeros() > 0 {
            for limb in self.limbs.iter_mut().rev() {
                let bits = *limb << 1 | next >> (Limb::BITS - 1);
                next = core::mem::replace(limb, bits);
            }
            self.scale(-1);
        }
    }
}

/// Of a divisor that is 0 the limit from above.
impl DivAssign<&Self> for Float384 {
    /// Limb by limb.
    #[inline(never)]
    fn div_assign(&mut self, other: &Self) {
        if self.is_zero() {
            return;
        }
        if other.is_zero() {
            self.set_infinite(self.negative);
            return;
        }
        self.negative ^= other.negative;
        self.exponent = self.exponent.saturating_sub(other.exponent);
        // Both in [1/2, 1): the quotient is in (1/2, 2).
        let mut rest = self.limbs;
        let whole = rest >= other.limbs;
        if whole {
            add_limbs(&mut rest, &other.limbs, true);
        }
        for digit in &mut self.limbs {
            // From the top limbs: right, or too large by one or two, for the divisor's top bit is set.
            let mut guess = divide_limb(rest[0], rest[1], other.limbs[0]);
            // The rest, one limb further up, less guess times the divisor.
            let (mut below, mut carry) = (0 as Limb, 0 as Double);
            for (rest, &limb) in rest.iter_mut().zip(&other.limbs).rev() {
                let product = Double::from(guess) * Double::from(limb) + carry;
                let (difference, borrow) = below.overflowing_sub(product as Limb);
                below = core::mem::replace(rest, difference);
                carry = (product >> Limb::BITS) + Double::from(borrow);
            }
            let mut over = carry.wrapping_sub(below.into());
            while over != 0 {
                guess -= 1;
                over = over.wrapping_sub(add_limbs(&mut rest, &other.limbs, false) as Double);
            }
            *digit = guess;
        }
        if whole {
            shift_in(&mut self.limbs);
            self.scale(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Bits;

    /// Roots of squares are exact, and of other numbers they are as near as truncation allows.
    #[test]
    fn square_roots() {
        let mut bits = Bits(1);
        let mut full = 0;
        for round in 0..20_000 {
            let words = core::array::from_fn(|i| {
                let word = u64::from(bits.next()) << 32 | u64::from(bits.next());
                if i < 3 || round % 2 == 1 { word | u64::from(i == 0) << 63 } else { 0 }
            });
            let x = Float384 { negative: false, exponent: (bits.next() % 600) as i32 - 300, limbs: limbs(words) };
            let mut root = x;
            root *= &x;
            let square = root;
            root.sqrt();
            if round % 2 == 0 {
                assert_eq!((root.exponent, root.limbs), (x.exponent, x.limbs), "{x:x?}");
                continue;
            }
            let mut error = root;
            error *= &root;
            error -= &square;
            full += u32::from(!error.is_zero());
            assert!(error.is_zero() || error.exponent < square.exponent - 378, "{square:x?}: {root:x?}");
        }
        assert!(full > 1_000, "{full}");
        let mut zero = Float384::ZERO;
        zero.sqrt();
        assert!(zero.is_zero());
    }

    /// Bit by bit, from the weight of 1 down: compare, subtract, double.
    fn plain_quotient(x: &Float384, y: &Float384) -> Float384 {
        let exponent = x.exponent - y.exponent + 1;
        let mut quotient = Float384 { negative: x.negative != y.negative, exponent, limbs: [0; LIMBS] };
        let (mut rest, mut over) = (x.limbs, false);
        let mut bits = 0;
        while bits < BITS {
            let bit = over || rest >= y.limbs;
            if bit {
                add_limbs(&mut rest, &y.limbs, true);
            }
            if bit || bits > 0 {
                quotient.limbs[(bits / Limb::BITS) as usize] |= Limb::from(bit) << (Limb::BITS - 1 - bits % Limb::BITS);
                bits += 1;
            } else {
                quotient.exponent -= 1;
            }
            over = rest[0].leading_zeros() == 0;
            shift_left(&mut rest, 1);
        }
        quotient
    }

    /// Limbs at the ends of their range are where a digit's estimate is too large.
    #[test]
    fn quotients_are_those_of_long_division() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let ends = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
        for _ in 0..200_000 {
            let [x, y] = [(); 2].map(|()| {
                let mut words = [0; LIMBS / TOP];
                for word in &mut words {
                    for _ in 0..2 {
                        let half = match random() % 8 {
                            0 => random(),
                            i => ends[i as usize % ends.len()],
                        };
                        *word = *word << 32 | u64::from(half);
                    }
                }
                words[0] |= 1 << 63;
                Float384 { negative: random() % 2 == 0, exponent: (random() % 200) as i32 - 100, limbs: limbs(words) }
            });
            let mut got = x;
            got /= &y;
            let want = plain_quotient(&x, &y);
            let same = (got.negative, got.exponent, got.limbs) == (want.negative, want.exponent, want.limbs);
            assert!(same, "{x:x?} / {y:x?}: {got:x?}, not {want:x?}");
        }
    }
}
