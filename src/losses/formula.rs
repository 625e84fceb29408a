//! What a formula is given and what it gives, shape by shape.

use super::{Real, ReferencePoint};

/// One pair as a formula sees it: it gives what the formula needs, and takes its results, each as soon as it is known, for a number
/// of 384 bits is large where stack is scarce.
pub trait Pair<R: Real> {
    /// The scale of the rewards.
    fn beta(&self) -> R;
    /// The chosen log-ratio.
    fn u(&self) -> R;
    /// The rejected log-ratio.
    fn v(&self) -> R;
    /// The chosen log-ratio less the rejected one.
    fn h(&self) -> R;
    /// What the loss takes beside log-probabilities, 0 if that is nothing.
    fn column(&self) -> R;
    /// `beta h`.
    #[inline(always)]
    fn z(&self) -> R {
        self.h() * self.beta()
    }

    /// Says where the loss is not defined: there it and its derivatives are NaN.
    fn nowhere(&mut self, outside: R::Mask);
    /// Takes the loss.
    fn loss(&mut self, loss: R);
    /// Takes its derivative by the chosen log-ratio.
    fn by_u(&mut self, derivative: R);
    /// Takes its derivative by the rejected log-ratio.
    fn by_v(&mut self, derivative: R);
    /// Takes its derivative by beta.
    fn by_beta(&mut self, derivative: R);

    /// Takes the derivatives by the chosen and the rejected reward, and by beta, of a loss that depends on the log-ratios and beta through the
    /// rewards alone.
    #[inline(always)]
    fn by_rewards(&mut self, chosen: R, rejected: R) {
        self.by_u(chosen * self.beta());
        self.by_v(rejected * self.beta());
        self.by_beta(chosen * self.u() + rejected * self.v());
    }
    /// Takes the derivative by h of a loss that depends on the log-ratios through h alone.
    #[inline(always)]
    fn by_h(&mut self, derivative: R) {
        self.by_u(derivative);
        self.by_v(-derivative);
    }
    /// Takes the derivative by z of a loss that depends on the log-ratios and beta through z alone.
    #[inline(always)]
    fn by_z(&mut self, derivative: R) {
        self.by_h(derivative * self.beta());
        self.by_beta(derivative * self.h());
    }
}

/// A loss of a pair as mathematics.
pub trait PairFormula: Copy + Send + Sync {
    /// Whether its results are defined by their exact values: each is the nearest number. Else the operations of the formula define them, in
    /// lanes that mark what cancels, and what they mark is the nearest number.
    const BY_VALUE: bool = true;
    /// Whether it is one of several losses, chosen at run time: lanes know only the one that it is.
    const ONE_OF_SEVERAL: bool = false;
    /// Whether no loss is below 0, or -0; of a loss that is defined by its operations.
    const NONNEGATIVE: bool = false;
    /// The scale of the rewards; 1 of a loss that has none.
    fn beta(&self) -> f64 {
        1.0
    }
    /// Hands the loss of one pair and its derivatives to it.
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>);
}

/// One labelled answer as a formula sees it; results are taken as those of a [`Pair`].
pub trait Answer<R: Real> {
    /// The one for a desirable answer, the other for any other.
    fn by_label(&self, desirable: R, other: R) -> R;
    /// The scale of the rewards.
    fn beta(&self) -> R;
    /// The log-ratio.
    fn u(&self) -> R;
    /// The log-ratio less the reference point.
    fn shifted(&self) -> R;
    /// What the loss takes beside log-probabilities, 0 if that is nothing.
    #[expect(dead_code, reason = "no loss of labelled answers takes something beside them so far")]
    fn column(&self) -> R;

    /// Takes the loss.
    fn loss(&mut self, loss: R);
    /// Takes its derivative by the log-ratio.
    fn by_u(&mut self, derivative: R);
    /// Takes its derivative by beta.
    fn by_beta(&mut self, derivative: R);
    /// Takes its derivative by the loss's bias, if it has one.
    fn by_bias(&mut self, derivative: R);
}

/// A loss of a labelled answer as mathematics.
pub trait AnswerFormula: Copy + Send + Sync {
    /// What the log-ratio is compared with.
    const REFERENCE_POINT: Option<ReferencePoint>;
    /// The scale of the rewards.
    fn beta(&self) -> f64;
    /// Hands the loss of one answer and its derivatives to it.
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>);
}

/// A sum of terms of either sign, and the largest of them: what is left where terms cancel is defined by the size of these.
#[derive(Clone, Copy)]
pub struct Sum<R> {
    pub value: R,
    /// The magnitude of the largest term.
    pub largest: R,
}

impl<R: Real> Sum<R> {
    /// Without a term.
    #[inline(always)]
    pub fn new() -> Self {
        Self::of(R::from_f64(0.0))
    }

    /// Of one term.
    #[inline(always)]
    pub fn of(term: R) -> Self {
        Self { value: term, largest: term.abs() }
    }

