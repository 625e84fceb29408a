//! `e^y` of one logit, over lanes.
//!
//! `y = scale * v`, with v the logit after what is not a constant factor. In base 2 and sixteenths: `t = v k` with
//! `k = 16 scale / ln 2`, `t = n + f` with n an integer and |f| <= 1/2, `e^y = 2^(n/16) 2^(f/16)`: a table of sixteen,
//! a shift and a quartic. The relative error is below 2^-38 (2^-36 for |y| above 2^20).

use crate::lanes::Lanes;

/// 2^(j/16) times the quartic's leading coefficient, less j << 48 in the bits: the sum with `n << 48` is then
/// `2^(n/16)`, with j the low four bits of n.
const TABLE: [f64; 16] = {
    const POWERS: [u64; 16] = [
        0x3e83b2923315635b,
        0x3e8491d32543ecdd,
        0x3e857af677fbe910,
        0x3e866e6c32c1cffd,
        0x3e876ca952da4899,
        0x3e8876280381a042,
        0x3e898b67d8a06c62,
        0x3e8aacee0c198be7,
        0x3e8bdb45bdcefdfe,
        0x3e8d1700367c5159,
        0x3e8e60b52d86cbf1,
        0x3e8fb90311e4d76a,
        0x3e909047ab1fdd28,
        0x3e914c03603a19cf,
        0x3e92100ede4c163c,
        0x3e92dcc859d6b299,
    ];
    let mut table = [0.0; 16];
    let mut j = 0;
    while j < 16 {
        table[j] = f64::from_bits(POWERS[j] - ((j as u64) << 48));
        j += 1;
    }
    table
};

/// 2^(f/16) for |f| <= 1/2 over its leading coefficient, minimax in relative error: 2^-38.5.
const QUARTIC: [f64; 4] = [6813932.365315265, 295191.1253023284, 6394.090519394093, 92.33699529479304];

/// 16 / ln 2, in two parts.
const SIXTEENTHS: [f64; 2] = [23.083120654223414, 3.2568437985489653e-16];

/// ln(2) / 16.
pub(super) const SIXTEENTH: f64 = 0.04332169878499658;

/// 1.5 * 2^52: adding it rounds to an integer, which stands in the low bits of the sum.
pub(super) const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// |y| from which the reduction takes `k` in two parts.
const WIDE: f64 = 8192.0;

/// |y| from which two different logits differ by more than e^16384: only equal ones count beside each other.
pub(super) const GIANT: f64 = 1_099_511_627_776.0;

/// Bits of a window: see `total`.
pub(super) const WINDOW: i64 = 50;

/// The constants of a scale.
#[derive(Clone, Copy)]
pub(super) struct Base {
    k: f64,
    /// 29 bits, so that its product with an `f32` is exact, and the rest.
    k_high: f64,
    k_low: f64,
    scale: f64,
}

impl Base {
    pub fn new(scale: f64) -> Self {
        let [high, low] = SIXTEENTHS;
        let k = high * scale;
        // What the product lost (Dekker): the halves of both factors multiply exactly.
        let (a, b) = (split(high), split(scale));
        let lost = ((a[0] * b[0] - k) + a[0] * b[1] + a[1] * b[0]) + a[1] * b[1];
        let k_high = f64::from_bits(k.to_bits() & !0xff_ffff);
        Self { k, k_high, k_low: (k - k_high) + (lost + low * scale), scale }
    }

    /// `scale v`.
    pub fn y(&self, v: f64) -> f64 {
        v * self.scale
    }

    /// The window of a value: `2^(50 w - 1) <= e^y < 2^(50 w + 49)`, up to 2^-38. |y| < [`GIANT`].
    pub fn window(&self, v: f64) -> i64 {
        let n = self.reduction::<f64>(v, 0.0, self.is_wide(v)).n.to_bits() as i64 & 0xf_ffff_ffff_ffff;
        // The low 51 bits, the middle of the range standing for 0.
        let sixteenths = n - (1 << 51);
        ((sixteenths >> 4) + 1).div_euclid(WINDOW)
    }

    /// Whether v, or any below it that counts beside it, needs the reduction in two parts.
    pub fn is_wide(&self, v: f64) -> bool {
        self.y(v).abs() >= WIDE - 512.0
    }

    /// `v` of `2^(50 window - 60)`: what lies below adds nothing to a total.
    pub fn floor(&self, window: i64) -> f64 {
        (16 * (WINDOW * window - 60)) as f64 / self.k
    }

