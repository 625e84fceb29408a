//! Folders and patterns of files.

use std::fs;

use super::common::*;
use super::*;

/// Rows of `pairs.csv` as files of their own.
fn part(rows: std::ops::Range<usize>) -> String {
    let text = fs::read_to_string(data("pairs.csv")).unwrap();
    let (header, all) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = all.lines().skip(rows.start).take(rows.len()).collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

#[test]
fn part_files_are_one_data_set_in_the_order_of_their_names() {
    let folder = Folder::new();
    for name in ["set/year=2023", "set/year=2024/month=1", "set/_temporary", "set/.hidden"] {
        fs::create_dir_all(folder.path(name)).unwrap();
    }
    // As bytes, part-10 comes before part-2; a folder stands where its name does.
    folder.write("set/part-10.csv", part(0..10));
    folder.write("set/part-2.csv", part(10..100));
    folder.write("set/year=2023/b.csv", part(100..101));
    folder.write("set/year=2024/month=1/a.csv", part(101..300));
    for name in ["set/_SUCCESS", "set/_metadata", "set/.part.crc", "set/README.md", "set/state.json", "set/.a.csv"] {
        folder.write(name, "no data");
    }
    folder.write("set/_temporary/c.csv", "no data");
    folder.write("set/.hidden/c.csv", "no data");
    let out = |files: &[&str], name: &str| {
        let out = folder.path(name);
        let files = files.iter().map(|file| folder.path(file));
        let report = succeeds(score().args(files).arg("--json").arg("--out").arg(&out));
        (report, fs::read(out).unwrap())
    };
    let whole = folder.path("whole.csv");
    let report = succeeds(score().arg(data("pairs.csv")).arg("--json").arg("--out").arg(&whole));
    let whole = (report, fs::read(whole).unwrap());
    assert!(out(&["set"], "a.csv") == whole);
    assert!(out(&["set/"], "a.csv") == whole);
    assert!(out(&["set/part-*.csv", "set/year=*"], "a.csv") == whole);
    assert!(out(&["set/part-[12]*.csv", "set/**/?.csv"], "a.csv") == whole);
    // A name is meant as it stands before it is a pattern.
    folder.write("set/[12].csv", part(0..300));
    assert!(out(&["set/[12].csv"], "a.csv") == whole);
}

#[test]
fn folders_and_patterns_without_a_data_set() {
    let folder = Folder::new();
    fs::create_dir(folder.path("set")).unwrap();
    folder.write("set/README.md", "no data");
    refuses(&folder.path("set"), &[], &["set: is a directory without a file of a known ending"]);
    refuses(&folder.path("set/*.parquet"), &[], &["set/*.parquet: there is no file, and as a pattern nothing matches"]);
    refuses(&folder.path("set/[a.csv"), &[], &["set/[a.csv: is no pattern of files"]);
    folder.write("set/a.csv", part(0..3));
    folder.write("set/b.jsonl", "{}");
    refuses(&folder.path("set"), &[], &["several formats, such as a.csv and b.jsonl", "pattern"]);
    refuses(&folder.path("set/*"), &[], &["README.md: unknown ending"]);
    // All files must have the columns; this is found before the first is read.
    fs::remove_file(folder.path("set/b.jsonl")).unwrap();
    folder.write("set/c.csv", "a,b\n1,2\n");
    refuses(&folder.path("set"), &[], &["c.csv: line 1: no column policy_chosen_logps"]);
    // A pair of files of one model is no data set of columns.
    let line = refused(score().arg("--policy").arg(folder.path("set")).arg("--reference-free"));
    assert!(line.contains("set: "), "{line}");
}
