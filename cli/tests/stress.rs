//! `preflane stress` finds planted faults, in few inputs, and nothing in right code.
#![cfg(all(feature = "judge", target_os = "linux"))]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use common::*;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stress")
}

/// A shared library of a C file.
fn library(folder: &Folder, file: &str, defines: &[&str]) -> PathBuf {
    let path = folder.path(&format!("{}.so", defines.join("_").replace(['=', '(', ')'], "_")));
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-ffp-contract=off", "-shared", "-fPIC"]);
    cc.args(["-D_GNU_SOURCE", "-I"]).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stress"));
    cc.args(defines.iter().map(|define| format!("-D{define}")))
        .arg(self::folder().join(file))
        .arg("-o")
        .arg(&path)
        .arg("-lm");
    assert!(cc.status().unwrap().success(), "{cc:?}");
    path
}

fn python(behaviour: &str) -> Vec<String> {
    ["--", "python3", folder().join("child.py").to_str().unwrap(), behaviour].map(str::to_owned).into()
}

/// `preflane stress --json`.
fn judged() -> Command {
    let mut command = stress();
    command.arg("--json");
    command
}

/// Exit status and report of a run that could do its work.
#[track_caller]
fn report(command: &mut Command) -> (i32, Value) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.is_empty(), "{command:?}: {stderr}");
    let report = serde_json::from_slice(&stdout).unwrap_or_else(|e| panic!("{command:?}: {e}"));
    (status.code().unwrap(), report)
}

/// The one finding of a run.
#[track_caller]
fn found(library: &Path, options: &[&str]) -> Value {
    let (status, report) = report(judged().arg("--library").arg(library).args(options));
    assert_eq!(status, 1, "{}: nothing found\n{report:#}", library.display());
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    findings[0].clone()
}

/// A fault, what it is called, where it is, a part of its cause, and the inputs within which it must be met.
const FAULTS: [(&str, &str, &str, &str, u64); 18] = [
    ("LOG_OF_SIGMOID", "", "loss", "", 300),
    ("LOG_OF_ONE_AND_EXP", "", "loss", "", 300),
    ("ONE_LESS_SIGMOID", "", "grad_policy_chosen", "1 - sigmoid(z)", 300),
    ("GRADIENT_SIGN", "wrong sign", "grad_policy_chosen", "the sign is reversed", 50),
    ("GRADIENT_WITHOUT_BETA", "beyond the bound", "grad_policy_chosen", "off by a factor of 1/beta", 50),
    ("REFERENCE_IGNORED", "", "loss", "the reference is ignored", 100),
    ("CLAMPED", "beyond the bound", "loss", "", 500),
    ("ZERO_BY_ZERO", "not finite", "loss", "0/0", 500),
    ("ONE_VALUE", "zero", "loss", "", 5000),
    ("NARROW_BAND", "not finite", "grad_policy_chosen", "", 2000),
    ("CUBIC", "beyond the bound", "loss", "", 1000),
    ("BATCH_SIZE", "depends on the batch", "loss", "", 1000),
    ("TAIL", "depends on the batch", "loss", "", 1000),
    ("CARRIED_OVER", "depends on the batch", "loss", "", 1000),
    ("NEIGHBOUR", "depends on the batch", "", "", 1000),
    ("WRONG_STEP", "", "loss", "", 1000),
    ("UNWRITTEN", "not finite", "loss", "", 1000),
    ("DECLINES", "declined", "loss", "code 7", 300),
];

#[test]
fn planted_faults() {
    let folder = Folder::new();
    for (fault, name, result, cause, within) in FAULTS {
        let path = library(&folder, "faults.c", &[fault]);
        let finding = found(&path, &[]);
        let met_at = finding["met_at"].as_u64().unwrap();
        println!("{fault}: {met_at} inputs, {} of {}: {}", finding["fault"], finding["result"], finding["cause"]);
        assert!(met_at <= within, "{fault}: met at {met_at}, later than {within}");
        if !name.is_empty() {
            assert_eq!(finding["fault"], name, "{fault}: {finding:#}");
        }
        assert!(finding["result"].as_str().unwrap().starts_with(result), "{fault}: {finding:#}");
        assert!(finding["cause"].as_str().unwrap().contains(cause), "{fault}: {finding:#}");
    }
}

