//! Double-double numbers: the unevaluated sum of two `f64`, some 106 bits. The tier between one `f64` and 384 bits, for rows whose exact
//! value lies as near to a midpoint as an `f64` has digits, or whose `f64` has lost some.
//!
//! With u = 2^-53, the error of one rounding. No multiply-add is fused, so that the bits are the same everywhere.
//!
//! - **Sums** are exact but for two roundings, of which what is lost is computed exactly (Knuth's sum of two, six times).
//! - **Products** of (a, b) and (c, d): `a c` is exact (Dekker). The cross terms are at most 2u of it, each product and their sum are
//!   rounded: 4u^2. Adding them to what `a c` lacks rounds 3u at most: 3u^2. `b d` is left out: u^2. 8u^2 in all, [`PRODUCT`] is 16u^2.
//!   Of two `f64` nothing is lost. Dekker's halves overflow from 2^996 on, and give NaN: then nothing is decided. What
//!   underflows is below [`TINY`].
//! - **Reciprocals**: `q = 1/a` rounded, then `q + q r` with `r = 1 - (a + b) q`: |r| <= 2u, r is rounded twice (3u^2), so is the product (2u^2),
//!   and `q r^2` is left out (4u^2). 9u^2 in all, [`RECIPROCAL`] is 16u^2.
//! - **Exponential**: `e^x = 2^(k/64) (1 + p)`, the powers in a table, `p = e^r - 1` with |r| <= ln(2)/128 < 2^-7.5. ln(2)/64 is taken in three parts, of which
//!   two have exact products with k. `p = r + r^2 (1/2 + r (1/6 + r (1/24 + r t)))`, t in `f64`: t has three roundings and a little
//!   more, within 4u, and its term is at most 2^-37 of r; what follows in the series is below 2^-100. p is within 2^-87.9 of itself, the
//!   exponential within 2^-95, `e^x - 1` (where k is not 0, at least 2^-7.6) within 2^-87.
//! - **`e^x - 1 - x`** where k is 0 is the same series without r: t is at most 2^-28.5 of the rest, so that it is within 2^-79.4; elsewhere
//!   it is the difference.
//! - **Logarithm** of y: `y0 + ln(1 + d)` with y0 the logarithm of `f64`, within 2^-47, and `d = (y - e^y0)/e^y0`, of which `d - d^2/2` is
//!   taken (|d| < 2^-38, as |y0| < 320, and below 2^-46 |y0| near 1). The error is that of `e^y0`; near 1, of `e^y0 - 1` in its place.
//! - **Root**: one step of Newton's from that of `f64`, within 2^-51: `d^2/8` with |d| <= 2^-50 is left out, and d is rounded.
//!
//! The functions' bounds, [`FUNCTION`] and [`LESS_FUNCTION`], have twice the room that this leaves, and tests find their errors below half of them.

use crate::elementary::{lanes, root};

/// `high + low`, with |low| at most half a unit of the last place of high.
#[derive(Clone, Copy, Debug)]
pub struct Double {
    high: f64,
    low: f64,
}

/// The relative error of a product, at most.
const PRODUCT: f64 = power_of_two(-102);

/// The relative error of a reciprocal, at most.
const RECIPROCAL: f64 = power_of_two(-102);

/// What underflow takes from a product is less.
const TINY: f64 = 1e-300;

/// The relative error of the functions, at most, but for what they leave out far below 1.
pub const FUNCTION: f64 = power_of_two(-84);

/// That of `e^x - 1 - x` near 0.
const LESS_FUNCTION: f64 = power_of_two(-78);

/// The relative error of a root, at most.
const ROOT: f64 = power_of_two(-100);

/// Parts of an exact number may be no further apart, for 384 bits to have both.
const APART: f64 = power_of_two(-200);

/// More than the roundings of an error and of a low part can move a value by, relatively.
const LAST_PLACE: f64 = power_of_two(-104);

/// From here on `e^x` is infinite, and that of the opposite 0, as with lanes.
const END: f64 = 320.0;

