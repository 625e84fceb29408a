//! The nearest `f32` to the exact value of a formula: by a bound of the error, of one `f64` or a double-double number, or by 384 bits.

use crate::NAN;
use crate::exact::{Double, Float384};
use crate::lanes::HAS_WIDE;
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

impl Number for Tracked<Double> {
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
    formula.value::<Tracked>().rounded().unwrap_or_else(|| settle(formula))
}

/// What a bound of the error of `f64` left open.
#[cold]
#[inline(never)]
pub fn settle(formula: &impl Formula) -> f32 {
    let doubles = if HAS_WIDE { formula.value::<Tracked<Double>>().rounded() } else { None };
    doubles.unwrap_or_else(|| exactly(formula))
}

/// In 384 bits.
fn exactly(formula: &impl Formula) -> f32 {
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

#[cfg(test)]
mod tests {
    use super::super::score::Segments;
    use super::*;
    use crate::numbers::Bits;

    /// What the bounds decide is what 384 bits give.
    fn agree(formula: &impl Formula, decided: &mut [u32; 2]) {
        let exact = exactly(formula);
        let tiers = [formula.value::<Tracked>().rounded(), formula.value::<Tracked<Double>>().rounded()];
        for (bounded, decided) in tiers.into_iter().zip(decided) {
            if let Some(bounded) = bounded {
                *decided += 1;
                assert_eq!(bounded.to_bits(), exact.to_bits(), "{bounded:e}, not {exact:e}");
            }
        }
    }

    /// A root of a sum of squares.
    struct Length([f32; 3]);

    impl Formula for Length {
        fn value<R: Number>(&self) -> R {
            let square = self.0.iter().fold(R::from_f64(0.0), |sum, &x| sum + single::<R>(x) * single(x));
            square.root()
        }
    }

    #[test]
    fn tiers_agree() {
        let mut bits = Bits(2);
        let (mut sums, mut roots, mut left) = ([0; 2], [0; 2], 0);
        for round in 0..3_000 {
            let values: [f32; 9] = core::array::from_fn(|_| bits.number());
            if !values.iter().all(|x| x.is_finite()) {
                continue;
            }
            left += 1;
            let discount = [0.5, 0.75, 0.99, 0.0, 1e-30][round % 5];
            let segments = Segments { discount, ..Segments::new(&values, &[0, 9]) };
            agree(&segments.one(0), &mut sums);
            agree(&Length([values[0], values[1], values[2]]), &mut roots);
        }
        // The ends of the range, where each has its own limits, are left to 384 bits.
        assert!(sums.into_iter().chain(roots).all(|decided| decided > left / 2), "{sums:?} {roots:?} {left}");
    }

    /// Roots as near to midpoints as vectors of two numbers come: some half a unit beyond the longer one.
    #[test]
    fn roots_next_to_midpoints_are_left_to_384_bits() {
        let mut bits = Bits(3);
        let (mut decided, rounds) = ([0; 2], 20_000);
        for _ in 0..rounds {
            let long = 1.0 + (bits.next() >> 9) as f32 * f32::EPSILON;
            let short = crate::elementary::root(f64::from(long) * f64::from(f32::EPSILON)) as f32;
            let short = f32::from_bits(short.to_bits() + bits.next() % 3 - 1);
            agree(&Length([long, short, 0.0]), &mut decided);
        }
        assert!(decided[0] > rounds / 2 && decided[0] < decided[1], "{decided:?}");
    }
}
