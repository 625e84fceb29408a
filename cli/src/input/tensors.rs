//! A safetensors file: tensors by name, read through a memory map.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use zerocopy::{FromBytes, Immutable};

use super::guard::guarded;
use super::{corrupt, map, open_binary, sorted_list};
use crate::failure::Failure;
use crate::provenance;

/// An open file, all of whose tensors lie within it.
pub struct Tensors {
    /// Where it is.
    pub path: PathBuf,
    file: File,
    map: Mmap,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    data: usize,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Its shape; the product fits the file.
    pub shape: Vec<usize>,
    bytes: Range<usize>,
}

impl Tensors {
    /// Maps the file and reads its header.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        guarded(path, || {
            let (file, size) = open_binary(path)?;
            let size = usize::try_from(size).map_err(|_| Failure::of_file(path, "larger than an address space"))?;
            let map = map::map(&file, 0..size).map_err(|e| cannot_read(path, e))?;
            let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| corrupt(path, e))?;
            // The length of the header stands before it in 8 bytes.
            Ok(Self { path: path.to_owned(), file, map, metadata, data: header + 8 })
        })
    }

    /// The tensor of a name.
    pub fn find(&self, name: &str) -> Option<Tensor> {
        let info = self.metadata.info(name)?;
        let (start, end) = info.data_offsets;
        Some(Tensor { dtype: info.dtype, shape: info.shape.clone(), bytes: self.data + start..self.data + end })
    }

    /// The tensor of a name; `remedy` tells what to do when there is none.
    pub fn get(&self, name: &str, remedy: &str) -> Result<Tensor, Failure> {
        self.find(name).ok_or_else(|| {
            Failure::of_file(&self.path, format!("no tensor {name}; tensors there: {} ({remedy})", self.names()))
        })
    }

    /// What the file says of itself beside its tensors.
    pub fn said(&self) -> provenance::Metadata {
        let entries = self.metadata.metadata().clone().into_iter().flatten();
        provenance::Metadata::new(&self.path, entries)
    }

    /// The names of all, for messages.
    pub fn names(&self) -> String {
        sorted_list(self.metadata.offset_keys().iter().map(String::as_str))
    }

    /// A tensor's bytes: little-endian, aligned to nothing.
    pub fn bytes(&self, tensor: &Tensor) -> &[u8] {
        &self.map[tensor.bytes.clone()]
    }

    /// A range of a tensor's bytes, mapped anew: their pages stay in memory no longer than the piece is held.
    pub fn piece(&self, tensor: &Tensor, range: Range<usize>) -> Result<Mmap, Failure> {
        let start = tensor.bytes.start;
        assert!(start + range.end <= tensor.bytes.end, "a piece lies within its tensor");
        map::map(&self.file, start + range.start..start + range.end).map_err(|e| cannot_read(&self.path, e))
    }

    /// Appends some of a tensor's numbers, each rounded once or widened; those of no type of [`is_number`] are none.
    pub fn append_f32(&self, tensor: &Tensor, range: Range<usize>, column: &mut Vec<f32>) {
        let bytes = self.bytes(tensor);
        match tensor.dtype {
            Dtype::F32 => append(bytes, range, column, f32::from_le_bytes),
            Dtype::F64 => append(bytes, range, column, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => append(bytes, range, column, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => append(bytes, range, column, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::I8 => append(bytes, range, column, |b| i8::from_le_bytes(b).into()),
            Dtype::U8 => append(bytes, range, column, |b| u8::from_le_bytes(b).into()),
            Dtype::I16 => append(bytes, range, column, |b| i16::from_le_bytes(b).into()),
            Dtype::U16 => append(bytes, range, column, |b| u16::from_le_bytes(b).into()),
            Dtype::I32 => append(bytes, range, column, |b| i32::from_le_bytes(b) as f32),
            Dtype::U32 => append(bytes, range, column, |b| u32::from_le_bytes(b) as f32),
            Dtype::I64 => append(bytes, range, column, |b| i64::from_le_bytes(b) as f32),
            Dtype::U64 => append(bytes, range, column, |b| u64::from_le_bytes(b) as f32),
            _ => {}
        }
    }
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::of_file(path, format!("cannot be read: {error}"))
}

fn append<const N: usize>(bytes: &[u8], range: Range<usize>, column: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
    column.extend(bytes.as_chunks::<N>().0[range].iter().map(|&bytes| number(bytes)));
}

/// Whether a type is one that [`Tensors::append_f32`] knows.
pub fn is_number(dtype: Dtype) -> bool {
    use Dtype::{BF16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(dtype, F16 | BF16 | F32 | F64 | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
}

/// Whether a type is one of integers.
pub fn is_integer(dtype: Dtype) -> bool {
    use Dtype::{BF16, F16, F32, F64};
    is_number(dtype) && !matches!(dtype, F16 | BF16 | F32 | F64)
}

/// A type that may lie in memory as it lies in a file.
pub trait Plain: Copy + FromBytes + Immutable {
    /// From its bytes in a file.
    fn from_file(bytes: &[u8]) -> Self;
}

macro_rules! plain {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            fn from_file(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many bytes as the number has"))
            }
        }
    )*};
}

plain!(f32, bf16, f16);

/// Bytes of a file as numbers: in place where they lie aligned, else copied into `buffer`.
pub fn numbers<'a, T: Plain>(bytes: &'a [u8], buffer: &'a mut Vec<T>) -> &'a [T] {
    if cfg!(target_endian = "little")
        && let Ok(numbers) = <[T]>::ref_from_bytes(bytes)
    {
        return numbers;
    }
    buffer.clear();
    buffer.extend(bytes.chunks_exact(size_of::<T>()).map(T::from_file));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_every_offset() {
        let bytes: Vec<u8> = (0..64).collect();
        let (mut buffer, mut in_place) = (Vec::new(), 0);
        for start in 0..8 {
            let bytes = &bytes[start..start + 40];
            let expected: Vec<f32> = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let got = numbers::<f32>(bytes, &mut buffer);
            assert_eq!(got, expected);
            in_place += u32::from(got.as_ptr().cast() == bytes.as_ptr());
        }
        assert_eq!(in_place, if cfg!(target_endian = "little") { 2 } else { 0 });
    }
}
