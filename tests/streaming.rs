//! Streaming evaluation: the bits of whole batches, order of calls, window, alarms, state as bytes, loss of power.

use preflane::logits::{Labels, Logits, Reduction, Scaling, Targets, TokenOutputs};
use preflane::losses::{LOSSES, Shape};
use preflane::streaming::storage::{RECORD_OVERHEAD, Slot, Slots, Storage, StorageError};
use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, PairBuffer, Scored, Side, Threshold, k3};
use preflane::{Backend, Error, ExactSum, Loss, Metrics, Outputs, Pairs, Run, evaluate_pair};
use preflane_judge::{Random, crc32, ulps};

fn dpo() -> Loss {
    Loss::dpo(0.1).unwrap()
}

/// Token log-probabilities of policy and reference.
fn tokens(random: &mut Random, n: usize) -> Vec<(f32, f32)> {
    let logp = |random: &mut Random| (-random.unit() * random.unit() * 12.0) as f32;
    (0..n).map(|_| (logp(random), logp(random))).collect()
}

fn feed(evaluator: &mut Evaluator<Loss>, side: Side, tokens: &[(f32, f32)]) -> Option<Scored> {
    evaluator.begin(side).unwrap();
    for &(policy, reference) in tokens {
        evaluator.token(policy, Some(reference)).unwrap();
    }
    evaluator.end(None).unwrap()
}

fn sum(x: impl Iterator<Item = f32>) -> f32 {
    let mut sum = ExactSum::new();
    x.for_each(|x| sum.add(x));
    sum.sum()
}

/// A pair given by whole answers of one token each.
fn scored(pc: f32, pr: f32, rc: f32, rr: f32) -> Scored {
    let mut evaluator = Evaluator::new(dpo());
    assert_eq!(feed(&mut evaluator, Side::Chosen, &[(pc, rc)]), None);
    feed(&mut evaluator, Side::Rejected, &[(pr, rr)]).unwrap()
}

#[test]
fn the_bits_of_a_batch() {
    let mut random = Random(1);
    for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Pairwise) {
        let loss = Loss::new(description, &description.case(1)).unwrap();
        let mut evaluator = Evaluator::new(loss);
        let mut devices = [const { Monitor::<5>::new() }; 3];
        let limits = Limits::new(1).unwrap();
        let mut columns = [const { Vec::new() }; 4];
        let mut losses = Vec::new();
        for pair in 0..60 {
            let (n, m) = (1 + random.bits() as usize % 40, 1 + random.bits() as usize % 40);
            let (chosen, rejected) = (tokens(&mut random, n), tokens(&mut random, m));
            // Either answer may come first.
            let scored = if pair % 2 == 0 {
                assert_eq!(feed(&mut evaluator, Side::Chosen, &chosen), None);
                feed(&mut evaluator, Side::Rejected, &rejected)
            } else {
                assert_eq!(feed(&mut evaluator, Side::Rejected, &rejected), None);
                feed(&mut evaluator, Side::Chosen, &chosen)
            };
            let scored = scored.unwrap();
            let logps = [
                sum(chosen.iter().map(|t| t.0)),
                sum(rejected.iter().map(|t| t.0)),
                sum(chosen.iter().map(|t| t.1)),
                sum(rejected.iter().map(|t| t.1)),
            ];
            let [pc, pr, rc, rr] = logps;
            // As text, in which a NaN is the same as another: sums of log-probabilities above the reference's are no odds.
            assert_eq!(format!("{:?}", scored.pair), format!("{:?}", evaluate_pair(&loss, pc, pr, Some((rc, rr)))));
            assert_eq!((scored.chosen.tokens, scored.rejected.tokens), (n as u32, m as u32));
            assert_eq!(scored.chosen.reference.unwrap().logps, rc);
            for (column, logp) in columns.iter_mut().zip(logps) {
                column.push(logp);
            }
            losses.push(scored.pair.loss);
            devices[pair % 3].push(&scored, &limits);
        }
        let [pc, pr, rc, rr] = &columns;
        let (mut whole, mut out) = (Metrics::new(), vec![0.0; 60]);
        let outputs = Outputs { losses: Some(&mut out), ..Default::default() };
        // An evaluator takes the default of what the loss has beside log-probabilities.
        let column = description.column.map(|column| [column.default as f32; 60]);
        let pairs = Pairs { column: column.as_ref().map(|x| &x[..]), ..Pairs::new(pc, pr, rc, rr) };
        Run::default().evaluate(&loss, pairs, outputs, Some(&mut whole)).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&out), bits(&losses));
        // The fleet's metrics, through bytes.
        let mut fleet = Metrics::new();
        for device in &devices {
            fleet.merge(&Metrics::from_bytes(&device.metrics().to_bytes()).unwrap());
        }
        assert_eq!(fleet, whole);
        assert_eq!(fleet.pairs(), 60);
    }
}

