//! `preflane stress` makes inputs that the type of the code under test can hold: right code in 16 bits is not blamed.
#![cfg(all(feature = "judge", target_os = "linux"))]

mod common;

use std::path::Path;

use common::*;
use serde_json::Value;

/// A hinge in f16 has no room for 65,520: such an input would be infinity, and its differences NaN.
#[test]
fn a_right_hinge_passes_in_every_type() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stress/half.py");
    for kind in ["f16", "bf16", "f32", "f64"] {
        for beta in ["0.1", "3"] {
            let mut command = stress();
            command.args(["--loss", "hinge", "--all", "--json", "--count", "1500", "--beta", beta, "--", "python3"]);
            let output = command.arg(&script).arg(kind).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{kind}: {e}: {output:?}"));
            assert_eq!(report["number"], kind);
            assert_eq!(output.status.code(), Some(0), "{kind}, beta {beta}: {report:#}");
            assert_eq!(report["inputs"], 1500, "{report:#}");
        }
    }
}
