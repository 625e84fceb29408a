//! Logits to log-probabilities and back, against the judge; the same bits however the work is laid out.

use half::{bf16, f16};
use preflane::logits::{
    Element, Gradient, Labels, Layout, LogSumExp, Logits, LogitsMut, Reduction, RowSum, RowSumState, Scaling, Seeds,
    Sequences, Targets, TokenOutputs,
};
use preflane::{Backend, Error, Level, Run};
use preflane_judge::logits::{Parameters, Row as Exact};
use preflane_judge::{Float, Format, Random, ulps};

/// The published bounds.
const LOGP_BOUND: f64 = 0.51;
const STATISTICS_BOUND: f64 = 0.51;
const GRADIENT_BOUND: f64 = 0.51;

fn backends() -> impl Iterator<Item = Backend> {
    Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok())
}

const PLAIN: Parameters = (1.0, 1.0, None);

fn scaling((temperature, logit_scale, soft_cap): Parameters) -> Scaling {
    Scaling::new(temperature, logit_scale, soft_cap).unwrap()
}

/// What every level must give, bit for bit.
#[derive(Clone, Debug, Default)]
struct Results {
    logps: Vec<f32>,
    sums: Vec<LogSumExp>,
    entropies: Vec<f32>,
    squares: Vec<f32>,
    means: Vec<f32>,
    top1: Vec<bool>,
}

impl Results {
    fn bits(&self) -> Vec<u64> {
        let floats = [&self.logps, &self.entropies, &self.squares, &self.means];
        let floats = floats.into_iter().flatten().map(|x| x.to_bits().into());
        let sums = self.sums.iter().flat_map(|x| [x.rest.to_bits(), x.max.to_bits().into()]);
        floats.chain(sums).chain(self.top1.iter().map(|&x| x.into())).collect()
    }

    fn outputs(&mut self, rows: usize) -> TokenOutputs<'_> {
        self.logps.resize(rows, 7.0);
        self.sums.resize(rows, LogSumExp::default());
        self.entropies.resize(rows, 7.0);
        self.squares.resize(rows, 7.0);
        self.means.resize(rows, 7.0);
        self.top1.resize(rows, false);
        TokenOutputs {
            logps: Some(&mut self.logps),
            log_sum_exps: Some(&mut self.sums),
            entropies: Some(&mut self.entropies),
            log_sum_squares: Some(&mut self.squares),
            mean_logits: Some(&mut self.means),
            top1: Some(&mut self.top1),
        }
    }
}

/// Runs a matrix on all levels.
fn run<T: Element>(logits: Logits<'_, T>, labels: &[i64], parameters: Parameters) -> Results {
    let mut first: Option<Results> = None;
    for backend in backends() {
        let mut results = Results::default();
        let outputs = results.outputs(labels.len());
        Run::on(backend).token_logps(logits, Targets::new(Labels::I64(labels)), &scaling(parameters), outputs).unwrap();
        match &first {
            None => first = Some(results),
            Some(first) => assert_eq!(first.bits(), results.bits(), "level {:?}", backend.level()),
        }
    }
    first.unwrap()
}

/// The largest errors so far.
#[derive(Debug, Default)]
struct Worst {
    logp: f64,
    entropy: f64,
    squares: f64,
    gradient: f64,
}

impl Worst {
    /// Judges one row, with some targets and, if asked, statistics.
    fn judge(&mut self, row: &[f32], targets: &[usize], parameters: Parameters, statistics: bool) {
        let exact = Exact::new(row, parameters);
        let seeds = [0.037_f32, -1.0, 3.0e-8, 1.0e10];
        for (i, &target) in targets.iter().enumerate() {
            let results = run(Logits::new(row, 1, row.len()).unwrap(), &[target as i64], parameters);
            let error = ulps(results.logps[0], &exact.logp(target));
            let what = format!("{} columns, target {target} of {:?}, {parameters:?}", row.len(), row[target]);
            assert!(error <= LOGP_BOUND, "{what}: logp {:e}, {error} ULP", results.logps[0]);
            assert!(results.logps[0] <= 0.0 && !(results.logps[0] == 0.0 && results.logps[0].is_sign_negative()));
            self.logp = self.logp.max(error);
            if statistics && i == 0 {
                let error = ulps(results.entropies[0], &exact.entropy());
                assert!(error <= STATISTICS_BOUND, "{what}: entropy {:e}, {error} ULP", results.entropies[0]);
                self.entropy = self.entropy.max(error);
                let error = ulps(results.squares[0], &exact.log_sum_squares());
                assert!(error <= STATISTICS_BOUND, "{what}: ln sum p^2 {:e}, {error} ULP", results.squares[0]);
                self.squares = self.squares.max(error);
            }
            let seed = seeds[i % seeds.len()];
            let grads = gradient(row, target, seed, results.sums[0], parameters);
            let step = (row.len() / 500).max(1);
            for column in (0..row.len()).step_by(step).chain([target]) {
                let error = ulps(grads[column], &exact.gradient(column, target, seed));
                assert!(error <= GRADIENT_BOUND, "{what}: gradient {column} {:e}, {error} ULP", grads[column]);
                self.gradient = self.gradient.max(error);
            }
        }
    }
}

