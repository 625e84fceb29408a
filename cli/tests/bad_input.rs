//! Bad input: status 2, one line that says where and what would be right, and nothing written.

mod common;

use std::fs;
use std::path::Path;

use common::*;
use preflane::losses::{LOSSES, Parameter, Shape};

/// Runs with an output file that must not appear; the message must hold all the words.
#[track_caller]
fn complains(files: &[&Path], options: &[&str], words: &[&str]) {
    common::complains(score().args(files).args(options), words);
}

/// The real data with one line changed.
fn edited(format: &str, line: usize, edit: impl Fn(&str) -> String) -> (Folder, std::path::PathBuf) {
    let text = fs::read_to_string(data(&format!("pairs.{format}"))).unwrap();
    let lines: Vec<String> =
        text.lines().enumerate().map(|(i, text)| if i + 1 == line { edit(text) } else { text.to_owned() }).collect();
    let folder = Folder::new();
    let path = folder.write(&format!("bad.{format}"), lines.join("\n") + "\n");
    (folder, path)
}

/// A CSV line with one field replaced.
fn with_field(line: &str, field: usize, value: &str) -> String {
    let mut fields: Vec<&str> = line.split(',').collect();
    fields[field] = value;
    fields.join(",")
}

/// A JSON line with one value replaced by any text.
fn with_value(line: &str, key: &str, value: &str) -> String {
    let start = line.find(&format!("\"{key}\": ")).unwrap() + key.len() + 4;
    let end = start + line[start..].find([',', '}']).unwrap();
    format!("{}{value}{}", &line[..start], &line[end..])
}

#[test]
fn csv_values() {
    for (value, word) in [
        ("abc", "\"abc\" is not a number"),
        ("", "no value"),
        ("1.5.2", "1.5.2"),
        ("null", "no value"),
        ("1,5", "fields"),
    ] {
        let (_folder, file) = edited("csv", 123, |line| with_field(line, 6, value));
        complains(&[&file], &[], &["bad.csv: line 123", word]);
        if word != "fields" {
            complains(&[&file], &[], &["line 123, column ref_chosen_logps: "]);
            // Not read, so not in the way.
            succeeds(score().arg(&file).arg("--reference-free"));
        }
    }
}

#[test]
fn csv_line_numbers_count_every_line() {
    let (folder, file) = edited("csv", 123, |line| with_field(line, 6, "abc"));
    let text = fs::read_to_string(&file).unwrap();
    let windows = folder.write("windows.csv", text.replace('\n', "\r\n"));
    complains(&[&windows], &[], &["line 123, column ref_chosen_logps"]);
    let lines: Vec<&str> = text.lines().collect();
    let blanks = [&lines[..50], &["", ""], &lines[50..122], &[""], &lines[122..]].concat();
    let blanks = folder.write("blanks.csv", blanks.join("\n"));
    complains(&[&blanks], &[], &["line 126, column ref_chosen_logps"]);
    let quoted = text.replacen("en-004", "\"a\nb\"", 1);
    let quoted = folder.write("quoted.csv", quoted);
    complains(&[&quoted], &[], &["line 124, column ref_chosen_logps"]);
}

#[test]
fn csv_structure() {
    let (_folder, file) = edited("csv", 7, |line| line.rsplit_once(',').unwrap().0.to_owned());
    complains(&[&file], &[], &["line 7", "7 fields", "8"]);
    let (_folder, file) = edited("csv", 1, |line| line.replace("ref_chosen_logps", "other"));
    complains(
        &[&file],
        &[],
        &["line 1", "no column ref_chosen_logps", "other, ref_rejected_logps", "--ref-chosen", "--reference-free"],
    );
    let (_folder, file) = edited("csv", 1, |line| line.replace("ref_chosen_logps", "ref_rejected_logps"));
    complains(&[&file], &["--ref-chosen", "rejected_tokens"], &["line 1", "two columns are named ref_rejected_logps"]);
    let folder = Folder::new();
    let text = fs::read_to_string(data("pairs.csv")).unwrap();
    let file = folder.write("a.csv", text.replace(',', ";"));
    complains(&[&file], &[], &["line 1", "no column policy_chosen_logps", "--delimiter ';'"]);
    let file = folder.write("cut.csv", &text[..text.len() - 30]);
    complains(&[&file], &[], &["line 301", "fields"]);
}

