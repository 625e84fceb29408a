//! The C header, as cbindgen makes it of `src/capi`.

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the committed header is.
pub fn path() -> PathBuf {
    root().join("capi/include/preflane.h")
}

/// What it must hold.
///
/// # Errors
/// cbindgen's, and those of its configuration, in words.
pub fn text() -> Result<String, String> {
    let config = cbindgen::Config::from_file(root().join("capi/cbindgen.toml"))?;
    let bindings =
        cbindgen::Builder::new().with_crate(root()).with_config(config).generate().map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    // What Rust calls the duties of an unsafe function's caller.
    Ok(String::from_utf8_lossy(&text).replace("# Safety", "The caller vouches for this:"))
}
