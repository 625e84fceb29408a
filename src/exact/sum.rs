//! The exact sum of `f32` values.

use super::Float384;
use crate::lanes::{Lanes, MAX_LANES, Two};

/// Limbs of 64 bits; of the last one only the lower 60 count. Two's complement of 316 bits, from 2^-149 (the least
/// `f32`) up to 2^166: 2^38 of the largest `f32` fit.
const LIMBS: usize = 5;

/// The last limb's highest bits tell which of NaN, +inf, -inf were added; one bit is not used.
const FLAGS: u64 = 0b1111 << 60;
const NAN: u64 = 1 << 60;
const POSITIVE_INFINITY: u64 = 1 << 61;
const NEGATIVE_INFINITY: u64 = 1 << 62;
const UNUSED: u64 = 1 << 63;

/// The exact sum of any number of `f32` values: an integer in units of 2^-149.
///
/// Plain data of a fixed size. Equal multisets of values give equal bits, whatever the order, grouping or merging.
/// Infinities and NaN are remembered apart, so that [`sum`](Self::sum) and [`mean`](Self::mean) say what IEEE
/// arithmetic would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "[u64; 5]", into = "[u64; 5]"))]
#[repr(C)]
pub struct ExactSum {
    /// Least significant first: LIMBS of them, as a number for the C header. The last one's highest 4 bits are flags.
    limbs: [u64; 5],
}

/// What a block of values may hold for a sum of its lanes in `f64` to be exact: 2^9 values of 24 bits whose
/// exponents span 20 bits need 53.
pub(crate) const BLOCK: usize = 512;
const SPAN: u32 = 20;
/// Bits that one split of every value adds to the span.
const SPLIT: u32 = 45;

/// The range of exponents in a block: their fields in the bits of `f32`, 1 for subnormals; 255 for infinity and NaN.
#[derive(Clone, Copy)]
pub(crate) struct Exponents {
    /// The least of all values but 0; 256 if there are none.
    pub least: u32,
    /// The greatest; 1 if there are none but 0.
    pub most: u32,
}

impl Exponents {
    /// Of one column.
    #[inline(always)]
    pub fn of(x: &[f32]) -> Self {
        let mut range = Magnitudes::NONE;
        for x in x {
            range = range.and(x);
        }
        range.exponents()
    }

    /// Of four columns of one length, in one loop: short columns cost a reduction each.
    #[inline(always)]
    pub fn of_four([a, b, c, d]: [&[f32]; 4]) -> Self {
        let mut range = Magnitudes::NONE;
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            range = range.and(a).and(b).and(c).and(d);
        }
        range.exponents()
    }
}

/// A running range of magnitudes, as integers: plain code that the compiler makes vectors of.
#[derive(Clone, Copy)]
struct Magnitudes {
    /// One less, so that 0 wraps to the top and leaves the minimum alone.
    least: u32,
    most: u32,
}

impl Magnitudes {
    const NONE: Self = Self { least: u32::MAX, most: 0 };

    #[inline(always)]
    fn and(self, x: &f32) -> Self {
        let magnitude = x.to_bits() & 0x7fff_ffff;
        Self { least: self.least.min(magnitude.wrapping_sub(1)), most: self.most.max(magnitude) }
    }

    #[inline(always)]
    fn exponents(self) -> Exponents {
        let least = if self.least == u32::MAX { 256 } else { ((self.least + 1) >> 23).max(1) };
        Exponents { least, most: (self.most >> 23).max(1) }
    }
}

/// Sums of the parts of values.
struct Split<L, const SPLITS: usize> {
    /// What rounds to the part that is summed apart.
    round: [L; SPLITS],
    parts: [L; SPLITS],
    rest: L,
}

impl<L: Lanes, const SPLITS: usize> Split<L, SPLITS> {
    #[inline(always)]
    fn add(&mut self, mut value: L) {
        for (round, part) in self.round.iter().zip(&mut self.parts) {
            let high = (value + *round) - *round;
            *part = *part + high;
            value = value - high;
        }
        self.rest = self.rest + value;
    }
}

impl ExactSum {
    /// An empty sum.
    pub const fn new() -> Self {
        Self { limbs: [0; LIMBS] }
    }

    /// Adds one value.
    pub fn add(&mut self, x: f32) {
        self.add_f64(x.into());
    }

