//! The smallest, roundest input that still fails in the same way.

use preflane_judge::Form;

use super::cause::cause;
use super::generate::settle;
use super::hunt::{Batch, Finding, Hunt, differ};
use super::task::{Row, Shape};
use super::verdict::Fault;
use crate::failure::Failure;

/// Rounds of candidates; each makes the input simpler.
const MOST_ROUNDS: usize = 200;
/// Candidates of a batch. A loss that depends on its batch is no matter here: what is found is asked alone at the end.
const MOST_CANDIDATES: usize = 64;

/// How much there is to read in a row.
fn weight(row: &Row) -> f64 {
    let of = |x: f64| {
        if x == 0.0 {
            return 0.0;
        }
        let text = format!("{x:e}");
        let digits = text.chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).count();
        1.0 + 10.0 * digits as f64 + 2.0 * x.abs().log10().abs()
    };
    row.values.iter().map(|x| of(*x)).sum::<f64>() + 30.0 * row.values.len() as f64
}

/// Finds it.
pub fn shrink(hunt: &mut Hunt, mut finding: Finding) -> Result<Finding, Failure> {
    match finding.fault {
        // A ladder's two rows say more than one.
        Fault::NotMonotone => return Ok(finding),
        Fault::Unsteady => return shrink_batch(hunt, finding),
        _ => {}
    }
    for _ in 0..MOST_ROUNDS {
        let here = weight(&finding.row);
        let mut candidates = simpler(hunt, &finding.row);
        candidates.retain(|row| weight(row) < here);
        candidates.sort_by(|a, b| weight(a).total_cmp(&weight(b)));
        candidates.dedup();
        let mut found = None;
        // Sequences of one batch have one shape.
        while !candidates.is_empty() && found.is_none() {
            let shape = |row: &Row| (row.labels.len(), row.values.len());
            let first = shape(&candidates[0]);
            let end =
                candidates.iter().position(|row| shape(row) != first).unwrap_or(candidates.len()).min(MOST_CANDIDATES);
            let batch: Vec<Row> = candidates.drain(..end).collect();
            let answers = hunt.ask(&batch)?;
            found = batch.into_iter().zip(answers).find_map(|(row, answer)| same(hunt, &finding, row, &answer));
        }
        match found {
            Some(found) => finding = found,
            None => break,
        }
    }
    Ok(finding)
}

/// The finding with another row, if that fails likewise.
fn same(hunt: &Hunt, finding: &Finding, row: Row, answer: &Result<Vec<Option<f64>>, String>) -> Option<Finding> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) if finding.fault == Fault::Refused => {
            let found = hunt.refused(&row, reason, finding.met_at)?;
            return Some(Finding { times: finding.times, ..found });
        }
        Err(_) => return None,
    };
    let checked = hunt.judge.check(&row, answer);
    let is_same = |result: usize| {
        if row.labels.is_empty() {
            result == finding.checked.result
        } else {
            (result == 0) == (finding.checked.result == 0)
        }
    };
    let checked = checked.into_iter().find(|checked| {
        checked.fault == Some(finding.fault)
            && is_same(checked.result)
            // NaN stays NaN, infinity infinity, and an empty mean one.
            && checked.got.is_nan() == finding.checked.got.is_nan()
            && checked.expected.is_none() == finding.checked.expected.is_none()
    })?;
    if cause(hunt.judge, &row, &checked) != finding.cause {
        return None;
    }
    let result = hunt.judge.task.result(&row, checked.result);
    Some(Finding { row, checked, result, ..finding.clone() })
}

/// The nearest numbers with few digits.
fn rounded(x: f64) -> Vec<f64> {
    let mut all = vec![x.round(), x.trunc(), x.floor()];
    for digits in 0..6 {
        all.extend(format!("{x:.digits$e}").parse::<f64>());
        // One further from 0, for what fails only beyond a threshold.
        let unit = 10_f64.powi(x.abs().max(f64::MIN_POSITIVE).log10().floor() as i32 - digits as i32);
        all.push((x / unit).floor() * unit);
        all.push((x / unit).ceil() * unit);
    }
    // Products with powers of ten are not the decimals that they seem.
    let tidy = |x: f64| format!("{x:.12e}").parse::<f64>().unwrap_or(x);
    all.into_iter().map(tidy).collect()
}

