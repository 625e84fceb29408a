//! One row of logits: log-probabilities, statistics, the gradient.

use crate::Float;

use crate::{WORKING, float};

/// Temperature, logit scale, soft cap: `y = cap tanh(logit_scale x / cap) / temperature`, or `logit_scale x / temperature`.
pub type Parameters = (f64, f64, Option<f64>);

/// Bits with a soft cap: beyond 2^-400 two capped logits are equal to any type judged here.
const CAPPED: u32 = 400;

/// A row in exact arithmetic. Its logits are finite or -inf, not all of them the latter.
pub struct Row {
    /// Scaled logits less the largest.
    below: Vec<Float>,
    /// dy/dx.
    slopes: Vec<Float>,
    /// ln(1 + the others over the largest).
    rest: Float,
}

impl Row {
    /// Of one row.
    ///
    /// # Panics
    /// If the row is empty.
    pub fn new(row: &[f32], parameters: Parameters) -> Self {
        let largest = (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a }).expect("a row has columns");
        let below: Vec<Float> = match parameters.2 {
            None => row.iter().map(|&x| linear(x, row[largest], parameters)).collect(),
            Some(cap) => row.iter().map(|&x| capped(x, row[largest], parameters, cap)).collect(),
        };
        let mut others = Float::new(WORKING);
        for (i, b) in below.iter().enumerate() {
            if i != largest {
                others += Float::with_val(WORKING, b.exp_ref());
            }
        }
        Self { slopes: row.iter().map(|&x| slope(x, parameters)).collect(), rest: others.ln_1p(), below }
    }

    /// The log-sum-exp beyond the largest scaled logit.
    pub fn rest(&self) -> &Float {
        &self.rest
    }

    /// The log-probability of a column.
    pub fn logp(&self, column: usize) -> Float {
        Float::with_val(WORKING, &self.below[column] - &self.rest)
    }

    /// `-sum p ln p`.
    pub fn entropy(&self) -> Float {
        let mut sum = Float::new(WORKING);
        for column in 0..self.below.len() {
            let logp = self.logp(column);
            if logp.is_finite() {
                sum -= Float::with_val(WORKING, logp.exp_ref()) * logp;
            }
        }
        sum
    }

    /// `ln sum p^2`.
    pub fn log_sum_squares(&self) -> Float {
        // 1 - sum p^2 = sum p (1 - p).
        let mut sum = Float::new(WORKING);
        for column in 0..self.below.len() {
            let logp = self.logp(column);
            sum -= Float::with_val(WORKING, logp.exp_ref()) * logp.exp_m1();
        }
        (-sum).ln_1p()
    }

    /// The gradient by a column's logit, for the derivative `seed` by the target's log-probability.
    pub fn gradient(&self, column: usize, target: usize, seed: f32) -> Float {
        let logp = self.logp(column);
        let p = if column == target { -logp.exp_m1() } else { -logp.exp() };
        p * seed * &self.slopes[column]
    }
}

/// Scaled `x` less scaled `max`, without a cap: the difference comes first and is rounded once.
fn linear(x: f32, max: f32, (temperature, logit_scale, _): Parameters) -> Float {
    (Float::with_val(WORKING, x) - max) * logit_scale / temperature
}

/// The same with a cap.
fn capped(x: f32, max: f32, (temperature, logit_scale, _): Parameters, cap: f64) -> Float {
    let bent = |x: f32| {
        // A column that is masked stays so.
        if x == f32::NEG_INFINITY { float(x) } else { (Float::with_val(CAPPED, x) * logit_scale / cap).tanh() * cap }
    };
    (bent(x) - bent(max)) / temperature
}

fn slope(x: f32, (temperature, logit_scale, soft_cap): Parameters) -> Float {
    let slope = Float::with_val(WORKING, logit_scale) / temperature;
    match soft_cap {
        Some(cap) => slope / (Float::with_val(WORKING, x) * logit_scale / cap).cosh().square(),
        None => slope,
    }
}

/// The mean of some finite logits.
pub fn mean(row: &[f32]) -> Float {
    crate::sums::sum(row) / row.len() as f64
}
