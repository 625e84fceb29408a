//! Apache Parquet, row group by row group.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Fields, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema_by_columns};
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::{ColumnDescriptor, Type};
use rayon::prelude::*;

use super::arrays::{self, Batches, LISTS_AT_A_TIME, Named};
use super::thrift::{Compact, LIST, STRUCT};
use super::{
    CHUNK_ROWS, Chunk, ColumnReader, Kind as Wants, Reading, Wanted, corrupt, guard, memory, open_binary, wrong_type,
};
use crate::failure::Failure;
use crate::provenance::Metadata;

/// The longest description of a file's contents that is read.
const LONGEST_FOOTER: u64 = 64 << 20;
/// The deepest nesting of columns.
const DEEPEST_SCHEMA: usize = 64;
/// What is read at once for a page's header: few are longer.
const HEADER: usize = 512;
/// The largest page, when it is no longer compressed.
const LARGEST_PAGE: i64 = 256 << 20;

/// A Parquet file.
pub struct Parquet {
    path: PathBuf,
    metadata: Arc<ParquetMetaData>,
    /// The wanted columns, each once, in the order of the file.
    columns: Vec<Column>,
    batches: Batches,
    /// Whether every wanted column holds integers.
    integers: bool,
    rows: u64,
    read: u64,
}

/// One column of values, row group by row group. Columns stand apart in a file: each is decoded by itself, whether the file has one row
/// group or many.
struct Column {
    path: PathBuf,
    levels: FieldLevels,
    group: Group,
    rows_at_a_time: usize,
    next_group: usize,
    reader: Option<ParquetRecordBatchReader>,
    left_in_group: u64,
}

impl Parquet {
    /// Finds the columns in the file's schema.
    pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Self, Failure> {
        let (mut file, size) = open_binary(path)?;
        let metadata = metadata(path, &mut file, size)?;
        let mut leaves = Vec::new();
        for wanted in wanted {
            leaves.extend(leaf(path, &metadata, wanted, reading)?);
        }
        let schema = metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied());
        check_types(path, &metadata, mask, wanted, reading)?;
        let has_lists = leaves.iter().any(|&leaf| schema.column(leaf).max_rep_level() > 0);
        // Labels and groups are no log-probabilities, whatever their type.
        let is_other = |wanted: &Wanted| matches!(wanted.kind, Wants::Label | Wants::Group);
        let mut columns = leaves.iter().zip(wanted);
        let integers = columns.all(|(&leaf, wanted)| is_other(wanted) || is_integer(&schema.column(leaf)));
        let rows = rows(path, &metadata)?;
        let (pages, metadata) = (Arc::new(Pages { file: Arc::new(file), size }), Arc::new(metadata));
        leaves.sort_unstable();
        leaves.dedup();
        let columns = leaves.into_iter().map(|leaf| {
            let schema = metadata.file_metadata().schema_descr();
            let levels = parquet_to_arrow_field_levels(schema, ProjectionMask::leaves(schema, [leaf]), None);
            Ok(Column {
                path: path.to_owned(),
                levels: levels.map_err(|e| not_known(path, &e))?,
                group: Group { pages: Arc::clone(&pages), metadata: Arc::clone(&metadata), index: 0 },
                rows_at_a_time: if has_lists { LISTS_AT_A_TIME } else { CHUNK_ROWS },
                next_group: 0,
                reader: None,
                left_in_group: 0,
            })
        });
        Ok(Self {
            path: path.to_owned(),
            columns: columns.collect::<Result<_, Failure>>()?,
            metadata,
            batches: Batches::new(path, wanted, reading.tokens),
            integers,
            rows,
            read: 0,
        })
    }
}

impl Column {
    /// The rows that follow, all of one row group; none at the file's end.
    fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        loop {
            let path = &self.path;
            let batch = match &mut self.reader {
                Some(reader) => reader.next().transpose().map_err(|e| corrupt(path, e))?,
                None => None,
            };
            match batch {
                Some(batch) => {
                    let left = self.left_in_group.checked_sub(batch.num_rows() as u64);
                    let more = || corrupt(path, "a row group has more rows than the file tells");
                    self.left_in_group = left.ok_or_else(more)?;
                    return Ok(Some(batch));
                }
                None if self.left_in_group > 0 => return Err(corrupt(path, "a row group ends early")),
                None if self.next_group == self.group.metadata.num_row_groups() => return Ok(None),
                None => {
                    self.group.index = self.next_group;
                    self.left_in_group = self.group.group().num_rows().max(0) as u64;
                    let rows = usize::try_from(self.left_in_group).unwrap_or(usize::MAX);
                    let rows = self.rows_at_a_time.min(rows).max(1);
                    let reader =
                        ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &self.group, rows, None);
                    self.reader = Some(reader.map_err(|e| corrupt(path, e))?);
                    self.next_group += 1;
                }
            }
        }
    }
}

