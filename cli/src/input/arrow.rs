//! Arrow's own files (Feather version 2 is one) and streams, record batch by record batch.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Endianness, Message, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;

use super::arrays::{self, Batches};
use super::{Chunk, ColumnReader, Reading, Wanted, corrupt, map, memory, open_binary};
use crate::failure::Failure;
use crate::provenance::Metadata;

/// How a file begins and ends, as opposed to a stream.
const MAGIC: &[u8; 6] = b"ARROW1";
/// The longest description of a schema or of a batch.
const LONGEST_HEADER: u64 = 64 << 20;
/// The most rows of a batch.
const MOST_ROWS: i64 = 1 << 31;
/// What stands before the length of a message.
const CONTINUATION: u32 = u32::MAX;

/// An Arrow file or stream.
pub struct Arrow {
    source: Source,
    schema: SchemaRef,
    /// The columns that hold the wanted ones.
    projection: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    batches: Batches,
    /// Whether every wanted column holds integers.
    integers: bool,
    next: Next,
}

/// The file below.
struct Source {
    path: PathBuf,
    file: File,
    size: u64,
}

/// Where the next message is.
enum Next {
    /// In a stream: after the one before.
    At(u64),
    /// In a file: where its footer says; last ones first.
    Blocks(Vec<u64>),
}

/// A message's place and header; its body is read when it is wanted.
struct Found {
    header: Vec<u8>,
    body: u64,
}

impl Arrow {
    /// Finds the columns in the schema.
    pub fn open(path: &Path, wanted: &[Wanted], reading: &Reading) -> Result<Self, Failure> {
        let (file, size) = open_binary(path)?;
        let mut source = Source { path: path.to_owned(), file, size };
        let start = source.bytes(0, size.min(8))?;
        if start.starts_with(b"FEA1") {
            let message =
                "is a Feather file of version 1, which is not read; version 2 is (pyarrow.feather.write_feather)";
            return Err(Failure::of_file(path, message));
        }
        let (schema, next) = if start.starts_with(MAGIC) { source.footer()? } else { source.first()? };
        let (mut projection, mut integers) = (Vec::new(), true);
        for wanted in wanted {
            let (column, holds_integers) = arrays::check(path, &schema, wanted, reading.tokens)?;
            projection.push(column);
            integers &= holds_integers;
        }
        projection.sort_unstable();
        projection.dedup();
        let batches = Batches::new(path, wanted, reading.tokens);
        Ok(Self { source, schema: Arc::new(schema), projection, dictionaries: HashMap::new(), batches, integers, next })
    }
}

impl ColumnReader for Arrow {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Self { source, schema, projection, dictionaries, batches, next, .. } = self;
        let read = batches.fill(chunk, || next_batch(source, next, schema, projection, dictionaries));
        read.map(drop)
    }

    fn progress(&self) -> f64 {
        let at = match &self.next {
            Next::At(at) => *at,
            Next::Blocks(blocks) => blocks.last().copied().unwrap_or(self.source.size),
        };
        at as f64 / self.source.size.max(1) as f64
    }

    fn metadata(&self) -> Vec<Metadata> {
        let entries = self.schema.metadata().iter().map(|(key, value)| (key.clone(), value.clone()));
        vec![Metadata::new(&self.source.path, entries)]
    }

    fn is_all_integers(&self) -> bool {
        self.integers
    }
}

/// The wanted columns of the next record batch; none at the end.
fn next_batch(
    source: &mut Source,
    next: &mut Next,
    schema: &SchemaRef,
    projection: &[usize],
    dictionaries: &mut HashMap<i64, ArrayRef>,
) -> Result<Option<RecordBatch>, Failure> {
    let path = source.path.clone();
    let fail = |e: arrow_schema::ArrowError| corrupt(&path, e);
    loop {
        let at = match next {
            Next::At(at) => *at,
            Next::Blocks(blocks) => match blocks.pop() {
                Some(at) => at,
                None => return Ok(None),
            },
        };
        let Some(found) = source.message(at)? else { return source.end(at, next) };
        let message = found.message(&path)?;
        let length = u64::try_from(message.bodyLength()).ok().filter(|length| *length <= source.size - found.body);
        let length = length.ok_or_else(|| corrupt(&path, "a message's body goes beyond the end of the file"))?;
        if let Next::At(at) = next {
            *at = found.body + length;
        }
        let version = message.version();
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            let body = source.body(found.body, length, dictionary.data())?;
            read_dictionary(&body, dictionary, schema, dictionaries, &version).map_err(fail)?;
        } else if let Some(batch) = message.header_as_record_batch() {
            let body = source.body(found.body, length, Some(batch))?;
            let schema = Arc::clone(schema);
            return read_record_batch(&body, batch, schema, dictionaries, Some(projection), &version)
                .map(Some)
                .map_err(fail);
        } else if message.header_type() != MessageHeader::NONE {
            return Err(corrupt(&path, "a message that is no record batch, in the midst of them"));
        }
    }
}

impl Found {
    fn message(&self, path: &Path) -> Result<Message<'_>, Failure> {
        root_as_message(&self.header).map_err(|e| corrupt(path, e))
    }
}

