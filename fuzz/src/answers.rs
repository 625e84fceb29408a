//! Labelled and listed answers: every result is the nearest `f32` to the exact value, whatever stands beside it and wherever a batch
//! is cut; what cannot be computed is refused by name before anything is written.

use crate::{Choices, JUDGED, backends, bits, check_mean, check_nan, choices, described, ratio_order};
use preflane::kl::{KlEstimate, KlOutputs, KlTokens};
use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs, evaluate_answer};
use preflane::listed::{ListMetrics, ListOutputs, ListScratch, Lists};
use preflane::losses::{Parameter, Shape};
use preflane::{Error, ExactSum, LabelledLoss, ListedLoss, Loss, Outputs, Pairs, Run};
use preflane_judge::classes::Values;
use preflane_judge::{Answers, Float, Textbook, is_nearest, is_nearest_within, is_rounded};
use std::ops::Range;

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    match v.below(5) {
        0 | 1 => labelled(&mut v),
        2 | 3 => listed(&mut v),
        _ => divergences(&mut v),
    }
}

/// What no result is: -0.
const UNTOUCHED: u32 = 0x8000_0000;

fn untouched(n: usize) -> Vec<f32> {
    vec![f32::from_bits(UNTOUCHED); n]
}

/// Slices of columns, those whose bit is set.
fn slices<const N: usize>(columns: &mut [Vec<f32>; N], wanted: usize) -> [Option<&mut [f32]>; N] {
    let mut slices = columns.each_mut().map(|column| Some(column.as_mut_slice()));
    (0..N).filter(|k| wanted >> k & 1 == 0).for_each(|k| slices[k] = None);
    slices
}

/// What is not finite and 0 or above.
fn bad_weight(v: &mut Choices<'_>) -> f32 {
    v.pick(&[f32::NAN, f32::INFINITY, -1.0, -1e-45, f32::NEG_INFINITY, -f32::MAX])
}

/// A number of a column: of its grid, or any in its range that the choices have.
fn in_column(v: &mut Choices<'_>, column: &Parameter) -> f32 {
    let any = if v.once_in(2) { v.finite() } else { v.logp() };
    if v.once_in(2) && column.check(any.into()).is_ok() { any } else { v.pick(column.grid) as f32 }
}

/// Answers of either shape.
#[derive(Debug)]
struct Columns {
    policy: Vec<f32>,
    /// Zeros where there is none.
    reference: Vec<f32>,
    referenced: bool,
    weights: Option<Vec<f32>>,
}

impl Columns {
    fn new(v: &mut Choices<'_>, answers: usize, weights: usize) -> Self {
        let value = if v.once_in(6) { Values::any } else { Values::finite };
        let referenced = !v.once_in(4);
        let policy = (0..answers).map(|_| value(v)).collect();
        let reference = (0..answers).map(|_| if referenced { value(v) } else { 0.0 }).collect();
        let weights = v.once_in(3).then(|| (0..weights).map(|_| v.weight()).collect());
        Self { policy, reference, referenced, weights }
    }

    fn reference(&self) -> Option<&[f32]> {
        self.referenced.then_some(&self.reference)
    }

    fn answer(&self, i: usize) -> [f32; 2] {
        [self.policy[i], self.reference[i]]
    }