/// The same code passes with the fault's option left out.
#[test]
fn right_code_passes() {
    let folder = Folder::new();
    let plain = library(&folder, "faults.c", &["NONE"]);
    let (status, report_of) = report(judged().arg("--library").arg(plain).args(["--count", "4000"]));
    assert_eq!((status, report_of["inputs"].as_u64()), (0, Some(4000)), "{report_of:#}");

    let losses: [(&str, &[&str]); 9] = [
        ("DPO", &["--loss", "dpo"]),
        ("CDPO", &["--loss", "cdpo", "--label-smoothing", "0.1"]),
        ("ROBUST", &["--loss", "robust", "--label-smoothing", "0.2"]),
        ("IPO", &["--loss", "ipo"]),
        ("KNEE", &["--loss", "hinge"]),
        ("DISCOPOP", &["--loss", "discopop"]),
        ("FORWARD_KL", &["--loss", "forward-kl"]),
        ("ODDS_RATIO", &["--loss", "odds-ratio"]),
        ("SIMPO", &["--loss", "simpo", "--beta", "2"]),
    ];
    for (loss, options) in losses {
        for (real, kind) in [("float", "f32"), ("double", "f64")] {
            let define = [loss, &format!("REAL={real}"), &format!("PAIRS=preflane_stress_pairs_{kind}")];
            let path = library(&folder, "right.c", &define);
            for beta in ["0.1", "3"] {
                if loss == "SIMPO" && beta == "3" {
                    continue;
                }
                let mut command = judged();
                command.arg("--library").arg(&path).args(options).args(["--count", "2000", "--seed", "7"]);
                if loss != "SIMPO" {
                    command.args(["--beta", beta]);
                }
                let (status, report) = report(&mut command);
                assert_eq!(status, 0, "{loss} in {kind}, beta {beta}: {report:#}");
            }
        }
    }
}

/// Right code for labelled answers and for lists passes, and with another sign or weight does not.
#[test]
fn labelled_and_listed_losses() {
    let folder = Folder::new();
    for (word, loss) in [("LABELLED", "kto"), ("LISTED", "plackett-luce")] {
        for (real, kind) in [("float", "f32"), ("double", "f64")] {
            let name = format!("{word}=preflane_stress_{}_{kind}", word.to_lowercase());
            let path = library(&folder, "right.c", &[&name, &format!("REAL={real}")]);
            for beta in ["0.1", "3"] {
                let mut command = judged();
                command.arg("--library").arg(&path).args(["--loss", loss, "--beta", beta, "--count", "800"]);
                let (status, report) = report(&mut command);
                assert_eq!(status, 0, "{loss} in {kind}, beta {beta}: {report:#}");
                assert!(report["inputs"] == 800 && report["unjudged"].as_u64().unwrap() < 80, "{report:#}");
            }
            let wrong = library(&folder, "right.c", &[&name, &format!("REAL={real}"), "WRONG"]);
            let finding = found(&wrong, &["--loss", loss, "--regression", "c", "--count", "800"]);
            let test = finding["regression"].as_str().unwrap();
            assert!(test.contains(&format!("preflane_stress_{}_{kind}(", word.to_lowercase())), "{test}");
        }
    }
    let pairs = library(&folder, "faults.c", &["NONE"]);
    let line = refused(stress().arg("--library").arg(&pairs).args(["--loss", "kto"]));
    assert!(line.contains("preflane_stress_labelled_f32"), "{line}");
}

#[test]
fn shrunk_to_the_threshold() {
    let folder = Folder::new();
    let finding = found(&library(&folder, "faults.c", &["LOG_OF_SIGMOID"]), &["--seed", "3"]);
    let values = finding["input"]["values"].as_array().unwrap();
    // One number of one digit carries the failure.
    let decimals: Vec<&str> = values.iter().map(|value| value["decimal"].as_str().unwrap()).collect();
    assert_eq!(decimals.iter().filter(|text| **text != "0").count(), 1, "{decimals:?}");
}

