//! safetensors: names, offsets and sizes.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};

use super::common::*;
use super::*;

/// A file with a header as it is given.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn entry(name: &str, range: [usize; 2]) -> String {
    let [start, end] = range;
    format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}", (end - start) / 4)
}

fn pairs() -> Vec<u8> {
    [CHOSEN, REJECTED].concat().iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn names_and_offsets() {
    let folder = Folder::new();
    let [chosen, rejected] = NAMES;
    let check = |entries: &[String], words: &[&str]| {
        let file = folder.write("a.safetensors", file(&format!("{{{}}}", entries.join(",")), &pairs()));
        if words.is_empty() { holds_pairs(&file, &[]) } else { refuses(&file, &[], words) }
    };
    let metadata = "\"__metadata__\":{\"a\":\"b\"}".to_owned();
    check(&[metadata.clone(), entry(rejected, [12, 24]), entry(chosen, [0, 12])], &[]);
    let twice = "two tensors are named policy_chosen_logps";
    check(&[entry(chosen, [0, 12]), entry(rejected, [12, 24]), entry(chosen, [0, 12])], &[twice]);
    check(&[entry(chosen, [0, 12]), entry(chosen, [12, 24]), entry(rejected, [0, 12])], &[twice]);
    check(&[metadata.clone(), metadata, entry(chosen, [0, 24])], &["two tensors are named __metadata__"]);
    let texts = "\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}".to_owned();
    check(&[texts, entry(chosen, [0, 12]), entry(rejected, [12, 24])], &["two texts are named a"]);
    let inside = entry(chosen, [0, 12]).replace("\"shape\"", "\"dtype\":\"I32\",\"shape\"");
    check(&[inside, entry(rejected, [12, 24])], &["duplicate field"]);
    // Overlaps, gaps, and bytes that belong to nobody.
    check(&[entry(chosen, [0, 12]), entry(rejected, [8, 20])], &["corrupt"]);
    check(&[entry(chosen, [0, 8]), entry(rejected, [12, 24])], &["corrupt"]);
    check(&[entry(chosen, [0, 8]), entry(rejected, [8, 16])], &["16 bytes by its header, and 24 are there"]);
    check(&[entry(chosen, [0, 12]), entry(rejected, [12, 28])], &["28 bytes by its header, and 24 are there"]);
}

#[test]
fn headers_have_a_limit() {
    let folder = Folder::new();
    for length in [25_u64, 16 << 20, (16 << 20) + 1, 100_000_000, u64::MAX, 1 << 63] {
        let bytes = [&length.to_le_bytes()[..], &[b' '; 24]].concat();
        let words = [&format!("a header of {length} bytes")[..], "24 follow it, and 16777216 are the most"];
        refuses(&folder.write("a.safetensors", bytes), &[], &words);
    }
    let deep = file(&"{\"a\":".repeat(100_000), b"");
    refuses(&folder.write("a.safetensors", deep), &[], &["corrupt"]);
}

#[test]
fn types_that_are_no_numbers() {
    let folder = Folder::new();
    for (dtype, width) in [("F8_E4M3", 1), ("F8_E5M2", 1), ("BOOL", 1), ("C64", 8)] {
        let entry = |name, start: usize| {
            let end = start + 3 * width;
            format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[3],\"data_offsets\":[{start},{end}]}}")
        };
        let header = format!("{{{},{}}}", entry(NAMES[0], 0), entry(NAMES[1], 3 * width));
        let file = folder.write("a.safetensors", file(&header, &vec![0; 6 * width]));
        refuses_by_name(&file, &[], &["column policy_chosen_logps holds", "numbers are needed"]);
    }
}

/// A file larger than what may be mapped, most of it a hole, is read window by window.
#[cfg(target_os = "linux")]
#[test]
fn files_larger_than_the_address_space() {
    const HOLE: usize = 8 << 30;
    let folder = Folder::new();
    let path = folder.path("large.safetensors");
    let end = HOLE + 24;
    let header = [entry("hole", [0, HOLE]), entry(NAMES[0], [HOLE, HOLE + 12]), entry(NAMES[1], [HOLE + 12, end])];
    let header = format!("{{{}}}", header.join(","));
    let mut large = File::create(&path).unwrap();
    large.write_all(&file(&header, b"")).unwrap();
    large.seek(SeekFrom::Current(HOLE as i64)).unwrap();
    large.write_all(&pairs()).unwrap();
    drop(large);
    let limited = |arguments: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -v 1000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_preflane")]).args(arguments);
        command
    };
    let arguments =
        ["score".as_ref(), path.as_os_str(), "--reference-free".as_ref(), "--threads".as_ref(), "1".as_ref()];
    let got = json(&mut limited(&arguments));
    assert_eq!(f32_of(&got["logps/chosen"]), CHOSEN.iter().sum::<f32>() / 3.0);
    // Logits beside a hole: two sequences of two positions, a vocabulary of two.
    let logits = format!(
        "\"logits\":{{\"dtype\":\"F32\",\"shape\":[2,2,2],\"data_offsets\":[{HOLE},{}]}},\
         \"labels\":{{\"dtype\":\"I64\",\"shape\":[2,2],\"data_offsets\":[{},{}]}}",
        HOLE + 32,
        HOLE + 32,
        HOLE + 64
    );
    let mut large = File::create(&path).unwrap();
    large.write_all(&file(&format!("{{{},{logits}}}", entry("hole", [0, HOLE])), b"")).unwrap();
    large.seek(SeekFrom::Current(HOLE as i64)).unwrap();
    large.write_all(&[0; 64]).unwrap();
    drop(large);
    let out = folder.path("out.csv");
    let arguments =
        ["logps".as_ref(), path.as_os_str(), "--out".as_ref(), out.as_os_str(), "--threads".as_ref(), "1".as_ref()];
    succeeds(&mut limited(&arguments));
    // The labels are 0, the logits too: each of the tokens that count has the log-probability ln 1/2.
    assert_eq!(read_back(&out)["sequence_logps"], [-std::f32::consts::LN_2; 2]);
    fs::remove_file(path).unwrap();
}