    fn weight(&self, row: usize) -> f32 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

/// That a result is the nearest, if it was wanted.
fn check_nearest(textbook: &Textbook, shown: &dyn std::fmt::Debug, what: &str, got: f32, exact: &Float) {
    let is_right = if what == "reward" { is_rounded } else { is_nearest };
    let right = got.to_bits() == UNTOUCHED || is_right(got, exact);
    assert!(right, "{textbook:?} {shown:?}: {what} is {got:e}, exact {exact:.20}");
}

/// That a derivative of a list is nearest to what its definition leaves of the exact value.
fn check_derivative(textbook: &Textbook, shown: &dyn std::fmt::Debug, what: &str, got: f32, exact: [&Float; 2]) {
    let [exact, slack] = exact;
    let right = got.to_bits() == UNTOUCHED || is_nearest_within(got, exact, slack);
    assert!(right, "{textbook:?} {shown:?}: {what} is {got:e}, exact {exact:.20}");
}

fn is_finite(answer: [f32; 2]) -> bool {
    answer.iter().all(|x| x.is_finite())
}

/// Whether an answer has no log-ratio.
fn is_undefined([policy, reference]: [f32; 2]) -> bool {
    (f64::from(policy) - f64::from(reference)).is_nan()
}

fn check_reward(got: f32, answer: [f32; 2]) {
    if got.to_bits() == UNTOUCHED || is_finite(answer) {
        return;
    }
    let limit = f64::from(answer[0]) - f64::from(answer[1]);
    assert!(if limit.is_nan() { got.is_nan() } else { f64::from(got) == limit }, "{answer:?}: the reward is {got:e}");
}

fn labelled(v: &mut Choices<'_>) {
    let (description, parameters, textbook) = described(v, Shape::Labelled);
    let loss = LabelledLoss::new(description, &parameters).expect("parameters within their ranges");
    let n = v.below(10);
    let columns = Columns::new(v, n, n);
    let desirable: Vec<bool> = (0..n).map(|_| v.once_in(2)).collect();
    let reference_point = if v.once_in(3) || description.reference_point.is_none() { 0.0 } else { v.finite() };
    let has_bias = description.parameters.iter().any(|parameter| parameter.name == "bias");
    let answers = Labelled {
        policy_logps: &columns.policy,
        ref_logps: columns.reference(),
        desirable: &desirable,
        reference_point,
        weights: columns.weights.as_deref(),
        column: None,
    };
    let backend = v.pick(backends());
    let evaluate =
        |answers: Labelled<'_>, results: &mut [Vec<f32>; 6], wanted: usize, metrics: &mut LabelledMetrics| {
            let [losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias] = slices(results, wanted);
            let outputs = LabelledOutputs { losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias };
            Run::on(backend).evaluate_labelled(&loss, answers, outputs, Some(metrics))
        };
    if v.once_in(4) {
        let (longer, mut weights) = (vec![0.0; n + 1], vec![1.0; n]);
        let (labels, length) = (vec![true; n + 1], |argument| Error::Length { argument, expected: n, got: n + 1 });
        let mut results = [(); 6].map(|()| untouched(n));
        let refused = match v.below(7) {
            0 => (Labelled { ref_logps: Some(&longer), ..answers }, length("ref_logps")),
            1 => (Labelled { desirable: &labels, ..answers }, length("desirable")),
            2 => (Labelled { weights: Some(&longer), ..answers }, length("weights")),
            3 if n > 0 => {
                let row = v.below(n);
                weights[row] = bad_weight(v);
                (Labelled { weights: Some(&weights), ..answers }, Error::Weight { row, value: weights[row] })
            }
            4 => {
                let value = v.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
                let refused = Error::Parameter { name: "reference_point", value: value.into(), requirement: "finite" };
                (Labelled { reference_point: value, ..answers }, refused)
            }
            5 if description.reference_point.is_none() => {
                let (value, requirement) = (0.5, "0: this loss compares with no reference point");
                let refused = Error::Parameter { name: "reference_point", value: value.into(), requirement };
                (Labelled { reference_point: value, ..answers }, refused)
            }
            6 => {
                let refused = Error::Length { argument: "column", expected: 0, got: n + 1 };
                (Labelled { column: Some(&longer), ..answers }, refused)
            }
            _ => {
                let of = ["losses", "rewards", "grad_logps", "grad_ref_logps", "grad_beta", "grad_bias"];
                let at = v.below(of.len());
                results[at].push(f32::from_bits(UNTOUCHED));
                (answers, length(of[at]))
            }
        };
        let mut metrics = LabelledMetrics::new();
        let got = evaluate(refused.0, &mut results, usize::MAX, &mut metrics).expect_err("it cannot be computed");
        // By what is printed, for NaN is unlike itself.
        assert_eq!(format!("{got:?}"), format!("{:?}", refused.1));
        assert!(results.iter().flatten().all(|x| x.to_bits() == UNTOUCHED) && metrics == LabelledMetrics::new());
        return;
    }
    let wanted = if v.once_in(3) { v.below(64) } else { usize::MAX };
    let (mut results, mut whole) = ([(); 6].map(|()| untouched(n)), LabelledMetrics::new());
    evaluate(answers, &mut results, wanted, &mut whole).expect("good arguments");
    for row in 0..n {
        let (answer, weight) = (columns.answer(row), columns.weight(row));
        let got = results.each_ref().map(|column| column[row]);
        let shown = (answer, desirable[row], reference_point, weight);
        check_nan(&got);
        for (k, got) in got.iter().enumerate() {
            assert_eq!(got.to_bits() == UNTOUCHED, wanted >> k & 1 == 0, "{shown:?}: result {k}");
        }
        if is_finite(answer) && JUDGED {
            let Answers { loss, by_beta, rewards, by_logps, .. } =
                preflane_judge::labelled(&textbook, answer, desirable[row], reference_point, weight);
            let opposite = -by_logps[0].clone();
            let by_bias = if has_bias { by_logps[0].clone() / textbook.beta() } else { Float::with_val(64, 0.0) };
            let exact = [&loss, &rewards[0], &by_logps[0], &opposite, &by_beta, &by_bias];
            let names = ["loss", "reward", "by policy", "by ref", "by beta", "by bias"];
            for ((got, exact), what) in got.into_iter().zip(exact).zip(names) {
                check_nearest(&textbook, &shown, what, got, exact);
            }
        } else if !is_finite(answer) {
            check_reward(got[1], answer);
            let nan = is_undefined(answer);
            let as_it_should = |x: &f32| x.to_bits() == UNTOUCHED || x.is_nan() == nan;
            assert!(got.iter().all(as_it_should), "{textbook:?} {shown:?}: {got:?}");
        }
        if columns.weights.is_none() {
            let reference = columns.referenced.then_some(answer[1]);
            let alone = evaluate_answer(&loss, answer[0], reference, desirable[row], reference_point);
            let of_parameters = [alone.grad_beta, alone.grad_bias];
            let of_row = [alone.loss, alone.reward, alone.grad_logps, alone.grad_ref_logps];
            for (got, alone) in got.iter().zip(of_row.into_iter().chain(of_parameters)) {
                assert!(got.to_bits() == UNTOUCHED || got.to_bits() == alone.to_bits(), "{shown:?} alone");
            }
        }
    }
    // Cut anywhere, the parts counted in any order.
    let mut parts = vec![LabelledMetrics::new(); 1 + v.below(4)];
    let mut start = 0;
    while start < n {
        let rows = start..n.min(start + 1 + v.below(4));
        let cut = |x: &'_ [f32]| x[rows.clone()].to_vec();
        let [policy, reference] = [cut(&columns.policy), cut(&columns.reference)];
        let weights = columns.weights.as_deref().map(cut);
        let part = Labelled {
            policy_logps: &policy,
            ref_logps: columns.referenced.then_some(&reference),
            desirable: &desirable[rows.clone()],
            weights: weights.as_deref(),
            ..answers
        };
        let mut some = [(); 6].map(|()| untouched(rows.len()));
        let at = v.below(parts.len());
        evaluate(part, &mut some, wanted, &mut parts[at]).expect("good arguments");
        for (some, all) in some.iter().zip(&results) {
            assert_eq!(bits(some), bits(&all[rows.clone()]), "rows {rows:?} of {n}");
        }
        start = rows.end;
    }
    assert_eq!(v.merge(parts, LabelledMetrics::merge), whole);
    // The sums and counts, anew from the rows.
    let mut all = [(); 6].map(|()| untouched(n));
    evaluate(answers, &mut all, usize::MAX, &mut LabelledMetrics::new()).expect("good arguments");
    let of = |class: bool, column: &[f32]| -> Vec<f32> {
        (0..n).filter(|row| desirable[*row] == class).map(|row| column[row]).collect()
    };
    let report = whole.report();
    check_mean(report.loss, &all[0], n as u64);
    for (class, count, rewards, logps) in [
        (true, report.desirable, report.rewards_chosen, report.logps_chosen),
        (false, report.undesirable, report.rewards_rejected, report.logps_rejected),
    ] {
        assert_eq!(count as usize, of(class, &all[0]).len());
        check_mean(rewards, &of(class, &all[1]), count);
        check_mean(logps, &of(class, &columns.policy), count);
    }
    let nonfinite =
        (0..n).filter(|&i| !(is_finite(columns.answer(i)) && all[0][i].is_finite() && all[1][i].is_finite()));
    assert_eq!(whole.nonfinite(), nonfinite.count() as u64);
}

