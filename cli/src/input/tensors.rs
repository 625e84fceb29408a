//! A safetensors file: tensors by name, of which pieces are mapped into memory. The file may be larger than an address space.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zerocopy::{FromBytes, Immutable};

use super::guard::guarded;
use super::{corrupt, map, open_binary, sorted_list};
use crate::failure::Failure;

/// The longest header: one of a model with 100,000 tensors has about 10 MB.
const LONGEST_HEADER: u64 = 16 << 20;

/// An open file, all of whose tensors lie within it.
pub struct Tensors {
    /// Where it is.
    pub path: PathBuf,
    file: File,
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
    /// Opens the file and reads its header.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        guarded(path, || {
            let (mut file, size) = open_binary(path)?;
            // The length of the header stands before it.
            let mut length = [0; 8];
            let Some(most) = size.checked_sub(8) else { return Err(corrupt(path, "shorter than its header's length")) };
            file.read_exact(&mut length).map_err(|e| cannot_read(path, e))?;
            let length = u64::from_le_bytes(length);
            if length > most.min(LONGEST_HEADER) {
                let most = format!("{most} follow it, and {LONGEST_HEADER} are the most that is read");
                return Err(corrupt(path, format!("a header of {length} bytes; {most}")));
            }
            let mut header = vec![0; length as usize];
            file.read_exact(&mut header).map_err(|e| cannot_read(path, e))?;
            let header: Header = serde_json::from_slice(&header).map_err(|e| corrupt(path, e))?;
            if let Some(name) = header.twice {
                return Err(Failure::of_file(
                    path,
                    format!("two tensors are named {name}; each needs a name of its own"),
                ));
            }
            let metadata = Metadata::new(header.texts, header.tensors).map_err(|e| corrupt(path, e))?;
            if metadata.data_len() as u64 != most - length {
                let (needed, there) = (metadata.data_len(), most - length);
                return Err(corrupt(
                    path,
                    format!("its tensors have {needed} bytes by its header, and {there} are there"),
                ));
            }
            Ok(Self { path: path.to_owned(), file, metadata, data: 8 + length as usize })
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

    /// The names of all, for messages.
    pub fn names(&self) -> String {
        sorted_list(self.metadata.offset_keys().iter().map(String::as_str))
    }

    /// A range of a tensor's bytes: little-endian, aligned to nothing, in memory no longer than the piece is held.
    pub fn piece(&self, tensor: &Tensor, range: Range<usize>) -> Result<Mmap, Failure> {
        let start = tensor.bytes.start;
        assert!(start + range.end <= tensor.bytes.end, "a piece lies within its tensor");
        map::map(&self.file, start + range.start..start + range.end).map_err(|e| cannot_read(&self.path, e))
    }

    /// Appends some of a tensor's numbers, each rounded once or widened; those of no type of [`is_number`] are none.
    pub fn append_f32(&self, tensor: &Tensor, range: Range<usize>, column: &mut Vec<f32>) -> Result<(), Failure> {
        let Some(bytes) = self.numbers(tensor, range)? else { return Ok(()) };
        let bytes = &bytes[..];
        match tensor.dtype {
            Dtype::F32 => append(bytes, column, f32::from_le_bytes),
            Dtype::F64 => append(bytes, column, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => append(bytes, column, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => append(bytes, column, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::I8 => append(bytes, column, |b| i8::from_le_bytes(b).into()),
            Dtype::U8 => append(bytes, column, |b| u8::from_le_bytes(b).into()),
            Dtype::I16 => append(bytes, column, |b| i16::from_le_bytes(b).into()),
            Dtype::U16 => append(bytes, column, |b| u16::from_le_bytes(b).into()),
            Dtype::I32 => append(bytes, column, |b| i32::from_le_bytes(b) as f32),
            Dtype::U32 => append(bytes, column, |b| u32::from_le_bytes(b) as f32),
            Dtype::I64 => append(bytes, column, |b| i64::from_le_bytes(b) as f32),
            Dtype::U64 => append(bytes, column, |b| u64::from_le_bytes(b) as f32),
            _ => {}
        }
        Ok(())
    }

    /// Appends some of a tensor's integers; those of another type than I32 and I64 are none.
    pub fn append_i64(&self, tensor: &Tensor, range: Range<usize>, column: &mut Vec<i64>) -> Result<(), Failure> {
        let Some(bytes) = self.numbers(tensor, range)? else { return Ok(()) };
        match tensor.dtype {
            Dtype::I32 => append(&bytes, column, |b| i32::from_le_bytes(b).into()),
            Dtype::I64 => append(&bytes, column, i64::from_le_bytes),
            _ => {}
        }
        Ok(())
    }

    /// The bytes of some of a tensor's numbers, if there are any: nothing cannot be mapped.
    fn numbers(&self, tensor: &Tensor, range: Range<usize>) -> Result<Option<Mmap>, Failure> {
        let width = tensor.dtype.bitsize() / 8;
        if range.is_empty() || width == 0 {
            return Ok(None);
        }
        self.piece(tensor, range.start * width..range.end * width).map(Some)
    }
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::of_file(path, format!("cannot be read: {error}"))
}

fn append<T, const N: usize>(bytes: &[u8], column: &mut Vec<T>, number: impl Fn([u8; N]) -> T) {
    column.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
}

/// A header as it stands there. The crate's own decoder takes the last of two tensors of one name.
struct Header {
    texts: Option<HashMap<String, String>>,
    /// In the order of their bytes.
    tensors: Vec<(String, TensorInfo)>,
    /// A name that stands there a second time.
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;

        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut texts, mut tensors, mut twice, mut names) = (None, Vec::new(), None, HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        twice = Some(name.clone());
                    }
                    if name == "__metadata__" {
                        texts = Some(map.next_value::<Texts>()?.0);
                    } else {
                        tensors.push((name, map.next_value::<TensorInfo>()?));
                    }
                }
                tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
                Ok(Header { texts, tensors, twice })
            }
        }

        deserializer.deserialize_map(Tensors)
    }
}

/// The texts that a file may hold beside its tensors.
struct Texts(HashMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = HashMap::new();
                while let Some((name, text)) = map.next_entry::<String, String>()? {
                    if texts.insert(name.clone(), text).is_some() {
                        return Err(A::Error::custom(format!("two texts are named {name}")));
                    }
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// Whether a type is one that [`Tensors::append_f32`] knows.
pub fn is_number(dtype: Dtype) -> bool {
    use Dtype::{BF16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(dtype, F16 | BF16 | F32 | F64 | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
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
