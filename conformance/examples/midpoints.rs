//! Searches the policy log-probabilities (chosen, rejected) of `data/midpoints.f32le`: pairs of f32 at which an output in
//! f64 lies within two units in the last place of halfway between two f32, the reference's being 0.
//!
//! Elsewhere a difference of one f64 rounding, such as that of a fused multiply-add, survives the final rounding
//! to f32 about once in 2^28 outputs: no set of random rows of bearable size would show it.
//!
//! ```text
//! cargo run --release -p preflane-conformance --example midpoints > conformance/data/midpoints.f32le
//! ```
//!
//! Takes some minutes. The rows are data: they need no new search unless a formula comes in, and what another libm
//! finds serves as well.

use std::io::Write as _;

/// Values tried, by each of the two threads.
const TRIES: u64 = 1_000_000_000;

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether rounding to f32 hangs on the last two bits or so.
fn near_midpoint(y: f64) -> bool {
    const DROPPED: u64 = (1 << 29) - 1;
    let distance = (y.to_bits() & DROPPED).abs_diff(1 << 28);
    // Exactly halfway is where the true value is so: every correct sequence of operations agrees.
    (1..=2).contains(&distance) && y.abs() > f64::from(f32::MIN_POSITIVE)
}

/// Whether an output of a loss at beta 0.1, label smoothing 0.1, is near a midpoint at the margin `h`.
fn hard(h: f64) -> bool {
    const BETA: f64 = 0.1;
    const EPS: f64 = 0.1;
    let z = BETA * h;
    // Outside, the outputs are straight lines but for a few units in the last place: near midpoints in droves, none of use.
    if !(0.0625..25.0).contains(&z.abs()) {
        return false;
    }
    let e = (-z.abs()).exp();
    let (log1p, recip) = (e.ln_1p(), 1.0 / (1.0 + e));
    let unlikely = if z < 0.0 { recip } else { e * recip };
    let loss = log1p + if z < 0.0 { -z } else { 0.0 };
    let linear = |k: f64| log1p + z.abs() * if z < 0.0 { 1.0 - k } else { k };
    let robust = -EPS / (1.0 - 2.0 * EPS);
    [loss, unlikely * BETA, unlikely * h].into_iter().any(near_midpoint)
        || [EPS, robust].into_iter().any(|k| {
            let slope = k - unlikely;
            [linear(k), slope * BETA, slope * h].into_iter().any(near_midpoint)
        })
}

/// Chosen of both signs and 1/4 to 256, where the exponential matters; rejected of 1/16 to 1, so that the difference is
/// exact and no value comes twice.
fn search(seed: u64) -> Vec<[f32; 2]> {
    let mut state = seed;
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let (bits, more) = (random(&mut state), random(&mut state));
        let float = |bits: u64, low: u64, count: u64| {
            let exponent = low + (bits >> 32) % count;
            f32::from_bits((bits as u32 & 0x807f_ffff) | (exponent as u32) << 23)
        };
        let pair @ [chosen, rejected] = [float(bits, 125, 10), float(more, 123, 4)];
        if hard(f64::from(chosen) - f64::from(rejected)) {
            found.push(pair);
        }
    }
    found
}

fn main() -> std::io::Result<()> {
    let other = std::thread::spawn(|| search(1));
    let mut found = search(2);
    found.extend(other.join().unwrap_or_default());
    eprintln!("{} rows", found.len());
    let bytes: Vec<u8> = found.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    std::io::stdout().write_all(&bytes)
}
