//! The metrics and findings as one JSON object.

use preflane::{Metrics, Report};
use serde::Serialize;

use super::Scored;
use super::findings::findings;
use super::rows::{Foremost, Row};
use crate::json::{self, Number};
use crate::provenance::Entries;

#[derive(Serialize)]
struct Object<'a> {
    pairs: u64,
    skipped: u64,
    #[serde(flatten)]
    means: Means,
    ties: u64,
    nonfinite: u64,
    #[serde(rename = "displacement/chosen_fell")]
    chosen_fell: Option<Number>,
    #[serde(rename = "displacement/rejected_fell")]
    rejected_fell: Option<Number>,
    #[serde(rename = "displacement/both_fell")]
    both_fell: Option<Number>,
    gradient_vanished: Option<u64>,
    finite: Finite,
    smallest_margins: Vec<Margin>,
    largest_margins: Vec<Margin>,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provenance: Vec<Provenance<'a>>,
}

#[derive(Serialize)]
struct Means {
    loss: Number,
    #[serde(rename = "rewards/chosen")]
    rewards_chosen: Number,
    #[serde(rename = "rewards/rejected")]
    rewards_rejected: Number,
    #[serde(rename = "rewards/accuracies")]
    rewards_accuracies: Number,
    #[serde(rename = "rewards/margins")]
    rewards_margins: Number,
    #[serde(rename = "logps/chosen")]
    logps_chosen: Number,
    #[serde(rename = "logps/rejected")]
    logps_rejected: Number,
}

impl Means {
    fn of(report: &Report) -> Self {
        Self {
            loss: Number(report.loss),
            rewards_chosen: Number(report.rewards_chosen),
            rewards_rejected: Number(report.rewards_rejected),
            rewards_accuracies: Number(report.rewards_accuracies),
            rewards_margins: Number(report.rewards_margins),
            logps_chosen: Number(report.logps_chosen),
            logps_rejected: Number(report.logps_rejected),
        }
    }
}

/// The means over the pairs whose numbers are all finite; those of no pair are nan.
#[derive(Serialize)]
struct Finite {
    pairs: u64,
    #[serde(flatten)]
    means: Means,
}

impl Finite {
    fn of(metrics: &Metrics) -> Self {
        Self { pairs: metrics.pairs(), means: Means::of(&metrics.report()) }
    }
}

#[derive(Serialize)]
struct Margin {
    row: u64,
    margin: Number,
}

fn margins(foremost: &Foremost) -> Vec<Margin> {
    foremost.items.iter().map(|item| Margin { row: item.row.number, margin: Number(item.value) }).collect()
}

#[derive(Serialize)]
struct Finding {
    code: &'static str,
    headline: String,
    advice: String,
    count: u64,
    rows: Vec<u64>,
}

fn all_findings(scored: &Scored) -> Vec<Finding> {
    let numbers = |rows: &[Row]| rows.iter().map(|row| row.number).collect();
    (findings(scored).into_iter())
        .map(|finding| Finding {
            code: finding.code.name(),
            count: finding.count,
            rows: numbers(&finding.rows),
            headline: finding.headline,
            advice: finding.advice,
        })
        .collect()
}

#[derive(Serialize)]
struct Provenance<'a> {
    file: String,
    metadata: &'a Entries,
}

/// The object, with a line end.
pub fn object(scored: &Scored) -> String {
    let report = scored.metrics.report();
    json::text(&Object {
        pairs: report.pairs,
        skipped: scored.skipped,
        means: Means::of(&report),
        ties: report.ties,
        nonfinite: report.nonfinite,
        chosen_fell: report.chosen_fell.map(Number),
        rejected_fell: report.rejected_fell.map(Number),
        both_fell: report.both_fell.map(Number),
        gradient_vanished: scored.watched.saturated,
        finite: Finite::of(&scored.finite),
        smallest_margins: margins(&scored.watched.smallest),
        largest_margins: margins(&scored.watched.largest),
        findings: all_findings(scored),
        provenance: (scored.provenance.iter())
            .map(|said| Provenance { file: said.path().display().to_string(), metadata: said.entries() })
            .collect(),
    })
}
