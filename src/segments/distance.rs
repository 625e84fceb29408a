//! Distances of a policy's actions from those of segments.

use super::settle::{Formula, Number, nearest, settle, single};
use super::{check, part, score::GRAIN};
use crate::batch::Work;
use crate::error::check_length;
use crate::logits::{Logits, LogitsMut};
use crate::losses::Tracked;
use crate::{Error, NAN, Run};

/// Actions of a policy and of segments, a vector a step, segment after segment. With actions from -1 to 1 in each component, a distance is
/// from 0 to the root of the components' number.
///
/// ```
/// use preflane::Run;
/// use preflane::logits::Logits;
/// use preflane::segments::Distances;
///
/// // A segment of three steps, of which the last does not count.
/// let policy = Logits::new(&[0.0, 0.0, 0.5, 0.5, 9.0, 9.0], 3, 2)?;
/// let actions = Logits::new(&[0.6, 0.8, 0.5, 0.5, 0.0, 0.0], 3, 2)?;
/// let distances = Distances { policy, actions, mask: Some(&[true, true, false]), offsets: &[0, 3] };
/// let mut out = [0.0];
/// assert_eq!(Run::default().segment_distances(distances, &mut out)?, 0);
/// assert_eq!(out, [0.25]);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Distances<'a> {
    /// The policy's action in the state of each step, `[steps, d]`.
    pub policy: Logits<'a, f32>,
    /// The action of each step, `[steps, d]`.
    pub actions: Logits<'a, f32>,
    /// Which steps count, one element a step. `None`: all. What does not count may hold anything, NaN included.
    pub mask: Option<&'a [bool]>,
    /// Where each segment begins among the steps, and the number of steps last.
    pub offsets: &'a [usize],
}

impl<'a> Distances<'a> {
    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self) -> Result<(), Error> {
        let steps = self.actions.rows();
        check_length("rows of policy", steps, self.policy.rows())?;
        check_length("columns of policy", self.actions.columns(), self.policy.columns())?;
        if let Some(mask) = self.mask {
            check_length("mask", steps, mask.len())?;
        }
        check(self.offsets, steps)
    }

    fn range(&self, from: usize, to: usize) -> Self {
        let offsets = self.offsets.get(from..to + 1).unwrap_or_default();
        let base = self.offsets.first().copied().unwrap_or(0);
        let [start, end] = [offsets.first(), offsets.last()].map(|end| end.map_or(0, |end| end - base));
        Self {
            policy: self.policy.rows_from(start, end - start),
            actions: self.actions.rows_from(start, end - start),
            mask: self.mask.map(|mask| part(mask, offsets, base)),
            offsets,
        }
    }

    fn counts(&self, step: usize) -> bool {
        self.mask.is_none_or(|mask| mask.get(step).copied().unwrap_or(false))
    }

    fn step(&self, step: usize) -> Step<'a> {
        Step { policy: self.policy.row(step), action: self.actions.row(step) }
    }

    /// The steps that count.
    fn counted(&self) -> impl Iterator<Item = Step<'a>> {
        (0..self.actions.rows()).filter(|&step| self.counts(step)).map(|step| self.step(step))
    }

    /// The distance of these steps, all of one segment, and whether none counts.
    fn distance(&self) -> (f32, bool) {
        let (mut n, mut rough) = (0_u64, 0.0);
        for step in self.counted() {
            n += 1;
            rough += step.differences().map(f64::abs).sum::<f64>();
        }
        let distance = match n {
            0 => 0.0,
            _ if rough.is_nan() => NAN,
            _ if rough.is_infinite() => f32::INFINITY,
            n => nearest(&Mean { steps: self, n: n as f64 }),
        };
        (distance, n == 0)
    }
}

/// The vectors of a step.
#[derive(Clone, Copy)]
struct Step<'a> {
    policy: &'a [f32],
    action: &'a [f32],
}

impl Step<'_> {
    fn differences(&self) -> impl Iterator<Item = f64> {
        self.policy.iter().zip(self.action).map(|(&p, &a)| f64::from(p) - f64::from(a))
    }

    /// The length of the difference of its vectors.
    fn length<R: Number>(&self) -> R {
        let differences = self.policy.iter().zip(self.action).map(|(&p, &a)| single::<R>(p) - single(a));
        if self.policy.len() == 1 {
            return differences.fold(R::from_f64(0.0), |_, x| x.abs());
        }
        differences.fold(R::from_f64(0.0), |sum, x| sum + x * x).root()
    }
}

/// The mean of half the lengths.
struct Mean<'a> {
    steps: &'a Distances<'a>,
    n: f64,
}

impl Formula for Mean<'_> {
    fn value<R: Number>(&self) -> R {
        let sum = self.steps.counted().fold(R::from_f64(0.0), |sum, step| sum + step.length());
        sum / R::from_f64(2.0 * self.n)
    }
}

/// `g (p - a) / (2 n |p - a|)` of one component.
struct Component<'a> {
    step: Step<'a>,
    place: usize,
    grad: f32,
    n: f64,
}

impl Component<'_> {
    fn of<R: Number>(&self, length: R) -> R {
        let at = |vector: &[f32]| single::<R>(vector.get(self.place).copied().unwrap_or(NAN));
        let difference = at(self.step.policy) - at(self.step.action);
        single::<R>(self.grad) * difference / (length * R::from_f64(2.0 * self.n))
    }
}

