//! The elementary functions over lanes of `f64`, with a relative error below 2^-48: fixed sequences of IEEE operations.
//!
//! No tables: a gather costs more than the few terms it saves on every level, and flash on a microcontroller.
//! Polynomials are minimax (Remez in 400-bit arithmetic), coefficients rounded to `f64`, evaluated by Estrin's scheme,
//! whose short chains let the CPU overlap rows.

use crate::lanes::{HAS_WIDE, Lanes};

/// 1.5 * 2^52: adding it rounds to an integer, which stands in the low bits of the sum.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has 42 bits, so that its product with an exponent is exact.
const LN2_HI: f64 = f64::from_bits(0x3fe6_2e42_fefa_3800);
const LN2_LO: f64 = f64::from_bits(0x3d2e_f357_93c7_6730);

/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; error 2^-49.4 relative to e^r - 1.
const EXP: [f64; 9] = [
    0.5000000000000008,
    0.166666666666302,
    0.04166666666654263,
    0.008333333362825792,
    0.0013888888943195772,
    0.00019841195704078476,
    2.4801491481116003e-05,
    2.763075142654801e-06,
    2.763135176566814e-07,
];

/// (ln(1+f) / s - 2) / s^2 in s^2, with s = f/(2+f), 0 <= s^2 <= 1/9; error 2^-48.9 relative to the logarithm.
const LOG: [f64; 8] = [
    0.6666666666632419,
    0.40000000098734545,
    0.28571418855443603,
    0.222226834039998,
    0.1816976300805973,
    0.1556671670646005,
    0.11764733160904627,
    0.18717633905674247,
];

/// `a + b x`.
#[inline(always)]
fn line<L: Lanes>(a: f64, b: f64, x: L) -> L {
    L::splat(a) + L::splat(b) * x
}

/// [`EXP`] at `r`, by Estrin's scheme.
#[inline(always)]
fn exp_polynomial<L: Lanes>(r: L) -> L {
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8] = EXP;
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = line(c0, c1, r) + line(c2, c3, r) * r2;
    let high = line(c4, c5, r) + line(c6, c7, r) * r2;
    low + (high + L::splat(c8) * r4) * r4
}

/// [`LOG`] at `w`, by Estrin's scheme.
#[inline(always)]
fn log_polynomial<L: Lanes>(w: L) -> L {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = LOG;
    let w2 = w * w;
    let w4 = w2 * w2;
    let low = line(c0, c1, w) + line(c2, c3, w) * w2;
    let high = line(c4, c5, w) + line(c6, c7, w) * w2;
    low + high * w4
}

/// e^x in parts: `2^k (1 + p)` with |p| < 0.42.
struct Exponential<L> {
    p: L,
    /// k in the low bits.
    k: L,
}

impl<L: Lanes> Exponential<L> {
    /// For |x| < 700.
    #[inline(always)]
    fn new(x: L) -> Self {
        // A microcontroller keeps it in flash once, however many call it.
        if !HAS_WIDE { Self::apart(x) } else { Self::inlined(x) }
    }

    #[inline(never)]
    fn apart(x: L) -> Self {
        Self::inlined(x)
    }

    #[inline(always)]
    fn inlined(x: L) -> Self {
        let k = x * L::splat(core::f64::consts::LOG2_E) + L::splat(TO_INTEGER);
        let whole = k - L::splat(TO_INTEGER);
        let r = (x - whole * L::splat(LN2_HI)) - whole * L::splat(LN2_LO);
        Self { p: r + (r * r) * exp_polynomial(r), k }
    }

    /// `y * 2^k` where that is a normal number.
    #[inline(always)]
    fn scale(&self, y: L) -> L {
        y.bits_add(self.k.bits_shl52())
    }

    /// `e^x`.
    #[inline(always)]
    fn value(&self) -> L {
        self.scale(L::splat(1.0) + self.p)
    }

    /// `e^x - 1`.
    #[inline(always)]
    fn less_one(&self) -> L {
        let scale = self.scale(L::splat(1.0));
        // A product, not an addition to the bits of p, which may be 0.
        self.p * scale + (scale - L::splat(1.0))
    }
}

/// Past this, `e^-x` is taken as 0. The largest factor that a formula multiplies it with keeps the product
/// below 2^-150 (half the least `f32`) from x = 302 on, and no intermediate becomes subnormal before x = 350.
const EXP_NEG_END: f64 = 320.0;

