//! Segments of trajectories against the judge, by worked values, and from end to end.

use preflane::logits::{Logits, LogitsMut};
use preflane::segments::{Distances, Ranked, Score, SegmentGrads, Segments};
use preflane::{Error, ExactSum, Loss, Outputs, Pairs, Run, evaluate_pair};
use preflane_judge::{Random, is_nearest, segments as exact};

const NAN: u32 = 0x7fc0_0000;
const INF: f32 = f32::INFINITY;
const DISCOUNTS: [f64; 7] = [1.0, 0.99, 0.5, 0.1, 0.0, 1e-300, 0.999_999_999_999];

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// On the calling thread and on two.
fn runs() -> [Run; 2] {
    [Run::default(), Run::default().threads(2).unwrap()]
}

fn scores(segments: Segments<'_>) -> Vec<f32> {
    let [one, two] = runs().map(|run| {
        let mut scores = vec![7.0; segments.len()];
        run.segment_scores(segments, &mut scores).unwrap();
        scores
    });
    assert_eq!(bits(&one), bits(&two));
    one
}

/// Gradients by values, reference values, first and last states.
fn grads(segments: Segments<'_>, given: &[f32]) -> [Vec<f32>; 4] {
    let states = if matches!(segments.score, Score::DeterministicRegret { .. }) { segments.len() } else { 0 };
    let n = segments.values.len();
    let [one, two] = runs().map(|run| {
        let mut all = [n, n, states, states].map(|n| vec![7.0; n]);
        let [values, ref_values, start, end] = all.each_mut().map(|x| Some(&mut x[..]));
        run.segment_grads(segments, given, SegmentGrads { values, ref_values, start, end }).unwrap();
        all
    });
    assert_eq!(bits(&one.concat()), bits(&two.concat()));
    one
}

/// Segments of random lengths, some of them empty.
fn offsets(random: &mut Random, segments: usize, longest: usize) -> Vec<usize> {
    let mut offsets = vec![0];
    for _ in 0..segments {
        offsets.push(offsets[offsets.len() - 1] + random.bits() as usize % (longest + 1));
    }
    offsets
}

#[test]
fn scores_and_gradients_against_the_judge() {
    let mut random = Random(31);
    for discount in DISCOUNTS {
        for (round, (number, longest)) in [(200, 12), (3, 900), (40, 30), (40, 30)].into_iter().enumerate() {
            let offsets = offsets(&mut random, number, longest);
            let n = offsets[number];
            let mut value = || if round < 2 { (4.0 * random.unit() - 3.0) as f32 } else { random.finite() };
            let mut values = |n: usize| (0..n).map(|_| value()).collect::<Vec<f32>>();
            let (x, less, start, end, given) = (values(n), values(n), values(number), values(number), values(number));
            let by_end = Score::DeterministicRegret { start: &start, end: &end };
            for (ref_values, score) in [
                (None, Score::Sum),
                (Some(&less[..]), Score::Sum),
                (None, Score::Regret),
                (None, by_end),
                (Some(&less[..]), by_end),
            ] {
                let segments = Segments { values: &x, ref_values, offsets: &offsets, discount, score };
                let got = scores(segments);
                let [by_values, by_ref, by_start, by_last] = grads(segments, &given);
                for i in 0..number {
                    let steps: Vec<(f32, f32)> =
                        (offsets[i]..offsets[i + 1]).map(|t| (x[t], ref_values.map_or(0.0, |x| x[t]))).collect();
                    let (want, sign) = match score {
                        Score::Sum => (exact::discounted_sum(&steps, discount), 1.0),
                        Score::Regret => (-exact::discounted_sum(&steps, discount), -1.0),
                        _ => (exact::deterministic_regret(&steps, discount, start[i], end[i]), -1.0),
                    };
                    assert!(is_nearest(got[i], &want), "{discount} {score:?} {steps:?}: {:e} {want:.20}", got[i]);
                    for (t, place) in (offsets[i]..offsets[i + 1]).enumerate() {
                        // The deepest are 0.
                        if longest > 100 && t > 40 && t % 50 != 0 {
                            continue;
                        }
                        let want = exact::discounted(discount, t) * f64::from(sign * given[i]);
                        let got = by_values[place];
                        assert!(is_nearest(got, &want), "{discount}^{t} {:e}: {got:e} {want:.20}", given[i]);
                        assert_eq!(by_ref[place].to_bits(), (0.0 - got).to_bits());
                    }
                    if let Score::DeterministicRegret { .. } = score {
                        assert_eq!(by_start[i].to_bits(), (given[i] + 0.0).to_bits());
                        let want = -exact::discounted(discount, steps.len()) * f64::from(given[i]);
                        assert!(is_nearest(by_last[i], &want), "{discount}: {:e} {want:.20}", by_last[i]);
                    }
                }
            }
        }
    }
}

