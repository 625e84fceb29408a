//! Segments of trajectories against the judge: scores, distances, the soft maximum, smoothness and their gradients; ranked segments
//! against a plain path.

use crate::{Choices, bits, check_mean, check_nan, choices};
use preflane::logits::{Logits, LogitsMut};
use preflane::segments::{Distances, Ranked, Score, SegmentGrads, Segments};
use preflane::{ExactSum, Run};
use preflane_judge::{Float, is_nearest, segments as exact};

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    match v.below(5) {
        0 | 1 => scores(&mut v),
        2 => distances(&mut v),
        3 => states(&mut v),
        _ => ranked(&mut v),
    }
}

/// A number that an everyday step has, or any finite one.
fn number(v: &mut Choices<'_>) -> f32 {
    if v.once_in(2) { v.finite() } else { v.logp() }
}

fn numbers(v: &mut Choices<'_>, n: usize) -> Vec<f32> {
    (0..n).map(|_| number(v)).collect()
}

/// Some segments, now and then with empty ones among them.
fn offsets(v: &mut Choices<'_>) -> Vec<usize> {
    let mut offsets = vec![0];
    for _ in 0..1 + v.below(4) {
        offsets.push(offsets[offsets.len() - 1] + v.below(12));
    }
    offsets
}

/// Where it runs.
fn place(v: &mut Choices<'_>) -> Run {
    if v.once_in(8) { Run::default().in_pool() } else { Run::default() }
}

fn check(what: &str, got: f32, exact: &Float) {
    assert!(is_nearest(got, exact), "{what} {got:e}, exact {exact:.20}");
}

fn scores(v: &mut Choices<'_>) {
    let discount = v.pick(&[1.0, 0.5, 0.99, 0.75, 0.0, 0.1, 1e-300, 1.0 - 1e-12]);
    let offsets = offsets(v);
    let (n, segments) = (offsets[offsets.len() - 1], offsets.len() - 1);
    let (values, less, start, end, given) =
        (numbers(v, n), numbers(v, n), numbers(v, segments), numbers(v, segments), numbers(v, segments));
    let ref_values = v.once_in(2).then_some(&less[..]);
    let score = match v.below(3) {
        0 => Score::Sum,
        1 => Score::Regret,
        _ => Score::DeterministicRegret { start: &start, end: &end },
    };
    let of_states = matches!(score, Score::DeterministicRegret { .. });
    let given_segments = Segments { values: &values, ref_values, offsets: &offsets, discount, score };
    let run = place(v);
    let mut out = vec![7.0; segments];
    run.segment_scores(given_segments, &mut out).expect("good arguments");
    let states = if of_states { segments } else { 0 };
    let (mut by, mut by_ref, mut by_start, mut by_end) =
        (vec![7.0; n], vec![7.0; n], vec![7.0; states], vec![7.0; states]);
    let outputs = SegmentGrads {
        values: Some(&mut by),
        ref_values: Some(&mut by_ref),
        start: Some(&mut by_start),
        end: Some(&mut by_end),
    };
    run.segment_grads(given_segments, &given, outputs).expect("good arguments");
    for i in 0..segments {
        let steps: Vec<(f32, f32)> =
            (offsets[i]..offsets[i + 1]).map(|t| (values[t], ref_values.map_or(0.0, |less| less[t]))).collect();
        let (want, sign) = match score {
            Score::Sum => (exact::discounted_sum(&steps, discount), 1.0),
            Score::Regret => (-exact::discounted_sum(&steps, discount), -1.0),
            _ => (exact::deterministic_regret(&steps, discount, start[i], end[i]), -1.0),
        };
        check("score", out[i], &want);
        for (t, step) in (offsets[i]..offsets[i + 1]).enumerate() {
            check("gradient", by[step], &(exact::discounted(discount, t) * f64::from(sign * given[i])));
            assert_eq!(by_ref[step].to_bits(), (0.0 - by[step]).to_bits());
        }
        if of_states {
            check("by the first state", by_start[i], &(exact::discounted(discount, 0) * f64::from(given[i])));
            let want = exact::discounted(discount, steps.len()) * f64::from(-given[i]);
            check("by the last state", by_end[i], &want);
        }
    }
    // One segment's score does not depend on the others; with anything in its place it is that or NaN alone.
    let mut any = values.clone();
    any.iter_mut().for_each(|x| *x = v.any());
    let mut again = vec![7.0; segments];
    run.segment_scores(Segments { values: &any, ..given_segments }, &mut again).expect("good arguments");
    check_nan(&again);
}

