//! Estimates of the divergence against the judge: every token's is the nearest `f32`, sums are exact, and no split changes a bit.

use preflane::kl::{KlEstimate, KlOutputs, KlTokens};
use preflane::losses::Dpo;
use preflane::streaming::{Evaluator, Side};
use preflane::{Backend, Error, ExactSum, Level, Run};
use preflane_judge::{Float, Random, float, is_nearest, is_rounded, k3};

const ALL: [KlEstimate; 3] = [KlEstimate::K1, KlEstimate::K2, KlEstimate::K3];

/// What one call gives.
#[derive(Debug, PartialEq)]
struct Results {
    estimates: Vec<f32>,
    grad_logps: Vec<f32>,
    sums: Vec<f32>,
    means: Vec<f32>,
    total: ExactSum,
}

fn results(run: Run, kind: KlEstimate, tokens: KlTokens<'_>) -> Results {
    let (n, sequences) = (tokens.policy_logps.len(), tokens.len());
    let [mut estimates, mut grad_logps] = [(); 2].map(|()| vec![7.0; n]);
    let [mut sums, mut means] = [(); 2].map(|()| vec![7.0; sequences]);
    let outputs = KlOutputs {
        estimates: Some(&mut estimates),
        grad_logps: Some(&mut grad_logps),
        sums: Some(&mut sums),
        means: Some(&mut means),
    };
    let mut total = ExactSum::new();
    run.kl(kind, tokens, outputs, Some(&mut total)).unwrap();
    Results { estimates, grad_logps, sums, means, total }
}

/// The exact estimate and its derivative by the policy.
fn exact(kind: KlEstimate, policy: f32, reference: f32) -> [Float; 2] {
    let d = Float::with_val(600, policy) - reference;
    match kind {
        KlEstimate::K1 => [d, float(1.0)],
        KlEstimate::K2 => [Float::with_val(1200, &d * &d) / 2, d],
        KlEstimate::K3 => [k3(policy, reference), -(-d).exp_m1()],
    }
}

/// Log-probabilities of models, differences of every size, and anything finite.
fn token(random: &mut Random) -> [f32; 2] {
    let policy = random.logp();
    match random.bits() % 6 {
        0 => [random.finite(), random.finite()],
        1 => [policy, policy],
        2 => [policy, policy.next_up()],
        3 => [policy, policy + ((random.unit() - 0.5) * 2_f64.powi(-((random.bits() % 60) as i32))) as f32],
        4 => [2_f32.powi(-((random.bits() % 149) as i32)), 0.0],
        _ => [policy, (f64::from(policy) + (random.unit() - 0.5) * 6.0) as f32],
    }
}

/// Sequences of one to some tokens.
struct Sequences {
    columns: [Vec<f32>; 2],
    offsets: Vec<usize>,
}

impl Sequences {
    fn new(random: &mut Random, sequences: usize, most: u64) -> Self {
        let mut offsets = vec![0];
        for i in 0..sequences {
            offsets.push(offsets[i] + 1 + (random.bits() % most) as usize);
        }
        let rows: Vec<[f32; 2]> = (0..offsets[sequences]).map(|_| token(random)).collect();
        Self { columns: [0, 1].map(|k| rows.iter().map(|row| row[k]).collect()), offsets }
    }

    fn tokens(&self) -> KlTokens<'_> {
        let [policy_logps, ref_logps] = &self.columns;
        KlTokens { policy_logps, ref_logps, offsets: &self.offsets }
    }
}

#[test]
fn every_token_is_the_nearest() {
    let mut random = Random(1);
    let sequences = Sequences::new(&mut random, 300, 30);
    let [policy, reference] = &sequences.columns;
    for kind in ALL {
        let got = results(Run::default(), kind, sequences.tokens());
        for (i, (policy, reference)) in policy.iter().zip(reference).enumerate() {
            let [estimate, by_policy] = exact(kind, *policy, *reference);
            let shown = format!("{kind:?} of {policy:e} and {reference:e}");
            let (is, by) = (got.estimates[i], got.grad_logps[i]);
            // What is rational may lie half way.
            let is_right = if kind == KlEstimate::K3 { is_nearest } else { is_rounded };
            assert!(is_right(is, &estimate), "{shown}: {is:e}, not {estimate:.20}");
            assert!(is_right(by, &by_policy), "{shown}: derivative {by:e}, not {by_policy:.20}");
        }
    }
}

