//! `preflane score`: files of log-probabilities through the losses, chunk by chunk.

mod columns;
mod findings;
mod histogram;
mod json;
mod labelled;
mod listed;
mod outliers;
mod pairs;
mod plan;
mod report;
mod rows;
mod shape;
mod source;
mod watched;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use preflane::losses::Description;
use preflane::{Error, Run};

use crate::args::{Score, Sequences};
use crate::failure::Failure;
use crate::input::{self, Chunk, Note, Reading, Tokens};
use crate::layout::short;
use crate::machine;
use crate::output::{self, ColumnWriter};
use crate::progress::Progress;
use crate::provenance::{Entries, Provenance};
use histogram::Histogram;
use plan::Plan;
use rows::{At, Row};
use shape::{Fault, Shape};
use source::Source;
use watched::{Results, Watched};

/// All that the report says.
pub struct Scored {
    /// The loss.
    pub loss: &'static Description,
    /// What a preset or a sum made of it.
    pub convention: Option<String>,
    /// Its parameters.
    pub parameters: Vec<f64>,
    /// What is particular to its shape.
    pub shape: Box<dyn Shape>,
    /// Whether the reference's log-probabilities are read.
    pub is_referenced: bool,
    /// Whether the units have weights.
    pub weighted: bool,
    /// What became of lists of tokens.
    pub tokens: Option<Tokens>,
    /// The input files.
    pub files: Vec<PathBuf>,
    /// The margins of all units.
    pub histogram: Histogram,
    /// What else the findings are made of.
    pub watched: Watched,
    /// Rows left out for a value that is missing.
    pub skipped: u64,
    /// What the readers said of the files.
    pub notes: Vec<Note>,
    /// The units of each file.
    pub file_units: Vec<u64>,
    /// Whether the policy's sequences and the reference's are one file.
    pub is_one_file: bool,
    /// What the files say of themselves.
    pub provenance: Vec<Provenance>,
}

/// The command: what it prints.
pub fn run(mut options: Score) -> Result<String, Failure> {
    options.resolve()?;
    let scored = score(&options)?;
    Ok(if options.json { json::object(&scored) } else { report::text(&scored) })
}

/// Scores the files and writes `--out`.
fn score(options: &Score) -> Result<Scored, Failure> {
    let plan = plan::plan(options)?;
    let run = machine::run()?;
    let reading = options.reading.reading();
    let files = input::expand(&options.files, &reading)?;
    let wanted = plan.wanted.clone();
    let sources = Source::all(options, &files, &wanted, &reading);
    let bytes: Vec<u64> = sources.iter().map(Source::bytes).collect();
    // The size of a pipe is not known.
    let is_known = sources.iter().flat_map(Source::paths).all(|path| path.is_file());
    machine::start(options.threads, is_known.then(|| bytes.iter().sum()))?;
    machine::on_threads(|| all(options, plan, run, &reading, &sources, &bytes))
}

