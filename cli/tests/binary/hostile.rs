//! Damaged and hostile files: an answer or one line, in little memory and time.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use preflane_cli::input::{self, Chunk, Kind, Reading, Tokens, Wanted};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::common::*;
use super::*;

/// Small files of each format, with names that tell what is in them.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = data("small");
    let mut files: Vec<_> = (fs::read_dir(&folder).unwrap())
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert_eq!(files.len(), 8);
    files
}

/// All rows of a file, or none where it is refused. Nothing else may happen.
fn rows(path: &Path) -> Option<usize> {
    rows_of(path, &NAMES.map(|name| Wanted::number(name, "")))
}

/// All rows of some columns.
fn rows_of(path: &Path, wanted: &[Wanted]) -> Option<usize> {
    let reading = Reading { tokens: Some(Tokens::Sum), ..Reading::default() };
    let one_line = |failure: preflane_cli::failure::Failure| {
        let line = failure.to_string();
        assert!(!line.is_empty() && !line.contains('\n') && line.len() < 2000, "{line}");
    };
    let mut reader = input::open(path, wanted, &reading).map_err(one_line).ok()?;
    let (mut chunk, mut rows) = (Chunk::default(), 0);
    loop {
        reader.read(&mut chunk).map_err(one_line).ok()?;
        if chunk.rows() == 0 {
            return Some(rows);
        }
        rows += chunk.rows();
        assert!(chunk.columns.iter().all(|column| column.len() == chunk.rows()));
        assert!(chunk.offsets.last().is_none_or(|&end| end == chunk.rows()) && chunk.offsets.is_sorted());
        assert!(rows < 1 << 20, "more rows than such a file can hold");
    }
}

#[test]
fn files_cut_off_at_every_byte() {
    input::quiet_hook();
    let folder = Folder::new();
    for (name, bytes) in files() {
        let path = folder.path(&name);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(rows(&path), Some(3), "{name}");
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert_eq!(rows(&path), None, "{name} with {length} bytes");
        }
    }
}

#[test]
fn files_with_bits_flipped() {
    input::quiet_hook();
    let folder = Folder::new();
    for (name, bytes) in files() {
        let path = folder.path(&name);
        for at in 0..bytes.len() {
            let flip = if at % 3 == 0 { 0xff } else { 1 << (at % 8) };
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            fs::write(&path, bytes).unwrap();
            rows(&path);
        }
    }
}