/// One row's gradient, on all levels, by copy and in place.
fn gradient(row: &[f32], target: usize, seed: f32, sum: LogSumExp, parameters: Parameters) -> Vec<f32> {
    let labels = [target as i64];
    let targets = Targets::new(Labels::I64(&labels));
    let seeds = Seeds { log_sum_exps: &[sum], grad_logps: &[seed] };
    let mut first: Option<Vec<f32>> = None;
    for backend in backends() {
        let mut grads = vec![7.0; row.len()];
        let view = LogitsMut::new(&mut grads, 1, row.len()).unwrap();
        let logits = Logits::new(row, 1, row.len()).unwrap();
        Run::on(backend).logits_grad(logits, targets, &scaling(parameters), seeds, Gradient::default(), view).unwrap();
        let mut place = row.to_vec();
        let view = LogitsMut::new(&mut place, 1, row.len()).unwrap();
        Run::on(backend).logits_grad_in_place(view, targets, &scaling(parameters), seeds, false).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&grads), bits(&place));
        match &first {
            None => first = Some(grads),
            Some(first) => assert_eq!(bits(first), bits(&grads), "level {:?}", backend.level()),
        }
    }
    first.unwrap()
}

/// Logits as models have them: normal, some nats wide.
fn logits(random: &mut Random, n: usize, width: f64) -> Vec<f32> {
    (0..n).map(|_| ((0..6).map(|_| random.unit()).sum::<f64>() - 3.0) as f32 * width as f32).collect()
}

#[test]
fn random_rows() {
    let mut random = Random(1);
    let mut worst = Worst::default();
    for n in [1, 2, 3, 7, 16, 31, 64, 100, 1000, 2048, 2049, 5000] {
        for width in [0.01, 1.0, 5.0, 20.0, 100.0] {
            let row = logits(&mut random, n, width);
            let targets: Vec<usize> = (0..3).map(|_| random.bits() as usize % n).chain([largest(&row)]).collect();
            worst.judge(&row, &targets, PLAIN, true);
        }
    }
    println!("{worst:?}");
}

fn largest(row: &[f32]) -> usize {
    (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a }).unwrap()
}

#[test]
fn real_vocabularies() {
    let mut random = Random(2);
    let mut worst = Worst::default();
    for n in [32_000, 128_256, 151_936] {
        let row = logits(&mut random, n, 4.0);
        worst.judge(&row, &[random.bits() as usize % n, largest(&row)], PLAIN, true);
    }
    // All the others just too small to round up alone: what a coarser unit would lose.
    let mut row = vec![-34.31_f32; 151_936];
    row[77] = 0.0;
    worst.judge(&row, &[77, 78], PLAIN, true);
    println!("{worst:?}");
}

#[test]
fn edges() {
    let mut worst = Worst::default();
    // One logit dominates, down to a log-probability of the least f32 and beyond.
    for gap in [
        0.0, 1e-30, 1e-7, 0.5, 1.0, 5.0, 16.0, 17.0, 17.5, 34.0, 35.0, 36.0, 50.0, 69.0, 80.0, 87.5, 100.0, 103.0,
        104.0, 110.0,
    ] {
        for top in [0.0_f32, 3.3, -40.0, 17.1, 34.4, 1000.0, -1000.0] {
            for n in [2, 3, 40] {
                let mut row: Vec<f32> = (0..n).map(|i| top - gap as f32 - i as f32 * 0.25).collect();
                row[n - 1] = top;
                let masked = [row.clone(), vec![f32::NEG_INFINITY; 50]].concat();
                worst.judge(&row, &[n - 1, 0], PLAIN, true);
                worst.judge(&masked, &[n - 1, 0], PLAIN, true);
            }
        }
    }
    // All equal, at every height; subnormals; huge spreads.
    for x in [0.0, -0.0, 1e-45, 88.7, -104.0, 8191.9, -8192.1, 7680.5, 1e6, -3e9, 1e12, 2e12, 1e30, f32::MAX, f32::MIN]
    {
        worst.judge(&[x; 9], &[4], PLAIN, true);
        worst.judge(&[x, x.next_down(), x.next_down().next_down(), -x], &[0, 1, 2, 3], PLAIN, false);
    }
    for base in [7600.0_f32, 7700.0, 8100.0, 8192.0, 8250.0, 12345.0, 99999.0, 1048576.0, 4e6] {
        for sign in [1.0, -1.0] {
            let row: Vec<f32> = (0..40).map(|i| sign * (base + i as f32 * 0.75)).collect();
            worst.judge(&row, &[0, 20, 39], PLAIN, true);
        }
    }
    // Neighbours so large that their distance is some nats: the reduction must not lose what it is a part of.
    let mut random = Random(9);
    for exponent in 20..32 {
        for _ in 0..30 {
            let x = ((1.0 + random.unit()) * f64::from(exponent).exp2()) as f32;
            let (near, far) = (x.next_down(), x.next_down().next_down());
            worst.judge(&[near, x, far], &[1, 0], PLAIN, false);
            worst.judge(&[-far, -x, -near], &[0, 2], PLAIN, false);
            worst.judge(&[near, x, far], &[1, 0], (0.7 + random.unit(), 1.0, None), false);
        }
    }
    worst.judge(&[f32::MAX, f32::MIN, 0.0, 1e-45, -1e-45, f32::NEG_INFINITY], &[0, 1, 2, 3, 4], PLAIN, false);
    println!("{worst:?}");
}

