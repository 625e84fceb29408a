//! InfoNCE, its symmetric form and its forms for groups against the judge.

use crate::{Choices, bits, check_nan, choices, on_every_level};
use preflane::Run;
use preflane::contrastive::{Against, Groups, GroupsOutputs, InfoNceOutputs, MeanOver, Similarities, SymmetricSums};
use preflane::logits::{LogSumExp, Logits, LogitsMut};
use preflane_judge::{Float, contrastive as exact, ulps};

/// The published bound.
const BOUND: f64 = 0.51;
/// The bound of a mean of losses that are each within the bound: 0.51 of the unit of a term may be 1.02 of the mean's, and it is rounded.
const MEAN_BOUND: f64 = 1.53;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let temperature = v.pick(&[1.0, 0.07, 0.05, 0.5, 0.1, 3.7, 1e-3, 1e3]);
    match v.below(6) {
        0 => batch(&mut v, temperature),
        1 => groups(&mut v, temperature),
        _ => row(&mut v, temperature),
    }
}

fn row(v: &mut Choices<'_>, temperature: f64) {
    let mut row = v.logits(40, false);
    let positive = row.pop().expect("at least one");
    let mut negatives = row;
    let m = negatives.len();
    let mask: Option<Vec<bool>> = v.once_in(3).then(|| (0..m).map(|_| !v.once_in(3)).collect());
    if let Some(mask) = &mask {
        // What does not count may hold anything.
        for (x, _) in negatives.iter_mut().zip(mask).filter(|(_, counts)| !**counts) {
            *x = v.any();
        }
    }
    let results = on_every_level(|backend| {
        let (mut loss, mut by_positive, mut by_negatives, mut by_temperature) = ([7.0], [7.0], vec![7.0; m], [7.0]);
        let outputs = InfoNceOutputs {
            losses: Some(&mut loss),
            grad_positives: Some(&mut by_positive),
            grad_negatives: (m > 0).then(|| LogitsMut::new(&mut by_negatives, 1, m).expect("one row")),
            grad_temperature: Some(&mut by_temperature),
        };
        let rows = Similarities {
            positives: &[positive],
            negatives: (m > 0).then(|| Logits::new(&negatives, 1, m).expect("one row")),
            mask: mask.as_deref(),
        };
        let nonfinite = Run::on(backend).info_nce(rows, temperature, outputs).expect("good arguments");
        assert_eq!(nonfinite, u64::from(!loss[0].is_finite()));
        bits(&[vec![loss[0], by_positive[0], by_temperature[0]], by_negatives].concat())
    });
    let results: Vec<f32> = results.into_iter().map(f32::from_bits).collect();
    check_nan(&results);
    let counts = |j: usize| mask.as_ref().is_none_or(|mask| mask[j]);
    let kept: Vec<f32> = (0..m).filter(|&j| counts(j)).map(|j| negatives[j]).collect();
    let exact = exact::info_nce(positive, &kept, temperature);
    let check = |name: &str, got: f32, exact: &Float| {
        let error = ulps(got, exact);
        assert!(
            error <= BOUND,
            "{name} {got:e}, exact {exact:.20}, {error} ULP: {positive:e} {kept:?} temperature {temperature}"
        );
    };
    check("loss", results[0], &exact.loss);
    check("by the positive", results[1], &exact.by_positive);
    let mut by_kept = exact.by_negatives.iter();
    for (j, got) in results[3..].iter().enumerate() {
        match counts(j).then(|| by_kept.next()).flatten() {
            Some(by_negative) => check("by a negative", *got, by_negative),
            None => assert_eq!(got.to_bits(), 0, "by a negative that does not count"),
        }
    }
    // Half a unit, and 2^-32 of the terms.
    let by_temperature = results[2];
    let error = ulps(by_temperature, &exact.by_temperature);
    if error > 0.5 {
        let distance = (exact.by_temperature.clone() - f64::from(by_temperature)).abs();
        let half = half_unit(&exact.by_temperature);
        assert!(
            by_temperature.is_infinite() && exact.by_temperature.to_f32().abs() >= 3.4e38
                || distance <= exact.terms * 2.0_f64.powi(-32) + half,
            "by the temperature {by_temperature:e}, exact {:.20}: {positive:e} {kept:?} temperature {temperature}",
            exact.by_temperature
        );
    }
}

/// Half a unit in the last place of `f32` there.
fn half_unit(x: &Float) -> f64 {
    2.0_f64.powi((x.get_exp().unwrap_or(-200).max(-125) - 25).clamp(-1000, 1000))
}

