//! Entropy and its kin: sums over the probabilities of a row whose log-sum-exp is known.

use super::element::{CHUNK, Element};
use super::log_sum_exp::{LogSumExp, ties};
use super::scaling::{Map, Scaling, Visitor};
use super::terms::{Base, SIXTEENTH, Softmax};
use super::total::{Fold, Parts, Total, each_block};
use crate::NAN;
use crate::elementary::lanes::{exp_neg, expm1, log, log1p};
use crate::lanes::{Backend, Kernel, Lanes};
use core::marker::PhantomData;

/// Statistics of one row.
#[derive(Clone, Copy)]
pub struct Statistics {
    /// `-sum p ln p`.
    pub entropy: f32,
    /// `ln sum p^2`.
    pub log_sum_squares: f32,
}

impl Statistics {
    pub fn of<T: Element>(backend: Backend, row: &[T], sum: LogSumExp, scaling: &Scaling) -> Self {
        if sum.is_nan() {
            return Self { entropy: NAN, log_sum_squares: NAN };
        }
        T::statistics(backend, row, sum, scaling)
    }
}

/// A row that has a log-sum-exp.
pub(super) struct Row<'a, T> {
    pub row: &'a [T],
    pub sum: LogSumExp,
    pub scaling: &'a Scaling,
}

impl<T: Element> Kernel for Row<'_, T> {
    type Output = Statistics;
    #[inline(always)]
    fn run<L: Lanes>(self) -> Statistics {
        self.scaling.visit(OverLanes::<'_, T, L> { row: self.row, sum: self.sum, lanes: PhantomData })
    }
}

struct OverLanes<'a, T, L> {
    row: &'a [T],
    sum: LogSumExp,
    lanes: PhantomData<L>,
}

impl<T: Element, L: Lanes> Visitor for OverLanes<'_, T, L> {
    type Output = Statistics;

    #[inline(always)]
    fn visit<M: Map>(self, map: M) -> Statistics {
        let Self { row, sum: LogSumExp { rest, max, .. }, .. } = self;
        let base = Base::new(map.scale());
        // Where one logit has more than half, 1 - sum p^2 is the accurate one of the two.
        let peaked = rest < core::f64::consts::LN_2;
        // The others sum to about e^rest - 1 then: scaled near 1, their totals keep relative accuracy.
        let exponent = if peaked { 1023_i64.saturating_sub((rest.to_bits() >> 52) as i64).clamp(0, 400) } else { 0 };
        let up = f64::from_bits(((1023 + exponent) as u64) << 52);
        let down = f64::from_bits(((1023 - exponent) as u64) << 52);
        let softmax = Softmax::new(&base, map.map(max.into()), rest, up);
        let mut buffer = [0.0; CHUNK];
        let (mut entropy, mut squares) = (Total::in_window(0), Total::in_window(0));
        for chunk in row.chunks(CHUNK) {
            let x = T::widen(chunk, &mut buffer);
            let mut fold = Sums::<M, L> {
                map,
                softmax: &softmax,
                max: max.into(),
                down,
                peaked,
                entropy: Parts::none(),
                squares: Parts::none(),
            };
            let count = each_block(x, &[(); 0], f32::NEG_INFINITY, &mut fold);
            entropy.merge(fold.entropy.total(0, count));
            squares.merge(fold.squares.total(0, count));
        }
        let largest = (ties(row, max) + 1) as f64;
        let p = exp_neg::<f64>(rest);
        let unit = down * UNIT;
        let entropy = entropy.units() * unit + largest * (p * rest);
        let squares = squares.units() * unit;
        let log_sum_squares = if peaked {
            log1p(0.0 - (squares + largest * (p * (0.0 - expm1::<f64>(0.0 - rest)))))
        } else {
            log(squares + largest * (p * p))
        };
        // Tiny ones round to +0.
        Statistics { entropy: entropy as f32, log_sum_squares: log_sum_squares as f32 + 0.0 }
    }
}

/// What a total in window 0 counts in: 2^-50.
const UNIT: f64 = 1.0 / (1_u64 << 50) as f64;

struct Sums<'a, M, L> {
    map: M,
    softmax: &'a Softmax,
    max: f64,
    down: f64,
    peaked: bool,
    entropy: Parts<L>,
    squares: Parts<L>,
}

impl<M: Map, L: Lanes> Fold<L> for Sums<'_, M, L> {
    #[inline(always)]
    fn block(&mut self, x: L, _: bool) {
        let t = self.softmax.sixteenths(self.map.map(x));
        let p = L::select(x.lt(L::splat(self.max)), self.softmax.value(t), L::splat(0.0));
        self.entropy.add(p * (t * L::splat(-SIXTEENTH)));
        let other = if self.peaked { L::splat(1.0) - p * L::splat(self.down) } else { p };
        self.squares.add(p * other);
    }
}