#[test]
fn temperatures_scales_and_caps() {
    let mut random = Random(3);
    let mut worst = Worst::default();
    for parameters in [
        (0.7, 1.0, None),
        (1e-3, 1.0, None),
        (1e3, 1.0, None),
        (1.0, 0.0625, None),
        (2.5, 30.0, None),
        (1.0, 1.0, Some(30.0)),
        (0.3, 0.5, Some(50.0)),
        (3.0, 4.0, Some(1.5)),
    ] {
        for n in [1, 2, 33, 3000] {
            let mut row = logits(&mut random, n, 8.0);
            worst.judge(&row, &[0, n / 2, largest(&row)], parameters, true);
            row[0] = f32::NEG_INFINITY;
            if n > 1 {
                worst.judge(&row, &[n / 2], parameters, true);
            }
        }
    }
    println!("{worst:?}");
}

#[test]
fn halves() {
    let mut random = Random(4);
    let row = logits(&mut random, 4100, 6.0);
    let bf: Vec<bf16> = row.iter().map(|&x| bf16::from_f32(x)).collect();
    let f: Vec<f16> = row.iter().map(|&x| f16::from_f32(x)).collect();
    half(&bf, bf16::to_f32, Format::BF16);
    half(&f, f16::to_f32, Format::F16);
}

/// A row of halves: the results of the same values as `f32`, and gradients rounded to the type.
fn half<T: Element + PartialEq + std::fmt::Debug>(row: &[T], to_f32: fn(T) -> f32, format: Format) {
    let n = row.len();
    let single: Vec<f32> = row.iter().map(|&x| to_f32(x)).collect();
    let labels = [1234];
    let ours = run(Logits::new(row, 1, n).unwrap(), &labels, PLAIN);
    assert_eq!(ours.bits(), run(Logits::new(&single, 1, n).unwrap(), &labels, PLAIN).bits());
    let exact = Exact::new(&single, PLAIN);
    let seed = -300.0;
    let seeds = Seeds { log_sum_exps: &ours.sums, grad_logps: &[seed] };
    for backend in backends() {
        let mut place = row.to_vec();
        let view = LogitsMut::new(&mut place, 1, n).unwrap();
        Run::on(backend)
            .logits_grad_in_place(view, Targets::new(Labels::I64(&labels)), &Scaling::NONE, seeds, false)
            .unwrap();
        let mut apart = row.to_vec();
        let view = LogitsMut::new(&mut apart, 1, n).unwrap();
        let from = Logits::new(row, 1, n).unwrap();
        let targets = Targets::new(Labels::I64(&labels));
        Run::on(backend).logits_grad(from, targets, &Scaling::NONE, seeds, Gradient::default(), view).unwrap();
        assert_eq!(place, apart);
        for (column, got) in place.iter().enumerate() {
            let error = format.ulps(to_f32(*got), &exact.gradient(column, 1234, seed));
            assert!(error <= 0.501, "{column}: {got:?}, {error} ULP");
        }
    }
}

