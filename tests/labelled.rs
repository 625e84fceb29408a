//! Labelled answers against the judge: every result is the nearest `f32`, on random, realistic, edge and adversarial rows.

use preflane::labelled::{Labelled, LabelledMetrics, LabelledOutputs, evaluate_answer};
use preflane::losses::{CASES, LOSSES, Shape};
use preflane::{Backend, Error, ExactSum, LabelledLoss, Level, Run};
use preflane_judge::{
    Float, Form, Inputs, Random, Textbook, answers_near, float, is_nearest, is_rounded, midpoint, textbook,
};

/// A loss and its definition.
struct Judged {
    loss: LabelledLoss,
    textbook: Textbook,
}

/// Every loss of labelled answers, with each set of parameters that tests take; another beta if one is given.
fn judged(beta: Option<f64>) -> Vec<Judged> {
    let labelled = LOSSES.iter().filter(|loss| loss.shape == Shape::Labelled);
    let with_cases = labelled.flat_map(|loss| (0..CASES).map(move |case| (loss, loss.case(case).to_vec())));
    with_cases
        .map(|(loss, mut parameters)| {
            parameters[0] = beta.unwrap_or(parameters[0]);
            let textbook = textbook(loss.name, &parameters).expect("every loss has a definition");
            assert_eq!(textbook.definition().form, Form::Labelled);
            Judged { loss: LabelledLoss::new(loss, &parameters).unwrap(), textbook }
        })
        .collect()
}

fn kto(parameters: [f64; 3]) -> LabelledLoss {
    LabelledLoss::new(preflane::losses::find("kto").unwrap(), &parameters).unwrap()
}

/// Policy's and reference's log-probability, and the label.
#[derive(Clone, Copy, Debug)]
struct Row {
    answer: [f32; 2],
    desirable: bool,
    weight: f32,
}

/// Both labels of some answers.
fn both(answers: impl IntoIterator<Item = [f32; 2]>) -> Vec<Row> {
    let labelled = |answer| [true, false].map(|desirable| Row { answer, desirable, weight: 1.0 });
    answers.into_iter().flat_map(labelled).collect()
}

const RESULTS: [&str; 6] = ["loss", "reward", "grad_logps", "grad_ref_logps", "grad_beta", "grad_bias"];

/// The columns of [`RESULTS`] of some rows, and their metrics.
fn results(
    loss: &LabelledLoss,
    rows: &[Row],
    reference: bool,
    reference_point: f32,
) -> ([Vec<f32>; 6], LabelledMetrics) {
    results_of(Run::default(), loss, rows, reference, reference_point)
}

fn results_of(
    run: Run,
    loss: &LabelledLoss,
    rows: &[Row],
    reference: bool,
    reference_point: f32,
) -> ([Vec<f32>; 6], LabelledMetrics) {
    let [policy, of_reference] = [0, 1].map(|k| rows.iter().map(|row| row.answer[k]).collect::<Vec<_>>());
    let desirable: Vec<bool> = rows.iter().map(|row| row.desirable).collect();
    let weights: Vec<f32> = rows.iter().map(|row| row.weight).collect();
    let answers = Labelled {
        policy_logps: &policy,
        ref_logps: reference.then_some(&of_reference),
        desirable: &desirable,
        reference_point,
        weights: weights.iter().any(|weight| *weight != 1.0).then_some(&weights),
        column: None,
    };
    let mut columns = [(); 6].map(|()| vec![f32::from_bits(0xdead); rows.len()]);
    let mut metrics = LabelledMetrics::new();
    let [losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias] =
        columns.each_mut().map(|x| Some(x.as_mut_slice()));
    let outputs = LabelledOutputs { losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias };
    run.evaluate_labelled(loss, answers, outputs, Some(&mut metrics)).unwrap();
    (columns, metrics)
}

