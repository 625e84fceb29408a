//! Files are read by all threads, and nothing shows it: reports, outputs and errors are those of one thread.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::*;
use parquet::basic::{Compression, Repetition, Type, ZstdLevel};
use parquet::data_type::FloatType;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type as Schema;

const NAMES: [&str; 5] =
    ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps", "weight"];
const THREADS: [&str; 4] = ["1", "2", "3", "7"];
/// Rows of a chunk.
const CHUNK: usize = 32_768;
/// More than three chunks.
const ROWS: usize = 3 * CHUNK + 9_000;

/// The numbers of a row, exact in decimals.
fn row(index: usize) -> [f32; 5] {
    let part = |factor: usize, of: usize| (index * factor % of) as f32 / -8.0;
    [part(37, 4999), part(91, 5003), part(37, 4993), part(91, 4999), (index % 3) as f32 / 2.0]
}

/// CSV with a column of quoted text before the numbers, in two lines: whole rows are not whole lines.
fn csv(rows: impl Iterator<Item = String>) -> String {
    format!("prompt,{}\n{}", NAMES.join(","), rows.collect::<String>())
}

fn record(index: usize) -> String {
    let numbers = row(index).map(|number| number.to_string()).join(",");
    format!("\"say \"\"{index}\"\",\n{}\",{numbers}\n", "x".repeat(index % 40))
}

