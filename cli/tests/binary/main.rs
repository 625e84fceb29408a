//! Binary files as people write them, and as nobody should.

mod arrow;
#[path = "../common/mod.rs"]
mod common;
mod folders;
mod hostile;
mod numpy;
mod parquet;
mod tensors;

use std::path::Path;

use common::*;

const NAMES: [&str; 2] = ["policy_chosen_logps", "policy_rejected_logps"];

/// Three pairs, whose mean margin at beta 1 is 1/3.
const CHOSEN: [f32; 3] = [-12.5, -30.25, -7.75];
const REJECTED: [f32; 3] = [-13.5, -29.25, -8.75];

/// The mean of the chosen answers' log-probabilities; of a file with one row, the number there.
#[track_caller]
fn chosen(file: &Path, options: &[&str]) -> f32 {
    f32_of(&json(score().arg(file).arg("--reference-free").args(options))["logps/chosen"])
}

/// That a file holds the three pairs.
#[track_caller]
fn holds_pairs(file: &Path, options: &[&str]) {
    let got = json(score().arg(file).args(["--reference-free", "--beta", "1"]).args(options));
    let numbers = ["logps/chosen", "logps/rejected", "rewards/margins"].map(|name| f32_of(&got[name]));
    let mean = |column: [f32; 3]| column.iter().sum::<f32>() / 3.0;
    assert_eq!(numbers, [mean(CHOSEN), mean(REJECTED), 1.0 / 3.0], "{}", file.display());
    assert_eq!(got["pairs"], 3);
}

/// That a file is refused in words that hold these.
#[track_caller]
fn refuses(file: &Path, options: &[&str], words: &[&str]) {
    let line = refused(score().arg(file).arg("--reference-free").args(options));
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
}

/// Like [`refuses`], and that nothing is said of damage: the file is a good one of a kind that is not read.
#[track_caller]
fn refuses_by_name(file: &Path, options: &[&str], words: &[&str]) {
    refuses(file, options, words);
    let line = refused(score().arg(file).arg("--reference-free").args(options));
    assert!(!line.contains("corrupt"), "{line}");
}

#[test]
fn the_same_data_in_formats_that_are_only_read() {
    let csv = succeeds(score().arg(data("pairs.csv")));
    for format in ["arrow", "feather", "npy"] {
        assert_eq!(succeeds(score().arg(data(&format!("pairs.{format}")))), csv, "{format}");
    }
}
