//! Ordinary input raises no floating-point exception that a program may trap: no invalid operation, no division by zero, no
//! overflow, in any kernel on any level. The C interface's calls are watched by `capi/tests/exceptions.c`, with traps enabled too.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(unsafe_code, reason = "the C library's functions for the flags")]

use preflane::contrastive::{InfoNceOutputs, Pairing, Similarities, Similarity, SymmetricSums, Vectors};
use preflane::elementary::{self, slices};
use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs};
use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::logits::{Gradient, Labels, LogSumExp, Logits, LogitsMut, RowSum, Scaling, Seeds, Targets, TokenOutputs};
use preflane::losses::{Description, LOSSES, Shape};
use preflane::streaming::{Evaluator, Limits, Monitor, Side, k3};
use preflane::{
    Backend, Error, ExactSum, LabelledLoss, Level, ListedLoss, Loss, Metrics, Outputs, Pairs, Run, evaluate_pair,
};
use preflane_judge::Random;
use std::ffi::c_int;

#[link(name = "m")]
unsafe extern "C" {
    fn feclearexcept(exceptions: c_int) -> c_int;
    fn fetestexcept(exceptions: c_int) -> c_int;
}

/// Invalid operation, division by zero, overflow, as the C library numbers them.
const WATCHED: c_int = if cfg!(target_arch = "x86_64") { 1 | 4 | 8 } else { 1 | 2 | 4 };

/// What it gives, and what it raises.
fn watched<T>(run: impl FnOnce() -> T) -> (T, c_int) {
    // SAFETY: they change and read the flags of this thread, no more.
    unsafe {
        feclearexcept(WATCHED);
        let result = std::hint::black_box(run());
        (result, fetestexcept(WATCHED))
    }
}

/// Runs something that must not raise any.
#[track_caller]
fn quiet<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (result, raised) = watched(run);
    assert_eq!(raised, 0, "{what} raises exceptions");
    result
}

fn backends() -> impl Iterator<Item = (Level, Backend)> {
    Level::ALL.into_iter().filter_map(|level| Some((level, Backend::new(level).ok()?)))
}

/// Whole groups of lanes on every level, and what is left of them.
const LENGTHS: [usize; 13] = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 64, 1000];

#[test]
fn the_watch_sees() {
    let zero = std::hint::black_box(0.0_f64);
    let loud =
        |run: &dyn Fn() -> f64| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| quiet("", run))).is_err();
    assert!(loud(&|| 1.0 / zero) && loud(&|| zero / zero) && loud(&|| f64::MAX * (2.0 - zero)));
    assert!(!loud(&|| 1.0 / (3.0 + zero)));
}

#[test]
fn elementary_functions() {
    type Slices = fn(Backend, &[f32], &mut [f32]) -> Result<(), Error>;
    type Single = fn(f32) -> f32;
    // Where the function is defined and its value is finite.
    let functions: [(&str, Slices, Single, f64, f64); 8] = [
        ("exp", slices::exp, elementary::exp, -200.0, 88.0),
        ("log", slices::log, elementary::log, 1e-40, 1e30),
        ("log1p", slices::log1p, elementary::log1p, -0.999, 1e30),
        ("expm1", slices::expm1, elementary::expm1, -200.0, 88.0),
        ("log1mexp", slices::log1mexp, elementary::log1mexp, -200.0, -1e-6),
        ("sigmoid", slices::sigmoid, elementary::sigmoid, -1000.0, 1000.0),
        ("softplus", slices::softplus, elementary::softplus, -1000.0, 1000.0),
        ("log_sigmoid", slices::log_sigmoid, elementary::log_sigmoid, -1000.0, 1000.0),
    ];
    let mut random = Random(21);
    for (name, of_slice, of_one, low, high) in functions {
        for n in LENGTHS {
            let x: Vec<f32> = (0..n)
                .map(|i| match i % 3 {
                    0 => (low + (high - low) * random.unit()) as f32,
                    1 => low as f32,
                    _ => (low + (high - low) * random.unit().powi(9)).min(1.0_f64.max(low)) as f32,
                })
                .collect();
            let mut out = vec![0.0; n];
            for (level, backend) in backends() {
                quiet(&format!("{name} of {n} on {}", level.name()), || of_slice(backend, &x, &mut out)).unwrap();
            }
            quiet(name, || of_one(x[0]));
        }
    }
}

