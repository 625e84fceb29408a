//! Where the losses of value functions end: the value at which the slope of their mean is 0, worked out by hand, and the descent to it.

use preflane::{Loss, Outputs, Pairs, Run};

/// The mean slope by the value v that all targets have.
fn slope(loss: &Loss, targets: &[f32], v: f32) -> f64 {
    let (values, mut slopes) = (vec![v; targets.len()], vec![0.0; targets.len()]);
    let outputs = Outputs { grad_rejected_logps: Some(&mut slopes), ..Default::default() };
    Run::default().evaluate(loss, Pairs::reference_free(targets, &values), outputs, None).unwrap();
    slopes.iter().map(|x| f64::from(*x)).sum::<f64>() / targets.len() as f64
}

#[test]
fn slopes_vanish_at_the_known_values() {
    let (sql, eql) = (Loss::sql(0.5).unwrap(), Loss::eql(0.5).unwrap());
    for (targets, v) in [([1.0, 0.0, -1.0], 0.0), ([2.0, 1.0, 0.0], 1.0), ([5.0, 0.0, 0.0], 3.0)] {
        assert!(slope(&sql, &targets, v).abs() < 1e-7, "{targets:?}");
        assert!(slope(&sql, &targets, v - 0.01) < -1e-3 && slope(&sql, &targets, v + 0.01) > 1e-3);
        // alpha ln E e^(q/alpha), of EQL and, with alpha for its temperature, of the Gumbel loss.
        let soft = 0.5 * (targets.iter().map(|q| (f64::from(*q) / 0.5).exp()).sum::<f64>() / 3.0).ln();
        for loss in [eql, Loss::gumbel(0.5).unwrap()] {
            assert!(slope(&loss, &targets, soft as f32).abs() < 1e-5, "{loss:?} {targets:?}");
            assert!(slope(&loss, &targets, soft as f32 - 0.01) < -1e-3);
        }
        // The expectile of a half is the mean; of 0.9, where 9 times the distance above is the distance below.
        let mean = targets.iter().sum::<f32>() / 3.0;
        assert!(slope(&Loss::iql(0.5).unwrap(), &targets, mean).abs() < 1e-6);
    }
    // 0.9 (1 - v) = 0.1 v
    assert!(slope(&Loss::iql(0.9).unwrap(), &[0.0, 1.0], 0.9).abs() < 1e-7);
}

#[test]
fn descent_ends_there() {
    for (loss, end) in [(Loss::sql(0.5).unwrap(), 3.0), (Loss::iql(0.9).unwrap(), 45.0 / 11.0)] {
        let mut v = 0.0_f64;
        for _ in 0..2000 {
            v -= 0.1 * slope(&loss, &[5.0, 0.0, 0.0], v as f32);
        }
        assert!((v - end).abs() < 1e-4, "{loss:?}: {v}");
    }
}
