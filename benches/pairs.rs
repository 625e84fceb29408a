//! The losses of pairs, labelled and listed answers: criterion groups, then tables of ratios; see `benches/README.md`.

mod measure;

use criterion::{Criterion, Throughput};
use measure::{Random, Subject, Times, Turn, by_turns, is_measuring, print_load, verdict};
use preflane::labelled::{Labelled, LabelledOutputs};
use preflane::listed::{ListOutputs, ListScratch, Lists};
use preflane::losses::{LOSSES, Shape};
use preflane::{Backend, LabelledLoss, Level, ListedLoss, Loss, Metrics, Outputs, Pairs, Run};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::hint::black_box;
use std::io::{BufRead, Error};
use std::time::Duration;

/// The large batch.
const LARGE: usize = 1 << 20;
/// Fits the caches of a core, with all outputs.
const IN_CACHE: usize = 4096;
/// What the small batches are compared with.
const STEADY: usize = 1 << 16;
const SMALL: [usize; 4] = [8, 16, 32, 64];
/// Small batches go round in so many rows, lest the CPU learn a batch by heart.
const SMALL_ROWS: usize = 512;
/// Rows a task of `preflane::Run`.
const GRAIN: usize = 16 * 1024;
const BETA: f64 = 0.1;
/// cDPO's label smoothing.
const SMOOTHING: f64 = 0.1;
/// Answers of a list.
const LISTS: [usize; 5] = [2, 3, 4, 8, 64];

/// Log-probabilities.
struct Data {
    name: &'static str,
    policy_chosen: Vec<f32>,
    policy_rejected: Vec<f32>,
    ref_chosen: Vec<f32>,
    ref_rejected: Vec<f32>,
    weights: Vec<f32>,
}

impl Data {
    fn new(name: &'static str, rows: usize, mut row: impl FnMut(usize) -> [f64; 4]) -> Self {
        let mut data = Self {
            name,
            policy_chosen: Vec::new(),
            policy_rejected: Vec::new(),
            ref_chosen: Vec::new(),
            ref_rejected: Vec::new(),
            weights: Vec::new(),
        };
        let mut random = Random::new();
        for i in 0..rows {
            let [pc, pr, rc, rr] = row(i).map(|x| x as f32);
            data.policy_chosen.push(pc);
            data.policy_rejected.push(pr);
            data.ref_chosen.push(rc);
            data.ref_rejected.push(rr);
            data.weights.push(random.uniform(0.5, 1.5) as f32);
        }
        data
    }

    /// As [`Random::pair`] draws them.
    fn synthetic(rows: usize) -> Self {
        let mut random = Random::new();
        Self::new("synthetic", rows, |_| random.pair())
    }

    /// The rows of `examples/pairs.jsonl` over and over; `None` where that file is not (a packaged crate).
    fn real(rows: usize) -> Option<Self> {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pairs.jsonl")).ok()?;
        let field = |line: &str, name: &str| {
            let (_, value) = line.split_once(&format!("\"{name}\":"))?;
            value.split([',', '}']).next()?.trim().parse().ok()
        };
        let names = ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"];
        let parse = |line: &str| {
            let [a, b, c, d] = names.map(|name| field(line, name));
            Some([a?, b?, c?, d?])
        };
        let lines: Vec<[f64; 4]> = text.lines().map(parse).collect::<Option<_>>()?;
        (!lines.is_empty()).then(|| Self::new("examples", rows, |i| lines[i % lines.len()]))
    }

    /// Margins within 1 of where the gradient of cDPO is 0: sums that cancel, row after row.
    fn dense(rows: usize) -> Self {
        let mut random = Random::new();
        let zero = ((1.0 - SMOOTHING) / SMOOTHING).ln() / BETA;
        Self::new("dense", rows, |_| {
            let [chosen, rejected] = [random.uniform(-500.0, -100.0), random.uniform(-500.0, -100.0)];
            let v = random.uniform(-20.0, 20.0);
            [chosen + v + zero + random.uniform(-1.0, 1.0), rejected + v, chosen, rejected]
        })
    }

    /// Every data set there is.
    fn all(rows: usize) -> Vec<Self> {
        [Some(Self::synthetic(rows)), Self::real(rows)].into_iter().flatten().collect()
    }

    fn inputs(&self, at: usize, n: usize) -> [&[f32]; 4] {
        [&self.policy_chosen, &self.policy_rejected, &self.ref_chosen, &self.ref_rejected].map(|x| &x[at..at + n])
    }

