//! Single probabilities of a row, in `f64`.

use super::log_sum_exp::LogSumExp;
use super::scaling::{Map, Scaling, Visitor};
use super::terms::{Base, Softmax};
use crate::NAN;

/// Probabilities by a row's log-sum-exp, prepared once for many logits.
#[derive(Clone, Copy)]
pub(crate) struct Probability<'a> {
    softmax: Softmax,
    is_nan: bool,
    scaling: &'a Scaling,
}

impl<'a> Probability<'a> {
    pub fn new(sum: LogSumExp, scaling: &'a Scaling) -> Self {
        Self { softmax: scaling.visit(Prepare(sum)), is_nan: sum.is_nan(), scaling }
    }

    /// The probability of a logit, to 2^-36.
    pub fn value(&self, logit: f32) -> f64 {
        if self.is_nan { NAN.into() } else { self.scaling.visit(Value { softmax: &self.softmax, logit }) }
    }
}

struct Prepare(LogSumExp);

impl Visitor for Prepare {
    type Output = Softmax;
    fn visit<M: Map>(self, map: M) -> Softmax {
        let LogSumExp { max, rest, .. } = self.0;
        Softmax::new(&Base::new(map.scale()), map.map(max.into()), rest, 1.0)
    }
}

struct Value<'a> {
    softmax: &'a Softmax,
    logit: f32,
}

impl Visitor for Value<'_> {
    type Output = f64;
    fn visit<M: Map>(self, map: M) -> f64 {
        self.softmax.value(self.softmax.sixteenths(map.map(f64::from(self.logit))))
    }
}
