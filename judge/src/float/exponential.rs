//! `e^x` in fixed point: the function that all others are made of, and its tables.
//!
//! Fractions are slices of limbs, the point before the first; a fraction cut short is a prefix of its slice. With `x = k ln 2 - r`,
//! `r` from 0 to ln 2, `e^x` is `2^k e^-r`. The first 20 bits of `r`, five at a time, choose factors `e^-r'` from tables; what is
//! left of it, below 2^-20, goes through the Taylor series. Of `e^-r`, between 1/2 and 1, nothing is negative and nothing
//! overflows.

use std::sync::OnceLock;

use super::limbs::{Scratch, add_shifted, divide_by_limb, mul, sub_shifted, zeros};
use super::number::{Class, Number};

/// Bits of `r` that choose a factor, and how often they do.
const STEP: u32 = 5;
const STEPS: u32 = 4;

/// What does not depend on `x`, for fractions of a number of limbs. Fractions stand one after the other.
struct Tables {
    ln_2: Scratch,
    /// `e^-(i 2^-5(j + 1))` at `32 j + i`; zeros where it is 1.
    factors: Vec<u64>,
    /// `1/n!` at n, as many as matter below 2^-20. The first two are 1, and not used.
    inverse_factorials: Vec<u64>,
}

/// By their limbs: enough for any precision, with what is added where a rounding is in doubt.
static TABLES: [OnceLock<Box<Tables>>; 1 << 11] = [const { OnceLock::new() }; 1 << 11];

impl Tables {
    fn of(limbs: usize) -> &'static Self {
        TABLES[limbs].get_or_init(|| Box::new(Self::new(limbs)))
    }

    fn new(limbs: usize) -> Self {
        // Computed with a limb more, for what the last one loses to rounding.
        let wide = limbs + 1;
        let one = one_less(&zeros(wide));
        let mut factorials = vec![one.clone(), one];
        let mut bits = u64::from(STEP * STEPS);
        for n in 2.. {
            let mut next = factorials[factorials.len() - 1].clone();
            divide_by_limb(&mut next, n);
            factorials.push(next);
            bits += u64::from(STEP * STEPS) + u64::from(n.ilog2());
            if bits > 64 * limbs as u64 {
                break;
            }
        }
        // Of the first step's e^-(2^-25) the squares' squares, and of those the powers.
        let mut least = zeros(wide);
        least[0] = 1 << (64 - STEP * (STEPS + 1));
        let start = series(&least, &factorials.concat());
        let mut factors = Vec::with_capacity((STEPS << STEP) as usize * limbs);
        for j in 0..STEPS {
            let mut first = start.clone();
            for _ in 0..STEP * (STEPS - j) {
                first = product(&first, &first);
            }
            factors.resize(factors.len() + limbs, 0);
            let mut power = first.clone();
            for _ in 1..1 << STEP {
                factors.extend_from_slice(&power[..limbs]);
                power = product(&power, &first);
            }
        }
        let inverse_factorials = factorials.iter().flat_map(|x| x[..limbs].iter().copied()).collect();
        let mut ln_2 = ln_2_fraction(wide);
        ln_2.truncate(limbs);
        Self { ln_2, factors, inverse_factorials }
    }
}

/// ln 2, with an error below one unit of the last limb.
pub fn ln_2(limbs: usize) -> Number {
    Number::round(false, 0, &mut Tables::of(limbs).ln_2.clone(), false, 64 * limbs as u32).0
}

/// ln 2 = 18 atanh(1/26) - 2 atanh(1/4801) + 8 atanh(1/8749).
fn ln_2_fraction(limbs: usize) -> Scratch {
    let mut sum = zeros(limbs);
    for (factor, of, less) in [(18, 26, false), (8, 8_749, false), (2, 4_801, true)] {
        // factor / of^(2i + 1), which is divided by 2i + 1.
        let mut power = zeros(limbs + 1);
        power[0] = factor;
        divide_by_limb(&mut power, of);
        for i in 0_u64.. {
            let mut term = Scratch::from_slice(&power[1..]);
            divide_by_limb(&mut term, 2 * i + 1);
            if term.iter().all(|limb| *limb == 0) {
                break;
            }
            if less {
                sub_shifted(&mut sum, &term, 0)
            } else {
                add_shifted(&mut sum, &term, 0)
            };
            divide_by_limb(&mut power, of * of);
        }
    }
    sum
}

