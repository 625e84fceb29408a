//! What files of log-probabilities say of how they were made: what `preflane logps` writes, what `preflane score` refuses.

mod common;
#[path = "common/tensors.rs"]
mod tensors;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::*;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};
use tensors::{Batch, Tensor, file, with_metadata};

type Entries = BTreeMap<String, String>;

/// Log-probabilities of a file of logits.
#[track_caller]
fn made(folder: &Folder, input: &Path, name: &str, options: &[&str]) -> PathBuf {
    let out = folder.path(name);
    succeeds(logps().arg(input).args(options).arg("--out").arg(&out));
    out
}

/// What a file says, the keys without their prefix.
fn said(path: &Path) -> Entries {
    let entries: Vec<(String, String)> = if path.extension().unwrap() == "parquet" {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
        pairs.into_iter().map(|pair| (pair.key, pair.value.unwrap())).collect()
    } else {
        let bytes = fs::read(path).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        metadata.metadata().clone().into_iter().flatten().collect()
    };
    entries.into_iter().filter_map(|(key, value)| Some((key.strip_prefix("preflane.")?.to_owned(), value))).collect()
}

fn batch(folder: &Folder) -> PathBuf {
    folder.write("logits.safetensors", file(&Batch::new([4, 6, 11]).tensors("BF16", "I64"), 0))
}

