//! Logits to log-probabilities and back: criterion groups, then tables of ratios against reading or scaling the same
//! memory; see `benches/README.md`.

mod measure;

use criterion::{Criterion, Throughput};
use half::{bf16, f16};
use measure::{Random, Subject, Turn, by_turns, is_measuring, print_load, verdict};
use preflane::logits::{Element, Labels, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Targets, TokenOutputs};
use preflane::{Backend, Level, Run};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::hint::black_box;
use std::io::{BufRead, Error};
use std::time::Duration;

/// Llama 2, Llama 3 and Qwen 2.5.
const VOCABULARIES: [usize; 3] = [32_000, 128_256, 151_936];
const ROWS: usize = 256;

/// Logits of one vocabulary in all types, and where results go.
struct Data {
    columns: usize,
    single: Vec<f32>,
    bf16: Vec<bf16>,
    f16: Vec<f16>,
    /// What the gradient replaces.
    place: Vec<f32>,
    labels: Vec<i64>,
    logps: Vec<f32>,
    sums: Vec<LogSumExp>,
    seeds: Vec<f32>,
}

impl Data {
    fn new(columns: usize) -> Self {
        let mut random = Random::new();
        let n = columns * ROWS;
        let single: Vec<f32> = (0..n).map(|_| random.uniform(-10.0, 10.0) as f32).collect();
        let mut data = Self {
            columns,
            bf16: single.iter().map(|&x| bf16::from_f32(x)).collect(),
            f16: single.iter().map(|&x| f16::from_f32(x)).collect(),
            place: single.clone(),
            single,
            labels: (0..ROWS).map(|row| (row * 7919 % columns) as i64).collect(),
            logps: vec![0.0; ROWS],
            sums: vec![LogSumExp::default(); ROWS],
            seeds: (0..ROWS).map(|row| 0.001 * (row as f32 + 1.0)).collect(),
        };
        data.forward(Backend::detect(), Kind::F32, true);
        data
    }

    fn forward(&mut self, backend: Backend, kind: Kind, threads: bool) {
        let Self { columns, labels, logps, sums, .. } = self;
        let targets = Targets::new(Labels::I64(labels));
        let outputs = TokenOutputs { logps: Some(logps), log_sum_exps: Some(sums), ..Default::default() };
        match kind {
            Kind::F32 => forward(backend, &self.single, *columns, targets, outputs, threads),
            Kind::Bf16 => forward(backend, &self.bf16, *columns, targets, outputs, threads),
            Kind::F16 => forward(backend, &self.f16, *columns, targets, outputs, threads),
        }
    }

    fn backward(&mut self, backend: Backend, threads: bool) {
        let logits = LogitsMut::new(&mut self.place, ROWS, self.columns).expect("whole rows");
        let targets = Targets::new(Labels::I64(&self.labels));
        let seeds = Seeds { log_sum_exps: &self.sums, grad_logps: &self.seeds };
        let (logits, scaling) = (black_box(logits), Scaling::NONE);
        run(backend, threads).logits_grad_in_place(logits, targets, &scaling, seeds, false).expect("equal lengths");
    }

    fn sum(&mut self, threads: bool) {
        let columns = self.columns;
        let rows = || black_box(&self.single[..]);
        let total: f32 = if threads {
            rows().par_chunks(columns).map(plain_sum).sum()
        } else {
            rows().chunks(columns).map(plain_sum).sum()
        };
        black_box(total);
    }

    fn scale(&mut self, threads: bool) {
        let columns = self.columns;
        let place = black_box(&mut self.place[..]);
        if threads { place.par_chunks_mut(columns).for_each(plain_scale) } else { plain_scale(place) }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    F32,
    Bf16,
    F16,
}

/// On the calling thread, or on those of the caller's pool.
fn run(backend: Backend, in_pool: bool) -> Run {
    if in_pool { Run::on(backend).in_pool() } else { Run::on(backend) }
}

fn forward<T: Element>(
    backend: Backend,
    data: &[T],
    columns: usize,
    targets: Targets<'_>,
    outputs: TokenOutputs<'_>,
    threads: bool,
) {
    let logits = black_box(Logits::new(data, ROWS, columns).expect("whole rows"));
    let scaling = Scaling::NONE;
    run(backend, threads).token_logps(logits, targets, &scaling, outputs).expect("equal lengths");
}

/// A sum in 128 lanes, which the compiler makes the widest vectors of that it is allowed.
fn plain_sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0; 128];
    for x in x.chunks_exact(128) {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane += x;
        }
    }
    lanes.iter().sum()
}

/// `x *= a`.
fn plain_scale(x: &mut [f32]) {
    let a = black_box(0.999_999_94);
    for x in x {
        *x *= a;
    }
}

fn pool() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(2).build().expect("two threads")
}

fn criterion_groups(criterion: &mut Criterion) {
    let mut data = Data::new(VOCABULARIES[0]);
    let backend = Backend::detect();
    let mut group = criterion.benchmark_group(format!("{ROWS} rows of {}", data.columns));
    group.throughput(Throughput::Elements((ROWS * data.columns) as u64));
    group.bench_function("plain sum", |b| b.iter(|| data.sum(false)));
    for (name, kind) in [("f32", Kind::F32), ("bf16", Kind::Bf16), ("f16", Kind::F16)] {
        group.bench_function(format!("log-probabilities, {name}"), |b| b.iter(|| data.forward(backend, kind, false)));
    }
    group.bench_function("plain scaling", |b| b.iter(|| data.scale(false)));
    group.bench_function("gradient in place, f32", |b| b.iter(|| data.backward(backend, false)));
    group.finish();
}

