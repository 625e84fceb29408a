//! The command's readers: real files with bytes changed, cut, doubled and put in, and any bytes at all. A reader refuses in one
//! line, or gives columns of one length; where another reader of the format takes the file too, they agree.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::{Choices, bits, choices};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type};
use parquet::data_type::{Int32Type, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type as Schema;
use preflane_cli::input::{self, Chunk, Layout, Nulls, Reading, Tokens, Wanted};
use preflane_judge::classes::Source;
use tempfile::TempDir;

const NAMES: [&str; 4] = ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"];

/// An ending and a real file.
const FILES: [(&str, &[u8]); 8] = [
    ("csv", include_bytes!("../../cli/tests/data/pairs.csv")),
    ("jsonl", include_bytes!("../../cli/tests/data/pairs.jsonl")),
    ("npz", include_bytes!("../../cli/tests/data/pairs.npz")),
    ("parquet", include_bytes!("../../cli/tests/data/pairs.parquet")),
    ("safetensors", include_bytes!("../../cli/tests/data/pairs.safetensors")),
    ("arrow", include_bytes!("../../cli/tests/data/pairs.arrow")),
    ("feather", include_bytes!("../../cli/tests/data/pairs.feather")),
    ("npy", include_bytes!("../../cli/tests/data/pairs.npy")),
];

/// Rows of the real files.
const ROWS: usize = 300;

struct Place {
    folder: TempDir,
    wanted: Vec<Wanted>,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    // Panics of decoders are for the readers to turn into failures; all others end the process.
    input::quiet_hook();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wanted = NAMES.map(|name| Wanted::number(name, "")).to_vec();
    Place { folder, wanted }
});

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let place = &*PLACE;
    let (choice, bytes) = match data {
        [choice, bytes @ ..] => (usize::from(*choice), bytes),
        [] => return,
    };
    match choice {
        254 => return numpy_header(place, bytes),
        255 => return parquet_types(place, &mut choices(bytes)),
        _ => {}
    }
    let (ending, real) = FILES[choice % FILES.len()];
    let (file, changed) = match choice / FILES.len() % 4 {
        0 => (bytes.to_vec(), true),
        _ => change(&mut choices(bytes), real),
    };
    // Beyond these choices, text has twists of its own.
    let twists = choice / FILES.len() / 4;
    let (mut reading, mut changed, mut file, mut written) = (Reading::default(), changed, file, None);
    if twists > 0 && matches!(ending, "csv" | "jsonl") {
        let v = &mut choices(bytes);
        // Other choices than those of the changes.
        v.below(1 << 16);
        changed |= twist(v, &mut file);
        if twists & 1 != 0 {
            reading = options(v);
        }
        if twists & 2 != 0 {
            written = Some(compress(v, &file));
        }
    }
    let is_plain = reading_is_plain(&reading);
    let path = place.folder.path().join(format!("x.{ending}"));
    let cut = written.as_ref().is_some_and(|(_, is_cut)| *is_cut);
    fs::write(&path, written.as_ref().map_or(&file, |(bytes, _)| bytes)).expect("room in the temporary folder");
    let read = read(&path, &place.wanted, &reading);
    assert!(!cut || read.is_err(), "compressed data that are cut off are read");
    if !changed && !cut && is_plain {
        let columns = read.as_ref().expect("a real file");
        assert!(columns.iter().all(|column| column.len() == ROWS));
    }
    if let Ok(columns) = &read {
        assert_eq!(columns.len(), NAMES.len());
        assert!(columns.iter().all(|column| column.len() == columns[0].len()));
        let other = match ending {
            _ if !is_plain => None,
            "csv" => csv(&file),
            "jsonl" => json(&file),
            "safetensors" => tensors(&file),
            _ => None,
        };
        if let Some(other) = other {
            for (got, want) in columns.iter().zip(&other) {
                assert_eq!(bits(got), bits(want), "another reader of .{ending} finds other numbers");
            }
        }
    }
    if ending == "safetensors" {
        // The same bytes as sequences, which have names of their own.
        for layout in [Layout::ChosenFirst, Layout::Interleaved] {
            if let Err(failure) = input::open_sequences(&path, Some(&path), layout) {
                check_message(&failure.to_string());
            }
        }
    }
}

