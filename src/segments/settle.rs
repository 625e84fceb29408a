//! The nearest `f32` to the exact value of a formula: by a bound of the error, or by 384 bits.

use crate::NAN;
use crate::exact::Float384;
use crate::losses::{Real, Tracked};

/// A number of a formula here: one that has a square root, too.
pub trait Number: Real {
    /// The square root of what is at least 0.
    fn root(self) -> Self;
}

impl Number for Tracked {
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Number for Float384 {
    fn root(mut self) -> Self {
        self.sqrt();
        self
    }
}

/// A value of finite inputs as mathematics.
pub trait Formula {
    /// Computes it.
    fn value<R: Number>(&self) -> R;
}

/// Rounded once; no zero is -0.
pub fn nearest(formula: &impl Formula) -> f32 {
    formula.value::<Tracked>().rounded().unwrap_or_else(|| exactly(formula))
}

/// What a bound left open.
#[cold]
#[inline(never)]
pub fn exactly(formula: &impl Formula) -> f32 {
    formula.value::<Float384>().rounded() + 0.0
}

/// What is not finite as a result.
pub fn special(x: f64) -> f32 {
    if x.is_nan() { NAN } else { x as f32 }
}

/// A number of f32.
pub fn single<R: Real>(x: f32) -> R {
    R::from_f64(x.into())
}

/// `base^n`.
pub fn power<R: Real>(base: f64, mut n: usize) -> R {
    let (mut square, mut power) = (R::from_f64(base), R::from_f64(1.0));
    while n > 0 {
        if n & 1 == 1 {
            power = power * square;
        }
        square = square * square;
        n >>= 1;
    }
    power
}