/// A bound as a share: how fast it is of what it is compared with.
fn print_tables() {
    let (pool, backend) = (pool(), Backend::detect());
    print_load();
    println!(
        "\n### {ROWS} rows, level {}: ns a logit, and the speed as a share of a plain loop's\n",
        backend.level().name()
    );
    println!(
        "| columns | threads | plain sum | f32 | share of it | bf16 / f32 | f16 / f32 | goal | holds | x *= a | gradient in place | share of it | goal | holds |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for columns in VOCABULARIES {
        let mut data = Data::new(columns);
        for threads in [false, true] {
            let items = ROWS * columns;
            let mut subjects = [
                Subject::new(items, |data: &mut Data| data.sum(threads)),
                Subject::new(items, |data: &mut Data| data.forward(backend, Kind::F32, threads)),
                Subject::new(items, |data: &mut Data| data.forward(backend, Kind::Bf16, threads)),
                Subject::new(items, |data: &mut Data| data.forward(backend, Kind::F16, threads)),
                Subject::new(items, |data: &mut Data| data.scale(threads)),
                Subject::new(items, |data: &mut Data| data.backward(backend, threads)),
            ];
            let times = pool.install(|| by_turns(&mut data, &mut subjects));
            let (forward, backward) = (times.ratio(0, 1), times.ratio(4, 5));
            let goals = if threads { (0.9, "0.8", backward.median >= 0.8) } else { (0.6, "", true) };
            println!(
                "| {columns} | {} | {:#} | {:#} | {forward} | {:#} | {:#} | {} | {} | {:#} | {:#} | {backward} | {} | {} |",
                if threads { 2 } else { 1 },
                times.of(0),
                times.of(1),
                times.ratio(2, 1),
                times.ratio(3, 1),
                goals.0,
                verdict(forward.median >= goals.0),
                times.of(4),
                times.of(5),
                goals.1,
                if threads { verdict(goals.2) } else { "" },
            );
        }
    }
    println!("\n### Levels: {ROWS} rows of {}, one thread, ns a logit\n", VOCABULARIES[0]);
    println!("| level | f32 | bf16 | f16 | gradient in place |\n|---|---|---|---|---|");
    let mut data = Data::new(VOCABULARIES[0]);
    for backend in Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()) {
        let items = ROWS * data.columns;
        let mut subjects = [
            Subject::new(items, |data: &mut Data| data.forward(backend, Kind::F32, false)),
            Subject::new(items, |data: &mut Data| data.forward(backend, Kind::Bf16, false)),
            Subject::new(items, |data: &mut Data| data.forward(backend, Kind::F16, false)),
            Subject::new(items, |data: &mut Data| data.backward(backend, false)),
        ];
        let times = by_turns(&mut data, &mut subjects);
        println!(
            "| {} | {:#} | {:#} | {:#} | {:#} |",
            backend.level().name(),
            times.of(0),
            times.of(1),
            times.of(2),
            times.of(3)
        );
    }
}

/// Answers `columns threads f32|bf16 forward|step` on standard input with the nanoseconds a row, for `pytorch_logits.py`.
fn serve() -> Result<(), Error> {
    let backend = Backend::from_env().map_err(|error| Error::other(error.to_string()))?;
    let (pool, turn) = (pool(), Turn { warm_up: Duration::from_millis(20), timed: Duration::from_millis(100) });
    let mut data = Data::new(VOCABULARIES[0]);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (columns, threads, kind, what) = match fields[..] {
            [columns, threads @ ("1" | "2"), kind @ ("f32" | "bf16"), what @ ("forward" | "step")] => (
                columns.parse::<usize>().ok(),
                threads == "2",
                if kind == "f32" { Kind::F32 } else { Kind::Bf16 },
                what,
            ),
            _ => return Err(Error::other(format!("not understood: {line}"))),
        };
        let columns =
            columns.filter(|x| (1..=1 << 20).contains(x)).ok_or_else(|| Error::other("columns out of range"))?;
        if columns != data.columns {
            data = Data::new(columns);
        }
        let mut half = data.bf16.clone();
        let run = || {
            turn.time(|| {
                data.forward(backend, kind, threads);
                if what == "step" {
                    match kind {
                        Kind::Bf16 => {
                            let logits = LogitsMut::new(&mut half, ROWS, columns).expect("whole rows");
                            let targets = Targets::new(Labels::I64(&data.labels));
                            let seeds = Seeds { log_sum_exps: &data.sums, grad_logps: &data.seeds };
                            self::run(backend, threads)
                                .logits_grad_in_place(logits, targets, &Scaling::NONE, seeds, false)
                                .expect("equal lengths");
                        }
                        _ => data.backward(backend, threads),
                    }
                }
            }) / ROWS as f64
        };
        let ns = pool.install(run);
        println!(r#"{{"columns": {columns}, "level": "{}", "ns": {ns:.1}}}"#, backend.level().name());
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    if std::env::var_os("PREFLANE_BENCH_JSON").is_some_and(|x| x == "1") {
        return serve();
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    criterion_groups(&mut criterion);
    criterion.final_summary();
    if is_measuring() {
        print_tables();
    }
    Ok(())
}
