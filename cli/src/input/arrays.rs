//! Arrays of Arrow as numbers: what Parquet and Arrow files share.

use std::fmt::Write;
use std::hash::Hash;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, GenericListArray, GenericListViewArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use rayon::prelude::*;

use super::{CHUNK_ROWS, Chunk, Kind, Tokens, Wanted, corrupt, guard, lists as listed, memory, text, wrong_type};
use crate::failure::{Failure, Place, name_list};

/// Lists that are taken at a time: they may be long.
pub const LISTS_AT_A_TIME: usize = 2048;

/// A column of a schema.
pub trait Named {
    /// Its name.
    fn name(&self) -> &str;

    /// The fields of a struct; none of anything else.
    fn fields(&self) -> &[Arc<Self>];
}

impl Named for Field {
    fn name(&self) -> &str {
        Field::name(self)
    }

    fn fields(&self) -> &[Arc<Self>] {
        if let DataType::Struct(fields) = self.data_type() { fields } else { &[] }
    }
}

/// Where a column stands: its index among the columns, its index among the fields of that struct, and so on. The fields of a
/// struct are named by dots; a dot may also be part of a name.
pub fn find<N: Named>(path: &Path, columns: &[Arc<N>], wanted: &Wanted) -> Result<Vec<usize>, Failure> {
    let mut found = places(columns, &wanted.name);
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => {
            let mut names = Vec::new();
            collect_names(columns, "", &mut names);
            Err(wanted.missing(path, &name_list(names.iter().map(String::as_str))))
        }
        _ => Err(Failure::of_file(path, format!("two columns are named {}", wanted.name))),
    }
}

fn places<N: Named>(columns: &[Arc<N>], name: &str) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if column.name() == name {
            found.push(vec![index]);
        } else if let Some(rest) = name.strip_prefix(column.name()).and_then(|rest| rest.strip_prefix('.')) {
            found.extend(places(column.fields(), rest).into_iter().map(|inner| [&[index], &inner[..]].concat()));
        }
    }
    found
}

fn collect_names<N: Named>(columns: &[Arc<N>], prefix: &str, names: &mut Vec<String>) {
    for column in columns {
        let name = format!("{prefix}{}", column.name());
        if column.fields().is_empty() {
            names.push(name);
        } else {
            collect_names(column.fields(), &format!("{name}."), names);
        }
    }
}

/// That a wanted column can be read; returns the index of the column that it is, or is part of, and whether it holds integers.
pub fn check(path: &Path, schema: &Schema, wanted: &Wanted, tokens: Option<Tokens>) -> Result<(usize, bool), Failure> {
    let place = find(path, schema.fields(), wanted)?;
    let field = (place[1..].iter()).try_fold(&schema.fields()[place[0]], |field, &index| field.fields().get(index));
    let field = field.ok_or_else(|| corrupt(path, "a struct lacks a field"))?;
    let checked = match field.extension_type_name() {
        Some(name) => Err(format!("values of the extension type {name}")),
        None => check_type(wanted, field.data_type(), tokens),
    };
    checked.map_err(|found| wrong_type(path, wanted, found))?;
    // Labels and groups are no log-probabilities, whatever their type.
    let is_other = matches!(wanted.kind, Kind::Label | Kind::Group);
    Ok((place[0], is_other || field.data_type().is_integer()))
}

/// That a column of a type can be read.
///
/// # Errors
/// What it holds instead of numbers.
fn check_type(wanted: &Wanted, data_type: &DataType, tokens: Option<Tokens>) -> Result<(), String> {
    let name = &wanted.name;
    match (wanted.kind, element(data_type)) {
        (Kind::Number, None) if is_number(data_type) => Ok(()),
        (Kind::Label, None) if is_number(data_type) || is_text(data_type) || is_boolean(data_type) => Ok(()),
        (Kind::Group, None) if is_integer(data_type) || is_text(data_type) => Ok(()),
        (Kind::Answers, None) if is_number(data_type) => Err("a number a row".to_owned()),
        (Kind::Group, None) if is_number(data_type) => Err("numbers that are no integers".to_owned()),
        (_, None) => Err(what(name, data_type)),
        (_, Some(element)) if !is_number(element) => {
            let what = if let DataType::Struct(_) = element { "structs".to_owned() } else { what(name, element) };
            Err(format!("lists of {what}"))
        }
        (Kind::Answers, Some(_)) => Ok(()),
        (Kind::Number, Some(_)) if tokens.is_some() => Ok(()),
        (_, Some(_)) => Err(LISTS.to_owned()),
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_boolean(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean)
}

fn is_integer(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_integer(values),
        other => other.is_integer(),
    }
}

