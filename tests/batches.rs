//! Batches: real data, bad input, special values, independence of neighbours, alignment, threads and partition.

#![allow(clippy::excessive_precision, reason = "expected values are given with the digits they were computed to")]

use preflane::losses::{Description, LOSSES, Shape, find};
use preflane::{Backend, Error, LabelledLoss, Level, ListedLoss, Loss, Metrics, Outputs, Pairs, Run, evaluate_pair};
use preflane_judge::{Float, Random, Textbook, pair, sums, textbook};

/// The four columns of examples/pairs.jsonl.
fn real_pairs() -> [Vec<f32>; 4] {
    let text = include_str!("../examples/pairs.jsonl");
    let column = |name: &str| {
        text.lines()
            .map(|line| {
                let (_, rest) = line.split_once(&format!("\"{name}\": ")).unwrap();
                rest.split([',', '}']).next().unwrap().parse().unwrap()
            })
            .collect()
    };
    ["policy_chosen_logps", "policy_rejected_logps", "ref_chosen_logps", "ref_rejected_logps"].map(column)
}

/// Every loss of pairs with an everyday set of parameters, and its definition.
fn judged() -> Vec<(Loss, Textbook)> {
    let pairwise = LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise);
    let everyday = |loss: &&Description| {
        let parameters = loss.case(0);
        let definition = textbook(loss.name, &parameters).expect("every loss has a definition");
        let columns: Vec<f64> = loss.column.map(|column| column.default).into_iter().collect();
        (Loss::new(loss, &parameters).unwrap(), definition.with_columns(&columns))
    };
    pairwise.map(everyday).collect()
}

fn losses() -> Vec<Loss> {
    judged().into_iter().map(|(loss, _)| loss).collect()
}

/// What `n` rows have beside their log-probabilities: the default of what the loss takes.
fn beside(loss: &Loss, n: usize) -> Option<Vec<f32>> {
    loss.description().column.map(|column| vec![column.default as f32; n])
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Nine columns of results.
struct Results([Vec<f32>; 9]);

impl Results {
    fn new(n: usize) -> Self {
        Self(std::array::from_fn(|_| vec![f32::from_bits(0xdead_beef); n]))
    }
    fn outputs(&mut self) -> Outputs<'_> {
        let [a, b, c, d, e, f, g, h, i] = &mut self.0;
        Outputs {
            losses: Some(a),
            chosen_rewards: Some(b),
            rejected_rewards: Some(c),
            margins: Some(d),
            grad_chosen_logps: Some(e),
            grad_rejected_logps: Some(f),
            grad_ref_chosen_logps: Some(g),
            grad_ref_rejected_logps: Some(h),
            grad_beta: Some(i),
        }
    }
    fn bits(&self) -> Vec<u32> {
        self.0.iter().flat_map(|x| bits(x)).collect()
    }
}