/// Sums that lie in the middle between two `f32`, and beside it by what no `f64` sees.
#[test]
fn ties_of_sums_and_products() {
    let score =
        |values: &[f32], discount: f64| scores(Segments { discount, ..Segments::new(values, &[0, values.len()]) })[0];
    let ulp = f32::EPSILON;
    assert_eq!(score(&[1.0, ulp / 2.0], 1.0), 1.0);
    assert_eq!(score(&[1.0, ulp / 2.0, 1e-45], 1.0), 1.0 + ulp);
    assert_eq!(score(&[1.0 + ulp, ulp / 2.0], 1.0), 1.0 + 2.0 * ulp);
    assert_eq!(score(&[1.0, ulp], 0.5), 1.0);
    assert_eq!(score(&[1.0 + ulp, ulp], 0.5), 1.0 + 2.0 * ulp);
    assert_eq!(score(&[1.0, ulp, 1e-38], 0.5), 1.0 + ulp);
    assert_eq!(score(&[1.0, ulp, -1e-38], 0.5), 1.0);
    assert_eq!(score(&[1.0 + ulp, ulp, -1e-38], 0.5), 1.0 + ulp);
    let mut long = [0.0; 300];
    (long[0], long[1], long[299]) = (1.0, ulp, 1e-38);
    assert_eq!(score(&long, 0.5), 1.0 + ulp);
    // Large terms that cancel.
    assert_eq!(score(&[3e38, -3e38, 1e-45], 1.0), 1e-45);
    assert_eq!(score(&[1e30, -2e30, 4.0], 0.5), 1.0);
    assert_eq!(score(&[0.5, -1.0], 0.5).to_bits(), 0);
    assert_eq!(score(&[-0.0], 0.5).to_bits(), 0);
    // A subnormal gradient's ties: halves of an odd number of units.
    let unit = f32::from_bits(1);
    for (odd, half) in [(1, 0), (3, 2), (5, 2), (7, 4)] {
        let segments = Segments { discount: 0.5, ..Segments::new(&[0.0; 2], &[0, 2]) };
        let [by, ..] = grads(segments, &[unit * odd as f32]);
        assert_eq!(by[1], unit * half as f32);
    }
}

#[test]
fn what_is_not_finite_stays_in_its_segment() {
    let x = [1.0, f32::NAN, INF, 2.0, INF, -INF, -INF, 3.0];
    let of = |discount| scores(Segments { discount, ..Segments::new(&x, &[0, 2, 4, 6, 7, 8, 8]) });
    for discount in [1.0, 0.5] {
        assert_eq!(bits(&of(discount)), [NAN, INF.to_bits(), NAN, (-INF).to_bits(), 3.0_f32.to_bits(), 0]);
    }
    // What a discount of 0 leaves out.
    assert_eq!(bits(&of(0.0))[..3], [NAN, INF.to_bits(), INF.to_bits()]);
    assert_eq!(scores(Segments { discount: 0.0, ..Segments::new(&[1.0, INF], &[0, 2]) }), [1.0]);
    let regret = Score::DeterministicRegret { start: &[INF, 1.0, 1.0], end: &[0.0, INF, -INF] };
    let segments = |discount| Segments { discount, score: regret, ..Segments::new(&[0.0, 0.0], &[0, 1, 2, 2]) };
    assert_eq!(scores(segments(0.9)), [INF, -INF, INF]);
    assert_eq!(scores(segments(1.0)), [INF, -INF, INF]);
    assert_eq!(scores(segments(0.0)), [INF, 1.0, INF]);
    let less = Segments { ref_values: Some(&[INF]), ..Segments::new(&[INF], &[0, 1]) };
    assert_eq!(bits(&scores(less)), [NAN]);
    let [by, ..] = grads(Segments { discount: 0.5, ..Segments::new(&[0.0; 4], &[0, 2, 4]) }, &[f32::NAN, -INF]);
    assert_eq!(bits(&by), [NAN, NAN, (-INF).to_bits(), (-INF).to_bits()]);
    let [by, ..] = grads(Segments { discount: 0.0, ..Segments::new(&[0.0; 2], &[0, 2]) }, &[INF]);
    assert_eq!(by, [INF, 0.0]);
}

