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

/// Limb `i` of `x` shifted right by `bits`.
#[inline]
fn shifted_right(x: &Limbs, bits: u32) -> Limbs {
    let (limbs, bits) = ((bits / 32) as usize, bits % 32);
    let mut out = [0; LIMBS];
    let mut above = 0_u32;
    for (out, &x) in out.iter_mut().skip(limbs).zip(x) {
        *out = ((u64::from(above) << 32 | u64::from(x)) >> bits) as u32;
        above = x;
    }
    out
}

/// `x` shifted left by `bits`.
#[inline]
fn shifted_left(x: &Limbs, bits: u32) -> Limbs {
    let (limbs, bits) = ((bits / 32) as usize, bits % 32);
    let mut out = [0; LIMBS];
    let below = x.iter().skip(limbs + 1).copied().chain(core::iter::once(0));
    for ((out, &x), below) in out.iter_mut().zip(x.iter().skip(limbs)).zip(below) {
        *out = ((u64::from(x) << 32 | u64::from(below)) << bits >> 32) as u32;
    }
    out
}

/// `a - b`, and whether it went below 0 (then wrapped).
fn subtract(a: &Limbs, b: &Limbs) -> (Limbs, bool) {
    let mut out = [0; LIMBS];
    let mut borrow = 0_i64;
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b).rev() {
        let d = i64::from(a) - i64::from(b) + borrow;
        *out = d as u32;
        borrow = d >> 32;
    }
    (out, borrow != 0)
}

impl Wide {
    /// 0.
    pub const ZERO: Self = Self { negative: false, exponent: 0, limbs: [0; LIMBS] };
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

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.limbs[0] == 0
    }

    /// Whether it stands for an infinity.
    pub fn is_infinite(&self) -> bool {
        self.exponent >= Self::HUGE.exponent && !self.is_zero()
    }

    /// The magnitude.
    pub fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// `self * 2^k`.
    fn scaled(self, k: i32) -> Self {
        Self { exponent: self.exponent.saturating_add(k), ..self }
    }

    fn normalized(negative: bool, exponent: i32, limbs: Limbs) -> Self {
        let Some(first) = limbs.iter().position(|&x| x != 0) else { return Self::ZERO };
        let zeros = 32 * first as u32 + limbs.get(first).map_or(0, |x| x.leading_zeros());
        Self { negative, exponent: exponent - zeros as i32, limbs: shifted_left(&limbs, zeros) }
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
        (self - other).sign() == Ordering::Less
    }

    /// `self / n` for n > 0.
    fn over_small(self, n: u32) -> Self {
        let n = u64::from(n);
        let mut limbs = [0; LIMBS];
        let mut rest = 0;
        for (out, &x) in limbs.iter_mut().zip(&self.limbs) {
            let x = rest << 32 | u64::from(x);
            // checked_div: n is never 0, and so the compiler need not believe it.
            *out = x.checked_div(n).unwrap_or(0) as u32;
            rest = x.checked_rem(n).unwrap_or(0);
        }
        Self::normalized(self.negative, self.exponent, limbs)
    }

    /// The nearest `f64` or its neighbour; saturates.
    fn approximate(&self) -> f64 {
        if self.is_zero() || self.exponent < -1000 {
            return 0.0;
        }
        let exponent = self.exponent.min(1000);
        let top = (u64::from(self.limbs[0]) << 32 | u64::from(self.limbs[1])) >> 11;
        // top has 53 bits, the value is top * 2^(exponent - 53).
        let magnitude = f64::from_bits((top & !(1 << 52)) | ((exponent + 1022) as u64) << 52);
        if self.negative { -magnitude } else { magnitude }
    }

    /// Rounded to the nearest `f32`, ties to even, subnormals and overflow as IEEE 754 says.
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
        let k = (self.approximate() * core::f64::consts::LOG2_E + 0.5) as u32;
        let r = LN2 * Self::from_f64(k.into()) - self;
        // |r| < 0.35: Taylor's series of r / 2^16 (17.5 bits a term), then 16 squarings.
        let r = r.scaled(-16);
        let one = Self::from_f64(1.0);
        let mut y = one;
        for i in (1..=21).rev() {
            y = one + (y * r).over_small(i);
        }
        for _ in 0..16 {
            y = y * y;
        }
        y.scaled(-(k as i32))
    }

    /// `e^self`.
    pub fn exp(self) -> Self {
        if self.negative { self.abs().exp_neg() } else { Self::from_f64(1.0) / self.exp_neg() }
    }

    /// `ln(1 + self)` for -1/3 <= self <= 1, to full relative precision.
    pub fn log1p(self) -> Self {
        if self.is_zero() {
            return self;
        }
        let s = self / (self + Self::from_f64(2.0));
        let w = s * s;
        // 2 (s + s^3/3 + s^5/5 + ...): each term brings -log2(w) bits, at least 3.1.
        let bits_a_term = (-w.exponent).max(3) as u32;
        let mut y = Self::ZERO;
        for i in (0..BITS as u32 / bits_a_term + 2).rev() {
            y = y * w + Self::from_f64(1.0).over_small(2 * i + 1);
        }
        (y * s).scaled(1)
    }

    /// `ln self` for self > 0.
    pub fn log(self) -> Self {
        // self = 2^k m with m in [2/3, 4/3).
        let m = Self { exponent: 0, ..self };
        let two_thirds = 0xaaaa_aaaa;
        let (k, m) = if self.limbs[0] < two_thirds { (self.exponent - 1, m.scaled(1)) } else { (self.exponent, m) };
        let log_m = (m - Self::from_f64(1.0)).log1p();
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
    if b.is_zero() {
        return if a.is_zero() { Wide::ZERO } else { Wide { negative: a_negative, ..*a } };
    }
    // No further than past the last bit: a distance beyond i32 is none that matters.
    let distance = a.exponent.saturating_sub(b.exponent).min(BITS) as u32;
    let mut limbs = shifted_right(&b.limbs, distance);
    if a_negative != b_negative {
        let (limbs, _) = subtract(&a.limbs, &limbs);
        return Wide::normalized(a_negative, a.exponent, limbs);
    }
    let mut carry = 0;
    for (out, &a) in limbs.iter_mut().zip(&a.limbs).rev() {
        let s = u64::from(a) + u64::from(*out) + carry;
        *out = s as u32;
        carry = s >> 32;
    }
    if carry == 0 {
        return Wide { negative: a_negative, exponent: a.exponent, limbs };
    }
    limbs = shifted_right(&limbs, 1);
    limbs[0] |= 1 << 31;
    Wide { negative: a_negative, exponent: a.exponent + 1, limbs }
}

