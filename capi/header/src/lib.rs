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
    out
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
