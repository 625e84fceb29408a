//! The judge against worked values of the formulas, from the literature's definitions in 30-digit arithmetic.

use preflane_judge::elementary::{FUNCTIONS, Function};
use preflane_judge::{
    DEFINITIONS, Float, Form, Format, Inputs, PARAMETERS, Parameter, Random, Textbook, contrastive, float, log_ratios,
    logits, pair, rows_near, sums, textbook, ulps,
};

/// Ten digits and more were printed.
fn close(got: &Float, want: f64) {
    near(got, want, 1e-11);
}

fn near(got: &Float, want: f64, by: f64) {
    let error = (Float::with_val(200, got) - want).abs();
    assert!(error <= by * (1.0 + want.abs()), "got {got:.15}, want {want}");
}

fn of(name: &str, parameters: &[f64]) -> Textbook {
    textbook(name, parameters).unwrap()
}

const LOGPS: [f32; 4] = [-12.5, -14.0, -13.0, -13.25];

#[test]
fn one_pair_under_every_loss() {
    let dpo = pair(&of("dpo", &[0.1]), LOGPS, 1.0);
    // beta is the f64 next to 0.1, some 1e-17 away.
    let want =
        [0.632599035317, 0.05, -0.075, 0.125, -0.0468790626626, 0.0468790626626, 0.0468790626626, -0.0468790626626];
    for (got, want) in dpo.iter().zip(want) {
        close(got, want);
    }
    close(&dpo[8], -0.0468790626626 * 12.5);
    close(&pair(&of("cdpo", &[0.1, 0.1]), LOGPS, 1.0)[0], 0.645099035317);
    close(&pair(&of("robust", &[0.1, 0.1]), LOGPS, 1.0)[0], 0.616974035317);
    close(&pair(&of("ipo", &[0.1]), LOGPS, 1.0)[0], 14.0625);
    close(&pair(&of("ipo", &[0.1]), LOGPS, 1.0)[4], -7.5);
    close(&pair(&of("dpo", &[0.1]), [-12.5, -14.0, 0.0, 0.0], 1.0)[0], 0.62095704779);
    close(&pair(&of("dpo", &[0.1]), LOGPS, 3.0)[0], 3.0 * 0.632599035317);
    for (name, loss, gradient) in [("dpo", 0.437488, -0.035434), ("hinge", 0.4, -0.1), ("ipo", 1.0, 2.0)] {
        let results = pair(&of(name, &[0.1]), [0.0_f32, -6.0, 0.0, 0.0], 1.0);
        assert!((results[0].to_f64() - loss).abs() < 1e-6 && (results[4].to_f64() - gradient).abs() < 1e-6);
    }
}

/// Each gradient is the slope of its loss, by differences so small that what is left of a hundred bits says it.
#[test]
fn gradients_are_slopes_of_losses() {
    let mut random = Random(1);
    let step = 2.0_f64.powi(-40);
    let losses = [
        of("dpo", &[0.1]),
        of("cdpo", &[0.1, 0.1]),
        of("robust", &[0.1, 0.2]),
        of("ipo", &[0.1]),
        of("simpo", &[0.1, 0.7]),
    ];
    for loss in losses {
        for _ in 0..50 {
            let logps = [(); 4].map(|()| f64::from(random.logp()));
            let results = pair(&loss, logps, 1.0);
            // A step of 2^-40 from the chosen log-probability: from a value near 0, so that f64 holds it.
            let at = |d: f64| pair(&loss, [d, logps[1], logps[0], logps[3]], 1.0)[0].clone();
            let slope = (Float::with_val(400, at(step)) - at(-step)) / (2.0 * step);
            let exact = pair(&loss, [0.0, logps[1], logps[0], logps[3]], 1.0)[4].clone();
            let error = (Float::with_val(400, &slope - &exact)).abs();
            assert!(error <= exact.clone().abs() * 1e-15 + 1e-20, "{loss:?}: {slope:.20} {exact:.20}");
            assert_eq!(results[5], -results[4].clone());
        }
    }
}

