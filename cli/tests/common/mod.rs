//! What the tests of the command share: running it, its data, and reading files back by the formats' own crates.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use preflane::losses::{Description, LOSSES, Parameter, Shape};

pub const FORMATS: [&str; 5] = ["jsonl", "csv", "parquet", "npz", "safetensors"];
pub const OUT_COLUMNS: [&str; 6] =
    ["loss", "chosen_rewards", "rejected_rewards", "margins", "grad_chosen_logps", "grad_rejected_logps"];

pub type Columns = BTreeMap<String, Vec<f32>>;

/// A file of the real data: 300 pairs.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn expected() -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(data("expected.json")).unwrap()).unwrap()
}

/// Losses of a training batch in order, which no file is.
pub const OF_BATCHES: [&str; 2] = ["aot", "aot_unpaired"];

/// The losses of pairs that `score` evaluates.
pub fn pair_losses() -> impl Iterator<Item = &'static Description> {
    LOSSES.iter().copied().filter(|loss| loss.shape == Shape::Pairwise && !OF_BATCHES.contains(&loss.name))
}

/// The real data of a loss. Of pairs in that format, with the column that the loss takes beside log-probabilities: its grid's numbers in
/// turn.
pub fn data_of(loss: &Description, format: &str, folder: &Folder) -> PathBuf {
    match (loss.shape, loss.column) {
        (Shape::Labelled, _) => data("labelled.jsonl"),
        (Shape::Listed, _) => data("lists.jsonl"),
        (_, None) => data(&format!("pairs.{format}")),
        (_, Some(column)) => {
            let path = folder.path(&format!("{}.{format}", column.name));
            if !path.exists() {
                write_columns(&path, format, &with_column(&column, &fs::read_to_string(data("pairs.csv")).unwrap()));
            }
            path
        }
    }
}

/// Text in CSV with one column more, of the column's grid in turn.
pub fn csv_with(column: &Parameter, text: &str) -> String {
    csv_and(column.name, column.grid, text)
}

/// Text in CSV with one column more, of these values in turn.
pub fn csv_and(name: &str, values: &[f64], text: &str) -> String {
    let (header, rows) = text.split_once('\n').unwrap();
    let rows = rows.lines().zip(values.iter().cycle()).map(|(row, value)| format!("{row},{value}\n"));
    format!("{header},{name}\n{}", rows.collect::<String>())
}

/// The columns of log-probabilities of CSV, and one more.
fn with_column(column: &Parameter, text: &str) -> Vec<(String, Vec<f32>)> {
    let text = csv_with(column, text);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let wanted = |name: &str| name.ends_with("logps") || name == column.name;
    let of = |at: usize| rows.iter().map(|row| row[at].parse().unwrap()).collect();
    names.into_iter().enumerate().filter(|(_, name)| wanted(name)).map(|(at, name)| (name, of(at))).collect()
}

/// Writes a file by the format's own crate.
fn write_columns(path: &Path, format: &str, columns: &[(String, Vec<f32>)]) {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let rows = columns[0].1.len();
    let mut text = String::new();
    match format {
        "csv" => {
            text += &columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
            for row in 0..rows {
                text.push('\n');
                text += &columns.iter().map(|(_, values)| values[row].to_string()).collect::<Vec<_>>().join(",");
            }
            fs::write(path, text + "\n").unwrap();
        }
        "jsonl" => {
            for row in 0..rows {
                let fields = columns.iter().map(|(name, values)| format!("\"{name}\": {:?}", values[row]));
                writeln!(text, "{{{}}}", fields.collect::<Vec<_>>().join(", ")).unwrap();
            }
            fs::write(path, text).unwrap();
        }
        "parquet" => {
            let array = |values: &[f32]| std::sync::Arc::new(arrow_array::Float32Array::from(values.to_vec()));
            let arrays = columns.iter().map(|(name, values)| (name, array(values) as arrow_array::ArrayRef));
            let batch = arrow_array::RecordBatch::try_from_iter(arrays).unwrap();
            let file = File::create(path).unwrap();
            let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        }
        "npz" => {
            use npyz::WriterBuilder;
            let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
            for (name, values) in columns {
                zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
                let mut bytes = Vec::new();
                let options = npyz::WriteOptions::new().default_dtype().shape(&[rows as u64]);
                let mut array = options.writer(&mut bytes).begin_nd().unwrap();
                array.extend(values.iter().copied()).unwrap();
                array.finish().unwrap();
                zip.write_all(&bytes).unwrap();
            }
            zip.finish().unwrap();
        }
        "safetensors" => {
            let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            let columns: Vec<_> = columns.iter().map(|(name, values)| (name, bytes(values))).collect();
            let view =
                |bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![rows], bytes).unwrap();
            let views = columns.iter().map(|(name, bytes)| (name, view(bytes)));
            fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
        }
        other => panic!("no format {other}"),
    }
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    /// All names in it, hidden ones too.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// `preflane score`, in an environment without preferences.
pub fn score() -> Command {
    preflane("score")
}

/// `preflane logps`, likewise.
pub fn logps() -> Command {
    preflane("logps")
}

