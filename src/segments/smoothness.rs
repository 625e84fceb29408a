//! The regulariser of a predictor of preferences.

use super::settle::{Formula, Number, nearest, settle, single, special};
use crate::error::check_length;
use crate::losses::Tracked;
use crate::{Error, NAN, Run};

impl Run {
    /// `strength` times the mean of `(here - there)^2`: how far a predictor's scores of segments change from a segment to its
    /// neighbour, as DPPO (arXiv 2301.12842) keeps them smooth; 0 of none. `grads`, if given, gets the derivative by each of `here`,
    /// `2 strength (here - there) / n`; that by `there` is its opposite.
    ///
    /// ```
    /// let mut grads = [0.0; 2];
    /// let value = preflane::Run::default().smoothness(0.5, &[1.0, 2.0], &[0.5, 2.0], Some(&mut grads))?;
    /// assert_eq!((value, grads), (0.0625, [0.25, 0.0]));
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a strength that is negative, infinite or NaN, [`Error::Length`]; before anything is written.
    pub fn smoothness(
        self,
        strength: f64,
        here: &[f32],
        there: &[f32],
        grads: Option<&mut [f32]>,
    ) -> Result<f32, Error> {
        if !(0.0..=f64::MAX).contains(&strength) {
            let requirement = "finite and at least 0";
            return Err(Error::Parameter { name: "strength", value: strength, requirement });
        }
        check_length("there", here.len(), there.len())?;
        let whole = Whole { here, there, strength };
        if let Some(grads) = grads {
            check_length("grads", here.len(), grads.len())?;
            for (place, grad) in grads.iter_mut().enumerate() {
                *grad = whole.grad(place);
            }
        }
        let rough: f64 = whole.differences().map(f64::abs).sum();
        Ok(match rough {
            _ if here.is_empty() => 0.0,
            rough if rough.is_nan() => NAN,
            rough if rough.is_infinite() => {
                if strength == 0.0 {
                    0.0
                } else {
                    f32::INFINITY
                }
            }
            _ => nearest(&whole),
        })
    }
}

#[derive(Clone, Copy)]
struct Whole<'a> {
    here: &'a [f32],
    there: &'a [f32],
    strength: f64,
}

impl Whole<'_> {
    fn differences(&self) -> impl Iterator<Item = f64> {
        self.here.iter().zip(self.there).map(|(&a, &b)| f64::from(a) - f64::from(b))
    }

    fn grad(&self, place: usize) -> f32 {
        let at = |x: &[f32]| x.get(place).copied().unwrap_or(NAN);
        let by = By { here: at(self.here), there: at(self.there), strength: self.strength, n: self.here.len() as f64 };
        let difference = f64::from(by.here) - f64::from(by.there);
        match difference.is_finite() {
            true => by.value::<Tracked>().rounded().unwrap_or_else(|| settle(&by)),
            false if self.strength == 0.0 && !difference.is_nan() => 0.0,
            false => special(difference),
        }
    }
}

impl Formula for Whole<'_> {
    fn value<R: Number>(&self) -> R {
        let differences = self.here.iter().zip(self.there).map(|(&a, &b)| single::<R>(a) - single(b));
        let sum = differences.fold(R::from_f64(0.0), |sum, x| sum + x * x);
        R::from_f64(self.strength) * sum / R::from_f64(self.here.len() as f64)
    }
}

/// The derivative by one.
struct By {
    here: f32,
    there: f32,
    strength: f64,
    n: f64,
}

impl Formula for By {
    fn value<R: Number>(&self) -> R {
        let difference = single::<R>(self.here) - single(self.there);
        (R::from_f64(self.strength) * difference) * R::from_f64(2.0) / R::from_f64(self.n)
    }
}