/// Precision follows need: near a zero of 2^-96, and over all exponents, the results are those of 4000 bits.
#[test]
fn cancellation_leaves_enough() {
    let big = 1e30_f32;
    let results = pair(&of("hinge", &[1.0]), [big, big, 1e-40, -1e-40], 1.0);
    close(&(results[3].clone() * -1e40), 2e40 * f64::from(1e-40_f32));
    // Robust loss next to its zero: the approach of four f32, whose loss changes sign between neighbours.
    let loss = |row: [f32; 4]| pair(&of("robust", &[0.1, 0.1]), row, 1.0)[0].clone();
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

/// Every parameter of every definition is one that is described, and a wrong number of them is none.
#[test]
fn definitions_are_complete() {
    for definition in DEFINITIONS {
        let values: Vec<f64> = definition
            .parameters
            .iter()
            .map(|name| Parameter::named(name).expect(name).default.unwrap_or(0.1))
            .collect();
        assert!(definition.parameters.iter().zip(&values).all(|(name, x)| Parameter::named(name).unwrap().allows(*x)));
        assert_eq!(of(definition.name, &values).definition().name, definition.name);
        for alias in definition.aliases {
            assert_eq!(of(alias, &values), of(definition.name, &values));
        }
        assert!(textbook(definition.name, &[values.clone(), vec![1.0]].concat()).is_none());
    }
    assert!(textbook("dpo2", &[0.1]).is_none() && textbook("dpo", &[]).is_none());
    assert!(PARAMETERS.iter().all(|parameter| !parameter.allows(f64::NAN) && !parameter.allows(f64::INFINITY)));
}

/// KTO at the reference point and beside it, by Python's floats.
#[test]
fn labelled_losses() {
    let kto = of("kto", &[0.5, 1.5, 0.75]);
    let at = |u: f64, is_desirable, z0| kto.exact(&Inputs::labelled(float(u), is_desirable, z0));
    let even = at(0.25, true, 0.25);
    close(&even.loss, 0.75);
    close(&even.by_log_ratios[0], -1.5 * 0.5 * 0.25);
    assert!(even.by_beta.is_zero());
    // sg(-1/2) = 0.377540668798; its slope is 0.235003712202.
    let desirable = at(2.0, true, 1.0);
    close(&desirable.loss, 1.5 * 0.377540668798145);
    close(&desirable.by_log_ratios[0], -1.5 * 0.5 * 0.235003712201594);
    close(&desirable.by_beta, -1.5 * 0.235003712201594);
    let undesirable = at(2.0, false, 1.0);
    close(&undesirable.loss, 0.75 * 0.622459331201855);
    close(&undesirable.by_log_ratios[0], 0.75 * 0.5 * 0.235003712201594);
    // Where nothing is left of 1.
    let far = at(2000.0, true, 0.0);
    close(&(far.loss / 1.5_f64).ln(), -1000.0);
}

#[test]
fn listed_losses() {
    let listed = of("plackett_luce", &[1.0]);
    let at = |s: &[f64]| listed.exact(&Inputs::new(s.iter().map(|x| float(*x)).collect::<Vec<_>>()));
    let three = at(&[0.5, -0.25, 0.1]);
    close(&three.loss, 1.64544261706);
    for (got, want) in three.by_log_ratios.iter().zip([-0.533296189666, -0.366162308879, 0.899458498545]) {
        close(got, want);
    }
    let by_beta = 0.5 * -0.533296189666 + 0.25 * 0.366162308879 + 0.1 * 0.899458498545;
    close(&three.by_beta, by_beta);
    // One answer has no rank, two are DPO.
    let one = at(&[3.0]);
    assert!(one.loss.is_zero() && one.by_log_ratios[0].is_zero() && one.by_beta.is_zero());
    let (two, dpo) = (at(&[-1.25, 0.5]), of("dpo", &[1.0]).exact(&Inputs::new([float(-1.25), float(0.5)])));
    assert_eq!(two.loss.to_f64(), dpo.loss.to_f64());
    assert_eq!(two.by_log_ratios[1].to_f64(), dpo.by_log_ratios[1].to_f64());
    // Scores apart by all of a float's exponents.
    let apart = at(&[-3e38, 0.0, 3e38, 1e-45]);
    close(&(apart.loss / 9e38), 1.0);
    close(&apart.by_log_ratios[0], -1.0);
    close(&at(&[900.0, 0.0]).by_log_ratios[1].clone().ln(), -900.0);
}

/// What cancels is told by the arithmetic: the sides of a midpoint, a zero of a loss, a kink met exactly and not.
#[test]
fn precision_follows_need() {
    let at = |name: &str, parameters: &[f64], u: Float| of(name, parameters).exact(&Inputs::new([u, float(0.0)]));
    // ln(1 + e^300) is 300 and e^-300 more: as f32, with 2^-16 instead of the rest, a midpoint.
    let midpoint = float(300.0) + (float(1.0) >> 16);
    let above = at("dpo", &[1.0], -midpoint.clone()).loss;
    assert!(above > midpoint && above.to_f32() == 300.0_f32.next_up(), "{above:.40}");
    let hinge = |u: Float| at("hinge", &[0.5], u);
    let tie = hinge(float(2.0));
    assert!(tie.loss.is_zero() && tie.by_log_ratios[0].is_zero() && tie.by_beta.is_zero());
    let before = hinge(float(2.0) - (float(1.0) >> 400));
    assert_eq!(before.loss, float(1.0) >> 401);
    assert_eq!(before.by_log_ratios[0], -0.5);
    // IPO's distance is no difference of roundings.
    let distance = at("ipo", &[0.1], float(5.0)).by_log_ratios[0].clone() / 2.0;
    let exact = float(5.0) - Float::with_val(2_000, 0.5) / 0.1;
    let off: Float = distance / exact - 1.0_f64;
    assert!(off.to_f64().abs() < 1e-25, "{off:e}");
}

/// The places at which losses and gradients are 0 or bend, where they are known.
#[test]
fn zeros_are_found() {
    let (beta, eps) = (0.3, 0.2);
    let h = |name: &str, parameters: &[f64]| -> Vec<f64> {
        of(name, parameters).zeros().iter().map(|row| row.log_ratios[0].to_f64() - row.log_ratios[1].to_f64()).collect()
    };
    let has = |places: &[f64], want: f64| places.iter().any(|x| (x - want).abs() <= 1e-14 * want.abs());
    assert!(has(&h("cdpo", &[beta, eps]), ((1.0 - eps) / eps).ln() / beta));
    assert!(has(&h("cdpo", &[beta, 1e-7]), ((1.0_f64 - 1e-7) / 1e-7).ln() / beta));
    assert!(has(&h("hinge", &[beta]), 1.0 / beta));
    assert!(has(&h("ipo", &[beta]), 0.5 / beta));
    for beta in [1e-40, 1e30] {
        assert!(has(&h("hinge", &[beta]), 1.0 / beta));
    }
    let robust = h("robust", &[beta, eps]);
    let loss = |h: f64| of("robust", &[beta, eps]).exact(&Inputs::new([float(h), float(0.0)])).loss;
    assert!(robust.iter().any(|h| *h > 1.0 && loss(*h).to_f64().abs() < 1e-14), "{robust:?}");
    // DiscoPOP has a maximum and a minimum, DPO has neither.
    assert_eq!((h("discopop", &[0.1, 0.05]).len(), h("dpo", &[0.1]).len()), (3, 1));
    // The middle of three answers is pushed from both sides.
    let listed = of("plackett_luce", &[1.0]);
    let least =
        |row: &Inputs| listed.exact(row).by_log_ratios.iter().map(|by| by.to_f64().abs()).fold(f64::INFINITY, f64::min);
    assert!(listed.zeros().iter().any(|row| least(row) < 1e-25));
    for definition in DEFINITIONS.iter().filter(|d| d.form == Form::Labelled) {
        let values: Vec<f64> = definition.parameters.iter().map(|_| 1.0).collect();
        assert!(of(definition.name, &values).zeros().iter().any(|row| row.log_ratios[0] == row.reference_point));
    }
}

/// Rows of f32 come within 2^-90 of a zero.
#[test]
fn rows_come_near_zeros() {
    let cdpo = of("cdpo", &[0.1, 0.1]);
    let gradient = |row: &[f32; 4]| pair(&cdpo, *row, 1.0)[4].to_f64().abs();
    let rows: Vec<[f32; 4]> = cdpo.zeros().iter().flat_map(|zero| rows_near(&cdpo, zero)).collect();
    assert!(rows.iter().any(|row| gradient(row) < 2.0_f64.powi(-90)));
    let odds = of("odds_ratio", &[1.0]);
    let near = rows_near(&odds, &Inputs::new([float(-1e-30), float(-2.5)]));
    assert!(!near.is_empty() && near.iter().all(|row| log_ratios(*row).iter().all(|ratio| *ratio < 0)), "{near:?}");
}