/// Tokens of sequences: k1, k2 and k3 and their derivatives are the nearest, and their sums are exact.
fn divergences(v: &mut Choices<'_>) {
    let mut offsets = vec![0];
    for _ in 0..v.below(5) {
        offsets.push(offsets[offsets.len() - 1] + 1 + v.below(20));
    }
    let (sequences, n) = (offsets.len() - 1, offsets[offsets.len() - 1]);
    let value = if v.once_in(6) { Values::any } else { Values::finite };
    let policy: Vec<f32> = (0..n).map(|_| if v.once_in(2) { v.logp() } else { value(v) }).collect();
    // Often beside it.
    let reference: Vec<f32> = policy
        .iter()
        .map(|policy| match v.below(4) {
            0 => *policy,
            1 => policy.next_up(),
            2 => policy + v.logp() / 64.0,
            _ => value(v),
        })
        .collect();
    let kind = v.pick(&[KlEstimate::K1, KlEstimate::K2, KlEstimate::K3]);
    let given = KlTokens { policy_logps: &policy, ref_logps: &reference, offsets: &offsets };
    let wanted = if v.once_in(3) { v.below(16) } else { usize::MAX };
    let run = |backend, wanted| {
        let mut results = [n, n, sequences, sequences].map(untouched);
        let [estimates, grad_logps, sums, means] = slices(&mut results, wanted);
        let mut total = ExactSum::new();
        let outputs = KlOutputs { estimates, grad_logps, sums, means };
        Run::on(backend).kl(kind, given, outputs, Some(&mut total)).expect("good arguments");
        (results, total)
    };
    let (all, total) = run(v.pick(backends()), usize::MAX);
    let (some, same) = run(v.pick(backends()), wanted);
    assert_eq!(total, same);
    for (some, all) in some.iter().zip(&all) {
        check_nan(all);
        assert!(some.iter().zip(all).all(|(a, b)| a.to_bits() == UNTOUCHED || a.to_bits() == b.to_bits()));
    }
    let [estimates, grad_logps, sums, means] = &all;
    for i in 0..n {
        let (shown, got) = ([policy[i], reference[i]], [estimates[i], grad_logps[i]]);
        if !is_finite(shown) {
            assert!(got.iter().all(|x| x.is_nan() == is_undefined(shown)), "{kind:?} {shown:?}: {got:?}");
            continue;
        }
        if JUDGED {
            let d = preflane_judge::log_ratio(shown);
            let exact = match kind {
                KlEstimate::K1 => [d, Float::with_val(64, 1.0)],
                KlEstimate::K2 => [Float::with_val(1200, &d * &d) / 2, d],
                // Of exact values 320 bits count: far out e^-d does not show beside d - 1.
                KlEstimate::K3 => {
                    let d = Float::with_val(1200, d);
                    let less_one = (-d.clone()).exp_m1();
                    [Float::with_val(320, less_one.clone() + &d), -less_one]
                }
            };
            for (got, exact) in got.into_iter().zip(&exact) {
                assert!(is_rounded(got, exact), "{kind:?} {shown:?}: {got:e}, exact {exact:.20}");
            }
        }
    }
    for (sequence, ends) in offsets.windows(2).enumerate() {
        let tokens = ends[0]..ends[1];
        let of_k1 =
            || policy[tokens.clone()].iter().copied().chain(reference[tokens.clone()].iter().map(|x| -x)).collect();
        let values: Vec<f32> = if kind == KlEstimate::K1 { of_k1() } else { estimates[tokens.clone()].to_vec() };
        check_mean(sums[sequence], &values, 1);
        check_mean(means[sequence], &values, tokens.len() as u64);
    }
}

