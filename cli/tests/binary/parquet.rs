//! Parquet: what its annotations mean, and what a file says of itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{
    BrotliLevel, Compression, ConvertedType, DecimalType, Encoding, LogicalType, Repetition, TimeType, TimeUnit, Type,
};
use ::parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96,
    Int96Type,
};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type as Schema, TypePtr};
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, LargeListArray, ListArray, RecordBatch, StructArray};

use super::common::*;
use super::*;

/// A column's type, without a name.
struct Kind {
    physical: Type,
    logical: Option<LogicalType>,
    converted: ConvertedType,
    length: i32,
    decimal: (i32, i32),
}

impl Kind {
    fn logical(physical: Type, logical: LogicalType) -> Self {
        Self { logical: Some(logical), ..Self::converted(physical, ConvertedType::NONE) }
    }

    fn converted(physical: Type, converted: ConvertedType) -> Self {
        Self { physical, logical: None, converted, length: -1, decimal: (-1, -1) }
    }

    fn decimal(physical: Type, precision: i32, scale: i32, is_old: bool) -> Self {
        let logical = (!is_old).then_some(LogicalType::Decimal(DecimalType { scale, precision }));
        let converted = if is_old { ConvertedType::DECIMAL } else { ConvertedType::NONE };
        Self { logical, decimal: (precision, scale), ..Self::converted(physical, converted) }
    }

    fn length(self, length: i32) -> Self {
        Self { length, ..self }
    }