#[test]
fn sums_are_exact() {
    let mut random = Random(2);
    let sequences = Sequences::new(&mut random, 40, 1_500);
    let [policy, reference] = &sequences.columns;
    for kind in ALL {
        let got = results(Run::default(), kind, sequences.tokens());
        let mut whole = ExactSum::new();
        for (i, ends) in sequences.offsets.windows(2).enumerate() {
            let mut sum = ExactSum::new();
            for token in ends[0]..ends[1] {
                if kind == KlEstimate::K1 {
                    sum.add(policy[token]);
                    sum.add(-reference[token]);
                } else {
                    sum.add(got.estimates[token]);
                }
            }
            let count = (ends[1] - ends[0]) as u64;
            assert_eq!([got.sums[i], got.means[i]].map(f32::to_bits), [sum.sum(), sum.mean(count)].map(f32::to_bits));
            whole.merge(&sum);
        }
        assert_eq!(got.total, whole, "{kind:?}");
    }
}

#[test]
fn no_level_thread_or_choice_of_outputs_changes_a_bit() {
    let mut random = Random(3);
    let mut sequences = Sequences::new(&mut random, 400, 60);
    for place in [5, 77, 400, 2_001] {
        sequences.columns[0][place] = f32::from_bits(random.bits() as u32 | 0x7f80_0000);
    }
    for kind in ALL {
        let shown = |results: &Results| format!("{results:?}");
        let whole = results(Run::default(), kind, sequences.tokens());
        let levels = Level::ALL.into_iter().filter(|level| level.is_available());
        let on_levels = levels.map(|level| Run::on(Backend::new(level).unwrap()));
        for run in on_levels.chain([Run::default().threads(3).unwrap(), Run::default().in_pool()]) {
            assert_eq!(shown(&results(run, kind, sequences.tokens())), shown(&whole), "{run:?}");
        }
        let mut sums = vec![7.0; 400];
        let outputs = KlOutputs { sums: Some(&mut sums), ..Default::default() };
        Run::default().kl(kind, sequences.tokens(), outputs, None).unwrap();
        assert_eq!(format!("{sums:?}"), format!("{:?}", whole.sums));
    }
}

/// The batch and the stream say the same of an answer.
#[test]
fn the_mean_of_k1_is_the_stream_s() {
    let mut random = Random(4);
    let sequences = Sequences::new(&mut random, 30, 90);
    let got = results(Run::default(), KlEstimate::K1, sequences.tokens());
    for (i, ends) in sequences.offsets.windows(2).enumerate() {
        let mut evaluator = Evaluator::new(Dpo::new(0.1).unwrap());
        evaluator.begin(Side::Chosen).unwrap();
        let mut drift = None;
        for token in ends[0]..ends[1] {
            let [policy, reference] = sequences.columns.each_ref().map(|column| column[token]);
            evaluator.token(policy, Some(reference)).unwrap();
        }
        evaluator.end(None).unwrap();
        evaluator.begin(Side::Rejected).unwrap();
        evaluator.token(-1.0, Some(-1.0)).unwrap();
        if let Some(scored) = evaluator.end(None).unwrap() {
            drift = scored.chosen.reference.unwrap().drift;
        }
        assert_eq!(got.means[i].to_bits(), drift.unwrap().k1.to_bits());
    }
}

