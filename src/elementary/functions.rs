//! The public functions: a fast path over lanes, a test whether its rounding is certain, and the wide path.

use super::lanes;
use crate::error::check_length;
use crate::exact::Float384;
use crate::lanes::{Backend, Kernel, Lanes, MAX_LANES, dispatch};
use crate::{Error, NAN};
use core::marker::PhantomData;

/// One function in its three parts.
trait Function {
    /// In `f64` lanes, relative error below 2^-48 where [`covers`](Self::covers) holds.
    fn lanes<L: Lanes>(x: L) -> L;
    /// The arguments that the lanes compute; never NaN.
    fn covers<L: Lanes>(x: L) -> L::Mask;
    /// The result outside of that domain, and where it is no finite number; x is not NaN.
    fn special(x: f32) -> Option<f32>;
    /// The value at a finite x that is not special, in place.
    fn wide(x: &mut Float384);
}

/// All but NaN.
#[inline(always)]
fn ordered<L: Lanes>(x: L) -> L::Mask {
    x.eq(x)
}

/// `low < x < infinity`.
#[inline(always)]
fn finite_above<L: Lanes>(x: L, low: f64) -> L::Mask {
    L::and(L::splat(low).lt(x), x.lt(L::splat(f64::INFINITY)))
}

/// `ln(1+x)` for x > -1.
fn wide_log1p(x: &mut Float384) {
    // The series' range; outside of it 1 + x is as good as x.
    if x.abs().lt(&Float384::from_f64(0.25)) {
        x.log1p();
    } else {
        *x += &Float384::ONE;
        x.log();
    }
}

/// `ln(1+e^x)`.
fn wide_softplus(x: &mut Float384) {
    let linear = *x;
    x.logistic();
    if linear.sign().is_gt() {
        *x += &linear;
    }
}

/// Declares a function: its struct, the public scalar function and the public slice function.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $type:ident { lanes: |$lane:ident| $lanes:expr, covers: |$x:ident| $covers:expr, special: $special:expr, wide: $wide:expr $(,)? })*) => {
        $(
            struct $type;
            impl Function for $type {
                #[inline(always)]
                fn lanes<L: Lanes>($lane: L) -> L {
                    $lanes
                }
                #[inline(always)]
                fn covers<L: Lanes>($x: L) -> L::Mask {
                    $covers
                }
                fn special(x: f32) -> Option<f32> {
                    $special(x)
                }
                fn wide(x: &mut Float384) {
                    $wide(x);
                }
            }

            $(#[$doc])*
            pub fn $name(x: f32) -> f32 {
                let mut out = 0.0;
                block::<f64, $type>(&[x], core::slice::from_mut(&mut out));
                out
            }
        )*

        /// The same functions over slices, at the speed of the back end.
        pub mod slices {
            use crate::{Backend, Error};
            $(
                #[doc = concat!("[`", stringify!($name), "`](super::", stringify!($name), ") of every element of `x`, into `out`.")]
                ///
                /// # Errors
                /// [`Error::Length`] if `out` is not as long as `x`; nothing is written then.
                pub fn $name(backend: Backend, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
                    super::slice::<super::$type>(backend, x, out)
                }
            )*
        }
    };
}

