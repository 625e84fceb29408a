//! Discounted sums over segments, and regrets.

use super::settle::{Formula, Number, nearest, power, settle, single, special};
use super::{check, part};
use crate::batch::Work;
use crate::error::check_length;
use crate::losses::{Real, Tracked};
use crate::{Error, ExactSum, NAN, Run};

/// Numbers of steps, and the score that is made of them.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    /// A number of each step, segment after segment: the log-probability of its action, its reward or its advantage.
    pub values: &'a [f32],
    /// What is subtracted from each, as the reference model's log-probability of the action. `None`: nothing.
    pub ref_values: Option<&'a [f32]>,
    /// Where each segment begins among the steps, and the number of steps last: `[0, 3, 5]` for segments of three steps and of two. A
    /// segment may be empty.
    pub offsets: &'a [usize],
    /// Gamma, from 0 to 1: what a step counts after one that counts 1. The first step of each segment counts 1.
    pub discount: f64,
    /// The score.
    pub score: Score<'a>,
}

/// A score of a segment with the numbers `x_0 .. x_(n-1)` of its steps, less those of the reference.
#[derive(Clone, Copy, Debug)]
pub enum Score<'a> {
    /// `sum of gamma^t x_t`: what contrastive preference learning makes of log-probabilities, and the partial return of rewards.
    Sum,
    /// `-sum of gamma^t x_t`: the general regret, of advantages.
    Regret,
    /// `V(s_0) - (sum of gamma^t x_t + gamma^n V(s_n))`: the regret where transitions are deterministic, of rewards.
    DeterministicRegret {
        /// The value of the state in which each segment begins.
        start: &'a [f32],
        /// The value of the state in which each segment ends.
        end: &'a [f32],
    },
}

/// Where gradients by the steps go; any may be left out.
#[derive(Debug, Default)]
pub struct SegmentGrads<'a> {
    /// Derivative by each value: `g gamma^t`, or its opposite for regrets.
    pub values: Option<&'a mut [f32]>,
    /// Derivative by each reference value: the opposite of that.
    pub ref_values: Option<&'a mut [f32]>,
    /// Derivative by the value of each first state.
    pub start: Option<&'a mut [f32]>,
    /// Derivative by the value of each last state.
    pub end: Option<&'a mut [f32]>,
}

impl<'a> Segments<'a> {
    /// The sum of the values, without a reference or a discount.
    pub fn new(values: &'a [f32], offsets: &'a [usize]) -> Self {
        Self { values, ref_values: None, offsets, discount: 1.0, score: Score::Sum }
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check(self.offsets, self.values.len())?;
        if let Some(values) = self.ref_values {
            check_length("ref_values", self.values.len(), values.len())?;
        }
        if let Score::DeterministicRegret { start, end } = self.score {
            check_length("start", self.len(), start.len())?;
            check_length("end", self.len(), end.len())?;
        }
        if !(0.0..=1.0).contains(&self.discount) {
            let requirement = "at least 0 and at most 1";
            return Err(Error::Parameter { name: "discount", value: self.discount, requirement });
        }
        Ok(())
    }

    /// Whether the steps are subtracted.
    fn is_regret(&self) -> bool {
        !matches!(self.score, Score::Sum)
    }

    fn base(&self) -> usize {
        self.offsets.first().copied().unwrap_or(0)
    }

    /// Some segments in a row. Lengths were checked.
    fn range(&self, from: usize, to: usize) -> Self {
        let offsets = self.offsets.get(from..to + 1).unwrap_or_default();
        let cut = |x: &'a [f32]| x.get(from..to).unwrap_or_default();
        let score = match self.score {
            Score::DeterministicRegret { start, end } => {
                Score::DeterministicRegret { start: cut(start), end: cut(end) }
            }
            other => other,
        };
        Self {
            values: part(self.values, offsets, self.base()),
            ref_values: self.ref_values.map(|values| part(values, offsets, self.base())),
            offsets,
            score,
            ..*self
        }
    }

    /// One of them.
    pub(super) fn one(&self, i: usize) -> One<'a> {
        let one = self.range(i, i + 1);
        let ends = match one.score {
            Score::DeterministicRegret { start: &[start], end: &[end] } => Some([start, end]),
            _ => None,
        };
        One {
            values: one.values,
            ref_values: one.ref_values,
            discount: self.discount,
            is_regret: self.is_regret(),
            ends,
        }
    }
}

