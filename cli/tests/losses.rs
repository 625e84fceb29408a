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
