//! The judge: every formula in MPFR arithmetic, written from its textbook definition and independent of the library's
//! generic code.

mod drift;
mod random;

use rug::Float;
use rug::float::{Round, Special};
use rug::ops::{AssignRound, SubFrom};

pub use drift::k3;
pub use random::Random;

/// Bits. Four f32 and their product with an f64 need 332; what cancels beyond leaves hundreds.
pub const PRECISION: u32 = 1000;

/// An exact number.
pub fn float(x: impl Into<f64>) -> Float {
    Float::with_val(PRECISION, x.into())
}

/// `ln(1 + e^x)`.
pub fn softplus(x: &Float) -> Float {
    if x.is_sign_positive() { float(0.0) + x + (-float(0.0) - x).exp().ln_1p() } else { (float(0.0) + x).exp().ln_1p() }
}

/// `1/(1 + e^-x)`.
pub fn sigmoid(x: &Float) -> Float {
    if x.is_sign_positive() {
        float(1.0) / (float(1.0) + (float(0.0) - x).exp())
    } else {
        let e = (float(0.0) + x).exp();
        e.clone() / (float(1.0) + e)
    }
}

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

/// Finite inputs only.
pub fn pair(kind: Kind, beta: f64, [pc, pr, rc, rr]: [f32; 4], weight: f32) -> [Float; 9] {
    let beta = float(beta);
    let u = float(pc) - float(rc);
    let v = float(pr) - float(rr);
    let h = Float::with_val(PRECISION, &u - &v);
    let z = Float::with_val(PRECISION, &beta * &h);
    let minus_z = Float::with_val(PRECISION, -&z);
    // Loss, its derivative by h, its derivative by beta.
    let by_z = |slope: Float| (slope.clone() * &beta, slope * &h);
    let (loss, by_h, by_beta) = match kind {
        Kind::Dpo => {
            let (by_h, by_beta) = by_z(-sigmoid(&minus_z));
            (softplus(&minus_z), by_h, by_beta)
        }
        Kind::Cdpo(eps) => {
            let eps = float(eps);
            let keep = float(1.0) - &eps;
            let loss = keep.clone() * softplus(&minus_z) + eps.clone() * softplus(&z);
            let (by_h, by_beta) = by_z(sigmoid(&z) - keep);
            (loss, by_h, by_beta)
        }
        Kind::Robust(eps) => {
            let eps = float(eps);
            let scale = float(1.0) - float(2.0) * eps.clone();
            let keep = float(1.0) - &eps;
            let loss = (keep.clone() * softplus(&minus_z) - eps.clone() * softplus(&z)) / scale.clone();
            let slope = (-keep * sigmoid(&minus_z) - eps * sigmoid(&z)) / scale;
            let (by_h, by_beta) = by_z(slope);
            (loss, by_h, by_beta)
        }
        Kind::Ipo => {
            // (2 beta h - 1) / (2 beta), in which the numerator is exact.
            let distance = (float(2.0) * z.clone() - float(1.0)) / (float(2.0) * beta.clone());
            let square = Float::with_val(PRECISION, distance.square_ref());
            (square, float(2.0) * distance.clone(), distance / beta.clone().square())
        }
        Kind::Hinge => {
            let rest = float(1.0) - z.clone();
            if rest.is_sign_positive() && !rest.is_zero() {
                let (by_h, by_beta) = by_z(float(-1.0));
                (rest, by_h, by_beta)
            } else {
                (float(0.0), float(0.0), float(0.0))
            }
        }
    };
    let w = float(weight);
    let g = by_h * w.clone();
    let minus_g = Float::with_val(PRECISION, -&g);
    [loss * w.clone(), beta.clone() * u, beta * v, z, g.clone(), minus_g.clone(), minus_g, g, by_beta * w]
}

/// The distance of `got` from the exact value, in units in the last place of `f32` there. 0 if `got` is the
/// infinity that IEEE rounding gives; infinite if only one of the two is finite, or `got` is NaN.
pub fn ulps(got: f32, exact: &Float) -> f64 {
    let rounded = exact.to_f32_round(Round::Nearest);
    if got.is_nan() || exact.is_nan() {
        return f64::INFINITY;
    }
    if got.is_infinite() || rounded.is_infinite() {
        return if got == rounded { 0.0 } else { f64::INFINITY };
    }
    // exact = m 2^e with m in [1/2, 1): a ULP is 2^(e - 24), not below 2^-149.
    let e = exact.get_exp().unwrap_or(-200).max(-125);
    let mut error = Float::new(PRECISION);
    error.assign_round(exact, Round::Nearest);
    error.sub_from(f64::from(got));
    error >>= e - 24;
    error.to_f64().abs()
}

/// NaN for functions outside of their domain.
pub fn nan() -> Float {
    Float::with_val(PRECISION, Special::Nan)
}