impl ColumnReader for Parquet {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Self { path, columns, batches, .. } = self;
        let next = || beside(path, guard::side_by_side(path, columns.par_iter_mut(), Column::next)?);
        self.read += batches.fill(chunk, next)? as u64;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn metadata(&self) -> Vec<Metadata> {
        let pairs = self.metadata.file_metadata().key_value_metadata().into_iter().flatten();
        let entries = pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)));
        vec![Metadata::new(&self.path, entries)]
    }

    fn is_all_integers(&self) -> bool {
        self.integers
    }
}

/// The same rows of several columns as one batch.
fn beside(path: &Path, columns: Vec<Option<RecordBatch>>) -> Result<Option<RecordBatch>, Failure> {
    let Some(batches) = columns.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let fields: Fields = batches.iter().flat_map(|batch| batch.schema_ref().fields().iter().cloned()).collect();
    let arrays = batches.iter().flat_map(|batch| batch.columns().iter().cloned()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map(Some).map_err(|e| corrupt(path, e))
}

/// Whether a column's numbers are integers; decimals are stored as such.
fn is_integer(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Physical::INT32 | Physical::INT64)
        && matches!(column.logical_type_ref(), None | Some(LogicalType::Integer(_)))
        && column.converted_type() != ConvertedType::DECIMAL
}

