//! Arrow's files and streams.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{ListViewBuilder, PrimitiveDictionaryBuilder};
use arrow_array::types::{Float32Type, Int8Type};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float16Array, Float32Array, Float64Array, Int8Array,
    Int64Array, LargeListArray, ListArray, NullArray, RecordBatch, StringArray, StructArray, TimestampMillisecondArray,
    UInt32Array, UInt64Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};

use super::common::*;
use super::*;

fn batch(columns: [ArrayRef; 2]) -> RecordBatch {
    RecordBatch::try_from_iter(NAMES.into_iter().zip(columns)).unwrap()
}

/// The batches as a file and as a stream.
fn both(folder: &Folder, batches: &[RecordBatch], options: &IpcWriteOptions) -> [PathBuf; 2] {
    let (file, stream) = (folder.path("a.feather"), folder.path("b.arrow"));
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_with_options(File::create(&file).unwrap(), &schema, options.clone()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(File::create(&stream).unwrap(), &schema, options.clone()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    [file, stream]
}

fn plain(folder: &Folder, batch: &RecordBatch) -> [PathBuf; 2] {
    both(folder, std::slice::from_ref(batch), &IpcWriteOptions::default())
}

fn floats(values: [f32; 3]) -> ArrayRef {
    Arc::new(Float32Array::from(values.to_vec()))
}

fn pairs() -> RecordBatch {
    batch([floats(CHOSEN), floats(REJECTED)])
}

#[test]
fn bodies_compressed_or_not() {
    let folder = Folder::new();
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        // Batches of any size are one data set.
        let batches = [pairs().slice(0, 1), pairs().slice(1, 0), pairs().slice(1, 2)];
        for file in both(&folder, &batches, &options) {
            holds_pairs(&file, &[]);
        }
    }
}

/// Batches longer than a chunk, and shorter.
#[test]
fn many_rows() {
    let folder = Folder::new();
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let long: ArrayRef = Arc::new(Float32Array::from_iter_values((0..70_001).map(|i| -(i as f32) / 8.0)));
    let long = batch([Arc::clone(&long), long]);
    for file in both(&folder, &[long.slice(0, 66_000), long.slice(66_000, 4001)], &options) {
        let out = folder.path("out.npz");
        succeeds(score().arg(&file).args(["--reference-free", "--beta", "1", "--out"]).arg(&out));
        let rewards = &read_back(&out)["chosen_rewards"];
        assert!(rewards.iter().enumerate().all(|(row, &reward)| reward == -(row as f32) / 8.0));
        assert_eq!(rewards.len(), 70_001);
    }
}

#[test]
fn types_of_number() {
    let folder = Folder::new();
    let numbers: [(ArrayRef, f32); 9] = [
        (Arc::new(Float64Array::from(vec![-0.1])), -0.1),
        (Arc::new(Float16Array::from(vec![half::f16::from_f32(-0.1)])), half::f16::from_f32(-0.1).to_f32()),
        (Arc::new(Int8Array::from(vec![-7])), -7.0),
        (Arc::new(Int64Array::from(vec![-16_777_217])), -16_777_216.0),
        (Arc::new(UInt32Array::from(vec![4_000_000_000])), 4e9),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), u64::MAX as f32),
        (Arc::new(Decimal128Array::from(vec![-125]).with_precision_and_scale(9, 1).unwrap()), -12.5),
        (Arc::new(Decimal128Array::from(vec![-125]).with_precision_and_scale(9, -2).unwrap()), -12_500.0),
        (
            Arc::new(
                Decimal128Array::from(vec![-1_000_000_059_604_644_775_390_625_000_000_001])
                    .with_precision_and_scale(38, 33)
                    .unwrap(),
            ),
            -1.000_000_1,
        ),
    ];
    for (column, value) in numbers {
        for file in plain(&folder, &batch([Arc::clone(&column), column])) {
            assert_eq!(chosen(&file, &[]), value);
        }
    }
}

