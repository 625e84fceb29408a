//! Labelled and listed answers, from the rows of the pairs.

use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs};
use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::losses::Shape;
use preflane::{Backend, Error, ExactSum, LabelledLoss, ListedLoss, Run};

use crate::inputs::{Row, Rows};
use crate::{Case, Form, Hasher, beside};

/// Every level does the same.
const RUN: Run = Run::on(Backend::SCALAR);

/// Answers of the longest list.
const LONGEST: usize = 5;

/// Hashes what a family comes to, in all forms.
pub fn hash(case: &Case, rows: &Rows, hasher: &mut Hasher) -> Result<(), Error> {
    let parameters = case.description.case(case.index);
    for form in Form::ALL {
        if case.description.shape == Shape::Labelled {
            labelled(&LabelledLoss::new(case.description, &parameters)?, rows, form, hasher)?;
        } else {
            listed(&ListedLoss::new(case.description, &parameters)?, rows, form, hasher)?;
        }
    }
    Ok(())
}

/// The chosen answer of each row as a desirable one, the rejected one as another, against reference points that change from row to
/// row.
fn labelled(loss: &LabelledLoss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<(), Error> {
    const POINTS: [f32; 4] = [0.0, 0.25, 1.5, -3.0];
    let takes_point = loss.description().reference_point.is_some();
    let has_bias = loss.description().parameters.iter().any(|parameter| parameter.name == "bias");
    let mut metrics = LabelledMetrics::new();
    for index in 0..rows.len {
        let Row { policy_chosen, policy_rejected, ref_chosen, ref_rejected, weight } = rows.row(index);
        let (policy, reference) = ([policy_chosen, policy_rejected], [ref_chosen, ref_rejected]);
        let weights = [weight; 2];
        let answers = Labelled {
            policy_logps: &policy,
            ref_logps: form.reference.then_some(&reference),
            desirable: &[true, false],
            reference_point: if takes_point { POINTS[index % POINTS.len()] } else { 0.0 },
            weights: form.weights.then_some(&weights),
            column: None,
        };
        let [mut losses, mut rewards, mut grad_logps, mut grad_ref_logps] = [[0.0; 2]; 4];
        let [mut grad_beta, mut grad_bias] = [[0.0; 2]; 2];
        let outputs = LabelledOutputs {
            losses: Some(&mut losses),
            rewards: Some(&mut rewards),
            grad_logps: Some(&mut grad_logps),
            grad_ref_logps: Some(&mut grad_ref_logps),
            grad_beta: Some(&mut grad_beta),
            grad_bias: Some(&mut grad_bias),
        };
        RUN.evaluate_labelled(loss, answers, outputs, Some(&mut metrics))?;
        hasher.rows(&[&losses, &rewards, &grad_logps, &grad_ref_logps, &grad_beta]);
        if has_bias {
            hasher.rows(&[&grad_bias]);
        }
    }
    let counts = [metrics.desirable(), metrics.undesirable(), metrics.referenced(), metrics.nonfinite()];
    counts.into_iter().for_each(|count| hasher.integer(count));
    let sums: [&ExactSum; 6] = [
        metrics.weights(),
        metrics.loss(),
        metrics.rewards_chosen(),
        metrics.rewards_rejected(),
        metrics.logps_chosen(),
        metrics.logps_rejected(),
    ];
    sums.into_iter().for_each(|sum| hasher.sum(sum, metrics.answers()));
    Ok(())
}

/// The chosen answers of one to five rows in turn as a list, with the weight of the first; now and then an empty list.
fn listed(loss: &ListedLoss, rows: &Rows, form: Form, hasher: &mut Hasher) -> Result<(), Error> {
    let mut metrics = ListMetrics::new();
    let mut scratch = [ListScratch::default(); LONGEST];
    let (mut first, mut list) = (0, 0);
    while first < rows.len {
        let n = (list % (LONGEST + 1)).min(rows.len - first);
        let [mut policy, mut reference, mut column] = [[0.0; LONGEST]; 3];
        for i in 0..n {
            let row = rows.row(first + i);
            (policy[i], reference[i], column[i]) =
                (row.policy_chosen, row.ref_chosen, beside(loss.description(), first + i));
        }
        let weights = [rows.row(first).weight];
        let lists = Lists {
            policy_logps: &policy[..n],
            ref_logps: form.reference.then_some(&reference[..n]),
            offsets: &[0, n],
            weights: form.weights.then_some(&weights),
            column: loss.description().column.map(|_| &column[..n]),
        };
        let ([mut losses, mut grad_beta], [mut rewards, mut grad_logps, mut grad_ref_logps]) =
            ([[0.0; 1]; 2], [[0.0; LONGEST]; 3]);
        let outputs = ListOutputs {
            losses: Some(&mut losses),
            grad_beta: Some(&mut grad_beta),
            rewards: Some(&mut rewards[..n]),
            grad_logps: Some(&mut grad_logps[..n]),
            grad_ref_logps: Some(&mut grad_ref_logps[..n]),
        };
        RUN.evaluate_listed(loss, lists, outputs, Some(&mut metrics), &mut scratch)?;
        hasher.rows(&[&losses, &grad_beta]);
        hasher.rows(&[&rewards[..n], &grad_logps[..n], &grad_ref_logps[..n]]);
        (first, list) = (first + n, list + 1);
    }
    let [lists, filled, answers] = [metrics.lists(), metrics.filled(), metrics.answers()];
    let counts = [lists, filled, answers, metrics.accurate(), metrics.nonfinite(), metrics.skipped()];
    counts.into_iter().for_each(|count| hasher.integer(count));
    let sums: [&ExactSum; 6] = [
        metrics.weights(),
        metrics.loss(),
        metrics.rewards_chosen(),
        metrics.rewards_rejected(),
        metrics.logps_chosen(),
        metrics.logps_rejected(),
    ];
    sums.into_iter().for_each(|sum| hasher.sum(sum, metrics.lists()));
    Ok(())
}