/// Every conversion to and from the halves, against the crate half.
#[test]
fn all_halves() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let bf: Vec<bf16> = all.iter().map(|&x| bf16::from_bits(x)).collect();
    let f: Vec<f16> = all.iter().map(|&x| f16::from_bits(x)).collect();
    fn gradients<T: Element>(like: T, of: &[f32]) -> Vec<T> {
        // In a row of two equal logits the target's gradient is half the seed, exactly.
        of.iter()
            .map(|&seed| {
                let mut grads = [like; 2];
                let sums = [LogSumExp::of(Backend::SCALAR, &[0.0_f32, 0.0], &Scaling::NONE)];
                Run::on(Backend::SCALAR)
                    .logits_grad(
                        Logits::new(&[0.0_f32, 0.0], 1, 2).unwrap(),
                        Targets::new(Labels::I32(&[0])),
                        &Scaling::NONE,
                        Seeds { log_sum_exps: &sums, grad_logps: &[seed] },
                        Gradient::default(),
                        LogitsMut::new(&mut grads, 1, 2).unwrap(),
                    )
                    .unwrap();
                grads[0]
            })
            .collect()
    }
    for x in bf.iter().filter(|x| x.is_finite()) {
        let sum = LogSumExp::of(Backend::SCALAR, &[*x], &Scaling::NONE);
        assert_eq!(sum.max, x.to_f32());
    }
    for x in f.iter().filter(|x| x.is_finite()) {
        let sum = LogSumExp::of(Backend::SCALAR, &[*x], &Scaling::NONE);
        assert_eq!(sum.max, x.to_f32());
    }
    // Midpoints of neighbours, and what is next to them.
    let around = |a: f32, b: f32| {
        let middle = (a + b) / 2.0;
        [a, middle, middle.next_up(), middle.next_down()]
    };
    for pair in all.windows(2) {
        let (a, b) = (f16::from_bits(pair[0]), f16::from_bits(pair[1]));
        if a.is_finite() && b.is_finite() {
            for x in around(a.to_f32(), b.to_f32()).into_iter().filter(|x| *x != 0.0) {
                // + 0: a zero is +0.
                let nearest = f16::from_f32(x) + f16::ZERO;
                assert_eq!(gradients(a, &[2.0 * x])[0].to_bits(), nearest.to_bits(), "{x:e}");
            }
        }
        let (a, b) = (bf16::from_bits(pair[0]), bf16::from_bits(pair[1]));
        if a.is_finite() && b.is_finite() && a.to_f32().abs() < 1e38 {
            for x in around(a.to_f32(), b.to_f32()).into_iter().filter(|x| x.is_normal()) {
                assert_eq!(gradients(a, &[2.0 * x])[0].to_bits(), bf16::from_f32(x).to_bits(), "{x:e}");
            }
        }
    }
    for x in [65504.0, 65519.0, 65520.0, 65536.0, 1e30] {
        assert_eq!(gradients(f16::ZERO, &[2.0 * x])[0].to_bits(), f16::from_f32(x).to_bits());
    }
}

/// Chunks of any size merged in any order, and shards merged in a tree.
#[test]
fn pieces_give_the_bits_of_the_whole() {
    let mut random = Random(5);
    for (n, width, parameters) in [
        (5000, 3.0, PLAIN),
        (5000, 60.0, PLAIN),
        (300, 4000.0, PLAIN),
        (300, 1e13, PLAIN),
        (999, 10.0, (0.7, 1.0, Some(30.0))),
        (7, 40.0, PLAIN),
    ] {
        for _ in 0..20 {
            let mut row = logits(&mut random, n, width);
            row[n / 3] = f32::NEG_INFINITY;
            if random.bits().is_multiple_of(2) {
                row[n / 2] += 30.0;
            }
            let target = random.bits() as usize % n;
            let scaling = scaling(parameters);
            let whole = LogSumExp::of(Backend::detect(), &row, &scaling);
            let mut shards = Vec::new();
            let mut start = 0;
            while start < n {
                let length = (1 + random.bits() as usize % (n / 4 + 2)).min(n - start);
                let mut shard = RowSum::new(scaling);
                let backend = random.pick(&backends().collect::<Vec<_>>());
                let place = (start..start + length).contains(&target).then(|| target - start);
                shard.add(backend, &row[start..start + length], place).unwrap();
                // As bytes and back, as between ranks.
                shards.push(RowSum::restore(&shard.state()).unwrap());
                start += length;
            }
            while shards.len() > 1 {
                let other = shards.swap_remove(random.bits() as usize % shards.len());
                let i = random.bits() as usize % shards.len();
                shards[i].merge(&other);
            }
            let merged = shards[0].log_sum_exp();
            assert_eq!((merged.rest.to_bits(), merged.max), (whole.rest.to_bits(), whole.max), "{n} {width}");
            let logp = whole.logp(row[target], &scaling);
            assert_eq!(shards[0].token_logp().unwrap().to_bits(), logp.to_bits());
            // Shuffled columns.
            let mut shuffled = row.clone();
            for i in (1..n).rev() {
                shuffled.swap(i, random.bits() as usize % (i + 1));
            }
            assert_eq!(LogSumExp::of(Backend::detect(), &shuffled, &scaling), whole);
        }
    }
    // Equal giants count, smaller ones do not.
    let giants = [1e30_f32, 2e30, -2e30, 2e30, 5.0, 2e30];
    let mut merged = RowSum::new(Scaling::NONE);
    for chunk in giants.chunks(2).rev() {
        merged.add(Backend::detect(), chunk, None).unwrap();
    }
    let whole = LogSumExp::of(Backend::detect(), &giants, &Scaling::NONE);
    assert_eq!(merged.log_sum_exp(), whole);
    // To 34 significant bits.
    assert!((whole.rest - 3.0_f64.ln()).abs() <= 2.0_f64.powi(-34));
    let mut empty = RowSum::new(Scaling::NONE);
    assert!(empty.log_sum_exp().is_nan());
    assert_eq!(empty.token_logp(), Err(Error::NoTarget));
    let error = empty.add(Backend::SCALAR, &[1.0_f32], Some(1)).unwrap_err();
    assert_eq!(error, Error::Target { row: 0, label: 1, columns: 1 });
    assert_eq!(empty, RowSum::new(Scaling::NONE));
    // A row has one target.
    let mut held = RowSum::new(Scaling::NONE);
    held.add(Backend::SCALAR, &[1.0_f32, 2.0], Some(1)).unwrap();
    let before = held;
    let error = held.add(Backend::SCALAR, &[3.0_f32], Some(0)).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "target", value: 0.0, .. }));
    assert_eq!(held, before);
}

