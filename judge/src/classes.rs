//! Inputs from the classes of floats in which numerics go wrong, out of a seed or of a fuzzer's bytes.

use crate::Random;

/// Where the choices come from.
pub trait Source {
    /// The next byte; 0 when there are none left.
    fn byte(&mut self) -> u8;
    /// The next 32 bits.
    fn word(&mut self) -> u32;
    /// Whether there is nothing left to choose by; a seed never ends.
    fn is_spent(&self) -> bool {
        false
    }
}

impl Source for Random {
    fn byte(&mut self) -> u8 {
        self.bits() as u8
    }
    fn word(&mut self) -> u32 {
        self.bits() as u32
    }
}

#[cfg(feature = "arbitrary")]
impl Source for arbitrary::Unstructured<'_> {
    fn byte(&mut self) -> u8 {
        self.arbitrary().unwrap_or(0)
    }
    fn word(&mut self) -> u32 {
        self.arbitrary().unwrap_or(0)
    }
    fn is_spent(&self) -> bool {
        self.is_empty()
    }
}

/// Where formulas bend, saturate or round differently; also with the other sign.
pub const THRESHOLDS: [f32; 40] = [
    core::f32::consts::LN_2,
    core::f32::consts::LN_2 / 2.0,
    // ln(2^24 - 1), ln 2^24 and ln 2^25: where 1 + e^-x is 1 in f32.
    16.635_532,
    17.328_68,
    // ln of the greatest f32; where e^-x becomes subnormal; where it becomes 0.
    88.722_84,
    87.336_54,
    103.278_93,
    103.972_08,
    // The same of f64, and of 2^53.
    36.736_8,
    708.396_4,
    709.782_7,
    745.133_2,
    // Ends of ranges within the kernels and of what they take for infinite.
    50.0,
    100.0,
    120.0,
    150.0,
    302.0,
    320.0,
    350.0,
    512.0,
    7_680.0,
    8_192.0,
    1_099_511_600_000.0,
    2_199_023_300_000.0,
    // Steps of precision.
    5.960_464_5e-8,
    1.192_092_9e-7,
    0.000_244_140_63,
    16_777_216.0,
    9_007_199_300_000_000.0,
    18_014_398_500_000_000.0,
    // Ends of the halves: f16 65504 and 65520, its least normal and subnormal; bf16's greatest.
    65_504.0,
    65_520.0,
    6.103_515_6e-5,
    5.960_464_5e-8,
    3.389_531_4e38,
    // Round numbers that people use.
    0.1,
    0.5,
    10.0,
    1e30,
    f32::MAX,
];

/// Values kept to be repeated, approached and negated.
const RECENT: usize = 8;

/// Makes values.
#[derive(Debug)]
pub struct Values<S> {
    /// Where the choices come from.
    pub source: S,
    recent: [f32; RECENT],
    count: usize,
}

impl<S: Source> Values<S> {
    /// From a source.
    pub fn new(source: S) -> Self {
        Self { source, recent: [0.0; RECENT], count: 0 }
    }

    /// Below `bound`, which is at most 2^16.
    pub fn below(&mut self, bound: usize) -> usize {
        let choice = usize::from(self.source.byte());
        let choice = if bound > 256 { choice << 8 | usize::from(self.source.byte()) } else { choice };
        choice % bound.max(1)
    }

    /// One of some.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// Merges all parts into one, in any order.
    pub fn merge<T: Copy>(&mut self, mut parts: Vec<T>, merge: fn(&mut T, &T)) -> T {
        while parts.len() > 1 {
            let other = self.below(parts.len());
            let other = parts.swap_remove(other);
            let into = self.below(parts.len());
            merge(&mut parts[into], &other);
        }
        parts[0]
    }

    /// Any float: each class of [`Values::finite`], NaN with any payload, and infinities.
    pub fn any(&mut self) -> f32 {
        match self.below(16) {
            14 => f32::from_bits(self.source.word() | 0x7f80_0000),
            15 => self.signed(f32::INFINITY),
            _ => self.finite(),
        }
    }

    /// Any float but NaN and infinities.
    pub fn finite(&mut self) -> f32 {
        let x = match self.below(16) {
            0 => self.signed(0.0),
            1 => f32::from_bits(self.source.word() & 0x807f_ffff),
            2 => {
                let exponent = u32::from(self.source.byte()).clamp(1, 254);
                let power = self.signed(f32::from_bits(exponent << 23));
                self.near(power)
            }
            3 | 4 => {
                let threshold = self.pick(&THRESHOLDS);
                let threshold = self.signed(threshold);
                self.near(threshold)
            }
            5 => {
                let huge = f32::from_bits(0x7000_0000 + self.source.word() % 0x0f80_0000);
                self.signed(huge)
            }
            6 => f32::from_bits(self.source.word() & 0xffff_0000),
            7 => self.f16(),
            8 => f32::from_bits(self.source.word()),
            9 | 10 => self.again(),
            _ => self.logp(),
        };
        let x = if x.is_finite() { x } else { 1.0 };
        self.recent[self.count % RECENT] = x;
        self.count += 1;
        x
    }