fn judge_rows(Judged { loss, textbook }: &Judged, rows: &[Row], reference_point: f32) {
    let reference_point = if loss.description().reference_point.is_some() { reference_point } else { 0.0 };
    let (columns, _) = results(loss, rows, true, reference_point);
    for (i, row) in rows.iter().enumerate() {
        let exact = preflane_judge::labelled(textbook, row.answer, row.desirable, reference_point, row.weight);
        let by_logp = exact.by_logps[0].clone();
        // By what stands beside beta times the log-ratio.
        let has_bias = loss.description().parameters.iter().any(|parameter| parameter.name == "bias");
        let by_bias = if has_bias { by_logp.clone() / textbook.beta() } else { float(0.0) };
        let exact = [exact.loss, exact.rewards[0].clone(), by_logp.clone(), -by_logp, exact.by_beta, by_bias];
        for ((name, column), exact) in RESULTS.iter().zip(&columns).zip(&exact) {
            let got = column[i];
            let is_right = if *name == "reward" { is_rounded } else { is_nearest };
            assert!(
                is_right(got, exact),
                "{textbook:?} {row:?} ({:x?}) reference point {reference_point:e}: {name} is {got:e}, exact {exact:.20}",
                row.answer.map(f32::to_bits),
            );
        }
    }
}

#[test]
fn realistic_rows() {
    let mut random = Random(1);
    for beta in [0.01, 0.1, 0.5, 2.5] {
        for judged in judged(Some(beta)) {
            for reference_point in [0.0, 0.25, 3.5] {
                let rows = both((0..100).map(|_| {
                    let reference = random.logp();
                    [(f64::from(reference) + (random.unit() - 0.6) * 40.0) as f32, reference]
                }));
                judge_rows(&judged, &rows, reference_point);
            }
        }
    }
}

#[test]
fn weighted_rows() {
    let mut random = Random(2);
    for judged in judged(None) {
        let mut rows = both((0..150).map(|_| [random.logp(), random.logp()]));
        for (i, row) in rows.iter_mut().enumerate() {
            row.weight = match i / 2 % 4 {
                0 => random.unit() as f32,
                1 => 0.0,
                2 => random.finite().abs(),
                _ => f32::MIN_POSITIVE,
            };
        }
        judge_rows(&judged, &rows, 0.5);
    }
}

#[test]
fn any_finite_bits() {
    let mut random = Random(3);
    for beta in [f64::MIN_POSITIVE, 1e-310, 1e-40, 1e-3, 0.1, 1.0, 1e3, 1e40, 1e300, f64::MAX] {
        for judged in judged(Some(beta)) {
            for round in 0..4 {
                let rows = both((0..12).map(|_| [random.finite(), random.finite()]));
                judge_rows(&judged, &rows, if round == 0 { 0.0 } else { random.finite() });
            }
        }
    }
}

#[test]
fn edges() {
    let values = [
        0.0,
        -0.0,
        f32::from_bits(1),
        -f32::MIN_POSITIVE,
        1.0,
        -1.0 - f32::EPSILON,
        -104.0,
        -745.5,
        -1e30,
        1e30,
        f32::MAX,
        f32::MIN,
    ];
    let rows = both(values.into_iter().flat_map(|policy| values.map(|reference| [policy, reference])));
    for reference_point in [0.0, -0.0, 1.0, f32::from_bits(1), -1e30, f32::MAX] {
        judged(None).iter().for_each(|judged| judge_rows(judged, &rows, reference_point));
    }
}

/// Three numbers of which little is left.
#[test]
fn cancellation() {
    let mut random = Random(4);
    for judged in judged(Some(0.1)).into_iter().chain(judged(Some(1.0))) {
        for _ in 0..100 {
            let big = random.pick(&[1e30_f32, 3.4e38, 1e10, 16_777_216.0, 1.5e20, 18_014_398_509_481_984.0]);
            let small = random.pick(&[1e-30_f32, 1.0, 0.3, 1e-45, 1e5, 7.5e-8]);
            let rows = both([[big, small], [big, -small], [big, big], [small, -big], [big.next_down(), small]]);
            judge_rows(&judged, &rows, big);
            judge_rows(&judged, &both([[big, big], [big, big.next_up().min(f32::MAX)], [-big, -big]]), small);
        }
    }
}

