//! Writes the C header: `cargo run -p preflane-header`.

fn main() -> Result<(), String> {
    std::fs::write(preflane_header::path(), preflane_header::text()?).map_err(|e| e.to_string())
}