/// Knox et al.: equal partial returns, but the first segment could have done better.
#[test]
fn worked_values_of_regrets() {
    let (rewards, offsets) = ([-1.0, -1.0, -1.0, -1.0], [0, 2, 4]);
    assert_eq!(scores(Segments::new(&rewards, &offsets)), [-2.0, -2.0]);
    let score = Score::DeterministicRegret { start: &[-3.0, -2.0], end: &[-2.0, 0.0] };
    let regrets = scores(Segments { score, ..Segments::new(&rewards, &offsets) });
    assert_eq!(regrets, [1.0, 0.0]);
    let advantages = [-0.5, -0.5, 0.0, 0.0];
    assert_eq!(scores(Segments { score: Score::Regret, ..Segments::new(&advantages, &offsets) }), [1.0, 0.0]);
    let row = |loss: Loss, scores: &[f32], y: f32| {
        let (mut losses, mut by) = ([0.0], [0.0]);
        let outputs = Outputs { losses: Some(&mut losses), grad_chosen_logps: Some(&mut by), ..Default::default() };
        let pairs = Pairs::reference_free(&scores[..1], &scores[1..]).with_column(std::slice::from_ref(&y));
        Run::default().evaluate(&loss, pairs, outputs, None).unwrap();
        (losses[0], by[0])
    };
    let p = 0.268_941_421_37_f64;
    let (loss, by) = row(Loss::regret().unwrap(), &regrets, 1.0);
    assert!((f64::from(loss) + p.ln()).abs() < 1e-7 && (f64::from(by) - (1.0 - p)).abs() < 1e-7, "{loss} {by}");
    assert_eq!(row(Loss::partial_return().unwrap(), &[-2.0, -2.0], 0.25), (std::f32::consts::LN_2, 0.25));
}

/// At bias 1, without a discount and with a certain preference, contrastive preference learning is DPO.
#[test]
fn cpl_in_its_kl_form_is_dpo() {
    let mut random = Random(32);
    let offsets = [0, 5, 12];
    let mut logps = || (0..12).map(|_| -((random.bits() % 64) as f32) / 16.0).collect::<Vec<f32>>();
    for _ in 0..200 {
        let (policy, reference) = (logps(), logps());
        let [of_policy, of_reference] = [&policy, &reference].map(|values| scores(Segments::new(values, &offsets)));
        let less = scores(Segments { ref_values: Some(&reference), ..Segments::new(&policy, &offsets) });
        let dpo = evaluate_pair(
            &Loss::dpo(0.1).unwrap(),
            of_policy[0],
            of_policy[1],
            Some((of_reference[0], of_reference[1])),
        );
        let (mut losses, mut by) = ([0.0], [0.0]);
        let outputs = Outputs { losses: Some(&mut losses), grad_rejected_logps: Some(&mut by), ..Default::default() };
        let pairs = Pairs::reference_free(&less[..1], &less[1..]).with_column(&[1.0]);
        Run::default().evaluate(&Loss::cpl(0.1, 1.0).unwrap(), pairs, outputs, None).unwrap();
        let near = |a: f32, b: f32| (a.to_bits() as i32 - b.to_bits() as i32).abs() <= 1;
        assert!(near(losses[0], dpo.loss) && near(by[0], dpo.grad_rejected_logps), "{losses:?} {dpo:?}");
    }
}

