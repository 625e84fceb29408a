//! The C header, as cbindgen makes it of `src/capi`, with what the list of losses makes.

mod losses;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the committed header is.
pub fn path() -> PathBuf {
    root().join("capi/include/preflane.h")
}

/// What the documentation of types that Rust and C share says, and what it says in C.
pub const IN_C: [(&str, &str); 5] = [
    ("any number of `f32` values", "any number of floats"),
    ("so that `sum` and `mean` say what IEEE", "so that preflane_sum_value says what IEEE"),
    ("Least significant first: LIMBS of them, as a number for the C header.", "The least significant comes first."),
    ("`merge` adds the parts", "preflane_metrics_merge adds the parts"),
    ("in the making (`RowSum`) as plain bytes", "in the making as plain bytes"),
];

/// In the words of C: without examples in Rust and the empty line before each, and without the constants of Rust's interface.
fn in_c(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut is_example = false;
    for line in text.lines() {
        if line.trim() == "// ```" {
            is_example = !is_example;
            if is_example && lines.last().is_some_and(|line| line.trim() == "//") {
                lines.pop();
            }
        } else if line.strip_prefix("#define ").is_some_and(|name| !name.starts_with("PREFLANE_")) {
            while lines.last().is_some_and(|line| line.starts_with("//")) {
                lines.pop();
            }
            while lines.last().is_some_and(|line| line.is_empty()) {
                lines.pop();
            }
        } else if !is_example {
            lines.push(line);
        }
    }
    IN_C.iter().fold(lines.join("\n") + "\n", |text, (rust, c)| text.replace(rust, c))
}

/// Without what only rustdoc understands: links, and its word for the duties of an unsafe function's caller.
fn plain(text: &str) -> String {
    let text = text.replace("# Safety", "The caller vouches for this:");
    let mut parts = text.split("[`");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("`]").unwrap_or((part, ""));
        let link = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        out += &format!("`{name}`{}", link.map_or(rest, |(_, rest)| rest));
    }
    in_c(&out)
}

/// What it must hold.
///
/// # Errors
/// cbindgen's, and those of its configuration, in words.
pub fn text() -> Result<String, String> {
    let mut config = cbindgen::Config::from_file(root().join("capi/cbindgen.toml"))?;
    config.after_includes = Some(format!("\n{}", losses::kinds()));
    let bindings =
        cbindgen::Builder::new().with_crate(root()).with_config(config).generate().map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = plain(&String::from_utf8_lossy(&text));
    // cbindgen's own trailer would stand behind the guard.
    let (header, end) =
        text.rsplit_once("#endif  /* PREFLANE_H */").ok_or("cbindgen ends the header in another way")?;
    Ok(format!("{header}{}\n#endif  /* PREFLANE_H */{end}", losses::constructors()))
}
