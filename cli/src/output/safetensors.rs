//! safetensors: one tensor a column.

use std::io::{self, BufWriter, Write};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::spool::Spool;
use super::{ColumnWriter, Target};
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
        let spool = Spool::new(target.file.folder(), target.names.len()).map_err(|e| target.failure(e))?;
        Ok(Self { target, spool })
    }

    /// Streams what `safetensors::serialize` would build in memory.
    fn write_tensors(&mut self) -> io::Result<()> {
        let rows = usize::try_from(self.spool.rows()).map_err(io::Error::other)?;
        let bytes = rows * size_of::<f32>();
        let mut names: Vec<_> = self.target.names.iter().enumerate().collect();
        names.sort_by_key(|&(_, name)| name);
        let info = |place: usize| TensorInfo {
            dtype: Dtype::F32,
            shape: vec![rows],
            data_offsets: (place * bytes, (place + 1) * bytes),
        };
        let tensors = names.iter().enumerate().map(|(place, (_, name))| (name.to_string(), info(place))).collect();
        let metadata = Metadata::new(None, tensors).map_err(io::Error::other)?;
        let mut header = serde_json::to_vec(&metadata)?;
        header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');

        let mut file = BufWriter::with_capacity(1 << 18, self.target.file.file());
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (index, _) in names {
            io::copy(&mut self.spool.column(index)?, &mut file)?;
        }
        file.flush()
    }
}

impl ColumnWriter for Safetensors {
    fn write(&mut self, columns: &[&[f32]]) -> Result<(), Failure> {
        self.spool.write(columns).map_err(|e| self.target.failure(e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.write_tensors().map_err(|e| self.target.failure(e))?;
        self.target.publish()
    }
}