/// `rest` has 34 significant bits, from 16 on 35; with 34 the gradient would not meet its bound there.
#[test]
fn the_rest_is_on_its_grid() {
    let mut sum = RowSum::new(Scaling::NONE);
    sum.add(Backend::detect(), &[0.0_f32, 0.0, 1.0], None).unwrap();
    let (mut beyond, mut inexact) = (0, 0);
    // 3^(i+1) columns: two of them 0 to each 1.
    for i in 0..28 {
        let whole = sum.log_sum_exp();
        let dropped = if whole.rest < 16.0 { 19 } else { 18 };
        assert_eq!(whole.rest.to_bits() << (64 - dropped), 0, "{i}: {}", whole.rest);
        let exact = f64::from(i) * 3.0_f64.ln() + (2.0 / 1.0_f64.exp()).ln_1p();
        let error = (whole.rest - exact).abs();
        assert!(error <= 2.0_f64.powi(-31) + 1e-11, "{i}: {error:e}");
        beyond += u32::from(whole.rest >= 16.0);
        inexact += u32::from(error > 2.0_f64.powi(-33));
        for (column, below) in [(1, 0.0), (2, -1.0)] {
            let got = gradient(&[5.0, 1.0, 0.0], 0, -1.0, whole, PLAIN)[column];
            assert!(ulps(got, &Float::with_val(64, (below - exact).exp())) <= GRADIENT_BOUND, "{i} {column}");
        }
        let copy = sum;
        sum.merge(&copy);
        sum.merge(&copy);
    }
    assert!(beyond > 6 && inexact > 6, "{beyond} {inexact}");
}

/// No result is -0: gradients that round to 0 from below, in each type, alone and added to what is there.
#[test]
fn every_zero_is_positive() {
    fn check<T: Element + PartialEq + core::fmt::Debug>(zero: T, minus_zero: T, bits: impl Fn(&T) -> u32) {
        // Of `f32`, of bf16 and of f16 the least and what rounds to 0; infinitely little; some that do not.
        let below = [0.0, 14.0, 20.0, 80.0, 94.0, 97.0, 104.0, 500.0, 2000.0, f32::INFINITY];
        for n in [1, 3, 10, 37, 2100] {
            let row: Vec<f32> = (0..n).map(|i| 0.0 - below[i % below.len()]).collect();
            let sums = [LogSumExp::of(Backend::SCALAR, &row, &Scaling::NONE)];
            for (backend, seed) in backends().flat_map(|backend| [(backend, 0.5), (backend, -0.5)]) {
                for accumulate in [false, true] {
                    let mut grads = vec![if accumulate { minus_zero } else { zero }; n];
                    Run::on(backend)
                        .logits_grad(
                            Logits::new(&row, 1, n).unwrap(),
                            Targets::new(Labels::I32(&[0])),
                            &Scaling::NONE,
                            Seeds { log_sum_exps: &sums, grad_logps: &[seed] },
                            Gradient { accumulate, zero_padding: false },
                            LogitsMut::new(&mut grads, 1, n).unwrap(),
                        )
                        .unwrap();
                    assert!(n < 10 || grads.contains(&zero));
                    let wrong = grads.iter().position(|x| bits(x) == bits(&minus_zero));
                    assert_eq!(wrong, None, "{n} {backend:?} {seed} {accumulate} {grads:?}");
                }
            }
        }
    }
    check(0.0, -0.0, |x: &f32| x.to_bits());
    check(bf16::ZERO, bf16::NEG_ZERO, |x| x.to_bits().into());
    check(f16::ZERO, f16::NEG_ZERO, |x| x.to_bits().into());
    // Statistics of a certain token, its own gradient, and gradients by tokens.
    let certain = run(Logits::new(&[0.0_f32, -500.0], 1, 2).unwrap(), &[0], PLAIN);
    let results = [certain.logps[0], certain.entropies[0], certain.squares[0]];
    assert_eq!(results.map(f32::to_bits), [0; 3], "{results:?}");
    let certain = gradient(&[0.0, -500.0], 0, -0.5, certain.sums[0], PLAIN);
    assert_eq!(certain.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), [0; 2]);
    let targets = Targets::new(Labels::I32(&[0, 0]));
    let sequences = Sequences::new(targets, 1, Layout::ChosenFirst, Reduction::Sum).unwrap();
    let mut grads = [7.0; 2];
    for (chosen, scale) in [(-0.0, 1.0), (-1e-40, 1e-10)] {
        sequences.token_grads(&[chosen], &[0.0], scale, &mut grads).unwrap();
        assert_eq!(grads.map(f32::to_bits), [0; 2]);
    }
}

