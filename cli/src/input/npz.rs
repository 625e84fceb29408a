//! numpy's `.npz`, a zip of arrays, each decompressed by a thread of its own; and `.npy`, one array of records.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use npyz::npz;
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::guard::guarded;
use super::npy::{self, Header, Items, Problem};
use super::{
    CHUNK_ROWS, Chunk, ColumnReader, Kind, Wanted, check_lengths, check_shape, check_widths, corrupt, open_binary,
    sorted_list, wrong_type,
};
use crate::failure::{Failure, name_list};

type Archive = ZipArchive<BufReader<File>>;
type Part = Result<Numbers, Failure>;

/// Some numbers of a column, or groups.
#[derive(Default)]
struct Numbers {
    numbers: Vec<f32>,
    groups: Vec<u64>,
}

/// An npz file.
pub struct Npz {
    path: PathBuf,
    columns: Vec<Receiver<Part>>,
    /// How many numbers a row of each has.
    widths: Vec<usize>,
    /// How many rows of the file are read at a time, and the answers of each where it is a list.
    step: u64,
    answers: Option<usize>,
    /// Whether every one of them holds integers.
    integers: bool,
    rows: u64,
    read: u64,
}

/// Where in an archive a column is.
struct Source {
    name: String,
    entry: usize,
    rows: u64,
    /// The numbers of a row.
    width: usize,
    header: Header,
    column: npy::Column,
}

impl Npz {
    /// Checks the headers of the wanted arrays and starts to read them.
    pub fn open(path: &Path, wanted: &[Wanted]) -> Result<Self, Failure> {
        let mut archive = open_archive(path)?;
        if archive.has_duplicate_names() {
            return Err(Failure::of_file(path, "two of its arrays have one name; each needs its own"));
        }
        let mut sources = Vec::new();
        for wanted in wanted {
            sources.push(source(path, &mut archive, wanted)?);
        }
        let lengths: Vec<u64> = sources.iter().map(|source| source.rows).collect();
        let rows = check_lengths(path, wanted, &lengths)?;
        let integers = sources.iter().all(|source| source.column.is_integer());
        let widths: Vec<usize> = sources.iter().map(|source| source.width).collect();
        let answers = check_widths(path, wanted, &widths)?;
        let step = (CHUNK_ROWS / answers.unwrap_or(1)).max(1) as u64;
        let columns = sources.into_iter().map(|source| start(path, source, step)).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_owned(), columns, widths, step, answers, integers, rows, read: 0 })
    }
}

impl ColumnReader for Npz {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = (self.rows - self.read).min(self.step);
        for ((parts, column), width) in self.columns.iter().zip(&mut chunk.columns).zip(&self.widths) {
            match parts.recv() {
                Ok(part) => {
                    let Numbers { numbers, groups } = part?;
                    *column = numbers;
                    chunk.groups.extend(groups);
                }
                Err(_) if rows == 0 => {}
                Err(_) => return Err(corrupt(&self.path, "the data ends early")),
            }
            if column.len() as u64 != rows * *width as u64 {
                return Err(corrupt(&self.path, "the data ends early"));
            }
        }
        if let Some(answers) = self.answers {
            chunk.spread(rows as usize, answers, &self.widths);
        }
        self.read += rows;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn is_all_integers(&self) -> bool {
        self.integers
    }
}

fn open_archive(path: &Path) -> Result<Archive, Failure> {
    let (file, _) = open_binary(path)?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| corrupt(path, e))
}

fn array_names(archive: &Archive) -> String {
    let files: Vec<_> = archive.file_names().flatten().collect();
    sorted_list(files.iter().filter_map(|name| npz::array_name_from_file_name(name)))
}