fn distances(given: Distances<'_>, by_distance: &[f32]) -> (Vec<f32>, Vec<f32>, u64) {
    let (steps, d) = (given.actions.rows(), given.actions.columns());
    let [one, two] = runs().map(|run| {
        let (mut out, mut grads) = (vec![7.0; given.len()], vec![7.0; steps * d]);
        let empty = run.segment_distances(given, &mut out).unwrap();
        run.segment_distances_grad(given, by_distance, LogitsMut::new(&mut grads, steps, d).unwrap()).unwrap();
        (out, grads, empty)
    });
    assert_eq!((bits(&one.0), bits(&one.1), one.2), (bits(&two.0), bits(&two.1), two.2));
    one
}

#[test]
fn distances_against_the_judge() {
    let mut random = Random(33);
    for d in [1, 2, 3, 8, 17] {
        for (round, (number, longest)) in [(150, 6), (3, 400), (30, 12)].into_iter().enumerate() {
            let offsets = offsets(&mut random, number, longest);
            let n = offsets[number].max(1);
            let offsets: Vec<usize> = offsets.iter().map(|x| if *x == offsets[number] { n } else { *x }).collect();
            let mut value = || match round {
                0 => (2.0 * random.unit() - 1.0) as f32,
                1 => [0.0, 3.0, 4.0, -1.0][random.bits() as usize % 4],
                _ => random.finite(),
            };
            let mut values = |n: usize| (0..n).map(|_| value()).collect::<Vec<f32>>();
            let (p, a, given) = (values(n * d), values(n * d), values(number));
            let mask: Vec<bool> = (0..n).map(|_| !random.bits().is_multiple_of(4)).collect();
            let [policy, actions] = [&p, &a].map(|x| Logits::new(x, n, d).unwrap());
            let (out, grads, empty) =
                distances(Distances { policy, actions, mask: Some(&mask), offsets: &offsets }, &given);
            let mut none = 0;
            for i in 0..number {
                let counted: Vec<usize> = (offsets[i]..offsets[i + 1]).filter(|&t| mask[t]).collect();
                none += u64::from(counted.is_empty());
                let steps: Vec<_> = counted.iter().map(|&t| (policy.row(t), actions.row(t))).collect();
                if steps.is_empty() {
                    assert_eq!(out[i].to_bits(), 0);
                    continue;
                }
                let (want, by) = exact::distance(&steps);
                assert!(is_nearest(out[i], &want), "{steps:?}: {:e} {want:.20}", out[i]);
                for (k, by) in by.into_iter().enumerate() {
                    let want = by * f64::from(given[i]);
                    let got = grads[counted[k / d] * d + k % d];
                    assert!(is_nearest(got, &want), "{:?}: {got:e} {want:.20}", steps[k / d]);
                }
            }
            assert_eq!(empty, none);
            for (t, counts) in mask.iter().enumerate() {
                assert!(*counts || bits(&grads[t * d..(t + 1) * d]).iter().all(|x| *x == 0));
            }
        }
    }
}

