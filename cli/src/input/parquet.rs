//! Apache Parquet, row group by row group.

use std::fs::File;
use std::path::{Path, PathBuf};

use half::f16;
use parquet::basic::LogicalType;
use parquet::column::reader::{ColumnReader as Pages, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::{CHUNK_ROWS, Chunk, ColumnReader, Reading, Wanted, corrupt, open_binary, wrong_type};
use crate::failure::{Failure, Place, name_list};
use crate::provenance::Metadata;

/// A Parquet file.
pub struct Parquet {
    path: PathBuf,
    wanted: Vec<Wanted>,
    file: SerializedFileReader<File>,
    /// Which columns of the file the wanted ones are.
    leaves: Vec<usize>,
    /// The definition level of a value that is no null, for each of them.
    deepest: Vec<i16>,
    group: usize,
    pages: Vec<Pages>,
    left_in_group: usize,
    rows: u64,
    read: u64,
}

impl Parquet {
    /// Finds the columns in the file's schema.
    pub fn open(path: &Path, wanted: &[Wanted], _reading: &Reading) -> Result<Self, Failure> {
        let (file, _) = open_binary(path)?;
        let file = SerializedFileReader::new(file).map_err(|e| corrupt(path, e))?;
        let metadata = file.metadata().file_metadata();
        let columns = metadata.schema_descr().columns();
        let mut leaves = Vec::new();
        let mut deepest = Vec::new();
        for wanted in wanted {
            let mut found = columns.iter().enumerate().filter(|(_, column)| column.path().string() == wanted.name);
            let Some((leaf, column)) = found.next() else {
                let names: Vec<_> = columns.iter().map(|column| column.path().string()).collect();
                return Err(wanted.missing(path, &name_list(names.iter().map(String::as_str))));
            };
            if found.next().is_some() {
                return Err(Failure::of_file(path, format!("two columns are named {}", wanted.name)));
            }
            check_type(path, column)?;
            leaves.push(leaf);
            deepest.push(column.max_def_level());
        }
        let rows = u64::try_from(metadata.num_rows()).map_err(|_| corrupt(path, "a negative number of rows"))?;
        Ok(Self {
            path: path.to_owned(),
            wanted: wanted.to_vec(),
            file,
            leaves,
            deepest,
            group: 0,
            pages: Vec::new(),
            left_in_group: 0,
            rows,
            read: 0,
        })
    }

    /// Opens the next row group; false when there is none.
    fn next_group(&mut self) -> Result<bool, Failure> {
        if self.group == self.file.num_row_groups() {
            return Ok(false);
        }
        let group = self.file.get_row_group(self.group).map_err(|e| corrupt(&self.path, e))?;
        self.left_in_group = usize::try_from(group.metadata().num_rows())
            .map_err(|_| corrupt(&self.path, "a negative number of rows"))?;
        self.pages = (self.leaves.iter())
            .map(|&leaf| group.get_column_reader(leaf).map_err(|e| corrupt(&self.path, e)))
            .collect::<Result<_, _>>()?;
        self.group += 1;
        Ok(true)
    }
}

impl ColumnReader for Parquet {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.wanted.len());
        let mut have = 0;
        while have < CHUNK_ROWS {
            if self.left_in_group == 0 {
                if !self.next_group()? {
                    break;
                }
                continue;
            }
            let rows = self.left_in_group.min(CHUNK_ROWS - have);
            for (index, (pages, column)) in self.pages.iter_mut().zip(&mut chunk.columns).enumerate() {
                let (name, deepest) = (&self.wanted[index].name, self.deepest[index]);
                Source { path: &self.path, name, first_row: self.read + 1, deepest }.read(pages, rows, column)?;
            }
            have += rows;
            self.left_in_group -= rows;
            self.read += rows as u64;
        }
        if have == 0 && self.read != self.rows {
            return Err(corrupt(&self.path, "the row groups do not add up to the file's number of rows"));
        }
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn metadata(&self) -> Vec<Metadata> {
        let pairs = self.file.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let entries = pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)));
        vec![Metadata::new(&self.path, entries)]
    }

    fn is_all_integers(&self) -> bool {
        use parquet::basic::Type;
        let columns = self.file.metadata().file_metadata().schema_descr().columns();
        self.leaves.iter().all(|&leaf| matches!(columns[leaf].physical_type(), Type::INT32 | Type::INT64))
    }
}

fn check_type(path: &Path, column: &ColumnDescriptor) -> Result<(), Failure> {
    use parquet::basic::Type;
    let name = column.path().string();
    if column.max_rep_level() > 0 {
        return Err(wrong_type(path, &name, "lists"));
    }
    let logical = column.logical_type_ref();
    let number = match column.physical_type() {
        Type::FLOAT | Type::DOUBLE => true,
        Type::INT32 | Type::INT64 => matches!(logical, None | Some(LogicalType::Integer { .. })),
        Type::FIXED_LEN_BYTE_ARRAY => matches!(logical, Some(LogicalType::Float16)),
        _ => false,
    };
    if number { Ok(()) } else { Err(wrong_type(path, &name, format!("values of type {}", column.physical_type()))) }
}

/// Where a column's values come from, for messages.
struct Source<'a> {
    path: &'a Path,
    name: &'a str,
    first_row: u64,
    /// The definition level of a value that is no null.
    deepest: i16,
}

impl Source<'_> {
    /// Appends exactly `rows` values.
    fn read(&self, pages: &mut Pages, rows: usize, column: &mut Vec<f32>) -> Result<(), Failure> {
        match pages {
            Pages::FloatColumnReader(pages) => self.typed(pages, rows, column, |&x| x),
            Pages::DoubleColumnReader(pages) => self.typed(pages, rows, column, |&x| x as f32),
            Pages::Int32ColumnReader(pages) => self.typed(pages, rows, column, |&x| x as f32),
            Pages::Int64ColumnReader(pages) => self.typed(pages, rows, column, |&x| x as f32),
            Pages::FixedLenByteArrayColumnReader(pages) => self.typed(pages, rows, column, |x| {
                x.data().try_into().map_or(f32::NAN, |bytes| f16::from_le_bytes(bytes).to_f32())
            }),
            _ => Err(wrong_type(self.path, self.name, "no numbers")),
        }
    }

    fn typed<T: DataType>(
        &self,
        pages: &mut ColumnReaderImpl<T>,
        rows: usize,
        column: &mut Vec<f32>,
        number: impl Fn(&T::T) -> f32,
    ) -> Result<(), Failure> {
        let mut values = Vec::with_capacity(rows);
        let mut levels = Vec::new();
        let mut done = 0;
        while done < rows {
            let (records, _, _) = pages
                .read_records(rows - done, Some(&mut levels), None, &mut values)
                .map_err(|e| corrupt(self.path, format!("column {}: {e}", self.name)))?;
            if records == 0 {
                return Err(corrupt(self.path, format!("column {} ends early", self.name)));
            }
            done += records;
        }
        if values.len() != rows {
            let null = levels.iter().position(|&level| level < self.deepest).unwrap_or(0);
            let place = Place::Row(self.first_row + null as u64);
            let message = "null; a number is needed (NaN for one that is not known)";
            return Err(Failure::of_value(self.path, place, self.name, message));
        }
        column.extend(values.iter().map(number));
        Ok(())
    }
}
