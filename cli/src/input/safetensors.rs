//! safetensors: one tensor a column.

use std::path::Path;

use super::tensors::{Tensor, Tensors, is_integer, is_number};
use super::{CHUNK_ROWS, Chunk, ColumnReader, Wanted, check_lengths, check_shape, wrong_type};
use crate::failure::Failure;
use crate::provenance::Metadata;

/// A safetensors file.
pub struct Safetensors {
    file: Tensors,
    columns: Vec<Tensor>,
    rows: usize,
    read: usize,
}

impl Safetensors {
    /// Opens the file and finds the columns in its header.
    pub fn open(path: &Path, wanted: &[Wanted]) -> Result<Self, Failure> {
        let file = Tensors::open(path)?;
        let mut columns = Vec::new();
        let mut lengths = Vec::new();
        for wanted in wanted {
            let tensor = file.find(&wanted.name).ok_or_else(|| wanted.missing(path, &file.names()))?;
            let shape: Vec<u64> = tensor.shape.iter().map(|&n| n as u64).collect();
            lengths.push(check_shape(path, &wanted.name, &shape)?);
            if !is_number(tensor.dtype) {
                return Err(wrong_type(path, &wanted.name, format!("{:?}", tensor.dtype)));
            }
            columns.push(tensor);
        }
        let rows = check_lengths(path, wanted, &lengths)? as usize;
        Ok(Self { file, columns, rows, read: 0 })
    }
}

impl ColumnReader for Safetensors {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = self.read..self.rows.min(self.read + CHUNK_ROWS);
        for (tensor, column) in self.columns.iter().zip(&mut chunk.columns) {
            self.file.append_f32(tensor, rows.clone(), column)?;
        }
        self.read = rows.end;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn metadata(&self) -> Vec<Metadata> {
        vec![self.file.said()]
    }

    fn is_all_integers(&self) -> bool {
        self.columns.iter().all(|column| is_integer(column.dtype))
    }
}
