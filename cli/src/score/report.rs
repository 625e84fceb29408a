//! The report: metrics, a picture of the margins, and what to watch. 80 columns wide.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::Scored;
use super::findings::findings;
use super::histogram::{Histogram, Row};
use super::rows::NAMED;
use super::shape::{Share, Summary};
use crate::layout::{COLUMN, HEADING, QUIET, WATCH, WIDTH, aligned, counted, percent, quiet, rough, short, wrap};

/// The names of the metrics.
const NAME: usize = 18;
/// The longest bar.
const BAR: usize = 40;

/// Quantiles of fewer values say nothing.
const FEW: u64 = 20;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// The whole report, with colours.
pub fn text(scored: &Scored) -> String {
    let mut text = String::new();
    let out = &mut text;
    let summary = scored.shape.summary();
    // Writing into memory does not fail.
    let _ = headline(out, scored, &summary)
        .and_then(|()| metrics(out, scored, &summary))
        .and_then(|()| writeln!(out))
        .and_then(|()| shares(out, scored, &summary))
        .and_then(|()| margins(out, scored))
        .and_then(|()| extremes(out, scored))
        .and_then(|()| provenance(out, scored))
        .and_then(|()| watch(out, scored));
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn headline(out: &mut String, scored: &Scored, summary: &Summary) -> std::fmt::Result {
    let mut parts = vec![summary.title.clone()];
    if scored.files.len() > 1 {
        parts[0] += &format!(" in {} files", scored.files.len());
    }
    parts.push(format!("loss {}", scored.loss.name));
    let parameters = scored.loss.parameters.iter().zip(&scored.parameters);
    parts.extend(parameters.map(|(parameter, value)| format!("{} {value}", parameter.name.replace('_', " "))));
    parts.extend(summary.settings.iter().cloned());
    parts.extend((!scored.is_referenced).then(|| "reference-free".to_owned()));
    parts.extend(scored.weighted.then(|| "weighted loss".to_owned()));
    writeln!(out, "{HEADING}{}{HEADING:#}\n", wrap(&parts.join(", "), ""))?;
    if let Some(convention) = &scored.convention {
        writeln!(out, "{}\n", quiet(&wrap(convention, "  ")))?;
    }
    let mut notes = Vec::new();
    if !scored.loss.reference {
        let name = scored.loss.name;
        notes.push(format!("{name} is defined without a reference: columns of one are not read"));
    }
    if scored.skipped > 0 {
        notes.push(format!("{} left out: a value is missing (--nulls skip)", counted(scored.skipped, "row")));
    }
    notes.iter().try_for_each(|note| writeln!(out, "  {}\n", quiet(note)))
}

fn metrics(out: &mut String, scored: &Scored, summary: &Summary) -> std::fmt::Result {
    let (counts, unit) = (scored.shape.counts(), scored.shape.unit());
    let is_split = counts.nonfinite > 0;
    if is_split {
        let titles = [format!("all {unit}s"), format!("the {} finite", summary.finite)];
        let titles: String = titles.iter().map(|title| format!("  {title:<width$}", width = COLUMN - 2)).collect();
        writeln!(out, "  {}", quiet(&format!("{:NAME$}{titles}", "mean over")))?;
    }
    for mean in &summary.means {
        let mut values = aligned(&short(mean.all));
        if is_split {
            values += &aligned(&if summary.finite > 0 { short(mean.finite) } else { "-".to_owned() });
        }
        // Beside two columns there is no room for much.
        let has_room = 2 + NAME + values.chars().count() + mean.note.len() <= WIDTH;
        let note = if has_room { quiet(&mean.note) } else { String::new() };
        writeln!(out, "  {:NAME$}{values}{note}", mean.name)?;
    }
    Ok(())
}

fn shares(out: &mut String, scored: &Scored, summary: &Summary) -> std::fmt::Result {
    let counts = scored.shape.counts();
    let mut line =
        |name: &str, value: &str, note: &str| writeln!(out, "  {name:NAME$}{}{}", aligned(value), quiet(note));
    for Share { name, count, note, .. } in &summary.shares {
        line(name, &count.map_or("-".to_owned(), |(count, of)| percent(count, of)), note)?;
    }
    match scored.watched.saturated {
        Some(count) => line("gradient vanished", &percent(count, counts.units), "|dL/dz| below 0.001")?,
        None => line("gradient vanished", "-", "this loss has no scale for it")?,
    }
    if let Some(ties) = counts.ties {
        line("ties", &percent(ties, counts.units), "rewards exactly equal; not accurate")?;
    }
    line("not finite", &percent(counts.nonfinite, counts.units), "nan or infinite")
}

fn margins(out: &mut String, scored: &Scored) -> std::fmt::Result {
    let histogram: &Histogram = &scored.histogram;
    let what = scored.shape.margin();
    writeln!(out, "\n{HEADING}Margins{HEADING:#} {QUIET}({what}){QUIET:#}\n")?;
    let rows = histogram.rows();
    if rows.is_empty() {
        return writeln!(out, "  None is finite: nothing to draw.");
    }
    let most = rows.iter().map(|row| row.count).max().unwrap_or(1).max(1);
    let all: u64 = rows.iter().map(|row| row.count).sum();
    let labels: Vec<(String, &str, String)> = rows.iter().map(label).collect();
    let low = labels.iter().map(|(low, ..)| low.len()).max().unwrap_or(0);
    let high = labels.iter().map(|(.., high)| high.len()).max().unwrap_or(0);
    let counts = rows.iter().map(|row| row.count.to_string().len()).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(2 + low + 4 + high + 2 + 2 + counts + 10).min(BAR);
    for (row, (from, word, to)) in rows.iter().zip(&labels) {
        let negative = row.high.is_some_and(|high| high <= 0.0);
        if row.low == Some(0.0) && rows[0].low != Some(0.0) {
            let name = format!("{:>width$}", "0 ", width = 2 + low + 4 + high + 1);
            writeln!(out, "{name}{}", "\u{2500}".repeat(room + 1))?;
        }
        let style = if negative { BAD } else { GOOD };
        let bar = bar(row.count, most, room);
        let gap = room - bar.chars().count();
        let (count, share) = (row.count, percent(row.count, all));
        writeln!(
            out,
            "  {from:>low$} {word:2} {to:>high$}  {style}{bar}{style:#}{:gap$}  {count:>counts$} {QUIET}{share:>9}{QUIET:#}",
            ""
        )?;
    }
    if all >= FEW {
        let drawn = |part: f64| histogram.quantile(part).map_or(String::new(), |value| rough(value, 3));
        writeln!(out, "\n  median about {}, 90 % between {} and {}", drawn(0.5), drawn(0.05), drawn(0.95))?;
    }
    if rows.iter().all(|row| row.low.is_some_and(|low| low > 0.0)) {
        writeln!(out, "  Zero lies below the picture: all margins are above it.")?;
    } else if rows.iter().all(|row| row.high.is_some_and(|high| high < 0.0)) {
        writeln!(out, "  Zero lies above the picture: all margins are below it.")?;
    }
    if histogram.nan() > 0 {
        writeln!(out, "  Not drawn, as they are nan: {}.", counted(histogram.nan(), scored.shape.unit()))?;
    }
    Ok(())
}

/// The rows at both ends.
fn extremes(out: &mut String, scored: &Scored) -> std::fmt::Result {
    let (smallest, largest) = (&scored.watched.smallest.items, &scored.watched.largest.items);
    // Of few rows the two would be the same.
    if scored.shape.counts().units < 2 * NAMED as u64 || smallest.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for (name, items) in [("smallest", smallest), ("largest", largest)] {
        let rows = items.iter().map(|item| format!("row {}: {}", scored.name(&item.row), rough(item.value.into(), 4)));
        writeln!(out, "{}", hanging(&format!("{name:8}"), "           ", rows))?;
    }
    Ok(())
}

/// What the files say of how they were made.
fn provenance(out: &mut String, scored: &Scored) -> std::fmt::Result {
    /// So many files are told apart.
    const FILES: usize = 4;
    let said = &scored.provenance;
    if said.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}Provenance{HEADING:#} {QUIET}(as the files say){QUIET:#}\n")?;
    for provenance in said.iter().take(FILES) {
        let file = format!("{}:", provenance.path().display());
        writeln!(out, "{}", hanging(&file, "    ", provenance.summary()))?;
    }
    match said.len().saturating_sub(FILES) {
        0 => Ok(()),
        more => writeln!(out, "  and {} more, alike", counted(more as u64, "file")),
    }
}

/// A list after a title, its further lines indented; items stay whole.
fn hanging(title: &str, indent: &str, items: impl IntoIterator<Item = String>) -> String {
    let mut items = items.into_iter().peekable();
    let (mut text, mut line) = (String::new(), format!("  {title}"));
    while let Some(mut item) = items.next() {
        if items.peek().is_some() {
            item.push(',');
        }
        if line.chars().count() + 1 + item.chars().count() > WIDTH {
            text = text + &line + "\n";
            line = format!("{indent}{item}");
        } else {
            line = format!("{line} {item}");
        }
    }
    text + &line
}

fn watch(out: &mut String, scored: &Scored) -> std::fmt::Result {
    writeln!(out, "\n{HEADING}What to watch{HEADING:#}\n")?;
    let findings = findings(scored);
    if findings.is_empty() {
        let is_watched = scored.is_referenced && scored.shape.counts().ties.is_some();
        let displaced = if is_watched { "few pairs with both log-probs falling, " } else { "" };
        let ties = if scored.shape.counts().ties.is_some() { "no ties, " } else { "" };
        let saturated = scored.watched.saturated.map_or("", |_| "few with a vanished gradient, ");
        let looked = format!(
            "Nothing stands out: all numbers are finite, {ties}{displaced}{saturated}no column that looks wrong."
        );
        return writeln!(out, "{}", wrap(&looked, "  "));
    }
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let headline = wrap(&finding.headline, "    ");
        writeln!(out, "  {WATCH}! {}{WATCH:#}", headline.trim_start())?;
        writeln!(out, "{}", wrap(&finding.advice, "    "))?;
    }
    Ok(())
}

/// The ends of a row, in words.
fn label(row: &Row) -> (String, &'static str, String) {
    match (row.low, row.high) {
        (None, Some(high)) => (String::new(), "<", axis(high)),
        (Some(low), None) => (String::new(), ">=", axis(low)),
        (low, high) => (low.map_or(String::new(), axis), "..", high.map_or(String::new(), axis)),
    }
}

/// The end of a row.
fn axis(value: f64) -> String {
    rough(value, 6)
}

/// A bar of eighths of a character; something is seen of every count but 0.
fn bar(count: u64, most: u64, room: usize) -> String {
    let full = (count as f64 / most as f64 * (room * 8) as f64).round() as usize;
    let eighths = if count > 0 { full.max(1) } else { 0 };
    let mut bar = "\u{2588}".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        // From seven eighths, U+2589, to one, U+258F.
        bar.extend(char::from_u32(0x2590 - (eighths % 8) as u32));
    }
    bar
}
