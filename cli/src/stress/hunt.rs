//! The hunt: batch after batch, half of them near what was worst so far; then the smallest input that still fails.

use std::time::{Duration, Instant};

use super::cause::cause;
use super::generate::Generator;
use super::shrink;
use super::subject::{Reply, Subject};
use super::task::Row;
use super::verdict::{Checked, Fault, Judge};
use crate::failure::Failure;
use crate::progress::Progress;

/// The worst inputs that are kept, to look near them.
const POOL: usize = 24;
/// Every so many batches one is asked again in other shapes.
const SHAPES_EVERY: u64 = 4;
/// Points of the picture.
const MOST_POINTS: usize = 20_000;

/// When to stop.
#[derive(Clone, Copy)]
pub enum Budget {
    /// After so many inputs.
    Count(u64),
    /// After so much time.
    Time(Duration),
}

/// How a row came to have other bits.
#[derive(Clone, Debug)]
pub struct Batch {
    /// In words.
    pub how: &'static str,
    /// The batch in which the row gives `got`.
    pub rows: Vec<Row>,
    /// Where it stands there.
    pub position: usize,
    /// The batch in which it gives something else; the same batch where only time has passed.
    pub other: Vec<Row>,
    /// Where it stands in that.
    pub other_position: usize,
    /// What it gives there.
    pub other_got: f64,
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// The input.
    pub row: Row,
    /// The result beside the truth.
    pub checked: Checked,
    /// Its name.
    pub result: String,
    /// Why, as far as can be told.
    pub cause: String,
    /// The inputs tried until it was met.
    pub met_at: u64,
    /// How many of the inputs fail like this.
    pub times: u64,
    /// For what depends on the batch.
    pub batch: Option<Batch>,
}

/// A judged result for the picture: where, how far off in units in the last place, and whether that is a failure.
#[derive(Clone, Copy)]
pub struct Point {
    /// What the loss looks at; for sequences the largest logit.
    pub input: f64,
    /// The error; infinite where the result is not finite.
    pub ulps: f64,
    /// Whether it is a finding.
    pub fails: bool,
}

/// What the hunt has seen.
#[derive(Default)]
pub struct Seen {
    /// Inputs given to the code under test and judged.
    pub inputs: u64,
    /// Those for which its type has no room.
    pub unjudged: u64,
    /// Batches.
    pub batches: u64,
    /// What was wrong.
    pub findings: Vec<Finding>,
    /// For the picture.
    pub points: Vec<Point>,
    /// The largest error without a fault, as a part of what is allowed, and where.
    pub worst: Option<(f64, Row, Checked)>,
    /// Results that the code under test gives.
    pub results: usize,
}

/// Everything that asking takes.
pub struct Hunt<'a> {
    /// The code under test.
    pub subject: &'a mut Subject,
    /// The judge.
    pub judge: &'a Judge,
}