/// Every loss of pairs, with the values that people use.
fn losses() -> Vec<Loss> {
    let pairwise = LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise);
    let usual = |loss: &&Description| Loss::new(loss, &loss.defaults()).unwrap();
    pairwise.map(usual).collect()
}

#[test]
fn pairs_and_their_metrics() {
    let mut random = Random(22);
    for spread in [0.0, 3.0, 1000.0] {
        for n in LENGTHS {
            let x: Vec<Vec<f32>> =
                (0..4).map(|_| (0..n).map(|_| (-1000.0 - spread * random.unit()) as f32).collect()).collect();
            let (with, without) = (Pairs::new(&x[0], &x[1], &x[2], &x[3]), Pairs::reference_free(&x[0], &x[1]));
            let mut results = vec![vec![0.0; n]; 9];
            for (level, backend) in backends() {
                for loss in losses() {
                    let mut metrics = Metrics::new();
                    let mut next = results.iter_mut().map(|x| &mut x[..]);
                    let outputs = Outputs {
                        losses: next.next(),
                        chosen_rewards: next.next(),
                        rejected_rewards: next.next(),
                        margins: next.next(),
                        grad_chosen_logps: next.next(),
                        grad_rejected_logps: next.next(),
                        grad_ref_chosen_logps: next.next(),
                        grad_ref_rejected_logps: next.next(),
                        grad_beta: next.next(),
                    };
                    let what = format!("{loss:?} of {n} pairs, spread {spread}, on {}", level.name());
                    let column = loss.description().column.map(|column| vec![column.default as f32; n]);
                    let pairs = if loss.description().reference { with } else { without };
                    let pairs = Pairs { column: column.as_deref(), ..pairs };
                    // Where a result is infinite, an exception says so.
                    let (done, raised) =
                        watched(|| Run::on(backend).evaluate(&loss, pairs, outputs, Some(&mut metrics)));
                    done.unwrap();
                    // Nor is e^1000 a number of ordinary size, whatever becomes of it.
                    let finite = results.iter().flatten().all(|x| x.is_finite());
                    let ordinary = finite && (spread < 64.0 || !loss.description().formula.contains("e^"));
                    assert!(raised == 0 || !ordinary, "{what} raises {raised}");
                    quiet(&what, || metrics.report());
                    quiet(&what, || Metrics::from_bytes(&metrics.to_bytes())).unwrap();
                }
            }
            quiet("a pair", || evaluate_pair(&losses()[0], x[0][0], x[1][0], Some((x[2][0], x[3][0]))));
        }
    }
}

