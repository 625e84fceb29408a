//! Losses that are defined by their exact values, over lanes: each number with a bound of its error, each result taken where the bound
//! decides which `f32` is nearest.

use super::kernel::{LaneBlock, Sink};
use super::log_ratios::LogRatios;
use super::place;
use crate::lanes::Lanes;
use crate::losses::{Choice, Pair, PairFormula, Real, Tracked};

/// What the formula sees of a block, and where its results go.
struct NearestResults<'s, L: Lanes, S> {
    beta: Tracked<L>,
    u: Tracked<L>,
    v: Tracked<L>,
    h: Tracked<L>,
    column: L,
    weight: Option<L>,
    sink: &'s mut S,
    decided: L::Mask,
    /// Where it is not defined.
    undecided: L::Mask,
}

/// Hands all results to `sink` and returns the lanes of which one is undecided.
#[inline(always)]
pub fn nearest<L: Lanes, F: PairFormula>(
    formula: &F,
    block: &LaneBlock<L>,
    ratios: LogRatios<L>,
    sink: &mut impl Sink<L>,
) -> u32 {
    let LogRatios { u, v, h, u_error, v_error, h_error } = ratios;
    let (u, v, h) = (Tracked::bounded(u, u_error), Tracked::bounded(v, v_error), Tracked::bounded(h, h_error));
    let zero = L::splat(0.0);
    let (decided, undecided) = (zero.eq(zero), zero.lt(zero));
    let beta = Tracked::from_f64(formula.beta());
    let (column, weight) = (block.column, block.weight);
    let mut results = NearestResults { beta, u, v, h, column, weight, sink, decided, undecided };
    results.put::<{ place::CHOSEN_REWARD }>(beta * u);
    results.put::<{ place::REJECTED_REWARD }>(beta * v);
    results.put::<{ place::MARGIN }>(beta * h);
    formula.evaluate(&mut results);
    !L::bits(results.decided) | L::bits(results.undecided)
}

impl<L: Lanes, S: Sink<L>> NearestResults<'_, L, S> {
    #[inline(always)]
    fn put<const PLACE: usize>(&mut self, result: Tracked<L>) -> L {
        let (value, decided) = result.decided();
        self.decided = L::and(self.decided, decided);
        self.sink.put::<PLACE>(value);
        value
    }

    #[inline(always)]
    fn weighed(&self, result: Tracked<L>) -> Tracked<L> {
        match self.weight {
            Some(weight) => result * Tracked::new(weight),
            None => result,
        }
    }
}

impl<L: Lanes, S: Sink<L>> Pair<Tracked<L>> for NearestResults<'_, L, S> {
    #[inline(always)]
    fn beta(&self) -> Tracked<L> {
        self.beta
    }
    #[inline(always)]
    fn u(&self) -> Tracked<L> {
        self.u
    }
    #[inline(always)]
    fn v(&self) -> Tracked<L> {
        self.v
    }
    #[inline(always)]
    fn h(&self) -> Tracked<L> {
        self.h
    }
    #[inline(always)]
    fn column(&self) -> Tracked<L> {
        Tracked::new(self.column)
    }
    #[inline(always)]
    fn nowhere(&mut self, outside: Choice<L::Mask>) {
        self.undecided = L::or(self.undecided, outside.may_hold::<L>());
    }
    #[inline(always)]
    fn loss(&mut self, loss: Tracked<L>) {
        self.put::<{ place::LOSS }>(self.weighed(loss));
    }
    #[inline(always)]
    fn by_u(&mut self, derivative: Tracked<L>) {
        let value = self.put::<{ place::GRAD_CHOSEN }>(self.weighed(derivative));
        self.sink.put_opposite::<{ place::GRAD_REF_CHOSEN }>(value);
    }
    #[inline(always)]
    fn by_v(&mut self, derivative: Tracked<L>) {
        let value = self.put::<{ place::GRAD_REJECTED }>(self.weighed(derivative));
        self.sink.put_opposite::<{ place::GRAD_REF_REJECTED }>(value);
    }
    #[inline(always)]
    fn by_h(&mut self, derivative: Tracked<L>) {
        let value = self.put::<{ place::GRAD_CHOSEN }>(self.weighed(derivative));
        self.sink.put_opposite::<{ place::GRAD_REF_CHOSEN }>(value);
        self.sink.put_opposite::<{ place::GRAD_REJECTED }>(value);
        self.sink.put::<{ place::GRAD_REF_REJECTED }>(value);
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: Tracked<L>) {
        self.put::<{ place::GRAD_BETA }>(self.weighed(derivative));
    }
}
