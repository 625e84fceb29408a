//! `preflane score`: files of pairs through the losses, chunk by chunk.

mod findings;
mod histogram;
mod json;
mod plan;
mod report;
mod source;

use std::path::PathBuf;

use preflane::{Backend, Loss, Metrics, Outputs, Pairs, batch};

use crate::args::{LossName, Score};
use crate::failure::{Failure, Place};
use crate::input::{CHUNK_ROWS, Chunk};
use crate::machine;
use crate::output::{self, ColumnWriter, Field, Kind, Values};
use crate::progress::Progress;
use histogram::Histogram;
use source::Source;

/// The columns of `--out`, in this order.
const OUT_COLUMNS: [Field; 6] = [
    Field::new("loss", Kind::F32),
    Field::new("chosen_rewards", Kind::F32),
    Field::new("rejected_rewards", Kind::F32),
    Field::new("margins", Kind::F32),
    Field::new("grad_chosen_logps", Kind::F32),
    Field::new("grad_rejected_logps", Kind::F32),
];

/// A pair whose |dL/dz| is below this hardly trains any more.
pub const SATURATED: f64 = 1e-3;

/// How many of the rows that are not finite are named.
const NAMED_ROWS: usize = 5;

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
    /// Pairs with a saturated gradient; none for a loss whose gradient has no limits.
    pub saturated: Option<u64>,
    /// The first rows that are not finite.
    pub nonfinite_rows: Vec<Row>,
    /// Pairs with a log-probability above 0.
    pub positive: u64,
    /// What all rows have in common, unless the scoring is reference-free.
    pub sameness: Option<Sameness>,
}

/// A row of the data set and where it came from.
pub struct Row {
    /// Counted from 1 over all files.
    pub number: u64,
    /// An index into the files.
    pub file: usize,
    /// Its place there.
    pub place: Place,
}

/// What is true of every row seen so far.
#[derive(Clone, Copy)]
pub struct Sameness {
    /// The reference's chosen log-probability is 0.
    pub ref_chosen_zero: bool,
    /// The reference's rejected log-probability is 0.
    pub ref_rejected_zero: bool,
    /// Policy and reference agree on the chosen answer.
    pub chosen_same: bool,
    /// Policy and reference agree on the rejected answer.
    pub rejected_same: bool,
}

/// The command: what it prints.
pub fn run(options: &Score) -> Result<String, Failure> {
    let scored = score(options)?;
    Ok(if options.json { json::object(&scored.metrics.report()) } else { report::text(&scored) })
}

/// Scores the files and writes `--out`.
fn score(options: &Score) -> Result<Scored, Failure> {
    let loss = plan::loss(options)?;
    let wanted = plan::columns(options)?;
    let backend = machine::backend()?;
    let reading = options.reading.reading()?;
    let sources = Source::all(options, &wanted, &reading);
    let bytes: Vec<u64> = sources.iter().map(Source::bytes).collect();
    // The size of a pipe is not known.
    let is_known = sources.iter().flat_map(Source::paths).all(|path| path.is_file());
    machine::start(options.threads, is_known.then(|| bytes.iter().sum()))?;
    plan::check_files(options, &sources)?;
    let out = options.out.as_deref().map(|path| output::create(path, &OUT_COLUMNS)).transpose()?;

    let mut run = Run {
        backend,
        loss,
        scale: (options.loss != LossName::Ipo).then_some(options.beta),
        weights: options.columns.weights.as_deref(),
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
            saturated: (options.loss != LossName::Ipo).then_some(0),
            nonfinite_rows: Vec::new(),
            positive: 0,
            sameness: (!options.reference_free).then_some(Sameness {
                ref_chosen_zero: true,
                ref_rejected_zero: true,
                chosen_same: true,
                rejected_same: true,
            }),
        },
    };
    let mut progress = Progress::new(bytes.iter().sum());
    let mut bytes_before = 0;
    for (file, source) in sources.iter().enumerate() {
        let mut reader = source.open()?;
        let mut chunk = Chunk::default();
        let pairs_before = run.scored.metrics.pairs();
        loop {
            reader.read(&mut chunk)?;
            if chunk.rows() == 0 {
                break;
            }
            run.chunk(file, &chunk)?;
            let share = reader.progress().clamp(0.0, 1.0);
            progress.update(bytes_before + (share * bytes[file] as f64) as u64);
        }
        if run.scored.metrics.pairs() == pairs_before {
            return Err(Failure::of_file(source.path(), "has no rows; at least one pair is needed"));
        }
        bytes_before += bytes[file];
    }
    if let Some(out) = run.out.take() {
        out.finish()?;
    }
    Ok(run.scored)
}

