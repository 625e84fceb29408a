//! Apache Parquet: required numbers, snappy, row groups of a fixed size.

use std::fs::File;
use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::data_type::{FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::column::rows;
use super::{ColumnWriter, Field, Kind, Target, Values};
use crate::failure::Failure;
use crate::provenance::Entries;

/// Fixed, so that the bytes do not depend on how the rows came.
const GROUP_ROWS: usize = 1 << 20;

/// A Parquet file.
pub struct Parquet {
    target: Target,
    writer: SerializedFileWriter<File>,
    group: Vec<Column>,
    /// The rows in it.
    have: usize,
}

/// A column of the row group in the making.
enum Column {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

impl Parquet {
    pub fn new(mut target: Target) -> Result<Self, Failure> {
        let file = target.file.file().try_clone().map_err(|e| target.failure(e))?;
        let writer = start(file, &target.fields, &target.metadata).map_err(|e| target.failure(plain(e)))?;
        let column = |field: &Field| match field.kind {
            Kind::F32 => Column::F32(Vec::new()),
            Kind::I64 => Column::I64(Vec::new()),
        };
        let group = target.fields.iter().map(column).collect();
        Ok(Self { target, writer, group, have: 0 })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.group {
            let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("a column too many".into()))?;
            match values {
                Column::F32(values) => {
                    column.typed::<FloatType>().write_batch(values, None, None)?;
                    values.clear();
                }
                Column::I64(values) => {
                    column.typed::<Int64Type>().write_batch(values, None, None)?;
                    values.clear();
                }
            }
            column.close()?;
        }
        self.have = 0;
        group.close().map(drop)
    }
}

impl ColumnWriter for Parquet {
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure> {
        let rows = rows(columns);
        let mut done = 0;
        while done < rows {
            let next = rows.min(done + GROUP_ROWS - self.have);
            for (group, column) in self.group.iter_mut().zip(columns) {
                match (group, column) {
                    (Column::F32(group), Values::F32(column)) => group.extend_from_slice(&column[done..next]),
                    (Column::I64(group), Values::I64(column)) => group.extend_from_slice(&column[done..next]),
                    _ => unreachable!("a column's numbers are all of its kind"),
                }
            }
            self.have += next - done;
            done = next;
            if self.have == GROUP_ROWS {
                self.write_group().map_err(|e| self.target.failure(plain(e)))?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        if self.have > 0 {
            self.write_group().map_err(|e| self.target.failure(plain(e)))?;
        }
        self.writer.finish().map_err(|e| self.target.failure(plain(e)))?;
        self.target.publish()
    }
}

fn start(file: File, fields: &[Field], metadata: &Entries) -> Result<SerializedFileWriter<File>, ParquetError> {
    let fields = (fields.iter())
        .map(|field| {
            let kind = match field.kind {
                Kind::F32 => PhysicalType::FLOAT,
                Kind::I64 => PhysicalType::INT64,
            };
            Type::primitive_type_builder(field.name, kind).with_repetition(Repetition::REQUIRED).build().map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    // Few values come twice: a dictionary would only cost time.
    let metadata = metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(metadata).filter(|metadata: &Vec<_>| !metadata.is_empty()))
        .build();
    SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
}

/// The system's own words where it was the system that failed.
fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => inner.downcast::<io::Error>().map_or_else(io::Error::other, |e| *e),
        other => io::Error::other(other),
    }
}
