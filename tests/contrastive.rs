//! InfoNCE and its symmetric form against the judge and worked values, on every level.

use preflane::contrastive::{
    Against, Groups, GroupsOutputs, InfoNceOutputs, MeanOver, Pairing, Similarities, Similarity, SymmetricSums, Vectors,
};
use preflane::logits::{LogSumExp, Logits, LogitsMut};
use preflane::{Backend, Error, Level, Loss, Run, evaluate_pair};
use preflane_judge::{Float, Random, contrastive as exact, ulps};

const BOUND: f64 = 0.51;
/// Bits: what cancels in sums of some hundred terms leaves more than any comparison here asks for.
const PRECISION: u32 = 128;

fn float(x: f64) -> Float {
    Float::with_val(PRECISION, x)
}

fn backends() -> impl Iterator<Item = Backend> {
    Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok())
}

/// Loss, gradients by the positive, the negatives and the temperature.
type Row = (f32, f32, Vec<f32>, f32);

fn run(positive: f32, negatives: &[f32], mask: Option<&[bool]>, temperature: f64) -> Row {
    let mut first: Option<Row> = None;
    let bits = |row: &Row| -> Vec<u32> { [row.0, row.1, row.3].iter().chain(&row.2).map(|x| x.to_bits()).collect() };
    let m = negatives.len();
    for backend in backends() {
        let (mut loss, mut by_positive, mut by_negatives, mut by_temperature) = ([7.0], [7.0], vec![7.0; m], [7.0]);
        let outputs = InfoNceOutputs {
            losses: Some(&mut loss),
            grad_positives: Some(&mut by_positive),
            grad_negatives: (m > 0).then(|| LogitsMut::new(&mut by_negatives, 1, m).unwrap()),
            grad_temperature: Some(&mut by_temperature),
        };
        let negatives = (m > 0).then(|| Logits::new(negatives, 1, m).unwrap());
        let rows = Similarities { positives: &[positive], negatives, mask };
        let nonfinite = Run::on(backend).info_nce(rows, temperature, outputs).unwrap();
        assert_eq!(nonfinite, u64::from(!loss[0].is_finite()));
        let row = (loss[0], by_positive[0], by_negatives, by_temperature[0]);
        match &first {
            None => first = Some(row),
            Some(first) => assert_eq!(bits(first), bits(&row), "level {:?}", backend.level()),
        }
    }
    first.unwrap()
}

/// Judges one row.
fn judge_row(positive: f32, negatives: &[f32], temperature: f64) -> f64 {
    let (loss, by_positive, by_negatives, by_temperature) = run(positive, negatives, None, temperature);
    let exact = exact::info_nce(positive, negatives, temperature);
    let mut worst = 0.0_f64;
    let mut check = |what: &str, got: f32, exact: &Float| {
        let error = ulps(got, exact);
        assert!(error <= BOUND, "{what} {got:e}: {error} ULP; {positive} {negatives:?} T {temperature}");
        worst = worst.max(error);
    };
    check("loss", loss, &exact.loss);
    check("by positive", by_positive, &exact.by_positive);
    for (got, exact) in by_negatives.iter().zip(&exact.by_negatives) {
        check("by negative", *got, exact);
    }
    let error = Float::with_val(PRECISION, &exact.by_temperature - f64::from(by_temperature)).abs();
    let allowed = exact.by_temperature.abs() * f64::from(f32::EPSILON)
        + exact.terms * 2.0_f64.powi(-32)
        + f64::from(f32::from_bits(1));
    assert!(error <= allowed || by_temperature.is_infinite(), "by temperature {by_temperature:e}");
    worst
}