    fn pairs(&self, at: usize, n: usize) -> Pairs<'_> {
        let [pc, pr, rc, rr] = self.inputs(at, n);
        Pairs::new(pc, pr, rc, rr)
    }
}

/// Where subjects write: the same memory for all.
struct Results {
    columns: [Vec<f32>; 9],
    metrics: Metrics,
}

impl Results {
    fn new(rows: usize) -> Self {
        Self { columns: std::array::from_fn(|_| vec![0.0; rows]), metrics: Metrics::new() }
    }

    /// Loss, both rewards, one gradient: four streams. And the metrics.
    fn four(&mut self, n: usize) -> (Outputs<'_>, &mut Metrics) {
        let (five, metrics) = self.five(n);
        (Outputs { grad_rejected_logps: None, ..five }, metrics)
    }

    /// And the other gradient.
    fn five(&mut self, n: usize) -> (Outputs<'_>, &mut Metrics) {
        let [losses, chosen, rejected, gradient, gradient2, ..] = self.columns.each_mut().map(|x| Some(&mut x[..n]));
        let outputs = Outputs {
            losses,
            chosen_rewards: chosen,
            rejected_rewards: rejected,
            grad_chosen_logps: gradient,
            grad_rejected_logps: gradient2,
            ..Outputs::default()
        };
        (outputs, &mut self.metrics)
    }

    /// Every output there is.
    fn nine(&mut self, n: usize) -> (Outputs<'_>, &mut Metrics) {
        let [a, b, c, d, e, f, g, h, i] = self.columns.each_mut().map(|x| Some(&mut x[..n]));
        let outputs = Outputs {
            losses: a,
            chosen_rewards: b,
            rejected_rewards: c,
            margins: d,
            grad_chosen_logps: e,
            grad_rejected_logps: f,
            grad_ref_chosen_logps: g,
            grad_ref_rejected_logps: h,
            grad_beta: i,
        };
        (outputs, &mut self.metrics)
    }
}

fn dpo() -> Loss {
    Loss::dpo(BETA).expect("a valid beta")
}

/// Every loss of pairs with an everyday set of parameters.
fn losses() -> Vec<(&'static str, Loss)> {
    // Those that take something beside log-probabilities cost as their kin do.
    let pairwise = LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise && loss.column.is_none());
    pairwise.map(|loss| (loss.name, Loss::new(loss, &loss.case(0)).expect("valid parameters"))).collect()
}

fn backends() -> Vec<Backend> {
    Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect()
}

fn pool() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(2).build().expect("two threads")
}

/// Four outputs on the calling thread.
fn evaluate(backend: Backend, loss: Loss, pairs: Pairs<'_>, results: &mut Results, with_metrics: bool) {
    let (outputs, metrics) = results.four(pairs.len());
    let metrics = with_metrics.then_some(metrics);
    Run::on(black_box(backend)).evaluate(black_box(&loss), pairs, outputs, metrics).expect("equal lengths");
}

/// The same in the caller's pool.
fn evaluate_batch(backend: Backend, loss: Loss, pairs: Pairs<'_>, results: &mut Results) {
    let (outputs, metrics) = results.four(pairs.len());
    Run::on(black_box(backend))
        .in_pool()
        .evaluate(black_box(&loss), pairs, outputs, Some(metrics))
        .expect("equal lengths");
}

/// The plain loop: four streams in, four out, hardly any arithmetic.
mod plain {
    use preflane::{Backend, Level};

