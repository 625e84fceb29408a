//! A formula over a few rows at a time: numbers with bounds of their errors go in and come out, and all that losses have in common is
//! done before and after, once for all of them.

use super::settle::SettledRow;
use crate::exact::{Double, Float384};
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes, MAX_LANES, dispatch_to_few};
use crate::losses::{Choice, Pair, PairFormula, Tracked};

/// Rows of a stage.
pub const ROWS: usize = 2 * MAX_LANES;

/// A column of numbers with bounds of their errors.
#[derive(Clone, Copy)]
pub struct Numbers {
    value: [f64; ROWS],
    error: [f64; ROWS],
}

impl Numbers {
    const ZERO: Self = Self { value: [0.0; ROWS], error: [0.0; ROWS] };

    #[inline(always)]
    pub fn get<L: Lanes>(&self, at: usize) -> Tracked<L> {
        Tracked::with_error(L::load_f64(&self.value, at), L::load_f64(&self.error, at))
    }

    #[inline(always)]
    pub fn set<L: Lanes>(&mut self, at: usize, number: Tracked<L>) {
        let (value, error) = number.with_bound();
        value.store_f64(&mut self.value, at);
        error.store_f64(&mut self.error, at);
    }
}

/// What a formula is given of some rows, and what it gives.
pub struct Stage {
    pub u: Numbers,
    pub v: Numbers,
    pub h: Numbers,
    pub column: [f64; ROWS],
    pub loss: Numbers,
    pub by_u: Numbers,
    pub by_v: Numbers,
    pub by_beta: Numbers,
}

impl Stage {
    pub const ZERO: Self = Self {
        u: Numbers::ZERO,
        v: Numbers::ZERO,
        h: Numbers::ZERO,
        column: [0.0; ROWS],
        loss: Numbers::ZERO,
        by_u: Numbers::ZERO,
        by_v: Numbers::ZERO,
        by_beta: Numbers::ZERO,
    };
}

impl Stage {
    /// What a formula gives of a row.
    fn results(&mut self) -> [&mut Numbers; 4] {
        [&mut self.loss, &mut self.by_u, &mut self.by_v, &mut self.by_beta]
    }

    /// Adds what formulas give, each times its factor, and the column times its own to the loss; leaves the sums in the place of the
    /// results.
    pub fn add_up<'f>(
        &mut self,
        backend: Backend,
        rows: usize,
        terms: impl Iterator<Item = (f64, &'f dyn Staged)>,
        of_column: f64,
    ) {
        let mut sums = [Numbers::ZERO; 4];
        if of_column != 0.0 {
            for at in 0..rows.min(ROWS) {
                let column = self.column.get(at).copied().unwrap_or_default();
                sums[0].set(at, Tracked::new(column) * Tracked::new(of_column));
            }
        }
        for (factor, formula) in terms {
            formula.stage(backend, rows, self);
            for (sum, part) in sums.iter_mut().zip(self.results()) {
                for at in 0..rows.min(ROWS) {
                    sum.set(at, sum.get::<f64>(at) + part.get(at) * Tracked::new(factor));
                }
            }
        }
        for (to, sum) in self.results().into_iter().zip(sums) {
            *to = sum;
        }
    }
}

/// A formula behind a pointer, for kernels that know none.
pub trait Staged {
    /// The scale of the rewards.
    fn beta(&self) -> f64;
    /// Whether exact values define its results.
    fn is_by_value(&self) -> bool;
    /// Goes over the first rows of the stage. A microcontroller has none of it, for there 384 bits take each row, and nor has one of several
    /// losses: the one that it is does.
    fn stage(&self, backend: Backend, rows: usize, stage: &mut Stage);
    /// One row in double-double numbers, where there are lanes.
    fn doubles(&self, row: &mut SettledRow<'_, Tracked<Double>>);
    /// One row in 384 bits.
    fn exact(&self, row: &mut SettledRow<'_, Float384>);
}

impl<F: PairFormula> Staged for F {
    fn beta(&self) -> f64 {
        PairFormula::beta(self)
    }
    fn is_by_value(&self) -> bool {
        F::BY_VALUE
    }
    #[inline(never)]
    fn stage(&self, backend: Backend, rows: usize, stage: &mut Stage) {
        if const { HAS_WIDE && !F::ONE_OF_SEVERAL } {
            dispatch_to_few(backend, FormulaKernel { formula: self, rows, stage });
        }
    }
    #[inline(never)]
    fn doubles(&self, row: &mut SettledRow<'_, Tracked<Double>>) {
        if const { HAS_WIDE && !F::ONE_OF_SEVERAL } {
            self.evaluate(row);
        }
    }
    #[inline(never)]
    fn exact(&self, row: &mut SettledRow<'_, Float384>) {
        self.evaluate(row);
    }
}

struct FormulaKernel<'k, F> {
    formula: &'k F,
    rows: usize,
    stage: &'k mut Stage,
}

impl<F: PairFormula> Kernel for FormulaKernel<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { formula, rows, stage } = self;
        let zero = L::splat(0.0);
        let beta = L::splat(formula.beta());
        // What the columns have place for, so that the condition of the loop vouches for their length.
        let n = rows.next_multiple_of(L::N).min(ROWS);
        let mut at = 0;
        while at + L::N <= n {
            let nothing = Tracked::new(zero);
            let (u, v, h) = (stage.u.get(at), stage.v.get(at), stage.h.get(at));
            let column = L::load_f64(&stage.column, at);
            let outside = zero.lt(zero);
            let mut row = StageRow {
                beta,
                u,
                v,
                h,
                column,
                outside,
                loss: nothing,
                by_u: nothing,
                by_v: nothing,
                by_beta: nothing,
            };
            formula.evaluate(&mut row);
            // Where the loss is not defined nothing is decided.
            stage.loss.set(at, row.loss.unless(row.outside));
            stage.by_u.set(at, row.by_u.unless(row.outside));
            stage.by_v.set(at, row.by_v.unless(row.outside));
            stage.by_beta.set(at, row.by_beta.unless(row.outside));
            at += L::N;
        }
    }
}

/// As many rows as there are lanes.
struct StageRow<L: Lanes> {
    beta: L,
    u: Tracked<L>,
    v: Tracked<L>,
    h: Tracked<L>,
    column: L,
    outside: L::Mask,
    loss: Tracked<L>,
    by_u: Tracked<L>,
    by_v: Tracked<L>,
    by_beta: Tracked<L>,
}

impl<L: Lanes> Pair<Tracked<L>> for StageRow<L> {
    #[inline(always)]
    fn beta(&self) -> Tracked<L> {
        Tracked::new(self.beta)
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
        self.outside = L::or(self.outside, outside.may_hold::<L>());
    }
    #[inline(always)]
    fn loss(&mut self, loss: Tracked<L>) {
        self.loss = loss;
    }
    #[inline(always)]
    fn by_u(&mut self, derivative: Tracked<L>) {
        self.by_u = derivative;
    }
    #[inline(always)]
    fn by_v(&mut self, derivative: Tracked<L>) {
        self.by_v = derivative;
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: Tracked<L>) {
        self.by_beta = derivative;
    }
}
