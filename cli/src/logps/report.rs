//! The report: what was counted, the means, and what to watch.

use std::fmt::Write;

use super::Summary;
use crate::args::Reduce;
use crate::layout::{HEADING, WATCH, aligned, counted, percent, quiet, short, wrap};

/// The names of the numbers.
const NAME: usize = 18;

/// The whole report, with colours.
pub fn text(summary: &Summary<'_>) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = numbers(&mut text, summary).and_then(|()| watch(&mut text, summary));
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn numbers(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let (totals, options) = (&summary.totals, summary.options);
    let all = totals.tokens + totals.masked;
    let unless = |default: f64, name: &str, value: f64| {
        if value == default { String::new() } else { format!(", {name} {value}") }
    };
    let mut scaling = unless(1.0, "logit scale", options.logit_scale);
    scaling += &options.soft_cap.map_or(String::new(), |cap| format!(", soft cap {cap}"));
    scaling += &unless(1.0, "temperature", options.temperature);
    writeln!(
        out,
        "{HEADING}{} of {}, vocabulary {}, {:?}{scaling}{HEADING:#}\n",
        counted(totals.sequences, "sequence"),
        counted(summary.positions as u64, "token"),
        summary.vocabulary,
        summary.dtype
    )?;
    let mut line =
        |name: &str, value: &str, note: &str| writeln!(out, "  {name:NAME$}{}{}", aligned(value), quiet(note));
    line("tokens", &totals.tokens.to_string(), &format!("{} of all labels", percent(totals.tokens, all)))?;
    let masked = if options.mask.is_some() { "labelled -100, or masked by a 0" } else { "labelled -100" };
    line("masked", &totals.masked.to_string(), masked)?;
    line("not finite", &totals.nonfinite.to_string(), "nan or infinite")?;
    line("logps/token", &short(totals.mean_token()), "mean over the tokens")?;
    let note = match options.reduce {
        Reduce::Sum => "mean over the sequences of their sums",
        Reduce::Mean => "mean over the sequences of their means",
    };
    line("logps/sequence", &short(totals.mean_sequence()), note)?;
    let fingerprint: String = summary.provenance.get("labels_sha256").unwrap_or_default().chars().take(16).collect();
    let note = if summary.is_written { "SHA-256 of those that count, in part" } else { "in part; not in the output" };
    writeln!(out, "  {:NAME$}  {fingerprint}  {}", "labels", quiet(note))
}

fn watch(out: &mut String, summary: &Summary<'_>) -> std::fmt::Result {
    let totals = &summary.totals;
    if totals.nonfinite == 0 {
        return Ok(());
    }
    let mut places: Vec<_> = totals.nonfinite_tokens.iter().map(|[b, t]| format!("token_logps[{b}, {t}]")).collect();
    if totals.nonfinite > places.len() as u64 {
        places.push("...".to_owned());
    }
    let headline = format!("{} not finite: {}", counted(totals.nonfinite, "token"), places.join(", "));
    let advice = "Among the logits there is a nan or +inf, or the label's own logit is -inf. Common causes: an overflow in \
                  half precision, a vocabulary mask over a token that occurs.";
    let headline = wrap(&headline, "    ");
    writeln!(out, "\n  {WATCH}! {}{WATCH:#}\n{}", headline.trim_start(), wrap(advice, "    "))
}