#[test]
fn distances_at_their_edges() {
    // Roots of squares, at ties of their mean: lengths 5 and 5 (1 + 2^-22) have the mean 2.5 (1 + 2^-23) halved.
    let big = 1.0 + 2.0_f32.powi(-22);
    let (p, a) = ([3.0, 4.0, 3.0 * big, 4.0 * big, f32::NAN, INF], [0.0; 6]);
    let [policy, actions] = [&p, &a].map(|x| Logits::new(x, 3, 2).unwrap());
    let mask = [true, true, false];
    let (out, grads, empty) =
        distances(Distances { policy, actions, mask: Some(&mask), offsets: &[0, 3, 3] }, &[1.0, 1.0]);
    assert_eq!((out[0], out[1], empty), (2.5 * (1.0 + 2.0_f32.powi(-23)), 0.0, 1));
    assert_eq!(grads, [0.15, 0.2, 0.15, 0.2, 0.0, 0.0]);
    // At distance 0 the gradient is 0, and what is infinite has its limit.
    let (p, a) =
        ([1.0, 2.0, -INF, 2.0, INF, -INF, f32::NAN, 0.0, INF, 0.0], [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, INF, 0.0]);
    let [policy, actions] = [&p, &a].map(|x| Logits::new(x, 5, 2).unwrap());
    let (out, grads, empty) =
        distances(Distances { policy, actions, mask: None, offsets: &[0, 1, 2, 3, 4, 5] }, &[1.0, 3.0, 1.0, 1.0, 1.0]);
    assert_eq!((bits(&out), empty), (vec![0, INF.to_bits(), INF.to_bits(), NAN, NAN], 0));
    assert_eq!(
        bits(&grads),
        bits(&[0.0, 0.0, -1.5, 0.0, f32::NAN, f32::NAN, f32::NAN, f32::NAN, f32::NAN, f32::NAN])
            .iter()
            .map(|x| if f32::from_bits(*x).is_nan() { NAN } else { *x })
            .collect::<Vec<_>>()
    );
}

#[test]
fn soft_maximum_against_the_judge() {
    let mut random = Random(34);
    for temperature in [0.001_f64, 0.1, 1.0, 50.0, 1e-12, 1e12] {
        for n in [1, 2, 3, 7, 40] {
            for round in 0..6 {
                let v: Vec<f32> = (0..n)
                    .map(|_| match round {
                        0 => random.finite(),
                        1 => 0.25,
                        _ => (random.unit() * temperature.clamp(1e-3, 10.0) * 8.0) as f32,
                    })
                    .collect();
                let values = Logits::new(&v, 1, n).unwrap();
                let (mut out, mut by, given) = ([7.0], vec![7.0; n], [random.unit() as f32]);
                Run::default().soft_maximum(values, temperature, &mut out).unwrap();
                let view = LogitsMut::new(&mut by, 1, n).unwrap();
                Run::default().soft_maximum_grad(values, temperature, &given, view).unwrap();
                let (want, grads) = exact::soft_maximum(&v, temperature);
                assert!(is_nearest(out[0], &want), "{v:?} T {temperature}: {:e} {want:.20}", out[0]);
                for (got, by) in by.iter().zip(grads) {
                    let want = by * f64::from(given[0]);
                    assert!(is_nearest(*got, &want), "{v:?} T {temperature}: {got:e} {want:.20}");
                }
            }
        }
    }
    // Not finite.
    let v = [f32::NAN, 1.0, INF, 1.0, INF, INF, -INF, 1.0, -INF, -INF];
    let values = Logits::new(&v, 5, 2).unwrap();
    let (mut out, mut by) = ([7.0; 5], [7.0; 10]);
    Run::default().soft_maximum(values, 0.5, &mut out).unwrap();
    Run::default().soft_maximum_grad(values, 0.5, &[2.0; 5], LogitsMut::new(&mut by, 5, 2).unwrap()).unwrap();
    assert_eq!(bits(&out), [NAN, INF.to_bits(), INF.to_bits(), 1.0_f32.to_bits(), (-INF).to_bits()]);
    let two = 2.0_f32.to_bits();
    assert_eq!(bits(&by), [NAN, NAN, two, 0, NAN, NAN, 0, two, NAN, NAN]);
}