#[test]
fn json_values() {
    for (value, word) in [
        ("null", "no value"),
        ("\"abc\"", "\"abc\" is text"),
        ("\"-1.5\"", "--number-strings"),
        ("true", "true; a number"),
        ("[1]", "holds lists"),
        ("{}", "an object"),
        ("+Infinity", "not valid JSON"),
        ("1.", "not valid JSON"),
    ] {
        let (_folder, file) = edited("jsonl", 200, |line| with_value(line, "policy_rejected_logps", value));
        complains(&[&file], &[], &["bad.jsonl: line 200, column policy_rejected_logps: ", word]);
    }
}

#[test]
fn json_structure() {
    let (_folder, file) = edited("jsonl", 9, |line| line.replace("ref_chosen_logps", "other"));
    complains(&[&file], &[], &["line 9", "no column ref_chosen_logps", "other, ref_rejected_logps", "--ref-chosen"]);
    let (_folder, file) = edited("jsonl", 9, |line| line[..line.len() / 2].to_owned());
    complains(&[&file], &[], &["line 9", "cut off"]);
    let (_folder, file) = edited("jsonl", 9, |_| "[1, 2]".to_owned());
    complains(&[&file], &[], &["line 9", "not a JSON object"]);
    let (_folder, file) = edited("jsonl", 9, |line| line.to_owned() + line);
    complains(&[&file], &[], &["line 9", "not valid JSON"]);
    let (_folder, file) = edited("jsonl", 9, |line| line.replace("\"id\"", "\"ref_chosen_logps\""));
    complains(&[&file], &[], &["line 9, column ref_chosen_logps", "twice"]);
    let text = fs::read(data("pairs.jsonl")).unwrap();
    let folder = Folder::new();
    let file = folder.write("latin.jsonl", [&text[..], b"{\"id\": \"\xe9\"}\n"].concat());
    complains(&[&file], &[], &["line 301", "not UTF-8"]);
    // The first of two bad lines is the one to hear of.
    let (folder, file) = edited("jsonl", 9, |line| with_value(line, "ref_chosen_logps", "null"));
    let text = fs::read_to_string(file).unwrap();
    let many = folder.write("many.jsonl", text.repeat(30) + "{}\n");
    complains(&[&many], &[], &["many.jsonl: line 9,"]);
}

#[test]
fn weights() {
    for value in ["-1", "inf", "nan"] {
        let (_folder, file) = edited("csv", 100, |line| with_field(line, 1, value));
        complains(
            &[&file],
            &["--weights", "prompt_tokens"],
            &["line 100, column prompt_tokens", "finite and at least 0"],
        );
    }
    complains(&[&data("pairs.csv")], &["--weights", "id"], &["line 2, column id", "not a number"]);
    complains(&[&data("pairs.safetensors")], &["--weights", "w"], &["no column w", "--weights"]);
}

#[test]
fn missing_columns_of_binary_formats() {
    for format in ["parquet", "npz", "safetensors"] {
        let words =
            ["no column none", "policy_rejected_logps, ref_chosen_logps, ref_rejected_logps", "--policy-chosen"];
        complains(&[&data(&format!("pairs.{format}"))], &["--policy-chosen", "none"], &words);
    }
    complains(&[&data("pairs.parquet")], &["--policy-chosen", "id"], &["column id", "numbers are needed"]);
}

#[test]
fn binary_files_cut_off_anywhere() {
    for format in ["parquet", "npz", "safetensors"] {
        let bytes = fs::read(data(&format!("pairs.{format}"))).unwrap();
        let folder = Folder::new();
        for length in (1..bytes.len()).step_by(bytes.len() / 16).chain([bytes.len() - 1]) {
            let file = folder.write(&format!("cut.{format}"), &bytes[..length]);
            complains(&[&file], &[], &[&format!("cut.{format}: corrupt or cut off")]);
        }
    }
}

/// Whatever the bytes, there is an answer or one line, never a crash.
#[test]
fn binary_files_with_wrong_bytes() {
    for format in ["parquet", "npz", "safetensors"] {
        let original = fs::read(data(&format!("pairs.{format}"))).unwrap();
        let folder = Folder::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..60 {
            let mut bytes = original.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Headers stand at the ends of the files: most changes go there.
                let near = (state >> 33) as usize % if state & 1 == 0 { bytes.len() } else { 400.min(bytes.len()) };
                let at = if state & 2 == 0 { near } else { bytes.len() - 1 - near };
                bytes[at] = (state >> 56) as u8;
            }
            let file = folder.write(&format!("bad.{format}"), bytes);
            let output = score().arg(&file).arg("--json").output().unwrap();
            match output.status.code() {
                Some(0) => assert!(output.stderr.is_empty()),
                Some(2) => {
                    let line = String::from_utf8(output.stderr).unwrap();
                    assert!(line.starts_with("preflane: ") && line.lines().count() == 1, "{line}");
                }
                _ => panic!("{format}: {}, {}", output.status, String::from_utf8_lossy(&output.stderr)),
            }
        }
    }
}

