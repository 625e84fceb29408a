//! Losses, rewards and gradients of a pair.

use crate::Float;

use crate::Logistic;

/// A pair loss; in brackets its label smoothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// DPO.
    Dpo,
    /// Conservative DPO.
    Cdpo(f64),
    /// Robust DPO.
    Robust(f64),
    /// IPO.
    Ipo,
    /// Hinge (SLiC).
    Hinge,
}

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

/// Bits at first: beyond those of the exact differences enough for what four `f32` can make cancel, some 96.
const LEAST: u32 = 320;

/// Bits that must be left of what cancelled.
const LEFT: i64 = 100;

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
pub fn pair<T: Into<f64> + Copy>(kind: Kind, beta: f64, logps: [T; 4], weight: T) -> [Float; 9] {
    pair_of_log_ratios(kind, beta, &log_ratios(logps), weight.into())
}

/// A pair by its [`log_ratios`].
pub fn pair_of_log_ratios(kind: Kind, beta: f64, log_ratios: &[Float; 2], weight: f64) -> [Float; 9] {
    let [u, v] = log_ratios;
    let mut precision = (u.prec().max(v.prec()) + 54).max(LEAST);
    loop {
        let (results, lost) = pair_in(precision, kind, beta, log_ratios, weight);
        if lost <= i64::from(precision) - LEFT || precision > 1 << 13 {
            return results;
        }
        precision *= 2;
    }
}

/// The sum of two numbers that may cancel, and how many bits were lost.
fn sum(a: Float, b: Float, lost: &mut i64) -> Float {
    let before = a.get_exp().max(b.get_exp());
    let sum = a + b;
    if let (Some(before), Some(after)) = (before, sum.get_exp()) {
        *lost = (*lost).max(i64::from(before) - i64::from(after));
    }
    sum
}

fn pair_in(precision: u32, kind: Kind, beta: f64, [u, v]: &[Float; 2], weight: f64) -> ([Float; 9], i64) {
    let float = |x: f64| Float::with_val(precision, x);
    // Exact: the precision is that of the span and of a factor.
    let beta = float(beta);
    let h = float(0.0) + u - v;
    let z = beta.clone() * &h;
    let mut lost = 0;
    // Loss, its derivative by h, its derivative by beta.
    let by_z = |slope: Float| (slope.clone() * &beta, slope * &h);
    let (loss, by_h, by_beta) = match kind {
        Kind::Dpo => {
            let Logistic { minus, complement, .. } = Logistic::of(&z);
            let (by_h, by_beta) = by_z(-complement);
            (minus, by_h, by_beta)
        }
        Kind::Cdpo(eps) => {
            let Logistic { plus, minus, sigmoid, complement } = Logistic::of(&z);
            let keep = float(1.0) - eps;
            let loss = keep.clone() * minus + plus * eps;
            let (by_h, by_beta) = by_z(sum(sigmoid * eps, -keep * complement, &mut lost));
            (loss, by_h, by_beta)
        }
        Kind::Robust(eps) => {
            let Logistic { plus, minus, sigmoid, complement } = Logistic::of(&z);
            let keep = float(1.0) - eps;
            let scale = float(1.0) - 2.0 * eps;
            let loss = sum(keep.clone() * minus, -(plus * eps), &mut lost) / &scale;
            let slope = (-keep * complement - sigmoid * eps) / scale;
            let (by_h, by_beta) = by_z(slope);
            (loss, by_h, by_beta)
        }
        Kind::Ipo => {
            // (2 beta h - 1) / (2 beta), in which the numerator is exact.
            let distance = (z.clone() * 2_u32 - 1_u32) / (beta.clone() * 2_u32);
            let by_beta = distance.clone() / beta.clone().square();
            (distance.clone().square(), distance * 2_u32, by_beta)
        }
        Kind::Hinge => {
            let rest = float(1.0) - &z;
            if rest > 0 {
                let (by_h, by_beta) = by_z(float(-1.0));
                (rest, by_h, by_beta)
            } else {
                (float(0.0), float(0.0), float(0.0))
            }
        }
    };
    let g = by_h * weight;
    let minus_g = -g.clone();
    let rewards = [beta.clone() * u, beta * v];
    let [chosen, rejected] = rewards;
    ([loss * weight, chosen, rejected, z, g.clone(), minus_g.clone(), minus_g, g, by_beta * weight], lost)
}
