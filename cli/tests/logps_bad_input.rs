//! Bad input of `preflane logps`: status 2, one line that says where and what would be right, and nothing written.

mod common;
#[path = "common/tensors.rs"]
mod tensors;

use std::fs;
use std::path::{Path, PathBuf};

use common::*;
use tensors::{Batch, Random, Tensor, file};

/// Runs with an output that must not appear; the message must hold all the words.
#[track_caller]
fn complains(input: &Path, options: &[&str], words: &[&str]) {
    for name in ["out.safetensors", "out.csv"] {
        let folder = Folder::new();
        let line = refused(logps().arg(input).args(options).arg("--out").arg(folder.path(name)));
        for word in words {
            assert!(line.contains(word), "{word:?} is missing in: {line}");
        }
        assert!(folder.names().is_empty(), "left behind: {:?}", folder.names());
    }
}

/// For what is nearly as bad.
#[track_caller]
fn accepts(input: &Path, options: &[&str]) {
    let folder = Folder::new();
    succeeds(logps().arg(input).args(options).arg("--out").arg(folder.path("out.csv")));
}

/// A small file with something changed.
fn small(folder: &Folder, edit: impl Fn(&mut [Tensor; 2])) -> PathBuf {
    let mut tensors = Batch::new([3, 4, 5]).tensors("F32", "I64");
    edit(&mut tensors);
    folder.write("in.safetensors", file(&tensors, 0))
}

#[test]
fn labels_outside_the_vocabulary() {
    let folder = Folder::new();
    for dtype in ["I64", "I32"] {
        for label in [5, -1, -99, -101, 2_147_483_647] {
            let mut batch = Batch::new([3, 4, 5]);
            batch.labels[2 * 4 + 3] = label;
            let input = folder.write("in.safetensors", file(&batch.tensors("F32", dtype), 0));
            let words = ["in.safetensors", "tensor labels, sequence 2 (from 0)", "position 3", "0 to 4", "-100"];
            complains(&input, &[], &words);
            complains(&input, &["--shifted"], &[&format!("position 3 is {label};")]);
            // The first label is predicted by nothing, and so not looked at.
            batch.labels[2 * 4 + 3] = 0;
            batch.labels[2 * 4] = label;
            let input = folder.write("in.safetensors", file(&batch.tensors("F32", dtype), 0));
            accepts(&input, &[]);
            complains(&input, &["--shifted"], &["sequence 2", &format!("position 0 is {label};")]);
        }
    }
}

#[test]
fn sequences_without_a_token() {
    let folder = Folder::new();
    let mut batch = Batch::new([3, 4, 5]);
    batch.labels[4..8].copy_from_slice(&[3, -100, -100, -100]);
    let input = folder.write("in.safetensors", file(&batch.tensors("F32", "I64"), 0));
    complains(
        &input,
        &[],
        &["in.safetensors: tensor labels, sequence 1 (from 0)", "every label but the first", "-100"],
    );
    accepts(&input, &["--shifted"]);
    batch.labels[4] = -100;
    let input = folder.write("in.safetensors", file(&batch.tensors("F32", "I64"), 0));
    complains(&input, &["--shifted"], &["sequence 1 (from 0): every label is -100"]);
}

#[test]
fn tensors_that_do_not_fit() {
    let folder = Folder::new();
    let input = small(&folder, |[logits, _]| logits.name = "scores".to_owned());
    complains(&input, &[], &["in.safetensors: no tensor logits", "there: labels, scores", "--logits"]);
    let input = small(&folder, |[_, labels]| labels.name = "ids".to_owned());
    complains(&input, &[], &["no tensor labels", "ids, logits", "--labels"]);
    let input = small(&folder, |[logits, _]| logits.shape = vec![60]);
    complains(&input, &[], &["tensor logits has the shape [60]", "[sequences, positions, vocabulary]"]);
    let input = small(&folder, |[logits, _]| logits.shape = vec![3, 2, 2, 5]);
    complains(&input, &[], &["tensor logits has the shape [3, 2, 2, 5]", "[positions, vocabulary]"]);
    let input = small(&folder, |[logits, _]| logits.shape = vec![12, 5]);
    complains(&input, &[], &["tensor labels has the shape [3, 4]; [12] is needed"]);
    let input = small(&folder, |[_, labels]| labels.shape = vec![4, 3]);
    complains(&input, &[], &["tensor labels has the shape [4, 3]; [3, 4] is needed"]);
    let input = small(&folder, |[logits, _]| (logits.dtype, logits.shape) = ("F64", vec![3, 4, 2]));
    complains(&input, &[], &["corrupt"]);
    let input = small(&folder, |[logits, _]| {
        *logits = Tensor::new("logits", "I64", &[3, 4, 2], vec![0; 3 * 4 * 2 * 8]);
    });
    complains(&input, &[], &["tensor logits holds I64; F32, BF16, F16 or F64"]);
    let input = small(&folder, |[_, labels]| labels.dtype = "F64");
    complains(&input, &[], &["tensor labels holds F64; integers are needed"]);
    for shape in [[0, 4, 5], [3, 0, 5], [3, 4, 0]] {
        let tensors = Batch::new([1, 2, 3]).tensors("F32", "I64").map(|mut tensor| {
            tensor.shape = shape[..tensor.shape.len()].to_vec();
            tensor.bytes.truncate(0);
            tensor
        });
        let count = shape[0] * shape[1] * 8;
        let tensors = [tensors[0].clone(), Tensor { bytes: vec![0; count], ..tensors[1].clone() }];
        let input = folder.write("in.safetensors", file(&tensors, 0));
        complains(&input, &[], &["in.safetensors: tensor logits has the shape", "at least one of each"]);
    }
    let one = Batch { shape: [2, 1, 3], logits: vec![0.5; 6], labels: vec![1, 2] };
    let input = folder.write("in.safetensors", file(&one.tensors("F32", "I64"), 0));
    complains(&input, &[], &["[2, 1, 3]", "two positions are needed", "--shifted"]);
    accepts(&input, &["--shifted"]);
}

