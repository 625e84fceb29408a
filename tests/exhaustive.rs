//! The elementary functions over all f32, on every level, against an independent reference.
//!
//! `cargo test --release --test exhaustive` runs a stratified part: around every power of two, around the ends of the
//! ranges, and a spread of the rest. `-- --full` runs all 2^32 inputs of every function, with a progress bar;
//! `-- --full sigmoid log_sigmoid` only those named. The reference and the sweep are the judge's.

use indicatif::{ProgressBar, ProgressStyle};
use preflane::elementary::{self, slices};
use preflane::{Backend, Error, Level};
use preflane_judge::elementary::{Function, same};
use preflane_judge::sweep::{CHUNKS, Candidate, Extent, sweep};

type SliceFunction = fn(Backend, &[f32], &mut [f32]) -> Result<(), Error>;

macro_rules! library {
    ($($name:ident)+) => { [$((stringify!($name), elementary::$name as fn(f32) -> f32, slices::$name as SliceFunction)),+] };
}

/// Name, one value, slices.
type LibraryFunction = (&'static str, fn(f32) -> f32, SliceFunction);

const LIBRARY: [LibraryFunction; 8] = library!(sigmoid log_sigmoid softplus exp log log1p expm1 log1mexp);

fn run(function: &Function, one: fn(f32) -> f32, slice: SliceFunction, backends: &[Backend], extent: Extent) {
    let style = ProgressStyle::with_template("{prefix:12} [{bar:40}] {percent}% {eta_precise} left").unwrap();
    let progress = ProgressBar::new(CHUNKS).with_style(style.progress_chars("=> ")).with_prefix(function.name);
    let runs: Vec<_> = (backends.iter())
        .map(|&backend| move |x: &[f32], out: &mut [f32]| slice(backend, x, out).expect("of one length"))
        .collect();
    let candidates: Vec<_> =
        (backends.iter().zip(&runs)).map(|(backend, run)| Candidate { name: backend.level().name(), run }).collect();
    let swept = sweep(function, &candidates, extent, &|| progress.inc(1)).unwrap_or_else(|found| panic!("{found}"));
    progress.finish_and_clear();
    // The scalar function is the slice function at one lane: once a level suffices, and a few of its calls.
    for x in [0.0, -0.0, 1.0, -1.0, 0.5, -88.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        assert!(same(one(x), function.nearest(x).0), "{}({x})", function.name);
    }
    println!(
        "test {} ... ok ({} inputs on each of {} levels, all correctly rounded; {} settled by the judge)",
        function.name,
        swept.inputs,
        backends.len(),
        swept.settled,
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let extent = if arguments.iter().any(|a| a == "--full") { Extent::Full } else { Extent::Stratified };
    let names: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let backends: Vec<_> = Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect();
    let chosen: Vec<_> = LIBRARY.iter().filter(|f| names.is_empty() || names.iter().any(|n| *n == f.0)).collect();
    let levels: Vec<_> = backends.iter().map(|b| b.level().name()).collect();
    println!("\nrunning {} tests (levels {})", chosen.len(), levels.join(", "));
    for (name, one, slice) in &chosen {
        let function = Function::named(name).expect("the judge has every function");
        run(function, *one, *slice, &backends, extent);
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", chosen.len());
}