#[test]
fn rows_against_the_judge() {
    let mut random = Random(21);
    let mut worst = 0.0_f64;
    for m in [0, 1, 2, 3, 15, 16, 17, 100, 5000] {
        for temperature in [1e-3, 0.05, 0.07, 0.5, 1.0, 3.7, 1e3] {
            for _ in 0..if m > 100 { 1 } else { 6 } {
                let mut one = || (2.0 * random.unit() - 1.0) as f32;
                let positive = one();
                let negatives: Vec<f32> = (0..m).map(|_| one()).collect();
                worst = worst.max(judge_row(positive, &negatives, temperature));
            }
        }
    }
    for scale in [1e-45_f32, 1e-40, 1e-6, 30.0, 200.0, 1e6, 1e30] {
        worst = worst.max(judge_row(scale, &[0.0, -scale, scale, scale / 2.0], 1.0));
        worst = worst.max(judge_row(-scale, &[-2.0 * scale, -3.0 * scale], 1.0));
    }
    println!("largest error {worst} ULP");
}

#[test]
fn worked_values() {
    let (loss, ..) = run(2.0, &[0.5, -1.0], None, 0.5);
    assert!((f64::from(loss) - 0.050945763523).abs() < 1e-8);
    let (loss, by_positive, _, by_temperature) = run(0.3, &[], None, 0.1);
    assert_eq!([loss, by_positive, by_temperature].map(f32::to_bits), [0; 3]);
    let (loss, ..) = run(0.25, &[0.25; 9], None, 0.1);
    assert_eq!(loss, 10.0_f64.ln() as f32);
    for backend in backends() {
        let s = [2.0, 0.5, -1.0, 1.0];
        let (mut rows, mut columns, mut grads) = ([LogSumExp::default(); 2], [LogSumExp::default(); 2], [7.0; 4]);
        let sums = SymmetricSums { rows: &mut rows, columns: &mut columns };
        let view = LogitsMut::new(&mut grads, 2, 2).unwrap();
        let means = Run::on(backend).symmetric(Logits::new(&s, 2, 2).unwrap(), 1.0, sums, Some(view)).unwrap();
        for (got, exact) in means.iter().zip([0.164170644513, 0.261332167877]) {
            assert!((f64::from(*got) - exact).abs() < 1e-7, "{got} {exact}");
        }
        assert!((f64::from(means[0] + means[1]) / 2.0 - 0.212751406195).abs() < 1e-7);
        // Each entry from the textbook formula.
        let p = |a: f64, b: f64| 1.0 / (1.0 + (b - a).exp());
        let exact = [
            p(2.0, 0.5) + p(2.0, -1.0) - 2.0,
            p(0.5, 2.0) + p(0.5, 1.0),
            p(-1.0, 1.0) + p(-1.0, 2.0),
            p(1.0, -1.0) + p(1.0, 0.5) - 2.0,
        ];
        for (got, exact) in grads.iter().zip(exact) {
            assert!((f64::from(*got) - exact / 4.0).abs() < 1e-7, "{got} {exact}");
        }
    }
}

/// A batch that is nearly certain: the diagonal's gradient keeps its relative accuracy.
#[test]
fn a_certain_batch() {
    const N: usize = 70;
    let s: Vec<f32> = (0..N * N).map(|i| if i / N == i % N { 45.0 } else { 0.0 }).collect();
    let (mut rows, mut columns) = ([LogSumExp::default(); N], [LogSumExp::default(); N]);
    let mut grads = vec![7.0; N * N];
    let sums = SymmetricSums { rows: &mut rows, columns: &mut columns };
    let view = LogitsMut::new(&mut grads, N, N).unwrap();
    let means = Run::default().symmetric(Logits::new(&s, N, N).unwrap(), 1.0, sums, Some(view)).unwrap();
    let others = float(-45.0).exp() * (N as u32 - 1);
    let loss = others.clone().ln_1p();
    assert!(means.iter().all(|x| ulps(*x, &loss) <= BOUND), "{means:?} {loss}");
    let by_diagonal = -others.clone() / (others + 1.0) / N as u32;
    let by_other = Float::with_val(PRECISION, -&by_diagonal) / (N as u32 - 1);
    for (i, got) in grads.iter().enumerate() {
        let exact = if i / N == i % N { &by_diagonal } else { &by_other };
        assert!(ulps(*got, exact) <= BOUND, "{i}: {got:e}");
    }
}

