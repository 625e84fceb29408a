//! safetensors: one tensor a column.

use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};
use std::iter;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::spool::Spool;
use super::{ColumnWriter, Kind, Target, Values};
use crate::failure::Failure;

/// The header's length is a multiple of this.
const ALIGNMENT: usize = 8;

/// A safetensors file.
pub struct Safetensors {
    target: Target,
    spool: Spool,
}

impl Safetensors {
    pub fn new(target: Target) -> Result<Self, Failure> {
        let spool = Spool::new(target.file.folder(), target.fields.len()).map_err(|e| target.failure(e))?;
        Ok(Self { target, spool })
    }

    /// Streams what `safetensors::serialize` would build in memory.
    fn write_tensors(&mut self) -> io::Result<()> {
        let rows = usize::try_from(self.spool.rows()).map_err(io::Error::other)?;
        // The widest numbers first, so that all stand aligned.
        let mut fields: Vec<_> = self.target.fields.iter().enumerate().collect();
        fields.sort_by_key(|(_, field)| (Reverse(field.kind.size()), field.name));
        let mut end = 0;
        let tensors = (fields.iter())
            .map(|(_, field)| {
                let dtype = match field.kind {
                    Kind::F32 => Dtype::F32,
                    Kind::I64 => Dtype::I64,
                };
                let shape: Vec<usize> = iter::once(rows).chain(field.list).collect();
                let start = end;
                end += shape.iter().product::<usize>() * field.kind.size();
                (field.name.to_owned(), TensorInfo { dtype, shape, data_offsets: (start, end) })
            })
            .collect();
        let metadata = Metadata::new(None, tensors).map_err(io::Error::other)?;
        let mut header = serde_json::to_vec(&metadata)?;
        if !self.target.metadata.is_empty() {
            // The crate keeps these in a map without an order, and the same rows shall give the same bytes.
            let said = format!("{{\"__metadata__\":{},", serde_json::to_string(&self.target.metadata)?);
            header.splice(..1, said.into_bytes());
        }
        header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');

        let mut file = BufWriter::with_capacity(1 << 18, self.target.file.file());
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (index, _) in fields {
            io::copy(&mut self.spool.column(index)?, &mut file)?;
        }
        file.flush()
    }
}

impl ColumnWriter for Safetensors {
    fn write(&mut self, columns: &[Values<'_>]) -> Result<(), Failure> {
        self.spool.write(columns).map_err(|e| self.target.failure(e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.write_tensors().map_err(|e| self.target.failure(e))?;
        self.target.publish()
    }
}
