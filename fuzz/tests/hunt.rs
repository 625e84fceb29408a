//! The fuzzers on many made-up inputs, for machines without a fuzzing engine: `cargo test --release --test hunt -- --ignored`.

use preflane_judge::Random;

/// `PREFLANE_HUNT` says how many inputs, `PREFLANE_SEED` where they begin.
fn hunt(run: fn(&[u8]), length: usize) {
    let number = |name, default: u64| std::env::var(name).ok().and_then(|x| x.parse().ok()).unwrap_or(default);
    let (inputs, seed) = (number("PREFLANE_HUNT", 100_000), number("PREFLANE_SEED", 1));
    for at in 0..inputs {
        let mut random = Random(seed << 40 ^ at << 8 ^ 0x5eed);
        let data: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
        run(&data);
    }
}

#[test]
#[ignore = "it takes minutes"]
fn answers() {
    hunt(preflane_fuzz::answers::run, 400);
}

#[test]
#[ignore = "it takes minutes"]
fn c_interface() {
    hunt(preflane_fuzz::capi::run, 400);
}
