//! Estimates of the divergence between policy and reference.

use crate::{Float, float};

/// Bits: `e^r - 1` and `r`, a multiple of 2^-149, cancel in at most 150 of them, which leaves a hundred.
const BITS: u32 = 256;

/// `e^r - 1 - r` with `r = reference - policy`: k3 of Schulman's note. Finite inputs only.
pub fn k3(policy: f32, reference: f32) -> Float {
    let r = Float::with_val(BITS, float(reference) - float(policy));
    r.clone().exp_m1() - r
}
