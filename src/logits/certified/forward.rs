//! The log-sum-exp of a row, certified: plain sums of exponentials by fused operations, with a bound of how far the result lies from the
//! defined one. Where all numbers within the bound lead to the same `rest`, which has 34 bits, that is the defined one; where they do not,
//! the definition decides. It takes half of the operations a logit.
//!
//! **The bound.** A column's term is `e^y`, `y = scale x`; others are all columns but one that has the largest logit M. Both sides divide the
//! others' sum by the defined term of M, so what remains is how the two sums differ. Relative to the others' sum:
//! - the definition's term: its quartic 2^-38.55, its argument `|y| 2^-51.9`, with |y| at most `500 ln 2` 2^-43.4;
//! - the term here: the polynomial 2^-40.23, the argument `|y| 2^-52.4`, 2^-43.9; Horner's roundings 2^-51;
//! - the sum here: 256 additions a lane and chunk, 2^-45, thrice that where M's term was taken out of a sum (no more than half of which it is);
//!   one addition a chunk, 2^-53 each.
//!
//! Together below [`RELATIVE`], and 2^-53 a chunk. Beside that the definition rounds each term to a unit, which loses at most half of one, or
//! leaves it out where it is smaller than that; and here a term below 2^-500 counts as that. What the bound says of the ratio it says of its
//! `log1p` too, whose slope is at most 1, and whose own error is 2^-47 on either side. What decides is twice the bound.

use super::Range;
use crate::elementary::lanes::log1p;
use crate::lanes::{Kernel, Lanes};
use crate::logits::Element;
use crate::logits::element::CHUNK;
use crate::logits::log_sum_exp::{LogSumExp, on_grid};
use crate::logits::terms::{Base, TO_INTEGER, WINDOW};
use crate::logits::total::{Fold, each_block};

/// The part of the bound that is relative to the others' sum: 2^-38.0; the head of this file adds it up.
const RELATIVE: f64 = 3.64e-12;

/// Powers of two from which on an exponential is not computed here.
const MOST: f64 = 500.0;
/// The least power of two of a largest logit.
const LEAST: f64 = -400.0;

/// 2^f for |f| <= 1/2, minimax in relative error: 2^-40.23.
const POWER: [f64; 9] = [
    0.9999999999997623,
    0.6931471805465141,
    0.2402265069888037,
    0.05550410939341712,
    0.009618128542862377,
    0.0013333452062247542,
    0.00015403851748734644,
    1.530973742224498e-05,
    1.317585811360802e-06,
];

/// A log-sum-exp beyond the largest logit, not yet on the grid, and how far from the defined one it may be.
#[derive(Clone, Copy, Debug)]
pub struct Approximation {
    pub rest: f64,
    pub bound: f64,
    pub max: f32,
}

impl Approximation {
    /// The defined one, if a window of twice the bound decides it.
    pub fn decided(self) -> Option<LogSumExp> {
        let Self { rest, bound, max } = self;
        let window = 2.0 * bound;
        let least = on_grid(rest - window);
        // False for NaN.
        let certain = least == on_grid(rest + window) && window < rest;
        certain.then_some(LogSumExp { rest: least, max, reserved: 0 })
    }
}

/// A row without a soft cap.
pub struct Row<'a, T> {
    pub row: &'a [T],
    pub scale: f64,
}

