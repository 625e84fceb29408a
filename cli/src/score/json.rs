//! The metrics as one JSON object.

use preflane::Report;
use serde::Serialize;

use crate::json::{self, Number};

#[derive(Serialize)]
struct Object {
    pairs: u64,
    skipped: u64,
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
    ties: u64,
    nonfinite: u64,
    #[serde(rename = "displacement/chosen_fell")]
    chosen_fell: Option<Number>,
    #[serde(rename = "displacement/rejected_fell")]
    rejected_fell: Option<Number>,
    #[serde(rename = "displacement/both_fell")]
    both_fell: Option<Number>,
}

/// The object, with a line end.
pub fn object(report: &Report, skipped: u64) -> String {
    let object = Object {
        pairs: report.pairs,
        skipped,
        loss: Number(report.loss),
        rewards_chosen: Number(report.rewards_chosen),
        rewards_rejected: Number(report.rewards_rejected),
        rewards_accuracies: Number(report.rewards_accuracies),
        rewards_margins: Number(report.rewards_margins),
        logps_chosen: Number(report.logps_chosen),
        logps_rejected: Number(report.logps_rejected),
        ties: report.ties,
        nonfinite: report.nonfinite,
        chosen_fell: report.chosen_fell.map(Number),
        rejected_fell: report.rejected_fell.map(Number),
        both_fell: report.both_fell.map(Number),
    };
    json::text(&object)
}
