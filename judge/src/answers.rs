//! Losses, rewards and gradients of labelled and of listed answers.

use crate::Float;
use crate::pairs::log_ratios;
use crate::textbook::{Inputs, Textbook};

/// The exact results of a list, or of one labelled answer.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The loss.
    pub loss: Float,
    /// Its derivative by beta.
    pub by_beta: Float,
    /// Each answer's reward.
    pub rewards: Vec<Float>,
    /// The loss's derivatives by the policy's log-probabilities; by the reference's they are the opposite.
    pub by_logps: Vec<Float>,
    /// What the definition of lists leaves of a derivative where its terms cancel: at most this may be off by beta, and by a log-probability.
    pub slack: [Float; 2],
}

/// Bits of the largest term that the definition keeps of a list's results, but for a few: sizes here are no less than that.
const KEPT: i32 = 316;

/// The log-ratio of policy to reference, exact.
pub fn log_ratio([policy, reference]: [f32; 2]) -> Float {
    let [ratio, _] = log_ratios([policy, 0.0, reference, 0.0]);
    ratio
}

/// A list of answers from best to worst, each the policy's and the reference's log-probability; finite ones only.
pub fn listed(textbook: &Textbook, answers: &[[f32; 2]], weight: f32) -> Answers {
    results(textbook, &Inputs::new(answers.iter().map(|answer| log_ratio(*answer)).collect::<Vec<_>>()), weight)
}

/// One labelled answer, finite.
pub fn labelled(
    textbook: &Textbook,
    answer: [f32; 2],
    is_desirable: bool,
    reference_point: f32,
    weight: f32,
) -> Answers {
    results(textbook, &Inputs::labelled(log_ratio(answer), is_desirable, reference_point.into()), weight)
}

fn results(textbook: &Textbook, inputs: &Inputs, weight: f32) -> Answers {
    let exact = textbook.exact(inputs);
    let weight = f64::from(weight);
    let sum = |values: &mut dyn Iterator<Item = Float>| values.fold(Float::with_val(64, 0.0), |sum, x| sum + x.abs());
    // Terms are shares times beta, log-ratios and columns; what did not cancel is of the size of other results.
    let (ratios, columns) = (sum(&mut inputs.log_ratios.iter().cloned()), textbook.columns().iter().map(|x| x.abs()));
    let terms =
        (ratios.clone() * textbook.beta() + columns.fold(1.0 + inputs.log_ratios.len() as f64, f64::max)) * 4.0_f64;
    let by_logp = (terms * textbook.beta() + sum(&mut exact.by_log_ratios.iter().cloned())) * weight;
    let by_beta = by_logp.clone() * ratios / textbook.beta();
    let slack = [by_beta >> KEPT, by_logp >> KEPT];
    // Exact: the precision is that of the log-ratio and of a factor.
    let reward = |ratio: &Float| Float::with_val(ratio.prec() + 54, textbook.beta()) * ratio;
    Answers {
        loss: exact.loss * weight,
        by_beta: exact.by_beta * weight,
        rewards: inputs.log_ratios.iter().map(reward).collect(),
        by_logps: exact.by_log_ratios.into_iter().map(|by| by * weight).collect(),
        slack,
    }
}

/// Answers, each the policy's and the reference's log-probability, with log-ratios as near to those of a row as two `f32` come, and
/// neighbours; none where `f32` has no such numbers.
pub fn answers_near(row: &Inputs) -> Vec<Vec<[f32; 2]>> {
    let near = |ratio: &Float| {
        let policy = ratio.to_f32();
        let rest = if policy.is_finite() { Float::with_val(ratio.prec(), ratio - policy).to_f32() } else { 0.0 };
        [policy, -rest]
    };
    let nearest: Vec<[f32; 2]> = row.log_ratios.iter().map(near).collect();
    let mut rows = vec![nearest.clone(), nearest.iter().map(|[policy, _]| [*policy, 0.0]).collect()];
    for place in 0..nearest.len() {
        let [policy, reference] = nearest[place];
        for neighbour in [[policy.next_up(), reference], [policy, reference.next_down()]] {
            let mut row = nearest.clone();
            row[place] = neighbour;
            rows.push(row);
        }
    }
    rows.retain(|row| row.iter().flatten().all(|x| x.is_finite()));
    rows
}

/// A row whose `result` lies as near to half way between two `f32` as some 120 bits of a log-ratio say, where the result rises or falls from
/// `low` to `high` of that: a rounding there asks for many bits.
pub fn midpoint(
    row: impl Fn(&Float) -> Inputs,
    result: impl Fn(&Inputs) -> Float,
    [mut low, mut high]: [Float; 2],
) -> Inputs {
    let middle = |low: &Float, high: &Float| Float::with_val(120, low + high) >> 1;
    let value = |x: &Float| result(&row(x));
    let about = value(&middle(&low, &high)).to_f32();
    let half_way = Float::with_val(60, f64::from(about) / 2.0 + f64::from(about.next_up()) / 2.0);
    let is_above = value(&low) > half_way;
    for _ in 0..120 {
        let between = middle(&low, &high);
        if (value(&between) > half_way) == is_above { low = between } else { high = between }
    }
    row(&low)
}
