//! `preflane logps`: log-probabilities of tokens and sequences from logits, piece by piece.

mod batch;
mod json;
mod report;
mod sums;

use std::marker::PhantomData;

use preflane::Run;
use preflane::logits::{Element, Labels, Logits, Scaling, Targets, TokenOutputs};
use safetensors::Dtype;

use crate::args;
use crate::failure::Failure;
use crate::format::Format;
use crate::input::{self, Plain, Tensors, numbers};
use crate::machine;
use crate::output::{self, Field, Kind};
use crate::progress::Progress;
use crate::provenance::Provenance;
use batch::{Batch, Counted};
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
    provenance: Provenance,
    /// Whether the output says it too.
    is_written: bool,
}

/// The command: what it prints.
pub fn run(options: &args::Logps) -> Result<String, Failure> {
    let run = machine::run()?;
    let scaling = scaling(options)?;
    input::check_safetensors(&options.file)?;
    let format = output::check(&options.out, [options.file.as_path()])?;
    let is_written = output::holds_metadata(format);
    if !is_written && !options.notes.is_empty() {
        let message = "--note: a file of this format has no place for notes; .safetensors and .parquet do";
        return Err(Failure::of_file(&options.out, message));
    }
    machine::start(options.threads, options.file.metadata().ok().map(|metadata| metadata.len()))?;
    let file = Tensors::open(&options.file)?;
    let batch = Batch::of(&file, options)?;
    // All labels before the first logit: what is wrong with them is not found after an hour.
    let counted = batch.count()?;
    let provenance = provenance(options, &batch, &counted);

    let mut fields = vec![Field::new("sequence_logps", Kind::F32), Field::new("sequence_lengths", Kind::I64)];
    let write_tokens = format == Format::Safetensors;
    if write_tokens {
        fields.push(Field::list("token_logps", Kind::F32, batch.labelled()));
    }
    let out = output::create(&options.out, &fields, &provenance.to_entries())?;
    let mut sums = Sums::new(&batch, &counted.lengths, options.reduce, out, write_tokens);
    let work = Work { run, scaling, batch: &batch };
    match batch.logits.dtype {
        Dtype::BF16 => work.all::<AsIs<half::bf16>>(&mut sums),
        Dtype::F16 => work.all::<AsIs<half::f16>>(&mut sums),
        Dtype::F64 => work.all::<Narrowed>(&mut sums),
        _ => work.all::<AsIs<f32>>(&mut sums),
    }?;
    let summary = Summary {
        options,
        dtype: batch.logits.dtype,
        positions: batch.labelled(),
        vocabulary: batch.vocabulary,
        totals: sums.finish()?,
        provenance,
        is_written,
    };
    Ok(if options.json { json::object(&summary) } else { report::text(&summary) })
}

/// What happens to the logits before the softmax, checked by the library.
fn scaling(options: &args::Logps) -> Result<Scaling, Failure> {
    Scaling::new(options.temperature, options.logit_scale, options.soft_cap).map_err(|error| {
        let named = |name: &str| match name.split(" / ").next() {
            Some("logit_scale") => "--logit-scale",
            Some("soft_cap") => "--soft-cap",
            _ => "--temperature",
        };
        let option = match error {
            preflane::Error::Parameter { name, .. } => named(name),
            _ => named(""),
        };
        Failure::new(format!("{option}: {error}"))
    })
}

/// How the numbers of the output were made.
fn provenance(options: &args::Logps, batch: &Batch<'_>, counted: &Counted) -> Provenance {
    let tokens: i64 = counted.lengths.iter().sum();
    let values = [
        ("reduce", options.reduce.name().to_owned()),
        ("temperature", options.temperature.to_string()),
        ("logit_scale", options.logit_scale.to_string()),
        ("soft_cap", options.soft_cap.map_or("none".to_owned(), |cap| cap.to_string())),
        ("shift", u8::from(!options.shifted).to_string()),
        ("logits_dtype", format!("{:?}", batch.logits.dtype)),
        ("vocabulary", batch.vocabulary.to_string()),
        ("positions", batch.positions.to_string()),
        ("sequences", batch.sequences.to_string()),
        ("tokens", tokens.to_string()),
        ("labels_sha256", counted.fingerprint.clone()),
    ];
    Provenance::new(values, &options.notes)
}