/// One segment.
pub struct One<'a> {
    values: &'a [f32],
    ref_values: Option<&'a [f32]>,
    discount: f64,
    is_regret: bool,
    /// The values of the first and the last state, if they count.
    ends: Option<[f32; 2]>,
}

impl One<'_> {
    fn steps(&self) -> impl Iterator<Item = (f32, f32)> {
        let of_reference = |t: usize| self.ref_values.map_or(0.0, |values| values.get(t).copied().unwrap_or(NAN));
        self.values.iter().enumerate().map(move |(t, &value)| (value, of_reference(t)))
    }

    /// In `f64`, where finite terms cannot overflow: what says whether the score is finite. What a discount of 0 leaves out counts if it is
    /// NaN alone.
    fn rough(&self) -> f64 {
        let counted = |t: usize, x: f64| if t > 0 && self.discount == 0.0 && x.is_infinite() { 0.0 } else { x };
        let steps = self.steps().map(|(value, less)| f64::from(value) - f64::from(less));
        let sum: f64 = steps.enumerate().map(|(t, x)| counted(t, x)).sum();
        let Some([start, end]) = self.ends else { return if self.is_regret { -sum } else { sum } };
        f64::from(start) - (sum + counted(self.values.len(), end.into()))
    }

    fn score(&self) -> f32 {
        if self.discount == 1.0 {
            return self.undiscounted();
        }
        let rough = self.rough();
        if rough.is_finite() { nearest(self) } else { special(rough) }
    }

    /// An exact sum.
    fn undiscounted(&self) -> f32 {
        let mut sum = ExactSum::new();
        let mut add = |x: f32, minus: bool| sum.add(if minus { -x } else { x });
        for (value, less) in self.steps() {
            add(value, self.is_regret);
            add(less, !self.is_regret);
        }
        if let Some([start, end]) = self.ends {
            add(start, false);
            add(end, true);
        }
        sum.sum()
    }
}

impl Formula for One<'_> {
    fn value<R: Number>(&self) -> R {
        let (discount, mut weight, mut sum) = (R::from_f64(self.discount), R::from_f64(1.0), R::from_f64(0.0));
        for (value, less) in self.steps() {
            let value = single::<R>(value);
            let term = if self.ref_values.is_some() { value - single(less) } else { value };
            sum = sum + weight * term;
            weight = weight * discount;
        }
        match self.ends {
            Some([start, end]) => single::<R>(start) - (sum + weight * single(end)),
            None if self.is_regret => -sum,
            None => sum,
        }
    }
}

/// `g gamma^t`, or its opposite.
struct Discounted {
    grad: f32,
    discount: f64,
    t: usize,
    minus: bool,
}

impl Formula for Discounted {
    fn value<R: Number>(&self) -> R {
        let product = single::<R>(self.grad) * power(self.discount, self.t);
        if self.minus { -product } else { product }
    }
}

/// The powers of a discount, one after the other.
struct Powers {
    discount: f64,
    t: usize,
    power: Tracked,
}

impl Powers {
    fn new(discount: f64) -> Self {
        Self { discount, t: 0, power: Tracked::from_f64(1.0) }
    }

    /// The power that is due times a gradient, or the opposite.
    fn times(&self, grad: f32, minus: bool) -> f32 {
        let &Self { discount, t, power } = self;
        if !grad.is_finite() {
            let vanishes = discount == 0.0 && t > 0 && grad.is_infinite();
            return if vanishes { 0.0 } else { special(f64::from(if minus { -grad } else { grad })) };
        }
        if discount == 1.0 || t == 0 {
            return if minus { 0.0 - grad } else { grad + 0.0 };
        }
        let product = Tracked::from_f64(grad.into()) * power;
        let product = if minus { -product } else { product };
        product.rounded().unwrap_or_else(|| settle(&Discounted { grad, discount, t, minus }))
    }

    fn next(&mut self) {
        self.t += 1;
        if self.discount != 1.0 {
            self.power = self.power * Tracked::from_f64(self.discount);
        }
    }
}

impl Run {
    /// The score of every segment. NaN in a step makes its segment's score NaN, and so do infinite steps of either sign; one of
    /// no steps has a sum of 0. What a discount of 0 leaves out does not count, unless it is NaN.
    ///
    /// # Errors
    /// [`Error::Offsets`], [`Error::Length`], [`Error::Parameter`] for a discount outside of 0 to 1, and [`Error::Threads`], before
    /// anything is written.
    pub fn segment_scores(self, segments: Segments<'_>, scores: &mut [f32]) -> Result<(), Error> {
        segments.check()?;
        check_length("scores", segments.len(), scores.len())?;
        self.work(Scores { segments, scores }, None)
    }