/// Within, the exponential's power is 1: less than ln(2)/128.
const NEAR: f64 = 0.0054;

/// Steps of the table's powers in a power of two.
const STEPS: usize = 64;

/// 1.5 * 2^52: adding it rounds to an integer.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// ln(2)/64 in three parts; the first two have 38 bits, so that their products with 15 bits are exact.
const LN2_PARTS: [f64; 3] = [
    f64::from_bits(0x3f86_2e42_fefa_0000),
    f64::from_bits(0x3d1c_f79a_bc9e_0000),
    f64::from_bits(0x3aad_9cc0_1f97_b57a),
];

/// ln 2.
const LN2: Double = Double { high: core::f64::consts::LN_2, low: f64::from_bits(0x3c7a_bc9e_3b39_803f) };

/// `2^(k/64)`, by the series of the exponential.
static POWERS: [Double; STEPS] = {
    let mut powers = [Double::ONE; STEPS];
    let mut k = 1;
    while k < STEPS {
        let x = LN2.times(Double::new(k as f64 / STEPS as f64));
        let (mut sum, mut n) = (Double::ONE, 30);
        while n > 0 {
            sum = Double::ONE.plus_smaller(sum.times(x).times(Double::reciprocal_of(n as f64)));
            n -= 1;
        }
        powers[k] = sum;
        k += 1;
    }
    powers
};

/// The coefficients of the exponential's series from r^5 on.
const TAIL: [f64; 6] = [1.0 / 120.0, 1.0 / 720.0, 1.0 / 5_040.0, 1.0 / 40_320.0, 1.0 / 362_880.0, 1.0 / 3_628_800.0];
const HALF: Double = Double::new(0.5);
const SIXTH: Double = Double::reciprocal_of(6.0);
const TWENTY_FOURTH: Double = Double::reciprocal_of(24.0);

const fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((k + 1023) as u64) << 52)
}