/// The file's description of itself, looked over before it is believed.
fn metadata(path: &Path, file: &mut File, size: u64) -> Result<ParquetMetaData, Failure> {
    let cannot_read = |e| Failure::of_file(path, format!("cannot be read: {e}"));
    let Some(before_tail) = size.checked_sub(8) else {
        return Err(corrupt(path, "shorter than a Parquet file can be"));
    };
    let mut tail = [0; 8];
    file.seek(SeekFrom::Start(before_tail)).and_then(|_| file.read_exact(&mut tail)).map_err(cannot_read)?;
    match &tail[4..] {
        b"PAR1" => {}
        b"PARE" => return Err(encrypted(path)),
        _ => return Err(corrupt(path, "it does not end as a Parquet file does, with PAR1")),
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if length > LONGEST_FOOTER || length > before_tail {
        return Err(corrupt(path, format!("a footer of {length} bytes")));
    }
    // Decoded, it takes more: the smallest entries become the largest structures.
    memory::check(path, 256 * length)?;
    let mut footer = vec![0; length as usize];
    file.seek(SeekFrom::Start(before_tail - length)).and_then(|_| file.read_exact(&mut footer)).map_err(cannot_read)?;
    if look_over(&footer).map_err(|e| corrupt(path, e))? == Secrecy::Encrypted {
        return Err(encrypted(path));
    }
    ParquetMetaDataReader::decode_metadata(&footer).map_err(|e| not_known(path, &e))
}

fn encrypted(path: &Path) -> Failure {
    Failure::of_file(path, "is encrypted, wholly or in part; encrypted Parquet files are not read")
}

/// What the decoder of the footer could not understand.
fn not_known(path: &Path, error: &ParquetError) -> Failure {
    let text = error.to_string();
    match text.split_once("Unexpected CompressionCodec ") {
        Some((_, codec)) => Failure::of_file(
            path,
            format!("is compressed by method {codec}, which is not read (snappy, zstd, lz4, gzip and brotli are)"),
        ),
        None if text.contains("Unexpected ") => {
            Failure::of_file(path, format!("holds what this version cannot read: {text}"))
        }
        None => corrupt(path, error),
    }
}

/// Whether a file has encrypted parts.
#[derive(PartialEq, Eq)]
enum Secrecy {
    Open,
    Encrypted,
}

/// Goes over a footer: whatever is nested too deeply for a decoder that recurses is an error.
fn look_over(footer: &[u8]) -> std::io::Result<Secrecy> {
    const SCHEMA: i64 = 2;
    const ENCRYPTION: i64 = 8;
    let mut secrecy = Secrecy::Open;
    let mut thrift = Compact(footer);
    let mut last = 0;
    while let Some((field, kind)) = thrift.field(&mut last)? {
        match (field, kind) {
            (SCHEMA, LIST) => check_depth(&mut thrift)?,
            (ENCRYPTION, _) => {
                secrecy = Secrecy::Encrypted;
                thrift.skip(kind)?;
            }
            _ => thrift.skip(kind)?,
        }
    }
    Ok(secrecy)
}

/// That the columns of a schema are not nested too deeply. They stand in a row, each followed by those that it contains.
fn check_depth(thrift: &mut Compact<&[u8]>) -> std::io::Result<()> {
    const CHILDREN: i64 = 5;
    let (kind, length) = thrift.list()?;
    // How many are still to come at each depth.
    let mut open: Vec<i64> = Vec::new();
    for _ in 0..length {
        if kind != STRUCT {
            thrift.skip(kind)?;
            continue;
        }
        let (mut last, mut children) = (0, 0);
        while let Some((field, kind)) = thrift.field(&mut last)? {
            if field == CHILDREN && (4..=6).contains(&kind) {
                children = thrift.integer()?
            } else {
                thrift.skip(kind)?
            }
        }
        while open.pop_if(|left| *left <= 0).is_some() {}
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > DEEPEST_SCHEMA {
            return Err(std::io::Error::other(format!("columns nested more than {DEEPEST_SCHEMA} deep")));
        }
    }
    Ok(())
}

/// All rows, of which each row group must have its part.
fn rows(path: &Path, metadata: &ParquetMetaData) -> Result<u64, Failure> {
    let count = |rows| u64::try_from(rows).map_err(|_| corrupt(path, "a negative number of rows"));
    let rows = count(metadata.file_metadata().num_rows())?;
    let mut sum = 0_u64;
    for group in metadata.row_groups() {
        sum = sum.saturating_add(count(group.num_rows())?);
    }
    if sum == rows {
        return Ok(rows);
    }
    Err(corrupt(path, "the row groups do not add up to the file's number of rows"))
}

impl Named for Type {
    fn name(&self) -> &str {
        Type::name(self)
    }

    fn fields(&self) -> &[Arc<Self>] {
        if kind(self) == Kind::Struct { self.get_fields() } else { &[] }
    }
}

/// What a column is made of.
#[derive(PartialEq, Eq)]
enum Kind {
    Value,
    List,
    Map,
    Variant,
    Struct,
}

fn kind(column: &Type) -> Kind {
    let info = column.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        _ if info.has_repetition() && info.repetition() == parquet::basic::Repetition::REPEATED => Kind::List,
        _ if column.is_primitive() => Kind::Value,
        (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => Kind::List,
        (Some(LogicalType::Map), _) | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => Kind::Map,
        (Some(LogicalType::Variant(_)), _) => Kind::Variant,
        _ => Kind::Struct,
    }
}

/// Which of the file's columns of values holds a wanted column's numbers.
fn leaf(path: &Path, metadata: &ParquetMetaData, wanted: &Wanted, reading: &Reading) -> Result<Option<usize>, Failure> {
    let name = &wanted.name;
    let schema = metadata.file_metadata().schema_descr();
    let place = arrays::find(path, schema.root_schema().get_fields(), wanted)?;
    let (mut column, mut parts) = (schema.root_schema(), Vec::new());
    for index in place {
        column = &column.get_fields()[index];
        parts.push(column.name().to_owned());
    }
    let leaves: Vec<usize> =
        (0..schema.num_columns()).filter(|&leaf| schema.column(leaf).path().parts().starts_with(&parts)).collect();
    let found = match kind(column) {
        Kind::Value | Kind::List => None,
        Kind::Map => Some("maps".to_owned()),
        Kind::Variant => Some("variants".to_owned()),
        Kind::Struct => Some(arrays::structs(name, column.get_fields().first().map(|field| field.name()))),
    };
    if let Some(found) = found {
        return Err(wrong_type(path, wanted, found));
    }
    let [leaf] = leaves[..] else { return Err(wrong_type(path, wanted, "lists of structs")) };
    let values = schema.column(leaf);
    let nested = match values.max_rep_level() {
        0 if wanted.kind == Wants::Answers => Some(what(&values).unwrap_or_else(|| "a number a row".to_owned())),
        0 => None,
        1 => {
            let are_read = match wanted.kind {
                Wants::Answers => true,
                Wants::Number => reading.tokens.is_some(),
                Wants::Label | Wants::Group => false,
            };
            what(&values).map(|found| format!("lists of {found}")).or((!are_read).then(|| arrays::LISTS.into()))
        }
        _ => Some("lists of lists".to_owned()),
    };
    // Labels and groups may be more than numbers.
    let is_read = |found: &String| match wanted.kind {
        Wants::Label => matches!(&**found, "text" | "booleans"),
        Wants::Group => found == "text",
        Wants::Number | Wants::Answers => false,
    };
    if let Some(found) = nested.or_else(|| what(&values).filter(|found| !is_read(found))) {
        return Err(wrong_type(path, wanted, found));
    }
    for group in metadata.row_groups() {
        if group.column(leaf).compression() == Compression::LZO {
            let message = "is compressed by LZO, which is not read (snappy, zstd, lz4, gzip and brotli are)";
            return Err(Failure::of_file(path, format!("column {name} {message}")));
        }
    }
    Ok(Some(leaf))
}

/// That the columns are numbers also for Arrow, whose own types, where Parquet has none, a file may tell beside: durations are
/// whole numbers for Parquet.
fn check_types(
    path: &Path,
    metadata: &ParquetMetaData,
    mask: ProjectionMask,
    wanted: &[Wanted],
    reading: &Reading,
) -> Result<(), Failure> {
    let file = metadata.file_metadata();
    let plain = parquet_to_arrow_schema_by_columns(file.schema_descr(), mask.clone(), None);
    let plain = plain.map_err(|e| not_known(path, &e))?;
    // Nothing else depends on what is told beside.
    let told = parquet_to_arrow_schema_by_columns(file.schema_descr(), mask, file.key_value_metadata()).ok();
    for schema in [Some(plain), told].into_iter().flatten() {
        for wanted in wanted {
            arrays::check(path, &schema, wanted, reading.tokens)?;
        }
    }
    Ok(())
}

/// What a column of values holds, unless they are numbers. The older annotation counts where there is no newer one.
fn what(column: &ColumnDescriptor) -> Option<String> {
    let physical = column.physical_type();
    let found = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Integer(_)), _) if matches!(physical, Physical::INT32 | Physical::INT64) => return None,
        (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL) => return decimal(column),
        (Some(LogicalType::Float16), _) if physical == Physical::FIXED_LEN_BYTE_ARRAY && column.type_length() == 2 => {
            return None;
        }
        // Every value is missing.
        (Some(LogicalType::Unknown), _) => return None,
        (Some(LogicalType::String), _) | (None, ConvertedType::UTF8) => "text",
        (Some(LogicalType::Enum), _) | (None, ConvertedType::ENUM) => "names of an enumeration",
        (Some(LogicalType::Json), _) | (None, ConvertedType::JSON) => "JSON",
        (Some(LogicalType::Bson), _) | (None, ConvertedType::BSON) => "BSON",
        (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => "dates",
        (Some(LogicalType::Time(_)), _) | (None, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => {
            "times of day"
        }
        (Some(LogicalType::Timestamp(_)), _)
        | (None, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => "timestamps",
        (None, ConvertedType::INTERVAL) => "intervals",
        (Some(LogicalType::Uuid), _) => "UUIDs",
        (Some(LogicalType::Variant(_)), _) => "variants",
        (Some(LogicalType::Geometry(_)), _) => "geometries",
        (Some(LogicalType::Geography(_)), _) => "geographies",
        (Some(LogicalType::File), _) => "references to files",
        (Some(LogicalType::_Unknown { field_id }), _) => {
            return Some(format!("values of a logical type that this version does not know (number {field_id})"));
        }
        (Some(other), _) => return Some(format!("{physical} values of the logical type {other:?}")),
        (None, _) => match physical {
            Physical::FLOAT | Physical::DOUBLE | Physical::INT32 | Physical::INT64 => return None,
            Physical::BOOLEAN => "booleans",
            Physical::INT96 => "timestamps",
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => "bytes",
        },
    };
    Some(found.to_owned())
}

/// What is wrong with decimals.
fn decimal(column: &ColumnDescriptor) -> Option<String> {
    const WIDEST: i32 = 32;
    const MOST_DIGITS: i32 = 76;
    let width = column.type_length();
    match column.physical_type() {
        Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY if column.type_precision() <= MOST_DIGITS => None,
        Physical::FIXED_LEN_BYTE_ARRAY if width <= WIDEST && column.type_precision() <= MOST_DIGITS => None,
        Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => {
            Some(format!("decimals of more than {MOST_DIGITS} digits, which are not read"))
        }
        other => Some(format!("{other} values marked as decimals")),
    }
}

/// One row group, as the decoder wants it.
struct Group {
    pages: Arc<Pages>,
    metadata: Arc<ParquetMetaData>,
    index: usize,
}

impl Group {
    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.index)
    }
}