#[test]
fn smoothness_against_the_judge() {
    let mut random = Random(35);
    for round in 0..60 {
        let n = 1 + random.bits() as usize % 50;
        let mut value = || if round % 2 == 0 { random.unit() as f32 } else { random.finite() };
        let mut values = || (0..n).map(|_| value()).collect::<Vec<f32>>();
        let (here, there) = (values(), values());
        for strength in [0.0, 0.3, 1.0, 1e-20] {
            let mut grads = vec![7.0; n];
            let got = Run::default().smoothness(strength, &here, &there, Some(&mut grads)).unwrap();
            let want = exact::smoothness(strength, &here, &there);
            assert!(is_nearest(got, &want), "{strength} {here:?} {there:?}: {got:e} {want:.20}");
            for (i, got) in grads.iter().enumerate() {
                // The derivative of one square.
                let difference = exact::discounted_sum(&[(here[i], there[i])], 1.0);
                let want = difference * strength * 2.0 / n as f64;
                assert!(is_nearest(*got, &want), "{got:e} {want:.20}");
            }
        }
    }
    let of = |strength, here: &[f32]| Run::default().smoothness(strength, here, &[0.0][..here.len()], None);
    assert_eq!(of(1.0, &[]).unwrap().to_bits(), 0);
    assert_eq!(of(1.0, &[-INF]), Ok(INF));
    assert_eq!(of(0.0, &[INF]), Ok(0.0));
    assert_eq!(of(0.0, &[f32::NAN]).unwrap().to_bits(), NAN);
    for strength in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(of(strength, &[1.0]), Err(Error::Parameter { name: "strength", .. })));
    }
}

/// The mean over all pairs of ranked segments, and its gradient.
fn ranked_loss(loss: &Loss, ranked: Ranked<'_>, values: &[f32], lists: usize) -> (Vec<f32>, Vec<f32>) {
    let n = ranked.len();
    let (mut preferred, mut others) = (vec![7.0; n], vec![7.0; n]);
    ranked.lay_out(values, &mut preferred, &mut others).unwrap();
    let (mut losses, mut a, mut b) = (vec![7.0; n], vec![7.0; n], vec![7.0; n]);
    let outputs = Outputs {
        losses: Some(&mut losses),
        grad_chosen_logps: Some(&mut a),
        grad_rejected_logps: Some(&mut b),
        ..Default::default()
    };
    let certain = vec![1.0; n];
    let pairs = Pairs::reference_free(&preferred, &others);
    let pairs = if loss.description().column.is_some() { pairs.with_column(&certain) } else { pairs };
    Run::default().evaluate(loss, pairs, outputs, None).unwrap();
    let (mut means, mut grads) = (vec![7.0; lists], vec![7.0; values.len()]);
    let mut scratch = vec![ExactSum::new(); ranked.longest()];
    ranked.means(&losses, &mut means).unwrap();
    ranked.gather(&a, &b, &mut scratch, &mut grads).unwrap();
    (means, grads)
}

#[test]
fn worked_values_of_ranked_segments() {
    let near = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-7, "{got} {want}");
    // The lists' second and third: all equal, and none. The fourth: two are equal.
    let scores = [0.0, 2.0, 1.0, 5.0, 5.0, 1.0, 0.0, 1.0];
    let ranked = Ranked::new(&scores, &[0, 3, 5, 5, 8]).unwrap();
    assert_eq!(ranked.pairs().collect::<Vec<_>>(), [(1, 0), (1, 2), (2, 0), (5, 6), (7, 6)]);
    assert_eq!((ranked.len(), ranked.longest(), ranked.is_empty()), (5, 3, false));
    let values = [-1.2, -0.7, -0.9, 1.0, 2.0, 0.25, 0.5, 0.125];
    let cpl = Loss::cpl(1.0, 0.5).unwrap();
    let (means, grads) = ranked_loss(&cpl, ranked, &values, 4);
    near(means[0], 0.808230441474);
    assert_eq!((means[1], means[2], grads[3], grads[4]), (0.0, 0.0, 0.0, 0.0));
    // By differences of the loss.
    for i in [0, 1, 2, 5, 6, 7] {
        let list = if i < 3 { 0 } else { 3 };
        let [low, high] = [-1.0_f32, 1.0].map(|sign| {
            let mut moved = values;
            moved[i] += sign / 64.0;
            f64::from(ranked_loss(&cpl, ranked, &moved, 4).0[list])
        });
        assert!(((high - low) * 32.0 - f64::from(grads[i])).abs() < 1e-4, "{i}: {} {}", (high - low) * 32.0, grads[i]);
    }
    let ranked = Ranked::new(&[2.0, 0.0, 1.0], &[0, 3]).unwrap();
    near(ranked_loss(&Loss::dppo(0.1, 0.5).unwrap(), ranked, &[0.2, 0.5, 0.35], 1).0[0], 0.871092697192);
    assert!(Ranked::new(&[], &[0]).unwrap().is_empty());
    // Infinite ones have an order; equal ones make no pair.
    let scores = [INF, INF, -INF];
    assert_eq!(Ranked::new(&scores, &[0, 3]).unwrap().pairs().collect::<Vec<_>>(), [(0, 2), (1, 2)]);
}

