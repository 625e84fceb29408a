//! What the benchmarks share: input data, and times taken by turns.
//!
//! On a shared machine a time alone says little, so every figure of the tables is a ratio: the subjects run one after
//! the other, round after round, and each ratio is the median over the rounds of the ratio within a round.
// Every benchmark takes what it needs.
#![allow(dead_code, reason = "compiled into each benchmark")]

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// SplitMix64: the same data on every machine.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(20_261_101)
    }

    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 53) as f64;
        low + unit * (high - low)
    }

    /// Log-probabilities of a pair: the reference in -500..0, the policy within 20 of it.
    pub fn pair(&mut self) -> [f64; 4] {
        let [chosen, rejected] = [self.uniform(-500.0, 0.0), self.uniform(-500.0, 0.0)];
        let mut policy = |reference: f64| -(reference + self.uniform(-20.0, 20.0)).abs();
        [policy(chosen), policy(rejected), chosen, rejected]
    }
}

/// How long a subject runs within a round.
#[derive(Clone, Copy)]
pub struct Turn {
    /// Before the clock starts: the caches fill, and the clock rate settles after another subject's wide instructions.
    pub warm_up: Duration,
    pub timed: Duration,
}

impl Turn {
    pub const USUAL: Self = Self { warm_up: Duration::from_micros(800), timed: Duration::from_millis(3) };

    const BATCHES: u32 = 9;

    /// Nanoseconds of one call of `run`: the median of batches of calls, so that another process that takes the core
    /// for a while spoils a batch and not the turn.
    pub fn time(self, mut run: impl FnMut()) -> f64 {
        let start = Instant::now();
        let mut calls = 0_u32;
        // The clock itself costs some 30 ns: ask it at powers of two only.
        while !calls.is_power_of_two() || start.elapsed() < self.warm_up {
            run();
            calls += 1;
        }
        let call = start.elapsed() / calls;
        let batch = self.timed.as_nanos() / u128::from(Self::BATCHES) / call.as_nanos().max(1);
        let batch = batch.clamp(1, 1 << 24) as u32;
        let mut times = Vec::new();
        let start = Instant::now();
        while times.is_empty() || start.elapsed() < self.timed {
            let start = Instant::now();
            for _ in 0..batch {
                run();
            }
            times.push(start.elapsed().as_nanos() as f64 / f64::from(batch));
        }
        times.sort_by(f64::total_cmp);
        times[(times.len() - 1) / 2]
    }
}

/// Something to time: what it does to the state that all subjects share, and how many items it handles in a call.
pub struct Subject<'a, S> {
    pub items: usize,
    pub run: Box<dyn FnMut(&mut S) + Send + 'a>,
}

impl<'a, S> Subject<'a, S> {
    pub fn new(items: usize, run: impl FnMut(&mut S) + Send + 'a) -> Self {
        Self { items, run: Box::new(run) }
    }
}

/// Nanoseconds an item: a row for every round, a column for every subject.
pub struct Times(Vec<Vec<f64>>);

/// Times the subjects by turns: forwards in one round, backwards in the next.
pub fn by_turns<S>(state: &mut S, subjects: &mut [Subject<'_, S>]) -> Times {
    let rounds = std::env::var("PREFLANE_BENCH_ROUNDS").ok().and_then(|x| x.parse::<NonZeroUsize>().ok());
    let rounds = rounds.map_or(61, NonZeroUsize::get);
    let round = |round: usize| {
        let mut times = vec![0.0; subjects.len()];
        for turn in 0..subjects.len() {
            let turn = if round.is_multiple_of(2) { turn } else { subjects.len() - 1 - turn };
            let Subject { items, run } = &mut subjects[turn];
            times[turn] = Turn::USUAL.time(|| run(black_box(state))) / *items as f64;
        }
        times
    };
    Times((0..rounds).map(round).collect())
}

impl Times {
    /// Of any function of a round's times.
    pub fn spread(&self, f: impl Fn(&[f64]) -> f64) -> Spread {
        Spread::of(self.0.iter().map(|round| f(round)).collect())
    }

    /// Nanoseconds an item.
    pub fn of(&self, subject: usize) -> Spread {
        self.spread(|round| round[subject])
    }

    /// The ratio of the fastest rounds: what remains of a long call on a busy machine, where other processes cut into
    /// nearly every one.
    pub fn fastest_ratio(&self, subject: usize, bound: usize) -> f64 {
        let fastest = |i: usize| self.0.iter().map(|round| round[i]).fold(f64::INFINITY, f64::min);
        fastest(subject) / fastest(bound)
    }

    /// The time of one subject over that of another.
    pub fn ratio(&self, subject: usize, bound: usize) -> Spread {
        self.spread(|round| round[subject] / round[bound])
    }
}

/// Median and quartiles.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

/// `median (low-high)`, or the median alone in the alternate form.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write!(f, "{:.2}", self.median)
        } else {
            write!(f, "{:.2} ({:.2}-{:.2})", self.median, self.low, self.high)
        }
    }
}

/// Whether a goal holds, as the tables say it.
pub fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

/// Whether to print the tables: not when cargo only tests or lists the benchmarks.
pub fn is_measuring() -> bool {
    let other = ["--test", "--list", "--profile-time"];
    std::env::args().any(|x| x == "--bench") && !std::env::args().any(|x| other.contains(&x.as_str()))
}

/// The load of the machine before a table.
pub fn print_load() {
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        println!("\nLoad average: {}", load.trim());
    }
}
