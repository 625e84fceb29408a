//! What the hunt found, for programs.

use serde::Serialize;

use super::hunt::{Batch, Finding};
use super::number::{Type, hex, plain};
use super::task::Row;
use super::{Stressed, regression, report};
use crate::args::Language;

/// The whole report.
#[derive(Serialize)]
struct Report<'a> {
    command: &'a str,
    loss: String,
    parameters: String,
    number: &'static str,
    bound: String,
    seed: u64,
    inputs: u64,
    unjudged: u64,
    batches: u64,
    findings: Vec<Found>,
}

/// A number in each of its forms; JSON's own cannot be nan.
#[derive(Serialize)]
struct Value {
    decimal: String,
    hex: String,
    bits: String,
}

#[derive(Serialize)]
struct Input {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<i64>,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Found {
    fault: &'static str,
    result: String,
    input: Input,
    expected: String,
    got: String,
    error_ulps: String,
    share_of_allowed: String,
    cause: String,
    met_at: u64,
    times: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<Company>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regression: Option<String>,
}

/// The batches in which a row gives one result and another.
#[derive(Serialize)]
struct Company {
    how: &'static str,
    rows: Vec<Input>,
    position: usize,
    other_rows: Vec<Input>,
    other_position: usize,
    other_got: String,
}

fn input(row: &Row, number: Type) -> Input {
    let value = |x: &f64| Value { decimal: number.decimal(*x), hex: hex(*x), bits: number.bits(*x) };
    Input { labels: row.labels.clone(), values: row.values.iter().map(value).collect() }
}

fn company(batch: &Batch, number: Type) -> Company {
    Company {
        how: batch.how,
        rows: batch.rows.iter().map(|row| input(row, number)).collect(),
        position: batch.position,
        other_rows: batch.other.iter().map(|row| input(row, number)).collect(),
        other_position: batch.other_position,
        other_got: plain(batch.other_got),
    }
}

fn found(finding: &Finding, stressed: &Stressed, language: Option<Language>) -> Found {
    let (task, number) = (&stressed.judge.task, stressed.judge.number);
    Found {
        fault: finding.fault.words(),
        result: finding.result.clone(),
        input: input(&finding.row, number),
        expected: report::expected(finding),
        got: report::got(finding, number),
        error_ulps: plain(finding.checked.ulps),
        share_of_allowed: plain(finding.checked.share),
        cause: finding.cause.clone(),
        met_at: finding.met_at,
        times: finding.times,
        batch: finding.batch.as_ref().map(|batch| company(batch, number)),
        regression: language.map(|language| regression::test(finding, task, number, language)),
    }
}

/// The object, with a line end.
pub fn text(stressed: &Stressed, language: Option<Language>) -> String {
    let (judge, seen) = (&stressed.judge, &stressed.seen);
    crate::json::text(&Report {
        command: &stressed.command,
        loss: judge.task.name(),
        parameters: judge.task.parameters(),
        number: judge.number.name(),
        bound: report::bound(stressed),
        seed: stressed.seed,
        inputs: seen.inputs,
        unjudged: seen.unjudged,
        batches: seen.batches,
        findings: seen.findings.iter().map(|finding| found(finding, stressed, language)).collect(),
    })
}