#[test]
fn errors_come_first() {
    let mut out = [7.0; 2];
    let good = Segments::new(&[0.0; 3], &[0, 1, 3]);
    let mut call = |segments| Run::default().segment_scores(segments, &mut out).unwrap_err();
    for discount in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(call(Segments { discount, ..good }), Error::Parameter { name: "discount", .. }));
    }
    for (offsets, index) in [(&[1, 1, 3][..], 0), (&[0, 4, 3], 2), (&[0, 1, 2], 2), (&[], 0)] {
        let error = call(Segments { offsets, ..good });
        assert!(matches!(error, Error::Offsets { index: at, .. } if at == index), "{offsets:?}: {error:?}");
    }
    let length = |argument, expected, got| Error::Length { argument, expected, got };
    assert_eq!(call(Segments { ref_values: Some(&[0.0]), ..good }), length("ref_values", 3, 1));
    let score = Score::DeterministicRegret { start: &[0.0; 2], end: &[0.0] };
    assert_eq!(call(Segments { score, ..good }), length("end", 2, 1));
    assert_eq!(call(Segments::new(&[], &[0])), length("scores", 0, 2));
    let mut by_start = [7.0; 2];
    let outputs = SegmentGrads { start: Some(&mut by_start), ..Default::default() };
    assert_eq!(Run::default().segment_grads(good, &[1.0; 2], outputs), Err(length("grads by start", 0, 2)));
    let error = Run::default().segment_grads(good, &[1.0], SegmentGrads::default());
    assert_eq!(error, Err(length("grads", 2, 1)));

    let m = [0.0; 6];
    let [policy, actions] = [(2, 3), (3, 2)].map(|(rows, columns)| Logits::new(&m, rows, columns).unwrap());
    let mut distance = |given| Run::default().segment_distances(given, &mut out).unwrap_err();
    let given = Distances { policy, actions, mask: None, offsets: &[0, 1, 3] };
    assert_eq!(distance(given), length("rows of policy", 3, 2));
    let given = Distances { policy: actions, mask: Some(&[true]), ..given };
    assert_eq!(distance(given), length("mask", 3, 1));
    assert!(matches!(
        distance(Distances { mask: None, offsets: &[0, 2], ..given }),
        Error::Offsets { index: 1, value: 2, .. }
    ));
    assert!(matches!(
        Run::default().soft_maximum(policy, 0.0, &mut out),
        Err(Error::Parameter { name: "temperature", .. })
    ));
    assert_eq!(Run::default().smoothness(1.0, &[0.0], &[], None), Err(length("there", 1, 0)));

    let error = Ranked::new(&[0.0, f32::NAN], &[0, 2]).unwrap_err();
    assert!(matches!(error, Error::Column { name: "score", row: 1, .. }));
    assert!(matches!(Ranked::new(&[0.0], &[0, 2]), Err(Error::Offsets { index: 1, .. })));
    let ranked = Ranked::new(&[0.0, 1.0], &[0, 2]).unwrap();
    assert_eq!(ranked.lay_out(&[0.0; 2], &mut [7.0; 2], &mut [7.0]), Err(length("preferred", 1, 2)));
    assert_eq!(ranked.gather(&[1.0], &[1.0], &mut [], &mut out), Err(Error::Full { what: "scratch", capacity: 0 }));
    assert_eq!((out, by_start), ([7.0; 2], [7.0; 2]));
}
