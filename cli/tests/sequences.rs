//! `preflane score --policy --reference`: pairs from the sequences of `preflane logps`.

mod common;
#[path = "common/tensors.rs"]
mod tensors;

use std::fs;
use std::path::{Path, PathBuf};

use common::*;
use tensors::{Random, Tensor, file};

const CSV_HEADER: &str = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps\n";

fn model(folder: &Folder, name: &str, logps: &[f32], lengths: Option<&[i64]>) -> PathBuf {
    let mut tensors = vec![Tensor::f32("sequence_logps", &[logps.len()], logps)];
    tensors.extend(lengths.map(|lengths| Tensor::i64("sequence_lengths", &[lengths.len()], lengths)));
    folder.write(name, file(&tensors, 0))
}

/// What is printed, and the rows.
fn run(folder: &Folder, options: &[&str], files: &[(&str, &Path)]) -> (String, Vec<u8>) {
    let out = folder.path("rows.csv");
    let mut command = score();
    command.args(options).arg("--out").arg(&out);
    for (option, file) in files {
        if !option.is_empty() {
            command.arg(option);
        }
        command.arg(file);
    }
    (succeeds(&mut command), fs::read(out).unwrap())
}

#[test]
fn logits_to_report_without_a_detour() {
    let folder = Folder::new();
    let logps_of = |name: &str| {
        let out = folder.path(&format!("{name}.safetensors"));
        succeeds(logps().arg(data(&format!("logits_{name}.safetensors"))).arg("--out").arg(&out));
        let values = read_back(&out).remove("sequence_logps").unwrap();
        (out, values)
    };
    let ((policy, p), (reference, r)) = (logps_of("f32"), logps_of("bf16"));
    let csv = folder.write("pairs.csv", format!("{CSV_HEADER}{},{},{},{}\n", p[0], p[1], r[0], r[1]));
    for options in [&[][..], &["--json"], &["--loss", "ipo", "--beta", "0.3"]] {
        let same = run(&folder, options, &[("", &csv)]);
        let (mut said, rows) = run(&folder, options, &[("--policy", &policy), ("--reference", &reference)]);
        // The numbers are those of the table, which does not say how they were made.
        if options == ["--json"] {
            let mut json: serde_json::Map<_, _> = serde_json::from_str(&said).unwrap();
            assert!(json.remove("provenance").is_some());
            assert_eq!(json, serde_json::from_str(&same.0).unwrap());
        } else {
            let (start, end) = (said.find("\nProvenance").unwrap(), said.find("\nWhat to watch").unwrap());
            said.replace_range(start..end, "");
            assert_eq!(said, same.0);
        }
        assert_eq!(rows, same.1);
    }
    let free = ["--reference-free"];
    assert_eq!(run(&folder, &free, &[("--policy", &policy)]).1, run(&folder, &free, &[("", &csv)]).1);
}

/// More pairs than a chunk, in both layouts.
#[test]
fn both_layouts() {
    const PAIRS: usize = 70_000;
    let folder = Folder::new();
    let mut random = Random(5);
    let rows: Vec<[f32; 4]> = (0..PAIRS).map(|_| [(); 4].map(|()| random.logit() * 31.0 - 400.0)).collect();
    let csv: String = rows.iter().map(|[a, b, c, d]| format!("{a},{b},{c},{d}\n")).collect();
    let csv = folder.write("pairs.csv", CSV_HEADER.to_owned() + &csv);
    let same = run(&folder, &[], &[("", &csv)]);
    for (option, interleaved) in [(&[][..], false), (&["--interleaved"][..], true)] {
        let sequences = |chosen: usize| -> Vec<f32> {
            match interleaved {
                true => rows.iter().flat_map(|row| [row[chosen], row[chosen + 1]]).collect(),
                false => [chosen, chosen + 1].iter().flat_map(|&i| rows.iter().map(move |row| row[i])).collect(),
            }
        };
        let policy = model(&folder, "p.safetensors", &sequences(0), None);
        let reference = model(&folder, "r.safetensors", &sequences(2), None);
        let got = run(&folder, option, &[("--policy", &policy), ("--reference", &reference)]);
        assert!(got == same, "interleaved: {interleaved}");
        let got = run(&folder, &[option, &["--reference-free", "--threads", "1"]].concat(), &[("--policy", &policy)]);
        assert!(got == run(&folder, &["--reference-free"], &[("", &csv)]), "interleaved: {interleaved}");
    }
}

