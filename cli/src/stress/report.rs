//! What the hunt found, for people: on the terminal, and as Markdown.

use std::fmt::Write;

use super::Stressed;
use super::hunt::Finding;
use super::number::{Type, hex, plain};
use super::regression;
use super::verdict::Fault;
use crate::args::{Bound, Language};
use crate::layout::{HEADING, WATCH, counted, quiet, rough, wrap};

/// Values of a row that are shown; the JSON report has all.
const SHOWN: usize = 12;

/// The bound in words.
pub fn bound(stressed: &Stressed) -> String {
    let judge = &stressed.judge;
    let bound = match judge.bound {
        Bound::Ulps(ulps) => format!("{ulps} ulp"),
        Bound::Relative(share) => format!("{share:e} relative"),
    };
    if judge.strict { format!("{bound}, strict") } else { bound }
}

/// One line about the run.
pub fn headline(stressed: &Stressed) -> String {
    let judge = &stressed.judge;
    format!("{}, {}, bound {}, seed {}", judge.task.title(), judge.number.name(), bound(stressed), stressed.seed)
}

/// Another line.
fn tried(stressed: &Stressed) -> String {
    let seen = &stressed.seen;
    let unjudged = if seen.unjudged > 0 { format!(", {} too large to judge", seen.unjudged) } else { String::new() };
    format!(
        "{} in {}{unjudged}",
        counted(seen.inputs, "input"),
        counted(seen.batches, "batch").replace("batchs", "batches")
    )
}

/// The truth in decimal.
pub fn expected(finding: &Finding) -> String {
    match &finding.checked.expected {
        Some(exact) if !exact.to_f64().is_finite() => {
            format!("{} (beyond f64)", if exact.is_sign_negative() { "-inf" } else { "inf" })
        }
        Some(exact) => plain(exact.to_f64()),
        None if finding.fault == Fault::Unsteady => "the same bits".to_owned(),
        None => "an error, or a finite number".to_owned(),
    }
}

/// What came instead.
pub fn got(finding: &Finding, number: Type) -> String {
    let got = number.decimal(finding.checked.got);
    match &finding.batch {
        Some(batch) => format!("{got} and {}", number.decimal(batch.other_got)),
        None if finding.fault == Fault::Refused => "an error".to_owned(),
        None => got,
    }
}

/// The error in words.
fn error(finding: &Finding) -> String {
    let checked = &finding.checked;
    if let Some(batch) = &finding.batch {
        return format!("{}: row {} of {}", batch.how, batch.position + 1, counted(batch.rows.len() as u64, "row"));
    }
    if !checked.ulps.is_finite() {
        return String::new();
    }
    let ratio = rough(checked.share, 3);
    format!("off by {} ulp, {ratio} times what is allowed", rough(checked.ulps, 3))
}

/// The input in names, decimal and hexadecimal.
fn input(stressed: &Stressed, finding: &Finding) -> Vec<(String, String, String)> {
    let number = stressed.judge.number;
    let row = &finding.row;
    let task = &stressed.judge.task;
    let names = task.inputs(row);
    let mut lines: Vec<_> = row
        .values
        .iter()
        .enumerate()
        .take(SHOWN)
        .map(|(k, x)| (names[k].clone(), number.decimal(*x), format!("{} = {}", hex(*x), number.bits(*x))))
        .collect();
    if row.values.len() > SHOWN {
        lines.push((format!("and {} more", row.values.len() - SHOWN), String::new(), String::new()));
    }
    match row.labels[..] {
        [] => {}
        [label] if !task.is_sequences() => lines.insert(0, ("label".to_owned(), label.to_string(), String::new())),
        _ => lines.insert(0, ("labels".to_owned(), format!("{:?}", row.labels), String::new())),
    }
    lines
}

/// The report, with colours.
pub fn text(stressed: &Stressed, language: Option<Language>) -> String {
    let mut text = format!("{HEADING}{}{HEADING:#}\n{}\n\n", headline(stressed), tried(stressed));
    let findings = &stressed.seen.findings;
    if findings.is_empty() {
        text += "Nothing found.\n";
        if let Some((share, row, checked)) = &stressed.seen.worst {
            let values: Vec<String> =
                row.values.iter().take(SHOWN).map(|x| stressed.judge.number.decimal(*x)).collect();
            let result = stressed.judge.task.result(row, checked.result);
            let said = format!(
                "Largest error: {} of what is allowed ({} ulp), {result} at {}",
                rough(*share, 3),
                rough(checked.ulps, 3),
                values.join(", ")
            );
            let _ = writeln!(text, "{}", wrap(&said, ""));
        }
        if stressed.seen.results == 1 {
            let _ = writeln!(text, "{}", wrap("Gradients were not given, and not judged.", ""));
        }
        return text;
    }
    for (k, finding) in findings.iter().enumerate() {
        let number = if findings.len() > 1 { format!("{}. ", k + 1) } else { String::new() };
        let _ = writeln!(text, "{WATCH}{number}{}: {}{WATCH:#}", finding.result, finding.fault.words());
        for (name, decimal, hex) in input(stressed, finding) {
            let _ = writeln!(text, "  {name:18}{decimal:22} {}", quiet(&hex));
        }
        let _ = writeln!(text, "  {:18}{:22}", "expected", expected(finding));
        let _ = writeln!(text, "  {:18}{:22} {}", "got", got(finding, stressed.judge.number), quiet(&error(finding)));
        let _ = writeln!(text, "{}", wrap(&format!("cause: {}", finding.cause), "  "));
        let met = format!("met at input {}, {}", finding.met_at, counted(finding.times, "time"));
        let _ = writeln!(text, "{}\n", quiet(&format!("  {met}")));
        if let Some(language) = language {
            let _ =
                writeln!(text, "{}", regression::test(finding, &stressed.judge.task, stressed.judge.number, language));
        }
    }
    if findings.len() > 1 {
        let _ = writeln!(text, "{HEADING}{} kinds of failure{HEADING:#}", findings.len());
        for finding in findings {
            let _ = writeln!(
                text,
                "  {:6}x  {}: {}; {}",
                finding.times,
                finding.result,
                finding.fault.words(),
                finding.cause
            );
        }
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The report as Markdown; `picture` stands beside it.
pub fn markdown(stressed: &Stressed, language: Option<Language>, picture: &str) -> String {
    let mut text = format!("# {}\n\n{}: `{}`\n\n", headline(stressed), tried(stressed), cell(&stressed.command));
    let findings = &stressed.seen.findings;
    if findings.is_empty() {
        text += "Nothing found.\n\n";
    } else {
        text += "| times | result | failure | input | expected | got | cause |\n|---|---|---|---|---|---|---|\n";
        for finding in findings {
            let values: Vec<String> =
                input(stressed, finding).into_iter().map(|(name, decimal, _)| format!("{name} {decimal}")).collect();
            let cells = [
                finding.times.to_string(),
                finding.result.clone(),
                finding.fault.words().to_owned(),
                values.join("<br>"),
                expected(finding),
                got(finding, stressed.judge.number),
                finding.cause.clone(),
            ];
            let _ = writeln!(text, "| {} |", cells.map(|text| cell(&text)).join(" | "));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "![Errors against inputs]({picture})");
    for finding in findings {
        if let Some(language) = language {
            let name = match language {
                Language::Rust => "rust",
                Language::C => "c",
                Language::Pytest => "python",
            };
            let test = regression::test(finding, &stressed.judge.task, stressed.judge.number, language);
            let _ = writeln!(text, "\n```{name}\n{test}```");
        }
    }
    text
}