fn distances(v: &mut Choices<'_>) {
    let (offsets, d) = (offsets(v), 1 + v.below(5));
    let segments = offsets.len() - 1;
    let n = offsets[segments];
    if n == 0 {
        return;
    }
    let (mut p, a, given) = (numbers(v, n * d), numbers(v, n * d), numbers(v, segments));
    // Now and then no distance.
    for (p, a) in p.chunks_mut(d).zip(a.chunks(d)) {
        if v.once_in(6) {
            p.copy_from_slice(a);
        }
    }
    let mask: Option<Vec<bool>> = v.once_in(2).then(|| (0..n).map(|_| !v.once_in(3)).collect());
    for (i, row) in p.chunks_mut(d).enumerate() {
        if mask.as_ref().is_some_and(|mask| !mask[i]) {
            row.iter_mut().for_each(|x| *x = v.any());
        }
    }
    let [policy, actions] = [&p, &a].map(|x| Logits::new(x, n, d).expect("n rows"));
    let given_segments = Distances { policy, actions, mask: mask.as_deref(), offsets: &offsets };
    let run = place(v);
    let (mut out, mut grads) = (vec![7.0; segments], vec![7.0; n * d]);
    let empty = run.segment_distances(given_segments, &mut out).expect("good arguments");
    let view = LogitsMut::new(&mut grads, n, d).expect("n rows");
    run.segment_distances_grad(given_segments, &given, view).expect("good arguments");
    let mut none = 0;
    for i in 0..segments {
        let counts = |t: &usize| mask.as_ref().is_none_or(|mask| mask[*t]);
        let (counted, left): (Vec<usize>, Vec<usize>) = (offsets[i]..offsets[i + 1]).partition(counts);
        assert!(left.iter().all(|t| bits(&grads[t * d..(t + 1) * d]).iter().all(|x| *x == 0)));
        none += u64::from(counted.is_empty());
        if counted.is_empty() {
            assert_eq!(out[i].to_bits(), 0);
            continue;
        }
        let steps: Vec<_> = counted.iter().map(|&t| (policy.row(t), actions.row(t))).collect();
        let (want, by) = exact::distance(&steps);
        check("distance", out[i], &want);
        for (k, by) in by.into_iter().enumerate() {
            check("gradient", grads[counted[k / d] * d + k % d], &(by * f64::from(given[i])));
        }
    }
    assert_eq!(empty, none);
}

fn states(v: &mut Choices<'_>) {
    let n = 1 + v.below(8);
    let temperature = v.pick(&[0.001, 1.0, 0.1, 30.0, 1e-12, 1e12]);
    let (values, there, given) = (numbers(v, n), numbers(v, n), [number(v)]);
    let matrix = Logits::new(&values, 1, n).expect("one row");
    let (mut out, mut by) = ([7.0], vec![7.0; n]);
    Run::default().soft_maximum(matrix, temperature, &mut out).expect("good arguments");
    let view = LogitsMut::new(&mut by, 1, n).expect("one row");
    Run::default().soft_maximum_grad(matrix, temperature, &given, view).expect("good arguments");
    let (want, grads) = exact::soft_maximum(&values, temperature);
    check("soft maximum", out[0], &want);
    for (got, want) in by.iter().zip(grads) {
        check("gradient", *got, &(want * f64::from(given[0])));
    }
    let strength = v.weight().into();
    let mut by = vec![7.0; n];
    let got = Run::default().smoothness(strength, &values, &there, Some(&mut by)).expect("good arguments");
    check("smoothness", got, &exact::smoothness(strength, &values, &there));
    for (i, got) in by.iter().enumerate() {
        let difference = exact::discounted_sum(&[(values[i], there[i])], 1.0);
        check("gradient", *got, &(difference * strength * 2.0 / n as f64));
    }
}

fn ranked(v: &mut Choices<'_>) {
    let offsets = offsets(v);
    let lists = offsets.len() - 1;
    let n = offsets[lists];
    let few = [0.0, 1.0, -1.0, f32::INFINITY, 0.5];
    let scores: Vec<f32> = (0..n).map(|_| if v.once_in(3) { number(v) } else { v.pick(&few) }).collect();
    let values = numbers(v, n);
    let ranked = Ranked::new(&scores, &offsets).expect("no NaN");
    let mut pairs = Vec::new();
    let mut of_list = vec![0; lists];
    for (list, count) in of_list.iter_mut().enumerate() {
        for i in offsets[list]..offsets[list + 1] {
            for j in offsets[list]..offsets[list + 1] {
                if scores[i] > scores[j] {
                    pairs.push((list, i, j));
                    *count += 1;
                }
            }
        }
    }
    assert!(ranked.pairs().eq(pairs.iter().map(|&(_, i, j)| (i, j))));
    assert_eq!((ranked.len(), ranked.is_empty()), (pairs.len(), pairs.is_empty()));
    let (mut preferred, mut others) = (vec![7.0; pairs.len()], vec![7.0; pairs.len()]);
    ranked.lay_out(&values, &mut preferred, &mut others).expect("good arguments");
    let (losses, a, b): (Vec<f32>, Vec<f32>, Vec<f32>) =
        (pairs.iter().map(|_| v.any()).collect(), numbers(v, pairs.len()), numbers(v, pairs.len()));
    let (mut means, mut grads) = (vec![7.0; lists], vec![7.0; n]);
    let mut scratch = vec![ExactSum::new(); ranked.longest()];
    ranked.means(&losses, &mut means).expect("good arguments");
    ranked.gather(&a, &b, &mut scratch, &mut grads).expect("good arguments");
    for (k, &(_, i, j)) in pairs.iter().enumerate() {
        assert_eq!(bits(&[preferred[k], others[k]]), bits(&[values[i], values[j]]));
    }
    for (list, &count) in of_list.iter().enumerate() {
        let places = || (0..pairs.len()).filter(|&k| pairs[k].0 == list);
        if count == 0 {
            assert_eq!(means[list].to_bits(), 0);
        } else {
            check_mean(means[list], &places().map(|k| losses[k]).collect::<Vec<_>>(), count);
        }
        for segment in offsets[list]..offsets[list + 1] {
            let of_first = places().filter(|&k| pairs[k].1 == segment).map(|k| a[k]);
            let of_second = places().filter(|&k| pairs[k].2 == segment).map(|k| b[k]);
            let terms: Vec<f32> = of_first.chain(of_second).collect();
            if count == 0 {
                assert_eq!(grads[segment].to_bits(), 0);
            } else {
                check_mean(grads[segment], &terms, count);
            }
        }
    }
}