/// Bytes that nobody's state gave are refused, or are some state: never a panic.
#[test]
fn any_bytes_are_refused_or_harmless() {
    let mut random = Random(15);
    let mut sum = RowSum::new(Scaling::new(0.7, 1.0, Some(30.0)).unwrap());
    sum.add(Backend::detect(), &logits(&mut random, 1000, 20.0), Some(3)).unwrap();
    let good = sum.state();
    assert_eq!(RowSum::restore(&good), Some(sum));
    assert_eq!(RowSum::restore(&RowSumState::default()), None);
    for bad in [
        RowSumState { temperature: f64::NAN, ..good },
        RowSumState { temperature: 0.0, ..good },
        RowSumState { soft_cap: -1.0, ..good },
        RowSumState { window: i64::MAX, ..good },
        RowSumState { high: [0, 1 << 60], ..good },
        RowSumState { max: f32::INFINITY, ..good },
        RowSumState { flags: 4, ..good },
        RowSumState { reserved: 1, ..good },
        RowSumState { target: good.max + 1.0, ..good },
        RowSumState { target: f32::NAN, ..good },
    ] {
        assert_eq!(RowSum::restore(&bad), None, "{bad:?}");
    }
    let mut restored = 0;
    for _ in 0..20_000 {
        let mut state = good;
        let bit = 1_u64 << (random.bits() % 64);
        match random.bits() % 9 {
            0 => state.temperature = f64::from_bits(state.temperature.to_bits() ^ bit),
            1 => state.soft_cap = f64::from_bits(state.soft_cap.to_bits() ^ bit),
            2 => state.window ^= bit as i64,
            3 => state.high[0] ^= bit,
            4 => state.high[1] ^= bit,
            5 => state.low[1] ^= bit,
            6 => state.ties ^= bit,
            7 => state.max = f32::from_bits(random.bits() as u32),
            _ => state.target = f32::from_bits(random.bits() as u32),
        }
        let Some(mut other) = RowSum::restore(&state) else { continue };
        restored += 1;
        other.merge(&sum);
        let _ = (other.log_sum_exp(), other.token_logp(), RowSum::restore(&other.state()));
    }
    assert!(restored > 5_000, "{restored}");
    // States near their ends, merged until they are beyond: overflow checks must not see it.
    for near in [
        RowSumState { high: [0, (1 << 56) - 1], ..good },
        RowSumState { low: [0, u64::MAX - (1 << 56) + 2], ..good },
        RowSumState { max: 1e30, soft_cap: 0.0, ties: (1 << 60) - 1, ..good },
    ] {
        let mut sum = RowSum::restore(&near).unwrap();
        for _ in 0..200 {
            let other = sum;
            sum.merge(&other);
        }
        let _ = (sum.log_sum_exp(), sum.token_logp());
    }
}

/// A row's bits do not depend on its place, its neighbours, the stride, the alignment or the threads.
#[test]
fn rows_stand_alone() {
    let mut random = Random(6);
    let (rows, columns) = (37, 1009);
    let data: Vec<Vec<f32>> = (0..rows).map(|_| logits(&mut random, columns, 5.0)).collect();
    let labels: Vec<i64> = (0..rows).map(|i| if i % 5 == 2 { -100 } else { (i * 31 % columns) as i64 }).collect();
    let alone: Vec<Results> = data
        .iter()
        .zip(&labels)
        .map(|(row, label)| run(Logits::new(row, 1, columns).unwrap(), &[*label], PLAIN))
        .collect();
    let alone_bits: Vec<u64> =
        alone.iter().flat_map(|x| [x.logps[0].to_bits().into(), x.sums[0].rest.to_bits()]).collect();
    for (stride, offset) in [(columns, 0), (columns, 1), (columns + 3, 2), (1024, 3)] {
        let mut memory = vec![f32::NAN; offset + rows * stride];
        for (row, x) in data.iter().enumerate() {
            memory[offset + row * stride..][..columns].copy_from_slice(x);
        }
        let view = Logits::with_stride(&memory[offset..], rows, columns, stride).unwrap();
        let together = run(view, &labels, PLAIN);
        let bits: Vec<u64> = together
            .logps
            .iter()
            .zip(&together.sums)
            .flat_map(|(x, s)| [x.to_bits().into(), s.rest.to_bits()])
            .collect();
        assert_eq!(bits, alone_bits, "stride {stride}, offset {offset}");
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut results = Results::default();
            let outputs = results.outputs(rows);
            let targets = Targets::new(Labels::I64(&labels));
            let counts = pool.install(|| Run::default().in_pool().token_logps(view, targets, &Scaling::NONE, outputs));
            assert_eq!(results.bits(), together.bits(), "{threads} threads");
            let counts = counts.unwrap();
            assert_eq!((counts.tokens, counts.masked, counts.nonfinite), (30, 7, 0));

            let grad_logps: Vec<f32> = (0..rows).map(|i| (i as f32 - 9.0) / 64.0).collect();
            let seeds = Seeds { log_sum_exps: &results.sums, grad_logps: &grad_logps };
            let mut grads = memory.clone();
            let place = LogitsMut::with_stride(&mut grads[offset..], rows, columns, stride).unwrap();
            pool.install(|| Run::default().in_pool().logits_grad_in_place(place, targets, &Scaling::NONE, seeds, true))
                .unwrap();
            for row in 0..rows {
                let got = &grads[offset + row * stride..][..columns];
                let expected = match labels[row] {
                    -100 => vec![0.0; columns],
                    label => gradient(&data[row], label as usize, grad_logps[row], results.sums[row], PLAIN),
                };
                assert!(got.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "row {row}");
                let padding = &grads[offset + row * stride..offset + (row + 1) * stride][columns..];
                assert!(padding.iter().all(|x| x.to_bits() == 0));
            }
        }
    }
}

