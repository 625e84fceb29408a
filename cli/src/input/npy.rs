//! numpy's arrays: the header, and rows of numbers out of what follows.

use std::io::{self, Read};

use half::{bf16, f16};
use npyz::{Endianness, TypeChar, TypeStr};

use super::literal::{self, Value};
use super::{Kind, text};

/// The longest header; numpy reads none that is longer.
const LONGEST_HEADER: usize = 10_000;
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 1 << 18;
/// The largest record.
const LARGEST_ITEM: usize = 16 << 20;

/// What is wrong with an array.
pub enum Problem {
    /// Its bytes are not those of an array.
    Corrupt(String),
    /// It is a good one that is not read, for what it holds.
    Holds(String),
}

/// What an array tells of itself.
pub struct Header {
    /// Its shape.
    pub shape: Vec<u64>,
    /// Whether the first index runs fastest: the rows of a matrix do not lie in a row then.
    pub is_fortran: bool,
    /// The bytes of an item: of a number, or of a record.
    item: usize,
    /// The bytes before the first item.
    length: usize,
    /// What an item is: a number, or a record of such fields.
    kind: Type,
}

/// The type of an item or a field.
enum Type {
    Plain(TypeStr),
    Array(u64, Box<Type>),
    Record(Vec<(String, Type)>),
}

impl Type {
    /// From a header, in which it is the name of a type, or a list of names and types, perhaps with a shape.
    fn of(value: &Value) -> Result<Self, Problem> {
        let corrupt = |message: &str| Problem::Corrupt(format!("its header has {message}"));
        let fields = match value {
            Value::Text(name) => {
                let unknown = |_| Problem::Holds(format!("values of the type {name}, which numpy itself has not"));
                return name.parse().map(Self::Plain).map_err(unknown);
            }
            Value::Sequence(fields) => fields,
            _ => return Err(corrupt("no type of numpy")),
        };
        let field = |field: &Value| {
            let Value::Sequence(parts) = field else { return Err(corrupt("a field of no parts")) };
            let (name, kind, shape) = match &parts[..] {
                [name, kind] => (name, kind, &[][..]),
                [name, kind, Value::Sequence(shape)] => (name, kind, &shape[..]),
                [name, kind, shape] => (name, kind, std::slice::from_ref(shape)),
                _ => return Err(corrupt("a field of too few parts, or too many")),
            };
            let name = match name {
                Value::Text(name) => name,
                // A title and a name.
                Value::Sequence(names) => match &names[..] {
                    [_, Value::Text(name)] => name,
                    _ => return Err(corrupt("a field without a name")),
                },
                _ => return Err(corrupt("a field without a name")),
            };
            let kind = Self::of(kind)?;
            let length = shape.iter().try_fold(1_u64, |length, n| match n {
                Value::Integer(n) => length.checked_mul(*n),
                _ => None,
            });
            let length = length.ok_or_else(|| corrupt("a field with a shape that cannot be"))?;
            Ok((name.clone(), if length == 1 { kind } else { Self::Array(length, Box::new(kind)) }))
        };
        fields.iter().map(field).collect::<Result<_, _>>().map(Self::Record)
    }

    /// The bytes of one; none if they are no fixed number.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Plain(plain) => plain.num_bytes(),
            Self::Array(length, kind) => kind.size()?.checked_mul(usize::try_from(*length).ok()?),
            Self::Record(fields) => fields.iter().try_fold(0_usize, |sum, (_, kind)| sum.checked_add(kind.size()?)),
        }
    }

    /// Whether there are objects in it, which numpy writes in a way of their own.
    fn has_objects(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.uses_pickled_array(),
            Self::Array(_, kind) => kind.has_objects(),
            Self::Record(fields) => fields.iter().any(|(_, kind)| kind.has_objects()),
        }
    }
}

/// Where in each item a number stands, and which type it has.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    offset: usize,
    /// Its bytes.
    size: usize,
    kind: Kind,
    number: Number,
    is_big_endian: bool,
}

impl Column {
    /// Whether its numbers are integers; labels and groups are no log-probabilities, whatever their type.
    pub fn is_integer(&self) -> bool {
        let is_other = matches!(self.kind, Kind::Label | Kind::Group);
        is_other || !matches!(self.number, Number::F16 | Number::Bf16 | Number::F32 | Number::F64)
    }

    /// As a column of a kind.
    ///
    /// # Errors
    /// What it holds, if not what the kind needs.
    pub fn of_kind(self, kind: Kind) -> Result<Self, String> {
        match (self.number, kind) {
            (Number::Text, Kind::Group) | (Number::Bool, Kind::Label) => {}
            (Number::Text, _) => return Err("text (of numpy)".to_owned()),
            (Number::Bool, _) => return Err("booleans (numpy type bool)".to_owned()),
            (Number::F16 | Number::Bf16 | Number::F32 | Number::F64, Kind::Group) => {
                return Err("numbers that are no integers".to_owned());
            }
            _ => {}
        }
        Ok(Self { kind, ..self })
    }
}