/// The rounded sum, and exactly what rounding took from it (Knuth).
#[inline(always)]
const fn sum_of_two(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The same for |a| >= |b| (Dekker).
#[inline(always)]
const fn sum_with_smaller(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// Two halves of a number that are short enough for exact products (Veltkamp).
#[inline(always)]
const fn halves(x: f64) -> (f64, f64) {
    let shifted = x * ((1_u64 << 27) + 1) as f64;
    let high = shifted - (shifted - x);
    (high, x - high)
}

/// The rounded product, and exactly what rounding took from it (Dekker), but near the ends of the range.
#[inline(always)]
const fn product_of_two(x: f64, y: f64) -> (f64, f64) {
    let product = x * y;
    let ((a, b), (c, d)) = (halves(x), halves(y));
    (product, ((a * c - product) + a * d + b * c) + b * d)
}

/// Whether neither its halves nor their products are near the ends of the range.
#[inline(always)]
const fn is_tame(x: f64) -> bool {
    1e-150 < x.abs() && x.abs() < 1e150
}

impl Double {
    /// 0.
    pub const ZERO: Self = Self::new(0.0);
    const ONE: Self = Self::new(1.0);

    /// An `f64`.
    pub const fn new(x: f64) -> Self {
        Self { high: x, low: 0.0 }
    }

    /// The nearest `f64`.
    #[inline(always)]
    pub const fn rough(self) -> f64 {
        self.high
    }

    /// The opposite.
    #[inline(always)]
    pub const fn negate(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }

    /// The magnitude.
    #[inline(always)]
    pub const fn abs(self) -> Self {
        if self.high < 0.0 { self.negate() } else { self }
    }

    /// At least the magnitude of the difference.
    #[inline(always)]
    pub const fn distance(self, other: Self) -> f64 {
        ((self.high - other.high).abs() + (self.low.abs() + other.low.abs())) * (1.0 + 4.0 * f64::EPSILON)
    }

    /// The sum, and what it lacks.
    #[inline(always)]
    pub const fn sum(self, other: Self) -> (Self, f64) {
        let (sum, lacking) = sum_of_two(self.high, other.high);
        let (low_sum, low_lacking) = sum_of_two(self.low, other.low);
        let (lacking, lost) = sum_of_two(lacking, low_sum);
        let (sum, lacking) = sum_of_two(sum, lacking);
        let (lacking, more_lost) = sum_of_two(lacking, low_lacking);
        let (high, low) = sum_of_two(sum, lacking);
        (Self { high, low }, lost.abs() + more_lost.abs())
    }

    #[inline(always)]
    const fn plus(self, other: Self) -> Self {
        self.sum(other).0
    }

    /// The sum with what is at most as large.
    #[inline(always)]
    const fn plus_smaller(self, other: Self) -> Self {
        let (sum, lacking) = sum_with_smaller(self.high, other.high);
        let (high, low) = sum_with_smaller(sum, lacking + (self.low + other.low));
        Self { high, low }
    }

    #[inline(always)]
    const fn times(self, other: Self) -> Self {
        let (product, lacking) = product_of_two(self.high, other.high);
        let (high, low) = sum_with_smaller(product, lacking + (self.high * other.low + self.low * other.high));
        Self { high, low }
    }

    /// The product, and what it lacks at most.
    #[inline(always)]
    pub const fn product(self, other: Self) -> (Self, f64) {
        let rough = self.high * other.high;
        if rough == 0.0 && (self.high == 0.0 || other.high == 0.0) {
            return (Self::ZERO, 0.0);
        }
        let product = self.times(other);
        let short = self.low == 0.0 && other.low == 0.0;
        if short && is_tame(self.high) && is_tame(other.high) && is_tame(rough) {
            return (product, 0.0);
        }
        (product, rough.abs() * PRODUCT + TINY)
    }

    /// The reciprocal, and its own relative error at most.
    #[inline(always)]
    pub const fn reciprocal(self) -> (Self, f64) {
        let quotient = 1.0 / self.high;
        let (product, lacking) = product_of_two(self.high, quotient);
        let rest = ((1.0 - product) - lacking) - self.low * quotient;
        let (high, low) = sum_with_smaller(quotient, quotient * rest);
        let error = if !is_tame(self.high) {
            f64::INFINITY
        } else if rest == 0.0 && self.low == 0.0 {
            0.0
        } else {
            RECIPROCAL
        };
        (Self { high, low }, error)
    }

    const fn reciprocal_of(n: f64) -> Self {
        Self::new(n).reciprocal().0
    }

    /// Times a power of two.
    #[inline(always)]
    const fn scaled(self, power: f64) -> Self {
        Self { high: self.high * power, low: self.low * power }
    }

    /// The nearest `f32` to every number that differs by at most `error`, if it is one and finite.
    pub fn rounded(self, error: f64) -> Option<f32> {
        let Self { high, low } = self;
        // What is exact is decided so, unless 384 bits had not both parts of it.
        let apart = low != 0.0 && low.abs() < high.abs() * APART;
        let wide = if error == 0.0 && !apart { 0.0 } else { error + high.abs() * LAST_PLACE };
        // What is beyond, NaN or infinite is none of its business, and must not raise a floating-point exception here.
        let inside = high.abs() + wide < f64::from(f32::MAX);
        if !inside {
            return None;
        }
        let nearest = round_once(high, low - wide);
        (nearest == round_once(high, low + wide)).then_some(nearest + 0.0)
    }
}

/// The nearest `f32` to a sum: what `f64` has no place for goes into the last bit, so that rounding twice is rounding once.
fn round_once(high: f64, low: f64) -> f32 {
    let (sum, lacking) = sum_of_two(high, low);
    let bits = sum.to_bits();
    if lacking == 0.0 || bits & 1 == 1 {
        return sum as f32;
    }
    let away = (lacking < 0.0) == (sum < 0.0);
    f64::from_bits(if away { bits + 1 } else { bits.wrapping_sub(1) }) as f32
}

/// e^x in parts: the power is `2^(k/64)`, scaled, and the rest `r + r^2 q` with r = x - k ln(2)/64.
struct Exponential {
    power: Double,
    is_one: bool,
    r: Double,
    beyond: Double,
}

impl Exponential {
    /// For |x| < [`END`].
    #[inline(always)]
    fn new(x: Double) -> Self {
        let [first, second, third] = LN2_PARTS;
        let shifted = x.high * (STEPS as f64 * core::f64::consts::LOG2_E) + TO_INTEGER;
        let whole = shifted - TO_INTEGER;
        let k = whole as i32;
        let (high, low) = sum_of_two(x.high, -(whole * first));
        let (other_high, other_low) = sum_of_two(-(whole * second), -(whole * third));
        let r = Double { high, low }.plus(Double { high: other_high, low: other_low }).plus(Double::new(x.low));
        let mut tail = 0.0;
        for coefficient in TAIL.into_iter().rev() {
            tail = tail * r.high + coefficient;
        }
        let q = TWENTY_FOURTH.plus_smaller(Double::new(tail * r.high));
        let q = SIXTH.plus_smaller(q.times(r));
        let q = HALF.plus_smaller(q.times(r));
        let scale = power_of_two(k.div_euclid(STEPS as i32));
        let power = POWERS[k.rem_euclid(STEPS as i32) as usize % STEPS].scaled(scale);
        Self { power, is_one: k == 0, r, beyond: r.times(r).times(q) }
    }

    #[inline(always)]
    fn less_one(&self) -> Double {
        self.r.plus_smaller(self.beyond)
    }

    #[inline(always)]
    fn value(&self) -> Double {
        self.power.plus_smaller(self.power.times(self.less_one()))
    }
}

/// The functions: what is [`FUNCTION`]'s is their relative error.
impl Double {
    /// What functions are outside of [`END`], NaN included.
    fn limit(self, below: f64) -> Option<Self> {
        if self.high.abs() < END {
            None
        } else if self.high < 0.0 {
            Some(Self::new(below))
        } else {
            Some(Self::new(self.high * f64::INFINITY))
        }
    }

    /// `e^self`.
    #[inline(never)]
    pub fn exp(self) -> Self {
        self.limit(0.0).unwrap_or_else(|| Exponential::new(self).value())
    }

    /// `e^self - 1`.
    #[inline(never)]
    pub fn exp_m1(self) -> Self {
        self.limit(-1.0).unwrap_or_else(|| {
            let exponential = Exponential::new(self);
            if exponential.is_one { exponential.less_one() } else { exponential.value().plus(Self::ONE.negate()) }
        })
    }

    /// `e^self - 1 - self`, and its own error at most.
    #[inline(never)]
    pub fn exp_m1_less(self) -> (Self, f64) {
        if self.high.abs() < NEAR {
            let Exponential { beyond, .. } = Exponential::new(self);
            let own = if self.high == 0.0 { 0.0 } else { beyond.high * LESS_FUNCTION + TINY };
            return (beyond, own);
        }
        let less_one = self.exp_m1();
        let (value, lost) = less_one.sum(self.negate());
        (value, less_one.high.abs() * FUNCTION + lost)
    }

    /// The logarithm of a normal number.
    #[inline(never)]
    pub fn ln(self) -> Self {
        if 0.5 <= self.high && self.high <= 2.0 {
            return self.plus(Self::ONE.negate()).ln_1p_near();
        }
        let rough = lanes::log(self.high);
        let power = Self::new(rough).exp();
        corrected(rough, self.plus(power.negate()).high / power.high)
    }

    /// The logarithm of 1 more; for numbers above -1 by 1/1000.
    #[inline(never)]
    pub fn ln_1p(self) -> Self {
        if self.high < -0.5 { Self::ONE.plus(self).ln() } else { self.ln_1p_near() }
    }

    /// The same from -1/2 on.
    #[inline(always)]
    fn ln_1p_near(self) -> Self {
        let rough = lanes::log1p(self.high);
        let less_one = Self::new(rough).exp_m1();
        corrected(rough, self.plus(less_one.negate()).high / (1.0 + less_one.high))
    }

    /// `ln(1 + e^-|self|)` and `1/(1 + e^self)`.
    #[inline(never)]
    pub fn logistic(self) -> (Self, Self) {
        let e = self.abs().negate().exp();
        let (reciprocal, _) = Self::ONE.plus_smaller(e).reciprocal();
        (e.ln_1p_near(), if self.high < 0.0 { reciprocal } else { e.times(reciprocal) })
    }

    /// The square root of what is at least 0, and its own error at most.
    #[inline(never)]
    pub fn root(self) -> (Self, f64) {
        let rough = root(self.high);
        if rough == 0.0 {
            return (Self::ZERO, 0.0);
        }
        let (square, lacking) = product_of_two(rough, rough);
        let rest = self.plus(Self { high: square, low: lacking }.negate()).high;
        let (high, low) = sum_with_smaller(rough, rest / (2.0 * rough));
        let own = if !is_tame(self.high) {
            f64::INFINITY
        } else if rest == 0.0 {
            0.0
        } else {
            rough * ROOT
        };
        (Self { high, low }, own)
    }
}

/// A logarithm and what it lacks: that of `1 + more`.
#[inline(always)]
const fn corrected(rough: f64, more: f64) -> Double {
    let (high, low) = sum_of_two(rough, more - 0.5 * (more * more));
    Double { high, low }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::numbers::Bits;
    use preflane_judge::Float;

    const PRECISION: u32 = 400;

    fn judged(x: Double) -> Float {
        Float::with_val(PRECISION, x.high) + Float::with_val(PRECISION, x.low)
    }

    fn float(x: f64) -> Float {
        Float::with_val(PRECISION, x)
    }

    /// A number from -1 to 1 with all its bits.
    fn unit(bits: &mut Bits) -> f64 {
        let any = u64::from(bits.next()) << 32 | u64::from(bits.next());
        (any >> 11) as f64 * power_of_two(-52) - 1.0
    }

    /// A number of some size below 2^most: with both parts, with one, with short parts, with parts that are far apart.
    fn number(bits: &mut Bits, most: i32, least: i32) -> Double {
        let exponent = least + (bits.next() % (most - least) as u32) as i32;
        let high = match bits.next() % 4 {
            0 => 1.0 + f64::from(bits.next() % 9) * f64::EPSILON,
            1 => f64::from(bits.next() % 1024) - 512.0,
            _ => unit(bits),
        } * power_of_two(exponent);
        let low = match bits.next() % 4 {
            0 => 0.0,
            1 => high * f64::EPSILON * 0.5 * power_of_two(-((bits.next() % 60) as i32)),
            _ => high * f64::EPSILON * 0.49 * unit(bits),
        };
        let (high, low) = sum_of_two(high, low);
        Double { high, low }
    }

    /// The largest part of its bound that an error takes.
    struct Worst(f64);

    impl Worst {
        fn see(&mut self, value: Double, exact: &Float, bound: f64, about: impl core::fmt::Debug) {
            let error = (judged(value) - exact).abs();
            if error.is_zero() {
                return;
            }
            let part = (error / float(bound)).to_f64();
            assert!(part <= 0.5, "{about:?}: {value:?}, an error of {part} bounds");
            self.0 = self.0.max(part);
        }
    }

    #[test]
    fn what_operations_lose_is_half_of_their_bounds() {
        let mut bits = Bits(1);
        let [mut products, mut reciprocals, mut roots] = [const { Worst(0.0) }; 3];
        for _ in 0..60_000 {
            let (a, b) = (number(&mut bits, 90, -90), number(&mut bits, 90, -90));
            // Near the opposite, so that it cancels.
            let near = match bits.next() % 3 {
                0 => Double { high: -a.high, low: -b.low.min(a.low.abs()) },
                1 => a.times(Double::new(-1.0 - power_of_two(-((bits.next() % 100) as i32)))),
                _ => b,
            };
            let (sum, lost) = a.sum(near);
            let lacking = judged(a) + judged(near) - judged(sum);
            // Adding up what was lost is rounded.
            assert!(
                lacking.abs() <= float(lost) * float(1.0 + 2.0 * f64::EPSILON),
                "{a:?} + {near:?} = {sum:?}, without {lost:e}"
            );
            let largest = a.high.abs().max(near.high.abs());
            assert!(lost <= power_of_two(-104) * largest, "{a:?} + {near:?} = {sum:?}, without {lost:e}");
            assert!(sum.high + sum.low == sum.high);

            let (product, lost) = a.product(b);
            products.see(product, &(judged(a) * judged(b)), lost.max(f64::MIN_POSITIVE), (a, b));
            if a.high != 0.0 {
                let (reciprocal, own) = a.reciprocal();
                let exact = judged(a).recip();
                reciprocals.see(reciprocal, &exact, (own * reciprocal.high.abs()).max(f64::MIN_POSITIVE), a);
                let (root, own) = a.abs().root();
                roots.see(root, &judged(a.abs()).sqrt(), own.max(f64::MIN_POSITIVE), a);
            }
        }
        std::eprintln!("{} {} {}", products.0, reciprocals.0, roots.0);
        // Bounds that are far too large would say that something else is computed.
        assert!(products.0 > 0.1 && reciprocals.0 > 0.1 && roots.0 > 0.01);
    }

    #[test]
    fn short_operations_are_exact() {
        for (a, b) in [(3.0, 5.0), (1.0 + f64::EPSILON, 1.0 - f64::EPSILON), (0.0, 1e300), (1e-100, 1e100)] {
            let (product, lost) = Double::new(a).product(Double::new(b));
            assert_eq!(lost, 0.0);
            assert!(judged(product) == float(a) * float(b));
        }
        assert_eq!(Double::new(0.25).reciprocal().1, 0.0);
        assert_ne!(Double::new(3.0).reciprocal().1, 0.0);
        let (root, own) = Double::new(2.25).root();
        assert_eq!((root.high, root.low, own), (1.5, 0.0, 0.0));
        // Where halves overflow or products underflow nothing is claimed.
        let (product, lost) = Double::new(1e300).product(Double::new(3.0));
        assert!(product.rounded(lost).is_none());
        let (product, lost) = Double::new(1e-200).product(Double::new(3e-150));
        assert!(product.high == 0.0 && lost > 0.0);
        assert!(Double::new(1e300).reciprocal().1.is_infinite());
    }

    #[test]
    fn functions_lose_half_of_their_bounds() {
        let mut bits = Bits(2);
        let mut worst = [const { Worst(0.0) }; 7];
        for round in 0..60_000 {
            let mut x = match round % 6 {
                // Between two powers of the table, where |r| is largest.
                0 => {
                    let k = f64::from(bits.next() % 40_000) - 20_000.0;
                    Double::new((k + 0.5) * (core::f64::consts::LN_2 / 64.0) * (1.0 + unit(&mut bits) * 1e-9))
                }
                1 => number(&mut bits, -4, -10),
                2 => number(&mut bits, -8, -140),
                3 => Double::new(NEAR * (1.0 + unit(&mut bits) * 1e-3)),
                _ => number(&mut bits, 9, -3),
            };
            if x.high.abs() > 319.0 {
                x = x.times(Double::new(0.1));
            }
            if x.high.abs() > 319.0 {
                continue;
            }
            let exact = judged(x);
            let own = |value: Double| value.high.abs() * FUNCTION;
            let [exp, exp_m1] = [x.exp(), x.exp_m1()];
            worst[0].see(exp, &exact.clone().exp(), own(exp), x);
            worst[1].see(exp_m1, &exact.clone().exp_m1(), own(exp_m1), x);
            let (less, bound) = x.exp_m1_less();
            worst[2].see(less, &(exact.clone().exp_m1() - &exact), bound, x);
            let (log1p_exp, sigmoid_of_minus) = x.logistic();
            let exact_log = (-exact.clone().abs()).exp().ln_1p();
            worst[3].see(log1p_exp, &exact_log, own(log1p_exp), x);
            let exact_sigmoid = (exact.clone().exp() + float(1.0)).recip();
            worst[4].see(sigmoid_of_minus, &exact_sigmoid, own(sigmoid_of_minus), x);
            // What is near 1, anywhere, and near -1.
            let near_one = Double::ONE.plus(x.times(Double::new(0.003)));
            for y in [exp, near_one, x.abs()] {
                if y.high > 0.0 {
                    let ln = y.ln();
                    worst[5].see(ln, &judged(y).ln(), own(ln), y);
                }
            }
            let near_minus_one = Double::ONE.negate().plus(Double::new(0.0011 + unit(&mut bits).abs() * 0.7));
            for y in [x, near_minus_one, exp] {
                if y.high > -0.998 {
                    let ln_1p = y.ln_1p();
                    worst[6].see(ln_1p, &judged(y).ln_1p(), own(ln_1p), y);
                }
            }
        }
        std::eprintln!("{:?}", worst.each_ref().map(|x| x.0));
    }

    #[test]
    fn limits_of_functions() {
        for (x, exp, exp_m1) in [(-320.0, 0.0, -1.0), (-1e300, 0.0, -1.0), (320.0, f64::INFINITY, f64::INFINITY)] {
            let x = Double::new(x);
            assert_eq!((x.exp().high, x.exp_m1().high), (exp, exp_m1));
        }
        assert!(Double::new(f64::NAN).exp().high.is_nan());
        let zero = Double::ZERO;
        assert_eq!((zero.exp().high, zero.exp_m1().high, zero.exp_m1_less().0.high), (1.0, 0.0, 0.0));
        assert_eq!((Double::ONE.ln().high, zero.ln_1p().high), (0.0, 0.0));
        // Logarithms beyond the exponential's range are no numbers, and decide nothing.
        assert!(Double::new(1e-200).ln().rounded(0.0).is_none() && Double::new(1e200).ln().rounded(0.0).is_none());
    }

    #[test]
    fn sums_are_rounded_once() {
        let mut bits = Bits(3);
        let mut ties = 0;
        for _ in 0..200_000 {
            // A midpoint or its neighbours, subnormal numbers too, and something beside it.
            let pattern = bits.next() & 0xff7f_ffff;
            let [single, next] = [pattern, pattern + 1].map(|pattern| f64::from(f32::from_bits(pattern)));
            let middle = single + (next - single) * 0.5 * f64::from(bits.next() % 3);
            let low = match bits.next() % 4 {
                0 => 0.0,
                1 => middle * power_of_two(-54),
                2 => middle * -power_of_two(-100),
                _ => middle * f64::EPSILON * 0.49 * unit(&mut bits),
            };
            let (high, low) = sum_of_two(middle, low);
            let x = Double { high, low };
            let exact = judged(x).to_f32() + 0.0;
            match x.rounded(0.0) {
                Some(rounded) => assert_eq!(rounded.to_bits(), exact.to_bits(), "{x:?}"),
                None => assert!(middle.abs() >= f64::from(f32::MAX) || low != 0.0, "{x:?}"),
            }
            // Next to a midpoint an error of one unit of the last place decides nothing; elsewhere it does not matter.
            let wide = high.abs() * f64::EPSILON;
            let [below, above] = [-2.0, 2.0].map(|by| (judged(x) + float(by * wide)).to_f32() + 0.0);
            match x.rounded(wide) {
                Some(rounded) => assert_eq!(rounded.to_bits(), exact.to_bits()),
                None => {
                    ties += 1;
                    let beyond = middle.abs() >= f64::from(f32::MAX);
                    assert!(below.to_bits() != above.to_bits() || beyond, "{x:?}");
                }
            }
        }
        assert!(ties > 5_000, "{ties}");
        // Parts that 384 bits would not have beside each other.
        assert!(Double { high: 1.0 + power_of_two(-24), low: 1e-200 }.rounded(0.0).is_none());
        assert_eq!(Double { high: 1.0, low: 1e-200 }.rounded(0.0), Some(1.0));
    }
}
