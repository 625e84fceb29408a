//! That `docs/definition.md` states the constants that the code has.

extern crate std;

use std::format;
use std::string::String;
use std::vec::Vec;

/// Fails unless the page's block of this name has these constants, in order: a name, bits, and the number for readers.
pub fn compare(block: &str, constants: &[(&str, &[f64])]) {
    let mut lines = Vec::new();
    for (name, values) in constants {
        for (i, value) in values.iter().enumerate() {
            let place = if values.len() > 1 { format!("[{i}]") } else { String::new() };
            lines.push(format!("{name}{place} {:016x} {value:?}", value.to_bits()));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/definition.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let fence = format!("```constants {block}");
    let stated: Vec<&str> =
        page.lines().skip_while(|line| *line != fence).skip(1).take_while(|x| *x != "```").collect();
    assert!(stated == lines, "docs/definition.md must have this block:\n{fence}\n{}\n```", lines.join("\n"));
}
