//! Files of labelled answers.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int8Array, RecordBatch, StringArray};
use common::*;
use preflane::LabelledLoss;
use preflane::labelled::evaluate_answer;
use preflane::losses::{Description, LOSSES, Shape};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

const COLUMNS: [&str; 5] = ["policy_logps", "ref_logps", "label", "policy_KL_logps", "ref_KL_logps"];

fn losses() -> impl Iterator<Item = &'static Description> {
    LOSSES.iter().copied().filter(|loss| loss.shape == Shape::Labelled)
}

/// The first loss of labelled answers.
fn loss() -> [&'static str; 2] {
    ["--loss", losses().next().unwrap().name]
}

/// The real data: rows of [`COLUMNS`].
fn rows() -> Vec<[f64; 5]> {
    let text = fs::read_to_string(data("labelled.jsonl")).unwrap();
    let row = |line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        COLUMNS.map(|name| row[name].as_f64().or_else(|| row[name].as_bool().map(f64::from)).unwrap())
    };
    text.lines().map(row).collect()
}

/// Rows as CSV, the label as a text.
fn csv(rows: &[[f64; 5]], label: impl Fn(bool) -> &'static str) -> String {
    let line = |row: &[f64; 5]| {
        let [policy, reference, desirable, policy_kl, ref_kl] = row;
        format!("{policy},{reference},{},{policy_kl},{ref_kl}\n", label(*desirable > 0.0))
    };
    format!("{}\n{}", COLUMNS.join(","), rows.iter().map(line).collect::<String>())
}

#[track_caller]
fn complains(file: &Path, options: &[&str], words: &[&str]) {
    common::complains(score().arg(file).args(loss()).args(options), words);
}