impl Header {
    /// Reads a header: nothing in it is believed before its size and nesting are known.
    pub fn read(reader: &mut dyn Read) -> Result<Self, Problem> {
        let corrupt = |message: &str| Problem::Corrupt(message.to_owned());
        let fail = |e: io::Error| Problem::Corrupt(e.to_string());
        let mut bytes = vec![0; 10];
        reader.read_exact(&mut bytes).map_err(fail)?;
        if !bytes.starts_with(b"\x93NUMPY") {
            return Err(Problem::Corrupt("it does not begin as an array of numpy does".to_owned()));
        }
        let mut length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        if bytes[6] > 1 {
            let mut rest = [0; 2];
            reader.read_exact(&mut rest).map_err(fail)?;
            bytes.extend(rest);
            length |= usize::from(u16::from_le_bytes(rest)) << 16;
        }
        if length > LONGEST_HEADER {
            return Err(Problem::Corrupt(format!(
                "its header has {length} bytes; {LONGEST_HEADER} are the most that numpy reads"
            )));
        }
        let start = bytes.len();
        bytes.resize(start + length, 0);
        reader.read_exact(&mut bytes[start..]).map_err(fail)?;
        // The two first versions are Latin-1, whose bytes are the first code points.
        let text = match bytes[6] {
            1 | 2 => bytes[start..].iter().map(|&byte| char::from(byte)).collect(),
            3 => String::from_utf8(bytes[start..].to_vec()).map_err(|_| corrupt("its header is not UTF-8 text"))?,
            other => return Err(corrupt(&format!("version {other} of the format is not known"))),
        };
        let Value::Dictionary(entries) = literal::parse(&text).map_err(|e| corrupt(&e))? else {
            return Err(corrupt("its header is no dictionary"));
        };
        let entry = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let kind = entry("descr").ok_or_else(|| corrupt("its header has no descr"))?;
        let kind = Type::of(kind)?;
        let shape = match entry("shape") {
            Some(Value::Sequence(shape)) => {
                shape.iter().map(|n| if let Value::Integer(n) = n { Some(*n) } else { None })
            }
            _ => return Err(corrupt("its header has no shape")),
        };
        let shape = shape.collect::<Option<Vec<u64>>>().ok_or_else(|| corrupt("its header has no shape of numbers"))?;
        let Some(Value::Boolean(is_fortran)) = entry("fortran_order") else {
            return Err(corrupt("its header does not tell its fortran_order"));
        };
        if kind.has_objects() {
            return Err(Problem::Holds("Python objects (pickle), which are not read".to_owned()));
        }
        let item = kind.size().filter(|&item| item <= LARGEST_ITEM);
        let item = item.ok_or_else(|| corrupt(&format!("items of more than {} MiB", LARGEST_ITEM >> 20)))?;
        Ok(Self { shape, is_fortran: *is_fortran, item, length: bytes.len(), kind })
    }

    /// The bytes of a whole array of so many items, its header too.
    pub fn file_size(&self, rows: u64) -> Option<u64> {
        rows.checked_mul(self.item as u64)?.checked_add(self.length as u64)
    }

    /// The array's own numbers.
    pub fn plain(&self) -> Result<Column, Problem> {
        match &self.kind {
            Type::Plain(plain) => Column::new(0, plain).map_err(Problem::Holds),
            _ => {
                let names = self.fields().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(", ");
                Err(Problem::Holds(format!("records, whose fields are named with a dot ({names})")))
            }
        }
    }

    /// The fields of records, those of records in records with their names joined by dots; none for an array of numbers. A
    /// field that holds no numbers has a description of what it holds.
    pub fn fields(&self) -> Vec<(String, Result<Column, String>)> {
        let mut fields = Vec::new();
        if let Type::Record(_) = &self.kind {
            collect(&self.kind, "", 0, &mut fields);
        }
        fields
    }
}

/// Appends the fields of a type that stands at an offset, and returns the offset after it.
fn collect(kind: &Type, name: &str, offset: usize, fields: &mut Vec<(String, Result<Column, String>)>) -> usize {
    match kind {
        Type::Record(inner) => {
            let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
            return inner
                .iter()
                .fold(offset, |offset, (name, kind)| collect(kind, &format!("{prefix}{name}"), offset, fields));
        }
        Type::Plain(plain) => fields.push((name.to_owned(), Column::new(offset, plain))),
        Type::Array(length, _) => fields.push((name.to_owned(), Err(format!("arrays of {length}")))),
    }
    offset + kind.size().unwrap_or(0)
}

impl Column {
    fn new(offset: usize, plain: &TypeStr) -> Result<Self, String> {
        let number = Number::of(plain)?;
        let size = plain.num_bytes().ok_or_else(|| format!("values of no fixed size (numpy type {plain})"))?;
        Ok(Self { offset, size, kind: Kind::Number, number, is_big_endian: plain.endianness() == Endianness::Big })
    }
}

/// The types of number that an array may have.
#[derive(Clone, Copy, Debug)]
enum Number {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    /// No number at all, but it can tell lists apart.
    Text,
}