impl<T: Element> Kernel for Row<'_, T> {
    /// None where it is not for this kernel: NaN, +inf, only -inf, or numbers too large.
    type Output = Option<Approximation>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let Self { row, scale } = self;
        let k = scale * core::f64::consts::LOG2_E;
        let mut buffer = [0.0; CHUNK];
        // The others' sum is that of the chunks without the largest logit, and what remains of the one with it.
        let mut largest = Largest { chunk: 0, max: f32::NEG_INFINITY, sum: 0.0 };
        let mut others = 0.0;
        for (i, chunk) in row.chunks(CHUNK).enumerate() {
            let x = T::widen(chunk, &mut buffer);
            let range = Range::of::<L::Singles>(x)?;
            let next = row.get((i + 1) * CHUNK..).unwrap_or_default();
            let sum = sum::<L, T>(x, k, range.min, range.max, next)?;
            if range.max > largest.max {
                others += largest.sum;
                largest = Largest { chunk: i, max: range.max, sum };
            } else {
                others += sum;
            }
        }
        let Largest { chunk, max, sum: with_largest } = largest;
        let v = f64::from(max);
        if v * k < LEAST || max == f32::NEG_INFINITY {
            return None;
        }
        let largest = exponential::<L>(L::splat(v), k).first();
        if with_largest - largest < 0.5 * with_largest {
            // Too little is left to be told by subtraction.
            let chunk = row.chunks(CHUNK).nth(chunk)?;
            let mut without = [f32::NEG_INFINITY; CHUNK];
            without.iter_mut().zip(chunk).for_each(|(to, x)| *to = x.widened());
            if let Some(x) = without.iter_mut().find(|x| **x == max) {
                *x = f32::NEG_INFINITY;
            }
            let x = without.get(..chunk.len())?;
            others += sum::<L, T>(x, k, f32::NEG_INFINITY, max, &[])?;
        } else {
            others += with_largest - largest;
        }

        let base = Base::new(scale);
        let window = base.window(v);
        let defined = base.term(v, window, false);
        let power = |exponent: i64| f64::from_bits(((1023 + exponent.clamp(-1000, 1000)) as u64) << 52);
        let whole = |x: f64| x * power(-WINDOW * window) / defined;
        let ratio = whole(others);
        let columns = row.len() as f64;
        let chunks = (row.len() / CHUNK) as f64;
        // Half a unit a column; a unit is 2^-50 of the window.
        let lost = columns * 0.5 * power(-WINDOW) / defined + whole(columns * power(-500));
        let bound = ratio * (RELATIVE + chunks * f64::EPSILON) + lost;
        let rest = log1p(ratio);
        Some(Approximation {
            rest,
            bound: bound / (1.0 + ratio) * (1.0 + 1e-6) + rest * (4.0 / (1_u64 << 48) as f64),
            max,
        })
    }
}

/// Where the largest logit stands.
struct Largest {
    chunk: usize,
    max: f32,
    /// The sum of the chunk, with it.
    sum: f64,
}

/// The sum of the exponentials of at most a chunk of logits within a range; None if one is too large.
#[inline(always)]
fn sum<L: Lanes, T>(x: &[f32], k: f64, min: f32, max: f32, next: &[T]) -> Option<f64> {
    // Neither is NaN: the range has been looked at.
    if f64::from(max) * k >= MOST {
        return None;
    }
    if f64::from(min) * k > -MOST {
        let mut sum = Sum::<L, false> { k, floor: -MOST / k, sum: L::splat(0.0) };
        each_block(x, next, f32::NEG_INFINITY, &mut sum);
        return Some(sum.sum.sum());
    }
    let mut sum = Sum::<L, true> { k, floor: -MOST / k, sum: L::splat(0.0) };
    each_block(x, next, f32::NEG_INFINITY, &mut sum);
    Some(sum.sum.sum())
}

struct Sum<L, const LOW: bool> {
    k: f64,
    floor: f64,
    sum: L,
}

impl<L: Lanes, const LOW: bool> Fold<L> for Sum<L, LOW> {
    #[inline(always)]
    fn block(&mut self, x: L, last: bool) {
        let v = if LOW || last { x.at_least(L::splat(self.floor)) } else { x };
        self.sum = self.sum + exponential(v, self.k);
    }
}