/// DPO is InfoNCE with one negative.
#[test]
fn dpo_is_one_negative() {
    let mut random = Random(22);
    for _ in 0..500 {
        // Multiples of 1/8 and beta = 1/4: similarities are exact in f32.
        let mut logp = || -((random.bits() % 400) as f32) / 8.0;
        let (pc, pr, rc, rr) = (logp(), logp(), logp(), logp());
        let pair = evaluate_pair(&Loss::dpo(0.25).unwrap(), pc, pr, Some((rc, rr)));
        let (loss, by_positive, by_negative, _) = run(0.25 * (pc - rc), &[0.25 * (pr - rr)], None, 1.0);
        let close = |a: f32, b: f32| (a.to_bits() as i32 - b.to_bits() as i32).abs() <= 1;
        assert!(close(loss, pair.loss), "{loss:e} {:e}", pair.loss);
        assert!(close(0.25 * by_positive, pair.grad_chosen_logps));
        assert!(close(0.25 * by_negative[0], pair.grad_rejected_logps));
    }
}

#[test]
fn masks_and_what_is_not_finite() {
    let negatives: Vec<f32> = (0..150).map(|i| if i % 3 == 0 { f32::NAN } else { (i as f32).sin() }).collect();
    let mask: Vec<bool> = (0..150).map(|i| i % 3 != 0).collect();
    let kept: Vec<f32> = negatives.iter().copied().filter(|x| !x.is_nan()).collect();
    let masked = run(0.4, &negatives, Some(&mask), 0.2);
    let plain = run(0.4, &kept, None, 0.2);
    assert_eq!((masked.0, masked.1, masked.3), (plain.0, plain.1, plain.3));
    let grads: Vec<f32> = masked.2.iter().zip(&mask).filter(|(_, m)| **m).map(|(g, _)| *g).collect();
    assert_eq!(grads, plain.2);
    assert!(masked.2.iter().zip(&mask).all(|(g, m)| *m || g.to_bits() == 0));
    let nan = 0x7fc0_0000;
    for negatives in [[f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
        let row = run(0.4, &negatives, None, 0.2);
        assert_eq!([row.0, row.1, row.3, row.2[1]].map(f32::to_bits), [nan; 4]);
    }
    assert_eq!(run(0.4, &[f32::NEG_INFINITY, 0.1], None, 0.2).0, run(0.4, &[0.1], None, 0.2).0);
    assert_eq!(run(f32::NEG_INFINITY, &[0.1], None, 0.2).0, f32::INFINITY);
}

#[test]
fn vectors() {
    let mut random = Random(23);
    for d in [1, 2, 15, 16, 17, 300] {
        let mut vectors = |n: usize| (0..n * d).map(|_| (2.0 * random.unit() - 1.0) as f32).collect::<Vec<f32>>();
        let (q, k) = (vectors(3), vectors(6));
        let queries = Logits::new(&q, 3, d).unwrap();
        let keys = Logits::new(&k, 6, d).unwrap();
        let grads: Vec<f32> = (0..18).map(|i| (i as f32 - 7.0) / 16.0).collect();
        for similarity in [Similarity::Dot, Similarity::Cosine] {
            for (pairing, keys_used, each) in
                [(Pairing::Each, 3, 1), (Pairing::All, 6, 6), (Pairing::Own { m: 2 }, 6, 2)]
            {
                let keys = keys.row_range(0, keys_used).unwrap();
                let vectors = Vectors { queries, keys, similarity, pairing };
                let key = |i: usize, j: usize| match pairing {
                    Pairing::Each => i,
                    Pairing::All => j,
                    Pairing::Own { m } => i * m + j,
                };
                let exact = |a: &[f32], b: &[f32]| {
                    let mut sum = float(0.0);
                    for (a, b) in a.iter().zip(b) {
                        sum += float((*a).into()) * f64::from(*b);
                    }
                    sum
                };
                let mut exact_similarities = Vec::new();
                let (mut exact_gq, mut exact_gk) = (vec![float(0.5); 3 * d], vec![float(-0.25); keys_used * d]);
                for (at, grad) in grads[..3 * each].iter().enumerate() {
                    let (i, j) = (at / each, key(at / each, at % each));
                    let (a, b) = (queries.row(i), keys.row(j));
                    let (aa, bb) = (exact(a, a), exact(b, b));
                    let lengths = match similarity {
                        Similarity::Dot => float(1.0),
                        Similarity::Cosine => aa.clone().sqrt() * bb.clone().sqrt(),
                    };
                    let s = exact(a, b) / &lengths;
                    let g = f64::from(*grad);
                    for c in 0..d {
                        let (x, y) = (f64::from(a[c]), f64::from(b[c]));
                        let (mut by_q, mut by_k) = (float(y) / &lengths, float(x) / &lengths);
                        if similarity == Similarity::Cosine {
                            by_q -= Float::with_val(PRECISION, &s * x) / &aa;
                            by_k -= Float::with_val(PRECISION, &s * y) / &bb;
                        }
                        exact_gq[i * d + c] += by_q * g;
                        exact_gk[j * d + c] += by_k * g;
                    }
                    exact_similarities.push(s);
                }
                let mut first: Option<(Vec<u32>, Vec<u32>)> = None;
                for backend in backends() {
                    let mut out = vec![7.0; 3 * each];
                    Run::on(backend).similarities(vectors, &mut out).unwrap();
                    let (mut gq, mut gk) = (vec![0.5; 3 * d], vec![-0.25; keys_used * d]);
                    Run::on(backend).similarities_grad(vectors, &grads[..3 * each], &mut gq, &mut gk).unwrap();
                    for (got, s) in out.iter().zip(&exact_similarities) {
                        let error = Float::with_val(PRECISION, s - f64::from(*got)).abs().to_f64();
                        assert!(error <= 6.1e-8 * s.to_f64().abs() + 1e-14 * d as f64, "{similarity:?} {d}: {error:e}");
                    }
                    for (got, exact) in gq.iter().chain(&gk).zip(exact_gq.iter().chain(&exact_gk)) {
                        let error = Float::with_val(PRECISION, exact - f64::from(*got)).abs().to_f64();
                        assert!(error <= 6e-7 * (1.0 + exact.to_f64().abs()), "{similarity:?} {d}: {got} {exact}");
                    }
                    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    let all = (bits(&out), bits(&[gq, gk].concat()));
                    match &first {
                        None => first = Some(all),
                        Some(first) => assert_eq!(*first, all, "level {:?}", backend.level()),
                    }
                }
            }
        }
    }
}

#[test]
fn errors_come_first() {
    let mut loss = [7.0; 2];
    let matrix = [0.0; 6];
    let mut call = |rows: Similarities<'_>, temperature| {
        let outputs = InfoNceOutputs { losses: Some(&mut loss), ..Default::default() };
        Run::on(Backend::SCALAR).info_nce(rows, temperature, outputs).unwrap_err()
    };
    let good = Similarities { positives: &[0.0; 2], negatives: None, mask: None };
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
        assert!(matches!(call(good, temperature), Error::Parameter { name: "temperature", .. }));
    }
    let negatives = Some(Logits::new(&matrix, 3, 2).unwrap());
    let error = call(Similarities { negatives, ..good }, 1.0);
    assert_eq!(error, Error::Length { argument: "rows of negatives", expected: 2, got: 3 });
    let negatives = Some(Logits::new(&matrix, 2, 3).unwrap());
    let error = call(Similarities { negatives, mask: Some(&[true; 5]), ..good }, 1.0);
    assert_eq!(error, Error::Length { argument: "mask", expected: 6, got: 5 });
    assert!(matches!(
        call(Similarities { positives: &[0.0; 3], ..good }, 1.0),
        Error::Length { argument: "losses", .. }
    ));
    assert_eq!(loss, [7.0; 2]);

    let (a, zero) = ([1.0, 2.0, 0.0, 0.0], Logits::new(&[1.0_f32, 2.0, 0.0, 0.0], 2, 2).unwrap());
    let vectors = Logits::new(&a[..2], 1, 2).unwrap();
    let mut out = [7.0; 2];
    let mut similar = |keys, similarity, pairing| {
        Run::on(Backend::SCALAR).similarities(Vectors { queries: vectors, keys, similarity, pairing }, &mut out)
    };
    let error = similar(zero, Similarity::Cosine, Pairing::All).unwrap_err();
    assert_eq!(error, Error::ZeroVector { argument: "keys", row: 1 });
    assert!(matches!(
        similar(zero, Similarity::Dot, Pairing::Each),
        Err(Error::Length { argument: "rows of keys", .. })
    ));
    let wide = Logits::new(&a, 1, 4).unwrap();
    assert!(matches!(
        similar(wide, Similarity::Dot, Pairing::All),
        Err(Error::Length { argument: "columns of keys", .. })
    ));
    assert_eq!(out, [7.0; 2]);
    let (mut r, mut c) = ([LogSumExp::default(); 2], [LogSumExp::default(); 2]);
    let sums = SymmetricSums { rows: &mut r, columns: &mut c };
    let error = Run::on(Backend::SCALAR).symmetric(Logits::new(&matrix, 2, 3).unwrap(), 1.0, sums, None).unwrap_err();
    assert_eq!(error, Error::Length { argument: "columns of similarities", expected: 2, got: 3 });
}

