//! `preflane verify`.
#![cfg(feature = "judge")]

mod common;

use common::Folder;

/// Minutes without optimisation: the command's unit tests then stand alone.
#[cfg(not(debug_assertions))]
#[test]
fn all_holds_here() {
    let output = common::preflane("verify").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("All held") && text.contains("levels") && !text.contains("BROKEN"), "{text}");
    for check in [
        "definition 1, digests as committed\n",
        "digests on scalar",
        "sigmoid",
        "grad_beta",
        "logit's gradient, f16",
        "merged rows",
    ] {
        assert!(text.contains(check), "{check} is missing: {text}");
    }
}

#[cfg(not(debug_assertions))]
#[test]
fn a_wrong_digest_breaks_it() {
    let folder = Folder::new();
    let committed = include_str!("../../conformance/digests.txt");
    let line = committed.lines().find(|line| line.starts_with("core/dpo")).unwrap();
    let (name, _) = line.split_once(' ').unwrap();
    let list = folder.write("digests.txt", committed.replace(line, &format!("{name} 0123456789abcdef")));
    let output = common::preflane("verify").arg("--digests").arg(list).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("BROKEN") && text.contains(name) && text.contains("did not hold"), "{text}");
    assert!(text.contains("definition 1, digests not as given\n"), "{text}");
}

#[test]
fn what_cannot_be_run_says_so() {
    let folder = Folder::new();
    let empty = folder.write("digests.txt", "nothing\n");
    for path in [empty, folder.path("absent.txt")] {
        let output = common::preflane("verify").arg("--digests").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(&path.display().to_string()) && text.lines().count() == 1, "{text}");
    }
}
