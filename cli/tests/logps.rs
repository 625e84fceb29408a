//! `preflane logps`: what it computes, from which input, and what it writes.

mod common;
#[path = "common/tensors.rs"]
mod tensors;

use std::fs;
use std::path::Path;

use common::*;
use tensors::{Batch, Tensor, file};

/// Runs, and returns the bytes of the output.
#[track_caller]
fn output(folder: &Folder, input: &Path, options: &[&str]) -> Vec<u8> {
    let out = folder.path("output.safetensors");
    succeeds(logps().arg(input).args(options).arg("--out").arg(&out));
    fs::read(out).unwrap()
}

/// The numbers of an output, without what it says of how they were made.
fn numbers(output: &[u8]) -> &[u8] {
    let header = u64::from_le_bytes(output[..8].try_into().unwrap()) as usize;
    &output[8 + header..]
}

/// Runs, and returns tokens, sequences and lengths, having checked their types and shapes.
#[track_caller]
fn results(folder: &Folder, input: &Path, options: &[&str]) -> (Vec<Vec<f32>>, Vec<f32>, Vec<i64>) {
    let bytes = output(folder, input, options);
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 3);
    let tensor = |name, dtype| {
        let tensor = tensors.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{name}");
        (tensor.shape().to_vec(), tensor.data())
    };
    let f32s = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect::<Vec<_>>();
    let (shape, tokens) = tensor("token_logps", safetensors::Dtype::F32);
    let (sequence_shape, sequences) = tensor("sequence_logps", safetensors::Dtype::F32);
    let (length_shape, lengths) = tensor("sequence_lengths", safetensors::Dtype::I64);
    assert_eq!((&sequence_shape[..], &length_shape[..]), (&shape[..1], &shape[..1]));
    let tokens = f32s(tokens).chunks(shape[1]).map(<[f32]>::to_vec).collect();
    let lengths = lengths.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x)).collect();
    (tokens, f32s(sequences), lengths)
}

/// The value between neighbouring floats may be off by this much of their distance.
const ULP: f64 = 0.51;

#[track_caller]
fn is_rounded(got: f32, exact: f64, what: &str) {
    let nearest = exact as f32;
    let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
    assert!((f64::from(got) - exact).abs() <= ULP * ulp.abs(), "{what}: {got} for {exact}");
}

/// Compares with the tokens' exact values: None where masked.
#[track_caller]
fn are_right(results: &(Vec<Vec<f32>>, Vec<f32>, Vec<i64>), expected: &[Vec<Option<f64>>], mean: bool) {
    let (tokens, sequences, lengths) = results;
    assert_eq!((tokens.len(), sequences.len(), lengths.len()), (expected.len(), expected.len(), expected.len()));
    for (b, (tokens, expected)) in tokens.iter().zip(expected).enumerate() {
        assert_eq!(tokens.len(), expected.len());
        for (t, (&got, exact)) in tokens.iter().zip(expected).enumerate() {
            match exact {
                Some(exact) => is_rounded(got, *exact, &format!("token {b}, {t}")),
                None => assert_eq!(got.to_bits(), 0, "token {b}, {t} is masked"),
            }
        }
        let length = expected.iter().flatten().count();
        assert_eq!(lengths[b], length as i64);
        // Sums of so few floats are exact in f64.
        let sum: f64 = tokens.iter().map(|&x| f64::from(x)).sum();
        let nearest = if mean { (sum / length as f64) as f32 } else { sum as f32 };
        assert_eq!(sequences[b].to_bits(), nearest.to_bits(), "sequence {b}");
    }
}