#[test]
fn means_and_references_of_whole_answers() {
    let mut evaluator = Evaluator::new(Loss::ipo(0.1).unwrap()).with_reduction(Reduction::Mean).unwrap();
    evaluator.begin(Side::Chosen).unwrap();
    for logp in [-1.0, -2.0, -4.0] {
        evaluator.token(logp, None).unwrap();
    }
    assert_eq!(evaluator.end(Some(-2.5)), Ok(None));
    evaluator.begin(Side::Rejected).unwrap();
    evaluator.token(-3.0, None).unwrap();
    let scored = evaluator.end(Some(-3.5)).unwrap().unwrap();
    let mean = (-7.0_f64 / 3.0) as f32;
    assert_eq!(scored.chosen.logps, mean);
    assert_eq!(scored.chosen.reference.unwrap().drift, None);
    assert_eq!(scored.pair, evaluate_pair(&Loss::ipo(0.1).unwrap(), mean, -3.0, Some((-2.5, -3.5))));

    let refused = Evaluator::new(dpo()).with_reduction(Reduction::LengthDesensitized { alpha: 0.5 });
    assert!(matches!(refused, Err(Error::Parameter { name: "alpha", .. })));
    // Without a reference.
    let mut evaluator = Evaluator::new(dpo());
    evaluator.begin(Side::Rejected).unwrap();
    evaluator.token(-3.0, None).unwrap();
    assert_eq!(evaluator.end(None), Ok(None));
    evaluator.begin(Side::Chosen).unwrap();
    evaluator.token(-1.0, None).unwrap();
    let scored = evaluator.end(None).unwrap().unwrap();
    assert_eq!(scored.pair, evaluate_pair(&dpo(), -1.0, -3.0, None));
    let mut monitor = Monitor::<2>::new();
    monitor.push(&scored, &Limits::new(1).unwrap());
    assert_eq!((monitor.metrics().pairs(), monitor.metrics().referenced()), (1, 0));
    let report = monitor.window().report();
    assert_eq!((report.chosen_fell, report.kl_k1, report.rewards_margins), (None, None, Some(0.2)));
}

#[test]
fn rows_of_logits() {
    let mut random = Random(2);
    let (rows, columns) = (24, 517);
    let logits: Vec<f32> = (0..rows * columns).map(|_| (random.unit() * 30.0 - 15.0) as f32).collect();
    let labels: Vec<i64> = (0..rows).map(|_| (random.bits() % columns as u64) as i64).collect();
    for scaling in [Scaling::NONE, Scaling::new(0.7, 1.0, Some(30.0)).unwrap()] {
        let mut logps = vec![0.0; rows];
        let matrix = Logits::new(&logits, rows, columns).unwrap();
        let outputs = TokenOutputs { logps: Some(&mut logps), ..Default::default() };
        Run::default().token_logps(matrix, Targets::new(Labels::I64(&labels)), &scaling, outputs).unwrap();

        let mut evaluator = Evaluator::new(dpo());
        for (side, range) in [(Side::Chosen, 0..10), (Side::Rejected, 10..rows)] {
            evaluator.begin(side).unwrap();
            let before = evaluator;
            let beyond = evaluator.logits(&logits[..columns], columns, &scaling, Some(-1.0));
            assert_eq!(beyond, Err(Error::Target { row: 0, label: columns as i64, columns }));
            assert_eq!(evaluator, before);
            for row in range.clone() {
                let row_logits = &logits[row * columns..(row + 1) * columns];
                evaluator.logits(row_logits, labels[row] as usize, &scaling, Some(-1.0)).unwrap();
            }
            let expected = sum(logps[range].iter().copied());
            if let Some(scored) = evaluator.end(None).unwrap() {
                assert_eq!(scored.rejected.logps, expected);
                assert_eq!(scored.chosen.logps, sum(logps[..10].iter().copied()));
            }
        }
    }
}