/// `e^-x` for x >= 0.
#[inline(always)]
pub fn exp_neg<L: Lanes>(x: L) -> L {
    let inside = x.lt(L::splat(EXP_NEG_END));
    let x = L::select(inside, x, L::splat(0.0));
    L::select(inside, Exponential::new(L::splat(0.0) - x).value(), L::splat(0.0))
}

/// `ln(1+f)`, given `s = f / (2+f)`.
#[inline(always)]
fn log1p_by<L: Lanes>(f: L, s: L) -> L {
    let w = s * s;
    f - s * (f - w * log_polynomial(w))
}

/// `ln(1+e)` and `1/(1+e)` for 0 <= e <= 1, by one division.
#[inline(always)]
fn log1p_and_recip<L: Lanes>(e: L) -> (L, L) {
    let one = e + L::splat(1.0);
    let two = e + L::splat(2.0);
    let q = L::splat(1.0) / (one * two);
    (log1p_by(e, (e * one) * q), two * q)
}

/// `ln(1 + e^-|x|)` and `1/(1 + e^x)`.
#[inline(always)]
pub fn logistic<L: Lanes>(x: L) -> (L, L) {
    let e = exp_neg(x.abs());
    let (log1p, recip) = log1p_and_recip(e);
    (log1p, L::select(x.lt(L::splat(0.0)), recip, e * recip))
}

/// The difference of the bits of 1 and of sqrt(1/2): adding it moves the step between exponents there.
const SQRT_STEP: f64 = f64::from_bits(0x0009_5f61_9980_c433);

/// `ln y` for a positive normal y; `less_one`, if given, is y - 1 to full relative precision, for y near 1.
#[inline(always)]
fn log_of<L: Lanes>(y: L, less_one: Option<L>) -> L {
    // y = 2^k m with m in [sqrt(1/2), sqrt 2).
    let biased = y.bits_add(L::splat(SQRT_STEP)).bits_shr52();
    let m = y.bits_sub(biased.bits_shl52()).bits_add(L::splat(1.0));
    let two52 = 4_503_599_627_370_496.0;
    let k = biased.bit_or(L::splat(two52)) - L::splat(two52 + 1023.0);
    let f = m - L::splat(1.0);
    let f = match less_one {
        Some(exact) => L::select(k.eq(L::splat(0.0)), exact, f),
        None => f,
    };
    let log_m = log1p_by(f, f / (f + L::splat(2.0)));
    k * L::splat(LN2_HI) + (log_m + k * L::splat(LN2_LO))
}

/// Where the exponential of an `f32` is 0 or infinite in `f32`, with room.
const EXP_END: f64 = 150.0;

/// `x` where |x| < [`EXP_END`], else 0.
#[inline(always)]
fn inside<L: Lanes>(x: L) -> L {
    L::select(x.abs().lt(L::splat(EXP_END)), x, L::splat(0.0))
}

/// `value` where |x| < [`EXP_END`], `below` and `above` outside.
#[inline(always)]
fn with_tails<L: Lanes>(x: L, below: f64, value: L, above: f64) -> L {
    let tail = L::select(x.lt(L::splat(0.0)), L::splat(below), L::splat(above));
    L::select(x.abs().lt(L::splat(EXP_END)), value, tail)
}

/// `e^x`.
#[inline(always)]
pub fn exp<L: Lanes>(x: L) -> L {
    with_tails(x, 0.0, Exponential::new(inside(x)).value(), f64::INFINITY)
}

/// `e^x - 1`.
#[inline(always)]
pub fn expm1<L: Lanes>(x: L) -> L {
    with_tails(x, -1.0, Exponential::new(inside(x)).less_one(), f64::INFINITY)
}

/// `value` where |x| < [`EXP_NEG_END`], else its limit: `below`, or infinity.
#[inline(always)]
fn with_limits<L: Lanes>(x: L, below: f64, value: L) -> L {
    let limit = L::select(x.lt(L::splat(0.0)), L::splat(below), L::splat(f64::INFINITY));
    L::select(x.abs().lt(L::splat(EXP_NEG_END)), value, limit)
}

/// `x` where |x| < [`EXP_NEG_END`], else 0.
#[inline(always)]
fn within_limits<L: Lanes>(x: L) -> L {
    L::select(x.abs().lt(L::splat(EXP_NEG_END)), x, L::splat(0.0))
}

