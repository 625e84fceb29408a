//! The running means of log-ratios that losses compare with: exact, mergeable in any order, saved with a checksum.

use preflane::losses::ReferencePoint;
use preflane::{Error, MeanLogRatio, Pairs, Reference};
use preflane_judge::{Float, Random, float, is_rounded};

/// The exact sum of values, each with its sign.
fn exact(values: impl IntoIterator<Item = f32>) -> Float {
    values.into_iter().fold(Float::with_val(600, 0.0), |sum, x| sum + x)
}

fn state(rows: &[[f32; 2]]) -> MeanLogRatio {
    let [policy, reference] = [0, 1].map(|k| rows.iter().map(|row| row[k]).collect::<Vec<_>>());
    let mut state = MeanLogRatio::new();
    state.add(&policy, &reference).unwrap();
    state
}

fn row(random: &mut Random) -> [f32; 2] {
    match random.bits() % 4 {
        0 => [random.finite(), random.finite()],
        1 => {
            let x = random.finite();
            [x, x.next_up()]
        }
        _ => [random.logp(), random.logp()],
    }
}

#[test]
fn the_mean_is_the_nearest() {
    let mut random = Random(1);
    for n in [1, 2, 3, 7, 64, 511, 512, 513, 1_300] {
        let rows: Vec<[f32; 2]> = (0..n).map(|_| row(&mut random)).collect();
        let state = state(&rows);
        let sum = exact(rows.iter().flat_map(|[policy, reference]| [*policy, -reference]));
        assert!(is_rounded(state.mean(), &(sum / n as u32)), "{n} rows: {:e}", state.mean());
        assert_eq!((state.rows(), state.nonfinite()), (n as u64, 0));
        // A part of it, of log-probabilities as models give them, which no other hides.
        let few: Vec<[f32; 2]> = rows.iter().copied().filter(|row| row.iter().all(|x| x.abs() < 1e4)).collect();
        let sum = exact(few.iter().flat_map(|[policy, reference]| [*policy, -reference]));
        let mean = self::state(&few).mean();
        assert!(few.is_empty() && mean.is_nan() || is_rounded(mean, &(sum / few.len() as u32)), "{mean:e}");
    }
}

#[test]
fn pairs_count_the_difference_of_their_log_ratios() {
    let mut random = Random(2);
    let columns: [Vec<f32>; 4] = [(); 4].map(|()| (0..700).map(|_| row(&mut random)[0]).collect());
    let [pc, pr, rc, rr] = &columns;
    let (mut with, mut without) = (MeanLogRatio::new(), MeanLogRatio::new());
    with.add_pairs(Pairs::new(pc, pr, rc, rr)).unwrap();
    without.add_pairs(Pairs::reference_free(pc, pr)).unwrap();
    let signed = |signs: [f32; 4]| {
        let of_row = |row: usize| [0, 1, 2, 3].map(|k| signs[k] * columns[k][row]);
        exact((0..700).flat_map(of_row)) / 700
    };
    assert!(is_rounded(with.mean(), &signed([1.0, -1.0, -1.0, 1.0])));
    assert!(is_rounded(without.mean(), &signed([1.0, -1.0, 0.0, 0.0])));
}

#[test]
fn any_order_partition_and_restart_gives_the_same_bits() {
    let mut random = Random(3);
    let mut rows: Vec<[f32; 2]> = (0..2_000).map(|_| row(&mut random)).collect();
    rows[700][1] = f32::NEG_INFINITY;
    rows[1_999][0] = f32::NAN;
    let whole = state(&rows);
    assert_eq!((whole.rows(), whole.nonfinite()), (1_998, 2));
    for part in [1, 17, 512, 700] {
        let mut merged = MeanLogRatio::new();
        for part in rows.chunks(part).rev() {
            let part: Vec<[f32; 2]> = part.iter().rev().copied().collect();
            // Each part by way of its bytes.
            let part = MeanLogRatio::from_bytes(&state(&part).to_bytes()).unwrap();
            merged.merge(&part);
        }
        assert!(merged == whole && merged.to_bytes() == whole.to_bytes(), "parts of {part}");
    }
    // One after another, into one state.
    let mut running = MeanLogRatio::new();
    for [policy, reference] in &rows {
        running.add(&[*policy], &[*reference]).unwrap();
    }
    assert_eq!(running, whole);
}

/// A row with a number that is none, or infinite, is counted and nothing else.
#[test]
fn what_is_not_finite_is_left_out() {
    let rows = [[-1.0, -2.0], [f32::NAN, -1.0], [-1.0, f32::INFINITY], [f32::NEG_INFINITY; 2], [-4.0, -3.5]];
    let state = state(&rows);
    assert_eq!((state.rows(), state.nonfinite(), state.mean()), (2, 3, 0.25));
}

