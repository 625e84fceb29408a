//! Where work runs: every way gives the same bits, and refuses the same before anything is written.

use preflane::contrastive::{InfoNceOutputs, Pairing, Similarities, Similarity, SymmetricSums, Vectors};
use preflane::logits::{Gradient, Labels, LogSumExp, Logits, LogitsMut, Scaling, Seeds, Targets, TokenOutputs};
use preflane::{Backend, Error, Level, Loss, Metrics, Outputs, Pairs, Run};
use preflane_judge::Random;

/// Every level, on the calling thread, on threads of its own and in a pool; the default first.
fn runs() -> Vec<Run> {
    let levels = Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok());
    let mut runs = vec![Run::default()];
    for run in levels.map(Run::on) {
        runs.extend([run, run.in_pool(), run.threads(1).unwrap(), run.threads(2).unwrap(), run.threads(5).unwrap()]);
    }
    runs
}

/// That `results` are the same bits of every run.
fn same<T: PartialEq + Send>(what: &str, results: impl Fn(Run) -> T + Sync) {
    // Unoptimised kernels need more stack than is usual.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).stack_size(8 << 20).build().unwrap();
    let first = pool.install(|| results(Run::default()));
    for run in runs() {
        assert!(pool.install(|| results(run)) == first, "{what}: {run:?}");
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn values(random: &mut Random, n: usize, from: f64, to: f64) -> Vec<f32> {
    (0..n).map(|_| (from + (to - from) * random.unit()) as f32).collect()
}

#[test]
fn pairs_have_the_same_bits() {
    let mut random = Random(31);
    // Three tasks, the last one short.
    let n = 40_000;
    let columns: [_; 4] = std::array::from_fn(|_| values(&mut random, n, -60.0, 0.0));
    let weights = values(&mut random, n, 0.0, 2.0);
    let [pc, pr, rc, rr] = &columns;
    let pairs = Pairs::new(pc, pr, rc, rr).with_weights(&weights);
    let loss = Loss::cdpo(0.1, 0.2).unwrap();
    same("pairs", |run| {
        let (mut losses, mut by_beta, mut metrics) = (vec![7.0; n], vec![7.0; n], Metrics::new());
        let outputs = Outputs { losses: Some(&mut losses), grad_beta: Some(&mut by_beta), ..Default::default() };
        run.evaluate(&loss, pairs, outputs, Some(&mut metrics)).unwrap();
        let scores = run.score(&loss, pairs).unwrap();
        assert!(bits(&scores.losses) == bits(&losses) && scores.metrics == metrics);
        (bits(&losses), bits(&by_beta), metrics, bits(&scores.grad_chosen_logps), bits(&scores.margins))
    });
}

#[test]
fn logits_have_the_same_bits() {
    let mut random = Random(32);
    let (rows, columns) = (9, 40_000);
    let logits = values(&mut random, rows * columns, -9.0, 9.0);
    let labels: Vec<i64> = (0..rows as i64).map(|row| if row == 4 { -100 } else { row * 4_000 }).collect();
    let seeds = values(&mut random, rows, -1.0, 1.0);
    let targets = Targets::new(Labels::I64(&labels));
    let matrix = Logits::new(&logits, rows, columns).unwrap();
    same("logits", |run| {
        let (mut logps, mut means) = (vec![7.0; rows], vec![7.0; rows]);
        let mut sums = vec![LogSumExp::default(); rows];
        let outputs = TokenOutputs {
            logps: Some(&mut logps),
            log_sum_exps: Some(&mut sums),
            mean_logits: Some(&mut means),
            ..Default::default()
        };
        let counts = run.token_logps(matrix, targets, &Scaling::NONE, outputs).unwrap();
        let seeds = Seeds { log_sum_exps: &sums, grad_logps: &seeds };
        let (mut beside, mut in_place) = (vec![1.0_f32; rows * columns], logits.clone());
        let view = LogitsMut::new(&mut beside, rows, columns).unwrap();
        let how = Gradient { accumulate: true, zero_padding: false };
        run.logits_grad(matrix, targets, &Scaling::NONE, seeds, how, view).unwrap();
        let view = LogitsMut::new(&mut in_place, rows, columns).unwrap();
        run.logits_grad_in_place(view, targets, &Scaling::NONE, seeds, false).unwrap();
        (counts, bits(&logps), bits(&means), sums, bits(&beside), bits(&in_place))
    });
}

#[test]
fn similarities_have_the_same_bits() {
    let mut random = Random(33);
    let (n, d) = (300, 24);
    let (queries, keys) = (values(&mut random, n * d, -1.0, 1.0), values(&mut random, n * d, -1.0, 1.0));
    let vectors = Vectors {
        queries: Logits::new(&queries, n, d).unwrap(),
        keys: Logits::new(&keys, n, d).unwrap(),
        similarity: Similarity::Cosine,
        pairing: Pairing::All,
    };
    let mask: Vec<bool> = (0..n * n).map(|_| !random.bits().is_multiple_of(7)).collect();
    same("similarities", |run| {
        let mut square = vec![7.0; n * n];
        run.similarities(vectors, &mut square).unwrap();
        let matrix = Logits::new(&square, n, n).unwrap();
        let (mut rows, mut columns) = (vec![LogSumExp::default(); n], vec![LogSumExp::default(); n]);
        let mut grads = vec![7.0; n * n];
        let sums = SymmetricSums { rows: &mut rows, columns: &mut columns };
        let view = LogitsMut::new(&mut grads, n, n).unwrap();
        let means = run.symmetric(matrix, 0.07, sums, Some(view)).unwrap();

        let [mut losses, mut by_positive, mut by_temperature] = [(); 3].map(|()| vec![7.0; n]);
        let mut by_negative = vec![7.0; n * n];
        let outputs = InfoNceOutputs {
            losses: Some(&mut losses),
            grad_positives: Some(&mut by_positive),
            grad_negatives: Some(LogitsMut::new(&mut by_negative, n, n).unwrap()),
            grad_temperature: Some(&mut by_temperature),
        };
        let given = Similarities { positives: &square[..n], negatives: Some(matrix), mask: Some(&mask) };
        assert_eq!(run.info_nce(given, 0.07, outputs), Ok(0));
        // Not all outputs, and no mask.
        let (mut few, mut infinite) = (vec![7.0; n], square[..n].to_vec());
        (infinite[0], infinite[n - 1]) = (f32::INFINITY, f32::INFINITY);
        let given = Similarities { positives: &infinite, negatives: Some(matrix), mask: None };
        let outputs = InfoNceOutputs { losses: Some(&mut few), ..Default::default() };
        assert_eq!(run.info_nce(given, 0.07, outputs), Ok(2));

        let (mut by_query, mut by_key) = (vec![0.0; n * d], vec![0.0; n * d]);
        run.similarities_grad(vectors, &grads, &mut by_query, &mut by_key).unwrap();
        let first = [&square, &grads, &losses, &by_positive, &by_temperature].map(|x| bits(x));
        (first, [&by_negative, &few, &by_query, &by_key].map(|x| bits(x)), means.map(f32::to_bits), rows, columns)
    });
}

/// The last row is what is wrong, so that an early task would write before a late one refuses.
#[test]
fn errors_come_before_anything_is_written() {
    let n = 40_000;
    let logps = vec![-1.0; n];
    let mut weights = vec![1.0; n];
    weights[n - 1] = -1.0;
    let pairs = Pairs::new(&logps, &logps, &logps, &logps).with_weights(&weights);
    let (rows, columns) = (5, 40_000);
    let mut labels = vec![0_i32; rows];
    labels[rows - 1] = columns as i32;
    let targets = Targets::new(Labels::I32(&labels));
    for run in runs() {
        let (mut losses, mut metrics) = (vec![7.0; n], Metrics::new());
        let outputs = Outputs { losses: Some(&mut losses), ..Default::default() };
        let error = run.evaluate(&Loss::dpo(0.1).unwrap(), pairs, outputs, Some(&mut metrics));
        assert_eq!(error, Err(Error::Weight { row: n - 1, value: -1.0 }));
        assert!(losses.iter().all(|&x| x == 7.0) && metrics == Metrics::new(), "{run:?}");
        assert!(run.score(&Loss::dpo(0.1).unwrap(), pairs).is_err());

        let mut logits = vec![0.5_f32; rows * columns];
        let mut logps = vec![7.0; rows];
        let outputs = TokenOutputs { logps: Some(&mut logps), ..Default::default() };
        let view = Logits::new(&logits, rows, columns).unwrap();
        let want = Error::Target { row: rows - 1, label: columns as i64, columns };
        assert_eq!(run.token_logps(view, targets, &Scaling::NONE, outputs), Err(want));
        let seeds = Seeds { log_sum_exps: &[LogSumExp::default(); 5], grad_logps: &[1.0; 5] };
        let view = LogitsMut::new(&mut logits, rows, columns).unwrap();
        assert_eq!(run.logits_grad_in_place(view, targets, &Scaling::NONE, seeds, false), Err(want));
        assert!(logps == [7.0; 5] && logits.iter().all(|&x| x == 0.5), "{run:?}");
    }
}

#[test]
fn a_run_says_what_it_is() {
    assert_eq!(Run::default(), Run::on(Backend::detect()));
    assert_eq!(Run::on(Backend::SCALAR).threads(3).unwrap().backend(), Backend::SCALAR);
    assert_ne!(Run::default(), Run::default().in_pool());
    assert_eq!(Run::default().threads(0).unwrap_err().to_string(), "threads is 0; it must be at least 1");
    let refused = Run::default().threads(70_000).unwrap_err().to_string();
    assert_eq!(refused, "threads is 70000; it must be at most 65536; no machine has more");
}