/// A small model's logits for one chosen and one rejected answer, five positions of each from two before the answer
/// begins: as the model gave them and rounded to bf16. The values come from float64 arithmetic.
#[test]
fn real_logits_against_float64() {
    let expected = fs::read_to_string(data("logits_expected.json")).unwrap();
    let expected: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&expected).unwrap();
    for name in ["f32", "bf16"] {
        let expected: Vec<Vec<f64>> = serde_json::from_value(expected[name].clone()).unwrap();
        let token = |x: &f64| (*x != 0.0).then_some(*x);
        let expected: Vec<Vec<_>> = expected.iter().map(|sequence| sequence.iter().map(token).collect()).collect();
        let folder = Folder::new();
        let input = data(&format!("logits_{name}.safetensors"));
        for reduce in ["sum", "mean"] {
            let results = results(&folder, &input, &["--reduce", reduce]);
            are_right(&results, &expected, reduce == "mean");
        }
        let json = json(logps().arg(&input).arg("--out").arg(folder.path("a.csv")));
        let mean = expected.iter().flatten().flatten().sum::<f64>() / 6.0;
        assert!((f64::from(f32_of(&json["logps/token"])) - mean).abs() < 1e-6 * mean.abs());
    }
}

#[test]
fn every_type_shift_and_alignment() {
    let folder = Folder::new();
    let batch = Batch::new([5, 9, 37]);
    for (options, shift) in [(&[][..], 1), (&["--shifted"][..], 0)] {
        let mut first = None;
        for (logits, labels, offset) in
            [("F32", "I64", 0), ("F32", "I32", 0), ("BF16", "I64", 0), ("F16", "I32", 0)].into_iter().chain(
                // All ways in which numbers of 2, 4 and 8 bytes can lie.
                (1..8).flat_map(|offset| [("F32", "I64", offset), ("BF16", "I32", offset), ("F16", "I64", offset)]),
            )
        {
            let input = folder.write("in.safetensors", file(&batch.tensors(logits, labels), offset));
            are_right(&results(&folder, &input, options), &batch.expected(shift), false);
            let bytes = output(&folder, &input, options);
            let first = first.get_or_insert_with(|| bytes.clone());
            assert!(numbers(first) == numbers(&bytes), "{logits}, {labels}, {offset}");
        }
    }
}

#[test]
fn shifted_is_the_caller_s_own_shift() {
    let folder = Folder::new();
    let [sequences, positions, vocabulary] = [4, 6, 11];
    let batch = Batch::new([sequences, positions, vocabulary]);
    let cut = |b: usize| &batch.logits[b * positions * vocabulary..][..(positions - 1) * vocabulary];
    let aligned = Batch {
        shape: [sequences, positions - 1, vocabulary],
        logits: (0..sequences).flat_map(cut).copied().collect(),
        labels: (0..sequences).flat_map(|b| &batch.labels[b * positions + 1..(b + 1) * positions]).copied().collect(),
    };
    let plain = folder.write("plain.safetensors", file(&batch.tensors("F32", "I64"), 0));
    let aligned = folder.write("aligned.safetensors", file(&aligned.tensors("F32", "I64"), 0));
    assert_eq!(numbers(&output(&folder, &plain, &[])), numbers(&output(&folder, &aligned, &["--shifted"])));
    assert_ne!(output(&folder, &plain, &[]).len(), output(&folder, &plain, &["--shifted"]).len());
}

#[test]
fn temperature_divides_the_logits() {
    let folder = Folder::new();
    let mut batch = Batch::new([3, 5, 17]);
    let hot = folder.write("hot.safetensors", file(&batch.tensors("F32", "I64"), 0));
    let hot = results(&folder, &hot, &["--temperature", "2.5"]);
    batch.logits.iter_mut().for_each(|x| *x = (f64::from(*x) / 2.5) as f32);
    for (tokens, exact) in hot.0.iter().zip(batch.expected(1)) {
        for (got, exact) in tokens.iter().zip(exact) {
            assert!((f64::from(*got) - exact.unwrap_or(0.0)).abs() < 1e-5, "{got} for {exact:?}");
        }
    }
}

