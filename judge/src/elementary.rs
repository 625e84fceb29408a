//! The elementary functions of one `f32`: the nearest `f32` to the exact value.
//!
//! libm's `f64` functions, whose errors are below 2^-50, decide where every value within 2^-44 of theirs rounds to the
//! same `f32`; arithmetic of many bits decides the others.

use crate::Float;

use crate::{float, nan};

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Its name in the library.
    pub name: &'static str,
    quick: fn(f64) -> f64,
    exact: fn(Float) -> Float,
}

fn quick_softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// All of them.
pub const FUNCTIONS: [Function; 8] = [
    Function {
        name: "sigmoid",
        quick: |x| {
            let e = libm::exp(-x.abs());
            if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
        },
        exact: |x| crate::sigmoid(&x),
    },
    Function { name: "log_sigmoid", quick: |x| -quick_softplus(-x), exact: |x| -crate::softplus(&-x) },
    Function { name: "softplus", quick: quick_softplus, exact: |x| crate::softplus(&x) },
    Function { name: "exp", quick: libm::exp, exact: Float::exp },
    Function { name: "log", quick: libm::log, exact: Float::ln },
    Function { name: "log1p", quick: libm::log1p, exact: Float::ln_1p },
    Function { name: "expm1", quick: libm::expm1, exact: Float::exp_m1 },
    Function {
        name: "log1mexp",
        quick: |x| {
            if x > 0.0 {
                f64::NAN
            } else if x > -core::f64::consts::LN_2 {
                libm::log(-libm::expm1(x))
            } else {
                libm::log1p(-libm::exp(x))
            }
        },
        exact: |x| {
            if x > 0 { nan() } else { (-x.exp_m1()).ln() }
        },
    },
];

impl Function {
    /// The one of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|f| f.name == name)
    }

    /// The exact value at a finite x, NaN outside of the domain.
    pub fn exact(&self, x: f32) -> Float {
        (self.exact)(float(x))
    }

    /// The f32 nearest to the exact value, and whether it took many bits.
    pub fn nearest(&self, x: f32) -> (f32, bool) {
        let y = (self.quick)(x.into());
        if y.is_nan() || y.is_infinite() || y == 0.0 {
            return (y as f32, false);
        }
        let margin = y.abs() * (1.0 / (1_u64 << 44) as f64);
        let (low, high) = ((y - margin) as f32, (y + margin) as f32);
        if low == high { (low, false) } else { (self.exact(x).to_f32(), true) }
    }
}

/// Whether a result is the wanted one: NaN only as the canonical one; zeros of either sign.
pub fn same(got: f32, want: f32) -> bool {
    if want.is_nan() { got.to_bits() == 0x7fc0_0000 } else { got == want }
}