/// The losses of labelled and of listed answers, which are many a row.
#[test]
fn answers_and_their_metrics() {
    let mut random = Random(27);
    for spread in [0.0, 3.0, 1000.0] {
        for n in LENGTHS {
            let [policy, reference] =
                [(); 2].map(|()| (0..n).map(|_| (-1000.0 - spread * random.unit()) as f32).collect::<Vec<f32>>());
            let mut results = [(); 5].map(|()| vec![0.0; n]);
            for description in LOSSES {
                let [a, b, c, d, e] = results.each_mut().map(|x| Some(&mut x[..]));
                let what = format!("{} of {n} answers, spread {spread}", description.name);
                match description.shape {
                    Shape::Pairwise | Shape::Contrastive => continue,
                    Shape::Labelled => {
                        let loss = LabelledLoss::new(description, &description.defaults()).unwrap();
                        let desirable: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
                        let reference_point = if description.reference_point.is_some() { 0.5 } else { 0.0 };
                        let answers = Labelled { reference_point, ..Labelled::new(&policy, &reference, &desirable) };
                        let mut metrics = LabelledMetrics::new();
                        let outputs = LabelledOutputs {
                            losses: a,
                            rewards: b,
                            grad_logps: c,
                            grad_ref_logps: d,
                            grad_beta: e,
                            ..Default::default()
                        };
                        let metrics = Some(&mut metrics);
                        quiet(&what, || Run::default().evaluate_labelled(&loss, answers, outputs, metrics)).unwrap();
                    }
                    Shape::Listed => {
                        let loss = ListedLoss::new(description, &description.defaults()).unwrap();
                        let mut by_beta = [0.0; 2];
                        let (offsets, mut metrics) = ([0, n / 2, n], ListMetrics::new());
                        let mut scratch = vec![ListScratch::default(); n];
                        let outputs = ListOutputs {
                            losses: a.map(|x| &mut x[..2.min(n)]).filter(|x| x.len() == 2),
                            grad_beta: Some(&mut by_beta),
                            rewards: b,
                            grad_logps: c,
                            grad_ref_logps: d,
                        };
                        let column = description.column.map(|_| (0..n).map(|i| (i % 2) as f32).collect::<Vec<_>>());
                        let lists = Lists { column: column.as_deref(), ..Lists::new(&policy, &reference, &offsets) };
                        let metrics = Some(&mut metrics);
                        quiet(&what, || Run::default().evaluate_listed(&loss, lists, outputs, metrics, &mut scratch))
                            .unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn sums() {
    let mut random = Random(23);
    for n in LENGTHS {
        let values: Vec<f32> =
            (0..n).map(|_| ((random.unit() * 200.0 - 100.0).exp2() * (random.unit() - 0.5)) as f32).collect();
        quiet("a sum", || {
            let mut sum = ExactSum::new();
            values.iter().for_each(|&x| sum.add(x));
            (sum.sum(), sum.mean(n as u64))
        });
    }
}

/// On a thread with the stack that kernels take where nothing is optimised: more than a test's own has.
fn with_room(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(body).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn rows_of_logits() {
    with_room(watch_rows_of_logits);
}

fn watch_rows_of_logits() {
    let mut random = Random(24);
    let scalings = [
        Scaling::NONE,
        Scaling::temperature(0.7).unwrap(),
        Scaling::new(1.0, 0.0625, None).unwrap(),
        Scaling::new(1.0, 1.0, Some(30.0)).unwrap(),
    ];
    for columns in LENGTHS.into_iter().chain([2047, 2049, 4096]) {
        for (kind, spread) in [(0, 5.0), (1, 0.0), (2, 1000.0), (3, 5.0), (4, 5.0)] {
            let x: Vec<f32> = (0..2 * columns)
                .map(|i| match (kind, i % columns) {
                    (3, column) if column % 3 == 1 => f32::NEG_INFINITY,
                    (4, 0) => 40.0,
                    _ => (spread * (random.unit() - 0.5)) as f32,
                })
                .collect();
            let logits = Logits::new(&x, 2, columns).unwrap();
            let targets = Targets::new(Labels::I32(&[0, -100]));
            for (level, backend) in backends() {
                for scaling in &scalings {
                    let what = format!("{columns} columns of kind {kind}, {scaling:?}, on {}", level.name());
                    let mut logps = [[0.0; 2]; 4];
                    let [a, b, c, d] = &mut logps;
                    let (mut sums, mut top1) = ([LogSumExp::default(); 2], [false; 2]);
                    let outputs = TokenOutputs {
                        logps: Some(a),
                        log_sum_exps: Some(&mut sums),
                        entropies: Some(b),
                        log_sum_squares: Some(c),
                        mean_logits: Some(d),
                        top1: Some(&mut top1),
                    };
                    quiet(&what, || Run::on(backend).token_logps(logits, targets, scaling, outputs)).unwrap();
                    let mut grads = vec![0.0_f32; 2 * columns];
                    let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[0.25, 1.0] };
                    for accumulate in [false, true] {
                        let how = Gradient { accumulate, zero_padding: false };
                        let view = LogitsMut::new(&mut grads, 2, columns).unwrap();
                        quiet(&what, || Run::on(backend).logits_grad(logits, targets, scaling, seeds, how, view))
                            .unwrap();
                    }
                    quiet(&what, || {
                        let (mut whole, mut shard) = (RowSum::new(*scaling), RowSum::new(*scaling));
                        whole.add(backend, &x[..columns / 2], None)?;
                        shard.add(backend, &x[columns / 2..columns], Some(0))?;
                        whole.merge(&shard);
                        whole.token_logp()
                    })
                    .unwrap();
                }
            }
        }
    }
}

#[test]
fn contrastive_losses() {
    let mut random = Random(25);
    for m in [1, 2, 7, 17, 64, 100] {
        let x: Vec<f32> = (0..m * m).map(|_| (2.0 * random.unit() - 1.0) as f32).collect();
        let mask: Vec<bool> = (0..m * m).map(|i| i % 3 != 0).collect();
        for (level, backend) in backends() {
            let what = format!("{m} negatives on {}", level.name());
            for mask in [None, Some(&mask[..])] {
                let [mut a, mut b, mut c] = [(); 3].map(|()| vec![0.0; m]);
                let mut grads = vec![0.0; m * m];
                let outputs = InfoNceOutputs {
                    losses: Some(&mut a),
                    grad_positives: Some(&mut b),
                    grad_negatives: Some(LogitsMut::new(&mut grads, m, m).unwrap()),
                    grad_temperature: Some(&mut c),
                };
                let rows = Similarities { positives: &x[..m], negatives: Some(Logits::new(&x, m, m).unwrap()), mask };
                quiet(&what, || Run::on(backend).info_nce(rows, 0.07, outputs)).unwrap();
            }
            let mut sums = [(); 2].map(|()| vec![LogSumExp::default(); m]);
            let mut grads = vec![0.0; m * m];
            let [rows, columns] = &mut sums;
            let view = LogitsMut::new(&mut grads, m, m).unwrap();
            let square = Logits::new(&x, m, m).unwrap();
            quiet(&what, || Run::on(backend).symmetric(square, 0.07, SymmetricSums { rows, columns }, Some(view)))
                .unwrap();
            for similarity in [Similarity::Dot, Similarity::Cosine] {
                let vectors = Vectors { queries: square, keys: square, similarity, pairing: Pairing::All };
                let (mut out, mut by_queries, mut by_keys) = (vec![0.0; m * m], vec![0.0; m * m], vec![0.0; m * m]);
                quiet(&what, || {
                    Run::on(backend).similarities(vectors, &mut out)?;
                    Run::on(backend).similarities_grad(vectors, &out, &mut by_queries, &mut by_keys)
                })
                .unwrap();
            }
        }
    }
}

#[test]
fn streams() {
    let mut random = Random(26);
    let limits = Limits::new(1).unwrap();
    for loss in losses() {
        let mut monitor = Monitor::<5>::new();
        let mut evaluator = Evaluator::new(loss);
        let has_reference = loss.description().reference;
        for _ in 0..20 {
            let mut scored = None;
            for side in [Side::Chosen, Side::Rejected] {
                quiet("a stream", || {
                    evaluator.begin(side)?;
                    for _ in 0..5 {
                        let logp = -6.0 * random.unit() as f32;
                        let reference = logp + 0.5 - random.unit() as f32;
                        evaluator.token(logp, has_reference.then_some(reference))?;
                        let _ = k3(logp, logp - 0.25);
                    }
                    scored = evaluator.end(None)?;
                    Ok::<(), Error>(())
                })
                .unwrap();
            }
            let scored = scored.unwrap();
            quiet("a monitor", || monitor.push(&scored, &limits));
        }
        quiet("a window", || monitor.window().report());
        let mut bytes = [0; 4096];
        quiet("a saved state", || monitor.save(&mut bytes).and_then(|n| monitor.restore(&bytes[..n]))).unwrap();
    }
}