/// Results of groups on every level and on two threads, which are the same.
fn groups(given: Groups<'_>, temperature: f64) -> (f32, Vec<f32>, Vec<f32>) {
    let n = given.labels.len();
    let mut first: Option<(f32, Vec<f32>, Vec<f32>)> = None;
    let runs = backends().map(Run::on).chain([Run::default().threads(2).unwrap()]);
    for run in runs {
        let (mut losses, mut grads) = (vec![7.0; n], vec![7.0; n * n]);
        let outputs = GroupsOutputs {
            losses: Some(&mut losses),
            grads: (n > 0).then(|| LogitsMut::new(&mut grads, n, n).unwrap()),
        };
        let result = run.groups(given, temperature, outputs).unwrap();
        let all = (result.loss, losses, grads);
        let bits = |all: &(f32, Vec<f32>, Vec<f32>)| -> Vec<u32> {
            [all.0].iter().chain(&all.1).chain(&all.2).map(|x| x.to_bits()).collect()
        };
        match &first {
            None => first = Some(all),
            Some(first) => assert_eq!(bits(first), bits(&all), "{run:?}"),
        }
    }
    first.unwrap()
}

const CONVENTIONS: [(Against, MeanOver); 6] = [
    (Against::Others, MeanOver::Pairs),
    (Against::Others, MeanOver::Anchors),
    (Against::Others, MeanOver::AnchorsWithPositives),
    (Against::Negatives, MeanOver::Pairs),
    (Against::Negatives, MeanOver::Anchors),
    (Against::Negatives, MeanOver::AnchorsWithPositives),
];

