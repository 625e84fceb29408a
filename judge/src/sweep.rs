//! An elementary function over all `f32`, or over a stratified part of them, on many threads.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::elementary::{Function, same};

/// Inputs of one piece of work: 1/128 of a binade.
const CHUNK: u64 = 1 << 16;

/// Pieces of all inputs: what the progress of a sweep counts up to.
pub const CHUNKS: u64 = (1 << 32) / CHUNK;

/// Which inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All 2^32.
    Full,
    /// Those around every power of two, and every 1021st.
    Stratified,
}

impl Extent {
    /// The inputs of one piece.
    fn inputs(self, chunk: u64) -> Vec<f32> {
        let (start, end) = (chunk * CHUNK, (chunk + 1) * CHUNK);
        let floats = |bits: &mut dyn Iterator<Item = u64>| bits.map(|x| f32::from_bits(x as u32)).collect();
        if self == Self::Full {
            return floats(&mut (start..end));
        }
        let spread = (start.next_multiple_of(1021)..end).step_by(1021);
        if chunk.is_multiple_of(128) || chunk % 128 == 127 {
            let edges = (start..start + 256).chain(end - 256..end).filter(|x| x % 1021 != 0);
            floats(&mut spread.chain(edges))
        } else {
            floats(&mut { spread })
        }
    }
}

/// A way to compute the function over a slice.
pub struct Candidate<'a> {
    /// Its name in messages.
    pub name: &'a str,
    /// What it does.
    pub run: &'a (dyn Fn(&[f32], &mut [f32]) + Sync),
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Inputs, each given to every candidate.
    pub inputs: u64,
    /// How many of them took arithmetic of many bits.
    pub settled: u64,
}

/// A result that is not the nearest.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The function and the candidate.
    pub names: [String; 2],
    /// The input.
    pub x: f32,
    /// What came.
    pub got: f32,
    /// What is right.
    pub want: f32,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names: [function, candidate], x, got, want } = self;
        let [xb, gb, wb] = [x, got, want].map(|x| x.to_bits());
        write!(
            f,
            "{function}({x:e} = {xb:#010x}) on {candidate}: got {got:e} ({gb:#010x}), nearest is {want:e} ({wb:#010x})"
        )
    }
}

/// Judges a function's candidates at some inputs; returns how many took many bits.
///
/// # Errors
/// The first difference.
pub fn check(function: &Function, candidates: &[Candidate<'_>], inputs: &[f32]) -> Result<u64, Difference> {
    let mut settled = 0;
    let mut nearest = |&x: &f32| {
        let (y, asked) = function.nearest(x);
        settled += u64::from(asked);
        y
    };
    let want: Vec<f32> = inputs.iter().map(&mut nearest).collect();
    let mut got = vec![0.0; inputs.len()];
    for candidate in candidates {
        (candidate.run)(inputs, &mut got);
        for ((&x, &got), &want) in inputs.iter().zip(&got).zip(&want) {
            if !same(got, want) {
                return Err(Difference { names: [function.name.into(), candidate.name.into()], x, got, want });
            }
        }
    }
    Ok(settled)
}

/// Judges a function's candidates over an extent of inputs, on all cores; `step` is called after each of [`CHUNKS`] pieces.
///
/// # Errors
/// A difference; the rest is then left out.
pub fn sweep(
    function: &Function,
    candidates: &[Candidate<'_>],
    extent: Extent,
    step: &(dyn Fn() + Sync),
) -> Result<Swept, Difference> {
    let (next, settled, seen) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let difference = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                loop {
                    let chunk = next.fetch_add(1, Relaxed);
                    if chunk >= CHUNKS {
                        break;
                    }
                    let inputs = extent.inputs(chunk);
                    match check(function, candidates, &inputs) {
                        Ok(more) => {
                            settled.fetch_add(more, Relaxed);
                        }
                        Err(found) => {
                            next.store(CHUNKS, Relaxed);
                            difference.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(found);
                        }
                    }
                    seen.fetch_add(inputs.len() as u64, Relaxed);
                    step();
                }
            });
        }
    });
    match difference.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(difference) => Err(difference),
        None => Ok(Swept { inputs: seen.into_inner(), settled: settled.into_inner() }),
    }
}
