//! Exact sums, metrics and mean log-ratios: every order, partition, level and tree of merges gives the same state, and the state is the truth.

use crate::{Choices, Columns, Results, backends, check_mean, choices, loss, ratio_order};
use preflane::losses::ReferencePoint;
use preflane::{ExactSum, MeanLogRatio, Metrics, Outputs, Pairs, Run};
use preflane_judge::classes::Values;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let value = if v.once_in(4) { Values::any } else { Values::finite };
    if v.once_in(4) {
        mean_log_ratios(&mut v, value);
    } else if v.once_in(2) {
        let n = v.below(80);
        let values: Vec<f32> = (0..n).map(|_| value(&mut v)).collect();
        sums(&mut v, &values);
    } else {
        metrics(&mut v, value);
    }
}

fn total(values: &[f32]) -> ExactSum {
    let mut sum = ExactSum::new();
    values.iter().for_each(|&x| sum.add(x));
    sum
}

/// That a sum and its mean are those of some values.
fn check(got: &ExactSum, values: &[f32], count: u64) {
    check_mean(got.sum(), values, 1);
    check_mean(got.mean(count), values, count);
}

fn sums(v: &mut Choices<'_>, values: &[f32]) {
    let whole = total(values);
    let mut parts = vec![ExactSum::new(); 1 + v.below(6)];
    for &x in values {
        let at = v.below(parts.len());
        parts[at].add(x);
    }
    let merged = v.merge(parts, ExactSum::merge);
    assert_eq!(merged, whole, "{values:?}");
    let count = match v.below(4) {
        0 => 0,
        1 => values.len() as u64,
        2 => u64::MAX - u64::from(v.below(3) as u8),
        _ => 1 << v.below(64) | v.below(256) as u64,
    };
    check(&whole, values, count);
}

/// Rows of answers, or of pairs, in parts that are saved and merged.
fn mean_log_ratios<'a>(v: &mut Choices<'a>, value: fn(&mut Choices<'a>) -> f32) {
    let n = v.below(70) * if v.once_in(8) { 20 } else { 1 };
    let [pc, pr, rc, rr] = [(); 4].map(|()| (0..n).map(|_| value(v)).collect::<Vec<f32>>());
    let (are_pairs, referenced) = (v.once_in(2), v.once_in(2));
    let add = |state: &mut MeanLogRatio, rows: std::ops::Range<usize>| {
        let cut = |x: &'_ [f32]| x[rows.clone()].to_vec();
        let [pc, pr, rc, rr] = [&pc, &pr, &rc, &rr].map(|x| cut(x));
        let added = match (are_pairs, referenced) {
            (false, _) => state.add(&pc, &rc),
            (true, true) => state.add_pairs(Pairs::new(&pc, &pr, &rc, &rr)),
            (true, false) => state.add_pairs(Pairs::reference_free(&pc, &pr)),
        };
        added.expect("equal lengths");
    };
    let mut whole = MeanLogRatio::new();
    add(&mut whole, 0..n);
    let mut parts = vec![MeanLogRatio::new(); 1 + v.below(4)];
    let mut start = 0;
    while start < n {
        let end = n.min(start + 1 + v.below(100));
        let at = v.below(parts.len());
        add(&mut parts[at], start..end);
        if v.once_in(3) {
            parts[at] = MeanLogRatio::from_bytes(&parts[at].to_bytes()).expect("its own bytes");
        }
        start = end;
    }
    assert_eq!(v.merge(parts, MeanLogRatio::merge), whole);
    // The sum and the counts, anew from the rows.
    let terms = |row: usize| match (are_pairs, referenced) {
        (false, _) => vec![pc[row], -rc[row]],
        (true, true) => vec![pc[row], -pr[row], -rc[row], rr[row]],
        (true, false) => vec![pc[row], -pr[row]],
    };
    let finite: Vec<Vec<f32>> = (0..n).map(terms).filter(|terms| terms.iter().all(|x| x.is_finite())).collect();
    let rows = finite.len() as u64;
    assert_eq!((whole.rows(), whole.nonfinite()), (rows, n as u64 - rows));
    check(whole.log_ratios(), &finite.concat(), rows);
    let [mismatched, all] = [ReferencePoint::Mismatched, ReferencePoint::All].map(|kind| whole.reference_point(kind));
    let mean = if rows == 0 { 0.0 } else { whole.mean() };
    assert_eq!([mismatched, all].map(f32::to_bits), [mean.max(0.0), mean].map(f32::to_bits));
    // Against itself a batch keeps beta.
    assert_eq!(whole.beta(&whole, 0.25, 3.0), Ok(0.25));
    let beta = whole.beta(&MeanLogRatio::new(), 0.25, 1e300);
    assert_eq!(beta, Ok(0.25));
}