/// Random calls against a plain model of what is allowed; a refused call changes nothing.
#[test]
fn calls_in_any_order() {
    #[derive(Default)]
    struct Model {
        open: Option<Side>,
        /// The state of the open answer: tokens with and without a reference.
        tokens: [u32; 2],
        /// The ended answer, and whether it has a reference.
        ended: Option<(Side, bool)>,
    }
    let mut random = Random(3);
    let (mut evaluator, mut model) = (Evaluator::new(dpo()), Model::default());
    let (mut allowed, mut refused, mut pairs) = (0, 0, 0);
    for _ in 0..200_000 {
        let before = evaluator;
        let side = if random.bits() & 1 == 0 { Side::Chosen } else { Side::Rejected };
        let reference = (random.bits() & 1 == 0).then_some(-1.5);
        let (right, outcome) = match random.bits() % 8 {
            0 | 1 => {
                let right = model.open.is_none() && model.ended.is_none_or(|(ended, _)| ended != side);
                if right {
                    (model.open, model.tokens) = (Some(side), [0, 0]);
                }
                (right, evaluator.begin(side).map(|()| None))
            }
            2..=4 => {
                let (same, other) = if reference.is_some() { (0, 1) } else { (1, 0) };
                let right = model.open.is_some() && model.tokens[other] == 0;
                if right {
                    model.tokens[same] += 1;
                }
                (right, evaluator.token(-2.0, reference).map(|()| None))
            }
            5..=6 => {
                let [with, without] = model.tokens;
                let referenced = with > 0 || reference.is_some();
                let right = model.open.is_some()
                    && with + without > 0
                    && !(with > 0 && reference.is_some())
                    && model.ended.is_none_or(|(_, ended)| ended == referenced);
                let outcome = evaluator.end(reference);
                if right {
                    let pair = model.ended.is_some();
                    assert_eq!(outcome.unwrap().is_some(), pair);
                    pairs += usize::from(pair);
                    model.ended = if pair { None } else { model.open.map(|side| (side, referenced)) };
                    model.open = None;
                }
                (right, outcome)
            }
            _ => {
                if random.bits().is_multiple_of(8) {
                    evaluator.abandon();
                    model = Model::default();
                    continue;
                }
                (true, Ok(None))
            }
        };
        assert_eq!(outcome.is_ok(), right, "{outcome:?}");
        if right {
            allowed += 1;
        } else {
            assert_eq!(evaluator, before, "{outcome:?}");
            refused += 1;
        }
    }
    assert!(allowed > 50_000 && refused > 50_000 && pairs > 3_000, "{allowed} {refused} {pairs}");
}

#[test]
fn refusals_say_what_is_right() {
    let mut evaluator = Evaluator::new(dpo());
    assert_eq!(evaluator.token(-1.0, None).unwrap_err().to_string(), "token is out of order: begin comes first");
    evaluator.begin(Side::Rejected).unwrap();
    let empty = evaluator.end(None).unwrap_err();
    assert_eq!(empty, Error::EmptySequence { sequence: 1 });
    assert_eq!(empty.to_string(), "sequence 1 has no token that counts: none came, or every target of it is masked");
}

#[test]
fn k3_is_within_its_bound() {
    let mut random = Random(4);
    let mut worst: f64 = 0.0;
    let mut judge = |policy: f32, reference: f32| {
        let got = k3(policy, reference);
        assert!(got >= 0.0);
        let error = ulps(got, &preflane_judge::k3(policy, reference));
        assert!(error <= 0.501, "{policy:e} {reference:e}: {got:e}, {error} ULP");
        worst = worst.max(error);
    };
    for i in 0..60_000 {
        let policy = if i % 2 == 0 { random.logp() } else { (-random.unit() * 20.0) as f32 };
        // Differences of every size, and around 1/2, where the series ends.
        let scale = 2.0_f64.powi((random.bits() % 60) as i32 - 50);
        judge(policy, policy + (scale * (random.unit() - 0.5)) as f32);
        judge(policy, (f64::from(policy) + 0.5 + (random.unit() - 0.5) * 1e-6) as f32);
        judge(policy, (f64::from(policy) - 0.5 + (random.unit() - 0.5) * 1e-6) as f32);
    }
    for a in [0.0, -0.0, -1e-45, -1e-38, -1e-20, -0.25, -0.5, -88.7, -88.8, -103.0, -1e10, f32::MIN, f32::MAX] {
        for b in [0.0, -1e-45, -1e-30, -0.5, -0.500_000_06, -50.0, -88.7, -150.0, -1e20, f32::MIN, f32::MAX] {
            judge(a, b);
            judge(b, a);
        }
    }
    // Rounding alone comes near half a unit: a judge that saw less would be blind.
    assert!(worst > 0.4999, "{worst}");
    let infinite = f32::NEG_INFINITY;
    assert_eq!(k3(infinite, -1.0), f32::INFINITY);
    assert_eq!(k3(-1.0, infinite), f32::INFINITY);
    for (a, b) in [(infinite, infinite), (f32::NAN, -1.0), (-1.0, f32::NAN)] {
        assert_eq!(k3(a, b).to_bits(), 0x7fc0_0000);
    }
}