#[test]
fn what_is_not_finite() {
    let nan = 0x7fc0_0000;
    for row in [
        vec![f32::NAN, 1.0, 2.0],
        vec![1.0, -f32::NAN, 2.0],
        vec![1.0, f32::INFINITY, 2.0],
        vec![f32::NEG_INFINITY; 3],
        vec![0.0; 3].into_iter().chain((0..3000).map(|i| if i == 2999 { f32::NAN } else { 0.0 })).collect(),
    ] {
        let n = row.len();
        let results = run(Logits::new(&row, 1, n).unwrap(), &[1], PLAIN);
        assert_eq!(results.logps[0].to_bits(), nan);
        assert_eq!(results.entropies[0].to_bits(), nan);
        assert_eq!(results.squares[0].to_bits(), nan);
        let grads = gradient(&row, 1, 1.0, results.sums[0], PLAIN);
        assert!(grads.iter().all(|x| x.to_bits() == nan));
        let mut counts = Run::default()
            .token_logps(
                Logits::new(&row, 1, n).unwrap(),
                Targets::new(Labels::I32(&[1])),
                &Scaling::NONE,
                TokenOutputs::default(),
            )
            .unwrap();
        assert_eq!(counts.nonfinite, 1);
        counts.merge(&counts.clone());
        assert_eq!((counts.tokens, counts.nonfinite), (2, 2));
        // A masked row is 0 whatever it holds.
        let masked = run(Logits::new(&row, 1, n).unwrap(), &[-100], PLAIN);
        assert_eq!(masked.logps[0].to_bits(), 0);
        let mut grads = row.clone();
        Run::default()
            .logits_grad_in_place(
                LogitsMut::new(&mut grads, 1, n).unwrap(),
                Targets::new(Labels::I32(&[-100])),
                &Scaling::NONE,
                Seeds { log_sum_exps: &masked.sums, grad_logps: &[1.0] },
                false,
            )
            .unwrap();
        assert!(grads.iter().all(|x| x.to_bits() == 0));
    }
    // A masked column as the target: -inf, counted; its gradient is that of a token of probability 0.
    let row = [0.0, f32::NEG_INFINITY, 1.0];
    let results = run(Logits::new(&row, 1, 3).unwrap(), &[1], PLAIN);
    assert_eq!(results.logps[0], f32::NEG_INFINITY);
    let grads = gradient(&row, 1, 2.0, results.sums[0], PLAIN);
    assert_eq!(grads[1], 2.0);
    // Seeds that are not finite, or 0.
    for (seed, expected) in [(f32::NAN, nan), (f32::INFINITY, nan), (0.0, 0), (-0.0, 0)] {
        let grads = gradient(&row, 0, seed, results.sums[0], PLAIN);
        assert!(grads.iter().all(|x| x.to_bits() == expected), "{seed} {grads:?}");
    }
}

#[test]
fn accumulating_adds() {
    let row = [0.5_f32, -1.0, 2.0, 0.0, 3.0];
    let sums = [LogSumExp::of(Backend::SCALAR, &row, &Scaling::NONE)];
    let exact = Exact::new(&row, PLAIN);
    for backend in backends() {
        let mut grads = [1.0_f32, -0.25, 1e10, 0.0, -1e-3];
        let before = grads;
        Run::on(backend)
            .logits_grad(
                Logits::new(&row, 1, 5).unwrap(),
                Targets::new(Labels::I32(&[2])),
                &Scaling::NONE,
                Seeds { log_sum_exps: &sums, grad_logps: &[0.75] },
                Gradient { accumulate: true, zero_padding: false },
                LogitsMut::new(&mut grads, 1, 5).unwrap(),
            )
            .unwrap();
        for column in 0..5 {
            let exact = exact.gradient(column, 2, 0.75) + f64::from(before[column]);
            assert!(ulps(grads[column], &exact) <= 0.501, "{column}");
        }
    }
}