#[test]
fn checksums_of_npz() {
    let folder = Folder::new();
    let file = folder.path("a.npz");
    succeeds(score().arg(data("pairs.csv")).arg("--out").arg(&file));
    let options = ["--policy-chosen", "loss", "--policy-rejected", "margins", "--reference-free"];
    succeeds(score().arg(&file).args(options));
    let mut bytes = fs::read(&file).unwrap();
    // Not compressed: this changes a number and nothing else.
    bytes[600] ^= 1;
    fs::write(&file, bytes).unwrap();
    complains(&[&file], &options, &["a.npz: corrupt", "column loss"]);
}

#[test]
fn ragged_columns() {
    let folder = Folder::new();
    let (long, short) = ([0_u8; 12], [0_u8; 8]);
    let view =
        |bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![<[u8]>::len(bytes) / 4], bytes);
    let tensors = [("policy_chosen_logps", view(&long).unwrap()), ("policy_rejected_logps", view(&short).unwrap())];
    let file = folder.write("a.safetensors", safetensors::serialize(tensors, None).unwrap());
    let words = ["policy_chosen_logps has 3 rows", "policy_rejected_logps has 2", "row 3"];
    complains(&[&file], &["--reference-free"], &words);
    let square = [0_u8; 16];
    let flat = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &square).unwrap();
    let tensors = [("policy_chosen_logps", flat.clone()), ("policy_rejected_logps", flat)];
    let file = folder.write("b.safetensors", safetensors::serialize(tensors, None).unwrap());
    complains(&[&file], &["--reference-free"], &["policy_chosen_logps has the shape [2, 2]"]);
}