/// What a column of lists holds, as [`check_type`] has it.
pub const LISTS: &str = "lists";

fn is_number(data_type: &DataType) -> bool {
    use DataType::{
        Decimal32, Decimal64, Decimal128, Decimal256, Float16, Float32, Float64, Int8, Int16, Int32, Int64, Null,
        UInt8, UInt16, UInt32, UInt64,
    };
    match data_type {
        Float16 | Float32 | Float64 | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Null => true,
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => true,
        DataType::Dictionary(_, values) => is_number(values),
        _ => false,
    }
}

/// The type of a list's elements.
fn element(data_type: &DataType) -> Option<&DataType> {
    use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
    match data_type {
        List(field) | LargeList(field) | ListView(field) | LargeListView(field) | FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

/// What a column of a type that is no number holds.
fn what(name: &str, data_type: &DataType) -> String {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Dictionary, Duration, FixedSizeBinary, Interval, LargeBinary,
        LargeUtf8, Map, RunEndEncoded, Struct, Time32, Time64, Timestamp, Union, Utf8, Utf8View,
    };
    match data_type {
        Boolean => "booleans",
        Utf8 | LargeUtf8 | Utf8View => "text",
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => "bytes",
        Date32 | Date64 => "dates",
        Time32(_) | Time64(_) => "times of day",
        Timestamp(..) => "timestamps",
        Duration(_) => "durations",
        Interval(_) => "intervals",
        Map(..) => "maps",
        Union(..) => "unions",
        RunEndEncoded(..) => "run-end-encoded values, which are not read",
        Struct(fields) => return structs(name, fields.first().map(|field| field.name().as_str())),
        Dictionary(_, values) => return what(name, values),
        other if element(other).is_some() => "lists",
        other => return format!("values of type {other}"),
    }
    .to_owned()
}

/// What a column of structs holds, with the way to name a field of it.
pub fn structs(name: &str, first: Option<&str>) -> String {
    match first {
        Some(first) => format!("structs, whose fields are named with a dot, such as {name}.{first}"),
        None => "structs without fields".to_owned(),
    }
}

/// The way from batches of rows, however long, to chunks.
pub struct Batches {
    path: PathBuf,
    wanted: Vec<Wanted>,
    tokens: Option<Tokens>,
    /// Rows that found no room in the chunk before.
    pending: Option<RecordBatch>,
}

impl Batches {
    /// Of the file `path`.
    pub fn new(path: &Path, wanted: &[Wanted], tokens: Option<Tokens>) -> Self {
        Self { path: path.to_owned(), wanted: wanted.to_vec(), tokens, pending: None }
    }

    /// Fills a chunk from the batches that `next` yields, and returns how many rows it has.
    pub fn fill(
        &mut self,
        chunk: &mut Chunk,
        mut next: impl FnMut() -> Result<Option<RecordBatch>, Failure>,
    ) -> Result<usize, Failure> {
        chunk.advance(self.wanted.len());
        let mut have = 0;
        while have < CHUNK_ROWS && chunk.rows() < CHUNK_ROWS {
            let batch = match self.pending.take() {
                Some(batch) => batch,
                None => match next()? {
                    Some(batch) => batch,
                    None => break,
                },
            };
            let are_lists = listed::are_rows(&self.wanted);
            let rows = batch.num_rows().min(if are_lists { LISTS_AT_A_TIME } else { CHUNK_ROWS - have });
            if rows < batch.num_rows() {
                self.pending = Some(batch.slice(rows, batch.num_rows() - rows));
            }
            let these = batch.slice(0, rows);
            if are_lists {
                self.append_lists(&these, chunk)?
            } else {
                self.append(&these, have, chunk)?
            }
            have += rows;
        }
        Ok(have)
    }

    /// Appends all rows of a batch to a chunk that has `first` already, column by column, side by side.
    fn append(&self, batch: &RecordBatch, first: usize, chunk: &mut Chunk) -> Result<(), Failure> {
        let mut columns = mem::take(&mut chunk.columns);
        let parts = self.wanted.par_iter().zip(&mut columns);
        let appended = guard::side_by_side(&self.path, parts, |(wanted, column)| {
            let place = find(&self.path, batch.schema_ref().fields(), wanted)?;
            let (array, nulls) = descend(batch, &place).ok_or_else(|| corrupt(&self.path, "a struct lacks a field"))?;
            let mut hashes = Vec::new();
            let added = match (wanted.kind, self.tokens) {
                (Kind::Label, _) => labels(&array, column),
                (Kind::Group, _) => {
                    column.resize(first + array.len(), 0.0);
                    groups(&array, &mut hashes).map_err(|message| (0, message))
                }
                (_, Some(tokens)) if element(array.data_type()).is_some() => {
                    lists(&array, nulls.as_ref(), tokens, column)
                }
                _ => numbers(&array, column).map_err(|message| (0, message)),
            };
            if let Err((row, message)) = added {
                return Err(Failure::of_value(&self.path, chunk.place(first + row), &wanted.name, message));
            }
            if column.len() != first + array.len() {
                return Err(corrupt(&self.path, format!("column {} ends early", wanted.name)));
            }
            let is_null = |row: &usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(*row));
            let nulls: Vec<_> = if nulls.is_some() { (0..array.len()).filter(is_null).collect() } else { Vec::new() };
            nulls.iter().for_each(|row| column[first + row] = f32::NAN);
            Ok((nulls, hashes))
        });
        chunk.columns = columns;
        for (index, (nulls, hashes)) in appended?.into_iter().enumerate() {
            nulls.into_iter().for_each(|row| chunk.null(first + row, index));
            chunk.groups.extend(hashes);
        }
        Ok(())
    }
}

