//! safetensors: one tensor a column, read through a memory map.

use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::{
    CHUNK_ROWS, Chunk, ColumnReader, Wanted, check_lengths, check_shape, corrupt, open_binary, sorted_list, wrong_type,
};
use crate::failure::Failure;

/// A safetensors file.
pub struct Safetensors {
    path: PathBuf,
    map: Mmap,
    /// Each wanted column's type and bytes.
    columns: Vec<(Dtype, Range<usize>)>,
    rows: usize,
    read: usize,
}

impl Safetensors {
    /// Maps the file and finds the columns in its header.
    pub fn open(path: &Path, wanted: &[Wanted]) -> Result<Self, Failure> {
        let (file, _) = open_binary(path)?;
        let map = map(&file).map_err(|e| Failure::of_file(path, format!("cannot be read: {e}")))?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| corrupt(path, e))?;
        // The length of the header stands before it in 8 bytes.
        let data = header + 8;
        let mut columns = Vec::new();
        let mut lengths = Vec::new();
        for wanted in wanted {
            let Some(info) = metadata.info(&wanted.name) else {
                return Err(wanted.missing(path, &sorted_list(metadata.offset_keys().iter().map(String::as_str))));
            };
            let shape: Vec<u64> = info.shape.iter().map(|&n| n as u64).collect();
            lengths.push(check_shape(path, &wanted.name, &shape)?);
            width(info.dtype).ok_or_else(|| wrong_type(path, &wanted.name, format!("{:?}", info.dtype)))?;
            columns.push((info.dtype, data + info.data_offsets.0..data + info.data_offsets.1));
        }
        let rows = check_lengths(path, wanted, &lengths)? as usize;
        Ok(Self { path: path.to_owned(), map, columns, rows, read: 0 })
    }
}

impl ColumnReader for Safetensors {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = CHUNK_ROWS.min(self.rows - self.read);
        for ((dtype, range), column) in self.columns.iter().zip(&mut chunk.columns) {
            let width = width(*dtype).unwrap_or(1);
            let start = range.start + self.read * width;
            let bytes = self.map.get(start..start + rows * width);
            convert(*dtype, bytes.ok_or_else(|| corrupt(&self.path, "the data ends early"))?, column);
        }
        self.read += rows;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }
}

#[allow(unsafe_code, reason = "a memory map lets files larger than memory stream in")]
fn map(file: &std::fs::File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only ever read, as plain bytes that may hold any value. The file is an input that nobody
    // should write meanwhile; should somebody cut it short, the process ends by a signal without a result.
    unsafe { Mmap::map(file) }
}

/// The bytes of one number, for the types that are numbers.
fn width(dtype: Dtype) -> Option<usize> {
    Some(match dtype {
        Dtype::I8 | Dtype::U8 => 1,
        Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => 2,
        Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
        Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
        _ => return None,
    })
}

fn convert(dtype: Dtype, bytes: &[u8], column: &mut Vec<f32>) {
    fn each<const N: usize>(bytes: &[u8], column: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
        column.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
    }
    match dtype {
        Dtype::F32 => each(bytes, column, f32::from_le_bytes),
        Dtype::F64 => each(bytes, column, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => each(bytes, column, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, column, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::I8 => each(bytes, column, |b| i8::from_le_bytes(b).into()),
        Dtype::U8 => each(bytes, column, |b| u8::from_le_bytes(b).into()),
        Dtype::I16 => each(bytes, column, |b| i16::from_le_bytes(b).into()),
        Dtype::U16 => each(bytes, column, |b| u16::from_le_bytes(b).into()),
        Dtype::I32 => each(bytes, column, |b| i32::from_le_bytes(b) as f32),
        Dtype::U32 => each(bytes, column, |b| u32::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, column, |b| i64::from_le_bytes(b) as f32),
        Dtype::U64 => each(bytes, column, |b| u64::from_le_bytes(b) as f32),
        _ => {}
    }
}
