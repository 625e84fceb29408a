//! Losses that are defined by their exact values, over lanes: each number with a bound of its error, each result taken where the bound
//! decides which `f32` is nearest.

use super::kernel::LaneBlock;
use super::log_ratios::LogRatios;
use super::place;
use crate::lanes::Lanes;
use crate::losses::{Pair, PairFormula, Real, Tracked};
use crate::outputs::{Nearest, Sink};

/// What the formula sees of a block, and where its results go.
struct NearestResults<'s, L: Lanes, S> {
    beta: Tracked<L>,
    u: Tracked<L>,
    v: Tracked<L>,
    h: Tracked<L>,
    column: L,
    out: Nearest<'s, L, S>,
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
    let beta = Tracked::from_f64(formula.beta());
    let mut out = Nearest::new(sink, block.weight);
    out.put::<{ place::CHOSEN_REWARD }>(beta * u);
    out.put::<{ place::REJECTED_REWARD }>(beta * v);
    out.put::<{ place::MARGIN }>(beta * h);
    let mut results = NearestResults { beta, u, v, h, column: block.column, out };
    formula.evaluate(&mut results);
    results.out.undecided()
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
    fn loss(&mut self, loss: Tracked<L>) {
        self.out.put_weighed::<{ place::LOSS }>(loss);
    }
    #[inline(always)]
    fn by_u(&mut self, derivative: Tracked<L>) {
        let value = self.out.put_weighed::<{ place::GRAD_CHOSEN }>(derivative);
        self.out.opposite::<{ place::GRAD_REF_CHOSEN }>(value);
    }
    #[inline(always)]
    fn by_v(&mut self, derivative: Tracked<L>) {
        let value = self.out.put_weighed::<{ place::GRAD_REJECTED }>(derivative);
        self.out.opposite::<{ place::GRAD_REF_REJECTED }>(value);
    }
    #[inline(always)]
    fn by_h(&mut self, derivative: Tracked<L>) {
        let value = self.out.put_weighed::<{ place::GRAD_CHOSEN }>(derivative);
        self.out.opposite::<{ place::GRAD_REF_CHOSEN }>(value);
        self.out.opposite::<{ place::GRAD_REJECTED }>(value);
        self.out.again::<{ place::GRAD_REF_REJECTED }>(value);
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: Tracked<L>) {
        self.out.put_weighed::<{ place::GRAD_BETA }>(derivative);
    }
}
