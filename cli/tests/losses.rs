//! The list of losses, as people, programs and the documentation have it.

mod common;

use std::fs;
use std::path::Path;

use common::*;
use preflane::losses::LOSSES;

fn losses() -> std::process::Command {
    preflane("losses")
}

#[test]
fn the_page_is_what_the_command_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/losses.md");
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page == succeeds(losses().arg("--markdown")),
        "docs/losses.md is stale: preflane losses --markdown writes it"
    );
}

#[test]
fn programs_get_all_of_every_loss() {
    let got: serde_json::Value = serde_json::from_str(&succeeds(losses().arg("--json"))).unwrap();
    assert_eq!(got.as_array().unwrap().len(), LOSSES.len());
    for (loss, got) in LOSSES.iter().zip(got.as_array().unwrap()) {
        assert_eq!((&got["name"], &got["number"]), (&loss.name.into(), &loss.number.into()));
        assert_eq!(got["aliases"], serde_json::json!(loss.aliases));
        assert_eq!((&got["formula"], &got["source"]), (&loss.formula.into(), &loss.source.into()));
        assert_eq!((got["reference"].as_bool().unwrap(), got["shape"].is_string()), (loss.reference, true));
        let parameters = got["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), loss.parameters.len());
        for (parameter, got) in loss.parameters.iter().zip(parameters) {
            assert_eq!((&got["name"], &got["meaning"]), (&parameter.name.into(), &parameter.meaning.into()));
            assert_eq!(
                (&got["requirement"], &got["default"]),
                (&parameter.requirement.into(), &parameter.default.into())
            );
        }
    }
}

/// Whether a line begins the paragraph of a loss.
fn is_title(line: &str, name: &str) -> bool {
    line.strip_prefix("  ").is_some_and(|line| line.split(' ').next() == Some(name))
}

#[test]
fn people_get_lines_that_fit() {
    let text = succeeds(&mut losses());
    for loss in LOSSES {
        let named = |line: &str| line.split([' ', ',']).any(|word| word == loss.name);
        assert!(text.lines().any(named), "{}", loss.name);
        // One asked for alone is all that is told, by any of its names.
        for name in loss.aliases.iter().chain([&loss.name]) {
            let alone = succeeds(losses().arg(name.to_uppercase()));
            let told = LOSSES.iter().filter(|other| alone.lines().any(|line| is_title(line, other.name)));
            assert_eq!(told.map(|other| other.name).collect::<Vec<_>>(), [loss.name]);
        }
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line), "{text}");
    let line = refused(losses().arg("none"));
    assert!(line.contains("'none'"), "{line}");
}

/// A preset says what it chose, and computes that: a trainer's names, defaults and input.
#[test]
fn presets() {
    let command = |arguments: &[&str]| {
        let mut command = score();
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pairs.jsonl")).args(arguments);
        command
    };
    let scored = |arguments: &[&str]| json(&mut command(arguments));
    let by_preset = scored(&["--preset", "halos", "--loss", "simpo", "--gamma-beta-ratio", "0.25"]);
    let by_name = scored(&["--loss", "simpo_ratio", "--gamma-beta-ratio", "0.25"]);
    assert_eq!(by_preset["loss"], by_name["loss"]);
    assert!(by_preset["convention"].as_str().unwrap().starts_with("preset halos: simpo is simpo_ratio; "));
    assert!(!by_name.contains_key("convention"));
    // Label smoothing is cDPO to the one, and refused for the other, which would ignore it.
    let smoothed = scored(&["--preset", "trl-0.24", "--loss", "sigmoid", "--label-smoothing", "0.1"]);
    assert_eq!(smoothed["loss"], scored(&["--loss", "cdpo", "--label-smoothing", "0.1"])["loss"]);
    assert_ne!(smoothed["loss"], scored(&[])["loss"]);
    assert_eq!(scored(&["--preset", "trl-0.24"])["loss"], scored(&[])["loss"]);
    let refusal = refused(&mut command(&["--preset", "trl-1.16", "--label-smoothing", "0.1"]));
    assert!(refusal.contains("has no --label-smoothing"), "{refusal}");
    let refusal = refused(&mut command(&["--preset", "openrlhf-0.11", "--loss", "orpo"]));
    assert!(refusal.contains("it has no loss orpo; it has dpo, ipo, rpo"), "{refusal}");
    let text = succeeds(losses().arg("--presets"));
    assert!(text.contains("--preset trl-1.16") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// RPO is DPO and a likelihood term, as a loss and as a sum; a sum says what it is.
#[test]
fn sums_of_losses() {
    let folder = Folder::new();
    let file = data_of(preflane::losses::find("rpo").unwrap(), "csv", &folder);
    let scored = |arguments: &[&str]| json(score().arg(&file).args(arguments));
    let sum = scored(&["--mix", "dpo:1,nll:0.5", "--beta", "0.2"]);
    let rpo = scored(&["--loss", "rpo", "--beta", "0.2", "--alpha", "0.5"]);
    for name in ["loss", "rewards/chosen", "rewards/margins"] {
        assert_eq!(sum[name], rpo[name], "{name}");
    }
    assert_eq!(sum["convention"], "mix: 1 dpo + 0.5 nll");
    assert_ne!(sum["loss"], scored(&["--mix", "dpo:0.8,bco_pair:0.2,nll:0.5", "--beta", "0.2"])["loss"]);
    for (mix, words) in [
        ("dpo", "dpo is not a loss:weight"),
        ("dpo:x", "x is no number"),
        ("dbo:1", "there is no loss dbo"),
        ("dpo:1,simpo:1", "the term is 1; it must be one with a reference model"),
        ("kto:1", "kto"),
        ("nll:1", "terms is 0; it must be at least one"),
    ] {
        let refusal = refused(score().arg(&file).args(["--mix", mix]));
        assert!(refusal.contains(words), "{refusal}");
    }
}