/// NaN in what a gradient is added to, and in logits that the log-sum-exp is not of: whose bits reach the result is up to the CPU.
#[test]
fn every_nan_is_one() {
    let nans = [0x7fc0_0001, 0xffc0_0000, 0xffc2_8211, 0x7f80_0001, 0xff80_0001].map(f32::from_bits);
    let cases = [5, 16, 75].map(|n| [(n, true), (n, false)]).concat();
    for (backend, (n, accumulate)) in backends().flat_map(|backend| cases.iter().map(move |&case| (backend, case))) {
        let mut row: Vec<f32> = (0..n).map(|i| i as f32 / 8.0 - 2.0).collect();
        let sums = [LogSumExp::of(Backend::SCALAR, &row, &Scaling::NONE)];
        let mut grads = vec![0.25_f32; n];
        let places = [0, 2, 3, n - 1];
        for (i, place) in places.into_iter().enumerate() {
            let (nan, other) = (nans[(i + n) % 5], nans[(i + n + 1) % 5]);
            if accumulate { grads[place] = nan } else { row[place] = if i == 3 { f32::INFINITY } else { other } }
        }
        Run::on(backend)
            .logits_grad(
                Logits::new(&row, 1, n).unwrap(),
                Targets::new(Labels::I32(&[2])),
                &Scaling::NONE,
                Seeds { log_sum_exps: &sums, grad_logps: &[0.75] },
                Gradient { accumulate, zero_padding: false },
                LogitsMut::new(&mut grads, 1, n).unwrap(),
            )
            .unwrap();
        for (column, x) in grads.iter().enumerate() {
            let wrong = if places.contains(&column) { x.to_bits() != 0x7fc0_0000 } else { !x.is_finite() };
            assert!(!wrong, "{backend:?} {n} {accumulate} {column}: {:x}", x.to_bits());
        }
    }
}

#[test]
fn the_gradient_of_a_row_sums_to_nothing() {
    let mut random = Random(8);
    for n in [2, 100, 32_000] {
        let row = logits(&mut random, n, 4.0);
        let sum = LogSumExp::of(Backend::detect(), &row, &Scaling::NONE);
        let grads = gradient(&row, n / 2, 1.0, sum, PLAIN);
        let total: f64 = grads.iter().map(|&x| f64::from(x)).sum();
        // Half an ULP of each entry; their magnitudes sum to less than 2.
        assert!(total.abs() <= 2.0 * 0.51 * f64::from(f32::EPSILON), "{n}: {total:e}");
    }
}

#[test]
fn errors_come_before_anything_is_written() {
    let data = [0.0_f32; 12];
    let error = |rows, columns, stride| Logits::with_stride(&data, rows, columns, stride).unwrap_err();
    assert_eq!(error(4, 4, 4), Error::Length { argument: "logits", expected: 16, got: 12 });
    assert_eq!(error(3, 4, 5), Error::Length { argument: "logits", expected: 14, got: 12 });
    assert!(matches!(error(3, 4, 3), Error::Parameter { name: "stride", .. }));
    assert!(matches!(error(3, 0, 3), Error::Parameter { name: "columns", .. }));
    assert_eq!(error(usize::MAX, 2, 2), Error::Length { argument: "logits", expected: usize::MAX, got: 12 });
    assert!(Logits::with_stride(&data, 0, 4, 4).is_ok() && Logits::with_stride(&data, 2, 4, 8).is_ok());
    let matrix = Logits::new(&data, 3, 4).unwrap();
    assert!(matrix.row_range(1, 2).is_ok() && matrix.row_range(3, 0).is_ok());
    assert!(matrix.row_range(2, 2).is_err() && matrix.row_range(usize::MAX, 2).is_err());
    for labels in [[0, 4, 1], [0, -1, 1], [0, i32::MIN, 1]] {
        let mut logps = [7.0; 3];
        let targets = Targets::new(Labels::I32(&labels));
        let outputs = TokenOutputs { logps: Some(&mut logps), ..Default::default() };
        let error = Run::on(Backend::SCALAR).token_logps(matrix, targets, &Scaling::NONE, outputs).unwrap_err();
        assert_eq!(error, Error::Target { row: 1, label: labels[1].into(), columns: 4 });
        assert_eq!(logps, [7.0; 3]);
    }
    let ignored = Targets::new(Labels::I32(&[0, -1, 1])).with_ignore_index(-1);
    let mut logps = [7.0; 2];
    let outputs = TokenOutputs { logps: Some(&mut logps), ..Default::default() };
    let error = Run::on(Backend::SCALAR).token_logps(matrix, ignored, &Scaling::NONE, outputs).unwrap_err();
    assert_eq!(error, Error::Length { argument: "logps", expected: 3, got: 2 });
    assert_eq!(logps, [7.0; 2]);
    for (temperature, scale, cap) in [
        (0.0, 1.0, None),
        (-1.0, 1.0, None),
        (f64::NAN, 1.0, None),
        (1.0, f64::INFINITY, None),
        (1.0, 1.0, Some(0.0)),
        (1e-9, 1e9, None),
    ] {
        assert!(matches!(Scaling::new(temperature, scale, cap), Err(Error::Parameter { .. })));
    }
}