/// A batch in another shape: how, its rows, and where each row of the first batch stands in it.
type Shape = (&'static str, Vec<Row>, Vec<(usize, usize)>);

/// A row's numbers, or why there are none.
pub type Answer = Result<Vec<Option<f64>>, String>;

impl Hunt<'_> {
    /// Runs until the budget is spent or, unless `all`, something is found.
    pub fn run(&mut self, budget: Budget, seed: u64, all: bool) -> Result<Seen, Failure> {
        let mut generator = Generator::new(self.judge.task.clone(), self.judge.number, seed);
        let mut seen = Seen::default();
        let mut pool: Vec<(f64, Row)> = Vec::new();
        let start = Instant::now();
        let mut progress = Progress::of_steps(
            "inputs",
            match budget {
                Budget::Count(count) => count,
                Budget::Time(time) => time.as_millis() as u64,
            },
        );
        loop {
            let (done, most) = match budget {
                Budget::Count(count) => (seen.inputs, (count - seen.inputs.min(count)) as usize),
                Budget::Time(time) => {
                    (start.elapsed().as_millis() as u64, if start.elapsed() < time { usize::MAX } else { 0 })
                }
            };
            progress.update(done);
            if most == 0 || (!all && !seen.findings.is_empty()) {
                break;
            }
            let is_ladder = seen.batches % 8 == 5 && !self.judge.task.is_sequences();
            let is_of_zeros = seen.batches % 8 == 2 && generator.has_zeros();
            let rows = if is_ladder {
                generator.ladder(most)
            } else if is_of_zeros {
                generator.beside_zeros(most)
            } else if seen.batches % 2 == 1 && !pool.is_empty() && !self.judge.task.is_sequences() {
                let size = generator.batch(most).len();
                let first = &pool[seen.batches as usize % pool.len()].1;
                // A batch's rows have one shape.
                let alike: Vec<&Row> =
                    pool.iter().map(|(_, row)| row).filter(|row| row.values.len() == first.values.len()).collect();
                (0..size)
                    .map(|_| {
                        let which = generator.random.bits() as usize % alike.len();
                        generator.near(alike[which])
                    })
                    .collect()
            } else {
                generator.batch(most)
            };
            let answers = self.ask(&rows)?;
            self.judge_batch(&rows, &answers, &mut seen, &mut pool);
            if is_ladder {
                self.monotone(&rows, &answers, &mut seen);
            }
            if seen.batches % SHAPES_EVERY == 0 {
                self.shapes(&rows, &answers, &mut seen)?;
            }
            seen.batches += 1;
        }
        drop(progress);
        // The gravest first, and without `all` no other.
        seen.findings.sort_by_key(|finding| (finding.fault, finding.checked.result, finding.met_at));
        seen.findings.truncate(if all { usize::MAX } else { 1 });
        let mut kept: Vec<Finding> = Vec::new();
        for finding in std::mem::take(&mut seen.findings) {
            let smaller = shrink::shrink(self, finding)?;
            // What looked like two may have become one.
            match kept.iter_mut().find(|other| kind(other) == kind(&smaller)) {
                Some(other) => other.times += smaller.times,
                None => kept.push(smaller),
            }
        }
        seen.findings = kept;
        Ok(seen)
    }

    /// A batch's answers. Where the whole batch is declined, its rows are asked one by one.
    pub fn ask(&mut self, rows: &[Row]) -> Result<Vec<Answer>, Failure> {
        let task = &self.judge.task;
        // What would come of such a number is no fault of the code under test.
        if let Some(x) = rows.iter().flat_map(|row| &row.values).find(|x| !self.judge.number.holds(**x)) {
            let name = self.judge.number.name();
            return Err(Failure::new(format!("a defect of preflane, please report it: the input {x} is no {name}")));
        }
        match self.subject.ask(task.request(rows), rows.len())? {
            Reply::Rows(answers) => {
                for (row, answer) in rows.iter().zip(&answers) {
                    if !task.takes(row, answer.len()) {
                        let message = format!(
                            "an answer has {} numbers for a row; the loss alone or with its gradients is needed",
                            answer.len()
                        );
                        return Err(Failure::new(format!("the code under test: {message}")));
                    }
                }
                Ok(answers.into_iter().map(Ok).collect())
            }
            Reply::Refused(reason) if rows.len() == 1 => Ok(vec![Err(reason)]),
            Reply::Refused(_) => {
                let mut answers = Vec::with_capacity(rows.len());
                for row in rows {
                    answers.extend(self.ask(std::slice::from_ref(row))?);
                }
                Ok(answers)
            }
        }
    }

    fn judge_batch(&self, rows: &[Row], answers: &[Answer], seen: &mut Seen, pool: &mut Vec<(f64, Row)>) {
        for (row, answer) in rows.iter().zip(answers) {
            seen.inputs += 1;
            let answer = match answer {
                Ok(answer) => answer,
                Err(reason) => {
                    if let Some(finding) = self.refused(row, reason, seen.inputs) {
                        add(seen, finding);
                    }
                    continue;
                }
            };
            let checked = self.judge.check(row, answer);
            seen.results = seen.results.max(answer.iter().flatten().count());
            if checked.is_empty() {
                seen.unjudged += 1;
                continue;
            }
            let mut worst = 0.0_f64;
            for checked in checked {
                if checked.result == 0 && seen.points.len() < MOST_POINTS {
                    let point = Point {
                        input: self.judge.task.position(row),
                        ulps: checked.ulps,
                        fails: checked.fault.is_some(),
                    };
                    seen.points.push(point);
                }
                match checked.fault {
                    Some(fault) => {
                        let result = self.judge.task.result(row, checked.result);
                        let cause = cause(self.judge, row, &checked);
                        let finding = Finding {
                            fault,
                            row: row.clone(),
                            result,
                            checked,
                            cause,
                            met_at: seen.inputs,
                            times: 1,
                            batch: None,
                        };
                        add(seen, finding);
                    }
                    None => {
                        worst = worst.max(checked.share);
                        if seen.worst.as_ref().is_none_or(|(share, ..)| *share < checked.share) {
                            seen.worst = Some((checked.share, row.clone(), checked));
                        }
                    }
                }
            }
            pool.push((worst, row.clone()));
        }
        pool.sort_by(|a, b| b.0.total_cmp(&a.0));
        pool.dedup_by(|a, b| a.1 == b.1);
        pool.truncate(POOL);
    }

    /// Declining is right only where there is no truth.
    pub fn refused(&self, row: &Row, reason: &str, met_at: u64) -> Option<Finding> {
        let nothing = vec![Some(0.0); 1];
        let checked = self.judge.check(row, &nothing).into_iter().next()?;
        checked.expected.as_ref()?;
        let checked = Checked { got: f64::NAN, ulps: f64::INFINITY, share: f64::INFINITY, ..checked };
        Some(Finding {
            fault: Fault::Refused,
            row: row.clone(),
            result: self.judge.task.result(row, 0),
            checked,
            cause: format!("it says: {reason}"),
            met_at,
            times: 1,
            batch: None,
        })
    }

    /// Whether the losses of a ladder fall and rise as the truth does, beyond what each may be off.
    fn monotone(&self, rows: &[Row], answers: &[Answer], seen: &mut Seen) {
        let lenient =
            Judge { task: self.judge.task.clone(), bound: crate::args::Bound::Ulps(8.0), strict: false, ..*self.judge };
        let loss = |k: usize| {
            let answer = answers[k].as_ref().ok()?;
            let checked = lenient.check(&rows[k], answer).into_iter().next()?;
            let expected = checked.expected.as_ref()?.to_f64();
            (checked.result == 0 && checked.got.is_finite() && expected.is_finite()).then_some((checked, expected))
        };
        for k in 1..rows.len() {
            let (Some((a, before)), Some((b, after))) = (loss(k - 1), loss(k)) else { continue };
            let doubt = a.allowed + b.allowed;
            let number = self.judge.number;
            let (truth, got) = (after - before, b.got - a.got);
            if truth.abs() > doubt && got.abs() > doubt && truth.signum() != got.signum() {
                let cause = format!(
                    "where {} rises from {}, the loss goes from {} to {}, but should from {} to {}",
                    self.judge.task.inputs(&rows[k]).swap_remove(0),
                    number.decimal(rows[k - 1].values[0]),
                    number.decimal(a.got),
                    number.decimal(b.got),
                    number.decimal(number.round(before)),
                    number.decimal(number.round(after))
                );
                let finding = Finding {
                    fault: Fault::NotMonotone,
                    row: rows[k].clone(),
                    result: "loss".to_owned(),
                    checked: b,
                    cause,
                    met_at: seen.inputs,
                    times: 1,
                    batch: None,
                };
                add(seen, finding);
            }
        }
    }

    /// The same rows again, backwards, alone, and first in other company.
    fn shapes(&mut self, rows: &[Row], answers: &[Answer], seen: &mut Seen) -> Result<(), Failure> {
        let backwards: Vec<Row> = rows.iter().rev().cloned().collect();
        let last = rows.len() - 1;
        let mut shapes: Vec<Shape> = vec![
            ("asked again", rows.to_vec(), (0..rows.len()).map(|k| (k, k)).collect()),
            ("the batch in reverse order", backwards, (0..rows.len()).map(|k| (k, last - k)).collect()),
        ];
        for k in [0, last / 2, last] {
            shapes.push(("alone in its batch", vec![rows[k].clone()], vec![(k, 0)]));
        }
        for (how, other, places) in shapes {
            let others = self.ask(&other)?;
            for (k, there) in places {
                let (Ok(here), Ok(again)) = (&answers[k], &others[there]) else { continue };
                if let Some(result) = differ(here, again) {
                    let batch = Batch {
                        how,
                        rows: rows.to_vec(),
                        position: k,
                        other: other.clone(),
                        other_position: there,
                        other_got: again[result].unwrap_or(f64::NAN),
                    };
                    if let Some(finding) = self.unsteady(&rows[k], here, result, batch, seen.inputs) {
                        add(seen, finding);
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// A row whose bits differ.
    pub fn unsteady(
        &self,
        row: &Row,
        here: &[Option<f64>],
        result: usize,
        batch: Batch,
        met_at: u64,
    ) -> Option<Finding> {
        let got = here[result]?;
        let checked = self.judge.check(row, here).into_iter().find(|checked| checked.result == result);
        // Bits are compared even where nothing is judged.
        let checked = checked.unwrap_or(Checked {
            result,
            expected: None,
            got,
            allowed: 0.0,
            ulps: f64::INFINITY,
            share: f64::INFINITY,
            fault: None,
        });
        Some(Finding {
            fault: Fault::Unsteady,
            row: row.clone(),
            result: self.judge.task.result(row, result),
            checked,
            cause: batch.how.to_owned(),
            met_at,
            times: 1,
            batch: Some(batch),
        })
    }
}

/// The first result whose bits differ; all NaNs are one.
pub fn differ(a: &[Option<f64>], b: &[Option<f64>]) -> Option<usize> {
    let same = |a: &Option<f64>, b: &Option<f64>| match (a, b) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (a, b) => a.is_none() && b.is_none(),
    };
    a.iter().zip(b).position(|(a, b)| !same(a, b))
}

/// What makes two findings one: gradients of a row are of a kind, and so is all that is not monotone.
fn kind(finding: &Finding) -> (Fault, bool, &str) {
    let cause = if finding.fault == Fault::NotMonotone { "" } else { &finding.cause };
    (finding.fault, finding.checked.result == 0, cause)
}

/// Keeps one finding of a kind: the first.
fn add(seen: &mut Seen, finding: Finding) {
    match seen.findings.iter_mut().find(|other| kind(other) == kind(&finding)) {
        Some(other) => other.times += u64::from(other.checked.result == finding.checked.result),
        None => seen.findings.push(finding),
    }
}