#[test]
fn nulls_in_parquet() {
    use parquet::data_type::DoubleType;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    let folder = Folder::new();
    let path = folder.path("a.parquet");
    let schema = "message pairs { OPTIONAL DOUBLE policy_chosen_logps; OPTIONAL DOUBLE policy_rejected_logps; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(fs::File::create(&path).unwrap(), schema, Arc::default()).unwrap();
    for nulls in [0, 1] {
        let mut group = writer.next_row_group().unwrap();
        for nulls in [0, nulls] {
            let mut column = group.next_column().unwrap().unwrap();
            let levels: &[i16] = if nulls == 0 { &[1, 1, 1] } else { &[1, 0, 1] };
            column.typed::<DoubleType>().write_batch(&vec![-1.5; 3 - nulls], Some(levels), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    complains(&[&path], &["--reference-free"], &["a.parquet: row 5, column policy_rejected_logps: no value"]);
}

#[test]
fn files_without_pairs() {
    let folder = Folder::new();
    for format in FORMATS {
        let file = folder.write(&format!("empty.{format}"), "");
        complains(&[&file], &[], &[&format!("empty.{format}: is empty")]);
    }
    let header = fs::read_to_string(data("pairs.csv")).unwrap().lines().next().unwrap().to_owned();
    complains(&[&folder.write("header.csv", header)], &[], &["header.csv: has no rows"]);
    complains(&[&folder.write("blank.jsonl", "\n\n \n")], &[], &["blank.jsonl: has no rows"]);
    // Also as one of several.
    complains(&[&data("pairs.csv"), &folder.path("blank.jsonl")], &[], &["blank.jsonl: has no rows"]);
}

#[test]
fn files_that_are_something_else() {
    let folder = Folder::new();
    complains(&[&folder.write("a.jsonl", b"\x1f\x8b\x08\x00")], &[], &["a.jsonl: cut off", "gzip"]);
    complains(&[&folder.write("a.csv", b"\xff\xfea\x00")], &[], &["a.csv", "UTF-16"]);
    complains(&[&folder.write("b.csv", fs::read(data("pairs.parquet")).unwrap())], &[], &["b.csv", "--format parquet"]);
    for format in ["parquet", "npz", "safetensors"] {
        let file = folder.write(&format!("text.{format}"), "a,b\n1,2\n".repeat(20));
        complains(&[&file], &[], &[&format!("text.{format}: is CSV"), "--format csv"]);
        let file = folder.write(&format!("noise.{format}"), "lorem ipsum\n".repeat(20));
        complains(&[&file], &[], &[&format!("noise.{format}: corrupt")]);
    }
    fs::create_dir(folder.path("folder.csv")).unwrap();
    complains(&[&folder.path("folder.csv")], &[], &["folder.csv: is a directory"]);
    complains(&[&folder.path("none.csv")], &[], &["none.csv: cannot be opened"]);
    complains(&[Path::new("a.txt")], &[], &["a.txt: unknown ending .txt", ".safetensors"]);
    complains(&[Path::new("-")], &[], &["standard input", "--format jsonl"]);
    // Found before the first file is read.
    complains(&[&data("pairs.csv"), &folder.path("none.csv")], &[], &["none.csv: cannot be opened"]);
}

#[test]
fn options() {
    let file = &data("pairs.csv");
    let names = format!("{} and ", LOSSES[..12].iter().map(|loss| loss.name).collect::<Vec<_>>().join(", "));
    for (options, words) in [
        (&["--beta", "0"][..], &["beta is 0"][..]),
        (&["--beta", "-1"], &["beta is -1"]),
        (&["--beta", "nan"], &["beta is NaN"]),
        (&["--beta", "inf"], &["beta is inf"]),
        (&["--beta", "x"], &["--beta", "'x'"]),
        (&["--loss", "none"], &["'none'", &names, "preflane losses lists all"]),
        (&["--threads", "0"], &["--threads", "'0'"]),
        (&["--reference-free", "--ref-chosen", "x"], &["--reference-free", "--ref-chosen"]),
        (&["--ref-chosen", "policy_chosen_logps"], &["--policy-chosen and --ref-chosen", "policy_chosen_logps"]),
        (&["--lossy"], &["--lossy", "--loss"]),
    ] {
        complains(&[file], options, words);
    }
    assert!(refused(&mut score()).contains("<FILE>"));
    for level in ["AVX2", "sse9"] {
        let line = refused(score().arg(file).env("PREFLANE_LEVEL", level));
        assert!(line.contains("PREFLANE_LEVEL") && line.contains("scalar"), "{line}");
    }
}

/// Of every loss: each parameter has its range, and those of others are refused by naming what it has.
#[test]
fn parameters() {
    let folder = Folder::new();
    // Of each name one.
    let mut all: Vec<&Parameter> = LOSSES.iter().flat_map(|loss| loss.parameters).collect();
    all.sort_by_key(|parameter| parameter.name);
    all.dedup_by_key(|parameter| parameter.name);
    let values = [f64::NAN, f64::INFINITY, -1.0, -0.1, 0.0, 0.5, 1.0, 1e5, 1e300];
    for loss in LOSSES {
        if loss.shape == Shape::Contrastive || OF_BATCHES.contains(&loss.name) {
            let words =
                if loss.shape == Shape::Contrastive { "similarities of samples" } else { "rows of a training batch" };
            complains(&[&data("pairs.csv")], &["--loss", loss.name], &[words]);
            continue;
        }
        let file = &data_of(loss, "csv", &folder);
        for parameter in &all {
            let name = option(parameter);
            let Some(own) = loss.parameters.iter().find(|own| own.name == parameter.name) else {
                let value = parameter.default.to_string();
                let has = match loss.parameters {
                    [] => "no parameters".to_owned(),
                    some => some.iter().map(option).collect::<Vec<_>>().join(", "),
                };
                let words = [&*format!("--loss {}: has no {name}", loss.name), &*format!("{} has {has}", loss.name)];
                complains(&[file], &["--loss", loss.name, &name, &value], &words);
                continue;
            };
            for value in values.into_iter().filter(|value| own.check(*value).is_err()) {
                let message = format!("--loss {}: {} is {}", loss.name, own.name, shown(value));
                complains(&[file], &["--loss", loss.name, &name, &value.to_string()], &[&message, own.requirement]);
            }
        }
        // What is not given is the default.
        let given = loss.parameters.iter().flat_map(|parameter| [option(parameter), parameter.default.to_string()]);
        let plain = succeeds(score().arg(file).args(["--loss", loss.name]));
        assert_eq!(succeeds(score().arg(file).args(["--loss", loss.name]).args(given)), plain);
        // By every name.
        for name in loss.aliases.iter().chain([&loss.name]) {
            for name in [name.to_string(), name.replace('_', "-"), name.to_uppercase()] {
                assert_eq!(succeeds(score().arg(file).args(["--loss", &name])), plain, "{name}");
            }
        }
    }
}

fn option(parameter: &Parameter) -> String {
    format!("--{}", parameter.name.replace('_', "-"))
}

/// As messages show it.
fn shown(value: f64) -> String {
    if value.abs() >= 1e20 { format!("{value:e}") } else { value.to_string() }
}