/// A column of a batch whose rows are lists.
enum Cells {
    /// A number for all answers of a row.
    One(Vec<f32>),
    /// A number an answer: those of all rows, which of them are missing, and where those of each row are.
    Many(Vec<f32>, Option<NullBuffer>, Vec<(usize, usize)>),
}

impl Batches {
    /// Appends all lists of a batch.
    fn append_lists(&self, batch: &RecordBatch, chunk: &mut Chunk) -> Result<(), Failure> {
        let mut columns = Vec::new();
        for wanted in &self.wanted {
            let place = find(&self.path, batch.schema_ref().fields(), wanted)?;
            let (array, nulls) = descend(batch, &place).ok_or_else(|| corrupt(&self.path, "a struct lacks a field"))?;
            let fail = |message| corrupt(&self.path, format!("column {}: {message}", wanted.name));
            let cells = if wanted.kind == Kind::Answers {
                let (numbers, missing, ranges) = elements(&array).map_err(fail)?;
                Cells::Many(numbers, missing, ranges)
            } else {
                let mut all = Vec::new();
                numbers(&array, &mut all).map_err(fail)?;
                Cells::One(all)
            };
            columns.push((wanted, cells, nulls));
        }
        let is_null = |nulls: &Option<NullBuffer>, row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        for row in 0..batch.num_rows() {
            let lengths = columns.iter().filter_map(|(wanted, cells, nulls)| match cells {
                Cells::Many(_, _, ranges) if !is_null(nulls, row) => Some((*wanted, ranges[row].1 - ranges[row].0)),
                _ => None,
            });
            let mut lengths = lengths;
            let (first, answers) = lengths.next().map_or((None, 1), |(wanted, answers)| (Some(wanted), answers));
            let other = lengths.find(|(_, other)| *other != answers);
            let place = || Place::Row(chunk.rows_before + chunk.rows_of_file() + 1);
            if let (Some(first), Some((wanted, other))) = (first, other) {
                let message =
                    format!("a list of {other}, where {} has {answers}; one number an answer is needed", first.name);
                return Err(Failure::of_value(&self.path, place(), &wanted.name, message));
            }
            if let (Some(first), 0) = (first, answers) {
                let message = "a list without an answer; at least one is needed";
                return Err(Failure::of_value(&self.path, place(), &first.name, message));
            }
            // Lists may share their numbers, and so be far longer than the file.
            memory::check(&self.path, answers as u64 * 4 * columns.len() as u64)?;
            let start = chunk.rows();
            chunk.list(answers);
            for (index, (_, cells, nulls)) in columns.iter().enumerate() {
                for answer in 0..answers {
                    let value = match cells {
                        _ if is_null(nulls, row) => None,
                        Cells::One(numbers) => numbers.get(row).copied(),
                        Cells::Many(numbers, missing, ranges) => {
                            let at = ranges[row].0 + answer;
                            numbers.get(at).copied().filter(|_| !is_null(missing, at))
                        }
                    };
                    if value.is_none() {
                        chunk.null(start + answer, index);
                    }
                    chunk.columns[index].push(value.unwrap_or(f32::NAN));
                }
            }
        }
        Ok(())
    }
}