/// Results of lists, and of their answers.
#[derive(Clone)]
struct ListResults([Vec<f32>; 2], [Vec<f32>; 3]);

impl ListResults {
    fn new(lists: usize, answers: usize) -> Self {
        Self([(); 2].map(|()| untouched(lists)), [(); 3].map(|()| untouched(answers)))
    }

    fn outputs(&mut self, wanted: usize) -> ListOutputs<'_> {
        let [losses, grad_beta] = slices(&mut self.0, wanted);
        let [rewards, grad_logps, grad_ref_logps] = slices(&mut self.1, wanted >> 2);
        ListOutputs { losses, grad_beta, rewards, grad_logps, grad_ref_logps }
    }

    fn is_untouched(&self) -> bool {
        self.0.iter().chain(&self.1).flatten().all(|x| x.to_bits() == UNTOUCHED)
    }
}

/// Whether offsets are those of lists of so many answers.
fn are_offsets(offsets: &[usize], answers: usize) -> bool {
    offsets.first() == Some(&0) && offsets.is_sorted() && offsets.last() == Some(&answers)
}

fn listed(v: &mut Choices<'_>) {
    let (description, parameters, textbook) = described(v, Shape::Listed);
    let loss = ListedLoss::new(description, &parameters).expect("parameters within their ranges");
    let mut offsets = vec![0];
    for _ in 0..v.below(5) {
        offsets.push(offsets[offsets.len() - 1] + v.pick(&[0, 1, 2, 2, 3, 3, 4, 7]));
    }
    let (lists, n) = (offsets.len() - 1, offsets[offsets.len() - 1]);
    let columns = Columns::new(v, n, lists);
    let taken = description.column;
    let column: Vec<f32> = taken.map_or(Vec::new(), |taken| (0..n).map(|_| in_column(v, &taken)).collect());
    let given = Lists {
        policy_logps: &columns.policy,
        ref_logps: columns.reference(),
        offsets: &offsets,
        weights: columns.weights.as_deref(),
        column: taken.map(|_| &column[..]),
    };
    let backend = v.pick(backends());
    let mut scratch = vec![ListScratch::default(); given.longest() + v.below(3)];
    let mut evaluate = |lists: Lists<'_>, outputs: ListOutputs<'_>, metrics: &mut ListMetrics| {
        Run::on(backend).evaluate_listed(&loss, lists, outputs, Some(metrics), &mut scratch)
    };
    if v.once_in(3) {
        let (longer, mut weights, mut others) = (vec![0.0; n + 1], vec![1.0; lists], offsets.clone());
        let mut bad_column;
        let mut results = ListResults::new(lists, n);
        let length = |argument, expected| Some(Error::Length { argument, expected, got: expected + 1 });
        let (lists, refused) = match v.below(7) {
            6 if taken.is_none() => {
                let expected = 0;
                (
                    Lists { column: Some(&longer), ..given },
                    Some(Error::Length { argument: "column", expected, got: n + 1 }),
                )
            }
            6 if n > 0 => {
                bad_column = column.clone();
                let row = v.below(n);
                bad_column[row] = v.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
                let (of, value) = (taken.expect("it takes one"), bad_column[row]);
                let refused = Error::Column { name: of.name, row, value, requirement: of.requirement };
                (Lists { column: Some(&bad_column), ..given }, Some(refused))
            }
            0 => (Lists { ref_logps: Some(&longer), ..given }, length("ref_logps", n)),
            1 => {
                weights.push(1.0);
                (Lists { weights: Some(&weights), ..given }, length("weights", lists))
            }
            2 if lists > 0 => {
                let row = v.below(lists);
                weights[row] = bad_weight(v);
                (Lists { weights: Some(&weights), ..given }, Some(Error::Weight { row, value: weights[row] }))
            }
            3 => {
                let of = ["losses", "grad_beta", "rewards", "grad_logps", "grad_ref_logps"];
                let at = v.below(5);
                let column = if at < 2 { &mut results.0[at] } else { &mut results.1[at - 2] };
                column.push(f32::from_bits(UNTOUCHED));
                (given, length(of[at], if at < 2 { lists } else { n }))
            }
            4 if given.longest() > 0 => {
                let mut few = vec![ListScratch::default(); v.below(given.longest())];
                let mut metrics = ListMetrics::new();
                let outputs = results.outputs(usize::MAX);
                let got = Run::on(backend).evaluate_listed(&loss, given, outputs, Some(&mut metrics), &mut few);
                assert_eq!(got, Err(Error::Full { what: "scratch", capacity: few.len() }));
                assert!(results.is_untouched() && metrics == ListMetrics::new());
                return;
            }
            _ => {
                let at = v.below(others.len());
                match v.below(4) {
                    0 => others.truncate(at),
                    1 => others[at] = v.pick(&[usize::MAX, usize::MAX / 2, 0, n + 1, isize::MAX as usize + 1]),
                    2 => others[at] = others[at].wrapping_add(v.below(5)).wrapping_sub(2),
                    _ => others.reverse(),
                }
                (Lists { offsets: &others, weights: None, ..given }, None)
            }
        };
        if refused.is_some() || !are_offsets(lists.offsets, n) {
            let mut metrics = ListMetrics::new();
            // Outputs of an error in the offsets have no length that would be right.
            let wanted = if refused.is_some() { usize::MAX } else { 0 };
            let got = evaluate(lists, results.outputs(wanted), &mut metrics).expect_err("it cannot be computed");
            match refused {
                Some(refused) => assert_eq!(format!("{got:?}"), format!("{refused:?}")),
                None => assert!(
                    matches!(got, Error::Offsets { index, value, .. }
                        if lists.offsets.get(index).copied().unwrap_or(0) == value),
                    "{:?}: {got:?}",
                    lists.offsets
                ),
            }
            assert!(results.is_untouched() && metrics == ListMetrics::new());
        }
        return;
    }
    let wanted = if v.once_in(3) { v.below(32) } else { usize::MAX };
    let (mut results, mut whole) = (ListResults::new(lists, n), ListMetrics::new());
    evaluate(given, results.outputs(wanted), &mut whole).expect("good arguments");
    let mut all = ListResults::new(lists, n);
    evaluate(given, all.outputs(usize::MAX), &mut ListMetrics::new()).expect("good arguments");
    assert!(all.0.iter().chain(&all.1).flatten().all(|x| x.to_bits() != UNTOUCHED), "a result that is -0, or none");
    for (k, (got, all)) in results.0.iter().chain(&results.1).zip(all.0.iter().chain(&all.1)).enumerate() {
        let want = if wanted >> k & 1 == 1 { bits(all) } else { vec![UNTOUCHED; got.len()] };
        assert_eq!(bits(got), want, "column {k}");
    }
    let (mut accurate, mut nonfinite) = (0, 0);
    let [mut best, mut others] = [(); 2].map(|()| [Vec::new(), Vec::new()]);
    for (list, answers) in offsets.windows(2).map(|ends| ends[0]..ends[1]).enumerate() {
        check_list(&textbook, &columns, &column, &all, list, answers.clone());
        for i in answers.clone() {
            let class = if i == answers.start { &mut best } else { &mut others };
            class[0].push(all.1[0][i]);
            class[1].push(columns.policy[i]);
        }
        let wins = |i: usize| {
            let ([pi, ri], [pj, rj]) = (columns.answer(answers.start), columns.answer(i));
            ratio_order([pi, pj, ri, rj]).is_some_and(|order| order.is_gt())
        };
        accurate += u64::from(answers.len() > 1 && answers.clone().skip(1).all(wins));
        let finite = |i: usize| is_finite(columns.answer(i)) && all.1[0][i].is_finite();
        nonfinite += u64::from(!(all.0[0][list].is_finite() && answers.clone().all(finite)));
        // Two answers are a pair of DPO.
        if is_pair_of_two(&textbook) && answers.len() == 2 {
            check_pair(parameters[0], &columns, &all, list, answers);
        }
    }
    assert_eq!((whole.accurate(), whole.nonfinite()), (accurate, nonfinite));
    let report = whole.report();
    check_mean(report.loss, &all.0[0], lists as u64);
    for (values, rewards, logps) in
        [(&best, report.rewards_chosen, report.logps_chosen), (&others, report.rewards_rejected, report.logps_rejected)]
    {
        check_mean(rewards, &values[0], values[0].len() as u64);
        check_mean(logps, &values[1], values[1].len() as u64);
    }
    // Cut anywhere, the parts counted in any order.
    let mut parts = vec![ListMetrics::new(); 1 + v.below(4)];
    let mut start = 0;
    while start < lists {
        let rows = start..lists.min(start + 1 + v.below(3));
        let answers = offsets[rows.start]..offsets[rows.end];
        let own: Vec<usize> = offsets[rows.start..=rows.end].iter().map(|offset| offset - answers.start).collect();
        let part = Lists {
            policy_logps: &columns.policy[answers.clone()],
            ref_logps: columns.reference().map(|reference| &reference[answers.clone()]),
            offsets: &own,
            weights: columns.weights.as_ref().map(|weights| &weights[rows.clone()]),
            column: taken.map(|_| &column[answers.clone()]),
        };
        let mut some = ListResults::new(rows.len(), answers.len());
        let at = v.below(parts.len());
        evaluate(part, some.outputs(usize::MAX), &mut parts[at]).expect("good arguments");
        for (some, all) in some.0.iter().zip(&all.0) {
            assert_eq!(bits(some), bits(&all[rows.clone()]), "lists {rows:?} of {lists}");
        }
        for (some, all) in some.1.iter().zip(&all.1) {
            assert_eq!(bits(some), bits(&all[answers.clone()]), "answers of lists {rows:?} of {lists}");
        }
        start = rows.end;
    }
    assert_eq!(v.merge(parts, ListMetrics::merge), whole);
}