impl Number {
    fn of(plain: &TypeStr) -> Result<Self, String> {
        let what = match (plain.type_char(), plain.size_field()) {
            (TypeChar::Float, 2) => return Ok(Self::F16),
            (TypeChar::Float, 4) => return Ok(Self::F32),
            (TypeChar::Float, 8) => return Ok(Self::F64),
            (TypeChar::Int, 1) => return Ok(Self::I8),
            (TypeChar::Int, 2) => return Ok(Self::I16),
            (TypeChar::Int, 4) => return Ok(Self::I32),
            (TypeChar::Int, 8) => return Ok(Self::I64),
            (TypeChar::Uint, 1) => return Ok(Self::U8),
            (TypeChar::Uint, 2) => return Ok(Self::U16),
            (TypeChar::Uint, 4) => return Ok(Self::U32),
            (TypeChar::Uint, 8) => return Ok(Self::U64),
            // numpy has no bfloat16; those that others give it are written as two bytes without a meaning.
            (TypeChar::RawData, 2) => return Ok(Self::Bf16),
            (TypeChar::RawData, size) => {
                return Err(format!("{size} bytes without a type (numpy type {plain}; only V2 is read, as bfloat16)"));
            }
            (TypeChar::Float, _) => "floats wider than 64 bits",
            (TypeChar::Bool, _) => return Ok(Self::Bool),
            (TypeChar::Complex, _) => "complex numbers",
            (TypeChar::ByteStr | TypeChar::UnicodeStr, _) => return Ok(Self::Text),
            (TypeChar::DateTime, _) => "dates",
            (TypeChar::TimeDelta, _) => "durations",
            (TypeChar::Object, _) => "Python objects",
            _ => "values",
        };
        Err(format!("{what} (numpy type {plain})"))
    }
}

/// Reads items, a piece at a time.
pub struct Items<'a> {
    item: usize,
    columns: &'a [Column],
    buffer: Vec<u8>,
    /// What stands for the groups of the items that were read, where one of the columns holds them.
    pub groups: Vec<u64>,
}

impl<'a> Items<'a> {
    /// Of an array; `columns` are those wanted of each item.
    pub fn new(header: &Header, columns: &'a [Column]) -> Self {
        Self { item: header.item, columns, buffer: Vec::new(), groups: Vec::new() }
    }

    /// Appends the wanted numbers of the next `rows` items, a vector a column.
    pub fn read(&mut self, reader: &mut dyn Read, rows: usize, out: &mut [Vec<f32>]) -> io::Result<()> {
        let most = (PIECE_BYTES / self.item.max(1)).max(1);
        let mut left = rows;
        while left > 0 {
            let rows = left.min(most);
            self.buffer.resize(rows * self.item, 0);
            reader.read_exact(&mut self.buffer)?;
            for (column, out) in self.columns.iter().zip(out.iter_mut()) {
                if column.kind == Kind::Group {
                    let items = self.buffer.chunks_exact(self.item);
                    self.groups
                        .extend(items.map(|item| text::group(&item[column.offset..column.offset + column.size])));
                    out.resize(out.len() + rows, 0.0);
                } else {
                    column.append(&self.buffer, self.item, out);
                }
            }
            left -= rows;
        }
        Ok(())
    }
}

impl Column {
    fn append(self, items: &[u8], item: usize, out: &mut Vec<f32>) {
        match self.number {
            Number::F16 => self.typed(items, item, out, |b| f16::from_le_bytes(b).to_f32()),
            Number::Bf16 => self.typed(items, item, out, |b| bf16::from_le_bytes(b).to_f32()),
            Number::F32 => self.typed(items, item, out, f32::from_le_bytes),
            Number::F64 => self.typed(items, item, out, |b| f64::from_le_bytes(b) as f32),
            Number::I8 => self.typed(items, item, out, |b| i8::from_le_bytes(b).into()),
            Number::I16 => self.typed(items, item, out, |b| i16::from_le_bytes(b).into()),
            Number::I32 => self.typed(items, item, out, |b| i32::from_le_bytes(b) as f32),
            Number::I64 => self.typed(items, item, out, |b| i64::from_le_bytes(b) as f32),
            Number::Bool => self.typed(items, item, out, |[b]| f32::from(u8::from(b != 0))),
            Number::Text => out.resize(out.len() + items.len() / item.max(1), 0.0),
            Number::U8 => self.typed(items, item, out, |b| u8::from_le_bytes(b).into()),
            Number::U16 => self.typed(items, item, out, |b| u16::from_le_bytes(b).into()),
            Number::U32 => self.typed(items, item, out, |b| u32::from_le_bytes(b) as f32),
            Number::U64 => self.typed(items, item, out, |b| u64::from_le_bytes(b) as f32),
        }
    }

    /// `number` takes bytes with the least significant one first.
    fn typed<const N: usize>(self, items: &[u8], item: usize, out: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
        let bytes = items.chunks_exact(item).filter_map(|item| item[self.offset..].first_chunk::<N>());
        if self.is_big_endian {
            out.extend(bytes.map(|bytes| {
                let mut bytes = *bytes;
                bytes.reverse();
                number(bytes)
            }));
        } else {
            out.extend(bytes.map(|&bytes| number(bytes)));
        }
    }
}