/// Files with labels, groups and lists beside numbers.
fn files_of_answers(folder: &Folder) -> Vec<std::path::PathBuf> {
    let mut lists = ListBuilder::new(Float64Builder::new());
    for answers in [3, 1, 2] {
        lists.append_value((0..answers).map(|i| Some(-1.5 - f64::from(i))));
    }
    let columns: [(&str, ArrayRef); 5] = [
        ("x", Arc::new(Float64Array::from(vec![-1.5, -2.5, -3.5]))),
        ("label", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("text", Arc::new(StringArray::from(vec!["true", "rejected", "1"]))),
        ("group", Arc::new(StringArray::from(vec!["a", "a", "b"]))),
        ("list", Arc::new(lists.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let (arrow, parquet) = (folder.path("a.arrow"), folder.path("a.parquet"));
    let mut writer = FileWriter::try_new(fs::File::create(&arrow).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let file = fs::File::create(&parquet).unwrap();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let tensor = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let bytes: Vec<u8> = [-1.5_f32, -2.5, -3.5, -4.5, -5.5, -6.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors = [
        ("x", tensor(Dtype::F32, &[3], &bytes[..12])),
        ("label", tensor(Dtype::BOOL, &[3], &[1, 0, 1])),
        ("text", tensor(Dtype::U8, &[3], &[1, 0, 1])),
        ("group", tensor(Dtype::I32, &[3], &[7, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0])),
        ("list", tensor(Dtype::F32, &[3, 2], &bytes)),
    ];
    vec![arrow, parquet, folder.write("a.safetensors", safetensors::serialize(tensors, None).unwrap())]
}

#[test]
fn labels_groups_and_lists_cut_off_or_with_bits_flipped() {
    input::quiet_hook();
    let folder = Folder::new();
    let of = |name: &str, kind| Wanted { name: name.to_owned(), remedy: "", kind };
    let all = [
        [of("x", Kind::Number), of("label", Kind::Label)],
        [of("x", Kind::Number), of("text", Kind::Label)],
        [of("x", Kind::Number), of("group", Kind::Group)],
        [of("list", Kind::Answers), of("x", Kind::Number)],
    ];
    for path in files_of_answers(&folder) {
        let bytes = fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            all.each_ref().map(|wanted| rows_of(&path, wanted))
        };
        assert_eq!(read(&bytes), [Some(3), Some(3), Some(3), Some(6)], "{}", path.display());
        for length in (0..bytes.len()).step_by(7) {
            assert_eq!(read(&bytes[..length]), [None; 4], "{} with {length} bytes", path.display());
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= if at % 3 == 0 { 0xff } else { 1 << (at % 8) };
            read(&bytes);
        }
    }
}

/// Sizes that are not so, where they are declared; with little memory each is refused, and none aborts.
#[cfg(target_os = "linux")]
#[test]
fn sizes_that_cannot_be() {
    let folder = Folder::new();
    let files = files();
    let bytes = |name: &str| files.iter().find(|(other, _)| other == name).unwrap().1.clone();
    let mut hostile: Vec<(&str, Vec<u8>)> = Vec::new();
    // The length of a Parquet file's footer.
    for length in [u32::MAX, 1 << 30, 1 << 24] {
        let mut file = bytes("plain.parquet");
        let at = file.len() - 8;
        file[at..at + 4].copy_from_slice(&length.to_le_bytes());
        hostile.push(("a.parquet", file));
    }
    // A schema of a billion columns, and one nested a hundred thousand times.
    hostile.push(("b.parquet", parquet(&[&[0x15, 2, 0x19, 0xfc], &varint(1 << 30)[..]].concat())));
    let group = [0x48, 1, b'a', 0x15, 2, 0];
    let deep = [&[0x15, 2, 0x19, 0xfc][..], &varint(100_000), &group.repeat(100_000), &[0]].concat();
    hostile.push(("c.parquet", parquet(&deep)));
    // The size of a page when it is no longer compressed: 2 GiB.
    let file = bytes("zstd.parquet");
    let page = 4;
    assert_eq!(file[page..page + 3], [0x15, 0, 0x15].map(|x: u8| x), "a page that is no dictionary comes first");
    let size = varint_length(&file[page + 3..]);
    let mut large = file.clone();
    large.splice(page + 3..page + 3 + size, varint((i32::MAX as u64) * 2));
    hostile.push(("d.parquet", with_larger_chunks(&file, large)));
    // The length of a header of numpy, as version 2 has it.
    let mut file = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    file.extend([b' '; 100]);
    hostile.push(("e.npy", file));
    hostile.push(("f.npy", [b"\x93NUMPY\x01\x00\x10\x27", &b"(".repeat(10_000)[..]].concat()));
    // More rows than there are bytes for.
    let header = "{'descr': [('policy_chosen_logps', '<f4'), ('policy_rejected_logps', '<f4')], \
                  'fortran_order': False, 'shape': (4611686018427387904,)}";
    let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    hostile.push(("g.npy", head));
    // Lengths of Arrow's messages, and the size of a buffer when it is no longer compressed.
    for length in [u32::MAX - 1, 1 << 30] {
        let mut file = bytes("stream.arrow");
        file[4..8].copy_from_slice(&length.to_le_bytes());
        hostile.push(("h.arrow", file));
    }
    let file = bytes("lz4.feather");
    let place = file.windows(8).rposition(|x| x == 12_u64.to_le_bytes()).expect("three floats, compressed");
    for size in [1 << 32, 1 << 40, i64::MAX] {
        let mut file = file.clone();
        file[place..place + 8].copy_from_slice(&i64::to_le_bytes(size));
        hostile.push(("i.feather", file));
    }
    for (name, bytes) in hostile {
        let path = folder.write(name, bytes);
        let mut command = std::process::Command::new("sh");
        let script = "ulimit -v 600000; exec \"$@\"";
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_preflane"), "score", "--reference-free"]).arg(&path);
        let line = refused(&mut command);
        assert!(line.contains(name), "{line}");
    }
}

/// The changed bytes of a file, with a footer by which its columns take a little more room.
fn with_larger_chunks(file: &[u8], mut changed: Vec<u8>) -> Vec<u8> {
    let metadata = SerializedFileReader::new(bytes::Bytes::copy_from_slice(file)).unwrap().metadata().clone();
    let longer = |column: &ColumnChunkMetaData| {
        column.clone().into_builder().set_total_compressed_size(column.compressed_size() + 4).build().unwrap()
    };
    let group = metadata.row_group(0).clone();
    let columns = group.columns().iter().map(longer).collect();
    let group = group.into_builder().set_column_metadata(columns).build().unwrap();
    let metadata = ParquetMetaDataBuilder::new(metadata.file_metadata().clone()).set_row_groups(vec![group]).build();
    let footer = u32::from_le_bytes(*file[..file.len() - 4].last_chunk().unwrap()) as usize + 8;
    changed.truncate(changed.len() - footer);
    ParquetMetaDataWriter::new(&mut changed, &metadata).finish().unwrap();
    changed
}

/// A file that is nothing but a footer.
fn parquet(footer: &[u8]) -> Vec<u8> {
    [b"PAR1", footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// An unsigned integer as Thrift writes it.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn varint_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| byte & 128 == 0).unwrap() + 1
}
