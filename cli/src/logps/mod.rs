//! `preflane logps`: log-probabilities of tokens and sequences from logits, piece by piece.

mod batch;
mod json;
mod report;
mod sums;

use preflane::logits::{Element, Labels, Logits, Scaling, Targets, TokenOutputs};
use preflane::{Backend, batch as parallel};
use safetensors::Dtype;

use crate::args;
use crate::failure::Failure;
use crate::format::Format;
use crate::input::{self, Plain, Tensors, numbers};
use crate::machine;
use crate::output::{self, Field, Kind};
use crate::progress::Progress;
use batch::Batch;
use sums::{Sums, Totals};

/// Logits that are worked on at a time: enough for many threads, little beside memory.
const PIECE_BYTES: usize = 32 << 20;
/// Rows that are worked on at a time, should the vocabulary be tiny.
const PIECE_ROWS: usize = 65_536;

/// All that the report says.
pub struct Summary<'a> {
    options: &'a args::Logps,
    dtype: Dtype,
    positions: usize,
    vocabulary: usize,
    totals: Totals,
}

/// The command: what it prints.
pub fn run(options: &args::Logps) -> Result<String, Failure> {
    let backend = machine::backend()?;
    let scaling = Scaling::temperature(options.temperature).map_err(|e| Failure::new(format!("--temperature: {e}")))?;
    input::check_safetensors(&options.file)?;
    let format = output::check(&options.out, [options.file.as_path()])?;
    machine::start(options.threads, options.file.metadata().ok().map(|metadata| metadata.len()))?;
    let file = Tensors::open(&options.file)?;
    let batch = Batch::of(&file, options)?;
    // All labels before the first logit: what is wrong with them is not found after an hour.
    let lengths = batch.lengths()?;

    let mut fields = vec![Field::new("sequence_logps", Kind::F32), Field::new("sequence_lengths", Kind::I64)];
    let write_tokens = format == Format::Safetensors;
    if write_tokens {
        fields.push(Field::list("token_logps", Kind::F32, batch.labelled()));
    }
    let out = output::create(&options.out, &fields)?;
    let mut sums = Sums::new(&batch, &lengths, options.reduce, out, write_tokens);
    let work = Work { backend, scaling, batch: &batch };
    match batch.logits.dtype {
        Dtype::BF16 => work.all::<half::bf16>(&mut sums),
        Dtype::F16 => work.all::<half::f16>(&mut sums),
        _ => work.all::<f32>(&mut sums),
    }?;
    let summary = Summary {
        options,
        dtype: batch.logits.dtype,
        positions: batch.labelled(),
        vocabulary: batch.vocabulary,
        totals: sums.finish()?,
    };
    Ok(if options.json { json::object(&summary) } else { report::text(&summary) })
}

/// What stays the same for all pieces.
struct Work<'a> {
    backend: Backend,
    scaling: Scaling,
    batch: &'a Batch<'a>,
}

impl Work<'_> {
    /// Goes through all rows. Those without a label are masked, and masked rows are not looked at.
    fn all<T: Element + Plain>(&self, sums: &mut Sums<'_>) -> Result<(), Failure> {
        let batch = self.batch;
        let fail = |error: preflane::Error| Failure::of_file(&batch.file.path, error);
        let rows = batch.sequences * batch.positions;
        let row_bytes = batch.vocabulary * size_of::<T>();
        let piece = (PIECE_BYTES / row_bytes).clamp(1, PIECE_ROWS);
        let mut progress = Progress::new((rows * row_bytes) as u64);
        let mut buffer = Vec::new();
        let mut targets = Vec::new();
        let mut logps = vec![0.0; piece.min(rows)];
        for start in (0..rows).step_by(piece) {
            let end = rows.min(start + piece);
            targets.clear();
            targets.extend((start..end).map(|row| batch.target(row)));
            let logps = &mut logps[..end - start];
            let bytes = batch.file.piece(&batch.logits, start * row_bytes..end * row_bytes)?;
            let numbers = numbers::<T>(&bytes, &mut buffer);
            let logits = Logits::new(numbers, end - start, batch.vocabulary).map_err(fail)?;
            let outputs = TokenOutputs { logps: Some(logps), ..TokenOutputs::default() };
            parallel::token_logps(
                self.backend,
                logits,
                Targets::new(Labels::I64(&targets)).with_ignore_index(batch::MASKED),
                &self.scaling,
                outputs,
            )
            .map_err(fail)?;
            sums.add(&targets, logps)?;
            progress.update((end * row_bytes) as u64);
        }
        Ok(())
    }
}
