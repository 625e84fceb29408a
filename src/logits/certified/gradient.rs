//! The gradient of logits in bf16 and f16, certified: lanes of `f32`, an interval around each value, and the number that both of its ends round to.
//!
//! **The bound.** With no soft cap a value is `F 2^(t/8)`, `t = x k - c`, where `k = 8 scale / ln 2` and c is what the largest logit and the log-sum-exp
//! come to. In `f64`, once a row, c is parted into an integer and a fraction, which goes into F; k is parted into two `f32`. Then `x k` less its
//! nearest integer is exact but for two roundings of a fraction, 2^-26 each; with its cubic 2^-25.6; the table's rounding 2^-24, Horner's last step 2^-24,
//! the product with the table 2^-24. In `f32` lanes these come to 2^-22.3 of the value; the definition's own distance from the exact value, 2^-36, and
//! the roundings of the ends, 2^-23.4 of it, are small beside that. The ends lie [`WINDOW`] of the value away from it, 2^-20.5: more than three times
//! as far.

use super::Range;
use crate::elementary::lanes::{exp, log};
use crate::lanes::Singles;
use crate::logits::Element;
use crate::logits::log_sum_exp::LogSumExp;
use crate::logits::terms::{SIXTEENTH, TO_INTEGER};

/// How far the ends of the interval are from the value, as a share of it: 2^-20.5.
const WINDOW: f32 = 6.7435e-7;

/// 1.5 * 2^23: adding it rounds an `f32` to an integer, which stands in the low bits of the sum.
const TO_INTEGER_F32: f64 = 12_582_912.0;

/// 2^(f/8) over its leading coefficient for |f| <= 1/2, minimax in relative error: 2^-25.6 with coefficients in `f32`.
const CUBIC: [f32; 3] = [0.086_643_405, 0.003_754_126, 0.000_108_396_29];

/// 2^(j/8) times the leading coefficient.
const EIGHTHS: [f64; 8] = [
    0.9999999816672672,
    1.0905077126732707,
    1.1892070932013048,
    1.2968395308763967,
    1.414213536446696,
    1.5422107971350019,
    1.6817927996755704,
    1.8340080527869622,
];

/// Powers of two within which a value is computed here.
const LARGEST: f64 = 100.0;

/// What `x k` and c are below.
const LIMIT: f64 = 16_384.0;

/// An eighth of ln 2.
const EIGHTH: f64 = 2.0 * SIXTEENTH;

/// Numbers that are rounded together, and again by the definition if one of them is in doubt.
pub const BLOCK: usize = 16;

/// How a chunk is computed.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    Ordinary,
    /// Some logits are far below the largest.
    Low,
    Definition,
}

/// The constants of a row.
#[derive(Clone, Copy)]
pub struct Gradient {
    /// k, its parts.
    k: [f32; 2],
    /// What rounds `x k` less the integer of c to an integer.
    magic: f32,
    /// 2^(j/8) times all constant factors, less j << 20 in the bits; twice.
    table: [f32; 16],
    /// A value of a smaller logit rounds to 0.
    zero: f32,
    /// Between this and the largest a value is computed here.
    least: f32,
    most: f32,
}

impl Gradient {
    /// For values `factor * softmax` that become `G`; None if it is not for this kernel.
    pub fn new<G: Element>(scale: f64, sum: &LogSumExp, factor: f64) -> Option<Self> {
        let k = scale / EIGHTH;
        let c = f64::from(sum.max) * k + sum.rest / EIGHTH;
        let whole = (c + TO_INTEGER) - TO_INTEGER;
        let size = factor.abs();
        if !(c.abs() < LIMIT && size > 1e-18 && size < 1e18) {
            return None;
        }
        let factor = factor * exp::<f64>((whole - c) * EIGHTH);
        let mut table = [0.0; 16];
        for (i, entry) in table.iter_mut().enumerate() {
            let eighths = i & 7;
            let value = (EIGHTHS.get(eighths).copied().unwrap_or_default() * factor) as f32;
            *entry = f32::from_bits(value.to_bits().wrapping_sub((eighths as u32) << 20));
        }
        // The logit whose value has the size 2^power.
        let of_factor = log::<f64>(factor.abs());
        let logit = |power: f64| ((whole * EIGHTH + power * core::f64::consts::LN_2 - of_factor) / scale) as f32;
        let (least, most) = (logit(-LARGEST), logit(LARGEST));
        // Two powers more than rounding could take.
        let zero = if G::VANISHES < -LARGEST { logit(G::VANISHES - 2.0) } else { least };
        let tame = f64::from(least).abs() * k < LIMIT && f64::from(most).abs() * k < LIMIT;
        let high = k as f32;
        let k = [high, (k - f64::from(high)) as f32];
        tame.then_some(Self { k, magic: (TO_INTEGER_F32 - whole) as f32, table, zero, least, most })
    }