#[test]
fn drift_of_an_answer() {
    use preflane_judge::float;
    let mut random = Random(5);
    let mut evaluator = Evaluator::new(dpo());
    for n in [1, 2, 3, 100, 5000] {
        let answer = tokens(&mut random, n);
        feed(&mut evaluator, Side::Chosen, &answer);
        let scored = feed(&mut evaluator, Side::Rejected, &[(-1.0, -1.0)]).unwrap();
        let drift = scored.chosen.reference.unwrap().drift.unwrap();
        let (mut k1_sum, mut k3_sum) = (float(0.0), float(0.0));
        for &(policy, reference) in &answer {
            k1_sum += float(policy) - float(reference);
            k3_sum += preflane_judge::k3(policy, reference);
        }
        assert!(ulps(drift.k1, &(k1_sum / float(n as f64))) <= 0.5);
        assert!(ulps(drift.k3, &(k3_sum / float(n as f64))) <= 0.501);
        assert_eq!(scored.rejected.reference.unwrap().drift.unwrap().k3, 0.0);
    }
    // The mean may be finite where a token's estimate is not.
    let far: Vec<_> = (0..1000).map(|i| if i == 0 { (-90.0, 0.0) } else { (-1.0, -1.0) }).collect();
    assert_eq!(k3(-90.0, 0.0), f32::INFINITY);
    feed(&mut evaluator, Side::Chosen, &far);
    let scored = feed(&mut evaluator, Side::Rejected, &far).unwrap();
    let drift = scored.chosen.reference.unwrap().drift.unwrap();
    assert!(ulps(drift.k3, &(preflane_judge::k3(-90.0, 0.0) / float(1000.0))) <= 0.501);
}

#[test]
fn windows() {
    let mut random = Random(6);
    let mut monitor = Monitor::<7>::new();
    let mut all: Vec<Scored> = Vec::new();
    let limits = Limits::new(1).unwrap();
    assert_eq!(monitor.window().report().rewards_margins, None);
    assert_eq!(monitor.window().quantile(0.5), None);
    for i in 0..300 {
        let mut logp = || -(random.bits() as u32 as f32 / 4e9) * if i % 50 == 7 { f32::INFINITY } else { 300.0 };
        let one = scored(logp(), logp(), logp(), logp());
        monitor.push(&one, &limits);
        all.push(one);
        let last: Vec<_> = all.iter().rev().take(7).collect();
        let window = monitor.window();
        let report = window.report();
        assert_eq!((report.pairs as usize, window.capacity()), (last.len(), 7));
        let share = |of: &dyn Fn(&Scored) -> bool| {
            let count = last.iter().filter(|scored| of(scored)).count();
            Some((count as f64 / last.len() as f64) as f32)
        };
        let fell = |scored: &Scored, chosen: bool| {
            let answer = if chosen { scored.chosen } else { scored.rejected };
            answer.logps < answer.reference.unwrap().logps
        };
        assert_eq!(report.chosen_fell, share(&|scored| fell(scored, true)));
        assert_eq!(report.both_fell, share(&|scored| fell(scored, true) && fell(scored, false)));
        assert_eq!(report.nonfinite, share(&|scored| !scored.pair.margin.is_finite()));
        let mut margins: Vec<f32> = last.iter().map(|scored| scored.pair.margin).collect();
        let mean = |values: &[f32]| {
            let mut sum = ExactSum::new();
            values.iter().for_each(|x| sum.add(*x));
            sum.mean(values.len() as u64)
        };
        assert_eq!(report.rewards_margins.unwrap().to_bits(), mean(&margins).to_bits());
        let drifts: Vec<f32> = (last.iter())
            .map(|scored| {
                let k3 = |answer: preflane::streaming::Answer| f64::from(answer.reference.unwrap().drift.unwrap().k3);
                let mean = (k3(scored.chosen) + k3(scored.rejected)) / 2.0;
                if mean.is_nan() { f32::NAN } else { mean as f32 }
            })
            .collect();
        assert_eq!(report.kl_k3.unwrap().to_bits(), mean(&drifts).to_bits());
        margins.retain(|margin| !margin.is_nan());
        margins.sort_by(f32::total_cmp);
        for q in [0.0, 0.01, 1.0 / 7.0, 0.25, 0.5, 0.9, 1.0] {
            // The least margin that so many do not exceed.
            let expected = margins.iter().copied().find(|margin| {
                let not_above = margins.iter().filter(|other| *other <= margin).count();
                not_above as f64 >= f64::from(q) * margins.len() as f64
            });
            assert_eq!(window.quantile(q), expected, "{q} of {margins:?}");
        }
        for q in [-0.1, 1.1, f32::NAN] {
            assert_eq!(window.quantile(q), None);
        }
    }
    assert_eq!(monitor.metrics().pairs(), 300);
    assert_eq!(monitor.view().window().len(), 7);
}