#[test]
fn groups_against_the_judge() {
    let mut random = Random(24);
    let mut largest = [0.0_f64; 2];
    for (n, kinds) in [(1, 1), (2, 1), (3, 2), (5, 2), (8, 4), (17, 3), (70, 5), (300, 150)] {
        for temperature in [0.05, 0.5, 1.0, 30.0] {
            let labels: Vec<i64> = (0..n).map(|_| (random.bits() % kinds) as i64 - 1).collect();
            let mut s: Vec<f32> = (0..n * n).map(|_| (2.0 * random.unit() - 1.0) as f32).collect();
            (0..n).for_each(|i| s[i * n + i] = f32::NAN);
            for (against, mean) in CONVENTIONS {
                if n == 300 && (temperature != 0.05 || mean == MeanOver::Anchors) {
                    continue;
                }
                let similarities = Logits::new(&s, n, n).unwrap();
                let (loss, losses, grads) =
                    groups(Groups { similarities, labels: &labels, against, mean }, temperature);
                let convention = exact::Convention {
                    negatives_alone: against == Against::Negatives,
                    over_pairs: mean == MeanOver::Pairs,
                    all_anchors: mean == MeanOver::Anchors,
                };
                let exact = exact::grouped(&s, &labels, temperature, convention);
                let what = format!("{n} of {kinds}, T {temperature}, {against:?} {mean:?}");
                assert!(ulps(loss, &exact.mean) <= 1.02, "{what}: {loss:e} {:.12}", exact.mean);
                for (i, (got, exact)) in losses.iter().zip(&exact.losses).enumerate() {
                    let error = ulps(*got, exact);
                    assert!(error <= BOUND, "{what}: loss {i}: {got:e} {exact:.12}");
                    largest[0] = largest[0].max(error);
                }
                for (place, (got, exact_grad)) in grads.iter().zip(&exact.grads).enumerate() {
                    let (i, j) = (place / n, place % n);
                    let k = (0..n).filter(|&j| j != i && labels[j] == labels[i]).count();
                    if k > 1 && i != j && labels[i] == labels[j] && against == Against::Others {
                        let error = Float::with_val(PRECISION, exact_grad - f64::from(*got)).abs();
                        let allowed =
                            exact_grad.clone().abs() * 2.0_f64.powi(-24) + exact.weights[i].clone() * 2.0_f64.powi(-29);
                        assert!(error <= allowed, "{what}: {i} {j}: {got:e} {exact_grad:.12}");
                        continue;
                    }
                    let error = ulps(*got, exact_grad);
                    assert!(error <= 0.55, "{what}: by {i} {j}: {got:e} {exact_grad:.12}, {error} ULP");
                    largest[1] = largest[1].max(error);
                }
            }
        }
    }
    println!("largest errors {largest:?} ULP");
    assert!(largest.iter().all(|x| *x > 0.49), "{largest:?}");
}

