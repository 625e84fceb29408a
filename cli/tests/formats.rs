//! The same data in five formats, number types included, and the values it must give.

mod common;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use common::*;
use half::{bf16, f16};
use preflane::losses::{Description, LOSSES, Shape};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, View};

#[test]
fn all_formats_give_the_same_bytes() {
    let folder = Folder::new();
    for loss in pair_losses() {
        for extra in [&[][..], &["--json"], &["--reference-free"], &["--json", "--reference-free"]] {
            let run = |format| {
                let file = data_of(loss, format, &folder);
                succeeds(score().arg(file).args(["--loss", loss.name]).args(extra))
            };
            let first = run(FORMATS[0]);
            assert!(first.len() > 200);
            for format in &FORMATS[1..] {
                assert_eq!(run(format), first, "{} {extra:?}: {format}", loss.name);
            }
        }
    }
}

/// Every loss, with parameters that are not all defaults. `data/expected.py` made what is expected.
#[test]
fn values_are_those_of_exact_arithmetic() {
    let expected = expected();
    let is_of_files = |loss: &&&Description| loss.shape != Shape::Contrastive && !OF_BATCHES.contains(&loss.name);
    let folder = Folder::new();
    for loss in LOSSES.iter().filter(is_of_files) {
        let expected = &expected["losses"][loss.name];
        let out = folder.path("out.csv");
        let mut command = score();
        command.arg(data_of(loss, "npz", &folder)).args(["--loss", loss.name]).arg("--out").arg(&out);
        for parameter in loss.parameters {
            let value = expected[parameter.name].as_f64().unwrap();
            command.args([format!("--{}", parameter.name.replace('_', "-")), value.to_string()]);
        }
        let got = json(&mut command);
        let nearest = |text: &serde_json::Value| text.as_str().unwrap().parse::<f32>().unwrap();
        let mean = nearest(&expected["mean_loss"]);
        let distance = ulps(f32_of(&got["loss"]), mean);
        assert!(distance <= 1, "{}: mean {} instead of {mean}", loss.name, got["loss"]);
        if let Some(point) = expected.get("reference_point") {
            assert_eq!(f32_of(&got["reference_point"]), point.as_f64().unwrap() as f32);
        }
        let mut rows = read_back(&out);
        let losses = match rows.remove("list") {
            // Of a list each answer has the loss.
            Some(lists) => {
                (1..).map_while(|list| Some(rows["loss"][lists.iter().position(|l| *l == list as f32)?])).collect()
            }
            None => rows["loss"].clone(),
        };
        for (row, first) in expected["first"].as_array().unwrap().iter().enumerate() {
            let distance = ulps(losses[row], nearest(first));
            assert!(distance <= 1, "{}, row {row}: {} instead of {first}", loss.name, losses[row]);
        }
    }
}

#[test]
fn metrics_are_the_expected_ones() {
    let expected = &expected()["metrics_beta_0.1"];
    let got = json(score().arg(data("pairs.parquet")));
    assert_eq!(got["pairs"], 300);
    for (name, key) in [
        ("rewards/accuracies", "rewards/accuracies"),
        ("displacement/chosen_fell", "chosen_fell"),
        ("displacement/rejected_fell", "rejected_fell"),
        ("displacement/both_fell", "both_fell"),
    ] {
        assert_eq!(f32_of(&got[name]), expected[key].as_f64().unwrap() as f32, "{name}");
    }
    for name in ["rewards/chosen", "rewards/rejected"] {
        let nearest: f32 = expected[name].as_str().unwrap().parse().unwrap();
        assert!(ulps(f32_of(&got[name]), nearest) <= 1, "{name}: {} instead of {nearest}", got[name]);
    }
    // The mean margin is the difference of the mean rewards, but for roundings.
    let margin = f32_of(&got["rewards/chosen"]) - f32_of(&got["rewards/rejected"]);
    assert!((f32_of(&got["rewards/margins"]) - margin).abs() < 1e-6);
    assert_eq!((&got["ties"], &got["nonfinite"]), (&0.into(), &0.into()));
}