/// `preflane stress`, likewise.
pub fn stress() -> Command {
    preflane("stress")
}

pub fn preflane(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preflane"));
    command.arg(name);
    for name in ["PREFLANE_LEVEL", "NO_COLOR", "CLICOLOR_FORCE", "RAYON_NUM_THREADS"] {
        command.env_remove(name);
    }
    command
}

/// Standard output of a run that must succeed.
#[track_caller]
pub fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success() && stderr.is_empty(), "{command:?}: {status}, {stderr}");
    String::from_utf8(stdout).unwrap()
}

/// The one line of a run that must be refused.
#[track_caller]
pub fn refused(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{command:?}: {stderr}");
    assert!(stdout.is_empty(), "{command:?} wrote to standard output");
    let line = stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{command:?}: no line end: {stderr:?}"));
    assert!(!line.contains('\n'), "{command:?}: more than one line: {stderr}");
    line.strip_prefix("preflane: ").unwrap_or_else(|| panic!("{command:?}: {stderr}")).to_owned()
}

/// That the command, told to write a file, refuses in a line that has all of these words, and leaves nothing behind.
#[track_caller]
pub fn complains(command: &mut Command, words: &[&str]) {
    let folder = Folder::new();
    let line = refused(command.arg("--out").arg(folder.path("out.csv")));
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    assert!(folder.names().is_empty(), "left behind: {:?}", folder.names());
}

/// The JSON object of a run that must succeed.
#[track_caller]
pub fn json(command: &mut Command) -> serde_json::Map<String, serde_json::Value> {
    let text = succeeds(command.arg("--json"));
    let got: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    // Of keys that stand twice parsers take either.
    let keys = text.lines().filter(|line| line.starts_with("  \"")).count();
    assert_eq!(keys, got.len(), "{text}");
    got
}

/// A number of the JSON output as the `f32` that it is the shortest form of.
#[track_caller]
pub fn f32_of(value: &serde_json::Value) -> f32 {
    match value {
        serde_json::Value::Number(number) => number.to_string().parse().unwrap(),
        serde_json::Value::String(text) => text.parse().unwrap(),
        other => panic!("not a number: {other}"),
    }
}

/// How many floats `a` is away from `b`.
pub fn ulps(a: f32, b: f32) -> u64 {
    let order = |x: f32| i64::from(x.abs().to_bits()) * if x.is_sign_negative() { -1 } else { 1 };
    order(a).abs_diff(order(b))
}

/// Reads all columns of numbers; small integers are the same as floats.
pub fn read_back(path: &Path) -> Columns {
    match path.extension().unwrap().to_str().unwrap() {
        "jsonl" => read_jsonl(path),
        "csv" => read_csv(path),
        "parquet" => read_parquet(path),
        "npz" => read_npz(path),
        "safetensors" => read_safetensors(path),
        other => panic!("{other}"),
    }
}

fn read_jsonl(path: &Path) -> Columns {
    let mut columns = Columns::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for (name, value) in row {
            columns.entry(name).or_default().push(f32_of(&value));
        }
    }
    columns
}

fn read_csv(path: &Path) -> Columns {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names = reader.headers().unwrap().clone();
    let mut columns = Columns::new();
    for record in reader.records() {
        for (name, field) in names.iter().zip(record.unwrap().iter()) {
            columns.entry(name.to_owned()).or_default().push(field.parse().unwrap());
        }
    }
    columns
}

fn read_parquet(path: &Path) -> Columns {
    let mut columns = Columns::new();
    for row in SerializedFileReader::new(File::open(path).unwrap()).unwrap().get_row_iter(None).unwrap() {
        for (name, field) in row.unwrap().into_columns() {
            let value = match field {
                Field::Float(value) => value,
                Field::Long(value) => value as f32,
                other => panic!("{name}: {other:?}"),
            };
            columns.entry(name).or_default().push(value);
        }
    }
    columns
}

fn read_npz(path: &Path) -> Columns {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let file = archive.by_index(index).unwrap();
            let name = npyz::npz::array_name_from_file_name(&file.name().unwrap()).unwrap().to_owned();
            let file = npyz::NpyFile::new(file).unwrap();
            let values = match file.dtype().descr().as_str() {
                "'<f4'" => file.into_vec().unwrap(),
                "'<i8'" => file.into_vec::<i64>().unwrap().into_iter().map(|x| x as f32).collect(),
                other => panic!("{name}: {other}"),
            };
            (name, values)
        })
        .collect()
}

fn read_safetensors(path: &Path) -> Columns {
    let bytes = fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    (tensors.iter())
        .map(|(name, tensor)| {
            let bytes = tensor.data();
            let values = match tensor.dtype() {
                safetensors::Dtype::F32 => bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect(),
                safetensors::Dtype::I64 => bytes.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x) as f32).collect(),
                other => panic!("{name}: {other}"),
            };
            (name.to_owned(), values)
        })
        .collect()
}

/// Columns with the bits of their numbers, which can be compared.
pub fn bits(columns: &Columns) -> BTreeMap<&str, Vec<u32>> {
    columns.iter().map(|(name, values)| (name.as_str(), values.iter().map(|x| x.to_bits()).collect())).collect()
}