/// `1 - x`, less one unit in the last place.
fn one_less(x: &[u64]) -> Scratch {
    x.iter().map(|limb| !limb).collect()
}

/// The product, cut to the limbs of `b`; `a` has at most as many.
fn product(a: &[u64], b: &[u64]) -> Scratch {
    let mut whole = zeros(a.len() + b.len());
    mul(&mut whole, a, b);
    whole.truncate(b.len());
    whole
}

/// `e^-t` for `t` below 2^-20. Of each term only the limbs that count in the sum.
fn series(t: &[u64], inverse_factorials: &[u64]) -> Scratch {
    let counting = |n: usize| t.len().saturating_sub(n * (STEP * STEPS) as usize / 64).max(1);
    let mut sum = Scratch::new();
    for (n, inverse) in inverse_factorials.chunks(t.len()).enumerate().rev() {
        let limbs = counting(n);
        let term = product(&sum, &t[..limbs]);
        sum = if n < 2 { one_less(&term) } else { Scratch::from_slice(&inverse[..limbs]) };
        if n >= 2 {
            sub_shifted(&mut sum, &term, 0);
        }
    }
    sum
}

/// `e^x` for a finite `x`, some limbs long, and the exponent of a power of two that the error is below. Beyond exponents of 2^31 an exponent
/// of that size stands for all.
pub fn exponential(x: &Number, limbs: usize) -> (Number, i64) {
    if x.class == Class::Zero {
        return (Number::one(), -64 * limbs as i64);
    }
    if x.exponent > 32 {
        let beyond = if x.negative { -1 << 40 } else { 1 << 40 };
        return (Number::power(false, beyond), beyond - (1 << 30));
    }
    let tables = Tables::of(limbs);
    // |x|, its integer part in the first limb.
    let mut r = zeros(limbs + 2);
    let down = (64 - x.exponent) as u64;
    let kept = x.limbs.len().min((limbs + 1).saturating_sub((down / 64) as usize));
    if kept > 0 {
        add_shifted(&mut r, &x.limbs[..kept], down);
    }
    r.truncate(limbs + 1);
    // Less the multiple of ln 2 next below.
    let estimate = (r[0] as f64 + r[1] as f64 * 2_f64.powi(-64)) * std::f64::consts::LOG2_E;
    let mut q = estimate as u64;
    let mut multiple = zeros(limbs + 1);
    mul(&mut multiple, &tables.ln_2, &[q]);
    if sub_shifted(&mut r, &multiple, 0) {
        q -= 1;
        add_shifted(&mut r, &tables.ln_2, 64);
    } else if r[0] > 0 || r[1..] >= tables.ln_2[..] {
        q += 1;
        sub_shifted(&mut r, &tables.ln_2, 64);
    }
    let mut k = -(q as i64);
    let mut r = Scratch::from_slice(&r[1..]);
    if !x.negative {
        // k ln 2 - r of the other sign: ln 2 less what is left.
        k = q as i64 + 1;
        let mut rest = tables.ln_2.clone();
        sub_shifted(&mut rest, &r, 0);
        r = rest;
    }
    let first = r[0];
    r[0] &= u64::MAX >> (STEP * STEPS);
    let mut result = series(&r, &tables.inverse_factorials);
    for j in 0..STEPS {
        let i = first >> (64 - STEP * (j + 1)) & ((1 << STEP) - 1);
        if i > 0 {
            let place = ((j << STEP) as usize + i as usize) * limbs;
            result = product(&result, &tables.factors[place..place + limbs]);
        }
    }
    // In units of the last place: the multiple of ln 2, twice a term of the series, twice a factor, what was cut.
    let units = q + 4 * (tables.inverse_factorials.len() / limbs) as u64 + 16;
    let error = i64::from(units.ilog2()) + 1 - 64 * limbs as i64;
    let bits = 64 * limbs as u32;
    (Number::round(false, k, &mut result, false, bits).0, k + error)
}
