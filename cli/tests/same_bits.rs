//! Results do not depend on threads, chunks, the order of the rows or the instruction set.

mod common;

use std::fmt::Write;
use std::fs;

use common::*;

/// Seven chunks.
const ROWS: usize = 200_000;

/// Three chunks.
const FEWER_ROWS: usize = 70_000;

/// Rows, some of them special, in an order given by a step.
fn rows(count: usize, step: usize) -> String {
    let mut text = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps,row\n".to_owned();
    for i in 0..count {
        let row = i * step % count;
        let mut state = row as u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let (a, b) = (-500.0 * random(), -500.0 * random());
        let (c, d) = (a + 20.0 * random() - 9.0, b + 20.0 * random() - 11.0);
        match row {
            777 => writeln!(text, "-1e30,-3,-1e30,2e29,{row}"),
            _ if row % 1000 == 5 => writeln!(text, "{a},{a},{c},{c},{row}"),
            _ => writeln!(text, "{a},{b},{c},{d},{row}"),
        }
        .unwrap();
    }
    text
}

/// A report without the numbers of rows, which their order decides.
fn unnumbered(report: &str) -> String {
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) || *word == "...";
    let mut words = report.split_whitespace().peekable();
    let mut text = String::new();
    while let Some(word) = words.next() {
        text = text + " " + word;
        if ["row", "Row", "rows", "Rows"].contains(&word) {
            while words.next_if(is_number).is_some() {}
        }
    }
    text
}

#[test]
fn order_and_chunks() {
    let folder = Folder::new();
    let file = folder.write("a.csv", rows(ROWS, 1));
    let other = folder.write("b.csv", rows(ROWS, 77_777));
    for loss in [&["--loss", "dpo"][..], &["--loss", "robust", "--label-smoothing", "0.2"]] {
        let (out, other_out) = (folder.path("a.npz"), folder.path("b.npz"));
        let report = succeeds(score().arg(&file).args(loss).arg("--out").arg(&out));
        assert!(report.contains("200000 pairs"), "{report}");
        let other_report = succeeds(score().arg(&other).args(loss).arg("--out").arg(&other_out));
        assert_eq!(unnumbered(&other_report), unnumbered(&report));
        let (columns, other_columns) = (read_back(&out), read_back(&other_out));
        for (name, values) in &columns {
            assert_eq!(values.len(), ROWS);
            for (i, other) in other_columns[name].iter().enumerate() {
                let row = i * 77_777 % ROWS;
                assert_eq!(other.to_bits(), values[row].to_bits(), "{name}, row {row}");
            }
        }
    }
}

#[test]
fn threads() {
    let folder = Folder::new();
    let text = rows(FEWER_ROWS, 1);
    let csv = folder.write("a.csv", &text);
    let names: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let jsonl: String = (text.lines().skip(1))
        .map(|line| {
            let fields: Vec<String> = names.iter().zip(line.split(',')).map(|(n, v)| format!("\"{n}\": {v}")).collect();
            format!("{{{}}}\n", fields.join(", "))
        })
        .collect();
    let jsonl = folder.write("a.jsonl", jsonl);
    let mut first = None;
    for file in [&csv, &jsonl] {
        for threads in ["1", "2", "3", "8"] {
            let out = folder.path(&format!("{threads}.csv"));
            let report = succeeds(score().arg(file).args(["--threads", threads]).arg("--out").arg(&out));
            let json = succeeds(score().arg(file).args(["--threads", threads, "--json"]));
            let got = (report, json, fs::read(out).unwrap());
            let first = first.get_or_insert_with(|| got.clone());
            assert!(*first == got, "{} with {threads} threads differs", file.display());
        }
    }
}

#[test]
fn rows_of_all_formats_across_chunks() {
    let folder = Folder::new();
    let csv = folder.write("a.csv", rows(FEWER_ROWS, 1));
    let mut first = None;
    for format in FORMATS {
        // Written by the command itself, then read by it: more rows than a chunk both ways.
        let out = folder.path(&format!("out.{format}"));
        succeeds(score().arg(&csv).arg("--out").arg(&out));
        let options =
            ["--policy-chosen", "chosen_rewards", "--policy-rejected", "rejected_rewards", "--reference-free"];
        let report = succeeds(score().arg(&out).args(options));
        assert_eq!(first.get_or_insert_with(|| report.clone()), &report, "{format}");
    }
}

#[test]
fn levels() {
    let plain = succeeds(score().arg(data("pairs.csv")));
    for level in preflane::Level::ALL {
        let mut command = score();
        command.arg(data("pairs.csv")).env("PREFLANE_LEVEL", level.name());
        if level.is_available() {
            assert_eq!(succeeds(&mut command), plain, "{}", level.name());
        } else {
            let line = refused(&mut command);
            assert!(line.contains(level.name()) && line.contains("scalar"), "{line}");
        }
    }
}