#[test]
fn alarms_with_hysteresis() {
    let limits = Limits::new(2)
        .unwrap()
        .with(Alarm::Displacement, Threshold { raise: 0.75, clear: 0.25 })
        .unwrap()
        .with(Alarm::MarginCollapse, Threshold { raise: -0.5, clear: 0.0 })
        .unwrap();
    let mut monitor = Monitor::<4>::new();
    // Chosen answers fall below the reference (F) or rise (R): the share over the last four, and what it must do.
    let pairs = "FFFFRRRFRFFFF";
    let shares = [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.25, 0.25, 0.5, 0.75, 0.75, 1.0];
    let raised = [false, true, true, true, true, true, false, false, false, false, true, true, true];
    let mut before = false;
    for ((pair, share), raised) in pairs.chars().zip(shares).zip(raised) {
        let one = if pair == 'F' { scored(-2.0, -3.0, -1.0, -1.0) } else { scored(-1.0, -3.0, -2.0, -1.0) };
        let changes = monitor.push(&one, &limits);
        assert_eq!(monitor.window().statistic(Alarm::Displacement), Some(share));
        assert_eq!(monitor.raised().contains(Alarm::Displacement), raised);
        assert_eq!(changes.raised.contains(Alarm::Displacement), raised && !before);
        assert_eq!(changes.cleared.contains(Alarm::Displacement), before && !raised);
        assert!(!monitor.raised().contains(Alarm::MarginCollapse));
        before = raised;
    }
    // Margins of -2 collapse the mean, and come back only at 0.
    for _ in 0..3 {
        monitor.push(&scored(-30.0, -3.0, -1.0, -1.0), &limits);
    }
    assert!(monitor.raised().contains(Alarm::MarginCollapse));
    assert_eq!(monitor.raised().iter().collect::<Vec<_>>(), [Alarm::Displacement, Alarm::MarginCollapse]);
    // What is not a number neither raises nor clears, but has an alarm of its own.
    let nonfinite = limits.with(Alarm::Nonfinite, Threshold { raise: 0.25, clear: 0.0 }).unwrap();
    let changes = monitor.push(&scored(f32::NAN, -3.0, -1.0, -1.0), &nonfinite);
    assert!(changes.raised.contains(Alarm::Nonfinite) && changes.cleared.is_empty());
    assert!(monitor.window().statistic(Alarm::MarginCollapse).unwrap().is_nan());
    assert!(monitor.raised().contains(Alarm::MarginCollapse));
    for _ in 0..4 {
        monitor.push(&scored(-1.0, -30.0, -2.0, -1.0), &nonfinite);
    }
    assert!(monitor.raised().is_empty());
    // A window smaller than least_pairs still raises, when it is full.
    let mut small = Monitor::<1>::new();
    let many = Limits::new(100).unwrap().with(Alarm::KlK3, Threshold { raise: 0.1, clear: 0.1 }).unwrap();
    let changes = small.push(&scored(-5.0, -1.0, -1.0, -1.0), &many);
    assert!(changes.raised.contains(Alarm::KlK3));
    // Equal thresholds do not flap on the threshold itself: 1/2 of the pairs fell, again and again.
    let equal = Limits::new(2).unwrap().with(Alarm::Displacement, Threshold { raise: 0.5, clear: 0.5 }).unwrap();
    let mut monitor = Monitor::<2>::new();
    for i in 0..6 {
        let changes = monitor.push(&scored(if i % 2 == 0 { -2.0 } else { -0.5 }, -1.0, -1.0, -1.0), &equal);
        assert_eq!(changes.raised.contains(Alarm::Displacement), i == 1);
        assert!(changes.cleared.is_empty());
    }
}

#[test]
fn limits_are_checked() {
    assert!(matches!(Limits::new(0), Err(Error::Parameter { name: "least_pairs", .. })));
    let limits = Limits::new(3).unwrap();
    for (alarm, raise, clear, name) in [
        (Alarm::Displacement, f32::NAN, 0.1, "raise"),
        (Alarm::KlK1, 0.1, f32::INFINITY, "clear"),
        (Alarm::KlK3, 0.1, 0.2, "clear"),
        (Alarm::MarginCollapse, 0.2, 0.1, "clear"),
    ] {
        let refused = limits.with(alarm, Threshold { raise, clear }).unwrap_err();
        assert!(matches!(refused, Error::Parameter { name: got, .. } if got == name), "{refused}");
    }
    let kept = limits.with(Alarm::KlK1, Threshold { raise: 0.2, clear: 0.1 }).unwrap();
    assert_eq!(kept.threshold(Alarm::KlK1), Some(Threshold { raise: 0.2, clear: 0.1 }));
    assert_eq!(kept.threshold(Alarm::KlK3), None);
}