/// The state between chunks.
struct Run<'a> {
    backend: Backend,
    loss: Loss,
    /// The largest |dL/dlogp| of a pair of weight 1, where |dL/dz| has a limit.
    scale: Option<f64>,
    weights: Option<&'a str>,
    out: Option<Box<dyn ColumnWriter>>,
    columns: [Vec<f32>; OUT_COLUMNS.len()],
    scored: Scored,
}

impl Run<'_> {
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
            batch::evaluate(self.backend, &self.loss, pairs, outputs, Some(&mut metrics)).map_err(|e| {
                match (e, self.weights) {
                    (preflane::Error::Weight { row, value }, Some(column)) => {
                        let message = format!("{value}; a weight must be finite and at least 0");
                        Failure::of_value(&self.scored.files[file], chunk.place(row), column, message)
                    }
                    (error, _) => Failure::of_file(&self.scored.files[file], error),
                }
            })?;
        }
        self.split_finite(file, chunk, &metrics)?;
        self.scored.metrics.merge(&metrics);
        let columns = self.columns.each_ref().map(|column| &column[..rows]);
        self.scored.observe(&pairs, columns[3], columns[4], self.scale);
        if let Some(out) = &mut self.out {
            out.write(&columns.map(Values::F32))?;
        }
        Ok(())
    }

    /// Names the rows that are not finite, and measures the others apart.
    fn split_finite(&mut self, file: usize, chunk: &Chunk, metrics: &Metrics) -> Result<(), Failure> {
        if metrics.nonfinite() == 0 {
            self.scored.finite.merge(metrics);
            return Ok(());
        }
        // As the library counts them: a log-probability, the loss, a reward or the margin.
        let logps = if self.scored.sameness.is_some() { 4 } else { 2 };
        let results = self.columns[..4].iter().map(Vec::as_slice);
        let looked_at: Vec<&[f32]> = chunk.columns[..logps].iter().map(Vec::as_slice).chain(results).collect();
        let is_bad: Vec<bool> =
            (0..chunk.rows()).map(|row| looked_at.iter().any(|column| !column[row].is_finite())).collect();
        let bad = (0..chunk.rows()).filter(|&row| is_bad[row]);
        let before = self.scored.metrics.pairs();
        for row in bad.take(NAMED_ROWS - self.scored.nonfinite_rows.len()) {
            self.scored.nonfinite_rows.push(Row { number: before + row as u64 + 1, file, place: chunk.place(row) });
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
        batch::evaluate(self.backend, &self.loss, pairs, Outputs::default(), Some(&mut metrics))
            .map_err(Failure::new)?;
        Ok(metrics)
    }

    /// The wanted columns as the library takes them.
    fn pairs<'c>(&self, columns: &'c [Vec<f32>]) -> Pairs<'c> {
        let mut columns = columns.iter().map(Vec::as_slice);
        let mut next = || columns.next().expect("the reader yields every wanted column");
        let (chosen, rejected) = (next(), next());
        let pairs = match self.scored.sameness {
            Some(_) => Pairs::new(chosen, rejected, next(), next()),
            None => Pairs::reference_free(chosen, rejected),
        };
        if self.weights.is_some() { pairs.with_weights(next()) } else { pairs }
    }
}

impl Scored {
    /// Takes note of what the metrics do not hold.
    fn observe(&mut self, pairs: &Pairs<'_>, margins: &[f32], gradients: &[f32], scale: Option<f64>) {
        margins.iter().for_each(|&margin| self.histogram.add(margin));
        let (chosen, rejected) = (pairs.policy_chosen_logps, pairs.policy_rejected_logps);
        self.positive +=
            chosen.iter().zip(rejected).filter(|(chosen, rejected)| **chosen > 0.0 || **rejected > 0.0).count() as u64;
        if let (Some(saturated), Some(scale)) = (&mut self.saturated, scale) {
            let weight = |row: usize| pairs.weights.map_or(1.0, |weights| f64::from(weights[row]));
            let is_saturated = |(row, gradient): (usize, &f32)| {
                weight(row) > 0.0 && f64::from(gradient.abs()) < SATURATED * scale * weight(row)
            };
            *saturated += gradients.iter().enumerate().filter(|&pair| is_saturated(pair)).count() as u64;
        }
        if let (Some(sameness), Some(reference)) = (&mut self.sameness, pairs.reference) {
            let zero = |values: &[f32]| values.iter().all(|&value| value == 0.0);
            sameness.ref_chosen_zero &= zero(reference.chosen_logps);
            sameness.ref_rejected_zero &= zero(reference.rejected_logps);
            sameness.chosen_same &= chosen == reference.chosen_logps;
            sameness.rejected_same &= rejected == reference.rejected_logps;
        }
    }
}
