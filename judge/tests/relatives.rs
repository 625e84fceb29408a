//! The losses of other libraries and the sequences against values worked out elsewhere in 40 digits, and their limits.
#![allow(clippy::excessive_precision, reason = "values as they were worked out")]

use preflane_judge::{Derivatives, Inputs, log_ratios, pair, sequence, textbook};

/// Name, parameters, log-ratios, and the loss with its derivatives by both.
type Relative = (&'static str, &'static [f64], [f64; 2], [f64; 3]);

const RELATIVES: [Relative; 8] = [
    ("discopop", &[1.0, 0.05], [0.5, -0.75], [0.28650479685970991473, -0.286504796849700273, 0.286504796849700273]),
    ("discopop", &[1.0, 0.05], [-0.25, -0.1875], [0.80051637085404115917, 0.537904784482853371, -0.537904784482853371]),
    ("discopop", &[1.0, 0.05], [-88.0, 0.0], [88.0, -1.0, 1.0]),
    ("forward_kl", &[1.0], [0.5, 0.25], [0.61071716525639712185, -0.277207962144146262, 0.355942069101297071]),
    ("forward_kl", &[1.0], [-2.0, -1.5], [2.9605469265306016539, -7.00637256997658332, 4.24957977706039596]),
    ("odds_ratio", &[1.0], [-1.5, -2.0], [0.43498880687053951978, -0.454037561854116396, 0.407936256823958836]),
    ("odds_ratio", &[1.0], [-1e-8, -1.0], [5.8197670808572553355e-9, -0.581976709302124618, 9.20673593453054438e-9]),
    ("simpo", &[2.0, 0.5], [-0.75, -1.25], [0.47407698418010668087, -0.755081337596290871, 0.755081337596290871]),
];

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 2e-15 * want.abs(), "{what}: {got:e} is not {want:e}");
}

fn at(name: &str, parameters: &[f64], u: f64, v: f64) -> Derivatives {
    textbook(name, parameters).unwrap().exact(&Inputs::new(log_ratios([u, v, 0.0, 0.0])))
}

#[test]
fn worked_values() {
    for (name, parameters, [u, v], want) in RELATIVES {
        let got = at(name, parameters, u, v);
        for (got, want) in std::iter::once(&got.loss).chain(&got.by_log_ratios).zip(want) {
            near(got.to_f64(), want, &format!("{name} at {u}, {v}"));
        }
    }
}

#[test]
fn limits() {
    // m e^-z is a product of nothing and everything.
    let far = at("discopop", &[1.0, 0.05], -1e30, 0.0);
    assert_eq!((far.loss.to_f64(), far.by_log_ratios[0].to_f64()), (1e30, -1.0));
    let far = at("discopop", &[1.0, 0.05], 1e30, 0.0);
    assert_eq!((far.loss.to_f64(), far.by_log_ratios[0].to_f64()), (0.0, 0.0));
    // Both scores leave f32, their difference has a sign all the same.
    assert_eq!(at("forward_kl", &[0.1], -89.0, -90.0).loss.to_f64(), 0.0);
    assert!(at("forward_kl", &[0.1], -90.0, -89.0).loss.to_f64() > 7e37);
    // The log-odds of e^-1e-8 are 18.42.
    let even = at("odds_ratio", &[1.0], (0.5_f64).ln(), -1e-8);
    near(even.loss.to_f64(), 18.420_680_748_952_365, "log-odds");
}

/// A pair of f64 whose differences no f64 holds.
#[test]
fn log_ratios_are_exact() {
    let [u, v] = log_ratios([1e300, 1e300, 1e300, f64::from_bits(1)]);
    assert!(u.is_zero());
    assert_eq!(v - 1e300 + f64::from_bits(1), 0.0);
    // DPO of the worked pair of the library's own tests.
    near(
        pair(&textbook("dpo", &[0.1]).unwrap(), [-12.5, -14.0, -13.0, -13.25], 1.0)[0].to_f64(),
        0.632_599_035_317_169_1,
        "DPO",
    );
}

#[test]
fn sequences() {
    // Two equal logits; a masked row; one logit in front.
    let logits = [3.0, 3.0, f64::MAX, 0.0, 2.0, 0.0];
    let got = sequence(&logits, 2, &[0, -100, 0], false);
    let (half, front) = (-std::f64::consts::LN_2, -(-2.0_f64).exp().ln_1p());
    near(got.tokens[0].to_f64(), half, "token");
    near(got.logp.unwrap().to_f64(), half + front, "sum");
    let p = 1.0 / (1.0 + (-2.0_f64).exp());
    for (got, want) in got.by_logits.iter().zip([0.5, -0.5, 0.0, 0.0, 1.0 - p, p - 1.0]) {
        near(got.to_f64(), want, "gradient");
    }
    near(sequence(&logits, 2, &[0, -100, 0], true).logp.unwrap().to_f64(), (half + front) / 2.0, "mean");
    // A token without doubt: -e^-60, which 1 - e^-60 would have lost.
    near(sequence(&[60.0, 0.0], 2, &[0], false).logp.unwrap().to_f64(), -(-60.0_f64).exp().ln_1p(), "sure token");
    // A mean over no tokens has no value, a sum has.
    assert!(sequence(&logits, 2, &[-100; 3], true).logp.is_none());
    assert!(sequence(&logits, 2, &[-100; 3], false).logp.unwrap().is_zero());
}