/// All of a file.
fn read(path: &PathBuf, wanted: &[Wanted], reading: &Reading) -> Result<Vec<Vec<f32>>, ()> {
    let refuse = |failure: preflane_cli::failure::Failure| check_message(&failure.to_string());
    let mut reader = input::open(path, wanted, reading).map_err(refuse)?;
    let mut all = vec![Vec::new(); wanted.len()];
    let mut chunk = Chunk::default();
    loop {
        reader.read(&mut chunk).map_err(refuse)?;
        let progress = reader.progress();
        assert!((0.0..=1.0).contains(&progress) || progress.is_nan() || progress >= 0.0, "progress {progress}");
        if chunk.rows() == 0 {
            for note in reader.notes() {
                check_message(&note.headline);
            }
            return Ok(all);
        }
        assert!(chunk.skipped() == 0 || reading.nulls == Nulls::Skip);
        assert!(chunk.columns.iter().all(|column| column.len() == chunk.rows()));
        let _ = chunk.place(chunk.rows() - 1).to_string();
        for (all, column) in all.iter_mut().zip(&chunk.columns) {
            all.extend(column);
        }
        assert!(all[0].len() < 1 << 26, "more rows than such a file can hold");
    }
}

/// Any bytes as the header of an array of numpy, whose parser must end.
fn numpy_header(place: &Place, header: &[u8]) {
    let length = (header.len().min(0xffff) as u16).to_le_bytes();
    let file = [b"\x93NUMPY\x01\x00", &length[..], header].concat();
    let path = place.folder.path().join("x.npy");
    fs::write(&path, &file).expect("room in the temporary folder");
    let _ = read(&path, &place.wanted, &Reading::default());
}

/// A Parquet file whose columns are whole numbers with an annotation, any one: they are read as it says, or refused.
fn parquet_types(place: &Place, v: &mut Choices<'_>) {
    let is_wide = v.below(2) == 1;
    let (precision, scale) = (1 + v.below(if is_wide { 18 } else { 9 }) as i32, v.below(10) as i32);
    let converted = [
        ConvertedType::NONE,
        ConvertedType::DECIMAL,
        ConvertedType::DATE,
        ConvertedType::TIME_MILLIS,
        ConvertedType::TIME_MICROS,
        ConvertedType::TIMESTAMP_MILLIS,
        ConvertedType::TIMESTAMP_MICROS,
        ConvertedType::UINT_8,
        ConvertedType::UINT_16,
        ConvertedType::UINT_32,
        ConvertedType::UINT_64,
        ConvertedType::INT_8,
        ConvertedType::INT_16,
        ConvertedType::INT_32,
        ConvertedType::INT_64,
    ][v.below(15)];
    let logical = match v.below(4) {
        0 => Some(LogicalType::integer(8 << v.below(4), v.below(2) == 1)),
        1 => Some(LogicalType::decimal(scale, precision)),
        2 => Some(LogicalType::Date),
        _ => None,
    };
    let converted = if logical.is_some() { ConvertedType::NONE } else { converted };
    let physical = if is_wide { Type::INT64 } else { Type::INT32 };
    let column = |name: &str| {
        Schema::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical.clone())
            .with_converted_type(converted)
            .with_precision(precision)
            .with_scale(scale)
            .build()
    };
    // What the writer itself takes for nonsense is not written.
    let Ok(columns) = NAMES.iter().map(|name| column(name).map(Arc::new)).collect::<Result<Vec<_>, _>>() else {
        return;
    };
    let schema = Schema::group_type_builder("pairs").with_fields(columns).build().expect("a group of columns");
    let values: Vec<i64> = (0..1 + v.below(8)).map(|_| v.source.word() as i64 >> v.below(64)).collect();
    let narrow: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let path = place.folder.path().join("x.parquet");
    let file = File::create(&path).expect("room in the temporary folder");
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).expect("a schema");
    let mut group = writer.next_row_group().expect("a row group");
    while let Some(mut column) = group.next_column().expect("a column") {
        if is_wide {
            column.typed::<Int64Type>().write_batch(&values, None, None).expect("numbers");
        } else {
            column.typed::<Int32Type>().write_batch(&narrow, None, None).expect("numbers");
        }
        column.close().expect("the end of a column");
    }
    group.close().expect("the end of a row group");
    writer.close().expect("the end of a file");
    let unsigned = match (&logical, converted) {
        (Some(LogicalType::Integer(integer)), _) => Some(!integer.is_signed),
        (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL | ConvertedType::NONE) => Some(false),
        (Some(_), _) => None,
        (None, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64) => {
            Some(true)
        }
        (None, ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64) => {
            Some(false)
        }
        _ => None,
    };
    let is_decimal =
        matches!((&logical, converted), (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL));
    let width = match (&logical, converted) {
        (Some(LogicalType::Integer(integer)), _) => integer.bit_width.into(),
        (None, ConvertedType::UINT_8 | ConvertedType::INT_8) => 8,
        (None, ConvertedType::UINT_16 | ConvertedType::INT_16) => 16,
        _ if is_wide => 64,
        _ => 32,
    };
    let wanted = |&value: &i64| {
        let value = i128::from(if is_wide { value } else { i64::from(value as i32) });
        let value = match unsigned {
            Some(true) => value & ((1 << width) - 1),
            _ => value << (128 - width) >> (128 - width),
        };
        let decimals = if is_decimal { scale } else { 0 };
        format!("{value}e-{decimals}").parse::<f32>().expect("a number")
    };
    match (read(&path, &place.wanted, &Reading::default()), unsigned) {
        (Ok(columns), Some(_)) => {
            let wanted: Vec<f32> = values.iter().map(wanted).collect();
            assert!(columns.iter().all(|column| bits(column) == bits(&wanted)), "{logical:?} {converted}");
        }
        (Ok(_), None) => panic!("{logical:?} {converted} is no number"),
        (Err(()), Some(_)) => panic!("{logical:?} {converted} is a number"),
        (Err(()), None) => {}
    }
}

