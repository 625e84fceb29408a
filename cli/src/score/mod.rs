//! `preflane score`: files of pairs through the losses, chunk by chunk.

mod columns;
mod findings;
mod histogram;
mod json;
mod outliers;
mod plan;
mod report;
mod rows;
mod source;
mod watched;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use preflane::{Loss, Metrics, Outputs, Pairs, Run};

use crate::args::{LossName, Score, Sequences};
use crate::failure::Failure;
use crate::input::{self, CHUNK_ROWS, Chunk, Note};
use crate::layout::short;
use crate::machine;
use crate::output::{self, ColumnWriter, Field, Kind, Values};
use crate::progress::Progress;
use crate::provenance::{Entries, Provenance};
use histogram::Histogram;
use rows::{At, Row};
use source::Source;
use watched::{Results, Watched};

/// The columns of `--out`, in this order.
const OUT_COLUMNS: [Field; 6] = [
    Field::new("loss", Kind::F32),
    Field::new("chosen_rewards", Kind::F32),
    Field::new("rejected_rewards", Kind::F32),
    Field::new("margins", Kind::F32),
    Field::new("grad_chosen_logps", Kind::F32),
    Field::new("grad_rejected_logps", Kind::F32),
];

/// All that the report says.
pub struct Scored {
    /// The loss by name.
    pub loss: LossName,
    /// Its strength.
    pub beta: f64,
    /// Its label smoothing, where it has one.
    pub label_smoothing: Option<f64>,
    /// Whether the pairs have weights.
    pub weighted: bool,
    /// The input files.
    pub files: Vec<PathBuf>,
    /// Over all pairs.
    pub metrics: Metrics,
    /// Over the pairs whose numbers are all finite.
    pub finite: Metrics,
    /// The margins of all pairs.
    pub histogram: Histogram,
    /// What else the findings are made of.
    pub watched: Watched,
    /// Rows left out for a value that is missing.
    pub skipped: u64,
    /// What the readers said of the files.
    pub notes: Vec<Note>,
    /// The pairs of each file.
    pub file_pairs: Vec<u64>,
    /// Whether the policy's sequences and the reference's are one file.
    pub is_one_file: bool,
    /// What the files say of themselves.
    pub provenance: Vec<Provenance>,
}

/// The command: what it prints.
pub fn run(options: &Score) -> Result<String, Failure> {
    let scored = score(options)?;
    Ok(if options.json { json::object(&scored) } else { report::text(&scored) })
}

