//! The judge against worked values of the formulas, from the literature's definitions in 30-digit arithmetic.

use preflane_judge::elementary::{FUNCTIONS, Function};
use preflane_judge::{Float, Format, Kind, Random, contrastive, float, logits, pair, sums, ulps};

/// Ten digits and more were printed.
fn close(got: &Float, want: f64) {
    near(got, want, 1e-11);
}

fn near(got: &Float, want: f64, by: f64) {
    let error = (Float::with_val(200, got) - want).abs();
    assert!(error <= by * (1.0 + want.abs()), "got {got:.15}, want {want}");
}

const LOGPS: [f32; 4] = [-12.5, -14.0, -13.0, -13.25];

#[test]
fn one_pair_under_every_loss() {
    let dpo = pair(Kind::Dpo, 0.1, LOGPS, 1.0);
    // beta is the f64 next to 0.1, some 1e-17 away.
    let want =
        [0.632599035317, 0.05, -0.075, 0.125, -0.0468790626626, 0.0468790626626, 0.0468790626626, -0.0468790626626];
    for (got, want) in dpo.iter().zip(want) {
        close(got, want);
    }
    close(&dpo[8], -0.0468790626626 * 12.5);
    close(&pair(Kind::Cdpo(0.1), 0.1, LOGPS, 1.0)[0], 0.645099035317);
    close(&pair(Kind::Robust(0.1), 0.1, LOGPS, 1.0)[0], 0.616974035317);
    close(&pair(Kind::Ipo, 0.1, LOGPS, 1.0)[0], 14.0625);
    close(&pair(Kind::Ipo, 0.1, LOGPS, 1.0)[4], -7.5);
    close(&pair(Kind::Dpo, 0.1, [-12.5, -14.0, 0.0, 0.0], 1.0)[0], 0.62095704779);
    close(&pair(Kind::Dpo, 0.1, LOGPS, 3.0)[0], 3.0 * 0.632599035317);
    for (kind, loss, gradient) in [(Kind::Dpo, 0.437488, -0.035434), (Kind::Hinge, 0.4, -0.1), (Kind::Ipo, 1.0, 2.0)] {
        let results = pair(kind, 0.1, [0.0_f32, -6.0, 0.0, 0.0], 1.0);
        assert!((results[0].to_f64() - loss).abs() < 1e-6 && (results[4].to_f64() - gradient).abs() < 1e-6);
    }
}

/// Each gradient is the slope of its loss, by differences far finer than any cancellation.
#[test]
fn gradients_are_slopes_of_losses() {
    let mut random = Random(1);
    let step = 2.0_f64.powi(-80);
    for kind in [Kind::Dpo, Kind::Cdpo(0.1), Kind::Robust(0.2), Kind::Ipo] {
        for _ in 0..50 {
            let logps = [(); 4].map(|()| f64::from(random.logp()));
            let results = pair(kind, 0.1, logps, 1.0);
            // A step of 2^-80 from the chosen log-probability: from a value near 0, so that f64 holds it.
            let at = |d: f64| pair(kind, 0.1, [d, logps[1], logps[0], logps[3]], 1.0)[0].clone();
            let slope = (Float::with_val(400, at(step)) - at(-step)) / (2.0 * step);
            let exact = pair(kind, 0.1, [0.0, logps[1], logps[0], logps[3]], 1.0)[4].clone();
            let error = (Float::with_val(400, &slope - &exact)).abs();
            assert!(error <= exact.clone().abs() * 1e-15 + 1e-20, "{kind:?}: {slope:.20} {exact:.20}");
            assert_eq!(results[5], -results[4].clone());
        }
    }
}

/// Precision follows need: near a zero of 2^-96, and over all exponents, the results are those of 4000 bits.
#[test]
fn cancellation_leaves_enough() {
    let big = 1e30_f32;
    let results = pair(Kind::Hinge, 1.0, [big, big, 1e-40, -1e-40], 1.0);
    close(&(results[3].clone() * -1e40), 2e40 * f64::from(1e-40_f32));
    // Robust loss next to its zero: the approach of four f32, whose loss changes sign between neighbours.
    let loss = |row: [f32; 4]| pair(Kind::Robust(0.1), 0.1, row, 1.0)[0].clone();
    let (mut low, mut high) = ([0.0_f32; 4], [400.0_f32, 0.0, 0.0, 0.0]);
    assert!(loss(low) > 0 && loss(high) < 0);
    for part in 0..4 {
        let (mut a, mut b) = (low[part], high[part]);
        for _ in 0..200 {
            let middle = ((f64::from(a) + f64::from(b)) / 2.0) as f32;
            if middle == a || middle == b {
                break;
            }
            let mut row = low;
            row[part] = middle;
            if loss(row) > 0 { a = middle } else { b = middle }
        }
        low[part] = a;
        high = low;
        // The next part reaches over the step that this one could not halve; a rejected answer counts against it.
        if part < 3 {
            high[part + 1] = if part == 2 { 1.0 } else { -1.0 } * (b - a).abs() * 2.0;
        }
    }
    let left = loss(low);
    assert!(left.get_exp().is_some_and(|e| (-120..-60).contains(&e)), "{left:e}");
}