/// Scale, then cap, then temperature, from the definition in float64.
#[test]
fn logit_scale_and_soft_cap() {
    let folder = Folder::new();
    let batch = Batch::new([3, 5, 17]);
    let input = folder.write("in.safetensors", file(&batch.tensors("F32", "I64"), 0));
    for (options, [scale, cap, temperature]) in [
        (&["--logit-scale", "0.25"][..], [0.25, f64::INFINITY, 1.0]),
        (&["--soft-cap", "3"], [1.0, 3.0, 1.0]),
        (&["--logit-scale", "2.5", "--soft-cap", "3", "--temperature", "0.5"], [2.5, 3.0, 0.5]),
    ] {
        let scaled = |x: f32| {
            let x = scale * f64::from(x);
            (if cap.is_finite() { cap * (x / cap).tanh() } else { x }) / temperature
        };
        let expected = batch.expected_of(1, scaled);
        are_right(&results(&folder, &input, options), &expected, false);
    }
}

/// What counts is the same however a file says it.
#[test]
fn a_mask_is_as_good_as_a_label() {
    let folder = Folder::new();
    let batch = Batch::new([4, 6, 11]);
    let [logits, labels] = batch.tensors("F32", "I64");
    let plain = folder.write("plain.safetensors", file(&[logits.clone(), labels.clone()], 0));
    let plain = output(&folder, &plain, &[]);
    let counts: Vec<i64> = batch.labels.iter().map(|&label| i64::from(label != -100)).collect();
    // Labels that are masked may be anything.
    let any: Vec<i64> = batch.labels.iter().map(|&label| if label == -100 { 99 } else { label }).collect();
    for (dtype, mask_dtype) in [("I64", "BOOL"), ("I32", "I64"), ("I16", "I32"), ("I8", "I16"), ("U8", "I8")]
        .into_iter()
        .chain([("U16", "U8"), ("U32", "U16"), ("U64", "U32"), ("I64", "U64")])
    {
        let tensors = [
            logits.clone(),
            Tensor::labels(dtype, &[4, 6], &any),
            Tensor::integers("completion_mask", mask_dtype, &[4, 6], &counts),
        ];
        let input = folder.write("masked.safetensors", file(&tensors, 0));
        assert!(output(&folder, &input, &["--mask", "completion_mask"]) == plain, "{dtype}, {mask_dtype}");
    }
    // A label of -100 does not count, whatever the mask says.
    let all = Tensor::integers("completion_mask", "BOOL", &[4, 6], &[1; 24]);
    let input = folder.write("all.safetensors", file(&[logits, labels, all], 0));
    assert!(output(&folder, &input, &["--mask", "completion_mask"]) == plain);
}

#[test]
fn one_sequence_without_a_dimension_for_it() {
    let folder = Folder::new();
    let batch = Batch::new([1, 6, 11]);
    let [mut logits, mut labels] = batch.tensors("BF16", "I32");
    let three = folder.write("three.safetensors", file(&[logits.clone(), labels.clone()], 0));
    let mut mask = Tensor::integers("mask", "U8", &[6], &[1; 6]);
    (logits.shape, labels.shape) = (vec![6, 11], vec![6]);
    let two = folder.write("two.safetensors", file(&[logits.clone(), labels.clone(), mask.clone()], 0));
    for options in [&[][..], &["--shifted"], &["--mask", "mask"]] {
        let without_mask = if options == ["--mask", "mask"] { &[] } else { options };
        assert!(output(&folder, &two, options) == output(&folder, &three, without_mask), "{options:?}");
    }
    mask.shape = vec![1, 6];
    let other = folder.write("other.safetensors", file(&[logits, labels, mask], 0));
    let line = refused(logps().arg(&other).args(["--mask", "mask", "--out"]).arg(folder.path("a.csv")));
    assert!(line.contains("tensor mask has the shape [1, 6]; [6] is needed"), "{line}");
}

/// Logits of 64 bits that are of 32, as after widening.
#[test]
fn widened_logits() {
    let folder = Folder::new();
    let mut batch = Batch::new([3, 4, 9]);
    batch.labels[..4].copy_from_slice(&[0, 1, -100, 2]);
    batch.logits[9 * 5] = f32::NEG_INFINITY;
    let narrow = folder.write("narrow.safetensors", file(&batch.tensors("F32", "I64"), 0));
    let narrow = results(&folder, &narrow, &[]);
    for offset in [0, 3] {
        let [mut logits, labels] = batch.tensors("F64", "I64");
        // The second row predicts what is masked: it is not looked at.
        logits.bytes[9 * 8..][..8].copy_from_slice(&0.1_f64.to_le_bytes());
        let wide = folder.write("wide.safetensors", file(&[logits, labels], offset));
        assert_eq!(results(&folder, &wide, &[]), narrow);
    }
}