#[test]
fn dictionaries() {
    let folder = Folder::new();
    let coded = |values: &[f32]| -> ArrayRef {
        let mut builder = PrimitiveDictionaryBuilder::<Int8Type, Float32Type>::new();
        values.iter().for_each(|&value| builder.append_value(value));
        Arc::new(builder.finish())
    };
    for file in plain(&folder, &batch([coded(&CHOSEN), coded(&REJECTED)])) {
        holds_pairs(&file, &[]);
    }
    // A dictionary that grows from batch to batch.
    let mut builders = [(); 2].map(|()| PrimitiveDictionaryBuilder::<Int8Type, Float32Type>::new());
    let batches: Vec<RecordBatch> = (0..3)
        .map(|row| {
            builders[0].append_value(CHOSEN[row]);
            builders[1].append_value(REJECTED[row]);
            batch(builders.each_mut().map(|builder| Arc::new(builder.finish_preserve_values()) as ArrayRef))
        })
        .collect();
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    for file in both(&folder, &batches, &options) {
        holds_pairs(&file, &[]);
    }
}

#[test]
fn lists_structs_and_nulls() {
    let folder = Folder::new();
    let lists = |values: [f32; 3]| values.map(|x| Some(vec![None, Some(x - 1.0), Some(1.0)]));
    let list = |values| Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists(values))) as ArrayRef;
    let large = |values| Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(lists(values))) as ArrayRef;
    let view = |values| -> ArrayRef {
        let mut builder = ListViewBuilder::new(Float32Array::builder(0));
        builder.extend(lists(values));
        Arc::new(builder.finish())
    };
    for columns in [[list(CHOSEN), list(REJECTED)], [large(CHOSEN), large(REJECTED)], [view(CHOSEN), view(REJECTED)]] {
        for file in plain(&folder, &batch(columns)) {
            holds_pairs(&file, &["--tokens", "sum"]);
            assert_eq!(chosen(&file, &["--tokens", "mean"]), CHOSEN.iter().sum::<f32>() / 6.0);
            refuses_by_name(&file, &[], &["holds lists; --tokens sum adds up"]);
        }
    }
    // Part of a batch whose lists are elsewhere, in a struct that is itself missing once.
    let inner: StructArray = batch([list(CHOSEN), list(REJECTED)]).slice(1, 2).into();
    let (fields, columns, _) = inner.into_parts();
    let gap = StructArray::new(fields, columns, Some(vec![false, true].into()));
    let outer = RecordBatch::try_from_iter([("s", Arc::new(gap) as ArrayRef)]).unwrap();
    let names = ["--policy-chosen", "s.policy_chosen_logps", "--policy-rejected", "s.policy_rejected_logps"];
    for file in plain(&folder, &outer) {
        let options = [&names[..], &["--tokens", "sum"]].concat();
        refuses(&file, &options, &["row 1, column s.policy_chosen_logps: no value"]);
        assert_eq!(chosen(&file, &[&options[..], &["--nulls", "skip"]].concat()), CHOSEN[2]);
    }
    let none: ArrayRef = Arc::new(NullArray::new(3));
    for file in plain(&folder, &batch([floats(CHOSEN), none])) {
        refuses(&file, &[], &["row 1, column policy_rejected_logps: no value"]);
    }
}

#[test]
fn what_is_no_number_is_refused_by_name() {
    let folder = Folder::new();
    let columns: [(ArrayRef, &str); 4] = [
        (Arc::new(StringArray::from(vec!["1"])), "text"),
        (Arc::new(BooleanArray::from(vec![true])), "booleans"),
        (Arc::new(Date32Array::from(vec![1])), "dates"),
        (Arc::new(TimestampMillisecondArray::from(vec![1])), "timestamps"),
    ];
    for (column, what) in columns {
        for file in plain(&folder, &batch([Arc::clone(&column), column])) {
            refuses_by_name(&file, &[], &[&format!("column policy_chosen_logps holds {what};")]);
        }
    }
    refuses_by_name(&folder.write("old.feather", b"FEA1\0\0\0\0FEA1"), &[], &["Feather file of version 1"]);
    let line = refused(score().arg(data("pairs.csv")).args(["--out", "a.arrow"]));
    assert!(line.starts_with("a.arrow: ") && line.contains("not written"), "{line}");
}

#[test]
fn a_stream_has_an_end() {
    let folder = Folder::new();
    let [file, stream] = plain(&folder, &pairs());
    let bytes = fs::read(stream).unwrap();
    assert!(bytes.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    let cut = folder.write("cut.arrow", &bytes[..bytes.len() - 8]);
    refuses(&cut, &[], &["corrupt or cut off: the stream ends without the mark of its end"]);
    let twice = folder.write("twice.arrow", bytes.repeat(2));
    refuses(&twice, &[], &["more after the end of the stream"]);
    let file = fs::read(file).unwrap();
    refuses(&folder.write("cut.feather", &file[..file.len() - 1]), &[], &["corrupt or cut off"]);
}
