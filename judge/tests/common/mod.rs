//! Operations by name and numbers as text, for the file of worked values.

use preflane_judge::{Float, Special};

/// Functions of one number.
pub const UNARY: [&str; 10] = ["abs", "square", "recip", "sqrt", "exp", "exp_m1", "ln", "ln_1p", "tanh", "cosh"];

/// Operators between two.
pub const BINARY: [&str; 4] = ["add", "sub", "mul", "div"];

/// An operation in a precision, rounded once.
pub fn apply(name: &str, precision: u32, operands: &[Float]) -> Float {
    match (name, operands) {
        ("abs", [x]) => Float::with_val(precision, x.abs_ref()),
        ("square", [x]) => Float::with_val(precision, x.square_ref()),
        ("recip", [x]) => Float::with_val(precision, x.recip_ref()),
        ("sqrt", [x]) => Float::with_val(precision, x.sqrt_ref()),
        ("exp", [x]) => Float::with_val(precision, x.exp_ref()),
        ("exp_m1", [x]) => Float::with_val(precision, x.exp_m1_ref()),
        ("ln", [x]) => Float::with_val(precision, x.ln_ref()),
        ("ln_1p", [x]) => Float::with_val(precision, x.ln_1p_ref()),
        ("tanh", [x]) => Float::with_val(precision, x.tanh_ref()),
        ("cosh", [x]) => Float::with_val(precision, x.cosh_ref()),
        ("add", [a, b]) => Float::with_val(precision, a + b),
        ("sub", [a, b]) => Float::with_val(precision, a - b),
        ("mul", [a, b]) => Float::with_val(precision, a * b),
        ("div", [a, b]) => Float::with_val(precision, a / b),
        ("round", [x]) => Float::with_val(precision, x),
        ("to_f64", [x]) => Float::with_val(precision, x.to_f64()),
        ("to_f32", [x]) => Float::with_val(precision, x.to_f32()),
        _ => panic!("{name} of {} numbers", operands.len()),
    }
}

/// A number as `{:x}` writes it, exactly.
#[allow(dead_code, reason = "only read where the file is")]
pub fn number(text: &str) -> Float {
    let (negative, magnitude) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let special = match (magnitude, negative) {
        ("nan", _) => Some(Special::Nan),
        ("inf", false) => Some(Special::Infinity),
        ("inf", true) => Some(Special::NegInfinity),
        ("0x0p0", false) => Some(Special::Zero),
        ("0x0p0", true) => Some(Special::NegZero),
        _ => None,
    };
    if let Some(special) = special {
        return Float::with_val(1, special);
    }
    let (digits, exponent) = magnitude.strip_prefix("0x").and_then(|rest| rest.split_once('p')).expect("0x...p...");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let precision = 4 * digits.len() as u32;
    // From the top, where each part's place is one of the fraction's: an integer of all digits might leave the range.
    let mut sum = Float::new(precision);
    for (i, digit) in digits.chars().enumerate() {
        let digit = Float::with_val(precision, digit.to_digit(16).expect("a digit"));
        sum += digit >> (4 * (i as i32 + 1));
    }
    let sum = sum << (exponent + precision as i32);
    if negative { -sum } else { sum }
}
