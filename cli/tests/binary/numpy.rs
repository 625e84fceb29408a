//! numpy's files: headers, shapes, types and archives.

use std::io::Write;
use std::path::PathBuf;

use half::bf16;

use super::common::*;
use super::*;

/// An array of numpy with a header as it is given.
fn array(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.to_owned();
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
}

/// An archive of two arrays.
fn npz(folder: &Folder, arrays: [Vec<u8>; 2]) -> PathBuf {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, array) in NAMES.iter().zip(arrays) {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&array).unwrap();
    }
    folder.write("a.npz", zip.finish().unwrap().into_inner())
}

fn f32s(values: [f32; 3]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn of(folder: &Folder, descr: &str, shape: &str, columns: [Vec<u8>; 2]) -> PathBuf {
    npz(folder, columns.map(|column| array(&header(descr, shape), &column)))
}

#[test]
fn shapes() {
    let folder = Folder::new();
    for shape in ["(3,)", "(3, 1)", "(1, 3)", "(3, 1, 1)", "[3]", "(3L,)"] {
        holds_pairs(&of(&folder, "'<f4'", shape, [f32s(CHOSEN), f32s(REJECTED)]), &[]);
    }
    let fortran = |column: [f32; 3]| array(&header("'<f4'", "(3, 1)").replace("False", "True"), &f32s(column));
    holds_pairs(&npz(&folder, [CHOSEN, REJECTED].map(fortran)), &[]);
    for (shape, items) in [("(3, 3)", 9), ("()", 1), ("(0, 3)", 0)] {
        let file = of(&folder, "'<f4'", shape, [(); 2].map(|()| vec![0; 4 * items]));
        refuses_by_name(&file, &[], &["column policy_chosen_logps has the shape [", "the shape [rows]"]);
    }
}

#[test]
fn types() {
    let folder = Folder::new();
    let bf16s = |values: [f32; 3]| values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect::<Vec<u8>>();
    for descr in ["'<V2'", "'|V2'"] {
        holds_pairs(&of(&folder, descr, "(3,)", [bf16s(CHOSEN), bf16s(REJECTED)]), &[]);
    }
    let big = |values: [f32; 3]| values.iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<u8>>();
    holds_pairs(&of(&folder, "'>f4'", "(3,)", [big(CHOSEN), big(REJECTED)]), &[]);
    let big = |values: [f32; 3]| values.iter().flat_map(|x| f64::from(*x).to_be_bytes()).collect::<Vec<u8>>();
    holds_pairs(&of(&folder, "'>f8'", "(3,)", [big(CHOSEN), big(REJECTED)]), &[]);
    for (descr, size, what) in [
        ("'|V4'", 4, "4 bytes without a type"),
        ("'|V1'", 1, "1 bytes without a type"),
        ("'<f1'", 1, "values of the type <f1"),
        ("'<f16'", 16, "floats wider than 64 bits"),
        ("'<c8'", 8, "complex numbers"),
        ("'|b1'", 1, "booleans"),
        ("'|S4'", 4, "text"),
        ("'<U4'", 16, "text"),
        ("'<M8[D]'", 8, "dates"),
        ("'<m8[s]'", 8, "durations"),
        ("'|O'", 8, "Python objects (pickle)"),
        ("[('a', '<f4'), ('b', '<i2')]", 6, "records, whose fields are named with a dot (a, b)"),
    ] {
        let file = of(&folder, descr, "(3,)", [(); 2].map(|()| vec![0; 3 * size]));
        refuses_by_name(&file, &[], &[&format!("column policy_chosen_logps holds {what}"), "numbers are needed"]);
    }
}

/// Three records, with a text and a matrix between the numbers.
fn records() -> (String, Vec<u8>) {
    let descr = "[('policy_chosen_logps', '<f4'), ('id', '<U2'), ('x', '<f8', (2, 2)), (('a title', \
                 'policy_rejected_logps'), '>f8', (1,)), ('', '|V3')]";
    let data = CHOSEN.iter().zip(REJECTED).flat_map(|(chosen, rejected)| {
        [&chosen.to_le_bytes()[..], &[0; 8], &[7; 32], &f64::from(rejected).to_be_bytes(), &[1; 3]].concat()
    });
    (descr.to_owned(), data.collect())
}

#[test]
fn records_are_a_data_set() {
    let folder = Folder::new();
    let (descr, data) = records();
    for shape in ["(3,)", "(3, 1)"] {
        let file = folder.write("a.npy", array(&header(&descr, shape), &data));
        holds_pairs(&file, &[]);
        refuses_by_name(&file, &["--policy-chosen", "x"], &["column x holds arrays of 4"]);
        refuses_by_name(&file, &["--policy-chosen", "id"], &["column id holds text"]);
        refuses_by_name(&file, &["--policy-chosen", "y"], &["no column y", "policy_chosen_logps, id, x"]);
        let line = refused(score().arg(&file));
        assert!(line.contains("no column ref_chosen_logps"), "{line}");
    }
    let nested = folder.write("n.npy", array(&header(&format!("[('in', {descr})]"), "(3,)"), &data));
    let names = ["--policy-chosen", "in.policy_chosen_logps", "--policy-rejected", "in.policy_rejected_logps"];
    holds_pairs(&nested, &names);
    // The same array in an archive.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("in.npy", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&array(&header(&descr, "(3,)"), &data)).unwrap();
    holds_pairs(&folder.write("r.npz", zip.finish().unwrap().into_inner()), &names);
    // Not a data set.
    let plain = folder.write("p.npy", array(&header("'<f4'", "(3,)"), &f32s(CHOSEN)));
    refuses_by_name(&plain, &[], &["one array without names of columns", "structured array", "numpy.savez"]);
    let objects = folder.write("o.npy", array(&header("'|O'", "(3,)"), b"x"));
    refuses_by_name(&objects, &[], &["Python objects (pickle)"]);
    let file = folder.write("twice.npy", array(&header("[('a', '<f4'), ('a', '<f4')]", "(1,)"), &[0; 8]));
    refuses_by_name(&file, &["--policy-chosen", "a"], &["two columns are named a"]);
    let line = refused(score().arg(super::data("pairs.csv")).args(["--out", "a.npy"]));
    assert!(line.starts_with("a.npy: ") && line.contains("not written"), "{line}");
}

#[test]
fn archives() {
    let folder = Folder::new();
    let good = npz(&folder, [CHOSEN, REJECTED].map(|column| array(&header("'<f4'", "(3,)"), &f32s(column))));
    holds_pairs(&good, &[]);
    let bytes = std::fs::read(&good).unwrap();
    // The second array under the name of the first, in its own header and in the directory.
    let (chosen, rejected) = ("policy_chosen_logps.npy", "policy_reject_logps.npy");
    assert_eq!(chosen.len(), rejected.len());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in [chosen, rejected] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&array(&header("'<f4'", "(3,)"), &f32s(CHOSEN))).unwrap();
    }
    let twice = replace(&zip.finish().unwrap().into_inner(), rejected.as_bytes(), chosen.as_bytes());
    refuses_by_name(&folder.write("twice.npz", twice), &[], &["two of its arrays have one name"]);
    // Methods of compression by their numbers, and the mark of encryption, in both headers.
    for (method, name) in [(9, "deflate64"), (12, "bzip2"), (14, "LZMA"), (93, "zstd"), (95, "xz"), (77, "method 77")] {
        let file = folder.write("m.npz", directory(&bytes, 10, method));
        refuses_by_name(
            &file,
            &[],
            &[&format!("column policy_chosen_logps is compressed by {name}, which is not read")],
        );
    }
    let file = folder.write("e.npz", directory(&bytes, 8, 1));
    refuses_by_name(&file, &[], &["column policy_chosen_logps is encrypted, which is not read"]);
    for (shape, word) in [("(2,)", "an array of 2 rows has"), ("(4,)", "an array of 4 rows has")] {
        let file = of(&folder, "'<f4'", shape, [f32s(CHOSEN), f32s(REJECTED)]);
        refuses(&file, &[], &["corrupt or cut off", word]);
    }
}

/// All bytes of one kind as others.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

/// An archive with two bytes of each entry changed; `at` is their place in the directory, two before it in the entry itself.
fn directory(bytes: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for start in 0..bytes.len() - 4 {
        match &bytes[start..start + 4] {
            b"PK\x01\x02" => bytes[start + at] = value,
            b"PK\x03\x04" => bytes[start + at - 2] = value,
            _ => {}
        }
    }
    bytes
}