functions! {
    /// `e^x`. Overflows to infinity as IEEE rounding says; `exp(-inf)` is 0.
    exp Exp {
        lanes: |x| lanes::exp(x),
        covers: |x| ordered(x),
        special: |x: f32| if x > 100.0 { Some(f32::INFINITY) } else if x < -120.0 { Some(0.0) } else { None },
        wide: Float384::exp,
    }
    /// Natural logarithm. `log(0)` is -inf, `log` of a negative number NaN.
    log Log {
        lanes: |x| lanes::log(x),
        covers: |x| finite_above(x, 0.0),
        special: |x: f32| {
            if x < 0.0 { Some(NAN) } else if x == 0.0 { Some(f32::NEG_INFINITY) } else { infinite(x) }
        },
        wide: Float384::log,
    }
    /// `ln(1+x)`. -inf at -1, NaN below.
    log1p Log1p {
        lanes: |x| lanes::with_zeros(x, lanes::log1p(x)),
        covers: |x| finite_above(x, -1.0),
        special: |x: f32| {
            if x < -1.0 { Some(NAN) } else if x == -1.0 { Some(f32::NEG_INFINITY) } else { infinite(x) }
        },
        wide: wide_log1p,
    }
    /// `e^x - 1`.
    expm1 Expm1 {
        lanes: |x| lanes::with_zeros(x, lanes::expm1(x)),
        covers: |x| ordered(x),
        special: |x: f32| if x > 100.0 { Some(f32::INFINITY) } else if x < -50.0 { Some(-1.0) } else { None },
        wide: |x: &mut Float384| {
            x.exp();
            *x -= &Float384::ONE;
        },
    }
    /// `ln(1 - e^x)`: the logarithm of the complement of a probability, from its logarithm. -inf at 0, NaN above.
    log1mexp Log1mexp {
        lanes: |x| lanes::log1mexp(x),
        covers: |x| x.lt(L::splat(0.0)),
        special: |x: f32| {
            if x > 0.0 { Some(NAN) } else if x == 0.0 { Some(f32::NEG_INFINITY) }
            else if x < -120.0 { Some(-0.0) } else { None }
        },
        wide: |x: &mut Float384| {
            x.exp();
            x.negate();
            wide_log1p(x);
        },
    }
    /// `1/(1 + e^-x)`.
    sigmoid Sigmoid {
        lanes: |x| lanes::sigmoid(x),
        covers: |x| ordered(x),
        special: |x: f32| if x > 120.0 { Some(1.0) } else if x < -120.0 { Some(0.0) } else { None },
        wide: |x: &mut Float384| {
            x.negate();
            *x = x.logistic();
        },
    }
    /// `ln(1 + e^x)`.
    softplus Softplus {
        lanes: |x| lanes::softplus(x),
        covers: |x| ordered(x),
        special: |x: f32| if x > 120.0 { Some(x) } else if x < -120.0 { Some(0.0) } else { None },
        wide: wide_softplus,
    }
    /// `-ln(1 + e^-x)`, the logarithm of [`sigmoid`].
    log_sigmoid LogSigmoid {
        lanes: |x| lanes::log_sigmoid(x),
        covers: |x| ordered(x),
        special: |x: f32| if x < -120.0 { Some(x) } else if x > 120.0 { Some(-0.0) } else { None },
        wide: |x: &mut Float384| {
            x.negate();
            wide_softplus(x);
            x.negate();
        },
    }
}

/// Infinity if x is.
fn infinite(x: f32) -> Option<f32> {
    (x == f32::INFINITY).then_some(x)
}

/// What a fast value may differ from the exact one by, relatively, with a factor of 8 to spare.
const UNCERTAIN: f64 = 1.0 / (1_u64 << 45) as f64;

/// `out[i] = F(x[i])`; the common length must be a multiple of the lanes.
#[inline(always)]
fn block<L: Lanes, F: Function>(x: &[f32], out: &mut [f32]) {
    let mut at = 0;
    while at + L::N <= x.len() {
        let v = L::load(x, at);
        let y = F::lanes(v);
        y.store(out, at);
        let margin = y * L::splat(UNCERTAIN);
        let same = (y - margin).round_f32().eq((y + margin).round_f32());
        // Infinity less infinity is NaN, which equals nothing: infinite values are settled on the other path.
        let mut doubt = !L::bits(L::and(same, F::covers(v))) & ((1 << L::N) - 1);
        while doubt != 0 {
            let i = at + doubt.trailing_zeros() as usize;
            if let (Some(&x), Some(out)) = (x.get(i), out.get_mut(i)) {
                *out = settle::<F>(x);
            }
            doubt &= doubt - 1;
        }
        at += L::N;
    }
}

#[cold]
#[inline(never)]
fn settle<F: Function>(x: f32) -> f32 {
    if x.is_nan() {
        return NAN;
    }
    F::special(x).unwrap_or_else(|| {
        let mut y = Float384::from_f64(x.into());
        F::wide(&mut y);
        // A zero from a zero keeps its sign (log1p, expm1); no other function here is 0 at a finite number,
        // but for log and log1mexp, whose zeros are positive.
        if y.is_zero() && x == 0.0 { x } else { y.rounded() }
    })
}

fn slice<F: Function>(backend: Backend, x: &[f32], out: &mut [f32]) -> Result<(), Error> {
    check_length("out", x.len(), out.len())?;
    dispatch(backend, Slice::<F> { x, out, function: PhantomData });
    Ok(())
}

/// A slice function as a kernel: whole blocks, then the tail in a padded copy of one.
struct Slice<'a, F> {
    x: &'a [f32],
    out: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Function> Kernel for Slice<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let whole = self.x.len() - self.x.len() % L::N;
        block::<L, F>(self.x, self.out);
        if let (Some(x), Some(out)) = (self.x.get(whole..), self.out.get_mut(whole..)) {
            let (mut padded, mut results) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
            for (p, x) in padded.iter_mut().zip(x) {
                *p = *x;
            }
            if !x.is_empty() {
                block::<L, F>(&padded, &mut results);
            }
            for (out, r) in out.iter_mut().zip(results) {
                *out = r;
            }
        }
    }
}
