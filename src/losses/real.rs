//! What a formula may use, on three kinds of numbers: lanes of `f64` that say where too much has cancelled ([`Checked`](super::Checked)),
//! `f64` and double-double numbers with a bound of their error ([`Tracked`](super::Tracked)), and 384 bits.

use core::ops::{Add, Div, Mul, Neg, Sub};

/// A number of a formula.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The result of a comparison.
    type Mask: Copy;

    /// A constant or parameter, taken exactly.
    fn from_f64(x: f64) -> Self;
    /// `1/self`.
    fn recip(self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;
    /// The same number. Says that a sum, whose terms are parameters or of one sign, loses nothing that matters by cancellation.
    fn exact(self) -> Self;
    /// `self > 0`.
    fn is_positive(self) -> Self::Mask;
    /// `self < 0`.
    fn is_negative(self) -> Self::Mask;
    /// `a` where the mask holds, `b` elsewhere.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// The logistic function's relatives at this number.
    fn logistic(self) -> Logistic<Self>;
    /// `e^self`.
    fn exp(self) -> Self;
    /// `e^self - 1`, to its own precision.
    fn exp_m1(self) -> Self;
    /// `e^self - 1 - self`, to its own precision.
    fn exp_m1_less(self) -> Self;
    /// The natural logarithm of a number above 0.
    fn ln(self) -> Self;
    /// `ln(1 + self)` of a number above -1, to its own precision.
    fn ln_1p(self) -> Self;
    /// The larger of two numbers from 0 on, for the size of what is added up: it need not be exact.
    fn larger(self, other: Self) -> Self;
}

/// What one exponential gives of `z`.
#[derive(Clone, Copy)]
pub struct Logistic<R> {
    pub z: R,
    /// `ln(1 + e^-|z|)`.
    pub log1p_exp: R,
    /// `sigmoid(-z) = 1/(1 + e^z)`.
    pub sigmoid_of_minus: R,
}

impl<R: Real> Logistic<R> {
    /// `softplus(-z)`.
    #[inline(always)]
    pub fn softplus_of_minus(self) -> R {
        let wrong = R::select(self.z.is_negative(), self.z.abs(), R::from_f64(0.0));
        (self.log1p_exp + wrong).exact()
    }

    /// `softplus(z)`.
    #[inline(always)]
    pub fn softplus(self) -> R {
        let right = R::select(self.z.is_negative(), R::from_f64(0.0), self.z.abs());
        (self.log1p_exp + right).exact()
    }

    /// `softplus(-z) + k z`: where z is negative, `|z|` comes in with `1 - k`.
    #[inline(always)]
    pub fn softplus_of_minus_with_slope(self, k: R) -> R {
        let rate = R::select(self.z.is_negative(), (R::from_f64(1.0) - k).exact(), k);
        self.log1p_exp + self.z.abs() * rate
    }
}

/// `e^a - e^b`, given both and `d = a - b`: the larger times `1 - e^-|d|`, with the sign of d, which neither cancels nor overflows before its
/// time.
#[inline(always)]
pub fn exp_difference<R: Real>(exp_a: R, exp_b: R, d: R) -> R {
    let larger = R::select(d.is_negative(), exp_b, exp_a);
    let less = (-d.abs()).exp_m1();
    larger * R::select(d.is_negative(), less, -less)
}

/// `sigmoid(x)`.
#[inline(always)]
pub fn sigmoid<R: Real>(x: R) -> R {
    (-x).logistic().sigmoid_of_minus
}

/// `softplus(x) = ln(1 + e^x)`.
#[inline(always)]
pub fn softplus<R: Real>(x: R) -> R {
    (-x).logistic().softplus_of_minus()
}

/// `sigmoid(x) sigmoid(-x)`, the slope of the logistic function.
#[inline(always)]
pub fn bell<R: Real>(x: R) -> R {
    let tail = sigmoid(-x.abs());
    tail * (R::from_f64(1.0) - tail)
}
