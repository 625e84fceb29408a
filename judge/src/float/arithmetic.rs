//! Sum, product, quotient and square root, each the nearest number of the wanted precision.

use std::cmp::Ordering;

use super::limbs::{add_shifted, divide, limbs_of, mul, sub_shifted, with_zeros};
use super::number::{Class, Number};

/// A result, and how it compares in magnitude with the exact value.
pub type Rounded = (Number, Ordering);

/// What needs no rounding.
pub fn exact(number: Number) -> Rounded {
    (number, Ordering::Equal)
}

/// A number of any precision in another one.
#[inline]
pub fn round(x: &Number, precision: u32) -> Rounded {
    match x.class {
        Class::Finite => x.rounded(precision),
        _ => exact(x.clone()),
    }
}

/// `x`, finite and not 0, and a little more than that in magnitude (`Greater`) or less (`Less`): less than its last bit and than half a
/// unit of the precision.
pub fn nudged(x: &Number, by: Ordering, precision: u32) -> Rounded {
    let length = x.limbs.len().max(limbs_of(precision)) + 1;
    with_zeros(length, |limbs| {
        limbs[..x.limbs.len()].copy_from_slice(&x.limbs);
        if by == Ordering::Less {
            sub_shifted(limbs, &[1], 64 * (length as u64 - 1));
        }
        Number::round(x.negative, x.exponent, limbs, true, precision)
    })
}

#[inline]
pub fn add(a: &Number, b: &Number, precision: u32) -> Rounded {
    add_with_sign(a, b, b.negative, precision)
}

#[inline]
pub fn sub(a: &Number, b: &Number, precision: u32) -> Rounded {
    add_with_sign(a, b, !b.negative, precision)
}

/// `a + b` with another sign of `b`.
fn add_with_sign(a: &Number, b: &Number, negative: bool, precision: u32) -> Rounded {
    let signed = |(mut sum, compared): Rounded| {
        sum.negative = negative;
        (sum, compared)
    };
    match (a.class, b.class) {
        (Class::Finite, Class::Finite) => match a.compare_magnitudes(b) {
            Ordering::Equal if a.negative != negative => exact(Number::zero(false)),
            Ordering::Less => signed(add_smaller(b, a, a.negative != negative, precision)),
            _ => add_smaller(a, b, a.negative != negative, precision),
        },
        (Class::Nan, _) | (_, Class::Nan) => exact(Number::nan()),
        (Class::Infinite, Class::Infinite) if a.negative != negative => exact(Number::nan()),
        (Class::Infinite, _) => exact(a.clone()),
        (_, Class::Infinite) => exact(Number::infinite(negative)),
        (Class::Zero, Class::Zero) => exact(Number::zero(a.negative && negative)),
        (Class::Zero, _) => signed(round(b, precision)),
        (_, Class::Zero) => round(a, precision),
    }
}

/// `a + b`, or less `b` where the signs differ, with the sign of `a`: neither is 0, nor the result, and `b` is not greater in magnitude.
fn add_smaller(a: &Number, b: &Number, differ: bool, precision: u32) -> Rounded {
    let below = (a.exponent - b.exponent) as u64;
    // Beyond a limb more than `a` and the precision have, `b` only says on which side the sum lies.
    if below > 64 * (a.limbs.len().max(limbs_of(precision)) as u64 + 1) {
        return nudged(a, if differ { Ordering::Less } else { Ordering::Greater }, precision);
    }
    // In front is room for a carry.
    let length = 1 + a.limbs.len().max(b.limbs.len() + below.div_ceil(64) as usize);
    with_zeros(length, |limbs| {
        limbs[1..=a.limbs.len()].copy_from_slice(&a.limbs);
        if differ {
            sub_shifted(limbs, &b.limbs, 64 + below);
        } else {
            add_shifted(limbs, &b.limbs, 64 + below);
        }
        Number::round(a.negative, a.exponent + 64, limbs, false, precision)
    })
}

pub fn product(a: &Number, b: &Number, precision: u32) -> Rounded {
    let negative = a.negative != b.negative;
    match (a.class, b.class) {
        (Class::Nan, _) | (_, Class::Nan) | (Class::Infinite, Class::Zero) | (Class::Zero, Class::Infinite) => {
            exact(Number::nan())
        }
        (Class::Infinite, _) | (_, Class::Infinite) => exact(Number::infinite(negative)),
        (Class::Zero, _) | (_, Class::Zero) => exact(Number::zero(negative)),
        (Class::Finite, Class::Finite) => with_zeros(a.limbs.len() + b.limbs.len(), |limbs| {
            mul(limbs, &a.limbs, &b.limbs);
            Number::round(negative, a.exponent + b.exponent, limbs, false, precision)
        }),
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
            with_zeros(2 * length + b.limbs.len(), |limbs| {
                let (limbs, rest) = limbs.split_at_mut(length);
                let copied = a.limbs.len().min(rest.len() - 1);
                rest[1..=copied].copy_from_slice(&a.limbs[..copied]);
                divide(limbs, rest, &b.limbs);
                let more = copied < a.limbs.len() || rest.iter().any(|limb| *limb != 0);
                Number::round(negative, a.exponent - b.exponent + 64, limbs, more, precision)
            })
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
        let midpoint = root.rounded(precision + 1).0;
        let square = product(&midpoint, &midpoint, 2 * precision + 2).0;
        match square.compare_magnitudes(&scaled) {
            Ordering::Less => upper,
            Ordering::Greater => lower,
            Ordering::Equal => midpoint.rounded(precision).0,
        }
    };
    exact(nearest.shifted(halves))
}