/// Where a result passes through 0 or bends, and where one lies next to a midpoint of two `f32`, which only many bits can round.
#[test]
fn near_zeros_and_midpoints() {
    let mut rows_seen = 0;
    for judged in judged(Some(0.1)).into_iter().chain(judged(Some(3.0))) {
        let mut near = |place: &Inputs| {
            let near: Vec<[f32; 2]> = answers_near(place).into_iter().map(|row| row[0]).collect();
            rows_seen += near.len();
            judge_rows(&judged, &both(near), place.reference_point as f32);
        };
        judged.textbook.zeros().iter().for_each(&mut near);
        for reference_point in [0.0, 0.625] {
            for desirable in [true, false] {
                let row = |u: &Float| Inputs::labelled(u.clone(), desirable, reference_point);
                let loss = |row: &Inputs| judged.textbook.exact(row).loss;
                let by_u = |row: &Inputs| judged.textbook.exact(row).by_log_ratios[0].clone();
                let by_beta = |row: &Inputs| judged.textbook.exact(row).by_beta;
                let of_results: [&dyn Fn(&Inputs) -> Float; 3] = [&loss, &by_u, &by_beta];
                for result in of_results {
                    for x in [-70.0, -5.5, -0.3, 0.8, 4.25, 61.0] {
                        let u = x / judged.textbook.beta();
                        let ends = [u, u * 1.001].map(|u| Float::with_val(120, u));
                        near(&midpoint(row, result, ends));
                    }
                }
            }
        }
    }
    assert!(rows_seen > 2_000, "{rows_seen}");
}

fn close(got: f32, want: f64) {
    assert!((f64::from(got) / want - 1.0).abs() < 1e-7, "{got:e}, not {want:e}");
}

/// The values in the formula's file, and those that Python's floats give.
#[test]
fn worked_values() {
    let even = kto([0.1, 1.0, 1.0]);
    let desirable = evaluate_answer(&even, -12.5, Some(-13.0), true, 0.25);
    close(desirable.loss, 0.493750325506976);
    close(desirable.grad_logps, -0.0249960942885157);
    assert_eq!(desirable.grad_ref_logps, -desirable.grad_logps);
    assert_eq!(desirable.reward, 0.05);
    // The derivative by x is ten times that by u, and x is beta/4.
    close(desirable.grad_beta, -0.249960942885157 * 0.25);
    let undesirable = evaluate_answer(&even, -12.5, Some(-13.0), false, 0.25);
    close(undesirable.loss, 0.506249674493024);
    close(undesirable.grad_logps, 0.0249960942885157);
    // Weights of the classes: sigmoid(-1/2) is 0.377540668798, its slope 0.235003712202.
    let uneven = kto([0.5, 1.5, 0.75]);
    close(evaluate_answer(&uneven, 2.0, None, true, 1.0).loss, 1.5 * 0.377540668798145);
    close(evaluate_answer(&uneven, 2.0, None, false, 1.0).loss, 0.75 * 0.622459331201855);
    close(evaluate_answer(&uneven, 2.0, None, false, 1.0).grad_logps, 0.75 * 0.5 * 0.235003712201594);
}

