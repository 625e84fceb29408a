//! The committed header is what cbindgen makes of the code.

#[test]
fn the_header_is_up_to_date() {
    let committed = std::fs::read_to_string(preflane_header::path()).unwrap();
    let generated = preflane_header::text().unwrap();
    let line = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(committed == generated, "write it again: cargo run -p preflane-header (first difference: line {line:?})");
}
