//! Exact sums and metrics: against the judge, in every order and partition.

use preflane::{Backend, ExactSum, Level, Loss, Metrics, Outputs, Pairs, Run};
use preflane_judge::{Float, Random, float, ulps};

/// Bits enough for any sum of f32 here.
fn exact(values: &[f32]) -> Float {
    values.iter().fold(float(0.0), |sum, &x| sum + float(x))
}

fn total(values: &[f32]) -> ExactSum {
    let mut sum = ExactSum::new();
    values.iter().for_each(|&x| sum.add(x));
    sum
}

#[test]
fn sums_and_means_are_correctly_rounded() {
    let mut random = Random(11);
    for round in 0..3000 {
        let n = random.bits() as usize % 40 + 1;
        let values: Vec<f32> = (0..n)
            .map(|_| match round % 4 {
                0 => random.finite(),
                1 => random.logp(),
                // Subnormals and their neighbours.
                2 => f32::from_bits(random.bits() as u32 & 0x80ff_ffff),
                _ => random.pick(&[1e30_f32, -1e30, 1.0, -1.0, 1e-30, f32::MAX, f32::MIN, f32::from_bits(1)]),
            })
            .collect();
        let (sum, want) = (total(&values), exact(&values));
        assert!(ulps(sum.sum(), &want) <= 0.5, "sum of {values:?}: {:e}", sum.sum());
        for count in [1, 3, n as u64, 1 << 40, u64::MAX, random.bits() | 1] {
            let mean = want.clone() / Float::with_val(preflane_judge::PRECISION, count);
            assert!(ulps(sum.mean(count), &mean) <= 0.5, "{values:?} over {count}: {:e}", sum.mean(count));
        }
    }
}

#[test]
fn ties_of_means_go_to_even() {
    // 2^24 + 1 and 2^24 + 3 lie half way between neighbours.
    assert_eq!(total(&[16_777_216.0, 1.0]).sum(), 16_777_216.0);
    assert_eq!(total(&[16_777_216.0, 3.0]).sum(), 16_777_220.0);
    assert_eq!(total(&[f32::from_bits(1)]).mean(2), 0.0);
    assert_eq!(total(&[f32::from_bits(3)]).mean(2), f32::from_bits(2));
    assert_eq!(total(&[16_777_216.0, 1.0, f32::from_bits(1)]).sum(), 16_777_218.0);
}

#[test]
fn order_and_grouping_leave_no_trace() {
    let mut random = Random(12);
    let mut values: Vec<f32> = (0..5000).map(|_| random.finite()).collect();
    let whole = total(&values);
    values.reverse();
    values.rotate_left(1234);
    assert_eq!(total(&values), whole);
    let mut merged = ExactSum::new();
    for part in values.chunks(77) {
        merged.merge(&total(part));
    }
    assert_eq!(merged, whole);
}

#[test]
fn infinities_and_nan_show_as_in_ieee_arithmetic() {
    assert_eq!(total(&[1.0, f32::INFINITY]).sum(), f32::INFINITY);
    assert_eq!(total(&[f32::NEG_INFINITY, 1.0]).mean(2), f32::NEG_INFINITY);
    for values in [&[f32::INFINITY, f32::NEG_INFINITY][..], &[f32::NAN], &[1.0, -f32::NAN, f32::INFINITY]] {
        assert_eq!(total(values).sum().to_bits(), 0x7fc0_0000, "{values:?}");
    }
    assert_eq!(ExactSum::new().sum().to_bits(), 0);
    assert_eq!(ExactSum::new().mean(0).to_bits(), 0x7fc0_0000);
    assert_eq!(total(&[3.4e38; 4]).sum(), f32::INFINITY);
    assert_eq!(total(&[3.4e38; 4]).mean(4), 3.4e38);
}

/// Blocks whose exponents span little, more, much and everything take different paths: all must be exact.
#[test]
fn metrics_of_every_span_are_exact() {
    let mut random = Random(13);
    for span in [1, 10, 19, 20, 21, 40, 64, 65, 66, 90, 109, 110, 111, 130, 154, 155, 156, 180] {
        for n in [1, 2, 15, 16, 17, 255, 511, 512, 513, 1300] {
            let chosen: Vec<f32> = (0..n)
                .map(|_| {
                    let exponent = 127 + 60 - random.bits() as u32 % (span + 1);
                    f32::from_bits((random.bits() as u32 & 0x807f_ffff) | exponent << 23)
                })
                .collect();
            let rejected: Vec<f32> = chosen.iter().map(|x| -x).collect();
            let mut states = Vec::new();
            for level in Level::ALL {
                let Ok(backend) = Backend::new(level) else { continue };
                let mut metrics = Metrics::new();
                let pairs = Pairs::reference_free(&chosen, &rejected);
                Run::on(backend)
                    .evaluate(&Loss::dpo(0.1).unwrap(), pairs, Outputs::default(), Some(&mut metrics))
                    .unwrap();
                assert_eq!(metrics.logps_chosen(), &total(&chosen), "span {span}, {n} rows, {level:?}");
                assert_eq!(metrics.logps_rejected(), &total(&rejected), "span {span}, {n} rows, {level:?}");
                assert_eq!(metrics.weights(), &total(&vec![1.0; n]));
                states.push(metrics);
            }
            assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "span {span}, {n} rows");
        }
    }
}

#[test]
fn state_stays_small() {
    assert!(size_of::<Metrics>() <= 512, "{}", size_of::<Metrics>());
}

/// Infinities and NaN stay remembered through merges, beside whatever the finite values add up to.
#[test]
fn specials_through_merges() {
    let of = |values: &[f32]| {
        let mut sum = ExactSum::new();
        values.iter().for_each(|x| sum.add(*x));
        sum
    };
    let infinite = f32::INFINITY;
    for finite in [&[][..], &[1.5], &[-1.5], &[f32::MAX; 3], &[f32::MIN; 3], &[-1e-45]] {
        for (specials, expected) in [
            (&[][..], None),
            (&[infinite], Some(infinite)),
            (&[-infinite, -infinite], Some(-infinite)),
            (&[infinite, -infinite], Some(f32::NAN)),
            (&[f32::NAN], Some(f32::NAN)),
        ] {
            let (a, b) = (of(finite), of(specials));
            let (mut ab, mut ba) = (a, b);
            ab.merge(&b);
            ba.merge(&a);
            let whole = of(&[finite, specials].concat());
            assert_eq!((ab, ba), (whole, whole), "{finite:?} {specials:?}");
            ab.merge(&whole);
            let expected = expected.unwrap_or_else(|| of(&[finite, finite].concat()).sum());
            assert_eq!(ab.sum().to_bits() & !(u32::from(expected.is_nan()) << 31), expected.to_bits());
        }
    }
    // Twice the lot, of either sign, and back again: the sign is that of 316 bits.
    let mut sum = of(&[f32::MIN]);
    for _ in 0..30 {
        let copy = sum;
        sum.merge(&copy);
    }
    assert_eq!(sum.sum(), f32::NEG_INFINITY);
    assert_eq!(sum.mean(1 << 30), f32::MIN);
    for _ in 0..30 {
        sum.add(1.0);
    }
    assert_eq!(sum.mean(1 << 30), f32::MIN);
}
