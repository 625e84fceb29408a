//! `e^x` in fixed point: the function that all others are made of, and its tables.
//!
//! Fractions are slices of limbs, the point before the first; a fraction cut short is a prefix of its slice. With `x = k ln 2 - r`,
//! `r` from 0 to ln 2, `e^x` is `2^k e^-r`. The first 20 bits of `r`, five at a time, choose factors `e^-r'` from tables; what is
//! left of it, below 2^-20, goes through the Taylor series. Of `e^-r`, between 1/2 and 1, nothing is negative and nothing
//! overflows.

use std::sync::OnceLock;

use super::limbs::{add_shifted, divide_by_limb, mul, sub_shifted, with_zeros};
use super::number::{Class, Number};

/// Bits of `r` that choose a factor, and how often they do.
const STEP: u32 = 5;
const STEPS: u32 = 4;

/// What does not depend on `x`, for fractions of a number of limbs. Fractions stand one after the other.
struct Tables {
    ln_2: Vec<u64>,
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
        let mut factorials = vec![vec![u64::MAX; wide]; 2];
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
        let (mut least, mut start, mut whole) = (vec![0; wide], vec![0; wide], vec![0; 2 * wide]);
        least[0] = 1 << (64 - STEP * (STEPS + 1));
        series(&mut start, &least, &factorials.concat(), &mut whole);
        let mut factors = Vec::with_capacity((STEPS << STEP) as usize * limbs);
        for j in 0..STEPS {
            let mut first = start.clone();
            for _ in 0..STEP * (STEPS - j) {
                let same = first.clone();
                multiply(&mut first, &same, &mut whole);
            }
            factors.resize(factors.len() + limbs, 0);
            let mut power = first.clone();
            for _ in 1..1 << STEP {
                factors.extend_from_slice(&power[..limbs]);
                multiply(&mut power, &first, &mut whole);
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
fn ln_2_fraction(limbs: usize) -> Vec<u64> {
    let mut sum = vec![0; limbs];
    for (factor, of, less) in [(18, 26, false), (8, 8_749, false), (2, 4_801, true)] {
        // factor / of^(2i + 1), which is divided by 2i + 1.
        let mut power = vec![0; limbs + 1];
        power[0] = factor;
        divide_by_limb(&mut power, of);
        for i in 0_u64.. {
            let mut term = power[1..].to_vec();
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

/// Multiplies `x` by a fraction of as many limbs, cut to those; `whole` has room for twice as many.
#[inline]
fn multiply(x: &mut [u64], by: &[u64], whole: &mut [u64]) {
    let whole = &mut whole[..2 * x.len()];
    mul(whole, x, by);
    x.copy_from_slice(&whole[..x.len()]);
}

/// `e^-t` for `t` below 2^-20, by Horner's scheme. Of each term only the limbs that count in the sum; `whole` has room for a product.
fn series(sum: &mut [u64], t: &[u64], inverse_factorials: &[u64], whole: &mut [u64]) {
    let counting = |n: usize| t.len().saturating_sub(n * (STEP * STEPS) as usize / 64).max(1);
    let mut before = 0;
    for (n, inverse) in inverse_factorials.chunks(t.len()).enumerate().rev() {
        let limbs = counting(n);
        // 1/n! less what comes after, times t.
        let term = &mut whole[..before + limbs];
        mul(term, &sum[..before], &t[..limbs]);
        let (sum, term) = (&mut sum[..limbs], &term[..limbs]);
        if n < 2 {
            // 1 less one unit in the last place.
            sum.iter_mut().zip(term).for_each(|(sum, term)| *sum = !term);
        } else {
            sum.copy_from_slice(&inverse[..limbs]);
            sub_shifted(sum, term, 0);
        }
        before = limbs;
    }
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
    with_zeros(4 * limbs + 2, |room| {
        let (r, whole) = room.split_at_mut(limbs + 2);
        let (sum, whole) = whole.split_at_mut(limbs);
        let k = reduce(x, r, tables, whole);
        let r = &mut r[1..=limbs];
        let first = r[0];
        r[0] &= u64::MAX >> (STEP * STEPS);
        series(sum, r, &tables.inverse_factorials, whole);
        for j in 0..STEPS {
            let i = first >> (64 - STEP * (j + 1)) & ((1 << STEP) - 1);
            if i > 0 {
                let place = ((j << STEP) as usize + i as usize) * limbs;
                multiply(sum, &tables.factors[place..place + limbs], whole);
            }
        }
        // In units of the last place: the multiple of ln 2, twice a term of the series, twice a factor, what was cut.
        let units = k.unsigned_abs() + 4 * (tables.inverse_factorials.len() / limbs) as u64 + 16;
        let error = i64::from(units.ilog2()) + 1 - 64 * limbs as i64;
        (Number::round(false, k, sum, false, 64 * limbs as u32).0, k + error)
    })
}

/// `k` and `r` with `x = k ln 2 - r`, `r` from 0 to ln 2: an integer part of one limb, which becomes 0, its fraction, and a limb more,
/// all zeros at first. `x` has an exponent of at most 32.
fn reduce(x: &Number, r: &mut [u64], tables: &Tables, whole: &mut [u64]) -> i64 {
    let limbs = tables.ln_2.len();
    // |x|, cut to the limbs that are here.
    let down = (64 - x.exponent) as u64;
    let kept = x.limbs.len().min((limbs + 1).saturating_sub((down / 64) as usize));
    if kept > 0 {
        add_shifted(r, &x.limbs[..kept], down);
    }
    let r = &mut r[..=limbs];
    // Less the multiple of ln 2 next below.
    let estimate = (r[0] as f64 + r[1] as f64 * 2_f64.powi(-64)) * std::f64::consts::LOG2_E;
    let mut q = estimate as u64;
    if q > 0 {
        let multiple = &mut whole[..=limbs];
        mul(multiple, &tables.ln_2, &[q]);
        if sub_shifted(r, multiple, 0) {
            q -= 1;
            add_shifted(r, &tables.ln_2, 64);
        }
    }
    if r[0] > 0 || r[1..] >= tables.ln_2[..] {
        q += 1;
        sub_shifted(r, &tables.ln_2, 64);
    }
    if x.negative {
        return -(q as i64);
    }
    // ln 2 less what is left.
    let rest = &mut whole[..limbs];
    rest.copy_from_slice(&tables.ln_2);
    sub_shifted(rest, &r[1..], 0);
    r[1..].copy_from_slice(rest);
    q as i64 + 1
}