/// Whether lists of two are pairs of DPO.
fn is_pair_of_two(textbook: &Textbook) -> bool {
    ["plackett_luce", "plackett_luce_top", "s_dpo"].contains(&textbook.definition().name)
}

fn check_list(
    textbook: &Textbook,
    columns: &Columns,
    column: &[f32],
    results: &ListResults,
    list: usize,
    answers: Range<usize>,
) {
    let column: Vec<f64> = column.iter().skip(answers.start).take(answers.len()).map(|x| f64::from(*x)).collect();
    let rows: Vec<[f32; 2]> = answers.clone().map(|i| columns.answer(i)).collect();
    let weight = columns.weight(list);
    let shown = (&rows, weight);
    let [loss, by_beta] = results.0.each_ref().map(|column| column[list]);
    let [rewards, by_policy, by_reference] = results.1.each_ref().map(|column| &column[answers.clone()]);
    check_nan(&[loss, by_beta]);
    [rewards, by_policy, by_reference].into_iter().for_each(check_nan);
    if rows.iter().copied().all(is_finite) {
        // Two are within the bound of a pair, whose bits they have.
        if JUDGED && !(rows.len() == 2 && is_pair_of_two(textbook)) {
            let textbook = &textbook.clone().with_columns(&column);
            let exact = preflane_judge::listed(textbook, &rows, weight);
            check_nearest(textbook, &shown, "loss", loss, &exact.loss);
            let [of_beta, of_logp] = &exact.slack;
            check_derivative(textbook, &shown, "by beta", by_beta, [&exact.by_beta, of_beta]);
            for k in 0..rows.len() {
                check_nearest(textbook, &shown, "reward", rewards[k], &exact.rewards[k]);
                check_derivative(textbook, &shown, "by policy", by_policy[k], [&exact.by_logps[k], of_logp]);
                check_derivative(
                    textbook,
                    &shown,
                    "by reference",
                    by_reference[k],
                    [&-exact.by_logps[k].clone(), of_logp],
                );
            }
        }
        return;
    }
    rewards.iter().zip(&rows).for_each(|(reward, answer)| check_reward(*reward, *answer));
    if rows.len() > 1 && rows.iter().copied().any(is_undefined) {
        let gradients = by_policy.iter().chain(by_reference).chain([&loss, &by_beta]);
        assert!(gradients.into_iter().all(|x| x.is_nan()), "{textbook:?} {shown:?}: {loss:e} {by_policy:?}");
    }
}

