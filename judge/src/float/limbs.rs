//! Unsigned numbers as slices of 64-bit limbs, the most significant first: the front of a slice is the number cut short.

/// Calls with so many zeros, which do not take the heap for the product of two numbers of 1,000 bits.
#[inline]
pub fn with_zeros<R>(limbs: usize, run: impl FnOnce(&mut [u64]) -> R) -> R {
    match limbs {
        0..=12 => run(&mut [0; 12][..limbs]),
        13..=36 => run(&mut [0; 36][..limbs]),
        _ => run(&mut vec![0; limbs]),
    }
}

/// Limbs that hold so many bits.
#[inline]
pub fn limbs_of(bits: u32) -> usize {
    bits.div_ceil(64) as usize
}

/// `a + b + carry`, and the carry out.
#[inline]
fn add_limb(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry.into());
    (sum, first | second)
}

/// `a - b - borrow`, and the borrow out.
#[inline]
fn sub_limb(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow.into());
    (difference, first | second)
}

/// Applies `step` to each limb of `acc` and of `b` times `2^-shift` of the first limb, from the least on, with a carry. `acc` reaches
/// at least as far down as that; the carry goes on to its front.
#[inline]
fn combine(acc: &mut [u64], b: &[u64], shift: u64, step: impl Fn(u64, u64, bool) -> (u64, bool)) -> bool {
    let (skip, shift) = ((shift / 64) as usize, (shift % 64) as u32);
    let (front, place) = acc.split_at_mut(skip);
    let mut carry = false;
    if shift == 0 {
        for (a, &b) in place[..b.len()].iter_mut().rev().zip(b.iter().rev()) {
            (*a, carry) = step(*a, b, carry);
        }
    } else {
        let mut right = 0;
        let mut limbs = b.iter().rev();
        for a in place[..=b.len()].iter_mut().rev() {
            let left = limbs.next().copied().unwrap_or(0);
            // From the right end on: what a limb loses on the right is the next one's upper part.
            (*a, carry) = step(*a, left << (64 - shift) | right, carry);
            right = left >> shift;
        }
    }
    for a in front.iter_mut().rev() {
        if !carry {
            break;
        }
        (*a, carry) = step(*a, 0, carry);
    }
    carry
}

/// Adds `b`, moved down by `shift` bits, whose last bit `acc` still has; returns the carry.
#[inline]
pub fn add_shifted(acc: &mut [u64], b: &[u64], shift: u64) -> bool {
    combine(acc, b, shift, add_limb)
}

/// Subtracts it; returns the borrow.
#[inline]
pub fn sub_shifted(acc: &mut [u64], b: &[u64], shift: u64) -> bool {
    combine(acc, b, shift, sub_limb)
}

/// Adds to the last limb; returns the carry.
#[inline]
pub fn add_to_last(acc: &mut [u64], mut unit: u64) -> bool {
    for limb in acc.iter_mut().rev() {
        let carry;
        (*limb, carry) = limb.overflowing_add(unit);
        if !carry {
            return false;
        }
        unit = 1;
    }
    true
}

/// Moves it up by less than 64 bits, which must be free.
#[inline]
pub fn shift_up(x: &mut [u64], bits: u32) {
    if bits > 0 {
        let mut right = 0;
        for limb in x.iter_mut().rev() {
            (*limb, right) = (*limb << bits | right, *limb >> (64 - bits));
        }
    }
}

/// The product; `out` has as many limbs as both.
#[inline]
pub fn mul(out: &mut [u64], a: &[u64], b: &[u64]) {
    out[b.len()..].fill(0);
    for (j, &b) in b.iter().enumerate().rev() {
        out[j] = add_multiple(&mut out[j + 1..][..a.len()], a, b);
    }
}

/// Adds `a` times a limb; returns what goes into the limb before.
#[inline]
fn add_multiple(acc: &mut [u64], a: &[u64], b: u64) -> u64 {
    let mut carry = 0;
    for (acc, &a) in acc.iter_mut().rev().zip(a.iter().rev()) {
        let sum = u128::from(a) * u128::from(b) + u128::from(*acc) + u128::from(carry);
        (*acc, carry) = (sum as u64, (sum >> 64) as u64);
    }
    carry
}

/// Subtracts `a` times a limb; returns what is owed by the limb before.
#[inline]
fn sub_multiple(acc: &mut [u64], a: &[u64], b: u64) -> u64 {
    let mut carry = 0;
    for (acc, &a) in acc.iter_mut().rev().zip(a.iter().rev()) {
        let product = u128::from(a) * u128::from(b) + u128::from(carry);
        let (difference, borrow) = acc.overflowing_sub(product as u64);
        (*acc, carry) = (difference, (product >> 64) as u64 + u64::from(borrow));
    }
    carry
}

/// Division of two limbs by one whose top bit is set, by a reciprocal (Möller and Granlund 2011).
#[derive(Clone, Copy)]
pub struct Divisor {
    divisor: u64,
    reciprocal: u64,
}

impl Divisor {
    /// By a limb whose top bit is set.
    pub fn new(divisor: u64) -> Self {
        let rest = u128::from(!divisor) << 64 | u128::from(u64::MAX);
        Self { divisor, reciprocal: (rest / u128::from(divisor)) as u64 }
    }

    /// Quotient and remainder; the upper limb is below the divisor.
    #[inline]
    pub fn divide(self, upper: u64, lower: u64) -> (u64, u64) {
        let guess =
            (u128::from(self.reciprocal) * u128::from(upper)).wrapping_add(u128::from(upper) << 64 | u128::from(lower));
        let mut quotient = ((guess >> 64) as u64).wrapping_add(1);
        let mut rest = lower.wrapping_sub(quotient.wrapping_mul(self.divisor));
        if rest > guess as u64 {
            quotient = quotient.wrapping_sub(1);
            rest = rest.wrapping_add(self.divisor);
        }
        if rest >= self.divisor {
            quotient = quotient.wrapping_add(1);
            rest -= self.divisor;
        }
        (quotient, rest)
    }
}

/// Long division of `u`, which becomes the remainder in its last limbs, by `v`, whose top bit is set: `quotient` has as many limbs as `u`
/// has more than `v`. The front of `u`, of as many limbs as `v`, is below `v`.
pub fn divide(quotient: &mut [u64], u: &mut [u64], v: &[u64]) {
    let divisor = Divisor::new(v[0]);
    for (j, digit) in quotient.iter_mut().enumerate() {
        let u = &mut u[j..=j + v.len()];
        let mut guess = if u[0] >= v[0] { u64::MAX } else { divisor.divide(u[0], u[1]).0 };
        // At most two too large: what is owed says so.
        let owed = sub_multiple(&mut u[1..], v, guess);
        let mut owed = owed.wrapping_sub(u[0]);
        while owed != 0 {
            guess -= 1;
            owed = owed.wrapping_sub(add_shifted(&mut u[1..], v, 0).into());
        }
        u[0] = 0;
        *digit = guess;
    }
}

/// Divides by a limb in place.
pub fn divide_by_limb(x: &mut [u64], divisor: u64) {
    let shift = divisor.leading_zeros();
    let by = Divisor::new(divisor << shift);
    let mut rest = 0_u64;
    for limb in x.iter_mut() {
        // The remainder times 2^shift, and the limb, moved up by as much.
        let (upper, lower) = if shift == 0 { (rest, *limb) } else { (rest | *limb >> (64 - shift), *limb << shift) };
        (*limb, rest) = by.divide(upper, lower);
    }
}