    /// `t = n + f`, n less `offset` in the low bits.
    #[inline(always)]
    fn reduction<L: Lanes>(&self, v: L, offset: f64, wide: bool) -> Reduced<L> {
        let magic = L::splat(TO_INTEGER - offset);
        let mut t = v * L::splat(self.k);
        if wide {
            // A function of v alone, for the bits not to depend on what stands beside it.
            let near = v.abs().lt(L::splat(WIDE / self.scale));
            t = L::select(near, t, v * L::splat(self.k_high));
            let low = L::select(near, L::splat(0.0), v * L::splat(self.k_low));
            let n = (t + low) + magic;
            return Reduced { n, f: (t - (n - magic)) + low };
        }
        let n = t + magic;
        Reduced { n, f: t - (n - magic) }
    }

    /// `e^y / 2^(50 window)`. v from the floor on, below the window's end.
    #[inline(always)]
    pub fn term<L: Lanes>(&self, v: L, window: i64, wide: bool) -> L {
        let reduced = self.reduction(v, (16 * WINDOW * window) as f64, wide);
        reduced.value(&TABLE)
    }
}

/// An `f64` in two parts of 26 bits.
fn split(x: f64) -> [f64; 2] {
    let high = f64::from_bits(x.to_bits() & !0x7ff_ffff);
    [high, x - high]
}

/// A logarithm in sixteenths of a doubling.
struct Reduced<L> {
    n: L,
    f: L,
}

impl<L: Lanes> Reduced<L> {
    /// Its exponential, times what the table was multiplied with.
    #[inline(always)]
    fn value(self, table: &[f64; 16]) -> L {
        let [q0, q1, q2, q3] = QUARTIC;
        let f = self.f;
        let q = f + L::splat(q3);
        let q = q * f + L::splat(q2);
        let q = q * f + L::splat(q1);
        let q = q * f + L::splat(q0);
        self.n.look_up(table).bits_add(self.n.bits_shl48()) * q
    }
}

/// `factor * softmax`, given the row's log-sum-exp.
#[derive(Clone, Copy)]
pub(super) struct Softmax {
    /// The table times the factor: the multiplication costs nothing a logit.
    table: [f64; 16],
    k: f64,
    /// v of the largest logit.
    max: f64,
    /// The log-sum-exp beyond it, in sixteenths.
    rest: f64,
}

/// Powers below 2^-800 become 2^-800: times any `f32` that is 0 in `f32`.
const SOFTMAX_FLOOR: f64 = -16.0 * 800.0;

impl Softmax {
    /// `factor` finite; not 0.
    pub fn new(base: &Base, max: f64, rest: f64, factor: f64) -> Self {
        let mut table = TABLE;
        for (j, power) in table.iter_mut().enumerate() {
            let tag = (j as u64) << 48;
            let whole = f64::from_bits(power.to_bits() + tag) * factor;
            *power = f64::from_bits(whole.to_bits().wrapping_sub(tag));
        }
        Self { table, k: base.k, max, rest: rest * SIXTEENTHS[0] }
    }

    /// `(y - log-sum-exp) * 16 / ln 2`, not below the floor.
    #[inline(always)]
    pub fn sixteenths<L: Lanes>(&self, v: L) -> L {
        let t = (v - L::splat(self.max)) * L::splat(self.k) - L::splat(self.rest);
        t.at_least(L::splat(SOFTMAX_FLOOR))
    }

    /// `factor 2^(t/16)`.
    #[inline(always)]
    pub fn value<L: Lanes>(&self, t: L) -> L {
        let n = t + L::splat(TO_INTEGER);
        Reduced { n, f: t - (n - L::splat(TO_INTEGER)) }.value(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_the_definition() {
        let mut powers = TABLE;
        for (j, power) in powers.iter_mut().enumerate() {
            *power = f64::from_bits(power.to_bits() + ((j as u64) << 48));
        }
        crate::definition::compare(
            "logits",
            &[
                ("POWERS", &powers),
                ("QUARTIC", &QUARTIC),
                ("SIXTEENTHS", &SIXTEENTHS),
                ("SIXTEENTH", &[SIXTEENTH]),
                ("WIDE", &[WIDE]),
                ("GIANT", &[GIANT]),
                ("SOFTMAX_FLOOR", &[SOFTMAX_FLOOR]),
                ("LN_2", &[core::f64::consts::LN_2]),
            ],
        );
    }
}