/// Finds a wanted column: an array of that name, or a field of an array of records, named with a dot.
fn source(path: &Path, archive: &mut Archive, wanted: &Wanted) -> Result<Source, Failure> {
    let name = &wanted.name;
    let splits = name.char_indices().filter(|&(_, c)| c == '.').map(|(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
    let found = [(name.as_str(), None)].into_iter().chain(splits).find_map(|(array, field)| {
        let entry = archive.index_for_name(&npz::file_name_from_array_name(array))?;
        Some((entry, field))
    });
    let Some((entry, field)) = found else { return Err(wanted.missing(path, &array_names(archive))) };
    let mut file = open_entry(path, archive, entry, name)?;
    let size = file.size();
    let header = Header::read(&mut file).map_err(|problem| failure(path, wanted, problem))?;
    let column = match field {
        None => header.plain().map_err(|problem| failure(path, wanted, problem))?,
        Some(field) => self::field(path, &header, wanted, field)?,
    };
    let column = column.of_kind(wanted.kind).map_err(|found| wrong_type(path, wanted, found))?;
    let (rows, width) = check_shape(path, wanted, &header.shape)?;
    if header.is_fortran && rows > 1 && width > 1 {
        let message = format!("column {name} is in the order of Fortran; numpy.ascontiguousarray makes rows of it");
        return Err(Failure::of_file(path, message));
    }
    check_size(path, &header, rows.saturating_mul(width as u64), size)?;
    Ok(Source { name: name.clone(), entry, rows, width, header, column })
}

/// A field of an array's records.
fn field(path: &Path, header: &Header, wanted: &Wanted, field: &str) -> Result<npy::Column, Failure> {
    let fields = header.fields();
    let mut found = fields.iter().filter(|(name, _)| name == field);
    match (found.next(), found.next()) {
        (Some((_, Ok(column))), None) => column.of_kind(wanted.kind).map_err(|found| wrong_type(path, wanted, found)),
        (Some((_, Err(what))), None) => Err(wrong_type(path, wanted, what)),
        (Some(_), Some(_)) => Err(Failure::of_file(path, format!("two columns are named {}", wanted.name))),
        (None, _) => Err(wanted.missing(path, &name_list(fields.iter().map(|(name, _)| name.as_str())))),
    }
}

/// That there are as many bytes as the header says.
fn check_size(path: &Path, header: &Header, rows: u64, size: u64) -> Result<(), Failure> {
    if header.file_size(rows) == Some(size) {
        return Ok(());
    }
    let needed = header.file_size(rows).map_or("more than can be counted".to_owned(), |size| size.to_string());
    Err(corrupt(path, format!("an array of {rows} rows has {size} bytes, and needs {needed}")))
}

fn failure(path: &Path, wanted: &Wanted, problem: Problem) -> Failure {
    match problem {
        Problem::Corrupt(why) => corrupt(path, format!("column {}: {why}", wanted.name)),
        Problem::Holds(what) => wrong_type(path, wanted, what),
    }
}

/// Opens one array of the archive.
fn open_entry<'a>(
    path: &Path,
    archive: &'a mut Archive,
    entry: usize,
    name: &str,
) -> Result<ZipFile<'a, BufReader<File>>, Failure> {
    let fail = |why: &dyn std::fmt::Display| corrupt(path, format!("column {name}: {why}"));
    {
        let file = archive.by_index_raw(entry).map_err(|e| fail(&e))?;
        if file.encrypted() {
            return Err(Failure::of_file(path, format!("column {name} is encrypted, which is not read")));
        }
        if let Some(method) = not_read(file.compression()) {
            let message = format!("is compressed by {method}, which is not read (numpy itself writes deflate)");
            return Err(Failure::of_file(path, format!("column {name} {message}")));
        }
    }
    archive.by_index(entry).map_err(|e| fail(&e))
}

/// The name of a method of compression that is not read.
fn not_read(method: CompressionMethod) -> Option<String> {
    #[allow(deprecated, reason = "the crate has no other way to a method's number")]
    let number = match method {
        CompressionMethod::Stored | CompressionMethod::Deflated => return None,
        CompressionMethod::Unsupported(number) => number,
        other => return Some(other.to_string()),
    };
    // The numbers are those of the zip format.
    Some(match number {
        1 => "shrink".into(),
        6 => "implode".into(),
        9 => "deflate64".into(),
        12 => "bzip2".into(),
        14 => "LZMA".into(),
        93 => "zstd".into(),
        95 => "xz".into(),
        98 => "PPMd".into(),
        other => format!("method {other}"),
    })
}

