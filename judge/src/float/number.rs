//! The number itself: a sign and a significand of any length, whose exponent knows no limit; rounding and comparison.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::limbs::{add_to_last, limbs_of, shift_up, with_zeros};

/// The significand's limbs. 512 bits stay off the heap; a number of a thousand bits of which few are set is short too.
pub type Limbs = SmallVec<[u64; 8]>;

/// What kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of either sign.
    Zero,
    /// With a significand.
    Finite,
    /// Of either sign.
    Infinite,
    /// Without a meaning for its sign.
    Nan,
}

/// A number. A finite one is its sign times `0.limbs` times `2^exponent`, its first bit set and its last limb not 0, so that each has
/// one form.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub class: Class,
    pub negative: bool,
    pub exponent: i64,
    pub limbs: Limbs,
}

/// The greatest exponent, and less it the least, that a result may have.
const LIMIT: i64 = (1 << 30) - 1;

impl Number {
    #[inline]
    fn special(class: Class, negative: bool) -> Self {
        Self { class, negative, exponent: 0, limbs: Limbs::new() }
    }

    pub fn nan() -> Self {
        Self::special(Class::Nan, false)
    }

    #[inline]
    pub fn zero(negative: bool) -> Self {
        Self::special(Class::Zero, negative)
    }

    pub fn infinite(negative: bool) -> Self {
        Self::special(Class::Infinite, negative)
    }

    /// A power of two.
    #[inline]
    pub fn power(negative: bool, exponent: i64) -> Self {
        Self { class: Class::Finite, negative, exponent: exponent + 1, limbs: SmallVec::from_slice(&[1 << 63]) }
    }

    pub fn one() -> Self {
        Self::power(false, 0)
    }

    /// An integer times a power of two.
    #[inline]
    pub fn integer(negative: bool, magnitude: u64, exponent: i64) -> Self {
        if magnitude == 0 {
            return Self::zero(negative);
        }
        let zeros = magnitude.leading_zeros();
        let exponent = exponent + 64 - i64::from(zeros);
        Self { class: Class::Finite, negative, exponent, limbs: SmallVec::from_slice(&[magnitude << zeros]) }
    }

    /// A double, exactly.
    #[inline]
    pub fn of_f64(x: f64) -> Self {
        let negative = x.is_sign_negative();
        if x.is_nan() {
            return Self::nan();
        }
        if x.is_infinite() {
            return Self::infinite(negative);
        }
        let field = (x.to_bits() >> 52 & 0x7ff) as i64;
        let fraction = x.to_bits() & ((1 << 52) - 1);
        if field == 0 {
            Self::integer(negative, fraction, -1074)
        } else {
            Self::integer(negative, fraction | 1 << 52, field - 1075)
        }
    }

    pub fn is_finite(&self) -> bool {
        matches!(self.class, Class::Zero | Class::Finite)
    }

    /// The other sign. NaN keeps its own.
    #[inline]
    pub fn negated(mut self) -> Self {
        self.negative ^= self.class != Class::Nan;
        self
    }

    #[inline]
    pub fn abs(mut self) -> Self {
        self.negative = false;
        self
    }

    /// Times a power of two.
    #[inline]
    pub fn shifted(mut self, by: i64) -> Self {
        if self.class == Class::Finite {
            self.exponent += by;
        }
        self
    }

    /// Rounds to nearest, ties to even. Tells also how the result compares in magnitude with the exact value.
    #[inline]
    pub fn rounded(&self, precision: u32) -> (Self, Ordering) {
        if self.limbs.len() < limbs_of(precision + 1) {
            return (self.clone(), Ordering::Equal);
        }
        with_zeros(self.limbs.len(), |limbs| {
            limbs.copy_from_slice(&self.limbs);
            Self::round(self.negative, self.exponent, limbs, false, precision)
        })
    }

