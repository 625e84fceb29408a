//! The elementary functions over all f32, on every level, against an independent reference.
//!
//! `cargo test --release --test exhaustive` runs a stratified part: around every power of two, around the ends of the
//! ranges, and a spread of the rest. `-- --full` runs all 2^32 inputs of every function, with a progress bar;
//! `-- --full sigmoid log_sigmoid` only those named.
//!
//! Reference: libm's `f64` functions, whose errors are below 2^-50, decide where every value within 2^-44 of theirs
//! rounds to the same f32; MPFR decides the others.

use indicatif::{ProgressBar, ProgressStyle};
use preflane::elementary::{self, slices};
use preflane::{Backend, Error, Level};
use preflane_judge::{float, nan};
use rug::Float;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

type SliceFunction = fn(Backend, &[f32], &mut [f32]) -> Result<(), Error>;

struct Function {
    name: &'static str,
    scalar: fn(f32) -> f32,
    slice: SliceFunction,
    quick: fn(f64) -> f64,
    exact: fn(Float) -> Float,
}

fn quick_softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

const FUNCTIONS: [Function; 8] = [
    Function {
        name: "sigmoid",
        scalar: elementary::sigmoid,
        slice: slices::sigmoid,
        quick: |x| {
            let e = libm::exp(-x.abs());
            if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
        },
        exact: |x| preflane_judge::sigmoid(&x),
    },
    Function {
        name: "log_sigmoid",
        scalar: elementary::log_sigmoid,
        slice: slices::log_sigmoid,
        quick: |x| -quick_softplus(-x),
        exact: |x| -preflane_judge::softplus(&-x),
    },
    Function {
        name: "softplus",
        scalar: elementary::softplus,
        slice: slices::softplus,
        quick: quick_softplus,
        exact: |x| preflane_judge::softplus(&x),
    },
    Function { name: "exp", scalar: elementary::exp, slice: slices::exp, quick: libm::exp, exact: Float::exp },
    Function { name: "log", scalar: elementary::log, slice: slices::log, quick: libm::log, exact: Float::ln },
    Function {
        name: "log1p",
        scalar: elementary::log1p,
        slice: slices::log1p,
        quick: libm::log1p,
        exact: Float::ln_1p,
    },
    Function {
        name: "expm1",
        scalar: elementary::expm1,
        slice: slices::expm1,
        quick: libm::expm1,
        exact: Float::exp_m1,
    },
    Function {
        name: "log1mexp",
        scalar: elementary::log1mexp,
        slice: slices::log1mexp,
        quick: |x| {
            if x > 0.0 {
                f64::NAN
            } else if x > -core::f64::consts::LN_2 {
                libm::log(-libm::expm1(x))
            } else {
                libm::log1p(-libm::exp(x))
            }
        },
        exact: |x| {
            if x.is_sign_positive() && !x.is_zero() { nan() } else { (-x.exp_m1()).ln() }
        },
    },
];

/// The f32 nearest to the exact value, and whether MPFR was asked.
fn reference(function: &Function, x: f32) -> (f32, bool) {
    let y = (function.quick)(x.into());
    if y.is_nan() || y.is_infinite() || y == 0.0 {
        return (y as f32, false);
    }
    let margin = y.abs() * (1.0 / (1_u64 << 44) as f64);
    let (low, high) = ((y - margin) as f32, (y + margin) as f32);
    if low == high { (low, false) } else { ((function.exact)(float(x)).to_f32(), true) }
}

/// NaN only as the canonical one; zeros of either sign.
fn same(got: f32, want: f32) -> bool {
    if want.is_nan() { got.to_bits() == 0x7fc0_0000 } else { got == want }
}

const CHUNK: u64 = 1 << 16;

/// Checks the inputs whose bits are given on every level; returns how many MPFR decided.
fn check(function: &Function, backends: &[Backend], inputs: &[f32]) -> u64 {
    let mut asked = 0;
    let want: Vec<f32> = inputs
        .iter()
        .map(|&x| {
            let (y, mpfr) = reference(function, x);
            asked += u64::from(mpfr);
            y
        })
        .collect();
    let mut got = vec![0.0; inputs.len()];
    for &backend in backends {
        (function.slice)(backend, inputs, &mut got).unwrap();
        for ((&x, &got), &want) in inputs.iter().zip(&got).zip(&want) {
            assert!(
                same(got, want),
                "{}({x:e} = {:#010x}) on {}: got {got:e} ({:#010x}), nearest is {want:e} ({:#010x})",
                function.name,
                x.to_bits(),
                backend.level().name(),
                got.to_bits(),
                want.to_bits(),
            );
        }
    }
    asked
}

/// Every 2^32 input, or those around powers of two, range ends and a spread.
fn inputs(full: bool, chunk: u64) -> Vec<f32> {
    let all = chunk * CHUNK..(chunk + 1) * CHUNK;
    // Each chunk is 1/128 of a binade.
    let edge = chunk.is_multiple_of(128) || chunk % 128 == 127;
    all.filter(|x| full || (edge && (x % CHUNK < 256 || x % CHUNK >= CHUNK - 256)) || x % 1021 == 0)
        .map(|x| f32::from_bits(x as u32))
        .collect()
}

fn run(function: &Function, backends: &[Backend], full: bool) {
    let chunks = (1_u64 << 32) / CHUNK;
    let style = ProgressStyle::with_template("{prefix:12} [{bar:40}] {percent}% {eta_precise} left").unwrap();
    let progress = ProgressBar::new(chunks).with_style(style.progress_chars("=> ")).with_prefix(function.name);
    let (next, asked, seen) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                loop {
                    let chunk = next.fetch_add(1, Relaxed);
                    if chunk >= chunks {
                        break;
                    }
                    let inputs = inputs(full, chunk);
                    asked.fetch_add(check(function, backends, &inputs), Relaxed);
                    seen.fetch_add(inputs.len() as u64, Relaxed);
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish_and_clear();
    // The scalar function is the slice function at one lane: once a level suffices, and a few of its calls.
    for x in [0.0, -0.0, 1.0, -1.0, 0.5, -88.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        assert!(same((function.scalar)(x), reference(function, x).0), "{}({x})", function.name);
    }
    println!(
        "test {} ... ok ({} inputs on each of {} levels, all correctly rounded; {} settled by MPFR)",
        function.name,
        seen.into_inner(),
        backends.len(),
        asked.into_inner(),
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|a| a == "--full");
    let names: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let backends: Vec<_> = Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect();
    let chosen: Vec<_> = FUNCTIONS.iter().filter(|f| names.is_empty() || names.iter().any(|n| *n == f.name)).collect();
    let levels: Vec<_> = backends.iter().map(|b| b.level().name()).collect();
    println!("\nrunning {} tests (levels {})", chosen.len(), levels.join(", "));
    for function in &chosen {
        run(function, &backends, full);
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", chosen.len());
}