impl RowGroups for Group {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let pages = Arc::clone(&self.pages);
        let reader = SerializedPageReader::new(pages, self.group().column(column), self.num_rows(), None)?;
        Ok(Box::new(OneChunk(Some(Box::new(reader)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of one column of one row group.
struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}

/// The file, from which no page comes that is larger than it can be.
struct Pages {
    file: Arc<File>,
    size: u64,
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Pages {
    type T = BufReader<Onward>;

    /// The decoder takes each page's header from here: it is looked at first.
    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        check_page(self.onward(start))?;
        Ok(self.onward(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let Range { start, end } = start..start.saturating_add(length as u64);
        if end > self.size {
            return Err(ParquetError::General(format!("a page of {length} bytes goes beyond the end of the file")));
        }
        memory::is_there(length as u64).map_err(ParquetError::General)?;
        let mut bytes = Vec::with_capacity(length);
        let from = Onward { file: Arc::clone(&self.file), at: start };
        // Within the file, unless that was cut short since.
        if from.take(length as u64).read_to_end(&mut bytes)? < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes.into())
    }
}

impl Pages {
    fn onward(&self, at: u64) -> BufReader<Onward> {
        BufReader::with_capacity(HEADER, Onward { file: Arc::clone(&self.file), at })
    }
}

/// A file from a place on. Its own place is that of nobody: columns are read side by side.
struct Onward {
    file: Arc<File>,
    at: u64,
}

impl Read for Onward {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let count = std::os::unix::fs::FileExt::read_at(&*self.file, into, self.at)?;
        #[cfg(windows)]
        let count = std::os::windows::fs::FileExt::seek_read(&*self.file, into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// That a page and its dictionary have sizes that can be.
fn check_page(reader: impl Read) -> ParquetResult<()> {
    const UNCOMPRESSED_SIZE: i64 = 2;
    const DICTIONARY: i64 = 7;
    const VALUES: i64 = 1;
    let fail = |e: std::io::Error| ParquetError::General(format!("a page's header: {e}"));
    let mut thrift = Compact(reader);
    let (mut last, mut size, mut values) = (0, 0, 0);
    while let Some((field, kind)) = thrift.field(&mut last).map_err(fail)? {
        match (field, kind) {
            (UNCOMPRESSED_SIZE, 4..=6) => size = thrift.integer().map_err(fail)?.max(size),
            (DICTIONARY, STRUCT) => {
                let mut last = 0;
                while let Some((field, kind)) = thrift.field(&mut last).map_err(fail)? {
                    if field == VALUES && (4..=6).contains(&kind) {
                        values = thrift.integer().map_err(fail)?.max(values);
                    } else {
                        thrift.skip(kind).map_err(fail)?;
                    }
                }
            }
            _ => thrift.skip(kind).map_err(fail)?,
        }
    }
    if size > LARGEST_PAGE {
        return Err(ParquetError::General(format!("a page of {size} bytes; {LARGEST_PAGE} are the most that is read")));
    }
    if values > size {
        return Err(ParquetError::General(format!("a dictionary of {values} values in {size} bytes")));
    }
    // The page as it lies and as it was, and the values of a dictionary, of at most 8 bytes each.
    memory::is_there((2 * size + 8 * values).max(0) as u64).map_err(ParquetError::General)
}