/// The same for the other losses.
#[test]
fn worked_values_of_bco_apo_and_siglip() {
    let bco = LabelledLoss::bco(0.1).unwrap();
    let [desirable, other] = [true, false].map(|label| evaluate_answer(&bco, -12.5, Some(-13.0), label, 0.25));
    close(desirable.loss, 0.680725303525525);
    close(other.loss, 0.705725303525525);
    close(desirable.grad_logps, -0.049375032550049);
    close(other.grad_logps, 0.050624967449951);
    close(other.grad_beta, 0.50624967449951 * 0.25);
    assert_eq!((desirable.reward, desirable.grad_bias), (0.05, 0.0));
    let apo = LabelledLoss::apo_zero_unpaired(0.1, 1.0, 1.0).unwrap();
    let [desirable, other] = [true, false].map(|label| evaluate_answer(&apo, -12.5, Some(-13.0), label, 0.0));
    close(desirable.loss, 0.487502603515790);
    close(other.loss, 0.512497396484210);
    close(desirable.grad_logps, -0.0249843815081116);
    assert_eq!(other.grad_logps, -desirable.grad_logps);
    // It is KTO without a reference point.
    let at_zero = evaluate_answer(&kto([0.1, 1.0, 1.0]), -12.5, Some(-13.0), true, 0.0);
    assert_eq!(desirable, at_zero);
    // A matrix of two images and two texts: its own text for each, on the diagonal.
    let siglip = LabelledLoss::siglip(1.0, 0.0).unwrap();
    let scores = [(2.0, true), (0.5, false), (-1.0, false), (1.0, true)];
    let losses = scores.map(|(score, label)| evaluate_answer(&siglip, score, None, label, 0.0).loss);
    close(losses.iter().sum::<f32>() / 2.0, 0.863764185129762);
    let scaled = LabelledLoss::siglip(10.0, -10.0).unwrap();
    let [own, other] = [true, false].map(|label| evaluate_answer(&scaled, 0.3, None, label, 0.0));
    // The score is the nearest f32 to 0.3.
    let off = f64::from(0.3_f32) - 0.3;
    close(own.loss, 7.00091146645377 - 10.0 * off);
    close(other.loss, 0.000911466453774245 * (1.0 + 10.0 * off));
    close(own.grad_bias, -0.999088948805599);
    close(own.grad_logps, -9.99088948805599);
    close(own.grad_beta, -0.999088948805599 * 0.3);
}

/// A loss that compares with no reference point takes none.
#[test]
fn a_reference_point_is_used_or_refused() {
    for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Labelled) {
        let loss = LabelledLoss::new(description, &description.defaults()).unwrap();
        let answers = Labelled { reference_point: 1.0, ..Labelled::new(&[-1.0], &[-2.0], &[true]) };
        let mut losses = [7.0];
        let outputs = LabelledOutputs { losses: Some(&mut losses), ..Default::default() };
        let got = Run::default().evaluate_labelled(&loss, answers, outputs, None);
        if description.reference_point.is_some() {
            assert!(got.is_ok() && losses != [evaluate_answer(&loss, -1.0, Some(-2.0), true, 0.0).loss]);
        } else {
            assert!(matches!(got, Err(Error::Parameter { name: "reference_point", value: 1.0, .. })), "{got:?}");
            assert_eq!(losses, [7.0]);
        }
    }
}