/// Six unit vectors of three groups, one of which has one.
#[test]
fn worked_values_of_groups() {
    let angles = [0.0_f64, 10.0, 20.0, 50.0, 60.0, 80.0].map(f64::to_radians);
    let s: Vec<f32> = angles.iter().flat_map(|a| angles.map(|b| (a - b).cos() as f32)).collect();
    let (similarities, labels) = (Logits::new(&s, 6, 6).unwrap(), [0, 0, 0, 1, 1, 2]);
    for (given, want) in [
        (Groups::nt_xent_of_negatives(similarities, &labels), 0.298143100644),
        (Groups::supcon_of_positives(similarities, &labels), 0.720060445082),
        (Groups::supcon(similarities, &labels), 0.600050370901),
    ] {
        // Similarities are rounded to f32 and divided by 0.1.
        let (loss, losses, grads) = groups(given, 0.1);
        assert!((f64::from(loss) - want).abs() < 1e-6, "{given:?}: {loss} {want}");
        assert_eq!(losses[5].to_bits(), 0);
        assert!(grads[30..].iter().all(|x| x.to_bits() == 0));
        let result = Run::default().groups(given, 0.1, GroupsOutputs::default()).unwrap();
        assert_eq!((result.pairs, result.anchors), (8, 5));
    }
    // Two views of each sample: both conventions of NT-Xent are the same, and an anchor's loss is InfoNCE.
    let labels = [0, 1, 2, 2, 1, 0];
    let one = groups(Groups::nt_xent(similarities, &labels), 0.1);
    let other = groups(Groups::nt_xent_of_negatives(similarities, &labels), 0.1);
    assert_eq!((one.0, &one.1), (other.0, &other.1));
    let (loss, by_positive, by_negatives, _) = run(s[5], &s[1..5], None, 0.1);
    assert_eq!(one.1[0], loss);
    assert!((one.2[5] * 6.0 - by_positive).abs() <= 2e-6 * by_positive.abs());
    assert!((one.2[1] * 6.0 - by_negatives[0]).abs() <= 2e-6 * by_negatives[0]);
}

