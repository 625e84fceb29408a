//! A binary floating-point number of 384 bits: the rare path of every kernel.
//!
//! Width: four `f32` add up exactly (they are multiples of 2^-149 below 2^130: 279 bits), and so does their product with an
//! `f64` parameter (332 bits). What cancels in a formula beyond that is the distance of a transcendental value from a
//! value that four `f32` and a parameter reach, 149 bits of freedom; more than 200 bits remain.
//! Operations truncate (relative error below 2^-382) and are exact where the result fits.

use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Neg, Sub};

const LIMBS: usize = 12;
const BITS: i32 = 32 * LIMBS as i32;

type Limbs = [u32; LIMBS];

/// `±0.m * 2^exponent`, the top bit of m set; or 0. No infinities and no NaN: callers settle those first.
#[derive(Clone, Copy, Debug)]
pub struct Wide {
    negative: bool,
    exponent: i32,
    /// Most significant limb first. All zero for 0.
    limbs: Limbs,
}

/// The top 384 bits of ln 2, which is in [1/2, 1).
const LN2: Wide = Wide {
    negative: false,
    exponent: 0,
    limbs: [
        0xb17217f7, 0xd1cf79ab, 0xc9e3b398, 0x03f2f6af, 0x40f34326, 0x7298b62d, 0x8a0d175b, 0x8baafa2b, 0xe7b87620,
        0x6debac98, 0x559552fb, 0x4afa1b10,
    ],
};

/// Limb `i - shift` of `x`, 0 outside.
#[inline]
fn above(x: &Limbs, i: usize, shift: usize) -> u64 {
    i.checked_sub(shift).and_then(|i| x.get(i)).map_or(0, |&x| x.into())
}

/// Shifts right by `bits`.
fn shift_right(x: &mut Limbs, bits: u32) {
    let (limbs, bits) = ((bits / 32) as usize, bits % 32);
    for i in (0..LIMBS).rev() {
        x[i] = ((above(x, i, limbs + 1) << 32 | above(x, i, limbs)) >> bits) as u32;
    }
}

/// Shifts left by `bits`.
fn shift_left(x: &mut Limbs, bits: u32) {
    let (limbs, bits) = ((bits / 32) as usize, bits % 32);
    let below = |x: &Limbs, i: usize| x.get(i + limbs).map_or(0, |&x| u64::from(x));
    for i in 0..LIMBS {
        x[i] = ((below(x, i) << 32 | below(x, i + 1)) << bits >> 32) as u32;
    }
}

/// The limb of `a - b` less what the one below borrowed; says what this one borrows.
#[inline]
fn subtract(a: u32, b: u32, borrow: &mut i64) -> u32 {
    let difference = i64::from(a) - i64::from(b) + *borrow;
    *borrow = difference >> 32;
    difference as u32
}

/// `to + more`; says what is carried out of the top.
fn add_limbs(to: &mut Limbs, more: &Limbs) -> u64 {
    let mut carry = 0;
    for (to, &more) in to.iter_mut().zip(more).rev() {
        let sum = u64::from(*to) + u64::from(more) + carry;
        *to = sum as u32;
        carry = sum >> 32;
    }
    carry
}

impl Wide {
    /// 0.
    pub const ZERO: Self = Self { negative: false, exponent: 0, limbs: [0; LIMBS] };
    /// 1.
    pub const ONE: Self = Self { negative: false, exponent: 1, limbs: HALF };
    /// A stand-in for infinity: so large that every formula's value at it rounds to its limit there.
    pub const HUGE: Self = Self { negative: false, exponent: 1 << 24, limbs: HALF };

    /// The value of a finite `f64`, exactly.
    #[inline(never)]
    pub fn from_f64(x: f64) -> Self {
        let bits = x.to_bits();
        let field = (bits >> 52 & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        // Value: significand * 2^(exponent).
        let (significand, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) };
        Self::from_integer(bits >> 63 != 0, significand, exponent)
    }

    /// `±significand * 2^exponent`.
    fn from_integer(negative: bool, significand: u64, exponent: i32) -> Self {
        if significand == 0 {
            return Self { negative, ..Self::ZERO };
        }
        let zeros = significand.leading_zeros();
        let top = significand << zeros;
        let mut limbs = [0; LIMBS];
        limbs[0] = (top >> 32) as u32;
        limbs[1] = top as u32;
        Self { negative, exponent: exponent + 64 - zeros as i32, limbs }
    }

