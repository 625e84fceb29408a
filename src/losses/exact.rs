//! 384 bits: the tier that decides what the others leave open.

use super::{Logistic, Real};
use crate::exact::Float384;

impl Real for Float384 {
    type Mask = bool;

    fn from_f64(x: f64) -> Self {
        Self::from_f64(x)
    }
    fn recip(mut self) -> Self {
        if self.is_zero() {
            self.set_infinite(false);
            return self;
        }
        self.invert();
        self
    }
    fn abs(self) -> Self {
        Self::abs(self)
    }
    #[inline(always)]
    fn exact(self) -> Self {
        self
    }
    fn is_positive(self) -> bool {
        self.sign().is_gt()
    }
    fn is_negative(self) -> bool {
        self.sign().is_lt()
    }
    fn select(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    #[inline(always)]
    fn logistic(self) -> Logistic<Self> {
        let mut log1p_exp = self;
        let sigmoid_of_minus = Float384::logistic(&mut log1p_exp);
        Logistic { z: self, log1p_exp, sigmoid_of_minus }
    }
    fn exp(mut self) -> Self {
        Self::exp(&mut self);
        self
    }
    fn exp_m1(mut self) -> Self {
        Self::exp_m1(&mut self);
        self
    }
    fn exp_m1_less(self) -> Self {
        // Of what two `f32` reach at most 150 bits cancel. Only e^x that is cut off is below x.
        let less_one = Real::exp_m1(self);
        if less_one.lt(&self) { less_one } else { less_one - self }
    }
    fn ln(mut self) -> Self {
        if !self.is_positive() {
            self.set_infinite(true);
            return self;
        }
        self.log();
        self
    }
    fn ln_1p(mut self) -> Self {
        Self::ln_1p(&mut self);
        self
    }
    fn larger(self, other: Self) -> Self {
        if self.lt(&other) { other } else { self }
    }
}