fn object(index: usize) -> String {
    let members: Vec<_> = NAMES.iter().zip(row(index)).map(|(name, number)| format!("\"{name}\": {number}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// A Parquet file with groups of so many rows, in many small pages.
fn parquet(path: &Path, groups: &[usize], compression: Compression, row: impl Fn(usize) -> [f32; 5]) {
    let column = |name| Schema::primitive_type_builder(name, Type::FLOAT).with_repetition(Repetition::REQUIRED);
    let fields = NAMES.map(|name| Arc::new(column(name).build().unwrap())).to_vec();
    let schema = Schema::group_type_builder("schema").with_fields(fields).build().unwrap();
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_data_page_row_count_limit(1000)
        .set_write_batch_size(500)
        .build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut first = 0;
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        for column in 0..NAMES.len() {
            let values: Vec<_> = (first..first + rows).map(|index| row(index)[column]).collect();
            let mut next = group.next_column().unwrap().unwrap();
            next.typed::<FloatType>().write_batch(&values, None, None).unwrap();
            next.close().unwrap();
        }
        group.close().unwrap();
        first += rows;
    }
    writer.close().unwrap();
}

/// What is printed, as text and as JSON, and what is written.
fn all_of(file: &Path, threads: &str, folder: &Folder) -> (String, String, Vec<u8>) {
    let out = folder.path("out.csv");
    let with = |option: &str| {
        let mut command = score();
        command.arg(file).args(["--weights", "weight", "--threads", threads]);
        if !option.is_empty() {
            command.arg(option);
        }
        command
    };
    let text = succeeds(with("").arg("--out").arg(&out));
    (text, succeeds(&mut with("--json")), fs::read(out).unwrap())
}

#[test]
fn bytes_are_those_of_one_thread() {
    let folder = Folder::new();
    let array = format!("[{}]", (0..ROWS).map(object).collect::<Vec<_>>().join(",\n"));
    let mut files = vec![
        folder.write("a.csv", csv((0..ROWS).map(record))),
        folder.write("a.jsonl", (0..ROWS).map(|index| object(index) + "\n").collect::<String>()),
        folder.write("a.json", array),
    ];
    let zstd = Compression::ZSTD(ZstdLevel::default());
    // Groups that are smaller and larger than a chunk, one without a row among them and one at the end; and one group of all.
    let many = [70_000, 0, 1, 30_000, ROWS - 100_001, 0];
    for (name, groups, compression) in [
        ("plain", &many[..], Compression::UNCOMPRESSED),
        ("snappy", &many, Compression::SNAPPY),
        ("zstd", &many, zstd),
        ("one", &[ROWS], Compression::SNAPPY),
    ] {
        files.push(folder.path(&format!("{name}.parquet")));
        parquet(files.last().unwrap(), groups, compression, row);
    }
    let mut first = None;
    for file in files {
        for threads in THREADS {
            let got = all_of(&file, threads, &folder);
            assert!(got.1.contains(&format!("\"pairs\": {ROWS}")), "{}", got.1);
            assert!(*first.get_or_insert_with(|| got.clone()) == got, "{} with {threads} threads", file.display());
        }
    }
}

/// Without lines or with them, the error is that of the first bad row, whatever comes behind it, and nothing is written.
#[track_caller]
fn refuses_first(file: &PathBuf, words: &[&str]) {
    for threads in THREADS {
        complains(score().arg(file).args(["--weights", "weight", "--threads", threads]), words);
    }
}

/// Where rows of the third chunk and of later ones are bad, and in other ways.
const BAD: usize = 2 * CHUNK + 1_234;

#[test]
fn the_first_bad_row_is_the_one_to_hear_of() {
    let folder = Folder::new();
    // What is behind it is found earlier: a quote is, when rows are gathered, which are parsed only then; a weight last of all.
    let spoilt = |index: usize, bad: usize, bads: &str| match index {
        _ if index == bad => bads.to_owned(),
        _ if index == 3 * CHUNK + 5 => "6\" tall,-1,-1,-1,-1,1\n".to_owned(),
        _ => record(index),
    };
    let line = |index: usize| format!("line {}, ", 2 * index + 2);
    for (bad, text, what) in [
        (BAD, "x,-1,-1,y,-1,1\n", "column ref_chosen_logps: \"y\" is not a number"),
        (BAD, "x,-1,-1,-1,-1,-2\n", "column weight: -2.0; a weight must be"),
        // The last row of a chunk and the first of the next.
        (2 * CHUNK - 1, "x,-1,-1,-1,-1,-2\n", "column weight: -2.0; a weight must be"),
        (2 * CHUNK, "x,-1,,-1,-1,-2\n", "column policy_rejected_logps: no value"),
    ] {
        let file = folder.write("a.csv", csv((0..ROWS).map(|index| spoilt(index, bad, text))));
        refuses_first(&file, &[&line(bad), what]);
    }
    let file = folder.write("a.csv", csv((0..ROWS).map(|index| spoilt(index, usize::MAX, ""))));
    refuses_first(&file, &[&line(3 * CHUNK + 5).replace(", ", ": "), "a quote stands inside"]);

    let spoilt = |index: usize| match index {
        BAD => object(index).replace("\"weight\": ", "\"weight\": -3"),
        _ if index == BAD + 10 => "{]".to_owned(),
        _ if index == 3 * CHUNK + 5 => "7".to_owned(),
        _ => object(index),
    };
    let objects: Vec<_> = (0..ROWS).map(spoilt).collect();
    let weight = "column weight: -3";
    refuses_first(&folder.write("a.jsonl", objects.join("\n")), &[&format!("line {}", BAD + 1), weight]);
    refuses_first(&folder.write("a.json", format!("[{}]", objects.join(","))), &[&format!("row {}", BAD + 1), weight]);
}

#[test]
fn a_bad_row_in_front_of_bytes_that_are_corrupt() {
    let folder = Folder::new();
    let path = folder.path("a.parquet");
    let bad = |index: usize| if index == BAD { [-1.0, -1.0, -1.0, -1.0, -2.0] } else { row(index) };
    let corrupt = |name: &str, row: &dyn Fn(usize) -> [f32; 5]| {
        parquet(&path, &[CHUNK, CHUNK, CHUNK, ROWS - 3 * CHUNK], Compression::SNAPPY, row);
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // The last group's second and fourth column.
        for column in [1, 3] {
            let (start, length) = reader.metadata().row_group(3).column(column).byte_range();
            bytes[start as usize..(start + length) as usize].fill(0xff);
        }
        folder.write(name, bytes)
    };
    refuses_first(&corrupt("bad.parquet", &bad), &[&format!("row {}, column weight: -2.0", BAD + 1)]);
    refuses_first(&corrupt("good.parquet", &row), &["corrupt or cut off"]);
}

/// A field of some MiB goes on from one read to the next, and a record may begin as the last of a chunk.
#[test]
fn fields_that_span_what_is_read_at_once() {
    let folder = Folder::new();
    let long = |index: usize| match index {
        3 | 32_767 | 32_768 => format!("\"{}\"", "a \"\"line\"\",\n".repeat(300_000)),
        _ => format!("\"{index}\""),
    };
    let numbers = |index: usize| row(index).map(|number| number.to_string()).join(",");
    let rows = CHUNK + 100;
    let plain = folder.write("plain.csv", csv((0..rows).map(|index| format!("{index},{}\n", numbers(index)))));
    let spanning = csv((0..rows).map(|index| format!("{},{}\n", long(index), numbers(index))));
    // In the third long field, at the end of a line: at half of a doubled quote that would be its end.
    let cut = spanning[..spanning.len() - 700_000].rfind('\n').unwrap();
    let file = folder.write("spanning.csv", &spanning);
    let expected = all_of(&plain, "1", &folder);
    for threads in THREADS {
        assert!(all_of(&file, threads, &folder) == expected, "{threads} threads");
    }
    refuses_first(
        &folder.write("cut.csv", &spanning[..cut]),
        &["the quote that opens here is not closed before the file ends"],
    );
}

/// A file may end anywhere: in the midst of what is decompressed, of an array, of a line.
#[test]
fn files_that_end_early() {
    let folder = Folder::new();
    let text: String = (0..ROWS).map(|index| object(index) + "\n").collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let cut = compressed.len() - 1000;
    refuses_first(&folder.write("a.jsonl.gz", &compressed[..cut]), &["cut off: its gzip data stops"]);
    let array = format!("[{}", text.trim_end().replace('\n', ",\n"));
    refuses_first(&folder.write("a.json", &array), &["cut off: the array has no end"]);
    let cut = text.len() - 30;
    refuses_first(&folder.write("a.jsonl", &text[..cut]), &[&format!("line {ROWS}"), "cut off at the end of the line"]);
    // Where no row is incomplete, nothing is: a note says so.
    let whole = csv((0..ROWS).map(record));
    let file = folder.write("a.csv", whole.trim_end());
    let report = all_of(&file, "1", &folder);
    assert!(report.0.contains("has no end"), "{}", report.0);
    for threads in THREADS {
        assert!(all_of(&file, threads, &folder) == report, "{threads} threads");
    }
}
