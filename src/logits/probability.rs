//! Single probabilities of a row, in `f64`.

use super::log_sum_exp::LogSumExp;
use super::scaling::{Map, Scaling, Visitor};
use super::terms::{Base, Softmax};
use crate::NAN;
use crate::elementary::lanes::expm1;

/// Probabilities by a row's log-sum-exp.
#[derive(Clone, Copy)]
pub(crate) struct Probability<'a> {
    sum: LogSumExp,
    scaling: &'a Scaling,
}

impl<'a> Probability<'a> {
    pub fn new(sum: LogSumExp, scaling: &'a Scaling) -> Self {
        Self { sum, scaling }
    }

    /// Of a logit, to 2^-36.
    pub fn value(&self, logit: f32) -> f64 {
        if self.sum.is_nan() { NAN.into() } else { self.scaling.visit(Value { sum: self.sum, logit }) }
    }

    /// The same less 1, to 2^-36 of itself.
    pub fn less_one(&self, logit: f32) -> f64 {
        let logp = self.sum.logp_f64(logit, self.scaling);
        if logp.is_nan() { logp } else { expm1(logp) }
    }
}

struct Value {
    sum: LogSumExp,
    logit: f32,
}

impl Visitor for Value {
    type Output = f64;
    fn visit<M: Map>(self, map: M) -> f64 {
        let Self { sum, logit } = self;
        let softmax = Softmax::new(&Base::new(map.scale()), map.map(sum.max.into()), sum.rest, 1.0);
        softmax.value(softmax.sixteenths(map.map(f64::from(logit))))
    }
}

/// `sum p_j (s+ - s_j) / T^2` over the negatives, in their order.
pub(crate) fn temperature_slope(
    sum: LogSumExp,
    scaling: &Scaling,
    positive: f32,
    negatives: impl Iterator<Item = f32>,
    temperature: f64,
) -> f32 {
    let probability = Probability::new(sum, scaling);
    let mut slope = 0.0;
    for negative in negatives {
        // One of -inf has no part in it.
        if negative > f32::NEG_INFINITY || sum.is_nan() {
            slope += probability.value(negative) * (f64::from(positive) - f64::from(negative));
        }
    }
    (slope / temperature / temperature) as f32
}