    fn named(&self, name: &str) -> TypePtr {
        let column = Schema::primitive_type_builder(name, self.physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(self.logical.clone())
            .with_converted_type(self.converted)
            .with_length(self.length)
            .with_precision(self.decimal.0)
            .with_scale(self.decimal.1);
        Arc::new(column.build().unwrap())
    }
}

/// A file whose two columns are one, of a type and with some values.
fn two<T: DataType>(folder: &Folder, kind: &Kind, values: &[T::T], properties: WriterProperties) -> PathBuf {
    let path = folder.path("two.parquet");
    let columns = NAMES.map(|name| kind.named(name)).to_vec();
    let schema = Schema::group_type_builder("pairs").with_fields(columns).build().unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        column.typed::<T>().write_batch(values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    path
}

fn plain<T: DataType>(folder: &Folder, kind: &Kind, values: &[T::T]) -> PathBuf {
    two::<T>(folder, kind, values, WriterProperties::default())
}

/// A batch in a file.
fn arrow(folder: &Folder, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> PathBuf {
    let path = folder.path("arrow.parquet");
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

#[test]
fn integers_have_the_sign_and_width_of_either_annotation() {
    let folder = Folder::new();
    let values =
        [(8, true, ConvertedType::INT_8), (16, true, ConvertedType::INT_16), (32, true, ConvertedType::INT_32)];
    for (width, signed, old) in values {
        for kind in [Kind::logical(Type::INT32, LogicalType::integer(width, signed)), Kind::converted(Type::INT32, old)]
        {
            assert_eq!(chosen(&plain::<Int32Type>(&folder, &kind, &[-7]), &[]), -7.0);
        }
    }
    let values =
        [(8, 200, ConvertedType::UINT_8), (16, 60_000, ConvertedType::UINT_16), (32, -1, ConvertedType::UINT_32)];
    for (width, value, old) in values {
        for kind in [Kind::logical(Type::INT32, LogicalType::integer(width, false)), Kind::converted(Type::INT32, old)]
        {
            let file = plain::<Int32Type>(&folder, &kind, &[value]);
            assert_eq!(chosen(&file, &[]), value as u32 as f32, "{width} bits");
        }
    }
    for kind in [
        Kind::logical(Type::INT64, LogicalType::integer(64, false)),
        Kind::converted(Type::INT64, ConvertedType::UINT_64),
    ] {
        let file = plain::<Int64Type>(&folder, &kind, &[-2]);
        assert_eq!(chosen(&file, &[]), (u64::MAX - 1) as f32);
    }
    let none = Kind::converted(Type::INT64, ConvertedType::NONE);
    assert_eq!(chosen(&plain::<Int64Type>(&folder, &none, &[-2]), &[]), -2.0);
}

#[test]
fn decimals_are_exact_and_rounded_once() {
    let folder = Folder::new();
    // Just above the middle of 1 and the next f32, as decimals.rs has it for text: an f64 on the way ends in the middle, and
    // then in 1.
    let long = -1_000_000_059_604_644_775_390_625_000_000_001_i128;
    assert_eq!((long as f64 / 1e33) as f32, -1.0);
    for is_old in [false, true] {
        let decimal = |physical, precision, scale| Kind::decimal(physical, precision, scale, is_old);
        let file = plain::<Int32Type>(&folder, &decimal(Type::INT32, 9, 4), &[-125_000]);
        assert_eq!(chosen(&file, &[]), -12.5);
        let file = plain::<Int64Type>(&folder, &decimal(Type::INT64, 18, 17), &[-100_000_005_960_464_478]);
        assert_eq!(chosen(&file, &[]), -1.000_000_1);
        let file = plain::<FixedLenByteArrayType>(
            &folder,
            &decimal(Type::FIXED_LEN_BYTE_ARRAY, 38, 33).length(16),
            &[long.to_be_bytes().to_vec().into()],
        );
        assert_eq!(chosen(&file, &[]), -1.000_000_1);
        let mut wide = vec![255; 32];
        wide[16..].copy_from_slice(&long.to_be_bytes());
        let kind = decimal(Type::FIXED_LEN_BYTE_ARRAY, 76, 33).length(32);
        let file = plain::<FixedLenByteArrayType>(&folder, &kind, &[wide.into()]);
        assert_eq!(chosen(&file, &[]), -1.000_000_1);
        // The bytes of a whole number, as few as it takes.
        let file = plain::<ByteArrayType>(&folder, &decimal(Type::BYTE_ARRAY, 5, 1), &[vec![0x83].into()]);
        assert_eq!(chosen(&file, &[]), -12.5);
        let file =
            plain::<ByteArrayType>(&folder, &decimal(Type::BYTE_ARRAY, 38, 33), &[long.to_be_bytes().to_vec().into()]);
        assert_eq!(chosen(&file, &[]), -1.000_000_1);
        let kind = decimal(Type::FIXED_LEN_BYTE_ARRAY, 90, 2).length(40);
        let file = plain::<FixedLenByteArrayType>(&folder, &kind, &[vec![0; 40].into()]);
        refuses_by_name(&file, &[], &["column policy_chosen_logps holds decimals of more than 76 digits"]);
    }
}

#[test]
fn all_that_is_no_number_is_refused_by_name() {
    use LogicalType::{Bson, Date, Enum, Json, String, Uuid};
    let folder = Folder::new();
    let of = |file: PathBuf, what: &str| {
        refuses_by_name(&file, &[], &[&format!("column policy_chosen_logps holds {what};"), "numbers are needed"]);
    };
    let time = |unit| LogicalType::Time(TimeType { is_adjusted_to_u_t_c: true, unit });
    let stamp = |unit| LogicalType::timestamp(false, unit);
    for (kind, what) in [
        (Kind::logical(Type::INT32, Date), "dates"),
        (Kind::converted(Type::INT32, ConvertedType::DATE), "dates"),
        (Kind::logical(Type::INT32, time(TimeUnit::MILLIS)), "times of day"),
        (Kind::converted(Type::INT32, ConvertedType::TIME_MILLIS), "times of day"),
    ] {
        of(plain::<Int32Type>(&folder, &kind, &[1]), what);
    }
    for (kind, what) in [
        (Kind::logical(Type::INT64, time(TimeUnit::MICROS)), "times of day"),
        (Kind::logical(Type::INT64, time(TimeUnit::NANOS)), "times of day"),
        (Kind::converted(Type::INT64, ConvertedType::TIME_MICROS), "times of day"),
        (Kind::logical(Type::INT64, stamp(TimeUnit::MILLIS)), "timestamps"),
        (Kind::logical(Type::INT64, stamp(TimeUnit::MICROS)), "timestamps"),
        (Kind::logical(Type::INT64, stamp(TimeUnit::NANOS)), "timestamps"),
        (Kind::converted(Type::INT64, ConvertedType::TIMESTAMP_MILLIS), "timestamps"),
        (Kind::converted(Type::INT64, ConvertedType::TIMESTAMP_MICROS), "timestamps"),
    ] {
        of(plain::<Int64Type>(&folder, &kind, &[1]), what);
    }
    for (kind, what) in [
        (Kind::logical(Type::BYTE_ARRAY, String), "text"),
        (Kind::converted(Type::BYTE_ARRAY, ConvertedType::UTF8), "text"),
        (Kind::logical(Type::BYTE_ARRAY, Json), "JSON"),
        (Kind::converted(Type::BYTE_ARRAY, ConvertedType::JSON), "JSON"),
        (Kind::logical(Type::BYTE_ARRAY, Bson), "BSON"),
        (Kind::converted(Type::BYTE_ARRAY, ConvertedType::BSON), "BSON"),
        (Kind::logical(Type::BYTE_ARRAY, Enum), "names of an enumeration"),
        (Kind::converted(Type::BYTE_ARRAY, ConvertedType::ENUM), "names of an enumeration"),
        (Kind::logical(Type::BYTE_ARRAY, LogicalType::geometry(None)), "geometries"),
        (Kind::logical(Type::BYTE_ARRAY, LogicalType::geography(None, None)), "geographies"),
        (Kind::converted(Type::BYTE_ARRAY, ConvertedType::NONE), "bytes"),
    ] {
        of(plain::<ByteArrayType>(&folder, &kind, &[vec![49].into()]), what);
    }
    for (kind, what, length) in [
        (Kind::logical(Type::FIXED_LEN_BYTE_ARRAY, Uuid).length(16), "UUIDs", 16),
        (Kind::converted(Type::FIXED_LEN_BYTE_ARRAY, ConvertedType::INTERVAL).length(12), "intervals", 12),
        (Kind::converted(Type::FIXED_LEN_BYTE_ARRAY, ConvertedType::NONE).length(2), "bytes", 2),
    ] {
        of(plain::<FixedLenByteArrayType>(&folder, &kind, &[vec![0; length].into()]), what);
    }
    of(plain::<BoolType>(&folder, &Kind::converted(Type::BOOLEAN, ConvertedType::NONE), &[true]), "booleans");
    let stamp = Int96::from(vec![0, 0, 2_440_588]);
    of(plain::<Int96Type>(&folder, &Kind::converted(Type::INT96, ConvertedType::NONE), &[stamp]), "timestamps");
    // A duration is a plain integer for Parquet, and one for Arrow by what Arrow writes beside.
    let duration: ArrayRef = Arc::new(arrow_array::DurationSecondArray::from(vec![1]));
    let columns = NAMES.map(|name| (name, Arc::clone(&duration))).to_vec();
    of(arrow(&folder, columns, WriterProperties::default()), "durations");
}

#[test]
fn floats_in_every_encoding() {
    let folder = Folder::new();
    let halves = CHOSEN.map(|x| half::f16::from_f32(x).to_le_bytes().to_vec().into());
    let kind = Kind::logical(Type::FIXED_LEN_BYTE_ARRAY, LogicalType::Float16).length(2);
    let mean = CHOSEN.iter().sum::<f32>() / 3.0;
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = || WriterProperties::builder().set_writer_version(version);
        let file = two::<FixedLenByteArrayType>(&folder, &kind, &halves, properties().build());
        assert_eq!(chosen(&file, &[]), mean);
        for encoding in [Encoding::BYTE_STREAM_SPLIT, Encoding::PLAIN] {
            let properties = || properties().set_dictionary_enabled(false).set_encoding(encoding);
            let float = Kind::converted(Type::FLOAT, ConvertedType::NONE);
            assert_eq!(chosen(&two::<FloatType>(&folder, &float, &CHOSEN, properties().build()), &[]), mean);
            let double = Kind::converted(Type::DOUBLE, ConvertedType::NONE);
            let wide = CHOSEN.map(f64::from);
            assert_eq!(chosen(&two::<DoubleType>(&folder, &double, &wide, properties().build()), &[]), mean);
            let file = two::<FixedLenByteArrayType>(&folder, &kind, &halves, properties().build());
            assert_eq!(chosen(&file, &[]), mean);
        }
        let delta = properties().set_dictionary_enabled(false).set_encoding(Encoding::DELTA_BINARY_PACKED).build();
        let long = Kind::converted(Type::INT64, ConvertedType::NONE);
        assert_eq!(chosen(&two::<Int64Type>(&folder, &long, &[-7, -8, -9], delta), &[]), -8.0);
        let delta = properties().set_dictionary_enabled(false).set_encoding(Encoding::DELTA_BYTE_ARRAY).build();
        assert_eq!(chosen(&two::<FixedLenByteArrayType>(&folder, &kind, &halves, delta), &[]), mean);
    }
}

#[test]
fn compression() {
    let folder = Folder::new();
    let float = Kind::converted(Type::FLOAT, ConvertedType::NONE);
    let mean = CHOSEN.iter().sum::<f32>() / 3.0;
    for compression in [
        Compression::BROTLI(BrotliLevel::default()),
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::SNAPPY,
    ] {
        let properties = WriterProperties::builder().set_compression(compression).build();
        assert_eq!(chosen(&two::<FloatType>(&folder, &float, &CHOSEN, properties), &[]), mean, "{compression:?}");
    }
    // The rows are not there: what a column is compressed by stands in the footer.
    let file = plain::<FloatType>(&folder, &float, &CHOSEN);
    let metadata = SerializedFileReader::new(File::open(&file).unwrap()).unwrap().metadata().clone();
    let mut group = metadata.row_group(0).clone().into_builder();
    let lzo = |column: &ColumnChunkMetaData| column.clone().into_builder().set_compression(Compression::LZO).build();
    let columns = metadata.row_group(0).columns().iter().map(|column| lzo(column).unwrap()).collect();
    group = group.set_column_metadata(columns);
    let metadata = ParquetMetaDataBuilder::new(metadata.file_metadata().clone())
        .set_row_groups(vec![group.build().unwrap()])
        .build();
    let mut bytes = b"PAR1".to_vec();
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    let file = folder.write("lzo.parquet", &bytes);
    refuses_by_name(&file, &[], &["column policy_chosen_logps is compressed by LZO, which is not read"]);
    // The codec of that number is not there.
    let changed: Vec<u8> = replace(&bytes, &[0x15, 2 * 3], &[0x15, 2 * 9]);
    let file = folder.write("unknown.parquet", changed);
    refuses_by_name(&file, &[], &["is compressed by method 9, which is not read"]);
}

/// All bytes of one kind as others.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn encrypted_files() {
    let folder = Folder::new();
    let file = plain::<FloatType>(&folder, &Kind::converted(Type::FLOAT, ConvertedType::NONE), &CHOSEN);
    let bytes = fs::read(file).unwrap();
    let mut whole = bytes.clone();
    whole.splice(bytes.len() - 4.., *b"PARE");
    refuses_by_name(&folder.write("whole.parquet", &whole), &[], &["is encrypted"]);
    // The footer in the open: its field 8 names the algorithm, the first of a union, a struct without fields.
    let field = [0x0c, 2 * 8, 0x1c, 0, 0];
    let mut parts = bytes[..bytes.len() - 9].to_vec();
    parts.extend(field);
    parts.push(0);
    let length = u32::from_le_bytes(*bytes[..bytes.len() - 4].last_chunk().unwrap()) + field.len() as u32;
    parts.extend(length.to_le_bytes());
    parts.extend(b"PAR1");
    refuses_by_name(&folder.write("parts.parquet", &parts), &[], &["is encrypted"]);
}

#[test]
fn checksums_of_pages() {
    let bytes = fs::read(data("checksums.parquet")).unwrap();
    assert_eq!(chosen(&data("checksums.parquet"), &[]), CHOSEN.iter().sum::<f32>() / 3.0);
    // Not compressed: this changes a number and nothing else.
    let number = bytes.windows(4).position(|x| x == CHOSEN[0].to_le_bytes()).unwrap();
    let folder = Folder::new();
    for bit in 0..32 {
        let mut bytes = bytes.clone();
        bytes[number + bit / 8] ^= 1 << (bit % 8);
        refuses(&folder.write("changed.parquet", bytes), &[], &["corrupt", "checksum"]);
    }
}

/// The three pairs as lists of two tokens, and a null before them if asked for.
fn lists(values: [f32; 3], null: bool) -> impl Iterator<Item = Option<Vec<Option<f32>>>> {
    values.into_iter().map(move |x| {
        let tokens = [None, Some(x - 1.0), Some(1.0)];
        Some(tokens[usize::from(!null)..].to_vec())
    })
}

#[test]
fn lists_of_tokens() {
    let folder = Folder::new();
    type Lists = fn([f32; 3]) -> ArrayRef;
    let kinds: [Lists; 4] = [
        |values| Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists(values, false))),
        |values| Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists(values, true))),
        |values| Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(lists(values, true))),
        |values| Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(lists(values, true), 3)),
    ];
    for kind in kinds {
        let columns = || NAMES.into_iter().zip([kind(CHOSEN), kind(REJECTED)]).collect::<Vec<_>>();
        let file = arrow(&folder, columns(), WriterProperties::default());
        holds_pairs(&file, &["--tokens", "sum"]);
        assert_eq!(chosen(&file, &["--tokens", "mean"]), CHOSEN.iter().sum::<f32>() / 6.0);
        refuses_by_name(&file, &[], &["column policy_chosen_logps holds lists; --tokens sum adds up", "--tokens mean"]);
        // In a struct.
        let inner: StructArray = RecordBatch::try_from_iter(columns()).unwrap().into();
        let file = arrow(&folder, vec![("s", Arc::new(inner) as ArrayRef)], WriterProperties::default());
        let names = ["--policy-chosen", "s.policy_chosen_logps", "--policy-rejected", "s.policy_rejected_logps"];
        holds_pairs(&file, &[&["--tokens", "sum"], &names[..]].concat());
        refuses_by_name(&file, &[], &["columns there: s.policy_chosen_logps, s.policy_rejected_logps"]);
    }
}

