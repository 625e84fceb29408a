//! numpy's `.npz`: a zip of arrays, each decompressed by a thread of its own.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use half::f16;
use npyz::{DType, Deserialize, NpyFile, NpyHeader, TypeChar, npz};
use zip::ZipArchive;

use super::guard::guarded;
use super::{
    CHUNK_ROWS, Chunk, ColumnReader, Wanted, check_lengths, check_shape, corrupt, open_binary, sorted_list, wrong_type,
};
use crate::failure::Failure;

type Archive = ZipArchive<BufReader<File>>;
type Part = Result<Vec<f32>, Failure>;

/// An npz file.
pub struct Npz {
    path: PathBuf,
    columns: Vec<Receiver<Part>>,
    rows: u64,
    read: u64,
}

impl Npz {
    /// Checks the headers of the wanted arrays and starts to read them.
    pub fn open(path: &Path, wanted: &[Wanted]) -> Result<Self, Failure> {
        let mut archive = open_archive(path)?;
        let mut entries = Vec::new();
        let mut lengths = Vec::new();
        for wanted in wanted {
            let Some(entry) = archive.index_for_name(&npz::file_name_from_array_name(&wanted.name)) else {
                return Err(wanted.missing(path, &array_names(&archive)));
            };
            let header = array(path, &mut archive, entry, &wanted.name, |file| Ok(file.header().clone()))?;
            lengths.push(check_shape(path, &wanted.name, header.shape())?);
            Number::of(&header).map_err(|found| wrong_type(path, &wanted.name, found))?;
            entries.push(entry);
        }
        let rows = check_lengths(path, wanted, &lengths)?;
        let columns = entries.into_iter().zip(wanted).map(|(entry, wanted)| start(path, entry, &wanted.name));
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_owned(), columns, rows, read: 0 })
    }
}

impl ColumnReader for Npz {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(self.columns.len());
        let rows = (self.rows - self.read).min(CHUNK_ROWS as u64);
        for (parts, column) in self.columns.iter().zip(&mut chunk.columns) {
            match parts.recv() {
                Ok(part) => *column = part?,
                Err(_) if rows == 0 => {}
                Err(_) => return Err(corrupt(&self.path, "the data ends early")),
            }
            if column.len() as u64 != rows {
                return Err(corrupt(&self.path, "the data ends early"));
            }
        }
        self.read += rows;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
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

/// Opens one array of the archive and hands it on.
fn array<T>(
    path: &Path,
    archive: &mut Archive,
    entry: usize,
    name: &str,
    read: impl FnOnce(NpyFile<&mut dyn Read>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let fail = |why: &dyn std::fmt::Display| corrupt(path, format!("column {name}: {why}"));
    let file = archive.by_index(entry).map_err(|e| fail(&e))?;
    let mut file = BufReader::with_capacity(1 << 18, file);
    let npy = NpyFile::new(&mut file as &mut dyn Read).map_err(|e| fail(&e))?;
    read(npy)
}

/// Starts the thread that reads one array to its end, chunk by chunk.
fn start(path: &Path, entry: usize, name: &str) -> Result<Receiver<Part>, Failure> {
    let (sender, receiver) = sync_channel(2);
    let (path_of_thread, name) = (path.to_owned(), name.to_owned());
    let started = thread::Builder::new().spawn(move || {
        let path = path_of_thread;
        let read = guarded(&path, || {
            let mut archive = open_archive(&path)?;
            array(&path, &mut archive, entry, &name, |file| {
                send_all(file, &sender).map_err(|e| corrupt(&path, format!("column {name}: {e}")))
            })
        });
        if let Err(failure) = read {
            // Nobody listens any more when another column failed first.
            let _ = sender.send(Err(failure));
        }
    });
    started.map_err(|e| Failure::of_file(path, format!("no thread can be started to read it: {e}")))?;
    Ok(receiver)
}

/// The types of number that an array may have.
enum Number {
    F16,
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
}

impl Number {
    fn of(header: &NpyHeader) -> Result<Self, String> {
        let DType::Plain(plain) = header.dtype() else {
            return Err("records".to_owned());
        };
        Ok(match (plain.type_char(), plain.size_field()) {
            (TypeChar::Float, 2) => Self::F16,
            (TypeChar::Float, 4) => Self::F32,
            (TypeChar::Float, 8) => Self::F64,
            (TypeChar::Int, 1) => Self::I8,
            (TypeChar::Int, 2) => Self::I16,
            (TypeChar::Int, 4) => Self::I32,
            (TypeChar::Int, 8) => Self::I64,
            (TypeChar::Uint, 1) => Self::U8,
            (TypeChar::Uint, 2) => Self::U16,
            (TypeChar::Uint, 4) => Self::U32,
            (TypeChar::Uint, 8) => Self::U64,
            _ => return Err(format!("values of numpy type {plain}")),
        })
    }
}

fn send_all(file: NpyFile<&mut dyn Read>, sender: &SyncSender<Part>) -> std::io::Result<()> {
    match Number::of(file.header()).map_err(std::io::Error::other)? {
        Number::F16 => send(file, sender, f16::to_f32),
        Number::F32 => send(file, sender, |x: f32| x),
        Number::F64 => send(file, sender, |x: f64| x as f32),
        Number::I8 => send(file, sender, |x: i8| x.into()),
        Number::I16 => send(file, sender, |x: i16| x.into()),
        Number::I32 => send(file, sender, |x: i32| x as f32),
        Number::I64 => send(file, sender, |x: i64| x as f32),
        Number::U8 => send(file, sender, |x: u8| x.into()),
        Number::U16 => send(file, sender, |x: u16| x.into()),
        Number::U32 => send(file, sender, |x: u32| x as f32),
        Number::U64 => send(file, sender, |x: u64| x as f32),
    }
}

fn send<T: Deserialize>(
    file: NpyFile<&mut dyn Read>,
    sender: &SyncSender<Part>,
    number: impl Fn(T) -> f32,
) -> std::io::Result<()> {
    let header = file.header().clone();
    let reader = file.into_inner();
    let mut values = NpyFile::with_header(header, &mut *reader).data::<T>().map_err(std::io::Error::other)?;
    loop {
        let mut part = Vec::with_capacity(CHUNK_ROWS);
        for value in values.by_ref().take(CHUNK_ROWS) {
            part.push(number(value?));
        }
        if part.len() < CHUNK_ROWS {
            return send_last(part, reader, sender);
        }
        if sender.send(Ok(part)).is_err() {
            return Ok(());
        }
    }
}

/// Sends the end of an array, once it is known to be the end: reading on also checks the checksum.
fn send_last(part: Vec<f32>, reader: &mut dyn Read, sender: &SyncSender<Part>) -> std::io::Result<()> {
    if reader.read(&mut [0])? != 0 {
        return Err(std::io::Error::other("more data than its header says"));
    }
    let _ = sender.send(Ok(part));
    Ok(())
}