    /// Gradients by the steps, given that by the score of each segment. They do not depend on the values, whose number alone is looked at.
    ///
    /// # Errors
    /// Those of [`segment_scores`](Run::segment_scores); [`Error::Length`] also for gradients by states, where the score has none.
    pub fn segment_grads(self, segments: Segments<'_>, grads: &[f32], outputs: SegmentGrads<'_>) -> Result<(), Error> {
        segments.check()?;
        check_length("grads", segments.len(), grads.len())?;
        let steps = segments.values.len();
        let states = if matches!(segments.score, Score::DeterministicRegret { .. }) { segments.len() } else { 0 };
        for (name, output, expected) in [
            ("grads by values", &outputs.values, steps),
            ("grads by ref_values", &outputs.ref_values, steps),
            ("grads by start", &outputs.start, states),
            ("grads by end", &outputs.end, states),
        ] {
            output.as_ref().map_or(Ok(()), |output| check_length(name, expected, output.len()))?;
        }
        self.work(Grads { segments, grads, outputs }, None)
    }
}

struct Scores<'w> {
    segments: Segments<'w>,
    scores: &'w mut [f32],
}

/// Segments that a task takes.
pub const GRAIN: usize = 64;

impl Work for Scores<'_> {
    type Metrics = ();
    const GRAIN: usize = GRAIN;

    fn rows(&self) -> usize {
        self.segments.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (segments, all) = (self.segments, self.segments.len());
        let (head, tail) = self.scores.split_at_mut_checked(n).unwrap_or_default();
        (Self { segments: segments.range(0, n), scores: head }, Self { segments: segments.range(n, all), scores: tail })
    }
    fn run(self, _: Option<&mut ()>) {
        for (i, score) in self.scores.iter_mut().enumerate() {
            *score = self.segments.one(i).score();
        }
    }
    fn merge((): &mut (), (): &()) {}
}

struct Grads<'w> {
    segments: Segments<'w>,
    grads: &'w [f32],
    outputs: SegmentGrads<'w>,
}

impl Work for Grads<'_> {
    type Metrics = ();
    const GRAIN: usize = GRAIN;

    fn rows(&self) -> usize {
        self.segments.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (segments, all) = (self.segments, self.segments.len());
        let (head, tail) = (segments.range(0, n), segments.range(n, all));
        let steps = head.values.len();
        let SegmentGrads { values, ref_values, start, end } = self.outputs;
        let halve = |x: Option<_>, n: usize| x.and_then(|x: &mut [f32]| x.split_at_mut_checked(n)).unzip();
        let (values, ref_values) = (halve(values, steps), halve(ref_values, steps));
        let (start, end) = (halve(start, n), halve(end, n));
        let (grads, more) = self.grads.split_at_checked(n).unwrap_or_default();
        let of_head = SegmentGrads { values: values.0, ref_values: ref_values.0, start: start.0, end: end.0 };
        let of_tail = SegmentGrads { values: values.1, ref_values: ref_values.1, start: start.1, end: end.1 };
        (Self { segments: head, grads, outputs: of_head }, Self { segments: tail, grads: more, outputs: of_tail })
    }
    fn run(self, _: Option<&mut ()>) {
        let Self { segments, grads, mut outputs } = self;
        let put = |to: &mut Option<&mut [f32]>, at: usize, value: f32| {
            if let Some(to) = to.as_mut().and_then(|to| to.get_mut(at)) {
                *to = value;
            }
        };
        let minus = segments.is_regret();
        let mut step = 0;
        for (i, &grad) in grads.iter().enumerate() {
            let mut powers = Powers::new(segments.discount);
            for _ in 0..segments.one(i).values.len() {
                let value = powers.times(grad, minus);
                put(&mut outputs.values, step, value);
                put(&mut outputs.ref_values, step, if value.is_nan() { NAN } else { 0.0 - value });
                powers.next();
                step += 1;
            }
            put(&mut outputs.start, i, special((grad + 0.0).into()));
            put(&mut outputs.end, i, powers.times(grad, true));
        }
    }
    fn merge((): &mut (), (): &()) {}
}