#[test]
fn tensors_can_have_other_names() {
    let folder = Folder::new();
    let [mut logits, mut labels] = Batch::new([2, 3, 5]).tensors("F32", "I64");
    let plain = folder.write("plain.safetensors", file(&[logits.clone(), labels.clone()], 0));
    logits.name = "scores".to_owned();
    labels.name = "ids".to_owned();
    let other = Tensor::new("attention_mask", "BOOL", &[3], vec![1; 3]);
    let renamed = folder.write("renamed.safetensors", file(&[other, labels, logits], 0));
    let options = ["--logits", "scores", "--labels", "ids"];
    assert_eq!(output(&folder, &plain, &[]), output(&folder, &renamed, &options));
}

/// Sequences that end in the middle of a piece of work, and a piece that ends in the middle of a sequence.
#[test]
fn more_rows_than_are_worked_on_at_a_time() {
    let folder = Folder::new();
    for shape in [[3, 30_000, 3], [50_000, 2, 2]] {
        let batch = Batch::new(shape);
        // In place, and copied.
        for offset in [0, 1] {
            let input = folder.write("in.safetensors", file(&batch.tensors("BF16", "I32"), offset));
            are_right(&results(&folder, &input, &["--reduce", "mean"]), &batch.expected(1), true);
        }
    }
}

#[test]
fn threads_and_levels_give_the_same_bytes() {
    let folder = Folder::new();
    let batch = Batch::new([6, 40, 997]);
    for (dtype, offset) in [("F32", 0), ("BF16", 0), ("F16", 3)] {
        let input = folder.write("in.safetensors", file(&batch.tensors(dtype, "I64"), offset));
        let run = |threads: &str, level: Option<&str>| {
            let out = folder.path("out.safetensors");
            let mut command = logps();
            command.arg(&input).args(["--threads", threads]).arg("--out").arg(&out);
            command.envs(level.map(|level| ("PREFLANE_LEVEL", level)));
            (succeeds(&mut command), fs::read(out).unwrap())
        };
        let first = run("1", None);
        assert!(run("4", None) == first, "{dtype}: 4 threads");
        for level in preflane::Level::ALL.into_iter().filter(|level| level.is_available()) {
            assert!(run("1", Some(level.name())) == first, "{dtype}: {}", level.name());
            assert!(run("4", Some(level.name())) == first, "{dtype}: {} on 4 threads", level.name());
        }
    }
}

#[test]
fn other_formats_hold_a_row_a_sequence() {
    let folder = Folder::new();
    let input = folder.write("in.safetensors", file(&Batch::new([7, 8, 13]).tensors("F32", "I64"), 0));
    let (_, sequences, lengths) = results(&folder, &input, &[]);
    for format in FORMATS {
        let out = folder.path(&format!("out.{format}"));
        succeeds(logps().arg(&input).arg("--out").arg(&out));
        let mut columns = read_back(&out);
        columns.remove("token_logps");
        assert_eq!(columns.keys().collect::<Vec<_>>(), ["sequence_lengths", "sequence_logps"], "{format}");
        assert_eq!(columns["sequence_logps"], sequences, "{format}");
        let expected: Vec<f32> = lengths.iter().map(|&x| x as f32).collect();
        assert_eq!(columns["sequence_lengths"], expected, "{format}");
    }
    let text = fs::read_to_string(folder.path("out.csv")).unwrap();
    let first = format!("sequence_logps,sequence_lengths\n{},{}\n", sequences[0], lengths[0]);
    assert!(text.starts_with(&first), "{text}");
    let text = fs::read_to_string(folder.path("out.jsonl")).unwrap();
    assert!(text.ends_with(&format!(", \"sequence_lengths\": {}}}\n", lengths[6])), "{text}");
}

