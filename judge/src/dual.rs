//! Dual numbers: a value together with its derivatives, over [balls](crate::ball), so that a loss written as the paper prints it has
//! its gradient by itself.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::ball::{Arithmetic, Ball, Balls, Radius};

/// A value and its derivatives in some directions. A derivative that is 0 everywhere is none, and costs nothing.
#[derive(Clone)]
pub struct Dual<'a> {
    at: &'a Arithmetic,
    pub(crate) value: Ball,
    pub(crate) by: Balls,
}

impl<'a> Dual<'a> {
    /// A constant.
    pub(crate) fn constant(at: &'a Arithmetic, x: f64) -> Self {
        Self { at, value: at.exact(x), by: Balls::new() }
    }

    /// What is differentiated by: the value's derivative in its own direction is 1.
    pub(crate) fn variable(at: &'a Arithmetic, value: Ball, direction: usize) -> Self {
        let mut by = Balls::new();
        by.resize_with(direction, || None);
        by.push(Some(at.exact(1.0)));
        Self { at, value, by }
    }

    /// A function of one argument: its value, and its derivative times the argument's.
    fn chain(&self, value: Ball, slope: impl FnOnce() -> Ball) -> Self {
        if self.by.iter().all(Option::is_none) {
            return Self { at: self.at, value, by: Balls::new() };
        }
        let slope = slope();
        let by = self.by.iter().map(|by| Some(self.at.mul(&slope, by.as_ref()?))).collect();
        Self { at: self.at, value, by }
    }

    /// The square.
    pub fn square(&self) -> Self {
        self.chain(self.at.mul(&self.value, &self.value), || self.at.mul(&self.at.exact(2.0), &self.value))
    }

    /// `e^x`.
    pub fn exp(&self) -> Self {
        self.at.meets_exp(&self.value);
        self.power()
    }

    /// The same, of an argument that is none of the formula's own.
    fn power(&self) -> Self {
        let value = self.at.exp(&self.value);
        self.chain(value.clone(), || value)
    }

    /// `e^x - 1`.
    pub fn exp_m1(&self) -> Self {
        let value = self.at.exp_m1(&self.value);
        self.at.meets_exp_m1(&value);
        self.chain(value, || self.at.exp(&self.value))
    }

    /// The natural logarithm.
    pub fn ln(&self) -> Self {
        self.chain(self.at.ln(&self.value), || self.at.div(&self.at.exact(1.0), &self.value))
    }

    /// `ln(1 + x)`.
    pub fn ln_1p(&self) -> Self {
        self.chain(self.at.ln_1p(&self.value), || {
            let one = self.at.exact(1.0);
            self.at.div(&one, &self.at.add(&one, &self.value))
        })
    }

    /// `1/(1 + e^-x)`. What is left of it to 1 is that of `-x`.
    pub fn sigmoid(&self) -> Self {
        self.at.meets_sigmoid(&self.value);
        self.chain(self.at.sigmoid(&self.value), || self.at.sigmoid_slope(&self.value))
    }

    /// `ln(1 + e^x)`.
    pub fn softplus(&self) -> Self {
        self.at.meets_sigmoid(&self.value);
        self.chain(self.at.softplus(&self.value), || self.at.sigmoid(&self.value))
    }

    /// `ln sigmoid(x)`, which is `-ln(1 + e^-x)`.
    pub fn log_sigmoid(&self) -> Self {
        -(-self).softplus()
    }

    /// `max(0, x)`, whose derivative at 0 is 0.
    pub fn relu(&self) -> Self {
        let (is_positive, is_certain) = self.at.is_positive(&self.value);
        let mut result = if is_positive {
            self.clone()
        } else {
            Self { value: self.at.exact(0.0), by: Balls::new(), ..self.clone() }
        };
        if !is_certain {
            // On which side the truth lies is unknown: the derivative may be all of it or nothing.
            result.value.radius = self.value.radius;
            let doubtful = |by: &Option<Ball>| {
                let by = by.as_ref()?;
                let middle = if is_positive { by.middle.clone() } else { self.at.exact(0.0).middle };
                Some(Ball { middle, radius: by.radius + Radius::of_float(&by.middle) })
            };
            result.by = self.by.iter().map(doubtful).collect();
        }
        result
    }

    /// The sum of two, or their difference.
    fn combined(&self, other: &Self, of_values: fn(&Arithmetic, &Ball, &Ball) -> Ball, is_difference: bool) -> Self {
        let at = self.at;
        let directions = self.by.len().max(other.by.len());
        let by = (0..directions).map(|k| match (self.derivative(k), other.derivative(k)) {
            (Some(a), Some(b)) => Some(of_values(at, a, b)),
            (None, Some(b)) if is_difference => Some(at.neg(b)),
            (a, b) => a.or(b).cloned(),
        });
        Self { at, value: of_values(at, &self.value, &other.value), by: by.collect() }
    }

    pub(crate) fn derivative(&self, direction: usize) -> Option<&Ball> {
        self.by.get(direction).and_then(Option::as_ref)
    }

