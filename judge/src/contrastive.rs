//! InfoNCE of one row, and its symmetric form.

use crate::Float;

use crate::WORKING;

/// Results of one row.
pub struct InfoNce {
    /// `LSE(z+, z_1 .. z_m) - z+`.
    pub loss: Float,
    /// By the positive similarity.
    pub by_positive: Float,
    /// By the negative ones.
    pub by_negatives: Vec<Float>,
    /// By the temperature.
    pub by_temperature: Float,
    /// The sum of the magnitudes of its terms: what its error is measured by.
    pub terms: Float,
}

/// One row; finite similarities.
pub fn info_nce(positive: f32, negatives: &[f32], temperature: f64) -> InfoNce {
    let best = negatives.iter().copied().fold(positive, f32::max);
    let scaled = |x: f32, less: f32| (Float::with_val(WORKING, x) - less) / temperature;
    let powers: Vec<Float> = negatives.iter().map(|&x| scaled(x, best).exp()).collect();
    let mut others = Float::new(WORKING);
    powers.iter().for_each(|power| others += power);
    let total = scaled(positive, best).exp() + &others;
    // Nothing cancels in either: where the positive is the best, the logarithm of 1 + others; else of a sum beyond 1.
    let loss = if positive == best { others.clone().ln_1p() } else { scaled(best, positive) + total.clone().ln() };
    let (mut by_temperature, mut terms) = (Float::new(WORKING), Float::new(WORKING));
    let mut by_negatives = Vec::with_capacity(negatives.len());
    for (&x, power) in negatives.iter().zip(powers) {
        let by_negative = power / &total / temperature;
        let term = by_negative.clone() * scaled(positive, x);
        by_temperature += &term;
        terms += term.abs();
        by_negatives.push(by_negative);
    }
    InfoNce { loss, by_positive: -others / total / temperature, by_negatives, by_temperature, terms }
}

/// Results of the symmetric form.
pub struct Symmetric {
    /// Mean loss of the rows, and of the columns.
    pub means: [Float; 2],
    /// By the similarities, `[n, n]`.
    pub grads: Vec<Float>,
}

/// CLIP's loss of finite similarities `[n, n]`, n from 1 on.
pub fn symmetric(similarities: &[f32], n: usize, temperature: f64) -> Symmetric {
    let mut means = [Float::new(WORKING), Float::new(WORKING)];
    let mut grads = vec![Float::new(WORKING); n * n];
    for i in 0..n {
        let sides = [|i: usize, j: usize, n: usize| i * n + j, |i: usize, j: usize, n: usize| j * n + i];
        for (side, place) in sides.into_iter().enumerate() {
            let negatives: Vec<f32> = (0..n).filter(|&j| j != i).map(|j| similarities[place(i, j, n)]).collect();
            let row = info_nce(similarities[i * n + i], &negatives, temperature);
            means[side] += row.loss / n as f64;
            grads[i * n + i] += row.by_positive / (2.0 * n as f64);
            for (j, by) in (0..n).filter(|&j| j != i).zip(row.by_negatives) {
                grads[place(i, j, n)] += by / (2.0 * n as f64);
            }
        }
    }
    Symmetric { means, grads }
}
