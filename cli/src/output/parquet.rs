//! Apache Parquet: required 32-bit floats, snappy, row groups of a fixed size.

use std::fs::File;
use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, Repetition, Type as PhysicalType};
use parquet::data_type::FloatType;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::{ColumnWriter, Target};
use crate::failure::Failure;

/// Fixed, so that the bytes do not depend on how the rows came.
const GROUP_ROWS: usize = 1 << 20;

/// A Parquet file.
pub struct Parquet {
    target: Target,
    writer: SerializedFileWriter<File>,
    group: Vec<Vec<f32>>,
}

impl Parquet {
    pub fn new(mut target: Target) -> Result<Self, Failure> {
        let file = target.file.file().try_clone().map_err(|e| target.failure(e))?;
        let writer = start(file, target.names).map_err(|e| target.failure(plain(e)))?;
        let group = vec![Vec::new(); target.names.len()];
        Ok(Self { target, writer, group })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.group {
            let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("a column too many".into()))?;
            column.typed::<FloatType>().write_batch(values, None, None)?;
            column.close()?;
            values.clear();
        }
        group.close().map(drop)
    }
}

impl ColumnWriter for Parquet {
    fn write(&mut self, columns: &[&[f32]]) -> Result<(), Failure> {
        let rows = columns.first().map_or(0, |column| column.len());
        let mut done = 0;
        while done < rows {
            let have = self.group[0].len();
            let next = rows.min(done + GROUP_ROWS - have);
            for (group, column) in self.group.iter_mut().zip(columns) {
                group.extend_from_slice(&column[done..next]);
            }
            done = next;
            if self.group[0].len() == GROUP_ROWS {
                self.write_group().map_err(|e| self.target.failure(plain(e)))?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        if !self.group[0].is_empty() {
            self.write_group().map_err(|e| self.target.failure(plain(e)))?;
        }
        self.writer.finish().map_err(|e| self.target.failure(plain(e)))?;
        self.target.publish()
    }
}

fn start(file: File, names: &[&str]) -> Result<SerializedFileWriter<File>, ParquetError> {
    let fields = (names.iter())
        .map(|name| {
            Type::primitive_type_builder(name, PhysicalType::FLOAT)
                .with_repetition(Repetition::REQUIRED)
                .build()
                .map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    // Few values come twice: a dictionary would only cost time.
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_enabled(false).build();
    SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
}

/// The system's own words where it was the system that failed.
fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => inner.downcast::<io::Error>().map_or_else(io::Error::other, |e| *e),
        other => io::Error::other(other),
    }
}