impl Formula for Component<'_> {
    fn value<R: Number>(&self) -> R {
        self.of(self.step.length())
    }
}

impl Run {
    /// The distance of every segment: the mean over its steps that count of `|(policy - action) / 2|`, Euclidean. Returns how many
    /// segments have no step that counts, whose distance is 0. NaN, and equal infinities, in a step that counts make its segment's
    /// distance NaN.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Offsets`] and [`Error::Threads`], before anything is written.
    pub fn segment_distances(self, distances: Distances<'_>, out: &mut [f32]) -> Result<u64, Error> {
        distances.check()?;
        check_length("distances", distances.len(), out.len())?;
        let mut empty = 0;
        self.work(Forward { distances, out }, Some(&mut empty))?;
        Ok(empty)
    }

    /// The gradient by the policy's actions, `[steps, d]`, given that by each segment's distance g:
    /// `g (policy - action) / (2 n |policy - action|)` for each of the n steps that count, and 0 where the distance is 0 and
    /// where masked. That by the segments' actions is its opposite. A step that is infinitely far in one component has the limit.
    ///
    /// # Errors
    /// Those of [`segment_distances`](Run::segment_distances).
    pub fn segment_distances_grad(
        self,
        distances: Distances<'_>,
        grads: &[f32],
        out: LogitsMut<'_, f32>,
    ) -> Result<(), Error> {
        distances.check()?;
        check_length("grads", distances.len(), grads.len())?;
        check_length("rows of the gradient", distances.actions.rows(), out.rows())?;
        check_length("columns of the gradient", distances.actions.columns(), out.columns())?;
        self.work(Backward { distances, grads, out }, None)
    }
}

struct Forward<'w> {
    distances: Distances<'w>,
    out: &'w mut [f32],
}

impl Work for Forward<'_> {
    /// Segments without a step that counts.
    type Metrics = u64;
    const GRAIN: usize = GRAIN;

    fn rows(&self) -> usize {
        self.distances.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (distances, all) = (self.distances, self.distances.len());
        let (head, tail) = self.out.split_at_mut_checked(n).unwrap_or_default();
        (Self { distances: distances.range(0, n), out: head }, Self { distances: distances.range(n, all), out: tail })
    }
    fn run(self, mut metrics: Option<&mut u64>) {
        for (i, out) in self.out.iter_mut().enumerate() {
            let (distance, is_empty) = self.distances.range(i, i + 1).distance();
            *out = distance;
            if let Some(empty) = metrics.as_deref_mut() {
                *empty += u64::from(is_empty);
            }
        }
    }
    fn merge(empty: &mut u64, more: &u64) {
        *empty += more;
    }
}

struct Backward<'w> {
    distances: Distances<'w>,
    grads: &'w [f32],
    out: LogitsMut<'w, f32>,
}

impl Work for Backward<'_> {
    type Metrics = ();
    const GRAIN: usize = GRAIN;

    fn rows(&self) -> usize {
        self.distances.len()
    }
    fn split(self, n: usize) -> (Self, Self) {
        let (distances, all) = (self.distances, self.distances.len());
        let (head, tail) = (distances.range(0, n), distances.range(n, all));
        let (grads, more) = self.grads.split_at_checked(n).unwrap_or_default();
        let (out, rest) = self.out.split(head.actions.rows());
        (Self { distances: head, grads, out }, Self { distances: tail, grads: more, out: rest })
    }
    fn run(mut self, _: Option<&mut ()>) {
        let mut row = 0;
        for (i, &grad) in self.grads.iter().enumerate() {
            let segment = self.distances.range(i, i + 1);
            let n = segment.counted().count() as f64;
            for step in 0..segment.actions.rows() {
                let (out, _) = self.out.row_and_padding(row);
                row += 1;
                if segment.counts(step) {
                    step_grad(segment.step(step), grad, n, out);
                } else {
                    out.fill(0.0);
                }
            }
        }
    }
    fn merge((): &mut (), (): &()) {}
}

/// The gradient by the policy's action in a step that counts.
fn step_grad(step: Step<'_>, grad: f32, n: f64, out: &mut [f32]) {
    let (mut undefined, mut infinite, mut zero) = (grad.is_nan(), 0, true);
    for difference in step.differences() {
        undefined |= difference.is_nan();
        infinite += usize::from(difference.is_infinite());
        zero &= difference == 0.0;
    }
    if undefined {
        return out.fill(NAN);
    }
    if zero {
        return out.fill(0.0);
    }
    if infinite > 0 || grad.is_infinite() {
        // The limit: of one infinite component the direction is its own.
        for (out, difference) in out.iter_mut().zip(step.differences()) {
            let sign = if difference < 0.0 { -1.0 } else { 1.0 };
            *out = match (infinite, difference.is_infinite()) {
                (1, true) => (f64::from(grad) * sign / (2.0 * n)) as f32 + 0.0,
                (0, _) if difference != 0.0 => grad * sign as f32,
                (0, _) | (_, false) => 0.0,
                _ => NAN,
            };
        }
        return;
    }
    let length: Tracked = step.length();
    for (place, out) in out.iter_mut().enumerate() {
        let component = Component { step, place, grad, n };
        *out = component.of(length).rounded().unwrap_or_else(|| settle(&component));
    }
}
