//! Log-probabilities of whole sequences from logits, and their gradient.

use crate::Float;

/// Bits: results are compared with at most 53.
const BITS: u32 = 256;

/// A sequence's exact results.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The sum or mean of its tokens' log-probabilities; none for the mean over no tokens.
    pub logp: Option<Float>,
    /// Its derivative by each logit, position by position.
    pub by_logits: Vec<Float>,
    /// Each counted token's log-probability.
    pub tokens: Vec<Float>,
}

/// `logits` holds a row of `vocabulary` for each label; a label below 0 is masked. Labels are not shifted.
pub fn sequence(logits: &[f64], vocabulary: usize, labels: &[i64], mean: bool) -> Sequence {
    let zero = || Float::with_val(BITS, 0);
    let counted = labels.iter().filter(|label| **label >= 0).count();
    let share = if mean { Float::with_val(BITS, 1) / counted.max(1) as u64 } else { Float::with_val(BITS, 1) };
    let mut tokens = Vec::new();
    let mut by_logits = Vec::with_capacity(logits.len());
    for (row, label) in logits.chunks(vocabulary).zip(labels) {
        let Ok(label) = usize::try_from(*label) else {
            by_logits.extend(row.iter().map(|_| zero()));
            continue;
        };
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exps: Vec<Float> = row.iter().map(|x| (Float::with_val(BITS, *x) - largest).exp()).collect();
        let sum = exps.iter().fold(zero(), |sum, e| sum + e);
        // What belongs to the other columns: 1 - p without the subtraction.
        let others = exps.iter().enumerate().filter(|(column, _)| *column != label).fold(zero(), |sum, (_, e)| sum + e);
        tokens.push(if row[label] == largest {
            -(others.clone() / &exps[label]).ln_1p()
        } else {
            Float::with_val(BITS, row[label]) - largest - sum.clone().ln()
        });
        for (column, e) in exps.into_iter().enumerate() {
            let by_logit = if column == label { others.clone() } else { -e };
            by_logits.push(by_logit / &sum * &share);
        }
    }
    let total = tokens.iter().fold(zero(), |sum, token| sum + token);
    let logp = if mean { (counted > 0).then(|| total * &share) } else { Some(total) };
    Sequence { logp, by_logits, tokens }
}
