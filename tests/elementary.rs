//! What the digests and the exhaustive runs do not say of the elementary functions in words.

use preflane::elementary::slices;
use preflane::{Backend, Level};

/// Zeros have the signs that IEEE 754 and Annex F of C say: those of the exact value, or of its limit.
#[test]
fn zeros_have_their_signs() {
    type Slices = fn(Backend, &[f32], &mut [f32]) -> Result<(), preflane::Error>;
    let positive: [(&str, Slices, &[f32]); 4] = [
        ("exp", slices::exp, &[-104.0, -150.0, -1e30, f32::NEG_INFINITY]),
        ("log", slices::log, &[1.0]),
        ("sigmoid", slices::sigmoid, &[-104.0, -200.0, -400.0, f32::NEG_INFINITY]),
        ("softplus", slices::softplus, &[-104.0, -200.0, -400.0, f32::NEG_INFINITY]),
    ];
    let negative: [(&str, Slices, &[f32]); 2] = [
        ("log1mexp", slices::log1mexp, &[-104.0, -125.0, -200.0, -400.0, f32::NEG_INFINITY]),
        ("log_sigmoid", slices::log_sigmoid, &[104.0, 125.0, 200.0, 400.0, 1e30, f32::INFINITY]),
    ];
    let own: [(&str, Slices, &[f32]); 4] = [
        ("expm1", slices::expm1, &[0.0]),
        ("log1p", slices::log1p, &[0.0]),
        ("expm1", slices::expm1, &[-0.0]),
        ("log1p", slices::log1p, &[-0.0]),
    ];
    for backend in Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()) {
        let check = |(name, function, x): (&str, Slices, &[f32]), zero: f32| {
            // Whole blocks and tails.
            let x: Vec<f32> = x.iter().copied().cycle().take(67).collect();
            let mut out = [7.0; 67];
            function(backend, &x, &mut out).unwrap();
            for (x, y) in x.iter().zip(out) {
                assert_eq!(y.to_bits(), zero.to_bits(), "{name}({x}) is {y} on {:?}", backend.level());
            }
        };
        positive.into_iter().for_each(|case| check(case, 0.0));
        negative.into_iter().for_each(|case| check(case, -0.0));
        own.into_iter().for_each(|case| check(case, case.2[0]));
    }
}