/// Scores all sources, of so many bytes.
fn all(
    options: &Score,
    plan: Plan,
    run: Run,
    reading: &Reading,
    sources: &[Source<'_>],
    bytes: &[u64],
) -> Result<Scored, Failure> {
    let mut checked = plan::check_files(options, &plan, sources)?;
    let mut shape = plan.shape;
    let mut readers = shape.prepare(sources)?;
    let out = options.out.as_deref().map(|path| output::create(path, shape.fields(), &Entries::new())).transpose()?;

    let watched = Watched::new(shape.sides(), plan.is_referenced, sources.len(), shape.steepest());
    let mut scoring = Scoring {
        run,
        weights: options.columns.weights.as_deref(),
        column: plan::column_name(options),
        rows_before: 0,
        out,
        scored: Scored {
            loss: options.loss,
            convention: options.convention.clone(),
            parameters: plan.parameters,
            shape,
            is_referenced: plan.is_referenced,
            weighted: options.columns.weights.is_some(),
            tokens: reading.tokens,
            files: sources.iter().map(|source| source.path().to_owned()).collect(),
            histogram: Histogram::new(),
            watched,
            skipped: 0,
            notes: Vec::new(),
            file_units: Vec::new(),
            is_one_file: is_one_file(&options.sequences),
            provenance: checked.provenance,
        },
    };
    let mut progress = Progress::new(bytes.iter().sum());
    let mut bytes_before = 0;
    for (file, source) in sources.iter().enumerate() {
        let kept = readers.get_mut(file).and_then(Option::take).or_else(|| checked.reader.take());
        let mut reader = kept.map_or_else(|| source.open(), Ok)?;
        scoring.scored.watched.integers &= reader.is_all_integers();
        let units_before = scoring.scored.shape.counts().units;
        let end = input::each(&mut *reader, |chunk, share| {
            scoring.chunk(file, chunk)?;
            progress.update(bytes_before + (share * bytes[file] as f64) as u64);
            Ok(())
        })?;
        let (units, skipped) = (scoring.scored.shape.counts().units - units_before, end.skipped());
        if units == 0 {
            let unit = scoring.scored.shape.unit();
            let message = match skipped {
                0 => format!("has no rows; at least one {unit} is needed"),
                _ => format!("lacks a value in each of its rows, all {skipped}; at least one whole {unit} is needed"),
            };
            return Err(Failure::of_file(source.path(), message));
        }
        scoring.scored.skipped += skipped;
        scoring.scored.notes.extend(reader.notes());
        scoring.rows_before += end.before();
        scoring.scored.file_units.push(units);
        bytes_before += bytes[file];
    }
    if let Some(out) = scoring.out.take() {
        out.finish()?;
    }
    Ok(scoring.scored)
}

/// The state between chunks.
struct Scoring<'a> {
    run: Run,
    weights: Option<&'a str>,
    /// The column that the loss takes beside log-probabilities, likewise.
    column: Option<String>,
    /// Rows of the files before this one.
    rows_before: u64,
    out: Option<Box<dyn ColumnWriter>>,
    scored: Scored,
}

impl Scoring<'_> {
    fn chunk(&mut self, file: usize, chunk: &Chunk) -> Result<(), Failure> {
        let Scored { shape, watched, histogram, files, .. } = &mut self.scored;
        let path = &files[file];
        shape.evaluate(&self.run, chunk).map_err(|fault| match (fault, self.weights) {
            (Fault::Library(Error::Weight { row, value }), Some(column)) => {
                let row = chunk.offsets.get(row).copied().unwrap_or(row);
                let message = format!("{}; a weight must be finite and at least 0", short(value));
                Failure::of_value(path, chunk.place(row), column, message)
            }
            (Fault::Library(Error::Column { row, value, requirement, .. }), _) => {
                let message = format!("{}; it must be {requirement}", short(value));
                Failure::of_value(path, chunk.place(row), self.column.as_deref().unwrap_or_default(), message)
            }
            (Fault::Library(error), _) => Failure::of_file(path, error),
            (Fault::Row(row, column, message), _) => Failure::of_value(path, chunk.place(row), &column, message),
        })?;
        let at = At { before: self.rows_before, file, chunk };
        let units = shape.units(chunk);
        let logps = &chunk.columns[..watched.columns.len()];
        let draw = || {
            let compared = (0..units.margins.len()).filter(|&unit| units.is_compared(unit));
            compared.for_each(|unit| histogram.add(units.margins[unit]));
        };
        let (out, shape) = (&mut self.out, &*shape);
        let write = || out.as_mut().map_or(Ok(()), |out| out.write(&shape.out()));
        let (written, _) = rayon::join(write, || rayon::join(draw, || watched.add(&Results { at, logps, units })));
        written
    }
}

impl Scored {
    /// A row for the user: its number, and where it is if that takes more.
    pub fn name(&self, row: &Row) -> String {
        if self.files.len() == 1 {
            return row.number.to_string();
        }
        let path = &self.files[row.file];
        // A file's name is enough where no other file has it.
        let is_alone = |name: &OsStr| self.files.iter().all(|other| other == path || other.file_name() != Some(name));
        let name = path.file_name().filter(|name| is_alone(name)).map_or(path.as_path(), Path::new);
        format!("{} ({} {})", row.number, name.display(), row.place)
    }
}

/// Whether the policy and the reference were given as one file.
fn is_one_file(sequences: &Sequences) -> bool {
    match (&sequences.policy, &sequences.reference) {
        (Some(policy), Some(reference)) => output::is_same_file(policy, reference),
        _ => false,
    }
}