#[test]
fn special_values() {
    const INF: f32 = f32::INFINITY;
    let one = |kind, policy, reference| {
        let tokens = KlTokens { policy_logps: &[policy], ref_logps: &[reference], offsets: &[0, 1] };
        let got = results(Run::default(), kind, tokens);
        [got.estimates[0], got.grad_logps[0], got.sums[0], got.means[0]]
    };
    for kind in ALL {
        for [policy, reference] in [[f32::NAN, -1.0], [-1.0, f32::NAN], [INF, INF], [-INF, -INF]] {
            assert_eq!(one(kind, policy, reference).map(f32::to_bits), [0x7fc0_0000; 4], "{kind:?}");
        }
        let [at_zero, ..] = one(kind, -1.0, -1.0);
        assert_eq!(at_zero.to_bits(), 0);
    }
    // A token that the policy never gives, and one that the reference never gives.
    assert_eq!(one(KlEstimate::K1, -INF, -1.0), [-INF, 1.0, -INF, -INF]);
    assert_eq!(one(KlEstimate::K1, -1.0, -INF), [INF, 1.0, INF, INF]);
    assert_eq!(one(KlEstimate::K2, -INF, -1.0), [INF, -INF, INF, INF]);
    assert_eq!(one(KlEstimate::K2, -1.0, -INF), [INF; 4]);
    assert_eq!(one(KlEstimate::K3, -INF, -1.0), [INF, -INF, INF, INF]);
    assert_eq!(one(KlEstimate::K3, -1.0, -INF), [INF, 1.0, INF, INF]);
    // Beyond f32, and just within: trainers clamp d at 10, 20 or 40, or not at all.
    assert_eq!(one(KlEstimate::K3, -90.0, -1.0)[..2], [INF, -INF]);
    let [estimate, by_policy, ..] = one(KlEstimate::K3, -88.0, 0.0);
    assert!(is_nearest(estimate, &k3(-88.0, 0.0)) && by_policy < -1e38);
    // Worked values, in the module's head.
    let close = |got: f32, want: f64| assert!((f64::from(got) / want - 1.0).abs() < 1e-7, "{got:e}, not {want:e}");
    assert_eq!(one(KlEstimate::K1, -1.5, -2.0)[..2], [0.5, 1.0]);
    assert_eq!(one(KlEstimate::K2, -1.5, -2.0)[..2], [0.125, 0.5]);
    close(one(KlEstimate::K3, -1.5, -2.0)[0], 0.106530659712633);
    close(one(KlEstimate::K3, -1.5, -2.0)[1], 0.393469340287367);
}

#[test]
fn bad_input_is_named_before_anything_is_written() {
    let (five, four, two) = ([-1.0_f32; 5], [-2.0_f32; 4], [0.0_f32; 2]);
    let good = KlTokens { policy_logps: &five, ref_logps: &five, offsets: &[0, 3, 5] };
    let check = |tokens, outputs| {
        let mut total = ExactSum::new();
        let error = Run::default().kl(KlEstimate::K3, tokens, outputs, Some(&mut total)).unwrap_err();
        assert_eq!(total, ExactSum::new());
        error
    };
    let of = |tokens| check(tokens, KlOutputs::default());
    let length = |argument, expected, got| Error::Length { argument, expected, got };
    assert_eq!(of(KlTokens { ref_logps: &four, ..good }), length("ref_logps", 5, 4));
    assert!(matches!(of(KlTokens { offsets: &[1, 5], ..good }), Error::Offsets { index: 0, value: 1, .. }));
    assert!(matches!(of(KlTokens { offsets: &[0, 4, 3, 5], ..good }), Error::Offsets { index: 2, value: 3, .. }));
    assert!(matches!(of(KlTokens { offsets: &[0, 4], ..good }), Error::Offsets { index: 1, value: 4, .. }));
    assert!(matches!(of(KlTokens { offsets: &[], ..good }), Error::Offsets { .. }));
    // A sequence without tokens has no mean.
    assert_eq!(of(KlTokens { offsets: &[0, 3, 3, 5], ..good }), Error::EmptySequence { sequence: 1 });
    let (mut estimates, mut sums) = (four, two);
    let outputs = KlOutputs { estimates: Some(&mut estimates), sums: Some(&mut sums), ..Default::default() };
    assert_eq!(check(good, outputs), length("estimates", 5, 4));
    let (mut all, mut means) = (five, [7.0; 3]);
    let outputs = KlOutputs { estimates: Some(&mut all), means: Some(&mut means), ..Default::default() };
    assert_eq!(check(good, outputs), length("means", 2, 3));
    assert_eq!((estimates, sums, all, means), (four, two, five, [7.0; 3]));
    // Nothing to do.
    let none = KlTokens { policy_logps: &[], ref_logps: &[], offsets: &[0] };
    Run::default().kl(KlEstimate::K1, none, KlOutputs::default(), None).unwrap();
}
