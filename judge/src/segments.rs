//! Segments of trajectories: scores, distances and their gradients, term by term.

use crate::Float;

/// Bits: powers of a discount have thousands; what is dropped matters to no comparison.
const BITS: u32 = 2048;

fn float(x: impl Into<f64>) -> Float {
    Float::with_val(BITS, x.into())
}

/// `gamma^t`, one factor after the other.
pub fn discounted(gamma: f64, t: usize) -> Float {
    (0..t).fold(float(1.0), |power, _| power * gamma)
}

/// The sum of `gamma^t x_t` of a segment's steps, of the differences of two numbers each.
pub fn discounted_sum(steps: &[(f32, f32)], gamma: f64) -> Float {
    let mut power = float(1.0);
    let mut sum = float(0.0);
    for &(x, less) in steps {
        sum += (float(x) - f64::from(less)) * &power;
        power *= gamma;
    }
    sum
}

/// The regret of a segment with the values of its first and last state.
pub fn deterministic_regret(steps: &[(f32, f32)], gamma: f64, start: f32, end: f32) -> Float {
    float(start) - discounted_sum(steps, gamma) - discounted(gamma, steps.len()) * f64::from(end)
}

/// The mean of half the Euclidean distances of vectors, and its derivatives by the first ones.
pub fn distance(steps: &[(&[f32], &[f32])]) -> (Float, Vec<Float>) {
    let (mut mean, mut grads) = (float(0.0), Vec::new());
    let n = steps.len() as f64;
    for (p, a) in steps {
        let differences: Vec<Float> = p.iter().zip(*a).map(|(&p, &a)| float(p) - f64::from(a)).collect();
        let square = differences.iter().fold(float(0.0), |sum, x| sum + x.clone() * x);
        let length = square.sqrt();
        mean += length.clone() / 2.0 / n;
        for difference in differences {
            grads.push(if length.is_zero() { float(0.0) } else { difference / &length / 2.0 / n });
        }
    }
    (mean, grads)
}

/// The mean of values by their softmax, and its derivatives by them.
pub fn soft_maximum(values: &[f32], temperature: f64) -> (Float, Vec<Float>) {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<Float> = values.iter().map(|&v| ((float(v) - f64::from(most)) / temperature).exp()).collect();
    let total = powers.iter().fold(float(0.0), |sum, power| sum + power);
    let above = powers
        .iter()
        .zip(values)
        .fold(float(0.0), |sum, (power, &v)| sum + power.clone() * (float(v) - f64::from(most)));
    let mean = above / &total + f64::from(most);
    let grads = powers.into_iter().zip(values).map(|(power, &v)| {
        let slope = (float(v) - &mean) / temperature + 1.0;
        power / &total * slope
    });
    (mean.clone(), grads.collect())
}

/// `strength` times the mean of squares of differences.
pub fn smoothness(strength: f64, here: &[f32], there: &[f32]) -> Float {
    let squares = here.iter().zip(there).map(|(&a, &b)| float(a) - f64::from(b)).map(|x| x.clone() * x);
    squares.fold(float(0.0), |sum, x| sum + x) * strength / here.len() as f64
}
