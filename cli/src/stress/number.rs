//! The types of numbers that the code under test works in. All of them are subsets of `f64`.

use half::{bf16, f16};
use hexfloat2::HexFloat64;

/// A type of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// The upper half of single precision.
    Bf16,
    /// Half precision.
    F16,
}

impl Type {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::Bf16, Self::F16];

    /// The name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The type of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The nearest number of the type.
    pub fn round(self, x: f64) -> f64 {
        match self {
            Self::F32 => f64::from(x as f32),
            Self::F64 => x,
            Self::Bf16 => bf16::from_f64(x).to_f64(),
            Self::F16 => f16::from_f64(x).to_f64(),
        }
    }

    /// The nearest finite number of the type: beyond the largest there is the largest. No number becomes 0.
    pub fn finite(self, x: f64) -> f64 {
        if x.is_nan() { 0.0 } else { self.round(x.clamp(-self.largest(), self.largest())) }
    }

    /// Whether the type has this number, and it is finite.
    pub fn holds(self, x: f64) -> bool {
        x.is_finite() && self.round(x) == x
    }

    /// The number `steps` further from 0 (nearer, if negative) in the order of the type.
    pub fn step(self, x: f64, steps: i64) -> f64 {
        let move_bits = |bits: u64, mask: u64| (bits & mask).saturating_add_signed(steps).min(mask) | (bits & !mask);
        match self {
            Self::F32 => f64::from(f32::from_bits(move_bits(u64::from((x as f32).to_bits()), 0x7fff_ffff) as u32)),
            Self::F64 => f64::from_bits(move_bits(x.to_bits(), u64::MAX >> 1)),
            Self::Bf16 => bf16::from_bits(move_bits(u64::from(bf16::from_f64(x).to_bits()), 0x7fff) as u16).to_f64(),
            Self::F16 => f16::from_bits(move_bits(u64::from(f16::from_f64(x).to_bits()), 0x7fff) as u16).to_f64(),
        }
    }

    /// Bits of the significand.
    pub fn digits(self) -> i32 {
        match self {
            Self::F32 => 24,
            Self::F64 => 53,
            Self::Bf16 => 8,
            Self::F16 => 11,
        }
    }

    /// The exponent of the smallest normal number.
    pub fn least_exponent(self) -> i32 {
        match self {
            Self::F32 | Self::Bf16 => -126,
            Self::F64 => -1022,
            Self::F16 => -14,
        }
    }

    /// The largest relative error of a rounding.
    pub fn unit_roundoff(self) -> f64 {
        2_f64.powi(-self.digits())
    }

    /// The largest finite number.
    pub fn largest(self) -> f64 {
        match self {
            Self::F32 => f64::from(f32::MAX),
            Self::F64 => f64::MAX,
            Self::Bf16 => bf16::MAX.to_f64(),
            Self::F16 => f16::MAX.to_f64(),
        }
    }

    /// The smallest normal number.
    pub fn least_normal(self) -> f64 {
        2_f64.powi(self.least_exponent())
    }

    /// The distance of subnormal numbers.
    pub fn quantum(self) -> f64 {
        // 2^-1074 in two steps: powi would divide 1 by an infinity.
        2_f64.powi(self.least_exponent()) * 2_f64.powi(1 - self.digits())
    }

    /// The bits, as the type's own hexadecimal.
    pub fn bits(self, x: f64) -> String {
        match self {
            Self::F32 => format!("0x{:08x}", (x as f32).to_bits()),
            Self::F64 => format!("0x{:016x}", x.to_bits()),
            Self::Bf16 => format!("0x{:04x}", bf16::from_f64(x).to_bits()),
            Self::F16 => format!("0x{:04x}", f16::from_f64(x).to_bits()),
        }
    }

    /// The shortest decimal that the type reads back as the same number.
    pub fn decimal(self, x: f64) -> String {
        if !x.is_finite() {
            return plain(x);
        }
        match self {
            Self::F32 => short(x as f32, format!("{:e}", x as f32)),
            Self::F64 => short(x, format!("{x:e}")),
            // Their own crate prints what f32 would need.
            Self::Bf16 | Self::F16 => (1..17)
                .map(|digits| format!("{x:.digits$e}"))
                .find(|text| text.parse().is_ok_and(|y: f64| self.round(y) == x))
                .map_or_else(|| plain(x), |text| short(text.parse::<f64>().unwrap_or(x), text.clone())),
        }
    }
}

/// Plain digits where they are few, an exponent otherwise.
fn short(x: impl std::fmt::Display, scientific: String) -> String {
    let plain = x.to_string();
    if plain.len() <= scientific.len() + 3 { plain } else { scientific }
}

/// A number for the protocol: the shortest decimal of `f64`; nan, inf or -inf.
pub fn plain(x: f64) -> String {
    if x.is_nan() { "nan".to_owned() } else { format!("{x:?}") }
}

/// C's and Python's hexadecimal floats.
pub fn hex(x: f64) -> String {
    if x.is_finite() { HexFloat64::from(x).to_string() } else { plain(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_limits() {
        for kind in Type::ALL {
            assert_eq!(kind.step(1.0, 1) - 1.0, 2.0 * kind.unit_roundoff(), "{kind:?}");
            assert_eq!(kind.step(-1.0, 1) + 1.0, -2.0 * kind.unit_roundoff(), "{kind:?}");
            assert_eq!(kind.step(0.0, 1), kind.quantum(), "{kind:?}");
            assert_eq!(kind.step(kind.largest(), 1), f64::INFINITY, "{kind:?}");
            assert_eq!(kind.step(kind.quantum(), -5), 0.0, "{kind:?}");
            assert_eq!(kind.round(kind.largest()), kind.largest());
            assert_eq!(kind.finite(f64::NEG_INFINITY), -kind.largest(), "{kind:?}");
            assert!(kind.holds(kind.finite(f64::NAN)) && kind.holds(kind.quantum()), "{kind:?}");
            assert!(!kind.holds(f64::NAN) && !kind.holds(f64::INFINITY), "{kind:?}");
            assert_eq!(Type::of(kind.name()), Some(kind));
        }
    }

    #[test]
    fn texts() {
        assert_eq!(Type::F32.decimal(f64::from(0.1_f32)), "0.1");
        assert_eq!(Type::F32.decimal(f64::from(f32::MAX)), "3.4028235e38");
        assert_eq!(Type::Bf16.decimal(Type::Bf16.round(-0.1)), "-0.1");
        assert_eq!(Type::F16.decimal(65504.0), "65500");
        assert_eq!(Type::F64.decimal(-0.0), "-0");
        assert_eq!(plain(f64::NEG_INFINITY), "-inf");
        assert_eq!(hex(-88.75), "-0x1.63p6");
        assert_eq!(Type::F32.bits(-88.75), "0xc2b18000");
    }
}
