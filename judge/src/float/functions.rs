//! Elementary functions, correctly rounded.
//!
//! Each is approximated with more bits than wanted and a bound of its error. Where not all numbers within the bound round to the same,
//! it is done again with more bits (Ziv's strategy). It ends, for the exact values are no midpoints: they are transcendental but at the
//! points taken first. Where the argument is so small that the result is beside it, or beside 1, more bits would not
//! come to an end soon; those are told apart before.

use std::cmp::Ordering;

use super::arithmetic::{Rounded, add, exact, nudged, product, quotient, sub};
use super::exponential::{exponential, ln_2};
use super::limbs::limbs_of;
use super::number::{Class, Number};

/// An approximation, and the exponent of a power of two that its error is below.
type Approximation = (Number, i64);

/// The nearest number to what `approximate` gives, which takes the bits that its relative error should have.
fn nearest(precision: u32, approximate: impl Fn(u32) -> Approximation) -> Rounded {
    let mut bits = precision + 32;
    loop {
        let (value, error) = approximate(bits);
        let (lower, below) = add(&value, &Number::power(true, error), precision);
        let (upper, above) = add(&value, &Number::power(false, error), precision);
        if lower == upper {
            // On which side the exact value lies matters at the end of the range alone, where it is a power of two.
            return (lower, if below == above { below } else { Ordering::Equal });
        }
        bits += bits / 2;
    }
}

/// Whether a relative change of `2^-less` of a number is below its last bit and half a unit of the precision.
fn is_beyond(less: i64, x: &Number, precision: u32) -> bool {
    less > 64 * (x.limbs.len().max(limbs_of(precision)) as i64 + 1) + 2
}

/// Limbs for so many bits and what fixed point loses.
fn room(bits: u32) -> usize {
    limbs_of(bits + 24)
}

pub fn exp(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Infinite if x.negative => return exact(Number::zero(false)),
        Class::Infinite => return exact(Number::infinite(false)),
        Class::Zero => return exact(Number::one()),
        Class::Finite => {}
    }
    if x.exponent < -i64::from(precision) - 2 {
        return exact(Number::one());
    }
    nearest(precision, |bits| exponential(x, room(bits)))
}

pub fn exp_m1(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Infinite if x.negative => return exact(Number::one().negated()),
        Class::Infinite | Class::Zero => return exact(x.clone()),
        Class::Finite => {}
    }
    if is_beyond(-x.exponent, x, precision) {
        // x + x^2/2: more than x.
        return nudged(x, if x.negative { Ordering::Less } else { Ordering::Greater }, precision);
    }
    nearest(precision, |bits| approximate_exp_m1(x, bits))
}

fn approximate_exp_m1(x: &Number, bits: u32) -> Approximation {
    let small = -x.exponent;
    if small > i64::from(bits / 8) {
        // At most eight terms of the Taylor series, each with an error of some units of the first.
        let mut term = x.rounded(bits + 16).0;
        let mut sum = term.clone();
        for n in 2.. {
            if term.exponent < x.exponent - i64::from(bits) - 8 {
                break;
            }
            term = quotient(&product(&term, x, bits + 16).0, &Number::integer(false, n, 0), bits + 16).0;
            sum = add(&sum, &term, bits + 16).0;
        }
        return (sum, x.exponent - i64::from(bits));
    }
    // What the subtraction cancels is computed beyond.
    let (power, error) = exponential(x, room(bits + small.max(0) as u32 + 2));
    (sub(&power, &Number::one(), 2 * bits + 64).0, error.max(-i64::from(bits) - 64 + power.exponent.max(0)) + 1)
}

pub fn ln(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Zero => return exact(Number::infinite(true)),
        _ if x.negative => return exact(Number::nan()),
        Class::Infinite => return exact(x.clone()),
        Class::Finite => {}
    }
    // Its distance from 1, exactly, if it is near.
    if x.exponent == 0 || x.exponent == 1 {
        return ln_1p(&sub(x, &Number::one(), 64 * x.limbs.len() as u32 + 1).0, precision);
    }
    nearest(precision, |bits| approximate_ln(x, bits))
}

pub fn ln_1p(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Infinite if x.negative => return exact(Number::nan()),
        Class::Infinite | Class::Zero => return exact(x.clone()),
        Class::Finite => {}
    }
    if x.negative && x.exponent > 0 {
        let is_one = x.exponent == 1 && x.limbs[..] == [1 << 63];
        return exact(if is_one { Number::infinite(true) } else { Number::nan() });
    }
    if is_beyond(-x.exponent, x, precision) {
        // x - x^2/2: less than x.
        return nudged(x, if x.negative { Ordering::Greater } else { Ordering::Less }, precision);
    }
    nearest(precision, |bits| approximate_ln_1p(x, bits))
}