#[test]
fn json_has_exactly_these_keys() {
    let keys = [
        "pairs",
        "skipped",
        "loss",
        "rewards/chosen",
        "rewards/rejected",
        "rewards/accuracies",
        "rewards/margins",
        "logps/chosen",
        "logps/rejected",
        "ties",
        "nonfinite",
        "displacement/chosen_fell",
        "displacement/rejected_fell",
        "displacement/both_fell",
    ];
    for extra in [&[][..], &["--reference-free"]] {
        let got = json(score().arg(data("pairs.csv")).args(extra));
        let more = ["findings", "finite", "gradient_vanished", "largest_margins", "smallest_margins"];
        let mut expected = [&keys[..], &more].concat();
        expected.sort_unstable();
        assert_eq!(got.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        for key in &keys[11..] {
            assert_eq!(got[*key].is_null(), !extra.is_empty(), "{key}");
        }
    }
}

#[test]
fn decimals_are_rounded_once() {
    // Just above the middle of 1 and the next f32: an f64 on the way would end in the middle, and then in 1.
    let decimal = "-1.000000059604644775390625000000001";
    assert_eq!(decimal.parse::<f64>().unwrap() as f32, -1.0);
    let folder = Folder::new();
    let csv = folder.write("a.csv", format!("policy_chosen_logps,policy_rejected_logps\n{decimal},-2\n"));
    let line = format!("{{\"policy_chosen_logps\": {decimal}, \"policy_rejected_logps\": -2}}\n");
    let jsonl = folder.write("a.ndjson", line);
    for file in [csv, jsonl] {
        let got = json(score().arg(&file).arg("--reference-free"));
        assert_eq!(got["logps/chosen"].to_string(), "-1.0000001", "{}", file.display());
    }
}

#[test]
fn values_that_are_not_finite_can_be_written() {
    let folder = Folder::new();
    let csv =
        folder.write("a.csv", "policy_chosen_logps,policy_rejected_logps\n-1,-2\nNaN,-INF\ninf,-1\n-Infinity,-1\n");
    let text: String = [("-1", "-2"), ("\"NaN\"", "\"-inf\""), ("\"Infinity\"", "-1"), ("\"-INF\"", "-1")]
        .map(|(a, b)| format!("{{\"policy_chosen_logps\": {a}, \"policy_rejected_logps\": {b}}}\n"))
        .concat();
    let jsonl = folder.write("a.jsonl", text);
    let from_csv = succeeds(score().arg(csv).args(["--reference-free", "--json"]));
    assert_eq!(from_csv, succeeds(score().arg(jsonl).args(["--reference-free", "--json"])));
    let got: serde_json::Value = serde_json::from_str(&from_csv).unwrap();
    assert_eq!(got["nonfinite"], 3);
    assert_eq!(got["loss"], "nan");
    assert_eq!(got["logps/rejected"], "-inf");
}

#[test]
fn text_may_come_from_windows() {
    let plain = succeeds(score().arg(data("pairs.csv")));
    let folder = Folder::new();
    for format in ["csv", "jsonl"] {
        let text = std::fs::read_to_string(data(&format!("pairs.{format}"))).unwrap();
        let text = format!("\u{feff}{}\r\n\r\n  \r\n", text.trim_end().replace('\n', "\r\n"));
        let file = folder.write(&format!("w.{format}"), text);
        assert_eq!(succeeds(score().arg(file)), plain, "{format}");
    }
}

/// Two columns as tensors of one type.
fn write_safetensors(path: &Path, dtype: Dtype, columns: [Vec<u8>; 2]) {
    let width = dtype.bitsize() / 8;
    let names = ["policy_chosen_logps", "policy_rejected_logps"];
    let views = names
        .iter()
        .zip(&columns)
        .map(|(name, bytes)| (name, TensorView::new(dtype, vec![bytes.len() / width], bytes).unwrap()));
    assert!(views.clone().all(|(_, view)| view.data_len() > 0));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn write_npz<T: npyz::AutoSerialize + Copy>(path: &Path, columns: [&[T]; 2]) {
    use npyz::WriterBuilder;
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    // As numpy.savez_compressed does.
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, values) in ["policy_chosen_logps", "policy_rejected_logps"].iter().zip(columns) {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        let mut bytes = Vec::new();
        let mut array = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&[values.len() as u64])
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// Each type of number gives what the same numbers give as f32, rounded once or widened.
#[test]
fn other_types_of_number() {
    let folder = Folder::new();
    let wide: [Vec<f64>; 2] = [vec![-1.0 / 3.0, -700.000_000_1, -2e-50], vec![-0.1, -1e300, f64::NEG_INFINITY]];
    let same_as_csv = |file: &Path, columns: [Vec<f32>; 2]| {
        let mut text = "policy_chosen_logps,policy_rejected_logps\n".to_owned();
        for (a, b) in columns[0].iter().zip(&columns[1]) {
            text += &format!("{a},{b}\n");
        }
        let csv = folder.write("same.csv", text);
        let run = |file: &Path| {
            let out = folder.path("rows.csv");
            let report = succeeds(score().arg(file).arg("--reference-free").arg("--out").arg(&out));
            // What is said of the type of integers differs.
            let figures = report.split("What to watch").next().map(str::to_owned);
            (figures, std::fs::read(out).unwrap())
        };
        assert_eq!(run(file), run(&csv), "{}", file.display());
    };
    let path = folder.path("a.safetensors");
    let bytes = |number: &dyn Fn(f64) -> Vec<u8>| wide.each_ref().map(|c| c.iter().flat_map(|x| number(*x)).collect());
    write_safetensors(&path, Dtype::F64, bytes(&|x| x.to_le_bytes().into()));
    same_as_csv(&path, wide.each_ref().map(|column| column.iter().map(|&x| x as f32).collect()));
    write_safetensors(&path, Dtype::F16, bytes(&|x| f16::from_f64(x).to_le_bytes().into()));
    same_as_csv(&path, wide.each_ref().map(|column| column.iter().map(|&x| f16::from_f64(x).to_f32()).collect()));
    write_safetensors(&path, Dtype::BF16, bytes(&|x| bf16::from_f64(x).to_le_bytes().into()));
    same_as_csv(&path, wide.each_ref().map(|column| column.iter().map(|&x| bf16::from_f64(x).to_f32()).collect()));
    let path = folder.path("a.npz");
    write_npz(&path, [&wide[0], &wide[1]]);
    same_as_csv(&path, wide.each_ref().map(|column| column.iter().map(|&x| x as f32).collect()));
    let half = wide.each_ref().map(|column| column.iter().map(|&x| f16::from_f64(x)).collect::<Vec<_>>());
    write_npz(&path, [&half[0], &half[1]]);
    same_as_csv(&path, half.each_ref().map(|column| column.iter().map(|x| x.to_f32()).collect()));
    let whole = [vec![-7_i64, -16_777_217], vec![-33_554_433, 0]];
    write_npz(&path, [&whole[0], &whole[1]]);
    same_as_csv(&path, whole.map(|column| column.iter().map(|&x| x as f32).collect()));
}

#[test]
fn columns_can_have_other_names() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(data("pairs.csv")).unwrap();
    let renamed = ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"]
        .iter()
        .zip(["a", "b", "c", "d"])
        .fold(text, |text, (old, new)| text.replacen(old, new, 1));
    let file = folder.write("a.csv", renamed);
    let options = ["--policy-chosen", "a", "--policy-rejected", "b", "--ref-chosen", "c", "--ref-rejected", "d"];
    assert_eq!(succeeds(score().arg(&file).args(options)), succeeds(score().arg(data("pairs.csv"))));
    let options = ["--policy-chosen", "b", "--policy-rejected", "a", "--ref-chosen", "d", "--ref-rejected", "c"];
    let swapped = json(score().arg(&file).args(options));
    assert_eq!(f32_of(&swapped["rewards/accuracies"]), 24.0 / 300.0);
}

#[test]
fn weights_multiply_loss_and_gradients() {
    let folder = Folder::new();
    let rows = ["-10,-20,-12,-19,2", "-30,-20,-31,-19,0", "-5,-5,-5,-6,0.5"];
    let write = |name, rows: &[&str]| {
        let header = "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps,w";
        folder.write(name, format!("{header}\n{}\n", rows.join("\n")))
    };
    let (file, plain, weighted) = (write("a.csv", &rows), folder.path("p.npz"), folder.path("w.npz"));
    succeeds(score().arg(&file).arg("--out").arg(&plain));
    succeeds(score().arg(&file).args(["--weights", "w"]).arg("--out").arg(&weighted));
    let (plain, weighted) = (read_back(&plain), read_back(&weighted));
    for (name, values) in &weighted {
        let is_weighted = name == "loss" || name.starts_with("grad");
        for (row, weight) in [2.0, 0.0, 0.5].into_iter().enumerate() {
            assert_eq!(values[row], plain[name][row] * if is_weighted { weight } else { 1.0 }, "{name}, row {row}");
        }
    }
}

#[test]
fn several_files_are_one_data_set() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(data("pairs.csv")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let parts = [&rows[..1], &rows[1..200], &rows[200..]]
        .into_iter()
        .enumerate()
        .map(|(i, rows)| folder.write(&format!("{i}.csv"), format!("{header}\n{}\n", rows.join("\n"))));
    let parts: Vec<_> = parts.collect();
    let (one, many) = (folder.path("one.csv"), folder.path("many.csv"));
    let whole = succeeds(score().arg(data("pairs.csv")).arg("--json").arg("--out").arg(&one));
    assert_eq!(succeeds(score().args(&parts).arg("--json").arg("--out").arg(&many)), whole);
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(many).unwrap());
    let mixed = json(score().arg(data("pairs.npz")).arg(data("pairs.jsonl")));
    assert_eq!(mixed["pairs"], 600);
}