    type Four<'a> = [&'a mut [f32]; 4];

    /// On one thread, compiled for the backend's level.
    pub fn run(backend: Backend, inputs: [&[f32]; 4], [a, b, c, d]: Four<'_>) {
        match backend.level() {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code, reason = "entry into a target_feature function")]
            // SAFETY: a Backend holds only levels whose instruction set the CPU was found to have.
            Level::Avx2 => unsafe { avx2(inputs, a, b, c, d) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code, reason = "entry into a target_feature function")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { avx512(inputs, a, b, c, d) },
            _ => baseline(inputs, a, b, c, d),
        }
    }

    /// In the caller's pool, cut as `preflane::Run` cuts.
    pub fn run_in_pool(backend: Backend, inputs: [&[f32]; 4], outputs: Four<'_>) {
        let n = inputs[0].len();
        if n <= super::GRAIN {
            return run(backend, inputs, outputs);
        }
        let half = n.div_ceil(2).next_multiple_of(super::GRAIN);
        let [a, b, c, d] = inputs.map(|x| x.split_at(half));
        let (left, right) = ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1]);
        let [a, b, c, d] = outputs.map(|x| x.split_at_mut(half));
        let (left_outputs, right_outputs) = ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1]);
        rayon::join(|| run_in_pool(backend, left, left_outputs), || run_in_pool(backend, right, right_outputs));
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(inputs: [&[f32]; 4], a: &mut [f32], b: &mut [f32], c: &mut [f32], d: &mut [f32]) {
        body(inputs, a, b, c, d);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn avx512(inputs: [&[f32]; 4], a: &mut [f32], b: &mut [f32], c: &mut [f32], d: &mut [f32]) {
        body(inputs, a, b, c, d);
    }

    #[inline(never)]
    fn baseline(inputs: [&[f32]; 4], a: &mut [f32], b: &mut [f32], c: &mut [f32], d: &mut [f32]) {
        body(inputs, a, b, c, d);
    }

    /// The outputs come one by one: as arguments the compiler knows them not to overlap, and makes vectors of the loop.
    #[inline(always)]
    fn body(inputs: [&[f32]; 4], a: &mut [f32], b: &mut [f32], c: &mut [f32], d: &mut [f32]) {
        let [pc, pr, rc, rr] = inputs;
        let n = pc.len();
        let (pr, rc, rr) = (&pr[..n], &rc[..n], &rr[..n]);
        let (a, b, c, d) = (&mut a[..n], &mut b[..n], &mut c[..n], &mut d[..n]);
        for i in 0..n {
            let (u, v) = (pc[i] - rc[i], pr[i] - rr[i]);
            a[i] = u - v;
            b[i] = u;
            c[i] = v;
            d[i] = u + v;
        }
    }
}

/// The plain loop over what [`evaluate`] reads and writes.
fn plain(backend: Backend, data: &Data, n: usize, results: &mut Results, in_pool: bool) {
    let [a, b, c, d, ..] = results.columns.each_mut().map(|x| &mut x[..n]);
    let run = if in_pool { plain::run_in_pool } else { plain::run };
    run(black_box(backend), data.inputs(0, n), [a, b, c, d]);
}

/// Calls `run` with the place of the next small batch.
fn in_turn(n: usize, mut run: impl FnMut(usize, &mut Results) + Send) -> impl FnMut(&mut Results) + Send {
    let mut at = 0;
    move |results| {
        run(at, results);
        at = (at + n) % SMALL_ROWS;
    }
}