impl Source {
    /// Some bytes of the file, which must lie within it.
    fn bytes(&mut self, at: u64, length: u64) -> Result<Vec<u8>, Failure> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(corrupt(&self.path, format!("{length} bytes are to stand at {at}, and the file ends before")));
        }
        let mut bytes = vec![0; length as usize];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map(|()| bytes).map_err(|e| Failure::of_file(&self.path, format!("cannot be read: {e}")))
    }

    fn number(&mut self, at: u64) -> Result<u32, Failure> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The message at a place; none where the mark of the end stands.
    fn message(&mut self, at: u64) -> Result<Option<Found>, Failure> {
        if at == self.size {
            return Err(corrupt(&self.path, "the stream ends without the mark of its end"));
        }
        let mut header = at;
        let mut length = self.number(header)?;
        header += 4;
        if length == CONTINUATION {
            length = self.number(header)?;
            header += 4;
        }
        let length = u64::from(length);
        if length > LONGEST_HEADER {
            return Err(corrupt(&self.path, format!("a message with a header of {length} bytes")));
        }
        if length == 0 {
            return Ok(None);
        }
        Ok(Some(Found { header: self.bytes(header, length)?, body: header + length }))
    }

    /// What the mark of the end means: nothing may come after it.
    fn end(&mut self, at: u64, next: &Next) -> Result<Option<RecordBatch>, Failure> {
        let marked = if self.number(at)? == CONTINUATION { 8 } else { 4 };
        match next {
            Next::At(_) if at + marked == self.size => Ok(None),
            Next::At(_) => Err(corrupt(&self.path, "there is more after the end of the stream")),
            Next::Blocks(_) => Err(corrupt(&self.path, "a record batch is named that is not there")),
        }
    }

    /// A stream's first message, its schema.
    fn first(&mut self) -> Result<(Schema, Next), Failure> {
        let path = self.path.clone();
        let found = self.message(0)?.ok_or_else(|| corrupt(&path, "it ends before it says what it holds"))?;
        let message = found.message(&path)?;
        let schema = message.header_as_schema().ok_or_else(|| corrupt(&path, "it does not begin with a schema"))?;
        Ok((self.schema(schema)?, Next::At(found.body)))
    }

    /// A file's footer.
    fn footer(&mut self) -> Result<(Schema, Next), Failure> {
        let path = self.path.clone();
        let tail = self.size.checked_sub(10).ok_or_else(|| corrupt(&path, "shorter than an Arrow file can be"))?;
        if self.bytes(tail + 4, 6)? != MAGIC {
            return Err(corrupt(&path, "it does not end as it begins, with ARROW1"));
        }
        let length = u64::from(self.number(tail)?);
        if length > LONGEST_HEADER || length > tail {
            return Err(corrupt(&path, format!("a footer of {length} bytes")));
        }
        let footer = self.bytes(tail - length, length)?;
        let footer = root_as_footer(&footer).map_err(|e| corrupt(&path, e))?;
        let schema = footer.schema().ok_or_else(|| corrupt(&path, "its footer has no schema"))?;
        // Dictionaries first, whatever their place; popped from the end.
        let batches = footer.recordBatches().into_iter().flatten().rev();
        let blocks = batches.chain(footer.dictionaries().into_iter().flatten().rev());
        let blocks = blocks.map(|block| u64::try_from(block.offset())).collect::<Result<_, _>>();
        Ok((self.schema(schema)?, Next::Blocks(blocks.map_err(|_| corrupt(&path, "a block before the start"))?)))
    }

    fn schema(&self, schema: arrow_ipc::Schema<'_>) -> Result<Schema, Failure> {
        if schema.endianness() == Endianness::Big {
            let message = "holds numbers with the most significant byte first, which are not read";
            return Err(Failure::of_file(&self.path, message));
        }
        try_fb_to_schema(schema).map_err(|e| corrupt(&self.path, e))
    }

    /// A message's body, mapped: what is not wanted of it is never read. The sizes that a batch tells of its buffers are looked
    /// at before anything is made of them.
    fn body(&self, at: u64, length: u64, batch: Option<arrow_ipc::RecordBatch<'_>>) -> Result<Buffer, Failure> {
        let fail = |what: &str| corrupt(&self.path, what);
        let cannot = |e: &dyn std::fmt::Display| Failure::of_file(&self.path, format!("cannot be read: {e}"));
        let body = if length == 0 {
            Bytes::new()
        } else {
            let range = usize::try_from(at).and_then(|at| usize::try_from(length).map(|length| at..at + length));
            let range = range.map_err(|_| cannot(&"larger than an address space"))?;
            Bytes::from_owner(map::map(&self.file, range).map_err(|e| cannot(&e))?)
        };
        let Some(batch) = batch else { return Err(fail("a dictionary without values")) };
        // Rows of nothing but nulls take no bytes at all.
        if !(0..=MOST_ROWS).contains(&batch.length()) {
            return Err(corrupt(&self.path, format!("a batch of {} rows", batch.length())));
        }
        for buffer in batch.buffers().into_iter().flatten() {
            let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
            let bytes = range.and_then(|range| body.get(range));
            let bytes = bytes.ok_or_else(|| fail("a buffer goes beyond the end of its batch"))?;
            if batch.compression().is_some()
                && let Some(size) = bytes.first_chunk()
            {
                // -1 where it is not compressed after all.
                memory::check(&self.path, i64::from_le_bytes(*size).max(0) as u64)?;
            }
        }
        Ok(Buffer::from(body))
    }
}
