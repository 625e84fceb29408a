//! Every operation by MPFR as well, and the same bits demanded.

use std::fmt::Debug;

use rug::Float as Twin;

use super::number::{Class, Number};
use super::{Binary, Float, Unary};

/// An operation as MPFR does it.
pub fn unary(operation: Unary, x: &Twin, precision: u32) -> Twin {
    match operation {
        Unary::Round => Twin::with_val(precision, x),
        Unary::Neg => Twin::with_val(precision, -x),
        Unary::Abs => Twin::with_val(precision, x.abs_ref()),
        Unary::Square => Twin::with_val(precision, x.square_ref()),
        Unary::Recip => Twin::with_val(precision, x.recip_ref()),
        Unary::Sqrt => Twin::with_val(precision, x.sqrt_ref()),
        Unary::Exp => Twin::with_val(precision, x.exp_ref()),
        Unary::ExpM1 => Twin::with_val(precision, x.exp_m1_ref()),
        Unary::Ln => Twin::with_val(precision, x.ln_ref()),
        Unary::Ln1p => Twin::with_val(precision, x.ln_1p_ref()),
        Unary::Tanh => Twin::with_val(precision, x.tanh_ref()),
        Unary::Cosh => Twin::with_val(precision, x.cosh_ref()),
    }
}

/// An operation as MPFR does it.
pub fn binary(operation: Binary, a: &Twin, b: &Twin, precision: u32) -> Twin {
    match operation {
        Binary::Add => Twin::with_val(precision, a + b),
        Binary::Sub => Twin::with_val(precision, a - b),
        Binary::Mul => Twin::with_val(precision, a * b),
        Binary::Div => Twin::with_val(precision, a / b),
    }
}

/// Times a power of two, whose exponent or that of its reciprocal is an `i32`.
pub fn scaled(x: &Twin, by: i64) -> Twin {
    i32::try_from(by).map_or_else(|_| x.clone() >> i32::MIN, |by| x.clone() << by)
}

/// The twin in this crate's form.
fn number(twin: &Twin) -> Number {
    let negative = twin.is_sign_negative();
    match (twin.get_exp(), twin.get_significand()) {
        (Some(exponent), Some(significand)) => {
            let limbs = significand.as_limbs().iter().rev().copied();
            let mut number =
                Number { class: Class::Finite, negative, exponent: exponent.into(), limbs: limbs.collect() };
            while number.limbs.last() == Some(&0) {
                number.limbs.pop();
            }
            number
        }
        _ if twin.is_nan() => Number::nan(),
        _ if twin.is_infinite() => Number::infinite(negative),
        _ => Number::zero(negative),
    }
}

/// # Panics
/// If a number is not its twin.
pub fn agree(x: &Float, operation: &dyn Debug, operands: &[&Float]) {
    let twin = number(&x.twin);
    if x.precision == x.twin.prec() && x.number == twin {
        return;
    }
    let operands: Vec<String> = operands.iter().map(|x| format!("{x:x} of {} bits", x.precision)).collect();
    panic!(
        "{operation:?} of {} in {} bits: {:x}, where MPFR has {:x} in {} bits",
        operands.join(" and "),
        x.precision,
        x.number,
        twin,
        x.twin.prec()
    );
}

/// # Panics
/// If two results without a precision are not the same.
pub fn same<T: PartialEq + Debug>(what: &str, x: &Float, ours: T, theirs: T) {
    assert!(ours == theirs, "{what} of {x:x} in {} bits: {ours:x?}, where MPFR has {theirs:x?}", x.precision);
}
