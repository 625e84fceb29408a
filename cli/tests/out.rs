//! `--out`: the same rows in every format, whole or not at all.

mod common;

use std::fs;

use common::*;

#[test]
fn all_formats_read_back_the_same() {
    let folder = Folder::new();
    let mut first = None;
    for format in FORMATS {
        let out = folder.path(&format!("out.{format}"));
        succeeds(score().arg(data("pairs.parquet")).arg("--out").arg(&out));
        let columns = read_back(&out);
        let mut names = OUT_COLUMNS.to_vec();
        names.sort_unstable();
        assert_eq!(columns.keys().map(String::as_str).collect::<Vec<_>>(), names, "{format}");
        assert!(columns.values().all(|column| column.len() == 300), "{format}");
        let first = first.get_or_insert_with(|| columns.clone());
        assert_eq!(bits(&columns), bits(first), "{format}");
    }
    assert_eq!(folder.names().len(), FORMATS.len(), "nothing else is left: {:?}", folder.names());
}

#[test]
fn columns_hold_what_their_names_say() {
    let folder = Folder::new();
    let out = folder.path("out.npz");
    succeeds(score().arg(data("pairs.csv")).arg("--out").arg(&out));
    let (rows, input) = (read_back(&out), read_csv_numbers());
    let beta = 0.1_f64;
    for row in 0..300 {
        let value = |name: &str| f64::from(input[name][row]);
        let u = value("policy_chosen_logps") - value("ref_chosen_logps");
        let v = value("policy_rejected_logps") - value("ref_rejected_logps");
        let z = beta * (u - v);
        let gradient = -beta / (1.0 + z.exp());
        for (name, expected) in [
            ("loss", (-z).exp().ln_1p()),
            ("chosen_rewards", beta * u),
            ("rejected_rewards", beta * v),
            ("margins", z),
            ("grad_chosen_logps", gradient),
            ("grad_rejected_logps", -gradient),
        ] {
            let got = f64::from(rows[name][row]);
            assert!((got - expected).abs() <= 1e-6 * expected.abs() + 1e-45, "{name}, row {row}: {got} for {expected}");
        }
    }
}

fn read_csv_numbers() -> Columns {
    let mut reader = csv::Reader::from_path(data("pairs.csv")).unwrap();
    let names = reader.headers().unwrap().clone();
    let mut columns = Columns::new();
    for record in reader.records() {
        for (name, field) in names.iter().zip(record.unwrap().iter()).skip(1) {
            columns.entry(name.to_owned()).or_default().push(field.parse().unwrap());
        }
    }
    columns
}

#[test]
fn values_that_are_not_finite_survive() {
    let folder = Folder::new();
    let input =
        folder.write("a.csv", "policy_chosen_logps,policy_rejected_logps\nnan,-1\n-1,-inf\n-inf,-1\n1e30,-1e30\n");
    let mut first = None;
    for format in FORMATS {
        let out = folder.path(&format!("out.{format}"));
        succeeds(score().arg(&input).args(["--reference-free", "--loss", "ipo", "--out"]).arg(&out));
        let columns = read_back(&out);
        assert!(columns["loss"][0].is_nan() && columns["loss"][3] == f32::INFINITY, "{format}: {columns:?}");
        assert_eq!(columns["chosen_rewards"][2], f32::NEG_INFINITY, "{format}");
        let first = first.get_or_insert_with(|| columns.clone());
        assert_eq!(bits(&columns), bits(first), "{format}");
    }
    let text = fs::read_to_string(folder.path("out.jsonl")).unwrap();
    assert!(
        text.starts_with("{\"loss\": \"nan\", \"chosen_rewards\": \"nan\", \"rejected_rewards\": -0.1, "),
        "{text}"
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in FORMATS {
        let folder = Folder::new();
        let run = |name: &str, input: &str| {
            let out = folder.path(&format!("{name}.{format}"));
            succeeds(score().arg(data(input)).arg("--out").arg(&out));
            fs::read(out).unwrap()
        };
        let first = run("a", "pairs.csv");
        assert!(first == run("b", "pairs.csv") && first == run("c", "pairs.safetensors"), "{format}");
    }
}

#[test]
fn an_input_is_never_replaced() {
    let folder = Folder::new();
    let input = folder.path("in.csv");
    fs::copy(data("pairs.csv"), &input).unwrap();
    let before = fs::read(&input).unwrap();
    let around = folder.path("../").join(folder.path("").file_name().unwrap()).join("in.csv");
    let mut others = vec![input.clone(), around];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&input, folder.path("link.csv")).unwrap();
        others.push(folder.path("link.csv"));
    }
    for out in others {
        let line = refused(score().arg(data("pairs.npz")).arg(&input).arg("--out").arg(out));
        assert!(line.contains("would replace the input"), "{line}");
    }
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[test]
fn an_error_leaves_what_was_there() {
    for format in FORMATS {
        let folder = Folder::new();
        let mut text = fs::read_to_string(data("pairs.csv")).unwrap();
        text += "en,1,1,1,-1,-1,-1,oops\n";
        let input = folder.write("in.csv", text);
        let out = folder.write(&format!("out.{format}"), "old");
        refused(score().arg(&input).arg("--out").arg(&out));
        assert_eq!(fs::read(&out).unwrap(), b"old", "{format}");
        assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
        // And a run that succeeds does replace it.
        succeeds(score().arg(data("pairs.csv")).arg("--out").arg(&out));
        assert_eq!(read_back(&out)["loss"].len(), 300, "{format}");
    }
}

#[test]
fn places_that_cannot_be_written_are_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder.csv")).unwrap();
    for (out, word) in
        [("folder.csv", "not a file"), ("none/out.csv", "no folder"), ("out.txt", ".txt"), ("out", "ending")]
    {
        let line = refused(score().arg(data("pairs.csv")).arg("--out").arg(folder.path(out)));
        assert!(line.contains(word) && line.contains(out), "{line}");
    }
    assert_eq!(folder.names(), ["folder.csv"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let folder = Folder::new();
    let pipe = folder.path("in.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let out = folder.path("out.csv");
    let mut child = score().arg(&pipe).arg("--out").arg(&out).stdout(Stdio::null()).spawn().unwrap();
    // Blocks until the command has opened the pipe; by then the temporary file is there.
    let mut input = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writeln!(input, "policy_chosen_logps,policy_rejected_logps,ref_chosen_logps,ref_rejected_logps").unwrap();
    let start = Instant::now();
    while folder.names().len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "no temporary file: {:?}", folder.names());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert!(status.code() == Some(130) || status.signal().is_some(), "{status}");
    assert_eq!(folder.names(), ["in.csv"]);
}