    /// Adds a value that is a multiple of 2^-149 below 2^170, or not finite.
    pub(crate) fn add_f64(&mut self, x: f64) {
        let bits = x.to_bits();
        let field = (bits >> 52 & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        if field == 0x7ff {
            return self.set_flags(match (fraction == 0, bits >> 63 == 0) {
                (false, _) => NAN,
                (true, true) => POSITIVE_INFINITY,
                (true, false) => NEGATIVE_INFINITY,
            });
        }
        if field == 0 {
            return;
        }
        // In units of 2^-149: (2^52 + fraction) * 2^(field - 1075 + 149).
        let significand = 1 << 52 | fraction;
        let shift = field - 926;
        let (magnitude, limb) = if shift < 0 {
            // The bits shifted out are 0, or x were no multiple of the unit.
            (significand.checked_shr(shift.unsigned_abs()).unwrap_or(0).into(), 0)
        } else {
            (u128::from(significand) << (shift & 63), (shift >> 6) as usize)
        };
        // Two limbs in two's complement; the sign fills those above.
        let addend = if bits >> 63 == 1 { magnitude.wrapping_neg() } else { magnitude };
        let sign = (addend as i128 >> 127) as u64;
        let flags = self.flags();
        let mut carry = false;
        for (i, out) in self.limbs.iter_mut().skip(limb).enumerate() {
            let more = match i {
                0 => addend as u64,
                1 => (addend >> 64) as u64,
                // The rest stays as it is.
                _ if sign.wrapping_add(carry.into()) == 0 => break,
                _ => sign,
            };
            let (s, c1) = out.overflowing_add(more);
            let (s, c2) = s.overflowing_add(carry.into());
            *out = s;
            carry = c1 | c2;
        }
        // Carries into the flags' bits are what a sum of 316 bits drops.
        self.limbs[LIMBS - 1] &= !FLAGS;
        self.set_flags(flags);
    }

    fn flags(&self) -> u64 {
        self.limbs[LIMBS - 1] & FLAGS
    }

    fn set_flags(&mut self, flags: u64) {
        self.limbs[LIMBS - 1] |= flags;
    }

    fn is_negative(&self) -> bool {
        self.limbs[LIMBS - 1] << 4 >> 63 == 1
    }

    /// The number's limbs, the sign extended over the flags.
    fn number(&self) -> [u64; LIMBS] {
        let mut limbs = self.limbs;
        let last = &mut limbs[LIMBS - 1];
        *last = ((*last << 4) as i64 >> 4) as u64;
        limbs
    }

    /// The limbs as they are kept.
    pub(crate) const fn to_limbs(self) -> [u64; LIMBS] {
        self.limbs
    }

    /// `None` if no sum has these limbs.
    pub(crate) fn from_limbs(limbs: [u64; LIMBS]) -> Option<Self> {
        let sum = Self { limbs };
        sum.is_sound().then_some(sum)
    }

    /// Whether some values could have given it: bytes from elsewhere may be anything.
    pub(crate) const fn is_sound(&self) -> bool {
        self.limbs[LIMBS - 1] & UNUSED == 0
    }

    /// Adds at most [`BLOCK`] values.
    #[inline(always)]
    pub(crate) fn add_block<L: Lanes>(&mut self, x: &[f32]) {
        // One lane gains nothing: where f64 is emulated, adding integers is the fast way.
        if L::N == 1 || x.len() > BLOCK {
            return x.iter().for_each(|&x| self.add(x));
        }
        let exponents = Exponents::of(x);
        if exponents.most >= 255 {
            return x.iter().for_each(|&x| self.add(x));
        }
        let (span, top) = (exponents.most.saturating_sub(exponents.least), exponents.most.into());
        if span <= SPAN {
            self.add_split::<Two<L>, 0>(x, top);
        } else if span <= SPAN + SPLIT {
            self.add_split::<Two<L>, 1>(x, top);
        } else if span <= SPAN + 2 * SPLIT {
            self.add_split::<Two<L>, 2>(x, top);
        } else if span <= SPAN + 3 * SPLIT {
            self.add_split::<Two<L>, 3>(x, top);
        } else {
            x.iter().for_each(|&x| self.add(x));
        }
    }

    /// Adds a block after splitting each value `SPLITS` times at bits that all values share, so that every part sums
    /// exactly in `f64`. `top` is the largest exponent field.
    #[inline(always)]
    fn add_split<L: Lanes, const SPLITS: usize>(&mut self, x: &[f32], top: u64) {
        // Adding and subtracting 1.5 * 2^(52 + k) rounds to a multiple of 2^k. The first k is 43 below the largest
        // exponent: 2^9 values below 2^(k + 44) sum exactly. What remains of each is at most 2^(k - 1), and so on.
        let mut round = [L::splat(0.0); SPLITS];
        let mut exponent = top + (1023 - 127) + 9;
        for round in &mut round {
            *round = L::splat(f64::from_bits(exponent << 52 | 1 << 51));
            exponent -= u64::from(SPLIT);
        }
        let mut sums = Split { round, parts: [L::splat(0.0); SPLITS], rest: L::splat(0.0) };
        let mut groups = x.chunks_exact(L::N);
        for group in &mut groups {
            sums.add(L::load(group, 0));
        }
        let tail = groups.remainder();
        if !tail.is_empty() {
            let mut padded = [0.0; 2 * MAX_LANES];
            for (padded, x) in padded.iter_mut().zip(tail) {
                *padded = *x;
            }
            sums.add(L::load(&padded, 0));
        }
        for part in sums.parts {
            self.add_f64(part.sum());
        }
        self.add_f64(sums.rest.sum());
    }

    /// Adds all that another sum holds.
    pub fn merge(&mut self, other: &Self) {
        let flags = self.flags() | other.flags();
        let mut carry = false;
        for (out, &x) in self.limbs.iter_mut().zip(&other.limbs) {
            let (s, c1) = out.overflowing_add(x);
            let (s, c2) = s.overflowing_add(carry.into());
            *out = s;
            carry = c1 | c2;
        }
        self.limbs[LIMBS - 1] &= !FLAGS;
        self.set_flags(flags);
    }

    /// The sum of the values' opposites.
    pub(crate) fn negated(&self) -> Self {
        let opposite = [(NAN, NAN), (POSITIVE_INFINITY, NEGATIVE_INFINITY), (NEGATIVE_INFINITY, POSITIVE_INFINITY)];
        let mut flags = 0;
        for (flag, opposite) in opposite {
            flags |= if self.flags() & flag != 0 { opposite } else { 0 };
        }
        let mut limbs = negated(self.limbs);
        limbs[LIMBS - 1] = limbs[LIMBS - 1] & !FLAGS | flags;
        Self { limbs }
    }

    /// The sum, correctly rounded. Infinities and NaN as in IEEE arithmetic; an empty sum is 0.
    pub fn sum(&self) -> f32 {
        self.over(1)
    }

    /// The sum to 2^-52, or what is not finite.
    pub(crate) fn to_f64(self) -> f64 {
        if self.flags() != 0 {
            return self.sum().into();
        }
        let negative = self.is_negative();
        let mut value = 0.0;
        for (i, limb) in self.number().into_iter().enumerate().rev() {
            // Of a negative number the complement, which is one unit of 2^-149 less.
            let limb = if negative { !limb } else { limb };
            value += limb as f64 * f64::from_bits((1023 - 149 + 64 * i as u64) << 52);
        }
        if negative { 0.0 - (value + f64::from_bits((1023 - 149) << 52)) } else { value }
    }

    /// The sum divided by `count`, correctly rounded; NaN if `count` is 0.
    ///
    /// `count` need not be the number of values added: it may be the denominator of all ranks or accumulation steps.
    pub fn mean(&self, count: u64) -> f32 {
        if count == 0 { crate::NAN } else { self.over(count) }
    }

    /// Whether only finite values were added, and some could have given it.
    pub(crate) fn is_finite(&self) -> bool {
        self.flags() == 0
    }

    fn over(&self, count: u64) -> f32 {
        match self.flags() {
            0 => self.quotient(count).rounded() + 0.0,
            POSITIVE_INFINITY => f32::INFINITY,
            NEGATIVE_INFINITY => f32::NEG_INFINITY,
            _ => crate::NAN,
        }
    }

    /// The sum of finite values divided by a count above 0.
    pub(crate) fn quotient(&self, count: u64) -> Float384 {
        let negative = self.is_negative();
        let mut magnitude = self.number();
        if negative {
            magnitude = negated(magnitude);
        }
        let mut quotient = Float384::from_limbs(negative, magnitude, -149);
        if count != 1 {
            // A quotient that is not halfway between two f32 is at least 2^-150 / count away from there, more than 2^-214.
            // What the division drops is less, 2^-218 at most: that far are 384 bits below a sum of 2^166.
            quotient.divide_by(count);
        }
        quotient
    }
}

#[cfg(feature = "serde")]
impl From<ExactSum> for [u64; LIMBS] {
    fn from(sum: ExactSum) -> Self {
        sum.to_limbs()
    }
}

#[cfg(feature = "serde")]
impl TryFrom<[u64; LIMBS]> for ExactSum {
    type Error = &'static str;
    fn try_from(limbs: [u64; LIMBS]) -> Result<Self, Self::Error> {
        Self::from_limbs(limbs).ok_or("limbs that no sum has")
    }
}

/// The two's complement.
fn negated(mut limbs: [u64; LIMBS]) -> [u64; LIMBS] {
    let mut carry = true;
    for limb in &mut limbs {
        (*limb, carry) = (!*limb).overflowing_add(carry.into());
    }
    limbs
}