#[test]
fn a_batch_shrinks_too() {
    let folder = Folder::new();
    let finding = found(&library(&folder, "faults.c", &["BATCH_SIZE"]), &[]);
    assert_eq!(finding["batch"]["rows"].as_array().unwrap().len(), 32, "{finding:#}");
    assert_ne!(finding["got"], finding["batch"]["other_got"]);
}

#[test]
fn same_seed_same_findings() {
    let folder = Folder::new();
    let path = library(&folder, "faults.c", &["LOG_OF_ONE_AND_EXP"]);
    let run = |seed: &str| {
        report(judged().arg("--library").arg(&path).args(["--all", "--count", "3000", "--seed", seed])).1["findings"]
            .clone()
    };
    assert_eq!(run("5"), run("5"));
    assert_ne!(run("5"), run("6"));
    // Each kind of failure once.
    let findings = run("5");
    let kinds: Vec<String> =
        findings.as_array().unwrap().iter().map(|f| format!("{}{}{}", f["fault"], f["result"], f["cause"])).collect();
    assert!(kinds.len() > 1);
    assert!((1..kinds.len()).all(|k| !kinds[..k].contains(&kinds[k])), "{kinds:#?}");
}

#[test]
fn bounds() {
    let folder = Folder::new();
    let path = library(&folder, "faults.c", &["CUBIC"]);
    let passes =
        |options: &[&str]| report(judged().arg("--library").arg(&path).args(options).args(["--count", "3000"])).0 == 0;
    assert!(!passes(&[]));
    assert!(passes(&["--bound", "1e-4"]));
    // What right code loses to cancellation is forgiven, unless nothing is.
    let plain = library(&folder, "faults.c", &["NONE"]);
    let strict = report(judged().arg("--library").arg(plain).args(["--strict", "--count", "3000"]));
    assert_eq!(strict.0, 1);
}

/// Each regression test as its language takes it: it fails on the fault and passes on right code.
#[test]
fn regression_tests() {
    let folder = Folder::new();
    for fault in ["LOG_OF_SIGMOID", "GRADIENT_SIGN", "BATCH_SIZE"] {
        let bad = library(&folder, "faults.c", &[fault]);
        let test = found(&bad, &["--regression", "c"])["regression"].as_str().unwrap().to_owned();
        let source = folder.write("test.c", test);
        let runs = |library: &Path| {
            let program = folder.path("test");
            let mut cc = Command::new("cc");
            cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"])
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stress"));
            cc.arg(&source).arg(library).args(["-lm", "-o"]).arg(&program);
            assert!(cc.status().unwrap().success(), "{cc:?}");
            Command::new(&program).status().unwrap().success()
        };
        assert!(!runs(&bad), "{fault}");
        assert!(runs(&library(&folder, "faults.c", &["NONE"])), "{fault}");
        for (language, words) in [("rust", ["#[test]", "f32::from_bits("]), ("pytest", ["def test_", "float.fromhex("])]
        {
            let test = found(&bad, &["--regression", language])["regression"].as_str().unwrap().to_owned();
            assert!(words.iter().all(|word| test.contains(word)), "{test}");
        }
    }
}

#[test]
fn files() {
    let folder = Folder::new();
    let path = library(&folder, "faults.c", &["LOG_OF_SIGMOID"]);
    let (out, object) = (folder.path("report.md"), folder.path("report.json"));
    let run = |out: &Path| stress().arg("--library").arg(&path).arg("--out").arg(out).output().unwrap();
    assert_eq!(run(&out).status.code(), Some(1));
    assert_eq!(run(&object).status.code(), Some(1));
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains("| not finite |") || text.contains("| zero |"), "{text}");
    assert!(text.contains("![Errors against inputs](report.svg)"), "{text}");
    let picture = std::fs::read_to_string(folder.path("report.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>") && picture.contains("<circle"));
    let object: Value = serde_json::from_str(&std::fs::read_to_string(&object).unwrap()).unwrap();
    assert_eq!(object["findings"].as_array().unwrap().len(), 1);
    let line = refused(stress().arg("--library").arg(&path).args(["--out", "report.txt"]));
    assert!(line.contains(".md or .json"), "{line}");
}