#[test]
fn pair_buffers() {
    let mut buffer = PairBuffer::<3>::new();
    for i in 0..3 {
        let x = i as f32;
        buffer.push(-x, -2.0 * x, Some((-x - 1.0, -x))).unwrap();
    }
    assert!(buffer.is_full());
    let before = buffer.clone();
    assert_eq!(buffer.push(0.0, 0.0, Some((0.0, 0.0))), Err(Error::Full { what: "the pair buffer", capacity: 3 }));
    assert!(matches!(buffer.push(0.0, 0.0, None), Err(Error::OutOfOrder { call: "push", .. })));
    assert_eq!(buffer, before);
    let mut margins = [0.0; 3];
    let outputs = Outputs { margins: Some(&mut margins), ..Default::default() };
    Run::on(Backend::SCALAR).evaluate(&dpo(), buffer.pairs(), outputs, None).unwrap();
    let expected: [f32; 3] = std::array::from_fn(|i| {
        let x = i as f32;
        evaluate_pair(&dpo(), -x, -2.0 * x, Some((-x - 1.0, -x))).margin
    });
    assert_eq!(margins, expected);
    buffer.clear();
    assert!(buffer.is_empty());
    buffer.push(-1.0, -2.0, None).unwrap();
    assert!(buffer.pairs().reference.is_none());
    assert_eq!(buffer.pairs().len(), 1);
}

/// A monitor with something in it.
fn busy<const N: usize>(seed: u64, pairs: usize) -> Monitor<N> {
    let mut random = Random(seed);
    let limits = Limits::new(1).unwrap().with(Alarm::Displacement, Threshold { raise: 0.5, clear: 0.1 }).unwrap();
    let mut monitor = Monitor::new();
    for _ in 0..pairs {
        monitor.push(&scored(random.logp(), random.logp(), random.logp(), random.logp()), &limits);
    }
    monitor
}

#[test]
fn state_as_bytes() {
    let monitor = busy::<5>(7, 12);
    let mut bytes = [0xaa; Monitor::<5>::BYTES + 3];
    let length = monitor.save(&mut bytes).unwrap();
    assert_eq!(length, Monitor::<5>::BYTES);
    assert_eq!(bytes[length..], [0xaa; 3]);
    let mut restored = Monitor::<5>::new();
    restored.restore(&bytes).unwrap();
    assert_eq!(restored, monitor);
    // It goes on as the other would.
    let one = scored(-9.0, -3.0, -4.0, -5.0);
    let limits = Limits::new(1).unwrap();
    let mut other = monitor.clone();
    assert_eq!(restored.push(&one, &limits), other.push(&one, &limits));
    assert_eq!(restored, other);

    // Another capacity keeps the last pairs.
    let mut small = Monitor::<2>::new();
    small.restore(&bytes).unwrap();
    assert_eq!(small.metrics(), monitor.metrics());
    let mut shorter = [0; Monitor::<5>::BYTES];
    let kept = small.save(&mut shorter).unwrap();
    assert_eq!(kept, Monitor::<2>::BYTES);
    assert_eq!(shorter[kept - 36..kept - 4], bytes[length - 36..length - 4]);

    // Too small a buffer: nothing written.
    let mut short = [0xaa; Monitor::<5>::BYTES - 1];
    let refused = Err(Error::Length { argument: "bytes", expected: length, got: length - 1 });
    assert_eq!(monitor.save(&mut short), refused);
    assert!(short.iter().all(|&byte| byte == 0xaa));

    // Cut off anywhere, or any bit flipped: refused, and nothing changed.
    let mut target = busy::<5>(8, 3);
    let before = target.clone();
    for end in 0..length {
        assert_eq!(target.restore(&bytes[..end]), Err(Error::SavedState { fault: "is cut off" }), "{end}");
    }
    for bit in 0..length * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(target.restore(&damaged), Err(Error::SavedState { .. })), "{bit}");
        assert_eq!(target, before);
    }
    // Metrics are no monitor.
    let refused = target.restore(&monitor.metrics().to_bytes()).unwrap_err();
    assert!(refused.to_string().contains("another kind"), "{refused}");
    assert!(Metrics::from_bytes(&bytes).is_err());
}

