//! What in the data deserves a look, in plain words.

use super::{Row, Scored};
use crate::layout::{counted, percent};

/// Shares below this are no finding: some displaced or saturated pairs are in all data.
const SHARE: f64 = 0.1;

/// One thing to watch.
pub struct Finding {
    /// What the data shows, in a few words.
    pub headline: String,
    /// What it means and what to try.
    pub advice: String,
}

/// All findings, the most serious first.
pub fn findings(scored: &Scored) -> Vec<Finding> {
    [
        nonfinite(scored),
        positive(scored),
        same_columns(scored),
        zero_reference(scored),
        inverted(scored),
        displaced(scored),
        saturated(scored),
        ties(scored),
    ]
    .into_iter()
    .flatten()
    .chain(noted(scored))
    .collect()
}

/// What the readers said of the files.
fn noted(scored: &Scored) -> impl Iterator<Item = Finding> {
    scored.notes.iter().map(|note| Finding { headline: note.headline.clone(), advice: note.advice.clone() })
}

fn finding(headline: impl Into<String>, advice: impl Into<String>) -> Option<Finding> {
    Some(Finding { headline: headline.into(), advice: advice.into() })
}

fn is_much(count: u64, pairs: u64) -> bool {
    count as f64 >= SHARE * pairs as f64 && count > 0
}

fn nonfinite(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.metrics.nonfinite(), scored.metrics.pairs());
    if count == 0 {
        return None;
    }
    let name = |row: &Row| match (scored.files.len(), row.place) {
        (1, _) => row.number.to_string(),
        (_, place) => format!("{} ({} {place})", row.number, scored.files[row.file].display()),
    };
    let mut rows: Vec<_> = scored.nonfinite_rows.iter().map(name).collect();
    if count > rows.len() as u64 {
        rows.push("...".to_owned());
    }
    let noun = if count == 1 { "row" } else { "rows" };
    finding(
        format!("{} of {all} not finite: {noun} {}", counted(count, "pair"), rows.join(", ")),
        "A log-probability there is nan or infinite, or a result is beyond 32 bits; one such row can make a mean nan \
         or infinite. Common causes: an empty completion, an overflow in half precision, a masked token that was summed.",
    )
}

fn positive(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.positive, scored.metrics.pairs());
    if count == 0 {
        return None;
    }
    finding(
        format!("Log-probabilities above 0 in {} ({})", counted(count, "pair"), percent(count, all)),
        "A probability is at most 1, so its logarithm is at most 0. These may be losses (the sign is then wrong), \
         perplexities or probabilities.",
    )
}

fn same_columns(scored: &Scored) -> Option<Finding> {
    let same = scored.sameness?;
    match (same.chosen_same, same.rejected_same) {
        (true, true) => finding(
            "Policy and reference are the same in every row",
            "Either nothing was trained, or the columns of one model stand in the place of the other's.",
        ),
        (true, false) => finding(
            "The chosen log-probs of policy and reference are the same in every row",
            "The rejected ones differ, so one of the two chosen columns is probably a copy of the other.",
        ),
        (false, true) => finding(
            "The rejected log-probs of policy and reference are the same in every row",
            "The chosen ones differ, so one of the two rejected columns is probably a copy of the other.",
        ),
        (false, false) => None,
    }
}

fn zero_reference(scored: &Scored) -> Option<Finding> {
    let same = scored.sameness?;
    let which = match (same.ref_chosen_zero, same.ref_rejected_zero) {
        (true, true) => "Both reference columns are",
        (true, false) => "The reference's chosen column is",
        (false, true) => "The reference's rejected column is",
        (false, false) => return None,
    };
    finding(
        format!("{which} 0 in every row"),
        "A log-probability of 0 would mean that the reference is certain of every answer; most likely the column was \
         never filled. Compute the reference again, or score with --reference-free.",
    )
}

fn inverted(scored: &Scored) -> Option<Finding> {
    let metrics = &scored.metrics;
    let counted = metrics.pairs() - metrics.nonfinite().min(metrics.pairs());
    let wrong = counted.saturating_sub(metrics.accurate() + metrics.ties());
    if wrong <= metrics.accurate() {
        return None;
    }
    finding(
        format!("The rejected answer has the higher reward in {} of the pairs", percent(wrong, metrics.pairs())),
        "The policy prefers what it was to avoid, more often than not. If that is a surprise, see whether chosen and \
         rejected, or policy and reference, are swapped.",
    )
}

fn displaced(scored: &Scored) -> Option<Finding> {
    scored.sameness?;
    let (metrics, all) = (&scored.metrics, scored.metrics.pairs());
    if !is_much(metrics.both_fell(), all) {
        return None;
    }
    finding(
        format!("Both log-probs fell below the reference in {} of the pairs", percent(metrics.both_fell(), all)),
        format!(
            "Likelihood displacement: the margin may grow, yet the chosen answer became less likely too, and what both \
             lost went to answers outside the pair. The chosen one fell in {} of all pairs. Worth trying: fewer steps or \
             a lower learning rate, a larger beta, a likelihood term on the chosen answer (RPO, DPOP), leaving out \
             pairs whose answers are nearly alike.",
            percent(metrics.chosen_fell(), all)
        ),
    )
}

fn saturated(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.saturated?, scored.metrics.pairs());
    if !is_much(count, all) {
        return None;
    }
    finding(
        format!("The gradient has vanished in {} of the pairs", percent(count, all)),
        "Their |dL/dz| is below 0.001 (1 is the slope of a pair that is entirely wrong): they no longer train, whatever \
         the number of steps. If you train on them, they are solved, or beta is too large for their margins.",
    )
}

fn ties(scored: &Scored) -> Option<Finding> {
    let (count, all) = (scored.metrics.ties(), scored.metrics.pairs());
    // Already said in better words.
    if count == 0 || scored.sameness.is_some_and(|same| same.chosen_same && same.rejected_same) {
        return None;
    }
    finding(
        format!("{} ({}) tie: the two rewards are exactly equal", counted(count, "pair"), percent(count, all)),
        "A tie counts as not accurate. Usually the two answers of such a pair are identical.",
    )
}
