//! The command's readers: real files with bytes changed, cut, doubled and put in, and any bytes at all. A reader refuses in one
//! line, or gives columns of one length; where another reader of the format takes the file too, they agree.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use crate::{Choices, bits, choices};
use preflane_cli::input::{self, Chunk, Layout, Reading, Wanted};
use preflane_judge::classes::Source;
use tempfile::TempDir;

const NAMES: [&str; 4] = ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"];

/// An ending and a real file.
const FILES: [(&str, &[u8]); 5] = [
    ("csv", include_bytes!("../../cli/tests/data/pairs.csv")),
    ("jsonl", include_bytes!("../../cli/tests/data/pairs.jsonl")),
    ("npz", include_bytes!("../../cli/tests/data/pairs.npz")),
    ("parquet", include_bytes!("../../cli/tests/data/pairs.parquet")),
    ("safetensors", include_bytes!("../../cli/tests/data/pairs.safetensors")),
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
    let wanted = NAMES.map(|name| Wanted { name: name.into(), remedy: "" }).to_vec();
    Place { folder, wanted }
});

/// Of some bytes.
pub fn run(data: &[u8]) {
    let place = &*PLACE;
    let (choice, bytes) = match data {
        [choice, bytes @ ..] => (usize::from(*choice), bytes),
        [] => return,
    };
    let (ending, real) = FILES[choice % FILES.len()];
    let (file, changed) = match choice / FILES.len() % 4 {
        0 => (bytes.to_vec(), true),
        _ => change(&mut choices(bytes), real),
    };
    let path = place.folder.path().join(format!("x.{ending}"));
    fs::write(&path, &file).expect("room in the temporary folder");
    let read = read(&path, &place.wanted);
    if !changed {
        let columns = read.as_ref().expect("a real file");
        assert!(columns.iter().all(|column| column.len() == ROWS));
    }
    if let Ok(columns) = &read {
        assert_eq!(columns.len(), NAMES.len());
        assert!(columns.iter().all(|column| column.len() == columns[0].len()));
        let other = match ending {
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
fn read(path: &PathBuf, wanted: &[Wanted]) -> Result<Vec<Vec<f32>>, ()> {
    let refuse = |failure: preflane_cli::failure::Failure| check_message(&failure.to_string());
    let mut reader = input::open(path, wanted, &Reading::default()).map_err(refuse)?;
    let mut all = vec![Vec::new(); wanted.len()];
    let mut chunk = Chunk::default();
    loop {
        reader.read(&mut chunk).map_err(refuse)?;
        let progress = reader.progress();
        assert!((0.0..=1.0).contains(&progress) || progress.is_nan() || progress >= 0.0, "progress {progress}");
        if chunk.rows() == 0 {
            return Ok(all);
        }
        assert!(chunk.columns.iter().all(|column| column.len() == chunk.rows()));
        let _ = chunk.place(chunk.rows() - 1).to_string();
        for (all, column) in all.iter_mut().zip(&chunk.columns) {
            all.extend(column);
        }
        assert!(all[0].len() < 1 << 26, "more rows than such a file can hold");
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

/// Lines and commas; `None` where there are quotes, or anything that only a full reader understands.
fn csv(file: &[u8]) -> Option<Vec<Vec<f32>>> {
    let text = std::str::from_utf8(file).ok()?;
    if text.contains('"') || text.starts_with('\u{feff}') {
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
