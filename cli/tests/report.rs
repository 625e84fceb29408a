//! What the report says, and when.

mod common;

use std::process::Stdio;

use common::*;

const HEADER: &str = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps";

fn report_of(rows: &[&str], options: &[&str]) -> String {
    let folder = Folder::new();
    let file = folder.write("a.csv", format!("{HEADER}\n{}\n", rows.join("\n")));
    succeeds(score().arg(file).args(options))
}

#[track_caller]
fn says(report: &str, words: &[&str]) {
    for word in words {
        assert!(report.contains(word), "{word:?} is missing in:\n{report}");
    }
}

#[track_caller]
fn never_says(report: &str, words: &[&str]) {
    for word in words {
        assert!(!report.contains(word), "{word:?} stands in:\n{report}");
    }
}

/// The whole report, to the letter: what it looks like is part of what it is.
#[test]
fn golden() {
    let folder = Folder::new();
    assert_eq!(succeeds(score().arg(data("pairs.csv"))), include_str!("golden/pairs.txt"));
    // Three pairs of which nothing is to be said, and what people's files hold beside them.
    let rows = "-12.5,-14,-13,-13.5\n-30.25,-28.5,-29.75,-29\n-7.75,-9.5,-8,-9.25\n".repeat(8);
    let marked = "-9999,-14,-13,-13.5\n-12.5,-14,0,0\n0.5,-14,-13,-13.5\nnan,-14,-13,-13.5\n";
    let [a, b] = [("a.csv", rows.clone() + marked), ("b.csv", format!("-12.75,-14,0,-13.5\n{rows}"))]
        .map(|(name, rows)| folder.write(name, format!("{HEADER}\n{rows}")));
    assert_eq!(succeeds(score().arg(a).arg(b)), include_str!("golden/findings.txt"));
    // Files that say how they were made. Without a folder before their names, for that changes.
    for name in ["f32", "bf16"] {
        let note = format!("model=organisation/{name}");
        let mut logps = logps();
        logps.current_dir(folder.path("")).arg(data(&format!("logits_{name}.safetensors")));
        let report = succeeds(logps.args(["--note", &note, "--out", &format!("{name}.safetensors")]));
        if name == "f32" {
            assert_eq!(report, include_str!("golden/logps.txt"));
        }
    }
    let mut score = score();
    score.current_dir(folder.path(""));
    let report = succeeds(score.args(["--policy", "f32.safetensors", "--reference", "bf16.safetensors"]));
    assert_eq!(report, include_str!("golden/provenance.txt").replace("VERSION", env!("CARGO_PKG_VERSION")));
}

const HEADLINES: [&str; 9] = [
    "not finite:",
    "Both log-probs fell",
    "The gradient has vanished",
    "tie: the two rewards",
    "0 in every row",
    "Policy and reference are the same",
    "log-probs of policy and reference are the same",
    "Log-probabilities above 0",
    "The rejected answer has the higher reward",
];

/// Only the given headlines.
#[track_caller]
fn only(report: &str, headlines: &[&str]) {
    says(report, headlines);
    for headline in HEADLINES {
        assert_eq!(report.contains(headline), headlines.contains(&headline), "{headline:?} in:\n{report}");
    }
}

#[test]
fn real_data() {
    let report = succeeds(score().arg(data("pairs.csv")));
    only(&report, &["Both log-probs fell"]);
    says(
        &report,
        &["300 pairs, loss dpo, beta 0.1", "276 of 300", "Both log-probs fell below the reference in 23.7 %"],
    );
    for line in report.lines() {
        assert!(line.chars().count() <= 80 && line.trim_end() == line, "{line:?}");
        assert!(!line.contains('\u{1b}'), "colours where there is no terminal");
    }
}

#[test]
fn nothing_to_watch() {
    let report = report_of(&["-10,-20,-12,-19", "-11,-20,-12,-19"], &[]);
    only(&report, &[]);
    says(&report, &["Nothing stands out"]);
}