fn metrics<'a>(v: &mut Choices<'a>, value: fn(&mut Choices<'a>) -> f32) {
    let (_, loss) = loss(v);
    // Across the lanes of every level, and sometimes across a block of the exact sums.
    let n = v.below(70);
    let mut columns = Columns::new(v, n, value);
    if v.once_in(16) && n > 0 {
        for column in &mut columns.columns {
            *column = column.iter().copied().cycle().take(500 + n).collect();
        }
    }
    let n = columns.len();
    let mut results = Results::new(n);
    let mut whole = Metrics::new();
    let backend = v.pick(backends());
    Run::on(backend)
        .evaluate(&loss, columns.pairs(0..n), results.outputs(usize::MAX), Some(&mut whole))
        .expect("good arguments");

    let mut parts = vec![Metrics::new(); 1 + v.below(4)];
    let mut start = 0;
    while start < n {
        let end = n.min(start + 1 + v.below(100));
        let backend = v.pick(backends());
        let at = v.below(parts.len());
        // With the outputs that the metrics are made of, or without.
        let mut some = Results::new(end - start);
        let outputs = if v.once_in(2) { some.outputs(v.below(512)) } else { Outputs::default() };
        Run::on(backend)
            .evaluate(&loss, columns.pairs(start..end), outputs, Some(&mut parts[at]))
            .expect("good arguments");
        start = end;
    }
    let merged = v.merge(parts, Metrics::merge);
    assert_eq!(merged, whole);

    let n = n as u64;
    assert_eq!(whole.pairs(), n);
    assert_eq!(whole.referenced(), if columns.reference { n } else { 0 });
    let [loss, chosen, rejected, margins, ..] = &results.0;
    let [pc, pr, rc, rr, weights] = &columns.columns;
    for (got, values) in [
        (whole.loss(), loss),
        (whole.rewards_chosen(), chosen),
        (whole.rewards_rejected(), rejected),
        (whole.margins(), margins),
        (whole.logps_chosen(), pc),
        (whole.logps_rejected(), pr),
        (whole.weights(), weights),
    ] {
        check(got, values, n);
    }
    // Counts, anew from their definitions.
    let count = |of: &dyn Fn(usize) -> bool| (0..n as usize).filter(|&row| of(row)).count() as u64;
    let order = |row: usize| ratio_order(columns.row(row).0);
    assert_eq!(whole.accurate(), count(&|row| order(row).is_some_and(|o| o.is_gt())));
    assert_eq!(whole.ties(), count(&|row| order(row).is_some_and(|o| o.is_eq())));
    let reference = columns.reference;
    assert_eq!(whole.chosen_fell(), count(&|row| reference && pc[row] < rc[row]));
    assert_eq!(whole.rejected_fell(), count(&|row| reference && pr[row] < rr[row]));
    assert_eq!(whole.both_fell(), count(&|row| reference && pc[row] < rc[row] && pr[row] < rr[row]));
    let finite =
        |row: usize| [pc, pr, rc, rr, loss, chosen, rejected, margins].iter().all(|column| column[row].is_finite());
    assert_eq!(whole.nonfinite(), count(&|row| !finite(row)));
}