/// How the bytes of a file become logits.
trait Source {
    /// The numbers as the library takes them.
    type Number: Element;
    /// The bytes of one in the file.
    const SIZE: usize;

    /// Some rows from the given one on, with their targets.
    fn numbers<'a>(
        batch: &Batch<'_>,
        row: usize,
        targets: &[i64],
        bytes: &'a [u8],
        buffer: &'a mut Vec<Self::Number>,
    ) -> Result<&'a [Self::Number], Failure>;
}

/// Logits of a type that the library takes.
struct AsIs<T>(PhantomData<T>);

impl<T: Element + Plain> Source for AsIs<T> {
    type Number = T;
    const SIZE: usize = size_of::<T>();

    fn numbers<'a>(
        _: &Batch<'_>,
        _: usize,
        _: &[i64],
        bytes: &'a [u8],
        buffer: &'a mut Vec<T>,
    ) -> Result<&'a [T], Failure> {
        Ok(numbers::<T>(bytes, buffer))
    }
}

/// Logits of 64 bits, which the library does not take. Rounding them would move the results beyond their bound: each must
/// be one of 32 bits. Masked rows are not looked at.
struct Narrowed;

impl Source for Narrowed {
    type Number = f32;
    const SIZE: usize = size_of::<f64>();

    fn numbers<'a>(
        batch: &Batch<'_>,
        row: usize,
        targets: &[i64],
        bytes: &'a [u8],
        buffer: &'a mut Vec<f32>,
    ) -> Result<&'a [f32], Failure> {
        buffer.clear();
        for (index, bytes) in bytes.as_chunks().0.iter().enumerate() {
            let wide = f64::from_le_bytes(*bytes);
            let narrow = wide as f32;
            let (row_of_piece, column) = (index / batch.vocabulary, index % batch.vocabulary);
            if f64::from(narrow) != wide && !wide.is_nan() && targets[row_of_piece] != batch::MASKED {
                let message = format!(
                    "is {wide:?}, which no F32 is; F64 logits must each be an F32 exactly (round them to F32 first, which \
                     is another input)"
                );
                return Err(batch.logit_failure(row + row_of_piece, column, message));
            }
            buffer.push(narrow);
        }
        Ok(buffer)
    }
}

/// What stays the same for all pieces.
struct Work<'a> {
    run: Run,
    scaling: Scaling,
    batch: &'a Batch<'a>,
}

impl Work<'_> {
    /// Goes through all rows. Those without a label are masked, and masked rows are not looked at.
    fn all<S: Source>(&self, sums: &mut Sums<'_>) -> Result<(), Failure> {
        let batch = self.batch;
        let fail = |error: preflane::Error| Failure::of_file(&batch.file.path, error);
        let rows = batch.sequences * batch.positions;
        let row_bytes = batch.vocabulary * S::SIZE;
        let piece = (PIECE_BYTES / row_bytes).clamp(1, PIECE_ROWS);
        let mut progress = Progress::new((rows * row_bytes) as u64);
        let mut buffer = Vec::new();
        let mut targets = Vec::new();
        let mut logps = vec![0.0; piece.min(rows)];
        for start in (0..rows).step_by(piece) {
            let end = rows.min(start + piece);
            batch.targets(start..end, &mut targets)?;
            let logps = &mut logps[..end - start];
            let bytes = batch.file.piece(&batch.logits, start * row_bytes..end * row_bytes)?;
            let numbers = S::numbers(batch, start, &targets, &bytes, &mut buffer)?;
            let logits = Logits::new(numbers, end - start, batch.vocabulary).map_err(fail)?;
            let outputs = TokenOutputs { logps: Some(logps), ..TokenOutputs::default() };
            self.run
                .token_logps(
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
