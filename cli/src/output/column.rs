//! What a column holds.

/// A type of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// 64-bit integers.
    I64,
}

impl Kind {
    /// The bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::I64 => size_of::<i64>(),
        }
    }
}

/// A column to write.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// How many numbers each row has, where that is not one: safetensors alone takes such columns.
    pub list: Option<usize>,
}

impl Field {
    /// A column with a number a row.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, list: None }
    }

    /// A column with a list a row, all of one length.
    pub const fn list(name: &'static str, kind: Kind, length: usize) -> Self {
        Self { name, kind, list: Some(length) }
    }
}

/// A column's numbers in some consecutive rows; lists stand end to end.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Of a column of that kind.
    F32(&'a [f32]),
    /// Of a column of that kind.
    I64(&'a [i64]),
}

/// One number of a column.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// Of a column of that kind.
    F32(f32),
    /// Of a column of that kind.
    I64(i64),
}

impl<'a> Values<'a> {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::I64(x) => x.len(),
        }
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Value {
        match self {
            Self::F32(x) => Value::F32(x[index]),
            Self::I64(x) => Value::I64(x[index]),
        }
    }
}

/// The rows of a chunk: its columns begin with one that has a number a row.
pub fn rows(columns: &[Values<'_>]) -> usize {
    columns.first().map_or(0, Values::len)
}