/// Scores the files and writes `--out`.
fn score(options: &Score) -> Result<Scored, Failure> {
    let loss = plan::loss(options)?;
    let wanted = plan::columns(options)?;
    let run = machine::run()?;
    let reading = options.reading.reading();
    let files = input::expand(&options.files, &reading)?;
    let sources = Source::all(options, &files, &wanted, &reading);
    let bytes: Vec<u64> = sources.iter().map(Source::bytes).collect();
    // The size of a pipe is not known.
    let is_known = sources.iter().flat_map(Source::paths).all(|path| path.is_file());
    machine::start(options.threads, is_known.then(|| bytes.iter().sum()))?;
    let mut checked = plan::check_files(options, &sources)?;
    let out = options.out.as_deref().map(|path| output::create(path, &OUT_COLUMNS, &Entries::new())).transpose()?;

    let scale = (options.loss != LossName::Ipo).then_some(options.beta);
    let logps = if options.reference_free { 2 } else { 4 };
    let mut scoring = Scoring {
        run,
        loss,
        logps,
        weights: options.columns.weights.as_deref(),
        rows_before: 0,
        out,
        columns: OUT_COLUMNS.map(|_| vec![0.0; CHUNK_ROWS]),
        scored: Scored {
            loss: options.loss,
            beta: options.beta,
            label_smoothing: options.label_smoothing,
            weighted: options.columns.weights.is_some(),
            files: sources.iter().map(|source| source.path().to_owned()).collect(),
            metrics: Metrics::new(),
            finite: Metrics::new(),
            histogram: Histogram::new(),
            watched: Watched::new(logps, sources.len(), scale),
            skipped: 0,
            notes: Vec::new(),
            file_pairs: Vec::new(),
            is_one_file: is_one_file(&options.sequences),
            provenance: checked.provenance,
        },
    };
    let mut progress = Progress::new(bytes.iter().sum());
    let mut bytes_before = 0;
    for (file, source) in sources.iter().enumerate() {
        let mut reader = checked.reader.take().map_or_else(|| source.open(), Ok)?;
        scoring.scored.watched.integers &= reader.is_all_integers();
        let mut chunk = Chunk::default();
        let pairs_before = scoring.scored.metrics.pairs();
        loop {
            reader.read(&mut chunk)?;
            if chunk.rows() == 0 {
                break;
            }
            scoring.chunk(file, &chunk)?;
            let share = reader.progress().clamp(0.0, 1.0);
            progress.update(bytes_before + (share * bytes[file] as f64) as u64);
        }
        let (pairs, skipped) = (scoring.scored.metrics.pairs() - pairs_before, chunk.skipped());
        if pairs == 0 {
            let message = match skipped {
                0 => "has no rows; at least one pair is needed".to_owned(),
                _ => format!("lacks a value in each of its rows, all {skipped}; at least one whole pair is needed"),
            };
            return Err(Failure::of_file(source.path(), message));
        }
        scoring.scored.skipped += skipped;
        scoring.scored.notes.extend(reader.notes());
        scoring.rows_before += pairs + skipped;
        scoring.scored.file_pairs.push(pairs);
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
    loss: Loss,
    /// How many columns of log-probabilities there are: without a reference two.
    logps: usize,
    weights: Option<&'a str>,
    /// Rows of the files before this one.
    rows_before: u64,
    out: Option<Box<dyn ColumnWriter>>,
    columns: [Vec<f32>; OUT_COLUMNS.len()],
    scored: Scored,
}

impl Scoring<'_> {
    fn chunk(&mut self, file: usize, chunk: &Chunk) -> Result<(), Failure> {
        let pairs = self.pairs(&chunk.columns);
        let rows = chunk.rows();
        let mut metrics = Metrics::new();
        {
            let [loss, chosen, rejected, margins, grad_chosen, grad_rejected] =
                self.columns.each_mut().map(|column| Some(&mut column[..rows]));
            let outputs = Outputs {
                losses: loss,
                chosen_rewards: chosen,
                rejected_rewards: rejected,
                margins,
                grad_chosen_logps: grad_chosen,
                grad_rejected_logps: grad_rejected,
                ..Outputs::default()
            };
            self.run.evaluate(&self.loss, pairs, outputs, Some(&mut metrics)).map_err(|e| match (e, self.weights) {
                (preflane::Error::Weight { row, value }, Some(column)) => {
                    let message = format!("{}; a weight must be finite and at least 0", short(value));
                    Failure::of_value(&self.scored.files[file], chunk.place(row), column, message)
                }
                (error, _) => Failure::of_file(&self.scored.files[file], error),
            })?;
        }
        let at = At { before: self.rows_before, file, chunk };
        self.split_finite(at, &metrics)?;
        self.scored.metrics.merge(&metrics);
        let columns = self.columns.each_ref().map(|column| &column[..rows]);
        let [losses, _, _, margins, gradients, _] = columns;
        margins.iter().for_each(|&margin| self.scored.histogram.add(margin));
        let logps = &chunk.columns[..self.logps];
        self.scored.watched.add(&Results { at, logps, weights: pairs.weights, losses, margins, gradients });
        if let Some(out) = &mut self.out {
            out.write(&columns.map(Values::F32))?;
        }
        Ok(())
    }

    /// Names the rows that are not finite, and measures the others apart.
    fn split_finite(&mut self, at: At<'_>, metrics: &Metrics) -> Result<(), Failure> {
        if metrics.nonfinite() == 0 {
            self.scored.finite.merge(metrics);
            return Ok(());
        }
        let chunk = at.chunk;
        // As the library counts them: a log-probability, the loss, a reward or the margin.
        let results = self.columns[..4].iter().map(Vec::as_slice);
        let looked_at: Vec<&[f32]> = chunk.columns[..self.logps].iter().map(Vec::as_slice).chain(results).collect();
        let is_bad: Vec<bool> =
            (0..chunk.rows()).map(|row| looked_at.iter().any(|column| !column[row].is_finite())).collect();
        for row in (0..chunk.rows()).filter(|&row| is_bad[row]) {
            self.scored.watched.nonfinite.add(|| at.row(row));
        }
        let good: Vec<Vec<f32>> = (chunk.columns.iter())
            .map(|column| column.iter().zip(&is_bad).filter(|(_, bad)| !**bad).map(|(value, _)| *value).collect())
            .collect();
        let finite = self.measure(self.pairs(&good))?;
        self.scored.finite.merge(&finite);
        Ok(())
    }

    /// The metrics of pairs that have been accepted before.
    fn measure(&self, pairs: Pairs<'_>) -> Result<Metrics, Failure> {
        let mut metrics = Metrics::new();
        self.run.evaluate(&self.loss, pairs, Outputs::default(), Some(&mut metrics)).map_err(Failure::new)?;
        Ok(metrics)
    }

    /// The wanted columns as the library takes them.
    fn pairs<'c>(&self, columns: &'c [Vec<f32>]) -> Pairs<'c> {
        let mut columns = columns.iter().map(Vec::as_slice);
        let mut next = || columns.next().expect("the reader yields every wanted column");
        let (chosen, rejected) = (next(), next());
        let pairs = match self.logps {
            4 => Pairs::new(chosen, rejected, next(), next()),
            _ => Pairs::reference_free(chosen, rejected),
        };
        if self.weights.is_some() { pairs.with_weights(next()) } else { pairs }
    }
}

impl Scored {
    /// Whether there is a reference.
    pub fn is_referenced(&self) -> bool {
        self.watched.sameness.is_some()
    }

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
