//! The elementary functions over slices: criterion groups, then a table of ratios; see `benches/README.md`.

mod measure;

use criterion::{Criterion, Throughput};
use measure::{Random, Subject, by_turns, is_measuring, print_load};
use preflane::elementary::slices;
use preflane::{Backend, Error, Level};
use std::hint::black_box;
use std::time::Duration;
use wide::f32x8;

/// Values of a slice: in cache.
const VALUES: usize = 4096;

type Slices = fn(Backend, &[f32], &mut [f32]) -> Result<(), Error>;
type Loop = fn(&[f32], &mut [f32]);

/// A function, the values it is given, and the others that compute it.
struct Function {
    name: &'static str,
    value: fn(&mut Random) -> f64,
    ours: Slices,
    /// By the crate `libm`, in `f32`; the formulas for what it lacks are those that people write.
    libm: Loop,
    /// By the standard library, which is the C library of the platform: where it has the function.
    std: Option<Loop>,
    /// By `wide::f32x8`, as built for the default target: where it has the function.
    wide: Option<Loop>,
}

/// A loop of the scalar function.
macro_rules! each {
    ($f:expr) => {{
        fn run(x: &[f32], out: &mut [f32]) {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = $f(x);
            }
        }
        run as Loop
    }};
}

/// A loop of the method of `f32x8`; the length is a multiple of 8.
macro_rules! eights {
    ($f:expr) => {{
        fn run(x: &[f32], out: &mut [f32]) {
            let (out, _) = out.as_chunks_mut::<8>();
            for (out, &x) in out.iter_mut().zip(x.as_chunks::<8>().0) {
                *out = $f(f32x8::new(x)).to_array();
            }
        }
        Some(run as Loop)
    }};
}

fn log1mexp(x: f32) -> f32 {
    if x > -std::f32::consts::LN_2 { libm::logf(-libm::expm1f(x)) } else { libm::log1pf(-libm::expf(x)) }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
}

fn functions() -> [Function; 8] {
    let around_zero: fn(&mut Random) -> f64 = |random| random.uniform(-20.0, 20.0);
    [
        Function {
            name: "exp",
            value: around_zero,
            ours: slices::exp,
            libm: each!(libm::expf),
            std: Some(each!(f32::exp)),
            wide: eights!(f32x8::exp),
        },
        Function {
            name: "log",
            value: |random| random.uniform(-20.0, 20.0).exp(),
            ours: slices::log,
            libm: each!(libm::logf),
            std: Some(each!(f32::ln)),
            wide: eights!(f32x8::ln),
        },
        Function {
            name: "log1p",
            value: |random| random.uniform(-20.0, 5.0).exp(),
            ours: slices::log1p,
            libm: each!(libm::log1pf),
            std: Some(each!(f32::ln_1p)),
            wide: eights!(f32x8::ln_1p),
        },
        Function {
            name: "expm1",
            value: around_zero,
            ours: slices::expm1,
            libm: each!(libm::expm1f),
            std: Some(each!(f32::exp_m1)),
            wide: eights!(f32x8::exp_m1),
        },
        Function {
            name: "log1mexp",
            value: |random| -random.uniform(-15.0, 4.0).exp(),
            ours: slices::log1mexp,
            libm: each!(log1mexp),
            std: None,
            wide: None,
        },
        Function {
            name: "sigmoid",
            value: around_zero,
            ours: slices::sigmoid,
            libm: each!(sigmoid),
            std: None,
            wide: None,
        },
        Function {
            name: "log_sigmoid",
            value: around_zero,
            ours: slices::log_sigmoid,
            libm: each!(|x: f32| -softplus(-x)),
            std: None,
            wide: None,
        },
        Function {
            name: "softplus",
            value: around_zero,
            ours: slices::softplus,
            libm: each!(softplus),
            std: None,
            wide: None,
        },
    ]
}

impl Function {
    fn values(&self) -> Vec<f32> {
        let mut random = Random::new();
        (0..VALUES).map(|_| (self.value)(&mut random) as f32).collect()
    }

    /// Everything that computes it, ours at every level first.
    fn subjects<'a>(&'a self, values: &'a [f32]) -> Vec<(&'static str, Subject<'a, Vec<f32>>)> {
        let ours = Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).map(|backend| {
            let run = move |out: &mut Vec<f32>| {
                (self.ours)(black_box(backend), black_box(values), out).expect("equal lengths");
            };
            (backend.level().name(), Subject::new(VALUES, run))
        });
        let others = [("libm", Some(self.libm)), ("std", self.std), ("f32x8", self.wide)];
        let others = others.into_iter().filter_map(|(name, run)| {
            let run = run?;
            Some((name, Subject::new(VALUES, move |out: &mut Vec<f32>| run(black_box(values), out))))
        });
        ours.chain(others).collect()
    }
}

fn criterion_groups(criterion: &mut Criterion) {
    let mut out = vec![0.0; VALUES];
    for function in functions() {
        let values = function.values();
        let mut group = criterion.benchmark_group(function.name);
        group.throughput(Throughput::Elements(VALUES as u64));
        for (name, mut subject) in function.subjects(&values) {
            group.bench_function(name, |b| b.iter(|| (subject.run)(black_box(&mut out))));
        }
        group.finish();
    }
}

/// One table of nanoseconds a value, one of how many times as fast the best level is as the others.
fn print_tables() {
    const COLUMNS: [&str; 7] = ["scalar", "wide", "avx2", "avx512", "libm", "std", "f32x8"];
    print_load();
    let mut out = vec![0.0; VALUES];
    let best = Backend::detect().level().name();
    let head = format!("| function | {} |\n|---|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    let (mut times_table, mut ratios_table) = (head.clone(), head);
    for function in functions() {
        let values = function.values();
        let (names, mut subjects): (Vec<_>, Vec<_>) = function.subjects(&values).into_iter().unzip();
        let times = by_turns(&mut out, &mut subjects);
        let place = |name| names.iter().position(|x| *x == name);
        let cell = |text: Option<String>| format!(" {} |", text.as_deref().unwrap_or("-"));
        for table in [&mut times_table, &mut ratios_table] {
            *table += &format!("\n| {} |", function.name);
        }
        for column in COLUMNS {
            times_table += &cell(place(column).map(|i| format!("{:#}", times.of(i))));
            let ratio = place(column).zip(place(best)).map(|(i, best)| times.ratio(i, best).to_string());
            ratios_table += &cell(ratio);
        }
    }
    println!("\n### Nanoseconds a value, {VALUES} values in cache, one thread\n\n{times_table}");
    println!("\n### The same over {best}: medians of rounds, with quartiles\n\n{ratios_table}");
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    criterion_groups(&mut criterion);
    criterion.final_summary();
    if is_measuring() {
        print_tables();
    }
}