    fn plus(&self, other: &Self) -> Self {
        self.combined(other, Arithmetic::add, false)
    }

    fn minus(&self, other: &Self) -> Self {
        self.combined(other, Arithmetic::sub, true)
    }

    fn times(&self, other: &Self) -> Self {
        let at = self.at;
        let directions = self.by.len().max(other.by.len());
        let by = (0..directions).map(|k| {
            let first = self.derivative(k).map(|by| at.mul(by, &other.value));
            let second = other.derivative(k).map(|by| at.mul(&self.value, by));
            match (first, second) {
                (Some(a), Some(b)) => Some(at.add(&a, &b)),
                (a, b) => a.or(b),
            }
        });
        Self { at, value: at.mul(&self.value, &other.value), by: by.collect() }
    }

    fn over(&self, other: &Self) -> Self {
        let at = self.at;
        let value = at.div(&self.value, &other.value);
        let directions = self.by.len().max(other.by.len());
        // (a' - (a/b) b')/b.
        let by = (0..directions).map(|k| {
            let second = other.derivative(k).map(|by| at.mul(&value, by));
            let above = match (self.derivative(k), second) {
                (Some(a), Some(b)) => at.sub(a, &b),
                (Some(a), None) => a.clone(),
                (None, Some(b)) => at.neg(&b),
                (None, None) => return None,
            };
            Some(at.div(&above, &other.value))
        });
        let by = by.collect();
        Self { at, value, by }
    }
}

/// `ln(1 + e^x_1 + e^x_2 + ..)`: what is taken to 0 from a sum of exponentials, without a difference of near numbers.
pub fn ln_one_plus_exps<'a>(terms: &[Dual<'a>]) -> Option<Dual<'a>> {
    let first = terms.first()?;
    let largest = terms.iter().fold(first, |a, b| if b.value.middle > a.value.middle { b } else { a });
    if terms.len() == 1 {
        return Some(first.softplus());
    }
    terms.iter().for_each(|term| term.at.meets_sigmoid(&term.value));
    if largest.value.middle > 0 {
        // x_max + ln(1 + e^-x_max + the others less x_max).
        let others = terms.iter().filter(|term| !std::ptr::eq(*term, largest)).map(|term| (term - largest).power());
        let sum = others.fold((-largest).power(), |sum, term| sum + term);
        Some(largest + sum.ln_1p())
    } else {
        let powers = terms.iter().skip(1).map(Dual::power);
        Some(powers.fold(first.power(), |sum, power| sum + power).ln_1p())
    }
}

impl<'a> Neg for &Dual<'a> {
    type Output = Dual<'a>;
    fn neg(self) -> Dual<'a> {
        let at = self.at;
        let by = self.by.iter().map(|by| by.as_ref().map(|by| at.neg(by))).collect();
        Dual { at, value: at.neg(&self.value), by }
    }
}

impl<'a> Neg for Dual<'a> {
    type Output = Self;
    fn neg(self) -> Self {
        -&self
    }
}

/// One operator between dual numbers, references to them, and constants.
macro_rules! operators {
    ($($Operator:ident $operator:ident $apply:ident;)+) => {$(
        impl<'a> $Operator<&Dual<'a>> for &Dual<'a> {
            type Output = Dual<'a>;
            fn $operator(self, other: &Dual<'a>) -> Dual<'a> {
                self.$apply(other)
            }
        }
        impl<'a> $Operator<Dual<'a>> for &Dual<'a> {
            type Output = Dual<'a>;
            fn $operator(self, other: Dual<'a>) -> Dual<'a> {
                self.$apply(&other)
            }
        }
        impl<'a> $Operator<&Dual<'a>> for Dual<'a> {
            type Output = Self;
            fn $operator(self, other: &Dual<'a>) -> Self {
                self.$apply(other)
            }
        }
        impl<'a> $Operator for Dual<'a> {
            type Output = Self;
            fn $operator(self, other: Self) -> Self {
                self.$apply(&other)
            }
        }
        impl<'a> $Operator<Dual<'a>> for f64 {
            type Output = Dual<'a>;
            fn $operator(self, other: Dual<'a>) -> Dual<'a> {
                Dual::constant(other.at, self).$apply(&other)
            }
        }
        impl<'a> $Operator<&Dual<'a>> for f64 {
            type Output = Dual<'a>;
            fn $operator(self, other: &Dual<'a>) -> Dual<'a> {
                Dual::constant(other.at, self).$apply(other)
            }
        }
        impl<'a> $Operator<f64> for Dual<'a> {
            type Output = Self;
            fn $operator(self, other: f64) -> Self {
                let other = Dual::constant(self.at, other);
                self.$apply(&other)
            }
        }
        impl<'a> $Operator<f64> for &Dual<'a> {
            type Output = Dual<'a>;
            fn $operator(self, other: f64) -> Dual<'a> {
                self.$apply(&Dual::constant(self.at, other))
            }
        }
    )+};
}

operators! {
    Add add plus;
    Sub sub minus;
    Mul mul times;
    Div div over;
}