#[test]
fn elementary_functions() {
    let at = |name: &str, x: f32| Function::named(name).unwrap().exact(x);
    close(&at("sigmoid", 0.125), 0.531209373373);
    close(&at("softplus", -0.125), 0.632599035317);
    close(&at("log_sigmoid", 0.125), -0.632599035317);
    close(&at("exp", 1.0), std::f64::consts::E);
    close(&at("log", 2.0), std::f64::consts::LN_2);
    close(&at("log1p", 1.0), std::f64::consts::LN_2);
    close(&at("expm1", 1.0), std::f64::consts::E - 1.0);
    close(&at("log1mexp", -1.0), -0.458675145387);
    assert!(at("log1mexp", 1.0).is_nan() && at("log", -1.0).is_nan());
    // The quick tier and the exact functions agree.
    let mut random = Random(2);
    for function in &FUNCTIONS {
        for _ in 0..300 {
            let x = random.finite();
            let (nearest, _) = function.nearest(x);
            let exact = function.exact(x);
            assert!(exact.is_nan() == nearest.is_nan() && (exact.is_nan() || exact.to_f32() == nearest), "{x:e}");
        }
    }
}

#[test]
fn rows_of_logits() {
    let row = logits::Row::new(&[0.5, -0.25, 0.1], (1.0, 1.0, None));
    let softmax = [0.466703810334, 0.220455270038, 0.312840919628];
    let (mut entropy, mut squares) = (0.0, 0.0);
    for (column, p) in softmax.into_iter().enumerate() {
        // The worked values are those of 0.1, not of the f32 next to it.
        near(&row.logp(column).exp(), p, 1e-8);
        near(&row.gradient(column, 0, 1.0), if column == 0 { 1.0 - p } else { -p }, 1e-8);
        entropy -= p * f64::ln(p);
        squares += p * p;
    }
    near(&row.entropy(), entropy, 1e-8);
    near(&row.log_sum_squares(), squares.ln(), 1e-8);
    // A cap and a temperature, in f64: 30 tanh(x / 30) / 0.7.
    let values = [3.0_f32, -1.0, 40.0, f32::NEG_INFINITY];
    let row = logits::Row::new(&values, (0.7, 1.0, Some(30.0)));
    let bent: Vec<f64> = values.iter().map(|&x| (f64::from(x) / 30.0).tanh() * 30.0 / 0.7).collect();
    let sum: f64 = bent[..3].iter().map(|y| y.exp()).sum();
    for (column, bent) in bent[..3].iter().enumerate() {
        close(&row.logp(column), bent - sum.ln());
    }
    assert!(row.logp(3).is_infinite());
    let slope = (1.0 - (3.0_f64 / 30.0).tanh().powi(2)) / 0.7;
    close(&row.gradient(0, 0, 2.0), 2.0 * slope * (1.0 - (bent[0] - sum.ln()).exp()));
    close(&logits::mean(&[1.0, 2.0, 6.0]), 3.0);
}

#[test]
fn contrastive_losses() {
    close(&contrastive::info_nce(2.0, &[0.5, -1.0], 0.5).loss, 0.050945763523);
    close(&contrastive::info_nce(0.25, &[0.25; 9], 0.1).loss, 10.0_f64.ln());
    let alone = contrastive::info_nce(0.3, &[], 0.1);
    assert!(alone.loss.is_zero() && alone.by_positive.is_zero() && alone.by_temperature.is_zero());
    // A positive far below: the loss is the distance.
    close(&contrastive::info_nce(-3e30, &[1e30], 2.0).loss, (f64::from(1e30_f32) + f64::from(3e30_f32)) / 2.0);
    let both = contrastive::symmetric(&[2.0, 0.5, -1.0, 1.0], 2, 1.0);
    close(&both.means[0], 0.164170644513);
    close(&both.means[1], 0.261332167877);
    let p = |a: f64, b: f64| 1.0 / (1.0 + (b - a).exp());
    close(&both.grads[0], (p(2.0, 0.5) + p(2.0, -1.0) - 2.0) / 4.0);
    close(&both.grads[1], (p(0.5, 2.0) + p(0.5, 1.0)) / 4.0);
}

#[test]
fn sums_and_limbs() {
    assert_eq!(sums::sum(&[1e30, 1.0, -1e30]), 1);
    assert_eq!(sums::limbs([3, 0, 0, 0, 0]), float(3.0) >> 149);
    assert_eq!(sums::limbs([u64::MAX; 5]), float(-1.0) >> 149);
    assert_eq!(sums::mean(&float(7.0), 2), 3.5);
    assert_eq!(sums::mean(&float(1.0), 3), float(1.0) / 3, "in all bits");
    assert!(sums::mean(&float(7.0), 0).is_nan());
}

#[test]
fn distances() {
    let third = float(1.0) / float(3.0);
    let nearest = 1.0_f32 / 3.0;
    assert!(ulps(nearest, &third) < 0.5 && (ulps(nearest.next_up(), &third) - 1.0).abs() < 0.5);
    assert_eq!(ulps(f32::from_bits(1), &float(0.0)), 1.0);
    assert_eq!(ulps(0.0, &(float(1.0) >> 150)), 0.5);
    assert_eq!(ulps(f32::INFINITY, &float(1e39)), 0.0);
    assert_eq!(ulps(f32::NEG_INFINITY, &float(1e39)), f64::INFINITY);
    assert_eq!(ulps(f32::MAX, &float(1e39)), f64::INFINITY);
    assert_eq!(ulps(f32::NAN, &float(0.0)), f64::INFINITY);
    assert_eq!(Format::F16.ulps(f32::INFINITY, &float(65_520.0)), 0.0);
    assert_eq!(Format::F16.ulps(65_504.0, &float(65_519.0)), 15.0 / 32.0);
    assert_eq!(Format::BF16.ulps(1.0, &(float(1.0) + (float(1.0) >> 8))), 0.5);
}