#[test]
fn a_command_in_python() {
    let (status, report) = report(judged().args(["--count", "2000"]).args(python("right")));
    assert_eq!((status, report["number"].as_str()), (0, Some("f64")), "{report:#}");
}

#[test]
fn children_that_misbehave() {
    let says = |behaviour: &str, words: &[&str]| {
        let start = Instant::now();
        let line = refused(stress().args(["--time-limit", "2"]).args(python(behaviour)));
        for word in words {
            assert!(line.contains(word), "{behaviour}: {line}");
        }
        // The child of a failure is killed, not waited for.
        assert!(start.elapsed().as_secs() < 50, "{behaviour}");
    };
    says("talks first", &["Loading the model", "preflane-stress 1 pairs"]);
    says("odd type", &["f80", "f32 (or f64, bf16, f16)"]);
    says("leaves", &["ended (exit status: 1)", "out of memory | or of patience"]);
    says("raises", &["ended (exit status: 1)", "ArithmeticError: what now?"]);
    says("talks", &["step 3 done"]);
    says("words", &["tensor(0.69)"]);
    says("four numbers", &["4 numbers for a row"]);
    says("hangs", &["did not come in time", "--time-limit 2"]);
    says("logits", &["takes logits", "--loss dpo"]);
    let silent = refused(stress().args(["--time-limit", "0.2"]).args(python("silent")));
    assert!(silent.contains("its first line did not come in time"), "{silent}");
}

#[test]
fn what_cannot_be_run() {
    let folder = Folder::new();
    let empty = folder.write("empty.so", "");
    assert!(refused(stress().arg("--library").arg(empty)).contains("cannot be loaded"));
    assert!(refused(stress().arg("--library").arg(folder.path("none.so"))).contains("no such file"));
    let path = library(&folder, "faults.c", &["NONE"]);
    let line = refused(stress().arg("--library").arg(&path).args(["--loss", "sum-logps"]));
    assert!(line.contains("preflane_stress_logits_f32"), "{line}");
    let line = refused(stress().arg("--library").arg(&path).args(["--symbol", "other_f64"]));
    assert!(line.contains("other_f64"), "{line}");
    let crash = refused(stress().arg("--library").arg(library(&folder, "faults.c", &["CRASHES"])));
    assert!(crash.contains("signal"), "{crash}");
    assert!(refused(stress().args(["--", "no-such-program"])).contains("no-such-program: cannot be started"));
    for (options, words) in [
        (&["--loss", "cdpo"][..], "--label-smoothing"),
        (&["--label-smoothing", "0.1"], "belongs to cdpo, robust, exo-pair, "),
        (&["--beta", "0"], "--beta 0"),
        (&["--tau", "1"], "--tau belongs to real, discopop"),
        (&["--parameter", "tau"], "beta=0.1"),
        (&["--parameter", "beta=1", "--beta", "1"], "given twice"),
        (&["--parameter", "nonsense=1"], "has no parameter nonsense; it has beta"),
        (&["--parameter", "delta=1"], "has no delta; --parameter delta belongs to mdpo, slic"),
        (&["--loss", "simper", "--beta", "1"], "has no beta; --beta belongs to dpo, cdpo"),
        (&["--loss", "simper", "--parameter", "nonsense=1"], "has no parameter nonsense; it has none"),
        (&["--loss", "kto", "--parameter", "desirable-weight=-1"], "at least 0 is needed"),
        (&["--loss", "nothing"], "one of dpo, cdpo"),
        (&["--loss", "nothing"], "more, or sum-logps or mean-logps, is needed"),
        (&["--loss", "sum-logps", "--beta", "1"], "belongs to the losses"),
        (&["--bound", "-1"], "8ulp"),
        (&["--seed", "x"], "--seed"),
    ] {
        let line = refused(stress().arg("--library").arg(&path).args(options));
        assert!(line.contains(words), "{line}");
    }
    assert!(refused(&mut stress()).contains("--library"));
}