#[test]
fn reference_points() {
    // KTO's is clamped when all ranks have been merged, and not before: the mean is (1 - 4 + 1)/3.
    let (mut rank, other) = (state(&[[-1.0, -2.0], [-1.0, -2.0]]), state(&[[-8.0, -4.0]]));
    assert_eq!(rank.reference_point(ReferencePoint::Mismatched), 1.0);
    assert_eq!(other.reference_point(ReferencePoint::Mismatched), 0.0);
    assert_eq!(other.reference_point(ReferencePoint::All), -4.0);
    rank.merge(&other);
    assert_eq!(rank.reference_point(ReferencePoint::Mismatched), 0.0);
    assert_eq!(rank.reference_point(ReferencePoint::All), (-2.0_f64 / 3.0) as f32);
    // No rows at all.
    let none = MeanLogRatio::new();
    assert!(none.mean().is_nan());
    for kind in [ReferencePoint::Mismatched, ReferencePoint::All] {
        assert_eq!(none.reference_point(kind).to_bits(), 0);
    }
    // Beyond f32.
    assert_eq!(state(&[[f32::MAX, f32::MIN]]).reference_point(ReferencePoint::All), f32::INFINITY);
}

#[test]
fn beta_of_a_batch() {
    let mut random = Random(4);
    let mut of_least = 0;
    for _ in 0..300 {
        let [batch, running] = [(); 2].map(|()| {
            let n = 1 + random.bits() as usize % 9;
            (0..n).map(|_| [random.logp(), random.logp()]).collect::<Vec<_>>()
        });
        let mean = |rows: &[[f32; 2]]| {
            let sum = exact(rows.iter().flat_map(|[policy, reference]| [*policy, -reference]));
            Float::with_val(600, sum) / rows.len() as u32
        };
        let (beta, strength) = (random.unit() + 0.01, random.unit() / 100.0);
        let got = state(&batch).beta(&state(&running), beta, strength).unwrap();
        let exact = (1.0 + (mean(&batch) - mean(&running)) * strength) * beta;
        let exact = if exact < 1e-3_f32 { float(1e-3_f32) } else { exact };
        of_least += u32::from(got == 1e-3);
        assert!(is_rounded(got, &exact), "{got:e}, not {exact:.20}");
    }
    assert!(of_least > 0 && of_least < 300, "{of_least}");
    // Worked: h of 1.25 against a running mean of 0.75, beta 0.1, strength 0.6: 0.1 (1 + 0.6 0.5).
    let (batch, mut running) = (state(&[[-12.5, -13.75]]), state(&[[-1.0, -1.25]]));
    running.merge(&batch);
    assert_eq!(batch.beta(&running, 0.1, 0.6), Ok(0.13));
    // Nothing to compare.
    for (batch, running) in [(MeanLogRatio::new(), running), (batch, MeanLogRatio::new())] {
        assert_eq!(batch.beta(&running, 0.1, 0.6), Ok(0.1));
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(batch.beta(&running, bad, 0.6), Err(Error::Parameter { name: "beta", .. })), "{bad}");
    }
    for bad in [-1e-300, f64::NAN, f64::INFINITY] {
        assert!(matches!(batch.beta(&running, 0.1, bad), Err(Error::Parameter { name: "strength", .. })), "{bad}");
    }
}

#[test]
fn bad_input_is_named_before_anything_is_added() {
    let (four, three) = ([-1.0_f32; 4], [-2.0_f32; 3]);
    let length = |argument| Err(Error::Length { argument, expected: 4, got: 3 });
    let mut state = MeanLogRatio::new();
    assert_eq!(state.add(&four, &three), length("ref_logps"));
    assert_eq!(state.add_pairs(Pairs::reference_free(&four, &three)), length("policy_rejected_logps"));
    let with = |chosen_logps, rejected_logps| Pairs {
        reference: Some(Reference { chosen_logps, rejected_logps }),
        ..Pairs::reference_free(&four, &four)
    };
    assert_eq!(state.add_pairs(with(&three, &four)), length("ref_chosen_logps"));
    assert_eq!(state.add_pairs(with(&four, &three)), length("ref_rejected_logps"));
    assert_eq!(state, MeanLogRatio::new());
}

#[test]
fn damaged_bytes_are_refused() {
    let good = state(&[[-1.0, -2.5], [f32::NAN, 0.0]]).to_bytes();
    assert_eq!(MeanLogRatio::from_bytes(&good).unwrap().to_bytes(), good);
    for place in 0..good.len() {
        let mut bytes = good;
        bytes[place] ^= 0x10;
        assert!(matches!(MeanLogRatio::from_bytes(&bytes), Err(Error::SavedState { .. })), "byte {place}");
        assert!(MeanLogRatio::from_bytes(&good[..place]).is_err());
    }
    // Another kind of state.
    let other = preflane::Metrics::new().to_bytes();
    assert!(MeanLogRatio::from_bytes(&other).is_err() && preflane::Metrics::from_bytes(&good).is_err());
}