/// Means and first losses of the real pairs: 40-digit ones that were computed apart, and those of the judge.
#[test]
fn real_data() {
    let [pc, pr, rc, rr] = real_pairs();
    let computed_apart: [(&str, &[f64], f64, [f64; 5]); 4] = [
        (
            "dpo",
            &[0.1],
            0.19223432720356279,
            [
                0.033846815864702752,
                0.0043305062814358067,
                0.0033482460644072460,
                0.00012771839504941659,
                0.055687751437753405,
            ],
        ),
        (
            "cdpo",
            &[0.1, 0.1],
            0.56994759128742514,
            [0.37074073676314029, 0.54832098479706087, 0.5731126503612823, 0.89668960804348702, 0.34168994870337844],
        ),
        (
            "robust",
            &[0.1, 0.1],
            -0.27990725290126515,
            [
                -0.38727058525834418,
                -0.67565759186309553,
                -0.70885725930668659,
                -1.1205746436654976,
                -0.30181499514427789,
            ],
        ),
        (
            "ipo",
            &[0.1],
            7757.8547931591068,
            [823.081218484789149, 2440.2659286409617, 2701.5503597408534, 7166.6703300513328, 556.97037114202978],
        ),
    ];
    let pairs = Pairs::new(&pc, &pr, &rc, &rr);
    let check = |loss: &Loss, mean: f64, beyond: u64, first: [f64; 5]| {
        let (mut results, mut metrics) = (Results::new(pc.len()), Metrics::new());
        let column = beside(loss, pc.len());
        let pairs = Pairs { column: column.as_deref(), ..pairs };
        Run::default().evaluate(loss, pairs, results.outputs(), Some(&mut metrics)).unwrap();
        for (got, want) in results.0[0].iter().zip(first) {
            assert_eq!(*got, want as f32, "{loss:?}");
        }
        let report = metrics.report();
        // The mean of rounded losses: rounding 300 of them moves it by a few thousandths of a ULP.
        // Losses of both signs cancel in their mean.
        let size = results.0[0].iter().map(|loss| f64::from(loss.abs())).sum::<f64>() / 300.0;
        let right = beyond > 0 || (f64::from(report.loss) - mean).abs() < 6.1e-8 * size;
        assert!(right, "{loss:?}: {} for {mean}", report.loss);
        assert_eq!(report.pairs, 300);
        assert_eq!(report.rewards_accuracies, 0.92);
        assert_eq!(report.chosen_fell, Some(0.25));
        assert_eq!(report.rejected_fell, Some(0.9));
        assert_eq!(report.both_fell, Some((71.0_f64 / 300.0) as f32));
        assert_eq!(report.rewards_chosen, 1.219_124_469_757_080_1_f64 as f32);
        assert_eq!(report.rewards_rejected, -2.558_008_171_081_543_f64 as f32);
        assert_eq!((report.ties, report.nonfinite), (0, beyond), "{loss:?}");
    };
    for (name, parameters, mean, first) in computed_apart {
        check(&Loss::new(find(name).unwrap(), parameters).unwrap(), mean, 0, first);
    }
    // With the scale of the rewards that the others have; ORPO's odds are those of probabilities.
    let has_beta = |loss: &Loss| loss.description().parameters.iter().any(|parameter| parameter.name == "beta");
    for (loss, definition) in judged().into_iter().filter(|(loss, of)| has_beta(loss) && !of.definition().below_zero) {
        let exact: Vec<Float> =
            (0..300).map(|i| pair(&definition, [pc[i], pr[i], rc[i], rr[i]], 1.0)[0].clone()).collect();
        let sum = exact.iter().fold(preflane_judge::float(0.0), |sum, loss| sum + loss);
        // A loss of exponentials is beyond f32 on some of them, and counted.
        let beyond = exact.iter().filter(|loss| loss.to_f32().is_infinite()).count() as u64;
        check(&loss, sums::mean(&sum, 300).to_f64(), beyond, std::array::from_fn(|i| f64::from(exact[i].to_f32())));
    }
}

/// A row has the bits that it has alone: in batches of every length, at every offset, between other rows.
#[test]
fn rows_do_not_know_their_neighbours() {
    let [pc, pr, rc, rr] = real_pairs();
    for loss in losses() {
        let alone: Vec<_> = (0..300).map(|i| evaluate_pair(&loss, pc[i], pr[i], Some((rc[i], rr[i])))).collect();
        for level in Level::ALL {
            let Ok(backend) = Backend::new(level) else { continue };
            for (start, n) in [(0, 300), (1, 1), (2, 7), (3, 8), (5, 17), (7, 33), (11, 64), (13, 287)] {
                let cut = |x: &'_ [f32]| x[start..start + n].to_vec();
                let [pc, pr, rc, rr] = [cut(&pc), cut(&pr), cut(&rc), cut(&rr)];
                let mut results = Results::new(n);
                let column = beside(&loss, n);
                let pairs = Pairs { column: column.as_deref(), ..Pairs::new(&pc, &pr, &rc, &rr) };
                Run::on(backend).evaluate(&loss, pairs, results.outputs(), None).unwrap();
                for i in 0..n {
                    let pair = alone[start + i];
                    let want = [
                        pair.loss,
                        pair.chosen_reward,
                        pair.rejected_reward,
                        pair.margin,
                        pair.grad_chosen_logps,
                        pair.grad_rejected_logps,
                        pair.grad_ref_chosen_logps,
                        pair.grad_ref_rejected_logps,
                        pair.grad_beta,
                    ];
                    let got: Vec<_> = results.0.iter().map(|x| x[i]).collect();
                    assert_eq!(bits(&got), bits(&want), "{loss:?} {level:?} rows {start}+{n}, row {i}");
                }
            }
        }
    }
}