/// That a list of two answers has the bits of a pair.
fn check_pair(beta: f64, columns: &Columns, results: &ListResults, list: usize, answers: Range<usize>) {
    let dpo = Loss::dpo(beta).expect("the list has it");
    let ([pc, rc], [pr, rr]) = (columns.answer(answers.start), columns.answer(answers.start + 1));
    let mut of_pair = [(); 8].map(|()| [0.0]);
    let [losses, grad_beta, chosen, rejected, by_pc, by_pr, by_rc, by_rr] =
        of_pair.each_mut().map(|x| Some(&mut x[..]));
    let outputs = Outputs {
        losses,
        chosen_rewards: chosen,
        rejected_rewards: rejected,
        grad_chosen_logps: by_pc,
        grad_rejected_logps: by_pr,
        grad_ref_chosen_logps: by_rc,
        grad_ref_rejected_logps: by_rr,
        grad_beta,
        ..Default::default()
    };
    let (columns_of_pair, weight) = ([[pc], [pr], [rc], [rr]], [columns.weight(list)]);
    let [pc, pr, rc, rr] = &columns_of_pair;
    let pairs = Pairs::new(pc, pr, rc, rr).with_weights(&weight);
    Run::default().evaluate(&dpo, pairs, outputs, None).expect("good arguments");
    let mut got = results.0.each_ref().map(|column| column[list].to_bits()).to_vec();
    results.1.iter().for_each(|column| got.extend(bits(&column[answers.clone()])));
    assert_eq!(got, of_pair.map(|x| x[0].to_bits()), "{columns_of_pair:?} weight {weight:?}");
}
