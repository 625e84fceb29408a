//! Estimates of the divergence between policy and reference.

use crate::Float;
use crate::float;

/// `e^r - 1 - r` with `r = reference - policy`: k3 of Schulman's note. Finite inputs only.
pub fn k3(policy: f32, reference: f32) -> Float {
    let r = float(reference) - float(policy);
    r.clone().exp() - float(1.0) - r
}
