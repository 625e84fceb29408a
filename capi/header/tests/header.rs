//! The committed header is what cbindgen makes of the code.

#[test]
fn the_header_is_up_to_date() {
    let committed = std::fs::read_to_string(preflane_header::path()).unwrap();
    let generated = preflane_header::text().unwrap();
    let line = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(committed == generated, "write it again: cargo run -p preflane-header (first difference: line {line:?})");
}

#[test]
fn its_comments_speak_c() {
    let text = preflane_header::text().unwrap();
    let comments = text.lines().filter_map(|line| line.split_once("//")).map(|(_, comment)| comment);
    for comment in comments {
        for rust in ["```", "::", "f32", "f64", "usize", "Self", "Option", "Some(", "[`", "Likewise"] {
            assert!(!comment.contains(rust), "{rust}: {comment}");
        }
    }
    for (rust, c) in preflane_header::IN_C {
        assert!(text.contains(c), "nothing says any more: {rust}");
    }
}

/// What else the library has as constants is none of C's, where a macro's name is everybody's.
#[test]
fn every_macro_is_preflane_s() {
    let text = preflane_header::text().unwrap();
    let defined = text.lines().filter_map(|line| line.strip_prefix("#define "));
    for name in defined {
        assert!(name.starts_with("PREFLANE_"), "{name}");
    }
}
