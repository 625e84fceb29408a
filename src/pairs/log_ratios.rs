//! The log-ratios of a pair and their difference, to more bits than `f64` has.

use crate::exact::rough_log_ratio;
use crate::lanes::Lanes;

/// `a - b` rounded, and the error of that: their sum is the exact difference.
#[inline(always)]
fn difference<L: Lanes>(a: L, b: L) -> (L, L) {
    let d = a - b;
    let b_part = a - d;
    let a_part = d + b_part;
    (d, (a - a_part) - (b - b_part))
}

/// The chosen and the rejected log-ratio, and their difference.
pub struct LogRatios<L> {
    pub u: L,
    pub v: L,
    pub h: L,
    /// What is lacking to the exact values, at most; 0 where they are exact.
    pub u_error: L,
    pub v_error: L,
    pub h_error: L,
}

/// `u`, `v` and `h = u - v`, each within 2^-51 of itself, h of the exact sign; NaN where one of them is infinite.
/// Adding 0 last makes every zero of h +0, whichever way it came about.
///
/// The errors of the three differences add up to what the rough h lacks. Can adding them cancel and leave their own
/// rounding? Only if they are as large as the rough h, which then is a few units of the last place of u and v, and
/// its own error 0. The error of u has at most 24 bits, all from its smaller term, and is at most half of such a unit, and
/// so is that of v: either they are close enough for an exact difference, or one dwarfs the other and, at half a unit, cannot
/// cancel a whole one.
#[inline(always)]
pub fn log_ratios<L: Lanes>([pc, pr, rc, rr]: [L; 4]) -> LogRatios<L> {
    let (u, u_error) = difference(pc, rc);
    let (v, v_error) = difference(pr, rr);
    let (rough, rough_error) = difference(u, v);
    let lacking = (u_error - v_error) + rough_error;
    let h = rough + lacking;
    let zero = L::splat(0.0);
    let h_error = L::select(lacking.eq(zero), zero, h.abs() * L::splat(1.0 / (1_u64 << 51) as f64));
    LogRatios { u, v, h: h + zero, u_error: u_error.abs(), v_error: v_error.abs(), h_error }
}

/// The same bits, where every difference is exact.
#[inline(always)]
pub fn exact_log_ratios<L: Lanes>([pc, pr, rc, rr]: [L; 4]) -> LogRatios<L> {
    let (u, v, zero) = (pc - rc, pr - rr, L::splat(0.0));
    LogRatios { u, v, h: (u - v) + zero, u_error: zero, v_error: zero, h_error: zero }
}

/// A number of the exact sign of h; NaN where h is.
pub fn sign_of_h(inputs: &[f32; 4]) -> f64 {
    // NaN for an infinite difference, whose sign the rough one has.
    let h = log_ratios(inputs.map(f64::from)).h;
    if h.is_nan() { rough_log_ratio(inputs) } else { h }
}