    /// With another term.
    #[inline(always)]
    pub fn plus(self, term: R) -> Self {
        Self { value: self.value + term, largest: self.largest.larger(term.abs()) }
    }

    /// With the opposite of another term.
    #[inline(always)]
    pub fn minus(self, term: R) -> Self {
        Self { value: self.value - term, largest: self.largest.larger(term.abs()) }
    }

    /// With the terms of another sum, each times a factor.
    #[inline(always)]
    pub fn plus_times(self, other: Self, factor: R) -> Self {
        let Self { value, largest } = other.times(factor);
        Self { value: self.value + value, largest: self.largest.larger(largest) }
    }

    /// Each term times a factor.
    #[inline(always)]
    pub fn times(self, factor: R) -> Self {
        Self { value: self.value * factor, largest: self.largest * factor.abs() }
    }
}

/// A list of answers from best to worst as a formula sees it, with two numbers of memory an answer.
pub trait List<R: Real> {
    /// How many answers there are.
    fn len(&self) -> usize;
    /// The scale of the rewards.
    fn beta(&self) -> R;
    /// The log-ratio of answer `i`.
    fn u(&self, i: usize) -> R;
    /// The log-ratio of answer `i` less that of answer `j`, of which one may be infinite, or both with opposite signs.
    fn h(&self, i: usize, j: usize) -> R;
    /// Whether the log-ratio of answer `i` is greater than that of answer `j`.
    fn is_above(&self, i: usize, j: usize) -> bool;
    /// The sign of the log-ratio of answer `i`, as a number.
    fn sign(&self, i: usize) -> f64;
    /// What the loss takes of answer `i` beside log-probabilities, 0 if that is nothing.
    fn column(&self, i: usize) -> f32;
    /// Keeps a number for answer `i`, in the first or the second place.
    fn keep(&mut self, place: Place, i: usize, number: R);
    /// The number that was kept for answer `i`.
    fn kept(&self, place: Place, i: usize) -> R;

    /// Says that the list has nothing to compare: its loss and gradients are 0.
    fn skip(&mut self);
    /// Takes the loss, which is not below 0.
    fn loss(&mut self, loss: R);
    /// Takes its derivative by the log-ratio of answer `i`.
    fn by_u(&mut self, i: usize, derivative: Sum<R>);
    /// Takes its derivative by beta.
    fn by_beta(&mut self, derivative: Sum<R>);

    /// The answer with the greatest log-ratio of those that are asked for, the first of equal ones.
    #[inline(always)]
    fn highest(&self, of: impl Fn(usize) -> bool) -> usize {
        let mut among = (0..self.len()).filter(|i| of(*i));
        let first = among.next().unwrap_or(0);
        among.fold(first, |highest, i| if self.is_above(i, highest) { i } else { highest })
    }
    /// The answer with the least log-ratio of those that are asked for, the first of equal ones.
    #[inline(always)]
    fn lowest(&self, of: impl Fn(usize) -> bool) -> usize {
        let mut among = (0..self.len()).filter(|i| of(*i));
        let first = among.next().unwrap_or(0);
        among.fold(first, |lowest, i| if self.is_above(lowest, i) { i } else { lowest })
    }
    /// The answer with the greatest number of the column, the first of equal ones.
    #[inline(always)]
    fn greatest(&self) -> usize {
        (0..self.len()).fold(0, |most, i| if self.column(i) > self.column(most) { i } else { most })
    }
    /// The column's number of answer `i` less that of answer `j`.
    #[inline(always)]
    fn more(&self, i: usize, j: usize) -> R {
        R::from_f64(self.column(i).into()) - R::from_f64(self.column(j).into())
    }
}

/// Where a [`List`] keeps a number of an answer.
#[derive(Clone, Copy)]
pub enum Place {
    First,
    Second,
}

/// A loss of listed answers as mathematics.
pub trait ListFormula: Copy + Send + Sync {
    /// The scale of the rewards; 1 of a loss that has none.
    fn beta(&self) -> f64 {
        1.0
    }
    /// The loss of pairs that this one is for lists of two answers, if it is one.
    fn of_two(&self) -> Option<super::Dpo> {
        None
    }
    /// How many answers there must be for something to be compared; with fewer, the loss is 0.
    fn fewest(&self) -> usize {
        2
    }
    /// Whether it is one of differences of log-ratios, which two that are the same infinity do not have.
    fn is_of_differences(&self) -> bool {
        true
    }
    /// Hands the loss of a list and its derivatives to it.
    fn evaluate<R: Real>(&self, list: &mut impl List<R>);
}

/// Declares how a formula is evaluated apart: one of many may need much stack, which the others should not pay for.
macro_rules! apart {
    ($name:ident, $Formula:ident, $Row:ident) => {
        #[inline(never)]
        pub fn $name<F: $Formula, R: Real>(formula: &F, row: &mut impl $Row<R>) {
            formula.evaluate(row);
        }
    };
}
apart!(pair_apart, PairFormula, Pair);
apart!(answer_apart, AnswerFormula, Answer);
apart!(list_apart, ListFormula, List);
