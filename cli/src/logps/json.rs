//! The totals as one JSON object.

use serde::Serialize;

use super::Summary;
use crate::json::{self, Number};
use crate::provenance::Entries;

#[derive(Serialize)]
struct Object<'a> {
    sequences: u64,
    tokens: u64,
    masked: u64,
    nonfinite: u64,
    vocabulary: usize,
    reduce: &'static str,
    temperature: f64,
    logit_scale: f64,
    soft_cap: Option<f64>,
    provenance: &'a Entries,
    provenance_written: bool,
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
        logit_scale: summary.options.logit_scale,
        soft_cap: summary.options.soft_cap,
        provenance: summary.provenance.entries(),
        provenance_written: summary.is_written,
        logps_token: Number(totals.mean_token()),
        logps_sequence: Number(totals.mean_sequence()),
    })
}