fn check_message(message: &str) {
    assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    assert!(message.len() < 4096, "a message of {} bytes", message.len());
}

/// A real file with some changes; whether there are any.
fn change(v: &mut Choices<'_>, real: &[u8]) -> (Vec<u8>, bool) {
    let mut file = real.to_vec();
    for _ in 0..v.below(6) {
        let n = file.len().max(1);
        // Ends hold headers and directories: half of the changes go there.
        let near = v.below(256);
        let at = match v.below(4) {
            0 => near.min(n - 1),
            1 => n - 1 - near.min(n - 1),
            _ => (usize::from(v.source.byte()) << 16 | v.below(1 << 16)) % n,
        };
        if file.is_empty() {
            break;
        }
        match v.below(6) {
            0 => file[at] ^= 1 << v.below(8),
            1 => file[at] = v.source.byte(),
            2 => file.truncate(at),
            3 => {
                let piece: Vec<u8> = file[at..].iter().take(1 + v.below(64)).copied().collect();
                file.splice(at..at, piece);
            }
            4 => {
                let end = file.len().min(at + 1 + v.below(16));
                file.drain(at..end);
            }
            _ => {
                let word = v.source.word().to_le_bytes();
                for (to, byte) in file[at..].iter_mut().zip(word) {
                    *to = byte;
                }
            }
        }
    }
    let changed = file != real;
    (file, changed)
}

/// What people and tools write into text files.
const PIECES: [&str; 34] = [
    "\"",
    "\"\"",
    "\\\"",
    " \"",
    "\"x\"",
    "\"x",
    ",\"\n",
    "\n",
    "\r",
    "\r\n",
    "\t",
    ";",
    ",",
    "|",
    "#",
    "# ",
    "sep=;\n",
    "-12,5",
    "NA",
    "null",
    "NaN",
    "-Infinity",
    "nan",
    "\"nan\"",
    "\"-1.5\"",
    "[null, -1.5, -2]",
    "[",
    "]",
    "{",
    "}",
    ":",
    "{\"a\": NaN}",
    "\u{feff}",
    "\0",
];

/// Puts some pieces into a text, or an array around it; whether it did.
fn twist(v: &mut Choices<'_>, file: &mut Vec<u8>) -> bool {
    let before = file.clone();
    if v.below(4) == 0 {
        let lines = file.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        *file = [b"[".to_vec(), lines.collect::<Vec<_>>().join(&b",\n"[..]), b"]".to_vec()].concat();
    }
    for _ in 0..v.below(4) {
        let piece = PIECES[v.below(PIECES.len())].as_bytes();
        // Half of them where they make the header or the first rows.
        let near = if v.below(2) == 0 { 512 } else { 1 << 16 };
        let at = v.below(near) % (file.len() + 1);
        // In the place of what stands there up to a comma, or before it.
        let end = match v.below(2) {
            0 => file[at..].iter().position(|byte| b",\n}".contains(byte)).map_or(at, |length| at + length),
            _ => at,
        };
        file.splice(at..end, piece.iter().copied());
    }
    *file != before
}

