//! Numbers as text: decimal for people, hexadecimal for what must not lose a bit.

use std::fmt;

use super::Float;
use super::arithmetic::{product, quotient};
use super::limbs::add_shifted;
use super::number::{Class, Number};

/// Digits where none are asked for.
const DIGITS: usize = 20;

/// `10^n`, rounded.
fn power_of_ten(mut n: u64, bits: u32) -> Number {
    let (mut result, mut base) = (Number::one(), Number::integer(false, 10, 0));
    while n > 0 {
        if n & 1 == 1 {
            result = product(&result, &base, bits).0;
        }
        base = product(&base, &base, bits).0;
        n >>= 1;
    }
    result
}

/// The integer nearest to a number above 0, in decimal.
fn integer(x: &Number) -> String {
    let Ok(bits) = u32::try_from(x.exponent) else { return "0".into() };
    if bits == 0 {
        return "0".into();
    }
    let whole = x.rounded(bits).0;
    // The limbs of the integer, then parts of 19 digits.
    let length = whole.exponent as usize / 64 + 1;
    let mut limbs = vec![0; length + 1];
    add_shifted(&mut limbs, &whole.limbs, 64 * length as u64 - whole.exponent as u64);
    limbs.truncate(length);
    let mut parts = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0_u128;
        for limb in &mut limbs {
            let value = rest << 64 | u128::from(*limb);
            *limb = (value / 10_u128.pow(19)) as u64;
            rest = value % 10_u128.pow(19);
        }
        parts.push(rest);
    }
    let mut text = parts.pop().unwrap_or(0).to_string();
    for part in parts.iter().rev() {
        text += &format!("{part:019}");
    }
    text
}

/// So many digits of a finite number other than 0, and the exponent of ten of the first. The last digit is nearest but where a tie is
/// nearer than 64 bits tell.
fn decimal(x: &Number, digits: usize) -> (String, i64) {
    let bits = 4 * digits as u32 + 128;
    // Not too large: one digit too many is cut, one too few might be 0.
    let mut exponent = ((x.exponent - 1) as f64 * std::f64::consts::LOG10_2).floor() as i64;
    loop {
        let places = digits as i64 - 1 - exponent;
        let power = power_of_ten(places.unsigned_abs(), bits);
        let magnitude = x.clone().abs();
        let scaled = if places < 0 { quotient(&magnitude, &power, bits) } else { product(&magnitude, &power, bits) };
        let text = integer(&scaled.0);
        match text.len() {
            n if n == digits => return (text, exponent),
            n if n < digits => exponent -= 1,
            _ => exponent += 1,
        }
    }
}

impl Float {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(DIGITS).max(1);
        let text = match self.number.class {
            Class::Nan => "NaN".into(),
            Class::Infinite => "inf".into(),
            Class::Zero => "0".into(),
            Class::Finite => {
                let (text, exponent) = decimal(&self.number, digits);
                let (first, rest) = text.split_at(1);
                let point = if rest.is_empty() { "" } else { "." };
                format!("{first}{point}{rest}e{exponent}")
            }
        };
        let sign = if self.number.negative { "-" } else { "" };
        write!(f, "{sign}{text}")
    }
}

/// Decimal, with as many significant digits as the format's precision says.
impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// In scientific notation, as Display writes it.
impl fmt::LowerExp for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// An odd integer times a power of two: `-0x1bp-3`.
impl fmt::LowerHex for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        match self.class {
            Class::Nan => write!(f, "nan"),
            Class::Infinite => write!(f, "{sign}inf"),
            Class::Zero => write!(f, "{sign}0x0p0"),
            Class::Finite => {
                // The odd integer, moved down until it ends with a digit.
                let zeros_behind = self.limbs.last().map_or(0, |limb| limb.trailing_zeros());
                let bits = 64 * self.limbs.len() - zeros_behind as usize;
                let mut limbs = vec![0; self.limbs.len() + 1];
                add_shifted(&mut limbs, &self.limbs, (bits.next_multiple_of(4) - bits) as u64);
                let mut digits: String = limbs.iter().map(|limb| format!("{limb:016x}")).collect();
                digits.truncate(bits.div_ceil(4));
                write!(f, "{sign}0x{digits}p{}", self.exponent - bits as i64)
            }
        }
    }
}

/// The exact value: an odd integer in hexadecimal digits times a power of two, as in `-0x1bp-3`.
impl fmt::LowerHex for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.number, f)
    }
}