/// Appends the labels of an array; what is no label at all is an error, and what is not there anything.
fn labels(array: &ArrayRef, out: &mut Vec<f32>) -> Result<(), (usize, String)> {
    if is_boolean(array.data_type()) {
        out.extend(array.as_boolean().values().iter().map(|label| f32::from(u8::from(label))));
        return Ok(());
    }
    if !is_text(array.data_type()) {
        return numbers(array, out).map_err(|message| (0, message));
    }
    for (row, text) in texts(array).into_iter().enumerate() {
        let label = text.map_or(Ok(None), |text| text::label(text.trim_ascii())).map_err(|message| (row, message))?;
        out.push(label.unwrap_or(f32::NAN));
    }
    Ok(())
}

/// Appends what stands for the groups of an array; where one is missing, anything.
fn groups(array: &ArrayRef, out: &mut Vec<u64>) -> Result<(), String> {
    if is_text(array.data_type()) {
        out.extend(texts(array).into_iter().map(text::group));
        return Ok(());
    }
    match array.data_type() {
        DataType::Int8 => hashes(array.as_primitive::<Int8Type>(), out),
        DataType::Int16 => hashes(array.as_primitive::<Int16Type>(), out),
        DataType::Int32 => hashes(array.as_primitive::<Int32Type>(), out),
        DataType::Int64 => hashes(array.as_primitive::<Int64Type>(), out),
        DataType::UInt8 => hashes(array.as_primitive::<UInt8Type>(), out),
        DataType::UInt16 => hashes(array.as_primitive::<UInt16Type>(), out),
        DataType::UInt32 => hashes(array.as_primitive::<UInt32Type>(), out),
        DataType::UInt64 => hashes(array.as_primitive::<UInt64Type>(), out),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let mut values = Vec::new();
            groups(dictionary.values(), &mut values)?;
            let keys = dictionary.normalized_keys();
            out.extend(keys.into_iter().map(|key| values.get(key).copied().unwrap_or(0)));
        }
        other => return Err(format!("{other} is no type of text or integer")),
    }
    Ok(())
}

fn hashes<T: ArrowPrimitiveType<Native: Hash>>(array: &PrimitiveArray<T>, out: &mut Vec<u64>) {
    out.extend(array.values().iter().map(text::group));
}

/// The texts of an array of a type of text.
fn texts(array: &dyn Array) -> Vec<Option<&str>> {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = texts(dictionary.values());
            let missing = array.logical_nulls();
            let is_there = |row: usize| !missing.as_ref().is_some_and(|missing| missing.is_null(row));
            let keys = dictionary.normalized_keys().into_iter().enumerate();
            keys.map(|(row, key)| values.get(key).copied().flatten().filter(|_| is_there(row))).collect()
        }
        _ => Vec::new(),
    }
}

/// The array at a place of a batch, and which of its values are missing: a value of a struct that is missing is missing itself.
fn descend(batch: &RecordBatch, place: &[usize]) -> Option<(ArrayRef, Option<NullBuffer>)> {
    let (&first, rest) = place.split_first()?;
    let mut array = Arc::clone(batch.columns().get(first)?);
    let mut nulls = array.logical_nulls();
    for &index in rest {
        array = Arc::clone(array.as_struct_opt()?.columns().get(index)?);
        nulls = NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref());
    }
    Some((array, nulls))
}

/// Appends the numbers of an array; where one is missing, anything.
fn numbers(array: &dyn Array, out: &mut Vec<f32>) -> Result<(), String> {
    match array.data_type() {
        DataType::Float32 => out.extend_from_slice(array.as_primitive::<Float32Type>().values()),
        DataType::Float64 => extend(array.as_primitive::<Float64Type>(), out, |x| x as f32),
        DataType::Float16 => extend(array.as_primitive::<Float16Type>(), out, half::f16::to_f32),
        DataType::Int8 => extend(array.as_primitive::<Int8Type>(), out, f32::from),
        DataType::Int16 => extend(array.as_primitive::<Int16Type>(), out, f32::from),
        DataType::Int32 => extend(array.as_primitive::<Int32Type>(), out, |x| x as f32),
        DataType::Int64 => extend(array.as_primitive::<Int64Type>(), out, |x| x as f32),
        DataType::UInt8 => extend(array.as_primitive::<UInt8Type>(), out, f32::from),
        DataType::UInt16 => extend(array.as_primitive::<UInt16Type>(), out, f32::from),
        DataType::UInt32 => extend(array.as_primitive::<UInt32Type>(), out, |x| x as f32),
        DataType::UInt64 => extend(array.as_primitive::<UInt64Type>(), out, |x| x as f32),
        DataType::Decimal32(_, scale) => decimals(array.as_primitive::<Decimal32Type>(), *scale, out)?,
        DataType::Decimal64(_, scale) => decimals(array.as_primitive::<Decimal64Type>(), *scale, out)?,
        DataType::Decimal128(_, scale) => decimals(array.as_primitive::<Decimal128Type>(), *scale, out)?,
        DataType::Decimal256(_, scale) => decimals(array.as_primitive::<Decimal256Type>(), *scale, out)?,
        DataType::Null => out.extend(std::iter::repeat_n(f32::NAN, array.len())),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let mut values = Vec::new();
            numbers(dictionary.values(), &mut values)?;
            if values.is_empty() {
                // All are missing, then.
                out.extend(std::iter::repeat_n(f32::NAN, array.len()));
            } else {
                out.extend(dictionary.normalized_keys().into_iter().map(|key| values[key]));
            }
        }
        other => return Err(format!("{other} is no type of number")),
    }
    Ok(())
}