#[test]
fn each_finding_where_the_data_shows_it() {
    let fine = "-10,-20,-12,-19";
    only(&report_of(&["-10,-20,-9,-15"], &[]), &["Both log-probs fell"]);
    only(&report_of(&["-10,-200,-12,-19"], &[]), &["The gradient has vanished"]);
    only(&report_of(&["-10,-200,-12,-19"], &["--loss", "ipo"]), &[]);
    only(&report_of(&[fine, "-10,-10,-12,-12"], &[]), &["tie: the two rewards"]);
    only(&report_of(&["-1,-2,0,0", "-1,-3,0,0"], &[]), &["0 in every row", "Both log-probs fell"]);
    only(&report_of(&["-1,-2,0,0", "-1,-3,0,0"], &["--reference-free"]), &[]);
    only(&report_of(&["-1,-2,-1,-2", "-3,-4,-3,-4"], &[]), &["Policy and reference are the same"]);
    only(&report_of(&["-1,-2,-1,-1", "-3,-4,-3,-3"], &[]), &["log-probs of policy and reference are the same"]);
    only(&report_of(&[fine, "1,-20,-12,-19"], &[]), &["Log-probabilities above 0"]);
    only(&report_of(&["-20,-10,-19,-12"], &[]), &["The rejected answer has the higher reward"]);
    only(&report_of(&[fine, "nan,-20,-12,-19"], &[]), &["not finite:"]);
}

#[test]
fn rows_that_are_not_finite() {
    let fine = "-10,-20,-12,-19";
    let mut rows = [fine; 40];
    for row in [3, 7, 11, 20, 30, 39] {
        rows[row] = "nan,-20,-12,-19";
    }
    let report = report_of(&rows, &[]);
    says(
        &report,
        &[
            "6 pairs of 40 not finite: rows 4, 8, 12, 21, 31, ...",
            "all pairs",
            "the 34 finite",
            "as they are nan: 6 pairs",
        ],
    );
    let loss = report.lines().find(|line| line.starts_with("  loss ")).unwrap();
    let finite = report_of(&[fine], &["--json"]);
    let finite: serde_json::Value = serde_json::from_str(&finite).unwrap();
    assert_eq!(loss.split_whitespace().collect::<Vec<_>>(), ["loss", "nan", &finite["loss"].to_string()]);

    let folder = Folder::new();
    let a = folder.write("a.csv", format!("{HEADER}\n{fine}\n{fine}\n"));
    let b = folder.write("b.csv", format!("{HEADER}\n\n{fine}\n-inf,-20,-12,-19\n"));
    let report = succeeds(score().arg(a).arg(b));
    says(&report, &["4 pairs in 2 files", "1 pair of 4 not finite: row 4 (", "b.csv line 4)"]);
}

#[test]
fn reference_free() {
    let report = succeeds(score().arg(data("pairs.csv")).arg("--reference-free"));
    says(&report, &["reference-free", "needs a reference"]);
    never_says(&report, &["policy below reference"]);
}

#[test]
fn extreme_values_have_a_picture() {
    for rows in [
        &["-1e30,-3,-12,-19", "-3,-1e30,-12,-19", "-10,-20,-12,-19"][..],
        &["-10,-20,-12,-19"],
        &["-1,-1,-1,-1"],
        &["-1e-45,-1,-1e-45,-1"],
        &["-3e38,3e38,3e38,-3e38"],
        &["nan,-1,-1,-1"],
        &["inf,-1,-1,-1"],
    ] {
        for loss in pair_losses() {
            let folder = Folder::new();
            let text = format!("{HEADER}\n{}\n", rows.join("\n"));
            let text = loss.column.map_or(text.clone(), |column| csv_with(&column, &text));
            let report = succeeds(score().arg(folder.write("a.csv", text)).args(["--loss", loss.name]));
            says(&report, &["Margins", "What to watch"]);
            assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
        }
    }
}

#[test]
fn colours_when_asked_for() {
    let forced = succeeds(score().arg(data("pairs.csv")).env("CLICOLOR_FORCE", "1"));
    assert!(forced.contains("\u{1b}["));
    let refused = succeeds(score().arg(data("pairs.csv")).env("NO_COLOR", "1"));
    assert!(!refused.contains('\u{1b}'));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = score().arg(data("pairs.csv")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