fn batch(v: &mut Choices<'_>, temperature: f64) {
    let n = 1 + v.below(6);
    let pool = v.logits(36, false);
    let s: Vec<f32> = (0..n * n).map(|i| pool[i % pool.len()]).collect();
    let results = on_every_level(|backend| {
        let (mut rows, mut columns) = (vec![LogSumExp::default(); n], vec![LogSumExp::default(); n]);
        let mut grads = vec![7.0; n * n];
        let sums = SymmetricSums { rows: &mut rows, columns: &mut columns };
        let view = LogitsMut::new(&mut grads, n, n).expect("n rows");
        let matrix = Logits::new(&s, n, n).expect("n rows");
        let means = Run::on(backend).symmetric(matrix, temperature, sums, Some(view)).expect("good arguments");
        grads.extend(means);
        bits(&grads)
    });
    let exact = exact::symmetric(&s, n, temperature);
    for (i, (got, exact)) in results.iter().zip(exact.grads.iter().chain(&exact.means)).enumerate() {
        let got = f32::from_bits(*got);
        let bound = if i < n * n { BOUND } else { MEAN_BOUND };
        let error = ulps(got, exact);
        if i >= n * n && got == f32::INFINITY && leaves_range(&s, n, i == n * n + 1, temperature) {
            continue;
        }
        assert!(error <= bound, "{i}: {got:e}, exact {exact:.20}, {error} ULP: {s:?} temperature {temperature}");
    }
}

/// Whether the loss of a row, or of a column, leaves the range of `f32`: it is not less than the greatest difference.
fn leaves_range(s: &[f32], n: usize, columns: bool, temperature: f64) -> bool {
    (0..n * n).any(|at| {
        let (i, j) = if columns { (at % n, at / n) } else { (at / n, at % n) };
        let other = if columns { s[j * n + i] } else { s[i * n + j] };
        (f64::from(other) - f64::from(s[i * n + i])) / temperature >= f64::from(f32::MAX)
    })
}

fn groups(v: &mut Choices<'_>, temperature: f64) {
    let n = 1 + v.below(7);
    let pool = v.logits(49, false);
    let mut s: Vec<f32> = (0..n * n).map(|i| pool[i % pool.len()]).collect();
    // What is not looked at may be anything.
    (0..n).for_each(|i| s[i * n + i] = v.any());
    let labels: Vec<i64> = (0..n).map(|_| v.pick(&[0, 1, 2, -1])).collect();
    let against = v.pick(&[Against::Others, Against::Negatives]);
    let mean = v.pick(&[MeanOver::Pairs, MeanOver::Anchors, MeanOver::AnchorsWithPositives]);
    let similarities = Logits::new(&s, n, n).expect("n rows");
    let results = on_every_level(|backend| {
        let (mut losses, mut grads) = (vec![7.0; n], vec![7.0; n * n]);
        let view = LogitsMut::new(&mut grads, n, n).expect("n rows");
        let outputs = GroupsOutputs { losses: Some(&mut losses), grads: Some(view) };
        let groups = Groups { similarities, labels: &labels, against, mean };
        let result = Run::on(backend).groups(groups, temperature, outputs).expect("good arguments");
        bits(&[vec![result.loss], losses, grads].concat())
    });
    let results: Vec<f32> = results.into_iter().map(f32::from_bits).collect();
    let convention = exact::Convention {
        negatives_alone: against == Against::Negatives,
        over_pairs: mean == MeanOver::Pairs,
        all_anchors: mean == MeanOver::Anchors,
    };
    let exact = exact::grouped(&s, &labels, temperature, convention);
    let what = || format!("{s:?} {labels:?} {against:?} {mean:?} temperature {temperature}");
    for (i, (got, exact)) in results[1..=n].iter().zip(&exact.losses).enumerate() {
        assert!(ulps(*got, exact) <= BOUND, "loss {i}: {got:e}, exact {exact:.20}: {}", what());
    }
    // One that leaves the range makes the mean infinite.
    if results[..=n].iter().all(|x| x.is_finite()) {
        assert!(ulps(results[0], &exact.mean) <= MEAN_BOUND, "{:e}, exact {:.20}: {}", results[0], exact.mean, what());
    }
    for (place, (got, by)) in results[n + 1..].iter().zip(&exact.grads).enumerate() {
        let (i, j) = (place / n, place % n);
        let k = (0..n).filter(|&j| j != i && labels[j] == labels[i]).count();
        if k > 1 && labels[i] == labels[j] && against == Against::Others {
            let distance = (by.clone() - f64::from(*got)).abs();
            let allowed = exact.weights[i].clone() * 2.0_f64.powi(-29) + half_unit(by);
            assert!(distance <= allowed || got.is_infinite(), "by {i} {j}: {got:e}, exact {by:.20}: {}", what());
        } else {
            assert!(ulps(*got, by) <= 0.55, "by {i} {j}: {got:e}, exact {by:.20}: {}", what());
        }
    }
}
