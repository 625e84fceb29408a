//! Numbers for tests of tiers: those on which sums cancel and roundings meet midpoints.

/// A stream of bits.
pub struct Bits(pub u64);

impl Bits {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Numbers that meet at midpoints: few bits, far apart, and now and then any.
    pub fn number(&mut self) -> f32 {
        let short = (self.next() % 64) as f32 - 32.0;
        match self.next() % 8 {
            0 => f32::from_bits(self.next()),
            1 => 0.0,
            2 => short * f32::from_bits((127 - self.next() % 120) << 23),
            3 => 1.0 + short * f32::EPSILON,
            4 => -f32::from_bits(self.next() % 3),
            5 => f32::from_bits(0x7f7f_ffff - self.next() % 2),
            _ => short + f32::from_bits((127 - self.next() % 30) << 23),
        }
    }

    /// Mostly 1.
    pub fn weight(&mut self) -> f32 {
        let weight = if self.next().is_multiple_of(4) { self.number().abs() } else { 1.0 };
        if weight.is_finite() { weight } else { 3.0 }
    }
}