    /// Rounds `0.limbs`, of which not all are 0, times `2^exponent` to nearest, ties to even; `more` says that the exact value goes on
    /// below the last limb, and then more limbs are needed than the precision fills. Tells also how the result compares in
    /// magnitude with the exact value.
    pub fn round(
        negative: bool,
        mut exponent: i64,
        mut limbs: &mut [u64],
        more: bool,
        precision: u32,
    ) -> (Self, Ordering) {
        while let [0, rest @ ..] = limbs {
            limbs = rest;
            exponent -= 64;
        }
        let zeros = limbs.first().map_or(0, |limb| limb.leading_zeros());
        shift_up(limbs, zeros);
        exponent -= i64::from(zeros);
        let full = limbs_of(precision);
        debug_assert!(limbs.len() * 64 > precision as usize || !more, "too few limbs to round");
        let mut compared = Ordering::Equal;
        if limbs.len() >= full {
            // The bits from the first one on that does not fit, which is half a unit.
            let (place, bit) = ((precision / 64) as usize, precision % 64);
            let next = limbs.get(place).map_or(0, |limb| limb << bit);
            let is_half = next >> 63 == 1;
            let below = more || next << 1 != 0 || limbs.iter().skip(place + 1).any(|limb| *limb != 0);
            limbs = &mut limbs[..full];
            let unit = 1 << (full as u32 * 64 - precision);
            let is_odd = limbs[full - 1] & unit != 0;
            limbs[full - 1] &= !(unit - 1);
            if is_half && (below || is_odd) {
                compared = Ordering::Greater;
                if add_to_last(limbs, unit) {
                    limbs[0] = 1 << 63;
                    exponent += 1;
                }
            } else if is_half || below {
                compared = Ordering::Less;
            }
        }
        while let [rest @ .., 0] = limbs {
            limbs = rest;
        }
        (Self { class: Class::Finite, negative, exponent, limbs: Limbs::from_slice(limbs) }, compared)
    }

    /// Within the range of exponents; beyond it infinity, or of 0 and the least number the nearer one. `compared` is how it compares in magnitude
    /// with the exact value that it was rounded from.
    #[inline]
    pub fn in_range(self, compared: Ordering) -> Self {
        if (-LIMIT..=LIMIT).contains(&self.exponent) || self.class != Class::Finite {
            self
        } else {
            self.at_the_end(compared)
        }
    }

    #[cold]
    fn at_the_end(&self, compared: Ordering) -> Self {
        if self.exponent > LIMIT {
            return Self::infinite(self.negative);
        }
        // Half of the least number is a tie, which goes to 0.
        let is_half = self.limbs[..] == [1 << 63] && compared != Ordering::Less;
        if self.exponent < -LIMIT - 1 || is_half {
            Self::zero(self.negative)
        } else {
            Self::power(self.negative, -LIMIT - 1)
        }
    }

    /// Compares the magnitudes of two finite numbers that are not 0.
    #[inline]
    pub fn compare_magnitudes(&self, other: &Self) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.limbs.cmp(&other.limbs))
    }

    /// The order of numbers; zeros are equal, NaN has none.
    #[inline]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let rank = |x: &Self| match (x.class, x.negative) {
            (Class::Zero, _) => 0,
            (Class::Finite, false) => 1,
            (Class::Infinite, false) => 2,
            (Class::Finite, true) => -1,
            (_, _) => -2,
        };
        if self.class == Class::Nan || other.class == Class::Nan {
            return None;
        }
        Some(match (rank(self), rank(other)) {
            (1, 1) => self.compare_magnitudes(other),
            (-1, -1) => other.compare_magnitudes(self),
            (a, b) => a.cmp(&b),
        })
    }

    /// The nearest number of an IEEE format, ties to even: its significand's bits, the exponents of its least number and of the power
    /// of two that is beyond its greatest.
    pub fn to_ieee(&self, bits: i64, least: i64, beyond: i64) -> f64 {
        let magnitude = match self.class {
            Class::Nan => return f64::NAN,
            Class::Zero => 0.0,
            Class::Infinite => f64::INFINITY,
            Class::Finite if self.exponent > beyond => f64::INFINITY,
            Class::Finite => {
                // Fewer bits below the normal numbers; with none left there is still half of the least one to round up from.
                let kept = bits.min(self.exponent - least);
                if kept < 0 {
                    0.0
                } else {
                    let sticky = u64::from(self.limbs.len() > 1);
                    let wide = u128::from(self.limbs[0]) << 63 | u128::from(sticky);
                    let drop = 127 - kept as u32;
                    let (whole, rest) = ((wide >> drop) as u64, wide & ((1 << drop) - 1));
                    let half = 1_u128 << (drop - 1);
                    let up = rest > half || rest == half && whole & 1 == 1;
                    // Exact, but for what leaves the range.
                    let whole = Self::scale((whole + u64::from(up)) as f64, self.exponent - kept);
                    if whole >= Self::scale(1.0, beyond) { f64::INFINITY } else { whole }
                }
            }
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// Times a power of two between the least double and beyond the greatest, in two steps where it is beyond.
    fn scale(x: f64, exponent: i64) -> f64 {
        let power = |e: i64| f64::from_bits(if e < -1022 { 1 << (e + 1074) } else { ((e + 1023) as u64) << 52 });
        if exponent > 1023 { x * power(1023) * power(exponent - 1023) } else { x * power(exponent) }
    }
}