/// A row alone, one among others, one without a reference and one with a reference of 0 are the same.
#[test]
fn rows_do_not_know_their_neighbours() {
    let mut random = Random(5);
    for Judged { loss, .. } in judged(None) {
        let mut rows = both((0..40).map(|i| if i % 5 == 0 { [random.finite(); 2] } else { [random.logp(), -1e3] }));
        rows[7].answer = [f32::NAN, 0.0];
        let point = if loss.description().reference_point.is_some() { 0.5 } else { 0.0 };
        for reference in [true, false] {
            let (columns, metrics) = results(&loss, &rows, reference, point);
            assert_eq!(metrics.referenced(), if reference { 80 } else { 0 });
            for (i, &Row { answer: [policy, of_reference], desirable, .. }) in rows.iter().enumerate() {
                let alone = evaluate_answer(&loss, policy, reference.then_some(of_reference), desirable, point);
                let [gradients, of_parameters] =
                    [[alone.grad_logps, alone.grad_ref_logps], [alone.grad_beta, alone.grad_bias]];
                let alone = [&[alone.loss, alone.reward][..], &gradients, &of_parameters].concat();
                for (alone, column) in alone.iter().zip(&columns) {
                    assert_eq!(alone.to_bits(), column[i].to_bits(), "{loss:?} {i}");
                }
            }
        }
        let free: Vec<Row> = rows.iter().map(|row| Row { answer: [row.answer[0], 0.0], ..*row }).collect();
        let bits =
            |columns: [Vec<f32>; 6]| columns.map(|column| column.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        assert_eq!(bits(results(&loss, &rows, false, point).0), bits(results(&loss, &free, true, point).0));
    }
}

/// So many that threads share them.
#[test]
fn threads_and_partitions_give_the_same_bits() {
    let mut random = Random(7);
    let losses = judged(None).into_iter().map(|judged| judged.loss).chain([kto([0.1, 1.0, 1.33])]);
    for loss in losses {
        threads_and_partitions_of(loss, &mut random);
    }
}

fn threads_and_partitions_of(loss: LabelledLoss, random: &mut Random) {
    let point = if loss.description().reference_point.is_some() { 0.25 } else { 0.0 };
    let mut rows = both((0..5_700).map(|_| [random.logp(), random.logp()]));
    for (i, row) in rows.iter_mut().enumerate() {
        row.weight = (i % 7) as f32;
        if i % 100 == 0 {
            row.answer[0] = f32::from_bits(random.bits() as u32);
        }
    }
    let bits = |columns: [Vec<f32>; 6]| columns.map(|column| column.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    let (whole, metrics) = results(&loss, &rows, true, point);
    let whole = bits(whole);
    for threads in [2, 3] {
        let (columns, counted) = results_of(Run::default().threads(threads).unwrap(), &loss, &rows, true, point);
        assert!(bits(columns) == whole && counted == metrics, "{threads} threads");
    }
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        let run = Run::on(Backend::new(level).unwrap());
        let (columns, counted) = results_of(run, &loss, &rows, true, point);
        assert!(bits(columns) == whole && counted == metrics, "{level:?}");
    }
    let mut first = 0;
    for part in rows.chunks(1_031) {
        for (column, whole) in bits(results(&loss, part, true, point).0).iter().zip(&whole) {
            assert!(*column == whole[first..first + part.len()]);
        }
        first += part.len();
    }
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    const NAN: u32 = 0x7fc0_0000;
    let parameters = [0.5, 1.5, 0.75];
    let loss = kto(parameters);
    for bad in [[f32::NAN, -1.0], [-1.0, f32::from_bits(0xffc1_2345)], [INF, INF], [-INF, -INF]] {
        for desirable in [true, false] {
            for weight in [1.0, 0.0, 2.0] {
                let (columns, metrics) = results(&loss, &[Row { answer: bad, desirable, weight }], true, 0.0);
                assert_eq!(columns.map(|column| column[0].to_bits()), [NAN; 6], "{bad:?}");
                assert_eq!((metrics.answers(), metrics.nonfinite()), (1, 1));
            }
        }
    }
    for reference_point in [f32::NAN, INF, -INF] {
        let alone = evaluate_answer(&loss, -1.0, Some(-2.0), true, reference_point);
        assert_eq!((alone.loss.to_bits(), alone.grad_logps.to_bits(), alone.grad_beta.to_bits()), (NAN, NAN, NAN));
        assert_eq!(alone.reward, 0.5);
    }
    // The limits: surely right, or lost at the whole weight of its class.
    for (answer, desirable, limit) in [
        ([INF, -1.0], true, 0.0),
        ([-1.0, -INF], true, 0.0),
        ([-INF, -1.0], true, 1.5),
        ([INF, -1.0], false, 0.75),
        ([-INF, -1.0], false, 0.0),
    ] {
        let reward = if (answer[0] - answer[1]) > 0.0 { INF } else { -INF };
        for weight in [1.0, 0.0, 2.0] {
            let (columns, metrics) = results(&loss, &[Row { answer, desirable, weight }], true, 3.0);
            let want = [limit * weight, reward, 0.0, 0.0, 0.0, 0.0];
            assert_eq!(columns.map(|column| column[0].to_bits()), want.map(f32::to_bits), "{answer:?} {desirable}");
            assert_eq!(metrics.nonfinite(), 1);
        }
    }
    // As large as finite numbers come, which is no infinity.
    let wide = evaluate_answer(&loss, f32::MAX, Some(f32::MIN), false, f32::MIN);
    assert_eq!((wide.loss, wide.reward, wide.grad_logps), (0.75, f32::MAX, 0.0));
}

/// Halves of weights that lie between two `f32`; and next to them, where what sigmoid lacks of 1 is less than the bits that count show.
#[test]
fn ties_are_even() {
    let unit = 2.0_f64.powi(-24);
    for (weight, even) in [(1.0 + unit, 1.0), (1.0 + 3.0 * unit, 1.0 + 4.0 * unit)] {
        let at = |u: f32| evaluate_answer(&kto([1.0, weight, 1.0]), u, None, true, 0.25);
        assert_eq!((at(0.25).loss, at(0.25).grad_logps), ((even / 2.0) as f32, (even / -4.0) as f32));
        // Below the midpoint by e^-200; and by e^-60000 and e^-3e38, of which the bits that count show nothing.
        assert_eq!(at(-200.0).loss, (weight - unit) as f32);
        assert_eq!([at(-60_000.0), at(-3e38)].map(|answer| answer.loss), [even as f32; 2]);
    }
}

#[test]
fn metrics() {
    let mut random = Random(6);
    for Judged { loss, .. } in judged(None) {
        let mut rows = both((0..60).map(|_| [random.logp(), random.logp()]));
        rows.truncate(119);
        rows.iter_mut().skip(9).step_by(7).for_each(|row| row.answer[0] = random.finite());
        for row in &mut rows {
            row.weight = random.unit() as f32;
        }
        let point = if loss.description().reference_point.is_some() { 0.5 } else { 0.0 };
        let (columns, whole) = results(&loss, &rows, true, point);
        let sum = |values: Vec<f32>| {
            let mut sum = ExactSum::new();
            values.into_iter().for_each(|x| sum.add(x));
            sum
        };
        let of = |desirable: bool, column: &dyn Fn(usize) -> f32| {
            sum((0..rows.len()).filter(|&i| rows[i].desirable == desirable).map(column).collect())
        };
        let reward = |i: usize| columns[1][i];
        let logp = |i: usize| rows[i].answer[0];
        assert_eq!((whole.desirable(), whole.undesirable(), whole.referenced()), (60, 59, 119));
        assert_eq!(*whole.loss(), sum(columns[0].clone()));
        assert_eq!(*whole.weights(), sum(rows.iter().map(|row| row.weight).collect()));
        assert_eq!((*whole.rewards_chosen(), *whole.rewards_rejected()), (of(true, &reward), of(false, &reward)));
        assert_eq!((*whole.logps_chosen(), *whole.logps_rejected()), (of(true, &logp), of(false, &logp)));
        let finite = |i: usize| [columns[0][i], reward(i)].into_iter().all(f32::is_finite);
        assert_eq!(whole.nonfinite(), (0..rows.len()).filter(|&i| !finite(i)).count() as u64);
        let report = whole.report();
        assert_eq!(report.loss.to_bits(), whole.loss().mean(119).to_bits());
        assert_eq!(report.rewards_chosen.to_bits(), of(true, &reward).mean(60).to_bits());
        assert_eq!(report.rewards_rejected.to_bits(), of(false, &reward).mean(59).to_bits());
        let margin = report.rewards_chosen - report.rewards_rejected;
        assert!(report.rewards_margins == margin || report.rewards_margins.is_nan() && margin.is_nan());
        assert_eq!(report.logps_rejected.to_bits(), of(false, &logp).mean(59).to_bits());
        // Parts, back to front.
        let mut merged = LabelledMetrics::new();
        for part in rows.chunks(17).rev() {
            let part: Vec<Row> = part.iter().rev().copied().collect();
            merged.merge(&results(&loss, &part, true, point).1);
        }
        assert_eq!(merged, whole);
    }
    // Of no answers there are no means, of one class those of one.
    let none = LabelledMetrics::new().report();
    assert!([none.loss, none.rewards_chosen, none.rewards_margins, none.logps_rejected].iter().all(|x| x.is_nan()));
    let one = results(&kto([0.1, 1.0, 1.0]), &both([[-1.0, -2.0]])[..1], true, 0.0).1.report();
    assert_eq!((one.desirable, one.undesirable, one.rewards_chosen), (1, 0, 0.1));
    assert!(one.rewards_rejected.is_nan() && one.rewards_margins.to_bits() == 0x7fc0_0000);
}

#[test]
fn bad_input_is_named_before_anything_is_written() {
    let (four, three) = ([-1.0_f32; 4], [-1.0_f32; 3]);
    let (labels, few_labels) = ([true; 4], [false; 3]);
    let loss = kto([0.1, 1.0, 1.0]);
    let good = Labelled::new(&four, &four, &labels);
    let mut out = [7.0; 4];
    let mut check = |answers: Labelled<'_>| {
        let mut metrics = LabelledMetrics::new();
        let outputs = LabelledOutputs { losses: Some(&mut out), ..Default::default() };
        let error = Run::default().evaluate_labelled(&loss, answers, outputs, Some(&mut metrics)).unwrap_err();
        assert_eq!((out, metrics), ([7.0; 4], LabelledMetrics::new()));
        error
    };
    let length = |argument| Error::Length { argument, expected: 4, got: 3 };
    assert_eq!(check(Labelled { ref_logps: Some(&three), ..good }), length("ref_logps"));
    assert_eq!(check(Labelled { desirable: &few_labels, ..good }), length("desirable"));
    assert_eq!(check(Labelled { weights: Some(&three), ..good }), length("weights"));
    for bad in [-1.0, f32::NAN, f32::INFINITY, -f32::MIN_POSITIVE] {
        match check(Labelled { weights: Some(&[1.0, 0.0, bad, -3.0]), ..good }) {
            Error::Weight { row: 2, value } => assert_eq!(value.to_bits(), bad.to_bits()),
            other => panic!("{other:?}"),
        }
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = check(Labelled { reference_point: bad, ..good });
        assert!(matches!(error, Error::Parameter { name: "reference_point", .. }), "{error}");
    }
    // A column that the loss does not take.
    assert_eq!(
        check(Labelled { column: Some(&four), ..good }),
        Error::Length { argument: "column", expected: 0, got: 4 }
    );
    // A short output: nothing is written to those that fit either.
    for place in 0..6 {
        let mut columns: [Vec<f32>; 6] = std::array::from_fn(|k| vec![7.0; if k == place { 3 } else { 4 }]);
        let [losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias] =
            columns.each_mut().map(|x| Some(&mut x[..]));
        let outputs = LabelledOutputs { losses, rewards, grad_logps, grad_ref_logps, grad_beta, grad_bias };
        let name = ["losses", "rewards", "grad_logps", "grad_ref_logps", "grad_beta", "grad_bias"][place];
        assert_eq!(Run::default().evaluate_labelled(&loss, good, outputs, None), Err(length(name)));
        assert!(columns.iter().flatten().all(|x| *x == 7.0));
    }
    // Nothing to do is no error.
    let mut metrics = LabelledMetrics::new();
    let (none, outputs) = (Labelled::new(&[], &[], &[]), LabelledOutputs::default());
    Run::default().evaluate_labelled(&loss, none, outputs, Some(&mut metrics)).unwrap();
    assert_eq!(metrics, LabelledMetrics::new());
}

/// The judge says no to what is not nearest.
#[test]
fn the_judge_sees() {
    assert!(is_nearest(0.5, &float(0.5)) && !is_nearest(0.5_f32.next_up(), &float(0.5)));
    assert!(is_nearest(0.0, &float(0.0)) && !is_nearest(-0.0, &float(0.0)) && !is_nearest(-0.0, &-float(1e-60)));
    // A tie is even.
    let tie = float(1.0) + (float(1.0) >> 24);
    assert!(is_rounded(1.0, &tie) && !is_rounded(1.0_f32.next_up(), &tie) && is_nearest(1.0_f32.next_up(), &tie));
    assert!(is_nearest(f32::INFINITY, &float(1e39)) && !is_nearest(f32::MAX, &float(1e39)));
}