#[test]
fn groups_without_positives_and_what_is_not_finite() {
    let s = [0.5_f32; 9];
    let similarities = Logits::new(&s, 3, 3).unwrap();
    for (against, mean) in CONVENTIONS {
        // No pair: nothing to learn, which the counts tell.
        let given = Groups { similarities, labels: &[0, 1, 2], against, mean };
        assert_eq!(groups(given, 0.1), (0.0, vec![0.0; 3], vec![0.0; 9]));
        let result = Run::default().groups(given, 0.1, GroupsOutputs::default()).unwrap();
        assert_eq!((result.pairs, result.anchors), (0, 0));
        // A NaN is its row's.
        let mut bad = s;
        bad[1] = f32::NAN;
        let given = Groups { similarities: Logits::new(&bad, 3, 3).unwrap(), labels: &[4, 4, 0], against, mean };
        let (loss, losses, grads) = groups(given, 0.1);
        assert_eq!([loss, losses[0], grads[1], grads[2]].map(f32::to_bits), [0x7fc0_0000; 4]);
        assert!(losses[1] > 0.0 && grads[3..].iter().all(|x| x.is_finite()) && grads[0].to_bits() == 0);
        // What is infinitely far is not there; a positive that is has no probability.
        bad[1] = f32::NEG_INFINITY;
        let given = Groups { similarities: Logits::new(&bad, 3, 3).unwrap(), labels: &[4, 0, 4], against, mean };
        assert_eq!(groups(given, 0.1).1[0].to_bits(), 0);
        let given = Groups { similarities: Logits::new(&bad, 3, 3).unwrap(), labels: &[4, 4, 0], against, mean };
        let (loss, losses, grads) = groups(given, 0.1);
        assert_eq!((loss, losses[0]), (f32::INFINITY, f32::INFINITY));
        assert!(grads[1] < 0.0 && (grads[1] + grads[2]).abs() < 1e-6, "{grads:?}");
    }
    let mut losses = [7.0; 2];
    let outputs = GroupsOutputs { losses: Some(&mut losses), grads: None };
    let error = Run::default().groups(Groups::supcon(similarities, &[0, 0, 1]), 0.1, outputs);
    assert_eq!(error, Err(Error::Length { argument: "losses", expected: 3, got: 2 }));
    let error = Run::default().groups(Groups::supcon(similarities, &[0, 0]), 0.1, GroupsOutputs::default());
    assert_eq!(error, Err(Error::Length { argument: "rows of similarities", expected: 2, got: 3 }));
    let error = Run::default().groups(Groups::supcon(similarities, &[0; 3]), 0.0, GroupsOutputs::default());
    assert!(matches!(error, Err(Error::Parameter { name: "temperature", .. })));
    assert_eq!(losses, [7.0; 2]);
}

/// Beside 10^21 the log-sum-exps of positives that differ by the last bit, or by whether they are a negative's equal, look the same in f64.
#[test]
fn large_similarities_next_to_each_other() {
    let (a, below) = (1.475_739_5e20_f32, 1.475_739_5e20_f32.next_down());
    let labels = [0, 0, 0, 1];
    for [p, q] in [[a, below], [below, a], [a, a], [below, below]] {
        let mut s = vec![0.0; 16];
        s[1..4].copy_from_slice(&[p, q, a]);
        let similarities = Logits::new(&s, 4, 4).unwrap();
        let given = Groups { similarities, labels: &labels, against: Against::Negatives, mean: MeanOver::Pairs };
        let (_, _, grads) = groups(given, 0.1);
        let convention = exact::Convention { negatives_alone: true, over_pairs: true, all_anchors: false };
        let exact = exact::grouped(&s, &labels, 0.1, convention);
        for (place, (got, exact)) in grads[..4].iter().zip(&exact.grads).enumerate() {
            assert!(ulps(*got, exact) <= 0.55, "{p:e} {q:e}: by {place}: {got:e} {exact:.12}");
        }
    }
}
