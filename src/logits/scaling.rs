//! What happens to a logit before the softmax.

use crate::Error;
use crate::elementary::lanes::{exp_neg, tanh};
use crate::lanes::Lanes;
use core::hint::black_box;

/// The effective scale must lie between this and its inverse.
const LEAST: f64 = 1e-12;

/// `y = logit_scale x / temperature`, or with a soft cap c `y = c tanh(logit_scale x / c) / temperature`.
///
/// Sources: Cohere's logit scale, Gemma 2's final soft cap.
///
/// ```
/// use preflane::logits::Scaling;
///
/// let gemma = Scaling::new(1.0, 1.0, Some(30.0))?;
/// let cool = Scaling::temperature(0.7)?;
/// assert!(Scaling::temperature(0.0).is_err() && gemma != cool);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    temperature: f64,
    logit_scale: f64,
    /// 1 where there is none, not 0 or nothing: compilers divide by it before they look whether there is one, and a division by 0
    /// ends a program that traps it.
    cap: f64,
    capped: bool,
}

impl Scaling {
    /// Logits as they are.
    pub const NONE: Self = Self { temperature: 1.0, logit_scale: 1.0, cap: 1.0, capped: false };

    /// All three. `logit_scale` multiplies first, then comes the soft cap, then the temperature divides.
    ///
    /// # Errors
    /// [`Error::Parameter`]: each must be from 1e-12 to 1e12, and so must `logit_scale / temperature`.
    pub fn new(temperature: f64, logit_scale: f64, soft_cap: Option<f64>) -> Result<Self, Error> {
        let check = |name, value| {
            if (LEAST..=1.0 / LEAST).contains(&value) {
                Ok(())
            } else {
                Err(Error::Parameter { name, value, requirement: "from 1e-12 to 1e12" })
            }
        };
        check("temperature", temperature)?;
        check("logit_scale", logit_scale)?;
        check("logit_scale / temperature", logit_scale / temperature)?;
        if let Some(soft_cap) = soft_cap {
            check("soft_cap", soft_cap)?;
            check("soft_cap / temperature", soft_cap / temperature)?;
        }
        // The box keeps the 1 from being seen through, and the division from being done with what it stands for.
        Ok(Self { temperature, logit_scale, cap: black_box(soft_cap.unwrap_or(1.0)), capped: soft_cap.is_some() })
    }

    /// A temperature alone.
    ///
    /// # Errors
    /// [`Error::Parameter`], as [`Scaling::new`].
    pub fn temperature(temperature: f64) -> Result<Self, Error> {
        Self::new(temperature, 1.0, None)
    }

    /// Temperature, logit scale and soft cap.
    pub(super) const fn parts(&self) -> (f64, f64, Option<f64>) {
        (self.temperature, self.logit_scale, if self.capped { Some(self.cap) } else { None })
    }

    /// The factor, if that is all.
    pub(super) fn linear(&self) -> Option<f64> {
        (!self.capped).then_some(self.logit_scale / self.temperature)
    }

    /// Runs with the scaling's own code.
    #[inline(always)]
    pub(super) fn visit<V: Visitor>(&self, visitor: V) -> V::Output {
        let scale = self.logit_scale / self.temperature;
        if self.capped {
            let (inner, outer) = (self.logit_scale / self.cap, self.cap / self.temperature);
            visitor.visit(Capped { inner, outer, slope: scale })
        } else {
            visitor.visit(Linear { scale })
        }
    }
}

impl Default for Scaling {
    fn default() -> Self {
        Self::NONE
    }
}

/// What is done with a scaling, whichever it is.
pub trait Visitor {
    type Output;
    fn visit<M: Map>(self, map: M) -> Self::Output;
}

/// A scaling as mathematics: `y = scale() * map(x)`, increasing in x.
pub trait Map: Copy + Send + Sync {
    /// The constant factor, which later constants absorb.
    fn scale(self) -> f64;
    /// What is not a constant factor.
    fn map<L: Lanes>(self, x: L) -> L;
    /// dy/dx is this times [`Map::slope`].
    fn shape<L: Lanes>(self, x: L) -> Option<L>;
    /// The constant factor of dy/dx.
    fn slope(self) -> f64;
}

/// No soft cap.
#[derive(Clone, Copy)]
pub struct Linear {
    pub scale: f64,
}

impl Map for Linear {
    #[inline(always)]
    fn scale(self) -> f64 {
        self.scale
    }
    #[inline(always)]
    fn map<L: Lanes>(self, x: L) -> L {
        x
    }
    #[inline(always)]
    fn shape<L: Lanes>(self, _: L) -> Option<L> {
        None
    }
    #[inline(always)]
    fn slope(self) -> f64 {
        self.scale
    }
}

/// A soft cap.
#[derive(Clone, Copy)]
pub struct Capped {
    inner: f64,
    outer: f64,
    slope: f64,
}

impl Map for Capped {
    #[inline(always)]
    fn scale(self) -> f64 {
        self.outer
    }
    #[inline(always)]
    fn map<L: Lanes>(self, x: L) -> L {
        // -inf stays a masked column: the cap would make it a finite logit.
        let masked = x.eq(L::splat(f64::NEG_INFINITY));
        L::select(masked, x, tanh(x * L::splat(self.inner)))
    }
    #[inline(always)]
    fn shape<L: Lanes>(self, x: L) -> Option<L> {
        // 1 - tanh^2 u = 4 e / (1 + e)^2 with e = exp(-2|u|).
        let u = (x * L::splat(self.inner)).abs();
        let e = exp_neg(u + u);
        let one = e + L::splat(1.0);
        Some(L::splat(4.0) * e / (one * one))
    }
    #[inline(always)]
    fn slope(self) -> f64 {
        self.slope
    }
}