    /// The integer of 64-bit limbs, the least significant first, times 2^exponent.
    pub fn from_limbs<const N: usize>(negative: bool, limbs: [u64; N], exponent: i32) -> Self {
        const { assert!(2 * N <= LIMBS) };
        let mut number = Self { negative, exponent: exponent + 64 * N as i32, limbs: [0; LIMBS] };
        for (to, from) in number.limbs.chunks_exact_mut(2).zip(limbs.iter().rev()) {
            to.copy_from_slice(&[(from >> 32) as u32, *from as u32]);
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

    /// `self * 2^k`.
    fn scaled(self, k: i32) -> Self {
        Self { exponent: self.exponent.saturating_add(k), ..self }
    }

    /// Shifts until the top bit is set.
    #[inline(never)]
    fn normalize(&mut self) {
        let Some(first) = self.limbs.iter().position(|&x| x != 0) else {
            *self = Self::ZERO;
            return;
        };
        let zeros = 32 * first as u32 + self.limbs.get(first).map_or(0, |x| x.leading_zeros());
        self.exponent = self.exponent.saturating_sub(zeros as i32);
        shift_left(&mut self.limbs, zeros);
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.limbs.cmp(&other.limbs)),
        }
    }

    /// Compares with 0.
    pub fn sign(&self) -> Ordering {
        match (self.is_zero(), self.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        }
    }

    /// `self < other`.
    pub fn lt(self, other: Self) -> bool {
        let (sign, other_sign) = (self.sign(), other.sign());
        match (sign, sign.cmp(&other_sign)) {
            (Ordering::Less, Ordering::Equal) => other.compare_magnitude(&self) == Ordering::Less,
            (_, Ordering::Equal) => self.compare_magnitude(&other) == Ordering::Less,
            (_, signs) => signs == Ordering::Less,
        }
    }

    /// `1 / n` for n > 0.
    #[inline(never)]
    fn one_over(n: u32) -> Self {
        let mut quotient = Self::ONE;
        quotient.divide(n);
        quotient
    }

    /// Divides by n > 0, in steps that 64 bits have room for. What is left over at the 384th bit behind the top one of the dividend
    /// is dropped.
    #[inline(never)]
    fn divide(&mut self, n: u32) {
        let (n, mut rest) = (u64::from(n), 0);
        for limb in &mut self.limbs {
            let part = rest << 32 | u64::from(*limb);
            // checked_div: so that the compiler need not believe in n.
            *limb = part.checked_div(n).unwrap_or(0) as u32;
            rest = part.checked_rem(n).unwrap_or(0);
        }
        self.normalize();
    }

    /// Divides by any n > 0, and drops as much.
    pub fn divide_by(&mut self, n: u64) {
        match u32::try_from(n) {
            Ok(n) => self.divide(n),
            Err(_) => self.divide_by_u64(n),
        }
    }

    /// Rare, and apart for its stack.
    #[cold]
    #[inline(never)]
    fn divide_by_u64(&mut self, n: u64) {
        *self = quotient(self, &Self::from_integer(false, n, 0));
    }

