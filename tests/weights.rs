//! Weights of policies that learn from a value function, and WPO's of pairs: against f64, at their ends, and what is refused.

use preflane::Error;
use preflane::weights::{PolicyWeight, TokenSums, wpo};
use preflane_judge::Random;

#[test]
fn of_policies() {
    let mut random = Random(41);
    type Formula = fn(f64) -> f64;
    let weights: [(PolicyWeight, Formula); 5] = [
        (PolicyWeight::sql(), |x| x),
        (PolicyWeight::sql_paper(0.5).unwrap(), |x| 1.0 + x),
        (PolicyWeight::eql(2.0).unwrap(), |x| (5.0 * x).exp()),
        (PolicyWeight::eql_paper(2.0).unwrap(), |x| (0.5 * x).exp()),
        (PolicyWeight::advantage(3.0).unwrap(), |x| (3.0 * x).exp()),
    ];
    for (weight, formula) in weights {
        for spread in [0.1, 3.0, 300.0] {
            let numbers =
                [(); 2].map(|()| (0..200).map(|_| (spread * (random.unit() - 0.5)) as f32).collect::<Vec<_>>());
            let mut out = vec![0.0; 200];
            weight.of_all(&numbers[0], &numbers[1], &mut out).unwrap();
            for ((got, q), v) in out.iter().zip(&numbers[0]).zip(&numbers[1]) {
                let want = formula(f64::from(*q) - f64::from(*v)).clamp(0.0, 100.0) as f32;
                assert_eq!(*got, want, "{weight:?} {q} {v}");
            }
        }
        const INF: f32 = f32::INFINITY;
        assert_eq!([weight.of(INF, 1.0), weight.of(1.0, -INF), weight.of(3e38, -3e38)], [100.0; 3]);
        assert_eq!([weight.of(-INF, 1.0), weight.of(1.0, INF), weight.of(-3e38, 3e38)], [0.0; 3]);
        for nan in [weight.of(INF, INF), weight.of(f32::NAN, 0.0), weight.of(0.0, f32::NAN)] {
            assert_eq!(nan.to_bits(), 0x7fc0_0000);
        }
        assert_eq!(weight.of(2.0, 2.0), formula(0.0) as f32);
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for refused in [PolicyWeight::sql_paper(bad), PolicyWeight::eql(bad), PolicyWeight::advantage(bad)] {
            assert!(matches!(refused, Err(Error::Parameter { .. })));
        }
    }
    let lengths = PolicyWeight::sql().of_all(&[1.0], &[], &mut [0.0]);
    assert!(matches!(lengths, Err(Error::Length { argument: "v", expected: 1, got: 0 })));
}

/// A quotient and a product in f64 would miss these: next to a midpoint of f32, where 384 bits decide.
#[test]
fn near_midpoints() {
    // 1 + (q - v)/(2 alpha) = 1 + 2^-24, a tie that goes to the even 1; and the least that is above it.
    let weight = PolicyWeight::sql_paper(0.5).unwrap();
    assert_eq!(weight.of(f32::powi(2.0, -24), 0.0), 1.0);
    assert_eq!(weight.of(f32::powi(2.0, -24), -f32::powi(2.0, -100)), 1.0 + f32::EPSILON);
    // The advantage is not rounded before it is used.
    assert_eq!(PolicyWeight::sql().of(1.0, -f32::powi(2.0, -24)), 1.0);
    assert_eq!(PolicyWeight::sql().of(1.0 + f32::EPSILON, -f32::powi(2.0, -24)), 1.0 + 2.0 * f32::EPSILON);
}

#[test]
fn of_pairs() {
    let mut random = Random(42);
    for n in [1, 2, 7, 100, 1000] {
        let numbers: [Vec<f32>; 4] = std::array::from_fn(|_| (0..n).map(|_| -3.0 * random.unit() as f32).collect());
        let [a, b, c, d] = &numbers;
        let mean =
            |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) - f64::from(*y)).sum::<f64>() / n as f64;
        let of = |logps, log_sum_squares| TokenSums { logps, log_sum_squares };
        assert_eq!(wpo(of(a, b), of(c, d)).unwrap(), (mean(a, b) + mean(c, d)).exp() as f32);
    }
    let tokens = |logps, log_sum_squares| TokenSums { logps, log_sum_squares };
    let one = tokens(&[-1.0], &[-1.0]);
    // Beyond all numbers, nothing, and what has no mean.
    assert_eq!(wpo(one, tokens(&[3e38], &[-3e38])), Ok(f32::INFINITY));
    assert_eq!(wpo(tokens(&[-3e38; 2], &[3e38; 2]), one), Ok(0.0));
    assert_eq!(wpo(one, tokens(&[f32::NEG_INFINITY], &[-1.0])), Ok(0.0));
    assert_eq!(wpo(one, tokens(&[-1.0], &[f32::NEG_INFINITY])), Ok(f32::INFINITY));
    assert!(wpo(one, tokens(&[f32::NAN], &[-1.0])).unwrap().is_nan());
    assert!(wpo(one, tokens(&[f32::NEG_INFINITY; 2], &[f32::NEG_INFINITY; 2])).unwrap().is_nan());
    assert_eq!(wpo(one, tokens(&[], &[])), Err(Error::EmptySequence { sequence: 1 }));
    assert!(matches!(wpo(tokens(&[-1.0], &[]), one), Err(Error::Length { argument: "log_sum_squares", .. })));
}
