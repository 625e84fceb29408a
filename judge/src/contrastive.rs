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

/// What an anchor's positive is compared with, and what the mean is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convention {
    /// Whether an anchor's other positives are left out.
    pub negatives_alone: bool,
    /// Whether the mean is over pairs; else it is over anchors, of which each has the mean over its positives.
    pub over_pairs: bool,
    /// Whether anchors without positives count in the mean over anchors.
    pub all_anchors: bool,
}

/// Results of groups of samples.
pub struct Grouped {
    /// The mean loss; 0 over nothing.
    pub mean: Float,
    /// The loss of each anchor: the mean over its positives.
    pub losses: Vec<Float>,
    /// Derivatives of the mean by the similarities, `[n, n]`.
    pub grads: Vec<Float>,
    /// The weight of an anchor's pair in them, over the temperature.
    pub weights: Vec<Float>,
}

/// NT-Xent and SupCon, pair by pair: minus the logarithm of the positive's share. Finite similarities `[n, n]` but for the diagonal.
pub fn grouped(similarities: &[f32], labels: &[i64], temperature: f64, convention: Convention) -> Grouped {
    let n = labels.len();
    let zero = || Float::new(2 * WORKING);
    let positives = |i: usize| (0..n).filter(move |&j| j != i && labels[i] == labels[j]);
    let anchors = (0..n).filter(|&i| convention.all_anchors || positives(i).count() > 0).count();
    let pairs: usize = (0..n).map(|i| positives(i).count()).sum();
    let (mut mean, mut losses, mut weights) = (zero(), vec![zero(); n], vec![zero(); n]);
    let mut grads = vec![zero(); n * n];
    for i in 0..n {
        let k = positives(i).count();
        let weight =
            Float::with_val(2 * WORKING, 1) / if convention.over_pairs { pairs } else { anchors * k.max(1) } as f64;
        weights[i] = weight.clone() / temperature;
        for p in positives(i) {
            let others = (0..n).filter(|&j| j != i && j != p);
            let others = others.filter(|&j| !convention.negatives_alone || labels[j] != labels[i]);
            let others: Vec<usize> = others.collect();
            let at = |j: usize| similarities[i * n + j];
            let best = others.iter().fold(at(p), |best, &j| best.max(at(j)));
            // Beyond every range are powers of the differences from the positive.
            let less = |x: f32, y: f32| (Float::with_val(2 * WORKING, x) - y) / temperature;
            let powers: Vec<(usize, Float)> = others.into_iter().map(|j| (j, less(at(j), best).exp())).collect();
            let sum = powers.iter().fold(zero(), |sum, (_, power)| sum + power);
            let total = less(at(p), best).exp() + &sum;
            let loss = if at(p) == best { sum.clone().ln_1p() } else { less(best, at(p)) + total.clone().ln() };
            mean += loss.clone() * &weight;
            losses[i] += loss / k as f64;
            for (j, power) in powers {
                grads[i * n + j] += power / &total * &weights[i];
            }
            grads[i * n + p] -= sum / &total * &weights[i];
        }
    }
    Grouped { mean, losses, grads, weights }
}