/// More sequences than are written at a time.
#[test]
fn other_formats_hold_many_rows() {
    let folder = Folder::new();
    let sequences = 1_100_000;
    let labels: Vec<i64> = (0..2 * sequences as i64).map(|i| if i % 6 == 3 { -100 } else { 0 }).collect();
    let batch = Batch { shape: [sequences, 2, 2], logits: vec![1.0; 4 * sequences], labels };
    let input = folder.write("in.safetensors", file(&batch.tensors("BF16", "I32"), 0));
    let options = ["--policy-chosen", "sequence_logps", "--policy-rejected", "sequence_lengths", "--reference-free"];
    let mut first = None;
    for format in FORMATS {
        let out = folder.path(&format!("out.{format}"));
        succeeds(logps().arg(&input).arg("--shifted").arg("--out").arg(&out));
        let mut report = json(score().arg(&out).args(options));
        assert_eq!(report.remove("provenance").is_some(), ["parquet", "safetensors"].contains(&format));
        assert_eq!(report["pairs"], sequences, "{format}");
        assert_eq!(*first.get_or_insert_with(|| report.clone()), report, "{format}");
    }
}

#[test]
fn report_and_json() {
    let folder = Folder::new();
    let (input, out) = (data("logits_f32.safetensors"), folder.path("out.csv"));
    let report = succeeds(logps().arg(&input).arg("--out").arg(&out));
    for words in ["2 sequences of 4 tokens, vocabulary 4096, F32", "75.0 % of all labels", "logps/token", "-13.572195"]
    {
        assert!(report.contains(words), "{words:?} is missing in:\n{report}");
    }
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    let got = json(logps().arg(&input).arg("--out").arg(&out));
    let keys: Vec<_> = got.keys().map(String::as_str).collect();
    let mut expected = vec!["sequences", "tokens", "masked", "nonfinite", "vocabulary", "reduce", "temperature"];
    expected.extend(["logit_scale", "soft_cap", "provenance", "provenance_written", "logps/token", "logps/sequence"]);
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let counts = ["sequences", "tokens", "masked", "nonfinite", "vocabulary"].map(|key| got[key].as_u64().unwrap());
    assert_eq!(counts, [2, 6, 2, 0, 4096]);
    let sequences = &read_back(&out)["sequence_logps"];
    let mean = (f64::from(sequences[0]) + f64::from(sequences[1])) / 2.0;
    assert_eq!(f32_of(&got["logps/sequence"]), mean as f32);
}

#[test]
fn tokens_that_are_not_finite() {
    let folder = Folder::new();
    let mut batch = Batch::new([3, 4, 5]);
    batch.labels.iter_mut().for_each(|label| *label = 1);
    let row = |b: usize, t: usize| (b * 4 + t) * 5;
    batch.logits[row(0, 2)] = f32::NAN;
    batch.logits[row(2, 0) + 1] = f32::NEG_INFINITY;
    // Never looked at: nothing is predicted from the last position.
    batch.logits[row(1, 3)] = f32::NAN;
    let input = folder.write("in.safetensors", file(&batch.tensors("F32", "I64"), 0));
    let (tokens, sequences, _) = results(&folder, &input, &[]);
    assert!(tokens[0][2].is_nan() && sequences[0].is_nan());
    assert!(sequences[1].is_finite());
    assert_eq!((tokens[2][0], sequences[2]), (f32::NEG_INFINITY, f32::NEG_INFINITY));
    let report = succeeds(logps().arg(&input).arg("--out").arg(folder.path("a.csv")));
    assert!(report.contains("2 tokens not finite: token_logps[0, 2], token_logps[2, 0]"), "{report}");
    let got = json(logps().arg(&input).arg("--out").arg(folder.path("a.csv")));
    assert_eq!((&got["nonfinite"], &got["logps/token"]), (&2.into(), &"nan".into()));
}