fn extend<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, out: &mut Vec<f32>, number: impl Fn(T::Native) -> f32) {
    out.extend(array.values().iter().map(|&value| number(value)));
}

/// Each decimal goes through its text, which is exact, to the nearest `f32`.
fn decimals<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, scale: i8, out: &mut Vec<f32>) -> Result<(), String>
where
    T::Native: std::fmt::Display,
{
    let mut text = String::new();
    for value in array.values() {
        text.clear();
        let number = write!(text, "{value}e{}", -i32::from(scale)).ok().and_then(|()| text.parse().ok());
        out.push(number.ok_or_else(|| format!("\"{text}\" is not a number"))?);
    }
    Ok(())
}

/// Appends one number for each list that is not missing, and anything for those that are.
fn lists(
    array: &ArrayRef,
    nulls: Option<&NullBuffer>,
    tokens: Tokens,
    out: &mut Vec<f32>,
) -> Result<(), (usize, String)> {
    let (numbers, missing, ranges) = elements(array).map_err(|message| (0, message))?;
    for (row, (start, end)) in ranges.into_iter().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.push(f32::NAN);
            continue;
        }
        let list = (start..end)
            .map(|token| (!missing.as_ref().is_some_and(|missing| missing.is_null(token))).then(|| numbers[token]));
        out.push(tokens.reduce(list).map_err(|message| (row, message))?);
    }
    Ok(())
}

/// The numbers of all lists of an array, which of them are missing, and where among them each list starts and ends.
type Elements = (Vec<f32>, Option<NullBuffer>, Vec<(usize, usize)>);

fn elements(array: &ArrayRef) -> Result<Elements, String> {
    let (values, mut ranges) = match array.data_type() {
        DataType::List(_) => offsets(array.as_list::<i32>()),
        DataType::LargeList(_) => offsets(array.as_list::<i64>()),
        DataType::ListView(_) => views(array.as_list_view::<i32>()),
        DataType::LargeListView(_) => views(array.as_list_view::<i64>()),
        _ => {
            let lists = array.as_fixed_size_list();
            let size = lists.value_length().max(0) as usize;
            (Arc::clone(lists.values()), (0..lists.len()).map(|row| (row * size, (row + 1) * size)).collect())
        }
    };
    // An array may be a piece of a much longer one.
    let first = ranges.iter().map(|&(start, _)| start).min().unwrap_or(0);
    let end = ranges.iter().map(|&(_, end)| end).max().unwrap_or(0).max(first);
    ranges.iter_mut().for_each(|(start, end)| (*start, *end) = (*start - first, *end - first));
    let values = values.slice(first, end - first);
    let mut all = Vec::with_capacity(values.len());
    numbers(&values, &mut all)?;
    Ok((all, values.logical_nulls(), ranges))
}

/// The values of all lists, and where among them each list starts and ends.
type Ranges = (ArrayRef, Vec<(usize, usize)>);

fn offsets<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Ranges {
    let ranges = lists.value_offsets().windows(2).map(|pair| (pair[0].as_usize(), pair[1].as_usize()));
    (Arc::clone(lists.values()), ranges.collect())
}

fn views<O: OffsetSizeTrait>(lists: &GenericListViewArray<O>) -> Ranges {
    let ranges = lists.offsets().iter().zip(lists.sizes().iter());
    let ranges = ranges.map(|(start, size)| (start.as_usize(), start.as_usize() + size.as_usize()));
    (Arc::clone(lists.values()), ranges.collect())
}