/// Starts the thread that reads one array to its end, so many rows at a time.
fn start(path: &Path, source: Source, step: u64) -> Result<Receiver<Part>, Failure> {
    let (sender, receiver) = sync_channel(2);
    let path_of_thread = path.to_owned();
    let thread = move || {
        let path = path_of_thread;
        let read = guarded(&path, || {
            let mut archive = open_archive(&path)?;
            let file = open_entry(&path, &mut archive, source.entry, &source.name)?;
            let mut file = BufReader::with_capacity(1 << 18, file);
            send(&mut file, &source, step, &sender).map_err(|e| corrupt(&path, format!("column {}: {e}", source.name)))
        });
        if let Err(failure) = read {
            // Nobody listens any more when another column failed first.
            let _ = sender.send(Err(failure));
        }
    };
    let started = thread::Builder::new().spawn(thread);
    started.map_err(|e| Failure::of_file(path, format!("no thread can be started to read it: {e}")))?;
    Ok(receiver)
}

fn send(file: &mut dyn Read, source: &Source, step: u64, sender: &SyncSender<Part>) -> std::io::Result<()> {
    // Read again, to come after it.
    if Header::read(file).is_err() {
        return Err(std::io::Error::other("it changes while it is read"));
    }
    let columns = [source.column];
    let mut items = Items::new(&source.header, &columns);
    let mut left = source.rows;
    loop {
        let rows = left.min(step) as usize;
        let mut part = Numbers::default();
        part.numbers.reserve(rows * source.width);
        items.read(file, rows * source.width, std::slice::from_mut(&mut part.numbers))?;
        part.groups = std::mem::take(&mut items.groups);
        left -= rows as u64;
        // The end is known to be the end before it is sent: reading on also checks the checksum.
        if left == 0 && file.read(&mut [0])? != 0 {
            return Err(std::io::Error::other("more data than its header says"));
        }
        if sender.send(Ok(part)).is_err() || left == 0 {
            return Ok(());
        }
    }
}

/// An npy file of records.
pub struct Npy {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
    columns: Vec<npy::Column>,
    rows: u64,
    read: u64,
}

impl Npy {
    /// Finds the columns among the fields of the records.
    pub fn open(path: &Path, wanted: &[Wanted]) -> Result<Self, Failure> {
        let (file, size) = open_binary(path)?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let header = Header::read(&mut file).map_err(|problem| match problem {
            Problem::Corrupt(why) => corrupt(path, why),
            Problem::Holds(what) => Failure::of_file(path, format!("holds {what}; records of numbers are needed")),
        })?;
        if header.fields().is_empty() {
            let message = "is one array without names of columns; a structured array with the columns as its fields is \
                           needed, or an .npz file with one array a column (numpy.savez)";
            return Err(Failure::of_file(path, message));
        }
        let columns =
            wanted.iter().map(|wanted| field(path, &header, wanted, &wanted.name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(list) = wanted.iter().find(|wanted| wanted.kind == Kind::Answers) {
            return Err(wrong_type(path, list, "a number a row"));
        }
        let (rows, _) = check_shape(path, &wanted[0], &header.shape)?;
        check_size(path, &header, rows, size)?;
        Ok(Self { path: path.to_owned(), file, header, columns, rows, read: 0 })
    }
}

impl ColumnReader for Npy {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = (self.rows - self.read).min(CHUNK_ROWS as u64) as usize;
        let mut items = Items::new(&self.header, &self.columns);
        items.read(&mut self.file, rows, &mut chunk.columns).map_err(|e| corrupt(&self.path, e))?;
        chunk.groups.append(&mut items.groups);
        self.read += rows as u64;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn is_all_integers(&self) -> bool {
        self.columns.iter().all(npy::Column::is_integer)
    }
}