#[test]
fn everything_that_matters_is_written() {
    let folder = Folder::new();
    let input = batch(&folder);
    let all = Batch::new([4, 6, 11]);
    let tokens = (0..4).flat_map(|b| &all.labels[b * 6 + 1..][..5]).filter(|label| **label != -100).count();
    let options = ["--reduce", "mean", "--temperature", "0.7", "--logit-scale", "0.0625", "--soft-cap", "30"];
    let notes = ["--note", "model=org/name", "--note", "tokenizer=a=b c", "--note", "empty="];
    let options = [&options[..], &notes].concat();
    let mut both = ["out.safetensors", "out.parquet"].map(|name| said(&made(&folder, &input, name, &options)));
    let fingerprint = both[0]["labels_sha256"].clone();
    let expected = [
        ("schema_version", "1"),
        ("writer", concat!("preflane ", env!("CARGO_PKG_VERSION"))),
        ("reduce", "mean"),
        ("temperature", "0.7"),
        ("logit_scale", "0.0625"),
        ("soft_cap", "30"),
        ("shift", "1"),
        ("logits_dtype", "BF16"),
        ("vocabulary", "11"),
        ("positions", "6"),
        ("sequences", "4"),
        ("tokens", &tokens.to_string()),
        ("labels_sha256", &fingerprint),
        ("note.model", "org/name"),
        ("note.tokenizer", "a=b c"),
        ("note.empty", ""),
    ];
    let expected: Entries = expected.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    for entries in &mut both {
        assert_eq!(*entries, expected);
    }
    let plain = said(&made(&folder, &input, "plain.safetensors", &["--shifted"]));
    for (key, value) in
        [("reduce", "sum"), ("temperature", "1"), ("logit_scale", "1"), ("soft_cap", "none"), ("shift", "0")]
    {
        assert_eq!(plain[key], value, "{key}");
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let folder = Folder::new();
    let input = batch(&folder);
    for format in ["safetensors", "parquet"] {
        // A map without an order would show in one run of a few.
        let runs: Vec<_> = (0..4)
            .map(|i| fs::read(made(&folder, &input, &format!("{i}.{format}"), &["--note", "a=b"])).unwrap())
            .collect();
        assert!(runs.iter().all(|run| *run == runs[0]), "{format}");
    }
}

#[test]
fn formats_without_a_place_for_it() {
    let folder = Folder::new();
    let input = batch(&folder);
    for format in FORMATS {
        let out = folder.path(&format!("out.{format}"));
        let holds = ["safetensors", "parquet"].contains(&format);
        let report = succeeds(logps().arg(&input).arg("--out").arg(&out));
        assert_eq!(report.contains("not in the output"), !holds, "{format}: {report}");
        let json = json(logps().arg(&input).arg("--out").arg(&out));
        assert_eq!(json["provenance_written"], holds, "{format}");
        assert_eq!(json["provenance"]["reduce"], "sum");
        fs::remove_file(&out).unwrap();
        let mut noted = logps();
        noted.arg(&input).args(["--note", "model=x"]).arg("--out").arg(&out);
        if holds {
            succeeds(&mut noted);
        } else {
            let line = refused(&mut noted);
            assert!(line.contains("--note") && line.contains(".safetensors") && !out.exists(), "{line}");
        }
    }
}

/// The fingerprint, from its definition.
fn fingerprint(sequences: &[&[i64]]) -> String {
    let mut hasher = Sha256::new();
    for labels in sequences {
        hasher.update((labels.len() as i64).to_le_bytes());
        labels.iter().for_each(|label| hasher.update(label.to_le_bytes()));
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// It is of the labels that count, however the sequences are padded and whatever type the labels have.
#[test]
fn the_labels_have_a_fingerprint() {
    let folder = Folder::new();
    let of = |name: &str, dtype: &'static str, positions: usize, labels: &[i64], options: &[&str]| {
        let sequences = labels.len() / positions;
        let batch =
            Batch { shape: [sequences, positions, 9], logits: vec![0.5; 9 * labels.len()], labels: labels.to_vec() };
        let [logits, labels] = batch.tensors("F32", "I64");
        let labels = Tensor::labels(dtype, &labels.shape, &batch.labels);
        let input = folder.write(&format!("{name}.in.safetensors"), file(&[logits, labels], 0));
        said(&made(&folder, &input, &format!("{name}.safetensors"), options)).remove("labels_sha256").unwrap()
    };
    let expected = fingerprint(&[&[3, -100, 4], &[5]]);
    assert!(include_str!("../../docs/reference-logps.md").contains(&expected), "{expected}");
    assert_eq!(of("a", "I64", 5, &[8, -100, 3, -100, 4, 8, 5, -100, -100, -100], &[]), expected);
    assert_eq!(of("b", "I16", 4, &[8, 3, -100, 4, 8, -100, -100, 5], &[]), expected);
    assert_eq!(of("c", "I32", 3, &[3, -100, 4, 5, -100, -100], &["--shifted"]), expected);
    for (name, labels) in [
        ("another label", [8, 3, -100, 2, 8, -100, -100, 5]),
        ("another mask", [8, 3, 1, 4, 8, -100, -100, 5]),
        ("another gap", [8, 3, 4, -100, 8, -100, -100, 5]),
        ("another order", [8, 5, -100, -100, 8, 3, -100, 4]),
    ] {
        assert_ne!(of(name, "I64", 4, &labels, &[]), expected, "{name}");
    }
}

#[track_caller]
fn pair(policy: &Path, reference: &Path) -> std::process::Command {
    let mut command = score();
    command.arg("--policy").arg(policy).arg("--reference").arg(reference);
    command
}

/// Whatever two files differ in, the line names both values and both files; and there is a way around it.
#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let input = batch(&folder);
    let policy = made(&folder, &input, "p.safetensors", &[]);
    for (options, words) in [
        (&["--reduce", "mean"][..], &["reduce is mean", "sum in"][..]),
        (&["--temperature", "0.5"], &["temperature is 0.5", "1 in"]),
        (&["--logit-scale", "2"], &["logit_scale is 2", "1 in"]),
        (&["--soft-cap", "30"], &["soft_cap is 30", "none in"]),
    ] {
        let reference = made(&folder, &input, "r.safetensors", options);
        let line = refused(&mut pair(&policy, &reference));
        for word in words.iter().chain(&["r.safetensors: ", "p.safetensors", "--ignore-provenance"]) {
            assert!(line.contains(word), "{word:?} is missing in: {line}");
        }
        succeeds(pair(&policy, &reference).arg("--ignore-provenance"));
    }
    // As many tokens, in as many sequences.
    let mut other = Batch::new([4, 6, 11]);
    other.labels[1] = (other.labels[1] + 1) % 11;
    let other = folder.write("other.in.safetensors", file(&other.tensors("BF16", "I64"), 0));
    let other = made(&folder, &other, "other.safetensors", &[]);
    let line = refused(&mut pair(&policy, &other));
    let digests = [&policy, &other].map(|path| said(path)["labels_sha256"].clone());
    for word in ["labels_sha256", "same batch", &digests[0], &digests[1]] {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    succeeds(pair(&policy, &other).arg("--ignore-provenance"));
}

/// Two models may give logits of different types, and have different names.
#[test]
fn what_may_differ() {
    let folder = Folder::new();
    let policy = made(&folder, &batch(&folder), "p.safetensors", &["--note", "model=tuned"]);
    let other = folder.write("f.safetensors", file(&Batch::new([4, 6, 11]).tensors("F16", "I32"), 0));
    let reference = made(&folder, &other, "r.safetensors", &["--note", "model=base"]);
    let report = succeeds(&mut pair(&policy, &reference));
    for words in ["Provenance", "sums, BF16 logits", "sums, F16 logits", "model tuned", "model base", "4 sequences"] {
        assert!(report.contains(words), "{words:?} is missing in:\n{report}");
    }
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    let json = json(&mut pair(&policy, &reference));
    let models: Vec<_> =
        json["provenance"].as_array().unwrap().iter().map(|said| &said["metadata"]["note.model"]).collect();
    assert_eq!(models, ["tuned", "base"]);
    // Without any metadata a file is taken as it is.
    let plain = folder.write("plain.safetensors", file(&[Tensor::f32("sequence_logps", &[4], &[-1.5; 4])], 0));
    let report = succeeds(&mut pair(&policy, &plain));
    assert!(report.contains("p.safetensors") && !report.contains("plain.safetensors:"), "{report}");
    assert!(!succeeds(&mut pair(&plain, &plain)).contains("Provenance"));
}

/// Where files say nothing, the log-probabilities of their tokens still show sums and means.
#[test]
fn sums_against_means_of_files_that_say_nothing() {
    let folder = Folder::new();
    let (tokens, lengths) = ([-1.0, 0.0, -1.5, -2.0, -3.0, -4.5], [2, 3]);
    let model = |name: &str, logps: [f32; 2], tokens: &[f32], lengths: &[i64]| {
        let tensors = [
            Tensor::f32("sequence_logps", &[2], &logps),
            Tensor::f32("token_logps", &[2, 3], tokens),
            Tensor::i64("sequence_lengths", &[2], lengths),
        ];
        folder.write(name, file(&tensors, 0))
    };
    let sums = model("sums.safetensors", [-2.5, -9.5], &tokens, &lengths);
    let means = model("means.safetensors", [-1.25, -9.5 / 3.0], &tokens, &lengths);
    for (policy, reference, words) in
        [(&sums, &means, "reduce is mean as its token_logps show, but sum"), (&means, &sums, "reduce is sum")]
    {
        let line = refused(&mut pair(policy, reference));
        assert!(line.contains(words), "{line}");
        succeeds(pair(policy, reference).arg("--ignore-provenance"));
        succeeds(&mut pair(policy, policy));
        succeeds(&mut pair(reference, reference));
    }
    // Against a file that says it.
    let said =
        with_metadata(&fs::read(&sums).unwrap(), &[("preflane.schema_version", "1"), ("preflane.reduce", "mean")]);
    let said = folder.write("said.safetensors", said);
    refused(&mut pair(&said, &sums));
    succeeds(&mut pair(&said, &means));
    // Of one token each, a sum is a mean.
    let ones = model("ones.safetensors", [-1.0, -2.0], &[-1.0, 0.0, 0.0, -2.0, 0.0, 0.0], &[1, 1]);
    let other = model("other.safetensors", [-1.0, -2.0], &[-1.0, 0.0, 0.0, -2.0, 0.0, 0.0], &[1, 1]);
    succeeds(&mut pair(&ones, &other));
}

#[test]
fn metadata_that_cannot_be_right() {
    let folder = Folder::new();
    let plain = file(&[Tensor::f32("sequence_logps", &[4], &[-1.5, -2.25, -3.0, -4.5])], 0);
    let policy = folder.write("p.safetensors", &plain);
    let version = ("preflane.schema_version", "1");
    for (entries, words) in [
        (&[("preflane.schema_version", "2")][..], &["preflane.schema_version is 2", "newer"][..]),
        (&[("preflane.reduce", "sum")], &["preflane.schema_version is missing"]),
        (&[version, ("preflane.reduce", "max")], &["preflane.reduce is \"max\"", "sum or mean"]),
        (&[version, ("preflane.temperature", "-1")], &["preflane.temperature is \"-1\"", "above 0"]),
    ] {
        let reference = folder.write("r.safetensors", with_metadata(&plain, entries));
        let line = refused(&mut pair(&policy, &reference));
        for word in words.iter().chain(&["r.safetensors: ", "--ignore-provenance"]) {
            assert!(line.contains(word), "{word:?} is missing in: {line}");
        }
        succeeds(pair(&policy, &reference).arg("--ignore-provenance"));
    }
    // Keys of others, and those that a later writer of this schema may add.
    let entries = [version, ("format", "pt"), ("preflane.unheard_of", "?"), ("reduce", "?")];
    succeeds(&mut pair(&policy, &folder.write("r.safetensors", with_metadata(&plain, &entries))));
}

/// Files with a column for each log-probability, scored as one data set.
#[test]
fn columns_have_provenance_too() {
    let folder = Folder::new();
    let input = batch(&folder);
    let columns = ["--policy-chosen", "sequence_logps", "--policy-rejected", "sequence_lengths", "--reference-free"];
    for format in ["parquet", "safetensors"] {
        let sums = made(&folder, &input, &format!("sums.{format}"), &[]);
        let means = made(&folder, &input, &format!("means.{format}"), &["--reduce", "mean"]);
        let report = succeeds(score().arg(&sums).args(columns));
        assert!(report.contains("Provenance") && report.contains("sums, BF16 logits"), "{report}");
        let line = refused(score().arg(&sums).arg(&means).args(columns));
        assert!(line.contains(&format!("means.{format}: reduce is mean, but sum in")), "{line}");
        succeeds(score().arg(&sums).arg(&means).args(columns).arg("--ignore-provenance"));
        // Batches of one data set need not be the same.
        let other = folder.write("o.safetensors", file(&Batch::new([3, 5, 11]).tensors("BF16", "I64"), 0));
        let other = made(&folder, &other, &format!("other.{format}"), &[]);
        succeeds(score().arg(&sums).arg(&other).args(columns));
        // Nothing is written before the refusal.
        let out = folder.path("out.csv");
        refused(score().arg(&sums).arg(&means).args(columns).arg("--out").arg(&out));
        assert!(!out.exists());
    }
}