/// Lists as writers of old made them: a repeated column, or one in a group that is marked as a list.
#[test]
fn lists_of_two_levels() {
    let folder = Folder::new();
    let column = |name: &str, repetition| {
        let column = Schema::primitive_type_builder(name, Type::FLOAT).with_repetition(repetition);
        Arc::new(column.build().unwrap())
    };
    for is_marked in [false, true] {
        let field = |name: &str| {
            if !is_marked {
                return column(name, Repetition::REPEATED);
            }
            let group = Schema::group_type_builder(name).with_repetition(Repetition::REQUIRED);
            let group = group.with_converted_type(ConvertedType::LIST);
            Arc::new(group.with_fields(vec![column("array", Repetition::REPEATED)]).build().unwrap())
        };
        let schema = Schema::group_type_builder("pairs").with_fields(NAMES.map(field).to_vec()).build().unwrap();
        let path = folder.path("two.parquet");
        let mut writer =
            SerializedFileWriter::new(File::create(&path).unwrap(), Arc::new(schema), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for values in [CHOSEN, REJECTED] {
            let mut column = group.next_column().unwrap().unwrap();
            let tokens: Vec<f32> = values.iter().flat_map(|&x| [x - 1.0, 1.0]).collect();
            let levels = [0, 1, 0, 1, 0, 1];
            column.typed::<FloatType>().write_batch(&tokens, Some(&[1; 6]), Some(&levels)).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        holds_pairs(&path, &["--tokens", "sum"]);
        refuses_by_name(&path, &[], &["holds lists; --tokens"]);
    }
}

#[test]
fn nulls() {
    let folder = Folder::new();
    let gap: ArrayRef = Arc::new(Float32Array::from(vec![Some(-1.0), None, Some(-3.0)]));
    let file = arrow(&folder, NAMES.map(|name| (name, Arc::clone(&gap))).to_vec(), WriterProperties::default());
    refuses(&file, &[], &["row 2, column policy_chosen_logps: no value", "--nulls"]);
    assert_eq!(chosen(&file, &["--nulls", "skip"]), -2.0);
    assert_eq!(json(score().arg(&file).args(["--reference-free", "--nulls", "nan"]))["nonfinite"], 1);
    // A list that is missing, and an inner one.
    let lists = [Some(vec![Some(-1.0)]), None, Some(vec![Some(-1.0), None])];
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
    let columns = |lists: ArrayRef| NAMES.map(|name| (name, Arc::clone(&lists))).to_vec();
    let file = arrow(&folder, columns(lists.slice(0, 2)), WriterProperties::default());
    refuses(&file, &["--tokens", "sum"], &["row 2, column policy_chosen_logps: no value"]);
    assert_eq!(chosen(&file, &["--tokens", "sum", "--nulls", "skip"]), -1.0);
    let file = arrow(&folder, columns(lists), WriterProperties::default());
    refuses(&file, &["--tokens", "sum"], &["row 3, column policy_chosen_logps: null at position 1"]);
}

/// Row groups of any size make one data set, in order.
#[test]
fn row_groups() {
    let folder = Folder::new();
    let values: ArrayRef = Arc::new(Float32Array::from_iter_values((0..70_001).map(|i| -(i as f32))));
    let columns = || NAMES.map(|name| (name, Arc::clone(&values))).to_vec();
    let scored = |file: &Path| {
        let out = folder.path("out.csv");
        succeeds(score().arg(file).args(["--reference-free", "--out"]).arg(&out));
        fs::read(out).unwrap()
    };
    let one = scored(&arrow(&folder, columns(), WriterProperties::default()));
    for rows in [65_536, 7001] {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build();
        assert!(scored(&arrow(&folder, columns(), properties)) == one, "{rows}");
    }
}