    /// A value as models give it: -655.36 to 0 in steps of 2^-16 or finer, or a small one of either sign.
    pub fn logp(&mut self) -> f32 {
        let word = self.source.word();
        let size = (word >> 8) as f32 / (1 << 24) as f32;
        match word & 3 {
            0 => -655.36 * size,
            1 => -20.0 * size,
            2 => 40.0 * size - 20.0,
            _ => -(size * size * size),
        }
    }

    /// Of a recent value: itself, its negative, a neighbour, or it with a little more or less.
    fn again(&mut self) -> f32 {
        let kept = self.count.clamp(1, RECENT);
        let at = self.below(kept);
        let x = self.recent[at];
        match self.below(4) {
            0 => x,
            1 => -x,
            2 => self.near(x),
            _ => x + self.logp() / 64.0,
        }
    }

    /// A few units in the last place around a value.
    fn near(&mut self, x: f32) -> f32 {
        let steps = i32::from(self.source.byte() % 16) - 8;
        let moved = f32::from_bits(x.to_bits().wrapping_add_signed(if steps.abs() > 4 { 0 } else { steps }));
        if moved.is_finite() { moved } else { x }
    }

    fn signed(&mut self, x: f32) -> f32 {
        if self.source.byte() & 1 == 1 { -x } else { x }
    }

    /// Any finite value that f16 has.
    fn f16(&mut self) -> f32 {
        let bits = self.source.word();
        let (sign, exponent, fraction) = (bits & 0x8000, bits >> 10 & 0x1f, (bits & 0x3ff) as f32);
        let magnitude = match exponent {
            0 => fraction * 2.0_f32.powi(-24),
            31 => 65_504.0,
            e => (1024.0 + fraction) * 2.0_f32.powi(e as i32 - 25),
        };
        if sign == 0 { magnitude } else { -magnitude }
    }

    /// Finite and greater than 0: mostly what people train with.
    pub fn beta(&mut self) -> f64 {
        match self.below(8) {
            0 => f64::from_bits(u64::from(self.source.word() & 0x7fef_ffff) << 32 | u64::from(self.source.word()))
                .max(f64::MIN_POSITIVE),
            1 => self.pick(&[f64::MIN_POSITIVE, 1e-310, 1e-40, 1e-3, 1e3, 1e40, 1e300, f64::MAX]),
            2 => f64::from(self.finite().abs()).max(1e-45),
            _ => self.pick(&[0.1, 0.01, 0.5, 1.0, 2.5, 0.3, 0.05, 5.0]),
        }
    }

    /// From 0 to below 1/2.
    pub fn label_smoothing(&mut self) -> f64 {
        match self.below(4) {
            0 => self.pick(&[0.0, 1e-300, 1e-17, 1e-7, 0.25, 0.499, 0.499_999_999_999, 0.5_f64.next_down()]),
            1 => f64::from(self.source.word()) / 4_294_967_296.0 * 0.5,
            _ => self.pick(&[0.0, 0.1, 0.05, 0.2]),
        }
    }

    /// Finite and at least 0.
    pub fn weight(&mut self) -> f32 {
        match self.below(4) {
            0 => 1.0,
            1 => 0.0,
            _ => self.finite().abs(),
        }
    }

    /// Temperature, logit scale and soft cap within their ranges.
    pub fn scaling(&mut self) -> crate::logits::Parameters {
        match self.below(8) {
            0 => (self.pick(&[1e-3, 0.07, 0.5, 0.7, 2.0, 1e3]), 1.0, None),
            1 => (1.0, self.pick(&[0.0625, 0.3, 30.0]), None),
            2 => (1.0, 1.0, Some(self.pick(&[1.5, 30.0, 50.0]))),
            3 => (self.pick(&[0.3, 0.7, 3.0]), self.pick(&[0.5, 1.0, 4.0]), Some(self.pick(&[1.5, 30.0, 50.0]))),
            _ => (1.0, 1.0, None),
        }
    }

    /// A row of logits, at most `longest` of them: of one kind each, for logits of unlike sizes leave one alone.
    /// `masked` allows columns of -inf, never all.
    pub fn logits(&mut self, longest: usize, masked: bool) -> Vec<f32> {
        let n = 1 + self.below(longest);
        let kind = self.below(8);
        let base = self.finite();
        let mut row: Vec<f32> = (0..n)
            .map(|_| match kind {
                0 => self.finite(),
                1 => base,
                2 => self.near(base),
                3 => base + self.logp() / 16.0,
                4 => self.f16(),
                // One stands out, by what is set below.
                5 => -(self.logp().abs() / 8.0),
                _ => self.logp() / 16.0,
            })
            .map(|x| if x.is_finite() { x } else { f32::MAX })
            .collect();
        let top = self.below(n);
        if kind == 5 {
            row[top] += self.pick(&THRESHOLDS[..20]);
        }
        if masked && self.once_in(4) {
            for column in (0..n).filter(|&column| column != top) {
                if self.once_in(3) {
                    row[column] = f32::NEG_INFINITY;
                }
            }
        }
        row
    }
}
