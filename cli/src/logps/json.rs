//! The totals as one JSON object.

use serde::Serialize;

use super::Summary;
use crate::json::{self, Number};

#[derive(Serialize)]
struct Object {
    sequences: u64,
    tokens: u64,
    masked: u64,
    nonfinite: u64,
    vocabulary: usize,
    reduce: &'static str,
    temperature: f64,
    #[serde(rename = "logps/token")]
    logps_token: Number,
    #[serde(rename = "logps/sequence")]
    logps_sequence: Number,
}

/// The object, with a line end.
pub fn object(summary: &Summary<'_>) -> String {
    let totals = &summary.totals;
    json::text(&Object {
        sequences: totals.sequences,
        tokens: totals.tokens,
        masked: totals.masked,
        nonfinite: totals.nonfinite,
        vocabulary: summary.vocabulary,
        reduce: summary.options.reduce.name(),
        temperature: summary.options.temperature,
        logps_token: Number(totals.mean_token()),
        logps_sequence: Number(totals.mean_sequence()),
    })
}
