//! The elementary functions: the nearest f32 to the exact value, on every level, in slices of any length.

use crate::{JUDGED, bits, choices, on_every_level};
use preflane_conformance::FUNCTIONS;
use preflane_judge::elementary::{Function, same};

/// Tries what some bytes choose.
pub fn run(data: &[u8]) {
    let mut v = choices(data);
    let n = 1 + v.below(20);
    let x: Vec<f32> = (0..n).map(|_| v.any()).collect();
    for function in FUNCTIONS {
        let judge = Function::named(function.name).expect("the judge has every function");
        let got = on_every_level(|backend| {
            let mut out = vec![7.0; n];
            (function.slice)(backend, &x, &mut out).expect("of one length");
            bits(&out)
        });
        for (&x, &got) in x.iter().zip(&got) {
            let got = f32::from_bits(got);
            if JUDGED {
                let (nearest, _) = judge.nearest(x);
                assert!(same(got, nearest), "{}({x:e}) is {got:e}, nearest {nearest:e}", function.name);
            }
            assert_eq!((function.one)(x).to_bits(), got.to_bits(), "{}({x:e}) alone", function.name);
        }
    }
}