fn approximate_ln_1p(x: &Number, bits: u32) -> Approximation {
    let small = -x.exponent;
    if small > i64::from(bits / 8) {
        // 2 atanh(x / (2 + x)) by its series: at most five terms.
        let wide = bits + 16;
        let ratio = quotient(x, &add(x, &Number::power(false, 1), wide).0, wide).0;
        let square = product(&ratio, &ratio, wide).0;
        let (mut power, mut sum) = (ratio.clone(), ratio);
        for n in (3..).step_by(2) {
            power = product(&power, &square, wide).0;
            if power.exponent < sum.exponent - i64::from(bits) - 8 {
                break;
            }
            sum = add(&sum, &quotient(&power, &Number::integer(false, n, 0), wide).0, wide).0;
        }
        return (sum.shifted(1), x.exponent - i64::from(bits) + 2);
    }
    // The sum is exact, or so near that the difference is within the error.
    let length = 64 * (x.limbs.len() as i64 + 1) + x.exponent.abs().min(i64::from(bits) + 64);
    let sum = add(x, &Number::one(), length as u32).0;
    let (value, error) = approximate_ln(&sum, bits + small.max(0) as u32 + 2);
    (value, error.max(-i64::from(bits) - 32) + 1)
}

/// `ln x` for finite `x` above 0, with an absolute error of at most `2^-bits`, relative to the multiple of ln 2 in it if there is one.
fn approximate_ln(x: &Number, bits: u32) -> Approximation {
    // x = f 2^e with f from 3/4 to below 3/2: where e is not 0, ln f takes little of e ln 2.
    let is_low = x.limbs[0] < 3 << 62;
    let f = x.clone().shifted(i64::from(is_low) - x.exponent);
    let e = x.exponent - i64::from(is_low);
    // Halley's iteration on e^y = f: each step has three times the bits of the one before, from a double's.
    let mut steps = vec![bits + 8];
    while let Some(&last) = steps.last().filter(|last| **last > 48) {
        steps.push(last / 3 + 3);
    }
    let mut y = Number::of_f64(f.to_ieee(53, -1074, 1024).ln());
    for &bits in steps.iter().rev().skip(1) {
        let (power, _) = exponential(&y, room(bits + 4));
        let difference = sub(&f, &power, bits + 8).0;
        if difference.class == Class::Zero {
            continue;
        }
        let correction = quotient(&difference, &add(&f, &power, bits + 8).0, 2 * bits / 3 + 16).0;
        y = add(&y, &correction.shifted(1), bits + 8).0;
    }
    if e == 0 {
        return (y, -i64::from(bits));
    }
    let multiple = product(&ln_2(room(bits + 8)), &Number::integer(e < 0, e.unsigned_abs(), 0), bits + 8).0;
    let error = multiple.exponent.max(0) - i64::from(bits);
    (add(&multiple, &y, bits + 8).0, error)
}

pub fn tanh(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Infinite => return exact(Number { negative: x.negative, ..Number::one() }),
        Class::Zero => return exact(x.clone()),
        Class::Finite => {}
    }
    if is_beyond(-2 * x.exponent, x, precision) {
        // x - x^3/3.
        return nudged(x, Ordering::Less, precision);
    }
    let twice = x.clone().abs().shifted(1);
    nearest(precision, |bits| {
        let one = Number { negative: x.negative, ..Number::one() };
        if twice.exponent > 32 {
            return (one, -i64::from(bits));
        }
        // (e^2x - 1)/(e^2x + 1); beyond a sum that keeps its 2 the quotient is 1 within the error.
        let (minus, error) = approximate_exp_m1(&twice, bits + 8);
        let plus = add(&minus, &Number::power(false, 1), bits + 8).0;
        let ratio = quotient(&minus, &plus, bits + 8).0;
        // The relative error is at most twice that of the difference, and some roundings.
        let relative = error - minus.exponent + 3;
        let error = ratio.exponent + relative.max(-i64::from(bits));
        (Number { negative: x.negative, ..ratio }, error)
    })
}

pub fn cosh(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Nan => return exact(Number::nan()),
        Class::Infinite => return exact(Number::infinite(false)),
        Class::Zero => return exact(Number::one()),
        Class::Finite => {}
    }
    if 2 * x.exponent < -i64::from(precision) - 2 {
        return exact(Number::one());
    }
    nearest(precision, |bits| {
        let (power, error) = exponential(&x.clone().abs(), room(bits));
        let inverse = quotient(&Number::one(), &power, bits + 8).0;
        let sum = add(&power, &inverse, bits + 8).0.shifted(-1);
        let roundings = sum.exponent - i64::from(bits);
        (sum, error.max(roundings) + 1)
    })
}
