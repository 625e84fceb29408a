//! Exact totals of exponentials, in windows.
//!
//! Window w holds values below 2^(50 w + 49). A total there is an integer in units of 2^(50 (w - 1)), kept in two parts:
//! every value rounded to a multiple of 2^(50 w), and what that left, rounded to the unit. A value of the window
//! below has no first part, and its first part there is its second part here: a total moves up a window by dropping
//! its second part, with the bits that it would have had from the start. So the order of values and of merges does
//! not matter, and the units are at most 2^-49 of the largest value.

use super::scaling::Map;
use super::terms::{Base, WINDOW};
use crate::lanes::{HAS_WIDE, Lanes, MAX_LANES, Two};
use core::hint::black_box;

/// A sum of values whose largest lies in the window, or below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub window: i64,
    /// In units of 2^(50 window).
    pub high: i128,
    /// In units of 2^(50 (window - 1)).
    pub low: i128,
}

/// 2^52: adding a value below it rounds to an integer, which stands in the low bits.
const ONES: f64 = 4_503_599_627_370_496.0;
/// The same for 2^-50, either sign.
const FINE: f64 = 6.0;

impl Total {
    /// No values: a window below all others.
    pub const EMPTY: Self = Self::in_window(-1 << 60);

    /// Nothing yet, in a window.
    pub const fn in_window(window: i64) -> Self {
        Self { window, high: 0, low: 0 }
    }

    /// The same total seen from a window above.
    pub fn raise(&mut self, window: i64) {
        match window - self.window {
            0 => {}
            1 => *self = Self { window, high: 0, low: self.high },
            _ => *self = Self::in_window(window),
        }
    }

    /// Adds another total.
    pub fn merge(&mut self, mut other: Self) {
        let window = self.window.max(other.window);
        self.raise(window);
        other.raise(window);
        // No row is long enough to wrap; states that somebody made up may be.
        self.high = self.high.wrapping_add(other.high);
        self.low = self.low.wrapping_add(other.low);
    }

    /// One value of the window.
    pub fn one<M: Map>(base: &Base, map: M, x: f32, window: i64) -> Self {
        let v = map.map(f64::from(x));
        let mut parts = Parts::<f64>::none();
        parts.add(base.term(v.at_least(base.floor(window)), window, base.is_wide(v)));
        parts.total(window, 1)
    }

    /// Takes out what was added.
    pub fn remove(&mut self, other: &Self) {
        self.high = self.high.wrapping_sub(other.high);
        self.low = self.low.wrapping_sub(other.low);
    }

    /// Whether it could be one: far from where its integers or windows would overflow.
    pub fn is_plausible(&self) -> bool {
        let near = self.window.unsigned_abs() < 1 << 40 || self.window == Self::EMPTY.window;
        near && self.high.unsigned_abs() < 1 << 120 && self.low.unsigned_abs() < 1 << 120
    }

    /// In units of 2^(50 (window - 1)), to 2^-52.
    pub fn units(&self) -> f64 {
        self.high as f64 * (1_i64 << WINDOW) as f64 + self.low as f64
    }
}

/// A running total a lane.
#[derive(Clone, Copy)]
pub(super) struct Parts<L> {
    high: L,
    low: L,
}

impl<L: Lanes> Parts<L> {
    #[inline(always)]
    pub fn none() -> Self {
        Self { high: L::splat(0.0), low: L::splat(0.0) }
    }

    /// Adds a value >= 0, below 2^49.
    #[inline(always)]
    pub fn add(&mut self, value: L) {
        let rounded = value + L::splat(ONES);
        let left = value - (rounded - L::splat(ONES));
        self.high = self.high.bits_add(rounded);
        self.low = self.low.bits_add(left + L::splat(FINE));
    }

    /// The total of `count` values over all lanes, at most a chunk: its sum fits 64 bits.
    #[inline(always)]
    pub fn total(self, window: i64, count: u64) -> Total {
        let part = |sum: u64, zero: f64| i128::from(sum.wrapping_sub(zero.to_bits().wrapping_mul(count)) as i64);
        Total { window, high: part(self.high.bits_sum(), ONES), low: part(self.low.bits_sum(), FINE) }
    }
}

/// What a chunk is summed by.
#[derive(Clone, Copy)]
pub(super) struct Sum<M> {
    pub base: Base,
    pub map: M,
    pub window: i64,
    pub wide: bool,
    /// Larger logits are left out.
    pub most: f32,
}

impl<M: Map> Sum<M> {
    /// At most a chunk of logits, of which `least` is the least. `next` is what will be read after them.
    #[inline(always)]
    pub fn chunk<L: Lanes, T>(&self, x: &[f32], least: f32, next: &[T]) -> Total {
        let rare =
            self.wide || self.most < f32::INFINITY || self.map.map(f64::from(least)) < self.base.floor(self.window);
        match (rare, HAS_WIDE) {
            (true, true) => self.run::<L, T, true>(x, next),
            (false, true) => self.run::<Two<L>, T, false>(x, next),
            // A microcontroller keeps each in flash once, however many call it.
            (true, false) => self.apart::<L, T, true>(x),
            (false, false) => self.apart::<L, T, false>(x),
        }
    }

    #[inline(never)]
    fn apart<L: Lanes, T, const RARE: bool>(&self, x: &[f32]) -> Total {
        self.run::<L, T, RARE>(x, &[])
    }

    /// `RARE`: with the reduction in two parts, without the largest logits, or with some that add nothing.
    #[inline(always)]
    fn run<L: Lanes, T, const RARE: bool>(&self, x: &[f32], next: &[T]) -> Total {
        let mut fold = Run::<M, L, RARE> { sum: self, floor: self.base.floor(self.window), parts: Parts::none() };
        let count = each_block(x, next, f32::NEG_INFINITY, &mut fold);
        fold.parts.total(self.window, count)
    }
}

struct Run<'a, M, L, const RARE: bool> {
    sum: &'a Sum<M>,
    floor: f64,
    parts: Parts<L>,
}

impl<M: Map, L: Lanes, const RARE: bool> Fold<L> for Run<'_, M, L, RARE> {
    #[inline(always)]
    fn block(&mut self, x: L, last: bool) {
        let Sum { base, map, window, most, .. } = self.sum;
        let mut v = map.map(x);
        if RARE {
            v = L::select(L::splat(f64::from(*most)).lt(x), L::splat(self.floor), v);
        }
        if RARE || last {
            v = v.at_least(L::splat(self.floor));
        }
        self.parts.add(base.term(v, *window, RARE));
    }
}

/// What is done with each block of lanes.
pub(super) trait Fold<L> {
    /// `last`: filled up.
    fn block(&mut self, x: L, last: bool);
}

/// Goes through some logits in blocks, the last one filled up. `next` is what will be read after them. Returns how many
/// lanes there were.
#[inline(always)]
pub(super) fn each_block<L: Lanes, T>(x: &[f32], next: &[T], fill: f32, fold: &mut impl Fold<L>) -> u64 {
    let mut blocks = x.chunks_exact(L::N);
    let mut at = 0;
    for block in &mut blocks {
        L::prefetch(next, at);
        fold.block(L::load(block, 0), false);
        at += L::N;
    }
    if !blocks.remainder().is_empty() {
        // The box keeps compilers from computing with the filling before it is raised to the floor: with infinity that is an invalid
        // operation, which may trap.
        let mut tail = [black_box(fill); 2 * MAX_LANES];
        for (tail, x) in tail.iter_mut().zip(blocks.remainder()) {
            *tail = *x;
        }
        fold.block(L::load(&tail, 0), true);
        at += L::N;
    }
    at as u64
}