    /// Rounded to the nearest `f32`, ties to even, subnormals and overflow as IEEE 754 says.
    #[inline(never)]
    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.negative) << 31;
        let top = u64::from(self.limbs[0]) << 32 | u64::from(self.limbs[1]);
        let sticky = self.limbs[2..].iter().any(|&x| x != 0);
        // Bits that fit: 24, fewer below 2^-126.
        let fit = (self.exponent.saturating_add(149)).min(24);
        if top == 0 || fit < 0 {
            return f32::from_bits(sign);
        }
        if self.exponent > 128 {
            return f32::from_bits(sign | 0x7f80_0000);
        }
        let kept = if fit == 0 { 0 } else { top >> (64 - fit) };
        let rest = top << fit;
        let half = 1 << 63;
        let up = rest > half || rest == half && (sticky || kept & 1 == 1);
        let significand = kept as u32 + u32::from(up);
        // The leading bit of a normal significand adds 1 to the exponent field, and so does a carry.
        let field = (self.exponent + 125).max(0) as u32;
        f32::from_bits(sign | ((field << 23) + significand))
    }

    /// `e^-self` for self >= 0.
    pub fn exp_neg(self) -> Self {
        // Beyond, the value is below every power that matters: see EXP_NEG_END in the lane functions.
        if self.exponent > 24 {
            return Self::ZERO;
        }
        // The nearest integer to self / ln 2, or its neighbour where that is as near: from 31 bits of each.
        let log2_e = (core::f64::consts::LOG2_E * (1_u64 << 32) as f64) as u64;
        let halves = (u64::from(self.limbs[0] >> 1) * log2_e).checked_shr((62 - self.exponent).unsigned_abs());
        let k = halves.unwrap_or(0).div_ceil(2);
        // |r| < 0.35: Taylor's series of r / 2^16 (17.5 bits a term), then 16 squarings.
        let r = (LN2 * Self::from_integer(false, k, 0) - self).scaled(-16);
        let mut y = Self::ONE;
        for i in (1..=21_u32).rev() {
            // Not by the operator, here and below: its copies cost stack and flash.
            let mut term = product(&y, &r);
            term.divide(i);
            y = Self::ONE + term;
        }
        for _ in 0..16 {
            y = product(&y, &y);
        }
        y.scaled(-(k as i32))
    }

    /// `e^self`.
    pub fn exp(self) -> Self {
        if self.negative { self.abs().exp_neg() } else { Self::ONE / self.exp_neg() }
    }

    /// `ln(1 + self)` for -1/3 <= self <= 1, to full relative precision.
    #[inline(never)]
    pub fn log1p(self) -> Self {
        if self.is_zero() {
            return self;
        }
        let s = self / (self + Self::ONE.scaled(1));
        let w = product(&s, &s);
        // 2 (s + s^3/3 + s^5/5 + ...): each term brings -log2(w) bits, at least 3.1.
        let bits_a_term = (-w.exponent).max(3);
        let mut y = Self::ZERO;
        for i in (0..(BITS / bits_a_term + 2) as u32).rev() {
            y = product(&y, &w) + Self::one_over(2 * i + 1);
        }
        product(&y, &s).scaled(1)
    }

    /// `ln self` for self > 0.
    pub fn log(self) -> Self {
        // self = 2^k m with m in [2/3, 4/3).
        let m = Self { exponent: 0, ..self };
        let two_thirds = 0xaaaa_aaaa;
        let (k, m) = if self.limbs[0] < two_thirds { (self.exponent - 1, m.scaled(1)) } else { (self.exponent, m) };
        let log_m = (m - Self::ONE).log1p();
        LN2 * Self::from_f64(k.into()) + log_m
    }
}

/// The limbs of 1/2.
const HALF: Limbs = {
    let mut limbs = [0; LIMBS];
    limbs[0] = 1 << 31;
    limbs
};

impl Neg for Wide {
    type Output = Self;
    fn neg(self) -> Self {
        Self { negative: !self.negative, ..self }
    }
}

/// The operators take references inside: a copy of each operand would cost stack and code at every call.
impl Add for Wide {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        sum(&self, &other, other.negative)
    }
}

impl Sub for Wide {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        sum(&self, &other, !other.negative)
    }
}

impl Mul for Wide {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        product(&self, &other)
    }
}

impl Div for Wide {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        quotient(&self, &other)
    }
}

/// `x + y`, where y has the sign given and the magnitude of `y`.
#[inline(never)]
fn sum(x: &Wide, y: &Wide, y_negative: bool) -> Wide {
    let swapped = x.compare_magnitude(y) == Ordering::Less;
    let (a, a_negative, b, b_negative) =
        if swapped { (y, y_negative, x, x.negative) } else { (x, x.negative, y, y_negative) };
    if a.is_zero() {
        return Wide::ZERO;
    }
    let mut sum = Wide { negative: a_negative, exponent: a.exponent, limbs: b.limbs };
    // No further than past the last bit: a distance beyond i32 is none that matters. Nor does a zero's exponent.
    let distance = a.exponent.saturating_sub(b.exponent).clamp(0, BITS) as u32;
    shift_right(&mut sum.limbs, distance);
    if a_negative != b_negative {
        let mut borrow = 0;
        for (&a, out) in a.limbs.iter().zip(&mut sum.limbs).rev() {
            *out = subtract(a, *out, &mut borrow);
        }
        sum.normalize();
        return sum;
    }
    if add_limbs(&mut sum.limbs, &a.limbs) != 0 {
        shift_right(&mut sum.limbs, 1);
        sum.limbs[0] |= 1 << 31;
        sum.exponent = sum.exponent.saturating_add(1);
    }
    sum
}