fn criterion_groups(criterion: &mut Criterion) {
    let backend = Backend::detect();
    let loss = dpo();
    let mut results = Results::new(LARGE);
    for data in &Data::all(LARGE) {
        let mut group = criterion.benchmark_group(format!("large-{}", data.name));
        group.throughput(Throughput::Elements(LARGE as u64));
        group.bench_function("evaluate", |b| {
            b.iter(|| evaluate(backend, loss, data.pairs(0, LARGE), black_box(&mut results), true));
        });
        group.bench_function("plain", |b| b.iter(|| plain(backend, data, LARGE, black_box(&mut results), false)));
        let pool = pool();
        group.bench_function("evaluate-2-threads", |b| {
            let mut run = || evaluate_batch(backend, loss, data.pairs(0, LARGE), black_box(&mut results));
            b.iter(|| pool.install(&mut run));
        });
        group.bench_function("plain-2-threads", |b| {
            let mut run = || plain(backend, data, LARGE, black_box(&mut results), true);
            b.iter(|| pool.install(&mut run));
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("small-{}", data.name));
        for n in SMALL {
            group.throughput(Throughput::Elements(n as u64));
            for (name, metrics) in [("bare", false), ("metrics", true)] {
                let mut run = in_turn(n, |at, results| evaluate(backend, loss, data.pairs(at, n), results, metrics));
                group.bench_function(format!("{n}/{name}"), |b| b.iter(|| run(black_box(&mut results))));
            }
        }
        group.bench_function("report", |b| b.iter(|| black_box(&results.metrics).report()));
        group.finish();

        let mut group = criterion.benchmark_group(format!("levels-{}", data.name));
        group.throughput(Throughput::Elements(IN_CACHE as u64));
        for (loss_name, loss) in losses() {
            for (name, metrics) in [("bare", false), ("metrics", true)] {
                for backend in backends() {
                    group.bench_function(format!("{loss_name}/{name}/{}", backend.level().name()), |b| {
                        let pairs = data.pairs(0, IN_CACHE);
                        b.iter(|| evaluate(backend, loss, pairs, black_box(&mut results), metrics));
                    });
                }
            }
        }
        group.finish();

        let mut group = criterion.benchmark_group(format!("forms-{}", data.name));
        group.throughput(Throughput::Elements(IN_CACHE as u64));
        for (name, mut subject) in forms(backend, data, IN_CACHE) {
            group.bench_function(name, |b| b.iter(|| (subject.run)(black_box(&mut results))));
        }
        group.finish();
    }
}

/// Other outputs and inputs: the first is what the others are compared with.
fn forms(backend: Backend, data: &Data, n: usize) -> Vec<(&'static str, Subject<'_, Results>)> {
    let loss = dpo();
    let run = move |pairs: Pairs<'_>, outputs: Outputs<'_>, metrics: &mut Metrics| {
        Run::on(black_box(backend))
            .evaluate(black_box(&loss), pairs, outputs, Some(metrics))
            .expect("equal lengths and valid weights");
    };
    let pairs = data.pairs(0, n);
    let weighted = pairs.with_weights(&data.weights[..n]);
    let free = Pairs::reference_free(pairs.policy_chosen_logps, pairs.policy_rejected_logps);
    let four = move |pairs| {
        Subject::new(n, move |results: &mut Results| {
            let (outputs, metrics) = results.four(n);
            run(pairs, outputs, metrics);
        })
    };
    let nine = move |pairs| {
        Subject::new(n, move |results: &mut Results| {
            let (outputs, metrics) = results.nine(n);
            run(pairs, outputs, metrics);
        })
    };
    let none = Subject::new(n, move |results: &mut Results| run(pairs, Outputs::default(), &mut results.metrics));
    vec![
        ("four outputs", four(pairs)),
        ("metrics only", none),
        ("nine outputs", nine(pairs)),
        ("four outputs, weighted", four(weighted)),
        ("nine outputs, weighted", nine(weighted)),
        ("four outputs, reference-free", four(free)),
    ]
}

fn print_tables() {
    let backend = Backend::detect();
    print_load();
    println!("Level: {}. Ratios are medians of rounds, with quartiles.", backend.level().name());
    let sets = Data::all(LARGE);
    let mut results = Results::new(LARGE);
    print_large(backend, &sets, &mut results);
    print_small(backend, &sets, &mut results);
    print_levels(&sets, &mut results);
    print_forms(backend, &sets, &mut results);
    print_dense(backend, &mut results);
    print_answers(backend, &sets[0], &mut results);
}

fn print_large(backend: Backend, sets: &[Data], results: &mut Results) {
    println!("\n### {LARGE} pairs: DPO, four outputs and metrics, against a plain loop over the same memory\n");
    println!(
        "| data | threads | preflane, ns a pair | plain loop, ns a pair | ratio | of the fastest | goal | holds |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let pool = pool();
    let loss = dpo();
    for data in sets {
        for threads in [1, 2] {
            let in_pool = threads == 2;
            let subject = move |results: &mut Results| {
                let pairs = data.pairs(0, LARGE);
                if in_pool {
                    evaluate_batch(backend, loss, pairs, results);
                } else {
                    evaluate(backend, loss, pairs, results, true);
                }
            };
            let bound = move |results: &mut Results| plain(backend, data, LARGE, results, in_pool);
            let mut subjects = [Subject::new(LARGE, subject), Subject::new(LARGE, bound)];
            let mut measure = || by_turns(results, &mut subjects);
            let times = if in_pool { pool.install(measure) } else { measure() };
            let ratio = times.ratio(0, 1);
            let (name, holds) = (data.name, verdict(ratio.median <= 1.3));
            let (ours, plain, fastest) = (times.of(0), times.of(1), times.fastest_ratio(0, 1));
            println!("| {name} | {threads} | {ours:#} | {plain:#} | {ratio} | {fastest:.2} | 1.3 | {holds} |");
        }
    }
}

fn print_small(backend: Backend, sets: &[Data], results: &mut Results) {
    println!(
        "\n### Small batches: DPO, four outputs, one thread, against twice the cost a pair at {STEADY} and 50 ns\n"
    );
    println!("| data | metrics | pairs | ns a call | bound, ns a call | ratio | holds |");
    println!("|---|---|---|---|---|---|---|");
    let loss = dpo();
    for data in sets {
        for with_metrics in [false, true] {
            let run = move |at, n, results: &mut Results| {
                evaluate(backend, loss, data.pairs(at, n), results, with_metrics);
            };
            let mut subjects = vec![Subject::new(STEADY, move |results| run(0, STEADY, results))];
            // A call as one item.
            subjects.extend(SMALL.map(|n| Subject::new(1, in_turn(n, move |at, results| run(at, n, results)))));
            let times = by_turns(results, &mut subjects);
            for (n, subject) in SMALL.into_iter().zip(1..) {
                let bound = |round: &[f64]| 2.0 * n as f64 * round[0] + 50.0;
                let ratio = times.spread(|round| round[subject] / bound(round));
                let (call, bound) = (times.of(subject), times.spread(bound));
                let (name, holds) = (data.name, verdict(ratio.median <= 1.0));
                let metrics = if with_metrics { "yes" } else { "no" };
                println!("| {name} | {metrics} | {n} | {call:#} | {bound:#} | {ratio} | {holds} |");
            }
        }
    }
    results.metrics = Metrics::new();
    evaluate(backend, loss, sets[0].pairs(0, 64), results, true);
    let report = |results: &mut Results| {
        black_box(results.metrics.report());
    };
    let times = by_turns(results, &mut [Subject::new(1, report)]);
    println!("\n`Metrics::report` of 64 pairs: {} ns a call.", times.of(0));
}

fn print_levels(sets: &[Data], results: &mut Results) {
    println!("\n### Levels: {IN_CACHE} pairs in cache, four outputs, one thread, ns a pair; goal 1.7 a step\n");
    println!("| data | loss | metrics | scalar | wide | avx2 | avx512 | wide / avx2 | avx2 / avx512 | holds |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let backends = backends();
    for data in sets {
        let pairs = data.pairs(0, IN_CACHE);
        for (loss_name, loss) in losses() {
            for with_metrics in [false, true] {
                let subject = |&backend| {
                    Subject::new(IN_CACHE, move |results: &mut Results| {
                        evaluate(backend, loss, pairs, results, with_metrics);
                    })
                };
                let mut subjects: Vec<_> = backends.iter().map(subject).collect();
                let times = by_turns(results, &mut subjects);
                let place = |level| backends.iter().position(|backend| backend.level() == level);
                print!("| {} | {loss_name} | {} |", data.name, if with_metrics { "yes" } else { "no" });
                for level in Level::ALL {
                    place(level).map_or_else(|| print!(" - |"), |i| print!(" {:#} |", times.of(i)));
                }
                let mut holds = true;
                for (slow, fast) in [(Level::Wide, Level::Avx2), (Level::Avx2, Level::Avx512)] {
                    match place(slow).zip(place(fast)).map(|(slow, fast)| times.ratio(slow, fast)) {
                        Some(ratio) => {
                            holds &= ratio.median >= 1.7;
                            print!(" {ratio} |");
                        }
                        None => print!(" - |"),
                    }
                }
                println!(" {} |", verdict(holds));
            }
        }
    }
}

fn print_forms(backend: Backend, sets: &[Data], results: &mut Results) {
    println!("\n### Forms: DPO with metrics, one thread, against four outputs\n");
    println!("| data | pairs | form | ns a pair | ratio |");
    println!("|---|---|---|---|---|");
    for data in sets {
        for n in [IN_CACHE, LARGE] {
            let (names, mut subjects): (Vec<_>, Vec<_>) = forms(backend, data, n).into_iter().unzip();
            let times: Times = by_turns(results, &mut subjects);
            for (i, name) in names.iter().enumerate() {
                println!("| {} | {n} | {name} | {:#} | {} |", data.name, times.of(i), times.ratio(i, 0));
            }
        }
    }
}

fn print_dense(backend: Backend, results: &mut Results) {
    println!(
        "\n### Where sums cancel: {IN_CACHE} pairs around the zero of cDPO's gradient, four outputs, one thread, against DPO\n"
    );
    println!("| loss | metrics | ns a pair | of DPO | goal | holds |");
    println!("|---|---|---|---|---|---|");
    let data = Data::dense(IN_CACHE);
    let pairs = data.pairs(0, IN_CACHE);
    let cdpo = Loss::cdpo(BETA, SMOOTHING).expect("valid parameters");
    for with_metrics in [false, true] {
        let subject = |loss: Loss| {
            Subject::new(IN_CACHE, move |results: &mut Results| evaluate(backend, loss, pairs, results, with_metrics))
        };
        let times = by_turns(results, &mut [subject(cdpo), subject(dpo())]);
        let (ratio, metrics) = (times.ratio(0, 1), if with_metrics { "yes" } else { "no" });
        println!("| cdpo | {metrics} | {:#} | {ratio} | 1.3 | {} |", times.of(0), verdict(ratio.median <= 1.3));
    }
}

/// Plain `f64` on one lane: what people write, exact to some places.
mod plain_answers {
    /// KTO: loss, reward, derivatives by the log-probability and by beta.
    #[inline(never)]
    pub fn labelled(beta: f64, [policy, reference]: [&[f32]; 2], desirable: &[bool], [a, b, c, d]: [&mut [f32]; 4]) {
        for i in 0..policy.len() {
            let u = f64::from(policy[i]) - f64::from(reference[i]);
            let x = if desirable[i] { beta * u } else { -beta * u };
            let loss = 1.0 / (1.0 + x.exp());
            let slope = if desirable[i] { -loss * (1.0 - loss) } else { loss * (1.0 - loss) };
            (a[i], b[i], c[i], d[i]) = (loss as f32, (beta * u) as f32, (beta * slope) as f32, (u * slope) as f32);
        }
    }

    /// Plackett-Luce over lists of `k` answers: the loss and the derivative by beta of each list, reward and derivative of each answer.
    #[inline(never)]
    pub fn listed(beta: f64, [policy, reference]: [&[f32]; 2], k: usize, [a, b, c, d]: [&mut [f32]; 4]) {
        let (mut weights, mut rest) = (vec![0.0; k], vec![0.0; k]);
        for list in 0..policy.len() / k {
            let at = |i: usize| f64::from(policy[list * k + i]) - f64::from(reference[list * k + i]);
            let most = (0..k).map(at).fold(f64::NEG_INFINITY, f64::max);
            let mut sum = 0.0;
            for i in (0..k).rev() {
                weights[i] = (beta * (at(i) - most)).exp();
                sum += weights[i];
                rest[i] = sum;
            }
            let (mut loss, mut by_beta, mut shares) = (0.0, 0.0, 0.0);
            for i in 0..k {
                loss += (rest[i] / weights[i]).ln();
                shares += 1.0 / rest[i];
                let by_z = weights[i] * shares - 1.0;
                by_beta += by_z * at(i);
                (b[list * k + i], c[list * k + i]) = ((beta * at(i)) as f32, (beta * by_z) as f32);
            }
            (a[list], d[list]) = (loss as f32, by_beta as f32);
        }
    }
}

/// Four columns that labelled and listed answers fill: loss, reward, and derivatives by the log-probability and by beta.
fn answer_columns(results: &mut Results) -> [&mut [f32]; 4] {
    let [a, b, c, d, ..] = results.columns.each_mut().map(|x| &mut x[..IN_CACHE]);
    [a, b, c, d]
}

fn print_answers(backend: Backend, data: &Data, results: &mut Results) {
    println!("\n### Labelled and listed answers: {IN_CACHE} in cache, four outputs, one thread, against plain f64\n");
    println!("| loss | answers a list | preflane, ns an answer | plain f64, ns an answer | ratio |");
    println!("|---|---|---|---|---|");
    let run = Run::on(backend);
    let logps = [&data.policy_chosen[..IN_CACHE], &data.ref_chosen[..IN_CACHE]];
    let desirable: Vec<bool> = data.weights[..IN_CACHE].iter().map(|x| *x > 1.0).collect();
    let print = |name: &str, answers: &str, times: &Times| {
        println!("| {name} | {answers} | {:#} | {:#} | {} |", times.of(0), times.of(1), times.ratio(0, 1));
    };
    for description in LOSSES {
        let parameters = description.case(0);
        match description.shape {
            Shape::Pairwise | Shape::Contrastive => (),
            Shape::Labelled => {
                let loss = LabelledLoss::new(description, &parameters).expect("valid parameters");
                let ours = |results: &mut Results| {
                    let [losses, rewards, grad_logps, grad_beta] = answer_columns(results).map(Some);
                    let outputs = LabelledOutputs { losses, rewards, grad_logps, grad_beta, ..Default::default() };
                    let answers = Labelled::new(logps[0], logps[1], &desirable);
                    run.evaluate_labelled(black_box(&loss), answers, outputs, None).expect("equal lengths");
                };
                let plain = |results: &mut Results| {
                    plain_answers::labelled(black_box(BETA), logps, &desirable, answer_columns(results));
                };
                let times = by_turns(results, &mut [Subject::new(IN_CACHE, ours), Subject::new(IN_CACHE, plain)]);
                print(description.name, "", &times);
            }
            Shape::Listed => {
                let loss = ListedLoss::new(description, &parameters).expect("valid parameters");
                for k in LISTS {
                    let lists = IN_CACHE / k;
                    let offsets: Vec<usize> = (0..=lists).map(|list| list * k).collect();
                    let logps = logps.map(|x| &x[..lists * k]);
                    let mut scratch = vec![ListScratch::default(); k];
                    let grid = description.column.map(|column| column.grid);
                    let column =
                        grid.map(|grid| (0..lists * k).map(|i| grid[i % grid.len()] as f32).collect::<Vec<_>>());
                    let ours = |results: &mut Results| {
                        let [losses, rewards, grad_logps, grad_beta] = answer_columns(results);
                        let outputs = ListOutputs {
                            losses: Some(&mut losses[..lists]),
                            rewards: Some(&mut rewards[..lists * k]),
                            grad_logps: Some(&mut grad_logps[..lists * k]),
                            grad_beta: Some(&mut grad_beta[..lists]),
                            ..Default::default()
                        };
                        let lists = Lists { column: column.as_deref(), ..Lists::new(logps[0], logps[1], &offsets) };
                        run.evaluate_listed(black_box(&loss), lists, outputs, None, &mut scratch)
                            .expect("equal lengths");
                    };
                    let plain = |results: &mut Results| {
                        plain_answers::listed(black_box(BETA), logps, k, answer_columns(results));
                    };
                    let n = lists * k;
                    let times = by_turns(results, &mut [Subject::new(n, ours), Subject::new(n, plain)]);
                    print(description.name, &k.to_string(), &times);
                }
            }
        }
    }
}

/// For scripts that time something else by turns: for every line `pairs threads kind` on standard input (kind:
/// `forward`, `backward` or `step`) a line of JSON with the median time on standard output.
fn serve() -> Result<(), Error> {
    let backend = Backend::from_env().map_err(|error| Error::other(error.to_string()))?;
    let data = Data::synthetic(LARGE);
    let mut results = Results::new(LARGE);
    let (pool, loss) = (pool(), dpo());
    let turn = Turn { warm_up: Duration::from_millis(5), timed: Duration::from_millis(4) };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (n, threads, kind) = match fields[..] {
            [n, threads @ ("1" | "2"), kind @ ("forward" | "backward" | "step")] => (n.parse(), threads, kind),
            _ => return Err(Error::other(format!("not understood: {line}"))),
        };
        let n = n.ok().filter(|n| (1..=LARGE).contains(n)).ok_or_else(|| Error::other("pairs out of range"))?;
        let mut run = || {
            let results = black_box(&mut results);
            let (mut outputs, metrics) = results.five(n);
            if kind == "forward" {
                (outputs.grad_chosen_logps, outputs.grad_rejected_logps) = (None, None);
            }
            *metrics = Metrics::new();
            let wanted = (kind == "step").then_some(&mut *metrics);
            let pairs = data.pairs(0, n);
            let run = Run::on(black_box(backend));
            let run = if threads == "1" { run } else { run.in_pool() };
            run.evaluate(black_box(&loss), pairs, outputs, wanted).expect("equal lengths");
            if kind == "step" {
                black_box(metrics.report());
            }
        };
        let mut measure = || {
            let mut times: [f64; 5] = std::array::from_fn(|_| turn.time(&mut run));
            times.sort_by(f64::total_cmp);
            times[2] / n as f64
        };
        let ns = if threads == "1" { measure() } else { pool.install(measure) };
        let level = backend.level().name();
        println!(
            r#"{{"pairs": {n}, "threads": {threads}, "kind": "{kind}", "level": "{level}", "ns_per_pair": {ns:.4}}}"#
        );
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    if std::env::var_os("PREFLANE_BENCH_JSON").is_some_and(|x| x == "1") {
        return serve();
    }
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
    Ok(())
}