#[track_caller]
fn complains(options: &[&str], files: &[(&str, &Path)], words: &[&str]) {
    let mut command = score();
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    common::complains(command.args(options), words);
}

#[test]
fn files_that_do_not_fit() {
    let folder = Folder::new();
    let (four, lengths) = ([-1.0, -2.0, -3.0, -4.0], [1, 2, 3, 4]);
    let policy = model(&folder, "p.safetensors", &four, Some(&lengths));
    let with = |reference: &Path, words: &[&str]| {
        complains(&[], &[("--policy", &policy), ("--reference", reference)], words);
    };
    let odd = model(&folder, "odd.safetensors", &four[..3], None);
    with(&odd, &["odd.safetensors: tensor sequence_logps", "odd number of sequences, 3"]);
    complains(&["--reference-free"], &[("--policy", &odd)], &["odd number"]);
    let fewer = model(&folder, "fewer.safetensors", &four[..2], None);
    with(&fewer, &["fewer.safetensors", "2 sequences", "p.safetensors has 4", "same batch"]);
    let other = model(&folder, "other.safetensors", &four, Some(&[1, 2, 7, 4]));
    with(&other, &["other.safetensors: tensor sequence_lengths, sequence 2 (from 0)", "7 tokens", "p.safetensors 3"]);
    let none = folder.write("none.safetensors", file(&[Tensor::f32("logps", &[4], &four)], 0));
    with(&none, &["none.safetensors: no tensor sequence_logps", "there: logps"]);
    let flat = folder.write("flat.safetensors", file(&[Tensor::f32("sequence_logps", &[2, 2], &four)], 0));
    with(&flat, &["flat.safetensors: tensor sequence_logps has the shape [2, 2]", "[sequences]"]);
    let bools = Tensor::new("sequence_logps", "BOOL", &[4], vec![1; 4]);
    let bools = folder.write("bools.safetensors", file(&[bools], 0));
    with(&bools, &["bools.safetensors: tensor sequence_logps holds BOOL"]);
    with(&data("pairs.csv"), &["pairs.csv: ", ".safetensors"]);
    with(&folder.path("away.safetensors"), &["away.safetensors: cannot be opened"]);
    let empty = model(&folder, "no.safetensors", &[], None);
    complains(&["--reference-free"], &[("--policy", &empty)], &["no.safetensors: has no rows"]);
    let bytes = fs::read(&policy).unwrap();
    with(&folder.write("cut.safetensors", &bytes[..bytes.len() - 1]), &["cut.safetensors: corrupt or cut off"]);
}

#[test]
fn options_that_do_not_go_together() {
    let folder = Folder::new();
    let policy = model(&folder, "p.safetensors", &[-1.0, -2.0], None);
    let policy = ("--policy", policy.as_path());
    complains(&[], &[policy], &["--policy", "--reference", "--reference-free"]);
    complains(&["--reference-free"], &[policy, ("--reference", policy.1)], &["--reference ", "--reference-free"]);
    complains(&["a.csv"], &[policy], &["--policy", "FILE"]);
    complains(&["a.csv"], &[("--reference", policy.1)], &["--reference", "FILE"]);
    complains(&["a.csv", "--interleaved"], &[], &["--interleaved", "FILE"]);
    complains(&["--interleaved"], &[], &["--policy"]);
    complains(&[], &[("--reference", policy.1)], &["--policy"]);
    for column in ["--policy-chosen", "--policy-rejected", "--ref-chosen", "--ref-rejected", "--weights"] {
        complains(&[column, "x"], &[policy, ("--reference", policy.1)], &["--policy", column]);
    }
}

#[test]
fn inputs_are_never_replaced() {
    let folder = Folder::new();
    let policy = model(&folder, "p.safetensors", &[-1.0, -2.0], None);
    let reference = model(&folder, "r.safetensors", &[-1.5, -2.5], None);
    for out in [&policy, &reference] {
        let before = fs::read(out).unwrap();
        let line =
            refused(score().arg("--policy").arg(&policy).arg("--reference").arg(&reference).arg("--out").arg(out));
        assert!(line.contains("would replace the input"), "{line}");
        assert_eq!(fs::read(out).unwrap(), before);
    }
}