#[test]
fn masks_that_are_none() {
    let folder = Folder::new();
    let with = |mask: Tensor| {
        let [logits, labels] = Batch::new([3, 4, 5]).tensors("F32", "I64");
        folder.write("in.safetensors", file(&[logits, labels, mask], 0))
    };
    let mut values = [1; 12];
    values[9] = 2;
    for dtype in ["BOOL", "U8", "I64"] {
        let input = with(Tensor::integers("keep", dtype, &[3, 4], &values));
        complains(&input, &["--mask", "keep"], &["tensor keep, sequence 2 (from 0)", "position 1 is 2; 0 or 1"]);
    }
    values[9] = -1;
    let input = with(Tensor::integers("keep", "I8", &[3, 4], &values));
    complains(&input, &["--mask", "keep"], &["position 1 is -1"]);
    let input = with(Tensor::f32("keep", &[3, 4], &[1.0; 12]));
    complains(&input, &["--mask", "keep"], &["tensor keep holds F32; integers or BOOL are needed"]);
    let input = with(Tensor::integers("keep", "I64", &[4, 3], &[1; 12]));
    complains(&input, &["--mask", "keep"], &["tensor keep has the shape [4, 3]; [3, 4] is needed"]);
    values = [1; 12];
    values[4..8].fill(0);
    let input = with(Tensor::integers("keep", "U8", &[3, 4], &values));
    complains(&input, &["--mask", "keep"], &["sequence 1 (from 0)", "0 in the tensor keep", "at least one token"]);
}

#[test]
fn labels_of_more_bits_than_a_vocabulary() {
    let folder = Folder::new();
    let [logits, _] = Batch::new([3, 4, 5]).tensors("F32", "I64");
    for (dtype, value, said) in [
        ("U64", -1, "9223372036854775807 or more"),
        ("U8", 200, "200"),
        ("U16", -100, "65436"),
        ("U32", -100, "4294967196"),
    ] {
        let mut labels = [1; 12];
        labels[6] = value;
        let tensors = [logits.clone(), Tensor::labels(dtype, &[3, 4], &labels)];
        let input = folder.write("in.safetensors", file(&tensors, 0));
        complains(&input, &[], &["tensor labels, sequence 1 (from 0)", &format!("position 2 is {said};")]);
    }
}

#[test]
fn logits_of_64_bits_that_are_none_of_32() {
    let folder = Folder::new();
    let batch = Batch { shape: [2, 3, 2], logits: vec![0.5; 12], labels: vec![0, 1, -100, 0, 1, 1] };
    for (wrong, said) in [(0.1_f64, "0.1"), (1e300, "1e300"), (1e-60, "1e-60")] {
        let [mut logits, labels] = batch.tensors("F64", "I64");
        // The logits of the second sequence's second position, and of one that is masked.
        for row in [4, 1] {
            logits.bytes[8 * (2 * row + 1)..][..8].copy_from_slice(&wrong.to_le_bytes());
        }
        let input = folder.write("in.safetensors", file(&[logits, labels], 0));
        let place = "tensor logits, sequence 1 (from 0): the logit of column 1 at position 1";
        complains(&input, &[], &[place, said, "F32"]);
    }
}

#[test]
fn files_that_are_no_tensors() {
    let folder = Folder::new();
    complains(&folder.path("none.safetensors"), &[], &["none.safetensors: cannot be opened"]);
    complains(&folder.write("empty.safetensors", ""), &[], &["empty.safetensors: is empty"]);
    complains(&folder.write("text.safetensors", "a,b\n1,2\n".repeat(9)), &[], &["text.safetensors: corrupt"]);
    complains(&data("pairs.csv"), &[], &["pairs.csv: ", ".safetensors"]);
    complains(&folder.write("logits.bin", "x"), &[], &["logits.bin: unknown ending .bin"]);
    fs::create_dir(folder.path("folder.safetensors")).unwrap();
    complains(&folder.path("folder.safetensors"), &[], &["folder.safetensors: is a directory"]);
}

