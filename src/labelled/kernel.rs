//! The kernel of labelled answers: rows over lanes, each number with a bound of its error. A row of which a result is undecided, and the few
//! that fill no group of lanes, are settled one by one.

use super::metrics::Block;
use super::outputs::{OutputSlices, RESULTS, place};
use super::settle::one;
use super::{Inputs, Labelled, LabelledMetrics};
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes, MAX_LANES, dispatch};
use crate::losses::{Answer, AnswerFormula, LabelledLoss, Real, Tracked, Value};
use crate::outputs::{Columns, Nearest, Sink};
use crate::{NAN, exact};

/// What the formula sees of some rows, and where its results go.
pub struct Rows<'s, V: Value, S> {
    beta: Tracked<V>,
    u: Tracked<V>,
    shifted: Tracked<V>,
    pub column: V,
    /// 1 where the answer is a desirable one, else 0.
    desirable: V,
    out: Nearest<'s, V, S>,
}

impl<'s, V: Value, S: Sink<V::Bound>> Rows<'s, V, S> {
    /// Rows with the policy's and the reference's log-probability, and a reference point.
    #[inline(always)]
    pub fn new<F: AnswerFormula>(
        formula: &F,
        [policy, reference, reference_point]: [V; 3],
        desirable: V,
        sink: &'s mut S,
        weight: Option<V>,
    ) -> Self {
        let u = Tracked::difference(policy, reference);
        let shifted = u - Tracked::new(reference_point);
        let beta = Tracked::from_f64(formula.beta());
        Self { beta, u, shifted, column: V::from_f64(0.0), desirable, out: Nearest::new(sink, weight) }
    }

    /// Hands all results on and returns the lanes of which one is undecided.
    #[inline(always)]
    pub fn evaluate<F: AnswerFormula>(mut self, formula: &F) -> u32 {
        self.out.depend_on(self.shifted);
        self.out.put::<{ place::REWARD }>(self.beta * self.u);
        // Of a loss that has none.
        self.out.put_sure::<{ place::GRAD_BIAS }>(V::Bound::splat(0.0));
        formula.evaluate(&mut self);
        self.out.undecided()
    }
}

impl<V: Value, S: Sink<V::Bound>> Answer<Tracked<V>> for Rows<'_, V, S> {
    #[inline(always)]
    fn by_label(&self, desirable: Tracked<V>, other: Tracked<V>) -> Tracked<V> {
        Tracked::select(Tracked::new(self.desirable).is_positive(), desirable, other)
    }
    #[inline(always)]
    fn beta(&self) -> Tracked<V> {
        self.beta
    }
    #[inline(always)]
    fn u(&self) -> Tracked<V> {
        self.u
    }
    #[inline(always)]
    fn shifted(&self) -> Tracked<V> {
        self.shifted
    }
    #[inline(always)]
    fn column(&self) -> Tracked<V> {
        Tracked::new(self.column)
    }
    #[inline(always)]
    fn loss(&mut self, loss: Tracked<V>) {
        self.out.put_weighed::<{ place::LOSS }>(loss);
    }
    #[inline(always)]
    fn by_u(&mut self, derivative: Tracked<V>) {
        self.out.put_weighed_both::<{ place::GRAD }, { place::GRAD_REF }>(derivative);
    }
    #[inline(always)]
    fn by_beta(&mut self, derivative: Tracked<V>) {
        self.out.put_weighed::<{ place::GRAD_BETA }>(derivative);
    }
    #[inline(always)]
    fn by_bias(&mut self, derivative: Tracked<V>) {
        self.out.put_weighed::<{ place::GRAD_BIAS }>(derivative);
    }
}

/// A block, over the lanes of a level.
struct AnswerKernel<'k, 'a, 'o, F> {
    formula: &'k F,
    /// The same loss, for the rows that are settled: that code need not be there for each.
    loss: &'k LabelledLoss,
    answers: Labelled<'a>,
    outputs: &'k mut OutputSlices<'o>,
}

impl<'a, F: AnswerFormula> Kernel for AnswerKernel<'_, 'a, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { formula, loss, answers, outputs } = self;
        let n = answers.len();
        // One lane has no group of rows that were worth a try before each is settled.
        let whole = if L::N > 1 { n - n % L::N } else { 0 };
        let zero = L::splat(0.0);
        let reference_point = L::splat(answers.reference_point.into());
        let mut at = 0;
        while at < whole {
            let policy = L::load(answers.policy_logps, at);
            let reference = match answers.ref_logps {
                Some(reference) => L::load(reference, at),
                None => zero,
            };
            #[expect(clippy::manual_map, reason = "a closure that holds lanes is not inlined into its level")]
            let weight = match answers.weights {
                // A weight may be -0.
                Some(weights) => Some(L::load(weights, at).abs()),
                None => None,
            };
            let mut labels = [0.0; MAX_LANES];
            for (to, from) in labels.iter_mut().zip(answers.desirable.get(at..at + L::N).unwrap_or_default()) {
                *to = f32::from(u8::from(*from));
            }
            let mut columns = Columns { results: outputs, at };
            let inputs = [policy, reference, reference_point];
            let mut rows = Rows::new(formula, inputs, L::load(&labels, 0), &mut columns, weight);
            if let Some(column) = answers.column {
                rows.column = L::load(column, at);
            }
            let unsettled = rows.evaluate(formula) & (u32::MAX >> (32 - L::N));
            if unsettled != 0 {
                settle(loss, &answers, outputs, at, unsettled);
            }
            at += L::N;
        }
        while at < n {
            let rows = (n - at).min(32);
            settle(loss, &answers, outputs, at, u32::MAX >> (32 - rows));
            at += rows;
        }
    }
}