/// `x y`.
#[inline(never)]
fn product(x: &Wide, y: &Wide) -> Wide {
    if x.is_zero() || y.is_zero() {
        return Wide::ZERO;
    }
    let negative = x.negative != y.negative;
    let mut product = Wide { negative, exponent: x.exponent.saturating_add(y.exponent), limbs: [0; LIMBS] };
    // Column by column from the lowest on, so that no more than the upper half is kept: limbs i and j meet in column i + j.
    let (mut low, mut high) = (0_u64, 0_u64);
    // The limb below the last.
    let mut next = 0_u32;
    for column in (0..2 * LIMBS - 1).rev() {
        let (first, last) = (column.saturating_sub(LIMBS - 1), column.min(LIMBS - 1));
        let (a, b) = (x.limbs.get(first..=last).unwrap_or_default(), y.limbs.get(first..=last).unwrap_or_default());
        for (&a, &b) in a.iter().zip(b.iter().rev()) {
            let (sum, carry) = low.overflowing_add(u64::from(a) * u64::from(b));
            low = sum;
            high += u64::from(carry);
        }
        // The column's own limb is one place lower in the product.
        if let Some(limb) = product.limbs.get_mut(column + 1) {
            *limb = low as u32;
        } else if column + 1 == LIMBS {
            next = low as u32;
        }
        low = high << 32 | low >> 32;
        high = 0;
    }
    product.limbs[0] = low as u32;
    if product.limbs[0] >> 31 == 0 {
        shift_left(&mut product.limbs, 1);
        product.limbs[LIMBS - 1] |= next >> 31;
        product.exponent = product.exponent.saturating_sub(1);
    }
    product
}

/// `x / y`, limb by limb.
#[inline(never)]
fn quotient(x: &Wide, y: &Wide) -> Wide {
    if x.is_zero() || y.is_zero() {
        return Wide::ZERO;
    }
    // Both in [1/2, 1): the quotient is in (1/2, 2).
    let exponent = x.exponent.saturating_sub(y.exponent);
    let mut quotient = Wide { negative: x.negative != y.negative, exponent, limbs: [0; LIMBS] };
    let mut rest = x.limbs;
    let whole = rest >= y.limbs;
    if whole {
        let mut borrow = 0;
        for (rest, &y) in rest.iter_mut().zip(&y.limbs).rev() {
            *rest = subtract(*rest, y, &mut borrow);
        }
    }
    for digit in &mut quotient.limbs {
        // From the top limbs: right, or too large by one or two, for y's top bit is set.
        let top = u64::from(rest[0]) << 32 | u64::from(rest[1]);
        let mut guess = top.checked_div(y.limbs[0].into()).unwrap_or(0).min(u32::MAX.into());
        // The rest, one limb further up, less guess times y.
        let (mut below, mut carry) = (0_u32, 0_u64);
        for (rest, &y) in rest.iter_mut().zip(&y.limbs).rev() {
            let product = guess * u64::from(y) + carry;
            let (difference, borrow) = below.overflowing_sub(product as u32);
            below = core::mem::replace(rest, difference);
            carry = (product >> 32) + u64::from(borrow);
        }
        let mut over = carry.wrapping_sub(below.into());
        while over != 0 {
            guess -= 1;
            over = over.wrapping_sub(add_limbs(&mut rest, &y.limbs));
        }
        *digit = guess as u32;
    }
    if whole {
        shift_right(&mut quotient.limbs, 1);
        quotient.limbs[0] |= 1 << 31;
        quotient.exponent = quotient.exponent.saturating_add(1);
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, from the weight of 1 down: compare, subtract, double.
    fn plain_quotient(x: &Wide, y: &Wide) -> Wide {
        let exponent = x.exponent - y.exponent + 1;
        let mut quotient = Wide { negative: x.negative != y.negative, exponent, limbs: [0; LIMBS] };
        let (mut rest, mut over) = (x.limbs, false);
        let mut bits = 0;
        while bits < BITS {
            let bit = over || rest >= y.limbs;
            if bit {
                let mut borrow = 0;
                for (rest, &y) in rest.iter_mut().zip(&y.limbs).rev() {
                    *rest = subtract(*rest, y, &mut borrow);
                }
            }
            if bit || bits > 0 {
                quotient.limbs[bits as usize / 32] |= u32::from(bit) << (31 - bits % 32);
                bits += 1;
            } else {
                quotient.exponent -= 1;
            }
            over = rest[0] >> 31 == 1;
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
                let mut limbs = [0; LIMBS];
                for limb in &mut limbs {
                    *limb = match random() % 8 {
                        0 => random(),
                        i => ends[i as usize % ends.len()],
                    };
                }
                limbs[0] |= 1 << 31;
                Wide { negative: random() % 2 == 0, exponent: (random() % 200) as i32 - 100, limbs }
            });
            let (got, want) = (quotient(&x, &y), plain_quotient(&x, &y));
            let same = (got.negative, got.exponent, got.limbs) == (want.negative, want.exponent, want.limbs);
            assert!(same, "{x:x?} / {y:x?}: {got:x?}, not {want:x?}");
        }
    }
}
