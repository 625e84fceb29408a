//! Logits to log-probabilities and back. Beside the `f32` results the `f64` bits of every row's log-sum-exp are hashed,
//! so that a last bit that any operation differs in shows.

use half::{bf16, f16};
use preflane::logits::{
    Element, Gradient, Labels, LogSumExp, Logits, LogitsMut, RowSum, Scaling, Seeds, Targets, TokenOutputs,
};
use preflane::{Backend, Error, Run};

use crate::Hasher;
use crate::inputs::LogitRows;

/// The widest row that this build takes: a microcontroller's stack holds five of them.
const COLUMNS: usize = if cfg!(feature = "std") { 5_003 } else { 96 };

/// How the columns of a row are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// All at once.
    Whole,
    /// In chunks, last to first, each summed apart and merged.
    Chunks,
}

/// What happens to a row's logits, by turns.
fn scaling(row: usize) -> Result<Scaling, Error> {
    match row % 4 {
        0 | 1 => Ok(Scaling::NONE),
        2 => Scaling::temperature(0.7),
        _ => Scaling::new(1.5, 1.25, Some(30.0)),
    }
}

/// Hashes all results of a family.
pub fn hash(backend: Backend, family: &LogitRows, way: Columns, hasher: &mut Hasher) -> Result<(), Error> {
    let (mut single, mut grads) = ([0.0; COLUMNS], [0.0; COLUMNS]);
    let (mut brain, mut half) = ([bf16::ZERO; COLUMNS], [f16::ZERO; COLUMNS]);
    let columns = family.columns;
    for row in 0..family.rows {
        let scaling = scaling(row)?;
        let (single, grads) = (&mut single[..columns], &mut grads[..columns]);
        let (brain, half) = (&mut brain[..columns], &mut half[..columns]);
        for column in 0..columns {
            single[column] = family.value(row, column);
            // By bits, not by conversions under test; the halves finite.
            brain[column] = bf16::from_bits((single[column].to_bits() >> 16) as u16);
            half[column] = f16::from_bits((single[column].to_bits() >> 9) as u16 & 0xfbff);
        }
        let labels = [(row * 7 % columns) as i32];
        let targets = Targets::new(Labels::I32(&labels));
        let seed = f32::from_bits(0x3c00_0000 + 0x0101_0101 * (row as u32 % 3))
            * if row.is_multiple_of(2) { 1.0 } else { -1.0 };
        let sum = forward(backend, single, targets, &scaling, way, hasher)?;
        forward(backend, brain, targets, &scaling, way, hasher)?;
        forward(backend, half, targets, &scaling, way, hasher)?;

        let sums = [sum];
        let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[seed] };
        let logits = Logits::new(single, 1, columns)?;
        let run = Run::on(backend);
        let how = Gradient { accumulate: false, zero_padding: false };
        run.logits_grad(logits, targets, &scaling, seeds, how, LogitsMut::new(grads, 1, columns)?)?;
        hasher.rows(&[grads]);
        let how = Gradient { accumulate: true, ..how };
        run.logits_grad(logits, targets, &scaling, seeds, how, LogitsMut::new(grads, 1, columns)?)?;
        hasher.rows(&[grads]);
        run.logits_grad(logits, targets, &scaling, seeds, how, LogitsMut::new(brain, 1, columns)?)?;
        brain.iter().for_each(|x| hasher.short(x.to_bits()));
        run.logits_grad(logits, targets, &scaling, seeds, how, LogitsMut::new(half, 1, columns)?)?;
        half.iter().for_each(|x| hasher.short(x.to_bits()));
        run.logits_grad_in_place(LogitsMut::new(single, 1, columns)?, targets, &scaling, seeds, false)?;
        hasher.rows(&[single]);
    }
    Ok(())
}

/// Hashes what one row gives forwards, and returns its log-sum-exp.
fn forward<T: Element>(
    backend: Backend,
    row: &[T],
    targets: Targets<'_>,
    scaling: &Scaling,
    way: Columns,
    hasher: &mut Hasher,
) -> Result<LogSumExp, Error> {
    let (mut logp, mut entropy, mut squares, mut mean, mut top1) = ([0.0], [0.0], [0.0], [0.0], [false]);
    let mut sum = [LogSumExp::default()];
    let outputs = TokenOutputs {
        logps: Some(&mut logp),
        log_sum_exps: Some(&mut sum),
        entropies: Some(&mut entropy),
        log_sum_squares: Some(&mut squares),
        mean_logits: Some(&mut mean),
        top1: Some(&mut top1),
    };
    Run::on(backend).token_logps(Logits::new(row, 1, row.len())?, targets, scaling, outputs)?;
    let mut sum = sum[0];
    if way == Columns::Chunks {
        let mut merged = RowSum::new(*scaling);
        for chunk in row.rchunks(37) {
            let mut part = RowSum::new(*scaling);
            part.add(backend, chunk, None)?;
            part.merge(&merged);
            merged = part;
        }
        sum = merged.log_sum_exp();
    }
    // A NaN's payload is not promised inside of a log-sum-exp.
    hasher.integer(if sum.is_nan() { u64::MAX } else { sum.rest.to_bits() });
    hasher.float(sum.max);
    hasher.rows(&[&logp, &entropy, &squares, &mean]);
    hasher.integer(top1[0].into());
    Ok(sum)
}