/// Settles the rows `at + i` for every bit `i` of `rows`.
#[inline(never)]
fn settle(loss: &LabelledLoss, answers: &Labelled<'_>, outputs: &mut OutputSlices<'_>, at: usize, mut rows: u32) {
    while rows != 0 {
        let row = at + rows.trailing_zeros() as usize;
        rows &= rows - 1;
        let get = |x: &[f32]| x.get(row).copied().unwrap_or(NAN);
        let inputs = Inputs {
            policy: get(answers.policy_logps),
            reference: answers.ref_logps.map_or(0.0, get),
            desirable: answers.desirable.get(row).copied().unwrap_or_default(),
            reference_point: answers.reference_point,
            weight: answers.weights.map_or(1.0, get),
            column: answers.column.map_or(0.0, get),
        };
        for (output, result) in outputs.iter_mut().zip(one(loss, &inputs)) {
            if let Some(output) = output.as_mut().and_then(|output| output.get_mut(row)) {
                *output = result;
            }
        }
    }
}

/// Rows at a time: as many as an exact block sum takes, few where stack is scarce.
pub const ROWS: usize = if HAS_WIDE { exact::BLOCK } else { 8 };

/// Small batches, whose time a large scratch would fill with clearing it.
const FEW_ROWS: usize = if HAS_WIDE { 64 } else { ROWS };

/// What is to be evaluated.
struct Evaluation<'a, 'o, 's, 'm> {
    backend: Backend,
    loss: &'a LabelledLoss,
    answers: Labelled<'a>,
    outputs: &'o mut OutputSlices<'s>,
    metrics: Option<&'m mut LabelledMetrics>,
}

impl Evaluation<'_, '_, '_, '_> {
    #[inline(never)]
    fn run<F: AnswerFormula>(self, formula: &F) {
        let few = self.answers.len() <= FEW_ROWS;
        if self.metrics.is_none() {
            self.blocks(formula, &mut [[]; 3]);
        } else if few {
            self.blocks(formula, &mut [[0.0; FEW_ROWS]; 3]);
        } else {
            self.blocks(formula, &mut [[0.0; ROWS]; 3]);
        }
    }

    /// `scratch` takes the losses and rewards that the metrics need and the caller did not ask for, and what the metrics make of columns.
    fn blocks<F: AnswerFormula, const N: usize>(self, formula: &F, scratch: &mut [[f32; N]; 3]) {
        let Self { backend, loss, answers, outputs, mut metrics } = self;
        let [losses, rewards, column] = scratch;
        let mut start = 0;
        while start < answers.len() {
            let n = (answers.len() - start).min(ROWS);
            let mut cut = [const { None }; RESULTS];
            for (to, from) in cut.iter_mut().zip(&mut *outputs) {
                *to = from.as_deref_mut().and_then(|from| from.get_mut(start..start + n));
            }
            if metrics.is_some() {
                for (place, scratch) in [(place::LOSS, &mut *losses), (place::REWARD, &mut *rewards)] {
                    if cut[place].is_none() {
                        cut[place] = scratch.get_mut(..n);
                    }
                }
            }
            let answers = answers.rows(start, n);
            dispatch(backend, AnswerKernel { formula, loss, answers, outputs: &mut cut });
            if let Some(metrics) = &mut metrics {
                let [losses, rewards] = [place::LOSS, place::REWARD].map(|at| cut[at].as_deref().unwrap_or_default());
                metrics.add_block(backend, &Block { answers, losses, rewards }, column);
            }
            start += n;
        }
    }
}

/// A kernel for each loss is fast over lanes. Without them its size in flash counts: there is one for all.
macro_rules! kernels {
    (operations { $($operations:tt)* } pairwise { $($pairwise:tt)* } labelled { $($number:literal $Type:ident $name:ident [$($alias:literal),*]
        ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)* }
        $($others:tt)*) => {
        impl Evaluation<'_, '_, '_, '_> {
            fn of_loss(self) {
                match self.loss {
                    $(LabelledLoss::$Type(loss) if HAS_WIDE => self.run(loss),)*
                    loss => self.run(loss),
                }
            }
        }
    };
}
crate::for_each_loss!(kernels);

/// Arguments that were checked, on the calling thread.
pub(crate) fn evaluate_checked(
    backend: Backend,
    loss: &LabelledLoss,
    answers: Labelled<'_>,
    outputs: &mut OutputSlices<'_>,
    metrics: Option<&mut LabelledMetrics>,
) {
    Evaluation { backend, loss, answers, outputs, metrics }.of_loss();
}