/// `1/2!, 1/3!, ...`: for |x| <= 1/2 what is left out is below 2^-52 of the sum.
const LESS_SERIES: [f64; 14] = {
    let mut terms = [0.0; 14];
    let (mut factorial, mut i) = (1.0, 0);
    while i < terms.len() {
        factorial *= (i + 2) as f64;
        terms[i] = 1.0 / factorial;
        i += 1;
    }
    terms
};

/// `e^x - 1 - x` of any `f64`, to 2^-45 of itself: also if x is a difference of two `f32` that was rounded, as long as the result is one.
#[inline(always)]
pub fn exp_m1_less<L: Lanes>(x: L) -> L {
    let large = L::splat(0.5).lt(x.abs());
    // Of one lane half of the work would be for nothing.
    match L::bits(large) {
        1 if L::N == 1 => exp_m1_less_far(x),
        0 if L::N == 1 => exp_m1_less_near(x),
        _ => L::select(large, exp_m1_less_far(x), exp_m1_less_near(x)),
    }
}

/// Free of the cancellation that the difference has near 0.
#[inline(always)]
fn exp_m1_less_near<L: Lanes>(x: L) -> L {
    let mut series = L::splat(0.0);
    let mut i = LESS_SERIES.len();
    while i > 0 {
        i -= 1;
        series = series * x + L::splat(LESS_SERIES[i]);
    }
    x * x * series
}

#[inline(always)]
fn exp_m1_less_far<L: Lanes>(x: L) -> L {
    L::select(x.eq(L::splat(f64::INFINITY)), x, expm1(x) - x)
}

/// `e^x` of any `f64`, as formulas take it: 0 and infinity from [`EXP_NEG_END`] on.
#[inline(always)]
pub fn exp_of<L: Lanes>(x: L) -> L {
    with_limits(x, 0.0, Exponential::new(within_limits(x)).value())
}

/// `e^x - 1` of any `f64`, as formulas take it.
#[inline(always)]
pub fn exp_m1_of<L: Lanes>(x: L) -> L {
    with_limits(x, -1.0, Exponential::new(within_limits(x)).less_one())
}

/// `value` of an odd function, and the sign of a zero kept.
#[inline(always)]
pub fn with_zeros<L: Lanes>(x: L, value: L) -> L {
    L::select(x.eq(L::splat(0.0)), x, value)
}

/// `ln x` for 0 < x < infinity.
#[inline(always)]
pub fn log<L: Lanes>(x: L) -> L {
    log_of(x, None)
}

/// `ln(1+x)` for -1 < x < infinity.
#[inline(always)]
pub fn log1p<L: Lanes>(x: L) -> L {
    log_of(x + L::splat(1.0), Some(x))
}

/// `ln(1 - e^x)` for x < 0, x an `f32`.
#[inline(always)]
pub fn log1mexp<L: Lanes>(x: L) -> L {
    let e = Exponential::new(inside(x));
    let zero = L::splat(0.0);
    let value = log_of(zero - e.less_one(), Some(zero - e.value()));
    with_tails(x, -0.0, value, f64::NAN)
}

/// `1/(1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<L: Lanes>(x: L) -> L {
    let (_, sigmoid) = logistic(L::splat(0.0) - x);
    sigmoid
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<L: Lanes>(x: L) -> L {
    let magnitude = x.abs();
    // e^(-2|x|) - 1
    let m = expm1(L::splat(-2.0) * magnitude);
    let t = (L::splat(0.0) - m) / (m + L::splat(2.0));
    L::select(x.lt(L::splat(0.0)), L::splat(0.0) - t, t)
}

/// `ln(1 + e^x)`.
#[inline(always)]
pub fn softplus<L: Lanes>(x: L) -> L {
    let (log1p, _) = logistic(x);
    L::select(x.lt(L::splat(0.0)), log1p, x + log1p)
}

/// `-ln(1 + e^-x)`.
#[inline(always)]
pub fn log_sigmoid<L: Lanes>(x: L) -> L {
    // -0 where softplus is 0.
    L::splat(-0.0) - softplus(L::splat(0.0) - x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_the_definition() {
        crate::definition::compare(
            "elementary",
            &[
                ("TO_INTEGER", &[TO_INTEGER]),
                ("LOG2_E", &[core::f64::consts::LOG2_E]),
                ("LN2_HI", &[LN2_HI]),
                ("LN2_LO", &[LN2_LO]),
                ("EXP", &EXP),
                ("EXP_NEG_END", &[EXP_NEG_END]),
                ("EXP_END", &[EXP_END]),
                ("LOG", &LOG),
                ("SQRT_STEP", &[SQRT_STEP]),
            ],
        );
    }
}