    /// Which of its kernels takes a chunk of logits.
    #[inline(always)]
    pub fn way<S: Singles>(&self, x: &[f32]) -> Way {
        match Range::of::<S>(x) {
            Some(range) if range.max > self.most => Way::Definition,
            Some(range) if range.min < self.least => Way::Low,
            Some(_) => Way::Ordinary,
            None => Way::Definition,
        }
    }

    /// The gradient of as many logits as [`BLOCK`]; false if one of them is in doubt. `LOW`: with logits below the least.
    #[inline(always)]
    pub fn block<S: Singles, G: Element, const LOW: bool>(&self, x: &[f32], out: &mut [G]) -> bool {
        let (low, high) = (S::splat(1.0 - WINDOW), S::splat(1.0 + WINDOW));
        let mut certain = true;
        let mut at = 0;
        while at < BLOCK {
            let value = self.value::<S, LOW>(S::load(x, at));
            certain &= G::between(value * low, value * high, out, at);
            at += S::N;
        }
        certain
    }

    /// `LOW`: some may be below the least.
    #[inline(always)]
    fn value<S: Singles, const LOW: bool>(&self, given: S) -> S {
        let x = if LOW { given.larger(S::splat(self.least)) } else { given };
        let (high, low, magic) = (S::splat(self.k[0]), S::splat(self.k[1]), S::splat(self.magic));
        let n = x.mul_add(high, magic);
        let f = x.mul_add(low, x.mul_add(high, magic - n));
        let [c1, c2, c3] = CUBIC;
        let q = f.mul_add(S::splat(c3), S::splat(c2));
        let q = q.mul_add(f, S::splat(c1));
        let q = q.mul_add(f, S::splat(1.0));
        let value = n.look_up(&self.table).bits_add(n.bits_shl20()) * q;
        if !LOW {
            return value;
        }
        // Between the two thresholds nothing is known.
        let value = S::select(given.lt(S::splat(self.least)), S::splat(UNKNOWN), value);
        S::select(given.lt(S::splat(self.zero)), S::splat(0.0), value)
    }
}

/// Half way between two numbers of bf16, for its interval to have both.
const UNKNOWN: f32 = 1.0 + 1.0 / 256.0;

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::lanes::{Backend, Kernel, Lanes, Level, dispatch_certified};
    use crate::logits::terms::{Base, Softmax};
    use half::bf16;
    use std::vec::Vec;

    struct Values<'a> {
        gradient: &'a Gradient,
        x: &'a [f32],
    }

    impl Kernel for Values<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<f32> {
            let mut values = std::vec![0.0; self.x.len()];
            let mut at = 0;
            while at < self.x.len() {
                self.gradient.value::<L::Singles, true>(L::Singles::load(self.x, at)).store(&mut values, at);
                at += L::Singles::N;
            }
            values
        }
    }

    #[test]
    fn values_are_within_a_third_of_the_window() {
        let mut bits = 3_u64;
        let mut unit = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (bits >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut largest = 0.0_f64;
        let mut compared = 0;
        for level in Level::ALL {
            let Ok(backend) = Backend::new(level) else { continue };
            for i in 0..300 {
                let scale = [1.0, 1.0 / 0.7, 0.3, 4.0][i % 4];
                let max = (100.0 * (unit() - 0.5)) as f32;
                let sum = LogSumExp { rest: 12.0 * unit(), max, reserved: 0 };
                let factor = [1.0, -0.003, 7e5, -1e-9][i / 4 % 4];
                let gradient = Gradient::new::<bf16>(scale, &sum, factor).expect("ordinary constants");
                // Evenly, and of few bits, as bf16 has them.
                let x: Vec<f32> = (0..1024)
                    .map(|j| max - (60.0 * unit() / scale) as f32 * [1.0, 0.01][j % 2])
                    .map(|x| if i % 2 == 0 { x } else { bf16::from_f32(x).to_f32().min(max) })
                    .collect();
                let Ok(values) = dispatch_certified(backend, Values { gradient: &gradient, x: &x }) else { continue };
                let softmax = Softmax::new(&Base::new(scale), max.into(), sum.rest, factor);
                for (x, value) in x.iter().zip(values) {
                    if *x > gradient.least {
                        let defined = softmax.value::<f64>(softmax.sixteenths(f64::from(*x)));
                        largest = largest.max((f64::from(value) / defined - 1.0).abs());
                        compared += 1;
                    }
                }
            }
        }
        if compared == 0 {
            std::println!("no level of this machine has fused operations: nothing is certified here");
            return;
        }
        // Neither beyond the bound of the head of this file nor far below it.
        assert!(largest < f64::from(WINDOW) / 3.0 && largest > f64::from(WINDOW) / 12.0, "{largest:e}");
    }
}