/// `x y`.
#[inline(never)]
fn product(x: &Wide, y: &Wide) -> Wide {
    if x.is_zero() || y.is_zero() {
        return Wide::ZERO;
    }
    // The upper limbs, with one more below them for the bit that normalising may bring in; most significant first.
    let mut product = [0_u32; 2 * LIMBS];
    for (i, &a) in x.limbs.iter().enumerate().rev() {
        let mut carry = 0_u64;
        let row = product.get_mut(i..i + LIMBS + 1).unwrap_or_default();
        let Some((top, row)) = row.split_first_mut() else { continue };
        for (out, &b) in row.iter_mut().zip(&y.limbs).rev() {
            let digit = u64::from(a) * u64::from(b) + u64::from(*out) + carry;
            *out = digit as u32;
            carry = digit >> 32;
        }
        *top = carry as u32;
    }
    let negative = x.negative != y.negative;
    let exponent = x.exponent.saturating_add(y.exponent);
    let mut limbs = [0; LIMBS];
    limbs.copy_from_slice(&product[..LIMBS]);
    if limbs[0] >> 31 == 1 {
        return Wide { negative, exponent, limbs };
    }
    limbs = shifted_left(&limbs, 1);
    limbs[LIMBS - 1] |= product[LIMBS] >> 31;
    Wide { negative, exponent: exponent.saturating_sub(1), limbs }
}

/// `x / y`, bit by bit: it is rare, and small.
#[inline(never)]
fn quotient(x: &Wide, y: &Wide) -> Wide {
    if x.is_zero() || y.is_zero() {
        return Wide::ZERO;
    }
    let mut quotient = [0; LIMBS];
    // Both in [1/2, 1): the quotient is in (1/2, 2). Bits from 2^0 down.
    let mut rest = x.limbs;
    // Whether the rest has a bit of weight 1 besides its limbs.
    let mut over = false;
    let mut exponent = x.exponent.saturating_sub(y.exponent).saturating_add(1);
    let mut started = false;
    let mut left = BITS;
    while left > 0 {
        let (difference, below) = subtract(&rest, &y.limbs);
        let bit = over || !below;
        if bit {
            rest = difference;
        }
        if bit || started {
            left -= 1;
            if bit && let Some(limb) = quotient.get_mut((BITS - 1 - left) as usize / 32) {
                *limb |= 1 << (left % 32);
            }
            started = true;
        } else {
            exponent = exponent.saturating_sub(1);
        }
        over = rest[0] >> 31 == 1;
        rest = shifted_left(&rest, 1);
    }
    Wide { negative: x.negative != y.negative, exponent, limbs: quotient }
}