#[test]
fn golden() {
    let report = succeeds(score().arg(data("labelled.jsonl")).args(loss()));
    assert_eq!(report, include_str!("golden/labelled.txt"));
    assert!(report.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn rows_have_the_bits_of_the_library() {
    for loss in losses() {
        let folder = Folder::new();
        let out = folder.path("out.parquet");
        let mut command = score();
        let got = json(command.arg(data("labelled.jsonl")).args(["--loss", loss.name]).arg("--out").arg(&out));
        let point = f32_of(&got["reference_point"]);
        let defaults: Vec<f64> = loss.parameters.iter().map(|parameter| parameter.default).collect();
        let library = LabelledLoss::new(loss, &defaults).unwrap();
        let out = read_back(&out);
        assert_eq!(out.keys().collect::<Vec<_>>(), ["grad_logps", "loss", "rewards"]);
        for (index, [policy, reference, label, ..]) in rows().into_iter().enumerate() {
            let reference = loss.reference.then_some(reference as f32);
            let row = evaluate_answer(&library, policy as f32, reference, label > 0.0, point);
            let expected = [row.loss, row.reward, row.grad_logps].map(f32::to_bits);
            assert_eq!(["loss", "rewards", "grad_logps"].map(|name| out[name][index].to_bits()), expected);
        }
        // The mean that is found is as good as the same one given, and then no other column is needed.
        let given = ["--loss", loss.name, "--reference-point", &point.to_string()];
        let text = fs::read_to_string(data("labelled.jsonl")).unwrap().replace("KL", "other");
        let file = folder.write("a.jsonl", text);
        assert_eq!(json(score().arg(file).args(given)), got);
    }
}

/// An array of numpy, of a type as its header has it.
fn npy(descr: &str, rows: usize, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({rows},), }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

/// The data in every format, with labels of every type.
fn all_formats(folder: &Folder) -> Vec<PathBuf> {
    let rows = rows();
    let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<f64>>();
    let mut files = vec![data("labelled.jsonl")];
    let words: [[&'static str; 2]; 6] = [
        ["false", "true"],
        ["0", "1"],
        ["0.0", "1.0"],
        ["undesirable", "desirable"],
        ["Rejected", "CHOSEN"],
        ["False", "True"],
    ];
    for (index, words) in words.into_iter().enumerate() {
        files.push(folder.write(&format!("{index}.csv"), csv(&rows, |label| words[usize::from(label)])));
    }
    let text = fs::read_to_string(data("labelled.jsonl")).unwrap();
    files.push(folder.write("text.jsonl", text.replace("true", "\"desirable\"").replace("false", "\"False\"")));
    files.push(folder.write("numbers.jsonl", text.replace("true", "1").replace("false", "0.0")));
    let labels: Vec<bool> = rows.iter().map(|row| row[2] > 0.0).collect();
    let texts = labels.iter().map(|label| if *label { "true" } else { "undesirable" });
    let arrays: [ArrayRef; 3] = [
        Arc::new(BooleanArray::from(labels.clone())),
        Arc::new(StringArray::from_iter_values(texts)),
        Arc::new(Int8Array::from_iter_values(labels.iter().map(|label| i8::from(*label)))),
    ];
    for (index, labels) in arrays.into_iter().enumerate() {
        let columns = COLUMNS.iter().enumerate().map(|(index, name)| {
            let values: ArrayRef = Arc::new(Float64Array::from(column(index)));
            (*name, if *name == "label" { Arc::clone(&labels) } else { values })
        });
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let (arrow, parquet) = (folder.path(&format!("{index}.arrow")), folder.path(&format!("{index}.parquet")));
        let mut writer =
            arrow_ipc::writer::FileWriter::try_new(File::create(&arrow).unwrap(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let file = File::create(&parquet).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        files.extend([arrow, parquet]);
    }
    let bytes: Vec<Vec<u8>> = (0..5)
        .map(|index| match index {
            2 => labels.iter().map(|label| u8::from(*label)).collect(),
            _ => column(index).iter().flat_map(|value| value.to_le_bytes()).collect(),
        })
        .collect();
    for (name, label) in [("bool", "'|b1'"), ("u1", "'|u1'")] {
        let path = folder.path(&format!("{name}.npz"));
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (index, bytes) in bytes.iter().enumerate() {
            zip.start_file(format!("{}.npy", COLUMNS[index]), zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&npy(if index == 2 { label } else { "'<f8'" }, rows.len(), bytes)).unwrap();
        }
        zip.finish().unwrap();
        files.push(path);
    }
    let fields = COLUMNS.map(|name| format!("('{name}', '{}')", if name == "label" { "|b1" } else { "<f8" }));
    let items: Vec<u8> = (0..rows.len())
        .flat_map(|row| (0..5).map(move |index| (row, index)))
        .flat_map(|(row, index)| match index {
            2 => bytes[2][row..=row].to_vec(),
            _ => bytes[index][8 * row..8 * row + 8].to_vec(),
        })
        .collect();
    let descr = format!("[{}]", fields.join(", "));
    files.push(folder.write("records.npy", npy(&descr, rows.len(), &items)));
    for dtype in [Dtype::BOOL, Dtype::U8] {
        let views = COLUMNS.iter().zip(&bytes).map(|(name, bytes)| {
            let dtype = if *name == "label" { dtype } else { Dtype::F64 };
            (*name, TensorView::new(dtype, vec![rows.len()], bytes).unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        files.push(folder.write(&format!("{dtype:?}.safetensors"), file));
    }
    files
}

#[test]
fn all_formats_and_spellings_give_the_same_bytes() {
    let folder = Folder::new();
    let out = folder.path("out.csv");
    let run = |file: &Path| {
        let got = succeeds(score().arg(file).args(loss()).arg("--json").arg("--out").arg(&out));
        (got, fs::read(&out).unwrap())
    };
    let first = run(&data("labelled.jsonl"));
    for file in all_formats(&folder) {
        assert_eq!(run(&file), first, "{}", file.display());
    }
}

#[test]
fn labels_that_are_none() {
    let folder = Folder::new();
    let rows = rows();
    for (label, words) in [
        ("2", "2 is no label; true or false, 1 or 0"),
        ("0.5", "0.5 is no label"),
        ("-1", "-1 is no label"),
        ("maybe", "\"maybe\" is no label"),
        ("nan", "no label"),
        ("", "no label (null or empty)"),
        ("NA", "no label (null or empty)"),
    ] {
        let mut lines: Vec<String> =
            csv(&rows, |label| if label { "1" } else { "0" }).lines().map(str::to_owned).collect();
        let fields: Vec<&str> = lines[17].split(',').collect();
        lines[17] = [fields[0], fields[1], label, fields[3], fields[4]].join(",");
        let file = folder.write("bad.csv", lines.join("\n") + "\n");
        complains(&file, &[], &["bad.csv: line 18, column label: ", words]);
        if words.ends_with("empty)") {
            complains(&file, &["--nulls", "nan"], &["line 18, column label: no label"]);
            assert_eq!(json(score().arg(&file).args(loss()).args(["--nulls", "skip"]))["skipped"], 1);
        }
    }
    for (label, words) in
        [("[1]", "a list or an object"), ("{}", "a list or an object"), ("\"x\"", "\"x\" is no label")]
    {
        let text = fs::read_to_string(data("labelled.jsonl")).unwrap().replacen("true", label, 1);
        complains(&folder.write("bad.jsonl", text), &[], &["bad.jsonl: line 2, column label: ", words]);
    }
    let floats = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    let label = TensorView::new(Dtype::F32, vec![1], &[0, 0, 0, 64]).unwrap();
    let tensors = COLUMNS.map(|name| (name, if name == "label" { label.clone() } else { floats.clone() }));
    let file = folder.write("bad.safetensors", safetensors::serialize(tensors, None).unwrap());
    complains(&file, &[], &["bad.safetensors: row 1, column label: 2 is no label"]);
    complains(&data("labelled.jsonl"), &["--label", "id"], &["line 1, column id: \"en-000\" is no label"]);
}

#[test]
fn reference_points() {
    let folder = Folder::new();
    let file = data("labelled.jsonl");
    for value in ["nan", "inf"] {
        complains(&file, &["--reference-point", value], &["--reference-point is", "finite"]);
    }
    complains(&data("pairs.csv"), &[], &["no column policy_logps", "--policy-logps"]);
    // Without its columns a mean cannot be told, and 0 is not taken for it.
    let text = fs::read_to_string(&file).unwrap();
    let bare = folder.write("bare.jsonl", text.replace("KL", "other"));
    complains(&bare, &[], &["line 1: no column policy_KL_logps", "--reference-point X"]);
    let named = ["--policy-kl", "policy_other_logps", "--ref-kl", "ref_other_logps"];
    let got = json(score().arg(&file).args(loss()));
    assert_eq!(json(score().arg(&bare).args(loss()).args(named)), got);
    // The mean is over all files, and neither their order nor their parts change it.
    let lines: Vec<&str> = text.lines().collect();
    let parts = [&lines[..40], &lines[40..]].map(|lines| lines.join("\n") + "\n");
    let [a, b] = [0, 1].map(|part| folder.write(&format!("{part}.jsonl"), &parts[part]));
    for files in [[&a, &b], [&b, &a]] {
        assert_eq!(json(score().args(files).args(loss()))["reference_point"], got["reference_point"]);
    }
    // Below 0 it is 0, and the report says so.
    let swapped = ["--policy-kl", "ref_KL_logps", "--ref-kl", "policy_KL_logps"];
    let report = succeeds(score().arg(&file).args(loss()).args(swapped));
    assert!(report.contains("reference point 0.0 (the mean log-ratio"), "{report}");
    assert_eq!(f32_of(&json(score().arg(&file).args(loss()).args(swapped))["reference_point"]), 0.0);
    // A number that spoils it is named.
    let spoilt = text.replacen("\"ref_KL_logps\": ", "\"ref_KL_logps\": NaN, \"rest\": ", 1);
    complains(
        &folder.write("bad.jsonl", spoilt),
        &[],
        &["bad.jsonl: line 1, column ref_KL_logps: nan; a finite number"],
    );
    // What can be read once is read once, whether its mean is needed or not; its places are those of the file.
    let piped = |file: &Path, options: &[&str]| {
        let mut command = score();
        command
            .args(["-", "--format", "jsonl"])
            .args(loss())
            .args(options)
            .stdin(Stdio::from(File::open(file).unwrap()));
        command
    };
    let run = |command: &mut Command, name: &str| {
        let out = folder.path(name);
        let got = json(command.arg("--out").arg(&out));
        (got, fs::read(out).unwrap())
    };
    let with_null = folder.write("null.jsonl", text.replacen("true", "null", 1).replacen("-1087.4421", "2", 1));
    for (file, options) in [
        (&file, &[][..]),
        (&file, &["--reference-point", "1"]),
        (&with_null, &["--nulls", "skip"]),
        (&with_null, &["--nulls", "skip", "--policy-kl", "ref_KL_logps", "--ref-kl", "policy_KL_logps"]),
    ] {
        let from_file = run(score().arg(file).args(loss()).args(options), "file.csv");
        assert_eq!(run(&mut piped(file, options), "pipe.csv"), from_file, "{options:?}");
    }
    let weight = refused(&mut piped(&file, &["--weights", "id"]));
    assert!(weight.contains("standard input: line 1, column id: \"en-000\" is text"), "{weight}");
    let options = ["--weights", "w"];
    let weighted = text.replace("\"id\"", "\"w\": 1, \"id\"").replacen("\"w\": 1, \"id\": \"en-002\"", "\"w\": -1", 1);
    let weight = refused(&mut piped(&folder.write("w.jsonl", weighted), &options));
    assert!(weight.contains("standard input: line 3, column w: -1.0; a weight must be finite"), "{weight}");
    // Without a reference there is none to be found.
    complains(&file, &["--reference-free"], &["--reference-free: ", "--reference-point X is needed"]);
    succeeds(score().arg(&file).args(loss()).args(["--reference-free", "--reference-point", "-1000"]));
}

/// The means that losses take, or none.
#[test]
fn reference_points_of_other_losses() {
    let folder = Folder::new();
    let (file, rows) = (data("labelled.jsonl"), rows());
    let of = |loss: &str, files: &[&PathBuf], options: &[&str]| {
        json(score().args(files).args(["--loss", loss]).args(options))
    };
    // BCO's is the mean of all answers' log-ratios, whatever columns there are besides.
    let text = fs::read_to_string(&file).unwrap();
    let bare = folder.write("bare.jsonl", text.replace("KL", "other"));
    let mean = |rows: &[[f64; 5]]| {
        let mut mean = preflane::MeanLogRatio::new();
        rows.iter().for_each(|row| mean.add(&[row[0] as f32], &[row[1] as f32]).unwrap());
        mean.mean()
    };
    let got = of("bco", &[&bare], &[]);
    assert_eq!(f32_of(&got["reference_point"]), mean(&rows));
    let lines: Vec<&str> = text.lines().collect();
    let parts = [&lines[..40], &lines[40..]].map(|lines| lines.join("\n") + "\n");
    let [a, b] = [0, 1].map(|part| folder.write(&format!("{part}.jsonl"), &parts[part]));
    assert_eq!(of("bco", &[&b, &a], &[])["loss"], got["loss"]);
    // A row that is not finite is left out of it, and counted as ever.
    let mut spoilt = rows.clone();
    spoilt[3][0] = f64::NEG_INFINITY;
    let bad = folder.write("bad.csv", csv(&spoilt, |label| if label { "1" } else { "0" }));
    spoilt.remove(3);
    let got = of("bco", &[&bad], &[]);
    assert_eq!((f32_of(&got["reference_point"]), &got["nonfinite"]), (mean(&spoilt), &1.into()));
    // The other convention is 0, and a reference is needed for a mean alone.
    assert_eq!(f32_of(&of("bco", &[&file], &["--reference-point", "0"])["reference_point"]), 0.0);
    let line = refused(score().arg(&file).args(["--loss", "bco", "--reference-free"]));
    assert!(line.contains("--reference-point X is needed"), "{line}");
    // Those that compare with nothing say so.
    for loss in losses().filter(|loss| loss.reference_point.is_none()) {
        assert_eq!(f32_of(&of(loss.name, &[&bare], &[])["reference_point"]), 0.0);
        let line = refused(score().arg(&file).args(["--loss", loss.name, "--reference-point", "1"]));
        assert!(line.contains(loss.name) && line.contains("leave --reference-point out"), "{line}");
    }
    for loss in losses().filter(|loss| loss.name != "kto") {
        let line = refused(score().arg(&file).args(["--loss", loss.name, "--policy-kl", "policy_KL_logps"]));
        assert!(line.contains("leave --policy-kl out"), "{line}");
    }
}

#[test]
fn options_of_other_shapes() {
    let file = data("labelled.jsonl");
    for option in ["--policy-chosen", "--policy-rejected", "--ref-chosen", "--ref-rejected"] {
        complains(&file, &[option, "x"], &[option, "is for losses of pairs", "this one is of labelled answers"]);
    }
    for option in ["--group", "--rank"] {
        complains(&file, &[option, "x"], &[option, "is for losses of lists of answers"]);
    }
    for option in ["--label", "--policy-logps", "--ref-logps", "--policy-kl", "--ref-kl", "--reference-point"] {
        let line = refused(score().arg(data("pairs.csv")).args([option, "1"]));
        assert!(line.contains(option) && line.contains("this one is of pairs"), "{line}");
    }
    complains(&file, &["--label", "policy_logps"], &["--policy-logps and --label both name the column policy_logps"]);
}

#[test]
fn what_to_watch() {
    let rows = rows();
    let folder = Folder::new();
    let codes = |rows: &[[f64; 5]], options: &[&str]| -> Vec<(String, u64)> {
        let file = folder.write("a.csv", csv(rows, |label| if label { "1" } else { "0" }));
        let report = succeeds(score().arg(&file).args(loss()).args(options));
        assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
        let got = json(score().arg(&file).args(loss()).args(options));
        let found = got["findings"].as_array().unwrap().iter();
        found.map(|found| (found["code"].as_str().unwrap().to_owned(), found["count"].as_u64().unwrap())).collect()
    };
    let plain = codes(&rows, &[]);
    assert_eq!(plain, []);
    let with = |edit: &dyn Fn(usize, &mut [f64; 5])| {
        let mut rows = rows.clone();
        rows.iter_mut().enumerate().for_each(|(index, row)| edit(index, row));
        rows
    };
    let all = rows.len() as u64;
    let found = |code: &str, count| vec![(code.to_owned(), count)];
    assert_eq!(codes(&with(&|_, row| row[2] = 1.0), &[]), found("one_class", all));
    assert_eq!(codes(&with(&|_, row| row[2] = 0.0), &[])[0], found("one_class", all)[0]);
    assert_eq!(codes(&with(&|_, row| row[2] = 1.0 - row[2]), &[]), found("rejected_preferred", all));
    assert_eq!(codes(&with(&|_, row| row[1] = row[0]), &[])[0], found("policy_is_reference", all)[0]);
    assert_eq!(codes(&with(&|_, row| row[1] = 0.0), &[])[0], found("reference_all_zero", all)[0]);
    assert_eq!(codes(&with(&|i, row| row[1] *= f64::from(i != 7)), &[])[0], found("reference_zero", 1)[0]);
    assert_eq!(
        codes(&with(&|i, row| row[0] *= if i == 7 { -1.0 } else { 1.0 }), &[])[0],
        found("positive_logps", 1)[0]
    );
    assert_eq!(codes(&with(&|i, row| row[0] = if i == 7 { f64::NAN } else { row[0] }), &[]), found("not_finite", 1));
    assert_eq!(codes(&with(&|_, row| row[1] /= 150.0), &[])[0], found("sums_against_means", all)[0]);
    assert!(codes(&rows, &["--beta", "5"]).iter().any(|(code, _)| code == "gradient_vanished"));
}

#[test]
fn rows_that_are_not_finite_are_measured_apart() {
    let (folder, mut rows) = (Folder::new(), rows());
    rows[3][0] = f64::NEG_INFINITY;
    let name = |label| if label { "true" } else { "false" };
    let (bad, fine) = (folder.write("bad.csv", csv(&rows, name)), {
        rows.remove(3);
        folder.write("fine.csv", csv(&rows, name))
    });
    let point = ["--reference-point", "2"];
    let [bad, fine] = [bad, fine].map(|file| json(score().arg(file).args(loss()).args(point)));
    assert_eq!((&bad["nonfinite"], &bad["findings"][0]["rows"]), (&1.into(), &serde_json::json!([4])));
    for (name, value) in bad["finite"].as_object().unwrap() {
        assert_eq!(value, &fine[name], "{name}");
    }
}

#[test]
fn weights_multiply_loss_and_gradients() {
    let folder = Folder::new();
    let rows = rows();
    let text = csv(&rows, |label| if label { "1" } else { "0" });
    let weight = |row: usize| [2.0, 0.0, 0.5][row % 3];
    let lines = text.lines().enumerate();
    let lines =
        lines.map(|(i, line)| if i == 0 { format!("{line},w\n") } else { format!("{line},{}\n", weight(i - 1)) });
    let file = folder.write("a.csv", lines.collect::<String>());
    let out = |name: &str, options: &[&str]| {
        let out = folder.path(name);
        succeeds(score().arg(&file).args(loss()).args(options).arg("--out").arg(&out));
        read_back(&out)
    };
    let (plain, weighted) = (out("plain.npz", &[]), out("weighted.npz", &["--weights", "w"]));
    for (name, values) in &weighted {
        for (row, value) in values.iter().enumerate() {
            let factor = if name == "rewards" { 1.0 } else { weight(row) as f32 };
            assert_eq!(*value, plain[name][row] * factor, "{name}, row {row}");
        }
    }
    let file = folder.write("b.csv", fs::read_to_string(&file).unwrap().replacen(",2\n", ",-2\n", 1));
    complains(&file, &["--weights", "w"], &["line 2, column w: -2", "at least 0"]);
}