#[test]
fn files_cut_off_anywhere() {
    let folder = Folder::new();
    let bytes = fs::read(small(&folder, |_| {})).unwrap();
    for length in (1..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        complains(&folder.write("cut.safetensors", &bytes[..length]), &[], &["cut.safetensors: corrupt or cut off"]);
    }
    complains(&folder.write("long.safetensors", [&bytes[..], b"x"].concat()), &[], &["long.safetensors: corrupt"]);
}

/// Whatever the bytes, there is an answer or one line, never a crash.
#[test]
fn files_with_wrong_bytes() {
    let folder = Folder::new();
    let original = fs::read(small(&folder, |_| {})).unwrap();
    let header = original.len() - 3 * 4 * (5 * 4 + 8);
    let mut random = Random(1);
    for _ in 0..120 {
        let mut bytes = original.clone();
        for _ in 0..1 + random.bits() % 3 {
            let at = random.bits() as usize % header;
            // Digits by digits: most other bytes end the parser.
            bytes[at] =
                if bytes[at].is_ascii_digit() { b'0' + (random.bits() % 10) as u8 } else { random.bits() as u8 };
        }
        let input = folder.write("in.safetensors", bytes);
        let output = logps().arg(&input).arg("--out").arg(folder.path("out.csv")).output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        match output.status.code() {
            Some(0) => assert!(line.is_empty()),
            Some(2) => assert!(line.starts_with("preflane: ") && line.lines().count() == 1, "{line}"),
            _ => panic!("{}, {line}", output.status),
        }
    }
}

#[test]
fn options() {
    let input = &data("logits_f32.safetensors");
    for (options, words) in [
        (&["--temperature", "0"][..], &["--temperature: temperature is 0"][..]),
        (&["--temperature", "-1"], &["temperature is -1"]),
        (&["--temperature", "nan"], &["temperature is NaN"]),
        (&["--temperature", "x"], &["--temperature", "'x'"]),
        (&["--logit-scale", "0"], &["--logit-scale: logit_scale is 0"]),
        (&["--logit-scale", "-2"], &["--logit-scale: logit_scale is -2"]),
        (&["--soft-cap", "0"], &["--soft-cap: soft_cap is 0"]),
        (&["--soft-cap", "inf"], &["--soft-cap: soft_cap is inf"]),
        (&["--logit-scale", "1e9", "--temperature", "1e-9"], &["logit_scale / temperature"]),
        (&["--note", "model"], &["--note", "KEY=VALUE"]),
        (&["--note", "=x"], &["--note", "KEY=VALUE"]),
        (&["--note", "two words=x"], &["--note", "KEY=VALUE"]),
        (&["--mask", "none"], &["no tensor none", "labels, logits", "--mask"]),
        (&["--mask", "logits"], &["tensor logits has the shape [2, 5, 4096]; [2, 5] is needed"]),
        (&["--reduce", "max"], &["max", "sum, mean"]),
        (&["--threads", "0"], &["--threads", "'0'"]),
        (&["--logits", "labels"], &["tensor labels holds I64"]),
    ] {
        complains(input, options, words);
    }
    assert!(refused(logps().arg(input)).contains("--out"));
    let folder = Folder::new();
    let line = refused(logps().arg(input).arg("--out").arg(folder.path("a.csv")).env("PREFLANE_LEVEL", "sse9"));
    assert!(line.contains("PREFLANE_LEVEL"), "{line}");
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::new();
    let input = small(&folder, |_| {});
    let before = fs::read(&input).unwrap();
    fs::create_dir(folder.path("folder.csv")).unwrap();
    for (out, word) in [
        ("folder.csv", "not a file"),
        ("none/out.safetensors", "no folder"),
        ("out.txt", ".txt"),
        ("out", "ending"),
        ("in.safetensors", "would replace the input"),
    ] {
        let line = refused(logps().arg(&input).arg("--out").arg(folder.path(out)));
        assert!(line.contains(word) && line.contains(out), "{line}");
    }
    assert_eq!(folder.names(), ["folder.csv", "in.safetensors"]);
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[test]
fn an_error_leaves_what_was_there() {
    let folder = Folder::new();
    let good = fs::read(small(&folder, |_| {})).unwrap();
    let input = small(&folder, |[_, labels]| labels.bytes[3 * 8] = 9);
    let out = folder.write("out.safetensors", "old");
    refused(logps().arg(&input).arg("--out").arg(&out));
    assert_eq!(fs::read(&out).unwrap(), b"old");
    fs::write(&input, good).unwrap();
    succeeds(logps().arg(&input).arg("--out").arg(&out));
    assert!(safetensors::SafeTensors::deserialize(&fs::read(&out).unwrap()).is_ok());
    assert_eq!(folder.names(), ["in.safetensors", "out.safetensors"]);
}