/// Ways to read text.
fn options(v: &mut Choices<'_>) -> Reading {
    Reading {
        nulls: [Nulls::Error, Nulls::Nan, Nulls::Skip][v.below(3)],
        tokens: [None, Some(Tokens::Sum), Some(Tokens::Mean)][v.below(3)],
        delimiter: [None, Some(b';'), Some(b'\t'), Some(b' '), Some(b'|')][v.below(5)],
        decimal_comma: v.below(4) == 0,
        number_strings: v.below(2) == 0,
        ..Reading::default()
    }
}

/// Whether another reader would read the same.
fn reading_is_plain(reading: &Reading) -> bool {
    reading.nulls == Nulls::Error
        && reading.tokens.is_none()
        && reading.delimiter.is_none()
        && !reading.decimal_comma
        && !reading.number_strings
}

/// A file compressed, perhaps in two members, and perhaps cut off.
fn compress(v: &mut Choices<'_>, file: &[u8]) -> (Vec<u8>, bool) {
    let middle = if v.below(2) == 0 { v.below(1 << 16) % (file.len() + 1) } else { file.len() };
    let is_gzip = v.below(2) == 0;
    let member = |bytes: &[u8]| {
        let mut written = Vec::new();
        if is_gzip {
            let mut encoder = flate2::write::GzEncoder::new(&mut written, flate2::Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.try_finish()).expect("memory takes it");
        } else {
            written = zstd::encode_all(bytes, 1).expect("memory takes it");
        }
        written
    };
    let (first, second) = file.split_at(middle);
    let mut written = member(first);
    if !second.is_empty() {
        let start = written.len();
        written.extend(member(second));
        if v.below(2) == 0 {
            // Not between the two, where nothing is missing that could be noticed.
            written.truncate(start + 1 + v.below(1 << 16) % (written.len() - start - 1));
            return (written, true);
        }
    }
    (written, false)
}

/// Lines and commas; `None` where there are quotes, or anything that only a full reader understands.
fn csv(file: &[u8]) -> Option<Vec<Vec<f32>>> {
    let text = std::str::from_utf8(file).ok()?;
    let has_lone_return = text.as_bytes().windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
    if text.contains(['"', '\0']) || text.starts_with(['\u{feff}', '#']) || has_lone_return {
        return None;
    }
    let mut lines = text.split('\n').map(str::trim_ascii).filter(|line| !line.is_empty());
    let header: Vec<&str> = lines.next()?.split(',').map(str::trim_ascii).collect();
    let places: Vec<usize> = NAMES.iter().map(|name| header.iter().position(|n| n == name)).collect::<Option<_>>()?;
    let mut columns = vec![Vec::new(); NAMES.len()];
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        for (column, &place) in columns.iter_mut().zip(&places) {
            column.push(fields.get(place)?.trim_ascii().parse().ok()?);
        }
    }
    Some(columns)
}

/// Each line as a whole tree of values; `None` where a number is no plain one.
fn json(file: &[u8]) -> Option<Vec<Vec<f32>>> {
    let mut columns = vec![Vec::new(); NAMES.len()];
    for line in file.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let object: serde_json::Value = serde_json::from_slice(line).ok()?;
        for (column, name) in columns.iter_mut().zip(NAMES) {
            // Shortest decimals of an f32 are the same by way of f64, but for those made longer.
            let number = object.get(name)?.as_f64()?;
            if number != 0.0 && f64::from(number as f32) != number && number.to_string().len() > 14 {
                return None;
            }
            column.push(number as f32);
        }
    }
    Some(columns)
}

/// The format's own reader.
fn tensors(file: &[u8]) -> Option<Vec<Vec<f32>>> {
    let all = safetensors::SafeTensors::deserialize(file).ok()?;
    let column = |name: &&str| {
        let tensor = all.tensor(name).ok()?;
        if tensor.dtype() != safetensors::Dtype::F32 {
            return None;
        }
        Some(tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
    };
    NAMES.iter().map(column).collect()
}