fn simpler(hunt: &Hunt, row: &Row) -> Vec<Row> {
    let mut rows = Vec::new();
    let number = hunt.judge.number;
    if hunt.judge.task.is_sequences() {
        return simpler_sequences(hunt, row);
    }
    let mut with = |change: &dyn Fn(&mut Vec<f64>)| {
        let mut other = row.clone();
        change(&mut other.values);
        settle(&hunt.judge.task, number, &mut other);
        rows.push(other);
    };
    let n = hunt.judge.task.answers(row);
    for k in 0..row.values.len() {
        let x = row.values[k];
        for y in [0.0, -1.0, -2.0, -10.0, -100.0, -1000.0, x / 2.0, x * 0.9, x * 2.0].into_iter().chain(rounded(x)) {
            with(&|values| values[k] = y);
        }
        for y in [-0.1, -0.01, -1e-3, -1e-4, -1e-6, -1e-8, -1e-12, -1e-16] {
            with(&|values| values[k] = y);
        }
        for other in 0..row.values.len() {
            with(&|values| values[k] = values[other]);
            // Two at once, the difference kept.
            let (a, b) = (row.values[k], row.values[other]);
            if other != k {
                for shift in [a, b, a.trunc(), b.trunc(), a / 2.0] {
                    with(&|values| {
                        values[k] = a - shift;
                        values[other] = b - shift;
                    });
                }
                for factor in [0.5, 0.1] {
                    with(&|values| {
                        values[k] = a * factor;
                        values[other] = b * factor;
                    });
                }
            }
        }
    }
    if n == 2 {
        // The log-ratios alone, without and with whole numbers.
        let [u, v] = [row.values[0] - row.values[2], row.values[1] - row.values[3]];
        for (u, v) in [(u, v), (u - v, 0.0), (u.round(), v.round()), (u.floor(), v.ceil()), (u.ceil(), v.floor())] {
            with(&|values| values.copy_from_slice(&[u, v, 0.0, 0.0]));
            with(&|values| values.copy_from_slice(&[u, v, 0.0, 0.0].map(|x: f64| x - u.max(v).max(0.0))));
            with(&|values| values.copy_from_slice(&[u.min(0.0), v.min(0.0), -u.max(0.0), -v.max(0.0)]));
        }
    } else {
        let ratio = |k: usize| row.values[k] - row.values[n + k];
        for change in [|x: f64| x, f64::round, f64::floor, f64::ceil] {
            with(&|values| (0..n).for_each(|k| (values[k], values[n + k]) = (change(ratio(k)), 0.0)));
            with(&|values| (0..n).for_each(|k| (values[k], values[n + k]) = (change(ratio(k) - ratio(n - 1)), 0.0)));
        }
    }
    // A list without one of its answers.
    if hunt.judge.task.shape == Shape::Answers(Form::Listed) && n > 1 {
        for k in 0..n {
            let mut other = row.clone();
            other.values.remove(n + k);
            other.values.remove(k);
            rows.push(other);
        }
    }
    rows
}

fn simpler_sequences(hunt: &Hunt, row: &Row) -> Vec<Row> {
    let positions = row.labels.len();
    let vocabulary = row.values.len() / positions;
    let mut rows = Vec::new();
    // Without a position; with half of the columns.
    for position in 0..positions {
        if positions > 1 {
            let mut other = row.clone();
            other.labels.remove(position);
            other.values.drain(position * vocabulary..(position + 1) * vocabulary);
            rows.push(other);
        }
    }
    for keep in [vocabulary / 2, vocabulary - 1] {
        if keep >= 2 {
            let mut other = row.clone();
            other.values = row.values.chunks(vocabulary).flat_map(|logits| logits[..keep].to_vec()).collect();
            other.labels.iter_mut().for_each(|label| *label = (*label).min(keep as i64 - 1));
            rows.push(other);
        }
    }
    let mut all = |change: &dyn Fn(f64) -> f64| {
        let mut other = row.clone();
        other.values.iter_mut().for_each(|x| *x = hunt.judge.number.round(change(*x)));
        rows.push(other);
    };
    let least = row.values.iter().copied().fold(f64::INFINITY, f64::min);
    all(&|_| 0.0);
    all(&|x| x.round());
    all(&|x| x - least);
    all(&|x| (x * 8.0).round() / 8.0);
    all(&|x| (x / 10.0).round() * 10.0);
    if row.values.len() <= 64 {
        for k in 0..row.values.len() {
            for y in [0.0, 1.0].into_iter().chain(rounded(row.values[k])) {
                let mut other = row.clone();
                other.values[k] = hunt.judge.number.round(y);
                rows.push(other);
            }
        }
    }
    rows
}

/// The smallest batch in which the row still has other bits.
fn shrink_batch(hunt: &mut Hunt, finding: Finding) -> Result<Finding, Failure> {
    let Some(batch) = &finding.batch else { return Ok(finding) };
    let (mut rows, mut position) = (batch.rows.clone(), batch.position);
    let mut best = finding.clone();
    // Rows go away from both ends, in ever smaller pieces; the row itself stays.
    let mut piece = rows.len() / 2;
    while piece > 0 {
        let mut is_smaller = false;
        for from_front in [true, false] {
            let (start, end) = if from_front { (piece, rows.len()) } else { (0, rows.len() - piece.min(rows.len())) };
            if start > position || position >= end || end - start == rows.len() {
                continue;
            }
            let fewer = rows[start..end].to_vec();
            if let Some(found) = disagrees(hunt, &finding, fewer.clone(), position - start)? {
                (rows, position, best, is_smaller) = (fewer, position - start, found, true);
            }
        }
        if !is_smaller {
            piece /= 2;
        }
        piece = piece.min(rows.len().saturating_sub(1));
    }
    Ok(best)
}

/// Asks the batch, and the row in the other way.
fn disagrees(hunt: &mut Hunt, finding: &Finding, rows: Vec<Row>, position: usize) -> Result<Option<Finding>, Failure> {
    let (other, other_position) = match finding.cause.as_str() {
        "asked again" => (rows.clone(), position),
        "alone in its batch" => (vec![rows[position].clone()], 0),
        _ => (rows.iter().rev().cloned().collect(), rows.len() - 1 - position),
    };
    let here = hunt.ask(&rows)?.swap_remove(position);
    let there = hunt.ask(&other)?.swap_remove(other_position);
    let (Ok(here), Ok(there)) = (here, there) else { return Ok(None) };
    let Some(result) = differ(&here, &there) else { return Ok(None) };
    let Some(how) = finding.batch.as_ref().map(|batch| batch.how) else { return Ok(None) };
    let other_got = there[result].unwrap_or(f64::NAN);
    let row = rows[position].clone();
    let batch = Batch { how, rows, position, other, other_position, other_got };
    let found = hunt.unsteady(&row, &here, result, batch, finding.met_at);
    Ok(found.map(|found| Finding { times: finding.times, ..found }))
}
