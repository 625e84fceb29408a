//! safetensors: one tensor a column.

use std::path::Path;

use safetensors::Dtype;

use super::tensors::{Tensor, Tensors, is_integer, is_number};
use super::{CHUNK_ROWS, Chunk, ColumnReader, Kind, Wanted, check_lengths, check_shape, check_widths, wrong_type};
use crate::failure::Failure;
use crate::provenance::Metadata;

/// A safetensors file.
pub struct Safetensors {
    file: Tensors,
    columns: Vec<Column>,
    /// How many rows of the file are read at a time, and the answers of each where it is a list.
    step: usize,
    answers: Option<usize>,
    rows: usize,
    read: usize,
}

/// A wanted tensor.
struct Column {
    tensor: Tensor,
    kind: Kind,
    /// How many numbers a row has.
    width: usize,
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
            let (rows, width) = check_shape(path, wanted, &shape)?;
            lengths.push(rows);
            let is_read = match wanted.kind {
                Kind::Label => is_number(tensor.dtype) || tensor.dtype == Dtype::BOOL,
                Kind::Group => is_integer(tensor.dtype),
                Kind::Number | Kind::Answers => is_number(tensor.dtype),
            };
            if !is_read {
                return Err(wrong_type(path, wanted, format!("{:?}", tensor.dtype)));
            }
            columns.push(Column { tensor, kind: wanted.kind, width });
        }
        let rows = check_lengths(path, wanted, &lengths)? as usize;
        let widths: Vec<usize> = columns.iter().map(|column| column.width).collect();
        let answers = check_widths(path, wanted, &widths)?;
        let step = (CHUNK_ROWS / answers.unwrap_or(1)).max(1);
        Ok(Self { file, columns, step, answers, rows, read: 0 })
    }
}

impl ColumnReader for Safetensors {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = self.read..self.rows.min(self.read + self.step);
        for (Column { tensor, kind, width }, column) in self.columns.iter().zip(&mut chunk.columns) {
            match kind {
                Kind::Label if tensor.dtype == Dtype::BOOL => {
                    let mut labels = Vec::new();
                    self.file.append_i64(tensor, rows.clone(), &mut labels)?;
                    column.extend(labels.into_iter().map(|label| label as f32));
                }
                Kind::Group => {
                    let mut groups = Vec::new();
                    self.file.append_i64(tensor, rows.clone(), &mut groups)?;
                    column.resize(groups.len(), 0.0);
                    chunk.groups.extend(groups.into_iter().map(|group| group as u64));
                }
                _ => self.file.append_f32(tensor, rows.start * width..rows.end * width, column)?,
            }
        }
        if let Some(answers) = self.answers {
            let widths: Vec<usize> = self.columns.iter().map(|column| column.width).collect();
            chunk.spread(rows.len(), answers, &widths);
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
        self.columns
            .iter()
            .all(|column| matches!(column.kind, Kind::Label | Kind::Group) || is_integer(column.tensor.dtype))
    }
}