/// Bytes with a right checksum around any content.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let crc = crc32(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn impossible_states_are_refused() {
    let monitor = busy::<3>(9, 6);
    let mut bytes = vec![0; Monitor::<3>::BYTES];
    monitor.save(&mut bytes).unwrap();
    assert_eq!(sealed(bytes.clone()), bytes, "the checksum is CRC-32 of all before it");
    let mut target = Monitor::<3>::new();
    let mut refuses = |at: usize, value: &[u8], why: &str| {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(value);
        let refused = target.restore(&sealed(changed)).expect_err(why).to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(target, Monitor::new());
    };
    refuses(0, b"ELF!", "does not begin with PFLN");
    refuses(5, &[2], "another version");
    refuses(4, &[1], "another kind");
    refuses(12, &5_u64.to_le_bytes(), "no state has"); // five pairs, six with a reference
    refuses(12 + 8 * 8 + 39, &[0x80], "no state has"); // an unused bit of a sum
    refuses(12 + 344, &32_u32.to_le_bytes(), "no state has"); // an alarm that does not exist
    refuses(12 + 348, &2_u32.to_le_bytes(), "no state has"); // fewer rows than bytes
    refuses(12 + 348, &u32::MAX.to_le_bytes(), "no state has");
    refuses(12 + 352 + 12, &64_u32.to_le_bytes(), "no state has"); // a row's unknown flag
    let metrics = monitor.metrics().to_bytes().to_vec();
    assert_eq!(Metrics::from_bytes(&metrics).as_ref(), Ok(monitor.metrics()));
    let mut longer = metrics.clone();
    longer.splice(12 + 344..12 + 344, [0; 8]);
    longer[8..12].copy_from_slice(&352_u32.to_le_bytes());
    assert!(Metrics::from_bytes(&sealed(longer)).is_err());
}

