//! Sum, product, quotient and square root, each the nearest number of the wanted precision.

use std::cmp::Ordering;

use super::limbs::{Scratch, add_shifted, divide, limbs_of, mul, sub_shifted, zeros};
use super::number::{Class, Number};

/// A result, and how it compares in magnitude with the exact value.
pub type Rounded = (Number, Ordering);

/// What needs no rounding.
pub fn exact(number: Number) -> Rounded {
    (number, Ordering::Equal)
}

/// A number of any precision in another one.
pub fn round(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Finite => nudged(x, None, precision),
        _ => exact(x.clone()),
    }
}

/// `x`, finite and not 0, and a little more than that in magnitude (`Greater`) or less: less than its last bit and than half a unit of
/// the precision.
pub fn nudged(x: &Number, by: Option<Ordering>, precision: u32) -> Rounded {
    let length = x.limbs.len().max(limbs_of(precision)) + 1;
    let mut limbs = Scratch::from_slice(&x.limbs);
    if by.is_some() {
        limbs.resize(length, 0);
    }
    if by == Some(Ordering::Less) {
        sub_shifted(&mut limbs, &[1], 64 * (length as u64 - 1));
    }
    Number::round(x.negative, x.exponent, &mut limbs, by.is_some(), precision)
}

pub fn add(a: &Number, b: &Number, precision: u32) -> Rounded {
    match (a.class, b.class) {
        (Class::Nan, _) | (_, Class::Nan) => exact(Number::nan()),
        (Class::Infinite, Class::Infinite) if a.negative != b.negative => exact(Number::nan()),
        (Class::Infinite, _) => exact(a.clone()),
        (_, Class::Infinite) => exact(b.clone()),
        (Class::Zero, Class::Zero) => exact(Number::zero(a.negative && b.negative)),
        (Class::Zero, _) => round(b, precision),
        (_, Class::Zero) => round(a, precision),
        (Class::Finite, Class::Finite) => match a.compare_magnitudes(b) {
            Ordering::Equal if a.negative != b.negative => exact(Number::zero(false)),
            Ordering::Less => add_smaller(b, a, precision),
            _ => add_smaller(a, b, precision),
        },
    }
}

/// `a + b`, neither 0, the sum not 0, `b` not greater in magnitude.
fn add_smaller(a: &Number, b: &Number, precision: u32) -> Rounded {
    let below = (a.exponent - b.exponent) as u64;
    let differ = a.negative != b.negative;
    // Beyond a limb more than `a` and the precision have, `b` only says on which side the sum lies.
    if below > 64 * (a.limbs.len().max(limbs_of(precision)) as u64 + 1) {
        return nudged(a, Some(if differ { Ordering::Less } else { Ordering::Greater }), precision);
    }
    // In front is room for a carry.
    let length = 1 + a.limbs.len().max(b.limbs.len() + below.div_ceil(64) as usize);
    let mut limbs = zeros(length);
    limbs[1..=a.limbs.len()].copy_from_slice(&a.limbs);
    if differ {
        sub_shifted(&mut limbs, &b.limbs, 64 + below);
    } else {
        add_shifted(&mut limbs, &b.limbs, 64 + below);
    }
    Number::round(a.negative, a.exponent + 64, &mut limbs, false, precision)
}

pub fn sub(a: &Number, b: &Number, precision: u32) -> Rounded {
    add(a, &b.clone().negated(), precision)
}

pub fn product(a: &Number, b: &Number, precision: u32) -> Rounded {
    let negative = a.negative != b.negative;
    match (a.class, b.class) {
        (Class::Nan, _) | (_, Class::Nan) | (Class::Infinite, Class::Zero) | (Class::Zero, Class::Infinite) => {
            exact(Number::nan())
        }
        (Class::Infinite, _) | (_, Class::Infinite) => exact(Number::infinite(negative)),
        (Class::Zero, _) | (_, Class::Zero) => exact(Number::zero(negative)),
        (Class::Finite, Class::Finite) => {
            let mut limbs = zeros(a.limbs.len() + b.limbs.len());
            mul(&mut limbs, &a.limbs, &b.limbs);
            Number::round(negative, a.exponent + b.exponent, &mut limbs, false, precision)
        }
    }
}

pub fn quotient(a: &Number, b: &Number, precision: u32) -> Rounded {
    let negative = a.negative != b.negative;
    match (a.class, b.class) {
        (Class::Nan, _) | (_, Class::Nan) | (Class::Infinite, Class::Infinite) | (Class::Zero, Class::Zero) => {
            exact(Number::nan())
        }
        (Class::Infinite, _) | (_, Class::Zero) => exact(Number::infinite(negative)),
        (Class::Zero, _) | (_, Class::Infinite) => exact(Number::zero(negative)),
        (Class::Finite, Class::Finite) => {
            // The first limb is the integer part, 0 or 1; at least one bit more than the precision comes after it.
            let length = 2 + (precision / 64) as usize;
            let mut rest = zeros(length + b.limbs.len());
            let copied = a.limbs.len().min(rest.len() - 1);
            rest[1..=copied].copy_from_slice(&a.limbs[..copied]);
            let mut limbs = zeros(length);
            divide(&mut limbs, &mut rest, &b.limbs);
            let more = copied < a.limbs.len() || rest.iter().any(|limb| *limb != 0);
            Number::round(negative, a.exponent - b.exponent + 64, &mut limbs, more, precision)
        }
    }
}

pub fn square_root(x: &Number, precision: u32) -> Rounded {
    match (x.class, x.negative) {
        (Class::Nan, _) | (Class::Infinite | Class::Finite, true) => return exact(Number::nan()),
        (Class::Zero, _) | (Class::Infinite, _) => return exact(x.clone()),
        (Class::Finite, false) => {}
    }
    // Heron's iteration on a number between 1/4 and 1: each step doubles the bits of a double's root.
    let halves = x.exponent.div_euclid(2) + x.exponent.rem_euclid(2);
    let scaled = x.clone().shifted(-2 * halves);
    let wanted = precision + 32;
    let mut root = Number::of_f64(scaled.to_ieee(53, -1074, 1024).sqrt());
    let mut bits = 50;
    while bits < wanted {
        bits = (2 * bits - 2).min(wanted + 8);
        let other = quotient(&scaled, &root, bits + 4).0;
        root = add(&root, &other, bits + 4).0.shifted(-1);
    }
    // The nearest number, or where that is in doubt the side of the midpoint on which the root lies.
    let err = Number::power(false, -i64::from(wanted));
    let (lower, upper) = (sub(&root, &err, precision).0, add(&root, &err, precision).0);
    let nearest = if lower == upper {
        lower
    } else {
        let midpoint = root.rounded(precision + 1);
        let square = product(&midpoint, &midpoint, 2 * precision + 2).0;
        match square.compare_magnitudes(&scaled) {
            Ordering::Less => upper,
            Ordering::Greater => lower,
            Ordering::Equal => midpoint.rounded(precision),
        }
    };
    exact(nearest.shifted(halves))
}
