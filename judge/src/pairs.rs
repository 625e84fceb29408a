//! Losses, rewards and gradients of a pair.

use crate::Float;
use crate::textbook::{Inputs, Textbook};

/// One pair's exact results, in the order of the library's outputs.
pub const RESULTS: [&str; 9] = [
    "loss",
    "chosen_reward",
    "rejected_reward",
    "margin",
    "grad_chosen_logps",
    "grad_rejected_logps",
    "grad_ref_chosen_logps",
    "grad_ref_rejected_logps",
    "grad_beta",
];

/// The bits of a sum of some numbers, exactly.
fn span(values: &[f64]) -> u32 {
    let (mut top, mut bottom) = (i64::MIN, i64::MAX);
    for x in values.iter().filter(|x| **x != 0.0) {
        let field = (x.to_bits() >> 52 & 0x7ff) as i64;
        let fraction = x.to_bits() & ((1 << 52) - 1);
        let (exponent, significand) = if field == 0 { (-1074, fraction) } else { (field - 1075, fraction | 1 << 52) };
        top = top.max(exponent + 64 - i64::from(significand.leading_zeros()));
        bottom = bottom.min(exponent + i64::from(significand.trailing_zeros()));
    }
    // Each of three additions may carry.
    (top.saturating_sub(bottom).max(0) + 3) as u32
}

/// The chosen and the rejected answer's log-ratio, exact, as is their difference in the same precision: of policy
/// chosen, policy rejected, reference chosen, reference rejected. Finite inputs only.
pub fn log_ratios<T: Into<f64> + Copy>(logps: [T; 4]) -> [Float; 2] {
    let logps = logps.map(Into::into);
    let precision = span(&logps).max(2);
    let [pc, pr, rc, rr] = logps.map(|x| Float::with_val(precision, x));
    [pc - rc, pr - rr]
}

/// Finite inputs only: policy chosen, policy rejected, reference chosen, reference rejected.
pub fn pair<T: Into<f64> + Copy>(textbook: &Textbook, logps: [T; 4], weight: T) -> [Float; 9] {
    pair_of_log_ratios(textbook, &log_ratios(logps), weight.into())
}

/// A pair by its [`log_ratios`].
pub fn pair_of_log_ratios(textbook: &Textbook, log_ratios: &[Float; 2], weight: f64) -> [Float; 9] {
    let exact = textbook.exact(&Inputs::new(log_ratios.clone()));
    let [u, v] = log_ratios;
    // Exact: the precision is that of the span and of a factor.
    let beta = Float::with_val(u.prec().max(v.prec()) + 54, textbook.beta());
    let margin = beta.clone() * Float::with_val(u.prec().max(v.prec()), u - v);
    let [by_u, by_v] = [0, 1].map(|k| exact.by_log_ratios[k].clone() * weight);
    let [minus_u, minus_v] = [&by_u, &by_v].map(|by| -by.clone());
    let rewards = [u, v].map(|ratio| beta.clone() * ratio);
    let [chosen, rejected] = rewards;
    [exact.loss * weight, chosen, rejected, margin, by_u, by_v, minus_u, minus_v, exact.by_beta * weight]
}