/// One pair's metrics, byte by byte: every machine writes these.
#[test]
fn bytes_are_the_same_everywhere() {
    let mut metrics = Metrics::new();
    scored(-1.0, -2.0, -1.5, -1.5).add_to(&mut metrics);
    let bytes = metrics.to_bytes();
    assert_eq!(bytes[..12], *b"PFLN\x01\x01\0\0\x58\x01\0\0");
    let counts: Vec<u64> = bytes[12..76].chunks(8).map(|x| u64::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!(counts, [1, 1, 1, 0, 0, 0, 1, 0]);
    // The sum of the chosen rewards, 0.05: 0x3d4ccccd is 0xcccccd 2^-28, so 0xcccccd shifted by 149 - 28 bits.
    let limbs: Vec<u64> = bytes[116..156].chunks(8).map(|x| u64::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!(limbs, [0, 0xcccccd << 57, 0xcccccd >> 7, 0, 0]);
    // The rejected ones, -0.05: the two's complement, of 60 bits in the last limb.
    let limbs: Vec<u64> = bytes[156..196].chunks(8).map(|x| u64::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!(limbs, [0, (0xcccccd_u64 << 57).wrapping_neg(), !(0xcccccd >> 7), u64::MAX, u64::MAX >> 4]);
    assert_eq!(sealed(bytes.to_vec()), bytes);
}

/// Flash that loses power after some bytes: what was to be written is erased first, then written in order.
#[derive(Clone)]
struct Flash {
    slots: [Vec<u8>; 2],
    power: usize,
    unreadable: [bool; 2],
}

#[derive(Debug, PartialEq)]
enum Fault {
    PowerLost,
    Unreadable,
}

impl Flash {
    fn new(fill: u8) -> Self {
        Self { slots: [vec![fill; 512], vec![fill; 512]], power: usize::MAX, unreadable: [false; 2] }
    }
}

impl Storage for &mut Flash {
    type Error = Fault;
    fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), Fault> {
        if self.unreadable[slot as usize] {
            return Err(Fault::Unreadable);
        }
        into.copy_from_slice(&self.slots[slot as usize][..into.len()]);
        Ok(())
    }
    fn write(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), Fault> {
        // A unit of power for the erasure, one for each byte.
        for (step, at) in std::iter::once(None).chain((0..bytes.len()).map(Some)).enumerate() {
            if step == self.power {
                return Err(Fault::PowerLost);
            }
            match at {
                None => self.slots[slot as usize].fill(0xff),
                Some(at) => self.slots[slot as usize][at] = bytes[at],
            }
        }
        Ok(())
    }
}

#[test]
fn power_lost_at_every_write() {
    let states: Vec<Monitor<3>> = (1..6).map(|pairs| busy(10, pairs)).collect();
    let mut buffer = [0; 512];
    for fill in [0xff, 0x00, 0x5a] {
        for history in 0..states.len() - 1 {
            // So many saves go well, the next one is cut off after any number of steps.
            let mut steps = 0;
            loop {
                let mut flash = Flash::new(fill);
                let mut state = Monitor::<3>::new();
                let (mut slots, found) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
                assert!(!found);
                for state in &states[..history] {
                    slots.save(state, &mut buffer).unwrap();
                }
                slots.into_storage().power = steps;
                let (mut slots, found) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
                assert_eq!(found, history > 0);
                let saved = slots.save(&states[history], &mut buffer);
                let whole = saved.is_ok();
                flash.power = usize::MAX;

                let mut state = Monitor::<3>::new();
                let (mut slots, found) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
                let expected = if whole { Some(&states[history]) } else { states[..history].last() };
                assert_eq!(found.then_some(&state), expected, "{fill} {history} {steps}");
                // And goes on.
                slots.save(&states[history + 1], &mut buffer).unwrap();
                let (_, found) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
                assert!(found && state == states[history + 1]);
                if whole {
                    break;
                }
                steps += 1;
            }
            assert!(steps > 300);
        }
    }
}

#[test]
fn storage_that_fails() {
    let (first, second) = (busy::<3>(11, 2), busy::<3>(11, 4));
    let mut buffer = [0; 512];
    let mut state = Monitor::<3>::new();
    let mut flash = Flash::new(0xff);
    let (mut slots, _) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
    slots.save(&first, &mut buffer).unwrap();
    slots.save(&second, &mut buffer).unwrap();
    // A small buffer, and the state stays.
    let mut small = [0; Monitor::<3>::BYTES + RECORD_OVERHEAD - 1];
    assert!(matches!(slots.save(&second, &mut small), Err(StorageError::State(Error::Length { .. }))));
    assert!(matches!(slots.save(&first, &mut []), Err(StorageError::State(Error::Length { .. }))));
    let mut fits = [0; Monitor::<3>::BYTES + RECORD_OVERHEAD];
    slots.save(&first, &mut fits).unwrap();
    slots.save(&second, &mut fits).unwrap();

    // The newest cannot be read: the one before it counts.
    let mut broken = flash.clone();
    broken.unreadable[1] = true;
    assert!(Slots::open(&mut broken, &mut state, &mut buffer).unwrap().1);
    assert_eq!(state, first);
    broken.unreadable[0] = true;
    let refused = Slots::open(&mut broken, &mut state, &mut buffer).err();
    assert_eq!(refused, Some(StorageError::Storage(Fault::Unreadable)));
    let refused = Slots::open(&mut flash, &mut state, &mut [0; 4]).err();
    assert!(matches!(refused, Some(StorageError::State(Error::Length { .. }))));

    // A write that does nothing and says that it did.
    struct Deaf<'a>(&'a mut Flash);
    impl Storage for Deaf<'_> {
        type Error = Fault;
        fn read(&mut self, slot: Slot, into: &mut [u8]) -> Result<(), Fault> {
            self.0.read(slot, into)
        }
        fn write(&mut self, _: Slot, _: &[u8]) -> Result<(), Fault> {
            Ok(())
        }
    }
    let (mut slots, found) = Slots::open(Deaf(&mut flash), &mut state, &mut buffer).unwrap();
    assert!(found);
    assert_eq!(slots.save(&first, &mut buffer), Err(StorageError::NotWritten));
    // Metrics where a monitor was.
    let refused = Slots::open(&mut flash, &mut Metrics::new(), &mut buffer).err();
    assert!(matches!(refused, Some(StorageError::State(Error::SavedState { .. }))));
}

/// The generation wraps around.
#[test]
fn generations_wrap() {
    let states: Vec<Monitor<3>> = (1..5).map(|pairs| busy(12, pairs)).collect();
    let mut buffer = [0; 512];
    let mut flash = Flash::new(0xff);
    let record = |generation: u32, state: &Monitor<3>| {
        let mut bytes = vec![0; Monitor::<3>::BYTES];
        let length = state.save(&mut bytes).unwrap();
        let mut record = generation.to_le_bytes().to_vec();
        record.extend((length as u32).to_le_bytes());
        record.extend(&bytes[..length]);
        record.extend([0; 4]);
        sealed(record)
    };
    for (slot, generation) in [(0, u32::MAX), (1, u32::MAX - 1)] {
        let bytes = record(generation, &states[slot]);
        flash.slots[slot][..bytes.len()].copy_from_slice(&bytes);
    }
    let mut state = Monitor::<3>::new();
    for (i, expected) in [(2, 0), (3, 2), (1, 3)] {
        let (mut slots, _) = Slots::open(&mut flash, &mut state, &mut buffer).unwrap();
        assert_eq!(state, states[expected]);
        slots.save(&states[i], &mut buffer).unwrap();
    }
}
