//! The fuzzers on a few made-up inputs: what Miri can run of them, what needs no judge and little wide arithmetic. It has the levels scalar and
//! wide, and watches the C interface's unsafe code and that of the crates below.

use preflane_judge::Random;

/// Some inputs of `length` bytes.
fn inputs(run: fn(&[u8]), seed: u64, inputs: usize, length: usize) {
    let mut random = Random(seed);
    for _ in 0..inputs {
        let data: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
        run(&data);
    }
}

#[test]
fn c_interface() {
    inputs(preflane_fuzz::capi::run, 1, 16, 300);
}

#[test]
fn answers() {
    inputs(preflane_fuzz::answers::run, 9, 6, 120);
}

#[test]
fn levels() {
    inputs(preflane_fuzz::levels::run, 2, 1, 300);
}

#[test]
fn elementary() {
    inputs(preflane_fuzz::elementary::run, 3, 1, 40);
}

#[test]
fn row_sums() {
    inputs(preflane_fuzz::row_sum::run, 5, 1, 150);
}

#[test]
fn merging() {
    inputs(preflane_fuzz::merge::run, 6, 1, 200);
}

#[test]
fn saved_states() {
    inputs(preflane_fuzz::state::run, 7, 3, 200);
}

#[test]
fn streaming() {
    inputs(preflane_fuzz::streaming::run, 8, 1, 200);
}