/// 2^(v k), where that is a normal number.
#[inline(always)]
fn exponential<L: Lanes>(v: L, k: f64) -> L {
    let (k, magic) = (L::splat(k), L::splat(TO_INTEGER));
    let n = v.mul_add(k, magic);
    let f = v.mul_add(k, magic - n);
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8] = POWER;
    let mut p = L::splat(c8);
    p = p.mul_add(f, L::splat(c7));
    p = p.mul_add(f, L::splat(c6));
    p = p.mul_add(f, L::splat(c5));
    p = p.mul_add(f, L::splat(c4));
    p = p.mul_add(f, L::splat(c3));
    p = p.mul_add(f, L::splat(c2));
    p = p.mul_add(f, L::splat(c1));
    p = p.mul_add(f, L::splat(c0));
    p.bits_add(n.bits_shl52())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::lanes::{Backend, Level, dispatch_certified};
    use crate::logits::Scaling;
    use std::vec::Vec;

    /// The levels that have this kernel here.
    fn backends() -> impl Iterator<Item = Backend> {
        let has_kernel =
            |backend: &Backend| dispatch_certified(*backend, Row { row: &[0.0_f32, 1.0], scale: 1.0 }).is_ok();
        Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).filter(has_kernel)
    }

    struct Bits(u64);
    impl Bits {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
        /// Roughly normal.
        fn normal(&mut self) -> f64 {
            (0..6).map(|_| self.unit()).sum::<f64>() * 1.414 - 4.242
        }
    }

    /// Rows whose columns' errors are of either sign.
    fn mixed(bits: &mut Bits, i: usize) -> Vec<f32> {
        let n = 1 + (bits.unit() * [8.0, 300.0, 5000.0][i % 3]) as usize;
        let (spread, shift) = ([0.1, 2.0, 8.0, 40.0][i / 3 % 4], 60.0 * (bits.unit() - 0.5));
        let mut row: Vec<f32> = (0..n).map(|_| (spread * bits.normal() + shift) as f32).collect();
        match i / 12 % 4 {
            1 => row[0] = row.iter().copied().fold(f32::MIN, f32::max) + (20.0 * bits.unit()) as f32,
            2 => row.iter_mut().step_by(3).for_each(|x| *x = f32::NEG_INFINITY),
            _ => {}
        }
        row
    }

    /// Rows whose others are all one number: its error is the sum's.
    fn lined_up(bits: &mut Bits, i: usize) -> Vec<f32> {
        let others = (16.0 * (bits.unit() - 0.5)) as f32;
        let mut row = std::vec![others; 2 + i % 3000];
        row[i % 2] = others + (8.0 * bits.unit()) as f32;
        row
    }

    /// How far approximations are from what they approximate, in units of their bounds; and that what they decide is right. Returns the
    /// largest distance, and how many rows were decided, how many were not, and how many would be wrong if all were.
    fn distances(rows: impl Fn(&mut Bits, usize) -> Vec<f32>, count: usize) -> (f64, [usize; 3]) {
        let (mut largest, mut decided, mut open, mut wrong) = (0.0_f64, 0, 0, 0);
        for backend in backends() {
            let mut bits = Bits(7);
            for i in 0..count {
                let row = rows(&mut bits, i);
                let scale = [1.0, 1.0 / 0.7, 0.3][i % 3];
                let scaling = Scaling::new(1.0, scale, None).unwrap();
                let Ok(Some(found)) = dispatch_certified(backend, Row { row: &row, scale }) else { continue };
                let exact = crate::logits::log_sum_exp::rest_off_grid(&row, &scaling);
                let defined = LogSumExp::of(Backend::SCALAR, &row, &scaling);
                largest = largest.max((found.rest - exact).abs() / found.bound);
                match found.decided() {
                    Some(sum) => {
                        assert_eq!((sum.rest.to_bits(), sum.max), (defined.rest.to_bits(), defined.max), "{row:?}")
                    }
                    None => open += 1,
                }
                decided += usize::from(found.decided().is_some());
                wrong += usize::from(on_grid(found.rest) != defined.rest);
            }
        }
        (largest, [decided, open, wrong])
    }

    #[test]
    fn bounds_hold_and_decide() {
        if backends().next().is_none() {
            std::println!("no level of this machine has fused operations: nothing is certified here");
            return;
        }
        let (largest, [decided, open, wrong]) = distances(mixed, 6_000);
        assert!(largest <= 1.0, "{largest}");
        // Most are decided, some are not, and of those the definition is needed for some.
        assert!(decided > 2 * open && open > 0 && wrong > 0, "{decided} {open} {wrong}");
        // A bound that is much too wide would hide a wrong one.
        let (largest, _) = distances(lined_up, 4_000);
        assert!(largest <= 1.0 && largest > 0.5, "{largest}");
    }
}