/// One wild row switches its whole block to the watchful loop: its neighbours must not notice.
#[test]
fn a_wild_row_leaves_its_neighbours_alone() {
    let [pc, pr, rc, rr] = real_pairs();
    for loss in losses() {
        for level in Level::ALL {
            let Ok(backend) = Backend::new(level) else { continue };
            let mut calm = Results::new(300);
            let column = beside(&loss, 300);
            let pairs = Pairs { column: column.as_deref(), ..Pairs::new(&pc, &pr, &rc, &rr) };
            Run::on(backend).evaluate(&loss, pairs, calm.outputs(), None).unwrap();
            for wild in [f32::NAN, f32::INFINITY, -1e30, -1e-40] {
                let mut pc = pc.clone();
                pc[150] = wild;
                let mut results = Results::new(300);
                let pairs = Pairs { column: column.as_deref(), ..Pairs::new(&pc, &pr, &rc, &rr) };
                Run::on(backend).evaluate(&loss, pairs, results.outputs(), None).unwrap();
                for (a, b) in calm.0.iter().zip(&results.0) {
                    for i in (0..300).filter(|&i| i != 150) {
                        assert_eq!(a[i].to_bits(), b[i].to_bits(), "{loss:?} {level:?} {wild} row {i}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_partitions_and_orders_give_the_same_bits() {
    let mut random = Random(21);
    let n = 70_001;
    let columns: [Vec<f32>; 4] = std::array::from_fn(|_| {
        (0..n)
            .map(|i| match i % 1000 {
                0 => f32::from_bits(random.bits() as u32),
                1 => random.finite(),
                _ => random.logp(),
            })
            .collect()
    });
    let weights: Vec<f32> = (0..n).map(|_| random.unit() as f32).collect();
    let [pc, pr, rc, rr] = &columns;
    let pairs = Pairs::new(pc, pr, rc, rr).with_weights(&weights);
    // Those by value share a kernel: some of them.
    for loss in
        losses().into_iter().enumerate().filter(|(i, loss)| i % 12 == 0 || !loss.description().nearest).map(|x| x.1)
    {
        let column = beside(&loss, n);
        let pairs = Pairs { column: column.as_deref(), ..pairs };
        let (mut first, mut first_metrics) = (Results::new(n), Metrics::new());
        Run::default().evaluate(&loss, pairs, first.outputs(), Some(&mut first_metrics)).unwrap();
        for threads in [1, 2, 3, 8] {
            let (mut results, mut metrics) = (Results::new(n), Metrics::new());
            let run = Run::default().threads(threads).unwrap();
            run.evaluate(&loss, pairs, results.outputs(), Some(&mut metrics)).unwrap();
            assert!(results.bits() == first.bits(), "{loss:?}, {threads} threads");
            assert_eq!(metrics, first_metrics, "{loss:?}, {threads} threads");
        }
        // Back to front in uneven parts.
        let mut merged = Metrics::new();
        let mut end = n;
        for part in (1..).map(|i| i * 977) {
            let start = end.saturating_sub(part);
            let cut = |x: &[f32]| x[start..end].iter().rev().copied().collect::<Vec<_>>();
            let [pc, pr, rc, rr, w] = [pc, pr, rc, rr, &weights].map(|x| cut(x));
            let mut metrics = Metrics::new();
            let column = beside(&loss, w.len());
            let pairs = Pairs { column: column.as_deref(), ..Pairs::new(&pc, &pr, &rc, &rr).with_weights(&w) };
            Run::on(Backend::SCALAR).evaluate(&loss, pairs, Outputs::default(), Some(&mut metrics)).unwrap();
            merged.merge(&metrics);
            end = start;
            if end == 0 {
                break;
            }
        }
        assert_eq!(merged, first_metrics, "{loss:?}");
    }
}

#[test]
fn outputs_can_be_left_out() {
    let [pc, pr, rc, rr] = real_pairs();
    let pairs = Pairs::new(&pc, &pr, &rc, &rr);
    let loss = Loss::cdpo(0.1, 0.1).unwrap();
    let mut all = Results::new(300);
    let mut want = Metrics::new();
    Run::default().evaluate(&loss, pairs, all.outputs(), Some(&mut want)).unwrap();
    let mut margins = vec![0.0; 300];
    let mut got = Metrics::new();
    let outputs = Outputs { margins: Some(&mut margins), ..Default::default() };
    Run::default().evaluate(&loss, pairs, outputs, Some(&mut got)).unwrap();
    assert_eq!(bits(&margins), bits(&all.0[3]));
    assert_eq!(got, want);
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    for (loss, definition) in judged() {
        // A NaN stays with what depends on it.
        let nan = evaluate_pair(&loss, -3.0, f32::from_bits(0xffc1_2345), Some((-2.0, -1.0)));
        for x in [nan.loss, nan.rejected_reward, nan.margin, nan.grad_chosen_logps, nan.grad_beta] {
            assert_eq!(x.to_bits(), 0x7fc0_0000, "{loss:?}");
        }
        assert_eq!(evaluate_pair(&loss, -INF, -INF, None).margin.to_bits(), 0x7fc0_0000);
        assert_eq!(evaluate_pair(&loss, -INF, -1.0, Some((-INF, -1.0))).chosen_reward.to_bits(), 0x7fc0_0000);
        // Limits of those by value are compared with another implementation, digest by digest.
        if loss.description().nearest {
            continue;
        }
        assert_eq!(nan.chosen_reward, -0.1);
        // An infinite log-probability gives the limit: what the judge says of far ones, where they are not far too.
        let (sure, lost) = (evaluate_pair(&loss, -1.0, -INF, None), evaluate_pair(&loss, -INF, -1.0, None));
        assert_eq!((sure.margin, lost.margin), (INF, -INF));
        assert_eq!((sure.rejected_reward, sure.chosen_reward), (-INF, -0.1));
        let limit = |logps: [f32; 4], result: usize| {
            let far = pair(&definition, logps, 1.0)[result].to_f32();
            if far.abs() > 1e20 { INF.copysign(far) } else { far + 0.0 }
        };
        let (right, wrong) = ([-1.0, -1e30, 0.0, 0.0], [-1e30, -1.0, 0.0, 0.0]);
        assert_eq!((sure.loss, lost.loss), (limit(right, 0), limit(wrong, 0)), "{loss:?}");
        assert_eq!((sure.grad_chosen_logps, lost.grad_chosen_logps), (limit(right, 4), limit(wrong, 4)), "{loss:?}");
        assert_eq!((sure.grad_beta, lost.grad_beta), (limit(right, 8), limit(wrong, 8)), "{loss:?}");
    }
    // Some of them.
    let sure = |loss: Result<Loss, Error>| evaluate_pair(&loss.unwrap(), -1.0, -INF, None);
    assert_eq!((sure(Loss::dpo(0.1)).loss, sure(Loss::dpo(0.1)).grad_chosen_logps), (0.0, 0.0));
    assert_eq!((sure(Loss::cdpo(0.1, 0.1)).loss, sure(Loss::cdpo(0.1, 0.1)).grad_chosen_logps), (INF, 0.01));
    assert_eq!((sure(Loss::robust(0.1, 0.1)).loss, sure(Loss::robust(0.1, 0.1)).grad_chosen_logps), (-INF, -0.0125));
    assert_eq!((sure(Loss::ipo(0.1)).loss, sure(Loss::ipo(0.1)).grad_chosen_logps), (INF, INF));
}

#[test]
fn metrics_count() {
    let nan = f32::NAN;
    let pc = [-1.0, -5.0, -2.0, nan, -1.0, f32::MAX, -f32::INFINITY];
    let pr = [-2.0, -4.0, -2.0, -1.0, -2.0, f32::MIN, -1.0];
    let rc = [-1.5, -4.5, -2.0, -1.0, nan, 0.0, 0.0];
    let rr = [-1.5, -3.5, -2.0, -2.0, -2.0, 0.0, 0.0];
    for level in Level::ALL {
        let Ok(backend) = Backend::new(level) else { continue };
        let mut metrics = Metrics::new();
        let pairs = Pairs::new(&pc, &pr, &rc, &rr);
        Run::on(backend).evaluate(&Loss::dpo(1.0).unwrap(), pairs, Outputs::default(), Some(&mut metrics)).unwrap();
        // Rows 1 and 2 tie; row 5's margin overflows; rows 3, 4 are NaN, row 6 infinite.
        let counts = [metrics.pairs(), metrics.accurate(), metrics.ties(), metrics.nonfinite()];
        assert_eq!(counts, [7, 2, 2, 4], "{level:?}");
        let fell = [metrics.chosen_fell(), metrics.rejected_fell(), metrics.both_fell()];
        assert_eq!(fell, [2, 4, 2], "{level:?}");
        assert!(metrics.report().loss.is_nan());
    }
    let mut free = Metrics::new();
    let pairs = Pairs::reference_free(&pc, &pr);
    Run::on(Backend::SCALAR).evaluate(&Loss::dpo(1.0).unwrap(), pairs, Outputs::default(), Some(&mut free)).unwrap();
    assert_eq!((free.referenced(), free.report().chosen_fell), (0, None));
    assert!(Metrics::new().report().loss.is_nan());
}

#[test]
fn bad_input_is_named_before_anything_is_written() {
    let (four, three) = ([-1.0_f32; 4], [-1.0_f32; 3]);
    let loss = Loss::dpo(0.1).unwrap();
    let length = |argument| Err(Error::Length { argument, expected: 4, got: 3 });
    let mut out = [7.0; 4];
    let mut check = |pairs, want| {
        let (mut metrics, outputs) = (Metrics::new(), Outputs { losses: Some(&mut out), ..Default::default() });
        assert_eq!(Run::default().evaluate(&loss, pairs, outputs, Some(&mut metrics)), want);
        assert_eq!((out, metrics), ([7.0; 4], Metrics::new()));
    };
    check(Pairs::new(&four, &three, &four, &four), length("policy_rejected_logps"));
    check(Pairs::new(&four, &four, &three, &four), length("ref_chosen_logps"));
    check(Pairs::new(&four, &four, &four, &three), length("ref_rejected_logps"));
    check(Pairs::reference_free(&four, &four).with_weights(&three), length("weights"));
    for bad in [-1.0, f32::NAN, f32::INFINITY, -f32::MIN_POSITIVE] {
        let weights = [1.0, 0.0, bad, 1.0];
        let pairs = Pairs::reference_free(&four, &four).with_weights(&weights);
        let (mut metrics, outputs) = (Metrics::new(), Outputs { losses: Some(&mut out), ..Default::default() });
        match Run::default().evaluate(&loss, pairs, outputs, Some(&mut metrics)) {
            Err(Error::Weight { row: 2, value }) => assert_eq!(value.to_bits(), bad.to_bits()),
            other => panic!("{other:?}"),
        }
        assert_eq!((out, metrics), ([7.0; 4], Metrics::new()));
    }
    let mut short = [0.0; 3];
    let outputs = Outputs { grad_beta: Some(&mut short), ..Default::default() };
    assert_eq!(
        Run::default().in_pool().evaluate(&loss, Pairs::reference_free(&four, &four), outputs, None),
        length("grad_beta")
    );
    // Nothing to do is no error.
    Run::default().evaluate(&loss, Pairs::new(&[], &[], &[], &[]), Outputs::default(), None).unwrap();
}

/// A loss of any shape: what refuses it, if something does.
fn refused(description: &Description, parameters: &[f64]) -> Option<Error> {
    match description.shape {
        Shape::Pairwise => Loss::new(description, parameters).err(),
        Shape::Labelled => LabelledLoss::new(description, parameters).err(),
        Shape::Listed => ListedLoss::new(description, parameters).err(),
        Shape::Contrastive => unreachable!("none is made of parameters"),
    }
}

#[test]
fn parameters_are_checked() {
    const INF: f64 = f64::INFINITY;
    for description in LOSSES.iter().filter(|loss| loss.shape != Shape::Contrastive) {
        for (k, parameter) in description.parameters.iter().enumerate() {
            // What is outside of each range, and its ends within.
            let (bad, good): (&[f64], &[f64]) = match parameter.requirement {
                "finite" => (&[], &[f64::MIN, -0.0, f64::MAX]),
                "finite and at least 0" => (&[-1e-300, -1.0], &[0.0, -0.0, f64::MAX]),
                "finite and greater than 0" => (&[0.0, -0.0, -0.1], &[f64::from_bits(1), f64::MAX]),
                "greater than 0 and at most 1" => (&[0.0, -0.5, 1.0_f64.next_up()], &[f64::from_bits(1), 1.0]),
                "greater than 0 and less than 1" => (&[0.0, -0.5, 1.0], &[f64::from_bits(1), 1.0_f64.next_down()]),
                "greater than 0 and less than 1/2" => (&[0.0, -0.5, 0.5], &[f64::from_bits(1), 0.5_f64.next_down()]),
                "at least 0 and less than 1/2" => (&[0.5, 0.6, -1e-300, 1.0], &[0.0, -0.0, 0.5_f64.next_down()]),
                "at least 0 and at most 65536" => (&[-0.5, 65_536.0_f64.next_up()], &[0.0, 65_536.0]),
                "at least -1024 and at most 1024" => (&[1024.0_f64.next_up(), -1025.0], &[-1024.0, 1024.0]),
                "at least 1/1024 and at most 1024" => {
                    (&[0.0, (1.0_f64 / 1024.0).next_down(), 1024.0_f64.next_up()], &[1.0 / 1024.0, 1024.0])
                }
                "at least -1000 and less than 0" => {
                    (&[0.0, -1000.0_f64.next_up() - 1.0], &[-1000.0, -f64::from_bits(1)])
                }
                "at least 1e-12 and at most 1e12" => {
                    (&[0.0, -1.0, 1e-12_f64.next_down(), 1e12_f64.next_up()], &[1e-12, 1e12])
                }
                "a whole number from 1 to 1000000" => (&[0.0, 0.5, 1.5, -1.0, 1_000_001.0], &[1.0, 2.0, 1e6]),
                other => panic!("the range '{other}' is to be stated here"),
            };
            let with = |value: f64| {
                let mut parameters = description.case(0).to_vec();
                parameters[k] = value;
                refused(description, &parameters)
            };
            for value in bad.iter().copied().chain([f64::NAN, INF, -INF]) {
                match with(value) {
                    Some(Error::Parameter { name, requirement, .. }) => {
                        assert_eq!((name, requirement), (parameter.name, parameter.requirement));
                    }
                    other => panic!("{} {} {value:e}: {other:?}", description.name, parameter.name),
                }
            }
            for value in good.iter().chain(parameter.grid).chain([&parameter.default]) {
                assert_eq!(with(*value), None, "{} {} {value:e}", description.name, parameter.name);
            }
        }
        // Too many and too few of them, and a loss of another shape.
        let n = description.parameters.len();
        for got in [n.wrapping_sub(1), n + 1].into_iter().filter(|got| *got < 9) {
            let expected = Error::Length { argument: "parameters", expected: n, got };
            assert_eq!(refused(description, &vec![0.25; got]), Some(expected), "{}", description.name);
        }
        let other = if description.shape == Shape::Pairwise { Shape::Listed } else { Shape::Pairwise };
        let error = refused(&Description { shape: other, ..**description }, &description.case(0));
        assert!(matches!(error, Some(Error::Parameter { name: "loss", .. })), "{}: {error:?}", description.name);
    }
}

#[test]
fn levels_have_names_and_limits() {
    for level in Level::ALL {
        assert_eq!(Level::from_name(level.name()), Ok(level));
        match Backend::new(level) {
            Ok(backend) => assert_eq!(backend.level(), level),
            Err(error) => assert_eq!(error, Error::Level(level)),
        }
    }
    assert_eq!(Level::from_name("AVX2"), Err(Error::UnknownLevel));
    assert!(Error::Level(Level::Avx512).to_string().contains("scalar"));
}

/// One rule for a weight of 0: NaN stays, and of all else it makes 0, infinity included; the counts do not change.
#[test]
fn a_weight_of_0_on_infinity_and_on_nan() {
    const INF: f32 = f32::INFINITY;
    let numbers = [
        [-INF, -14.0, -13.0, -13.5],
        [INF, -14.0, -13.0, -13.5],
        [-12.0, -INF, -13.0, -13.5],
        [-12.0, -14.0, -INF, -13.5],
        [-12.0, -14.0, -13.0, -INF],
        [-3e38, 3e38, 3e38, -3e38],
        [-12.0, -14.0, -13.0, -13.5],
    ];
    let nans = [[f32::NAN, -14.0, -13.0, -13.5], [-12.0, -14.0, f32::NAN, -13.5], [-INF, -INF, -13.0, -13.5]];
    let rows: Vec<[f32; 4]> = numbers.into_iter().chain(nans).cycle().take(50).collect();
    let columns: [Vec<f32>; 4] = std::array::from_fn(|i| rows.iter().map(|row| row[i]).collect());
    let [pc, pr, rc, rr] = &columns;
    let weights = vec![0.0; rows.len()];
    for level in Level::ALL {
        let Ok(backend) = Backend::new(level) else { continue };
        // A positive log-probability has no odds: ORPO is NaN there.
        for loss in losses().into_iter().filter(|loss| loss.description().name != "orpo") {
            let column = beside(&loss, rows.len());
            let count = |pairs: Pairs<'_>| {
                let pairs = Pairs { column: column.as_deref(), ..pairs };
                let (mut results, mut metrics) = (Results::new(rows.len()), Metrics::new());
                Run::on(backend).evaluate(&loss, pairs, results.outputs(), Some(&mut metrics)).unwrap();
                (results, metrics.nonfinite(), metrics.accurate(), metrics.ties())
            };
            let pairs = Pairs::new(pc, pr, rc, rr);
            let (Results(plain), nonfinite, accurate, ties) = count(pairs);
            let (Results(weighted), same, ..) = count(pairs.with_weights(&weights));
            assert_eq!(count(pairs.with_weights(&weights)).2, accurate);
            assert_eq!(count(pairs.with_weights(&weights)).3, ties);
            // Of each ten rows five have an infinity and three a NaN; the sixth is finite, but its squared distance may not be.
            // So is the reward of SimPER and of others that have no beta, 1.2e39.
            let huge =
                if loss.description().parameters.iter().any(|parameter| parameter.name == "beta") { 0 } else { 5 };
            assert!(nonfinite >= 40 + huge && same == 40 + huge, "{nonfinite}, {same}, {loss:?}");
            for (row, inputs) in rows.iter().enumerate() {
                for result in [0, 4, 5, 6, 7, 8] {
                    let (name, value) = (format!("{level:?} {loss:?} {inputs:?} {result}"), weighted[result][row]);
                    if row % 10 < numbers.len() {
                        assert_eq!(value, 0.0, "{name}");
                    } else {
                        assert_eq!(value.to_bits(), 0x7fc0_0000, "{name}");
                    }
                }
                for result in 1..4 {
                    assert_eq!(weighted[result][row].to_bits(), plain[result][row].to_bits());
                }
            }
        }
    }
}
