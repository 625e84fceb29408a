//! Listed answers: any number of answers to one prompt, from best to worst.
//!
//! Every result is the nearest `f32` to the exact value of the formula on the given numbers, ties to even, and every zero is +0; so
//! the bits depend on nothing else. Only a list of two answers, where the loss is DPO then, has the bits of
//! [`Run::evaluate`](crate::Run::evaluate) on that pair, and its bound.
//!
//! Where a sum cancels nearly all of its terms, the exact value counts as the nearest multiple of 2^-320 of the largest term: that says what no
//! number of bits could decide at once for all lists (`docs/definition.md`).

mod metrics;

pub use metrics::{ListMetrics, ListReport};

use crate::error::{check_column, check_length, check_offsets, check_weights};
use crate::evaluate::score;
use crate::exact::{Double, Float384, log_ratio, reward, rough_log_ratio};
use crate::lanes::HAS_WIDE;
use crate::losses::{List, ListFormula, ListedLoss, Parameter, Place, Real, Sum, Tracked, Value};
use crate::pairs::{self, Beside, Counts, place, sign_of_h};
use crate::{Error, NAN};

/// Log-probabilities of answers, list after list.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    /// The policy's log-probability of each answer, in nats: the sum over its tokens or their mean. Within a list the best answer
    /// comes first.
    pub policy_logps: &'a [f32],
    /// The reference model's; `None` is the reference-free form, with 0 for each.
    pub ref_logps: Option<&'a [f32]>,
    /// Where each list begins among the answers, and the number of answers last: `[0, 3, 5]` are a list of three answers and one of
    /// two. A list may be empty.
    pub offsets: &'a [usize],
    /// Weights of the lists, finite and >= 0: they multiply loss and gradients, not rewards. `None`: 1.
    pub weights: Option<&'a [f32]>,
    /// What the loss takes of each answer beside log-probabilities, if it does: [`Description::column`](crate::losses::Description::column)
    /// says what.
    pub column: Option<&'a [f32]>,
}

impl<'a> Lists<'a> {
    /// Lists with a reference.
    pub fn new(policy_logps: &'a [f32], ref_logps: &'a [f32], offsets: &'a [usize]) -> Self {
        Self { policy_logps, ref_logps: Some(ref_logps), offsets, weights: None, column: None }
    }

    /// The same lists, with what the loss takes of each answer beside log-probabilities.
    pub fn with_column(self, column: &'a [f32]) -> Self {
        Self { column: Some(column), ..self }
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Answers of the longest list: as much memory a call needs.
    pub fn longest(&self) -> usize {
        self.offsets.windows(2).map(|ends| ends.get(1).unwrap_or(&0).saturating_sub(ends[0])).max().unwrap_or(0)
    }

    /// What the offsets of these answers begin with: more than 0 in a part of a batch.
    fn base(&self) -> usize {
        self.offsets.first().copied().unwrap_or(0)
    }

    /// The first `n` lists and the others. Lengths were checked.
    pub(crate) fn split(&self, n: usize) -> (Self, Self) {
        let (end, all) = (self.offsets.get(n).copied().unwrap_or(0) - self.base(), self.policy_logps.len());
        let part = |lists: core::ops::Range<usize>, answers: core::ops::Range<usize>| Self {
            policy_logps: self.policy_logps.get(answers.clone()).unwrap_or_default(),
            ref_logps: self.ref_logps.map(|x| x.get(answers.clone()).unwrap_or_default()),
            column: self.column.map(|x| x.get(answers).unwrap_or_default()),
            offsets: self.offsets.get(lists.start..lists.end + 1).unwrap_or_default(),
            weights: self.weights.map(|x| x.get(lists).unwrap_or_default()),
        };
        (part(0..n, 0..end), part(n..self.len(), end..all))
    }

    /// `column` is what the loss takes beside log-probabilities.
    pub(crate) fn check(&self, column: Option<&Parameter>) -> Result<(), Error> {
        let n = self.policy_logps.len();
        if let Some(reference) = self.ref_logps {
            check_length("ref_logps", n, reference.len())?;
        }
        let ends = ["0, where the first list begins", "the number of answers, where the last list ends"];
        check_offsets(self.offsets, n, ends)?;
        check_column(n, column, self.column)?;
        self.weights.map_or(Ok(()), |weights| check_weights(self.len(), weights))
    }
}

/// Where the results go; any of them may be left out. No result is -0: every zero is +0.
#[derive(Debug, Default)]
pub struct ListOutputs<'a> {
    /// Loss of each list, times its weight.
    pub losses: Option<&'a mut [f32]>,
    /// Derivative of each list's weighted loss by beta.
    pub grad_beta: Option<&'a mut [f32]>,
    /// Implicit reward of each answer: `beta (policy_logps - ref_logps)`.
    pub rewards: Option<&'a mut [f32]>,
    /// Derivative of the weighted loss by `policy_logps`, answer by answer.
    pub grad_logps: Option<&'a mut [f32]>,
    /// Derivative of the weighted loss by `ref_logps`, answer by answer.
    pub grad_ref_logps: Option<&'a mut [f32]>,
}

impl<'o> ListOutputs<'o> {
    /// Those of the first lists, which have so many answers, and the others.
    pub(crate) fn split(self, lists: usize, answers: usize) -> (Self, Self) {
        let halve = |x: Option<&'o mut [f32]>, n: usize| x.and_then(|x| x.split_at_mut_checked(n)).unzip();
        let ((losses, more_losses), (grad_beta, more_beta)) = (halve(self.losses, lists), halve(self.grad_beta, lists));
        let (rewards, more_rewards) = halve(self.rewards, answers);
        let (grad_logps, more_logps) = halve(self.grad_logps, answers);
        let (grad_ref_logps, more_ref) = halve(self.grad_ref_logps, answers);
        let head = Self { losses, grad_beta, rewards, grad_logps, grad_ref_logps };
        let tail = Self {
            losses: more_losses,
            grad_beta: more_beta,
            rewards: more_rewards,
            grad_logps: more_logps,
            grad_ref_logps: more_ref,
        };
        (head, tail)
    }

    fn check(&self, lists: usize, answers: usize) -> Result<(), Error> {
        let columns = [
            ("losses", &self.losses, lists),
            ("grad_beta", &self.grad_beta, lists),
            ("rewards", &self.rewards, answers),
            ("grad_logps", &self.grad_logps, answers),
            ("grad_ref_logps", &self.grad_ref_logps, answers),
        ];
        for (name, column, expected) in columns {
            if let Some(column) = column {
                check_length(name, expected, column.len())?;
            }
        }
        Ok(())
    }
}

/// Memory of one answer while its list is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct ListScratch {
    kept: [Kept; 2],
    /// The answer's results so far.
    reward: f32,
    gradient: f32,
}

impl Default for ListScratch {
    fn default() -> Self {
        Self { kept: [Kept::Bounded(Tracked::new(0.0)); 2], reward: 0.0, gradient: 0.0 }
    }
}

impl ListScratch {
    /// Keeps a number.
    pub(crate) fn keep<R: Keepable>(&mut self, place: Place, number: R) {
        if let Some(kept) = self.kept.get_mut(place as usize) {
            *kept = number.kept();
        }
    }

    /// The number that was kept, 0 if it is of another tier.
    pub(crate) fn kept<R: Keepable>(&self, place: Place) -> R {
        self.kept.get(place as usize).and_then(R::of_kept).unwrap_or_else(|| R::from_f64(0.0))
    }
}

/// A number of a tier.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Bounded(Tracked),
    Doubles(Tracked<Double>),
    Exact(Float384),
}

/// A number that a [`ListScratch`] keeps.
pub(crate) trait Keepable: Real {
    fn kept(self) -> Kept;
    fn of_kept(kept: &Kept) -> Option<Self>;
}

macro_rules! keepable {
    ($($Number:ty => $Tier:ident),*) => {$(
        impl Keepable for $Number {
            fn kept(self) -> Kept {
                Kept::$Tier(self)
            }
            fn of_kept(kept: &Kept) -> Option<Self> {
                if let Kept::$Tier(number) = kept { Some(*number) } else { None }
            }
        }
    )*};
}
keepable!(Tracked => Bounded, Tracked<Double> => Doubles, Float384 => Exact);

/// All that is checked before anything is written.
pub(crate) fn check(
    lists: &Lists<'_>,
    column: Option<&Parameter>,
    outputs: &ListOutputs<'_>,
    scratch: &[ListScratch],
) -> Result<(), Error> {
    lists.check(column)?;
    outputs.check(lists.len(), lists.policy_logps.len())?;
    if scratch.len() < lists.longest() {
        return Err(Error::Full { what: "scratch", capacity: scratch.len() });
    }
    Ok(())
}

/// Arguments that were checked, on the calling thread.
pub(crate) fn evaluate_checked(
    loss: &ListedLoss,
    lists: Lists<'_>,
    outputs: &mut ListOutputs<'_>,
    mut metrics: Option<&mut ListMetrics>,
    scratch: &mut [ListScratch],
) {
    let base = lists.base();
    for (i, ends) in lists.offsets.windows(2).enumerate() {
        let &[start, end] = ends else { continue };
        let (start, end) = (start - base, end - base);
        let policy = lists.policy_logps.get(start..end).unwrap_or_default();
        let reference = lists.ref_logps.map(|x| x.get(start..end).unwrap_or_default());
        let weight = lists.weights.map_or(1.0, |x| x.get(i).copied().unwrap_or(NAN));
        let column = lists.column.map(|x| x.get(start..end).unwrap_or_default());
        let inputs = Inputs { policy, reference, column, weight };
        let scratch = scratch.get_mut(..end - start).unwrap_or_default();
        let OfList { loss: list_loss, by_beta, skipped } = one(loss, &inputs, scratch);
        let put = |to: &mut Option<&mut [f32]>, at: usize, value: f32| {
            if let Some(to) = to.as_mut().and_then(|to| to.get_mut(at)) {
                *to = value;
            }
        };
        put(&mut outputs.losses, i, list_loss);
        put(&mut outputs.grad_beta, i, by_beta);
        for (answer, scratch) in (start..).zip(&*scratch) {
            put(&mut outputs.rewards, answer, scratch.reward);
            put(&mut outputs.grad_logps, answer, scratch.gradient);
            put(&mut outputs.grad_ref_logps, answer, 0.0 - scratch.gradient);
        }
        if let Some(metrics) = &mut metrics {
            metrics.add(&inputs, list_loss, skipped, scratch);
        }
    }
}

/// A list.
struct Inputs<'a> {
    policy: &'a [f32],
    reference: Option<&'a [f32]>,
    column: Option<&'a [f32]>,
    weight: f32,
}

/// The results of a list that are not an answer's.
struct OfList {
    loss: f32,
    by_beta: f32,
    /// Whether it has nothing to compare.
    skipped: bool,
}

impl Default for OfList {
    fn default() -> Self {
        Self { loss: NAN, by_beta: NAN, skipped: false }
    }
}

impl Inputs<'_> {
    fn at(&self, i: usize) -> (f32, f32) {
        let get = |x: &[f32]| x.get(i).copied().unwrap_or(NAN);
        (get(self.policy), self.reference.map_or(0.0, get))
    }

    /// Answer `i` as the inputs of a log-ratio.
    fn log_ratio(&self, i: usize) -> [f32; 4] {
        let (policy, reference) = self.at(i);
        [policy, 0.0, reference, 0.0]
    }

    /// Answers `i` and `j` as those of a difference of log-ratios.
    fn difference(&self, i: usize, j: usize) -> [f32; 4] {
        let ((pi, ri), (pj, rj)) = (self.at(i), self.at(j));
        [pi, pj, ri, rj]
    }

    /// Whether the log-ratio of answer `i` is greater than that of answer `j`.
    fn is_above(&self, i: usize, j: usize) -> bool {
        sign_of_h(&self.difference(i, j)) > 0.0
    }

    /// The sign of the log-ratio of answer `i`, as a number.
    fn sign(&self, i: usize) -> f64 {
        sign_of_h(&self.log_ratio(i))
    }

    fn column(&self, i: usize) -> f32 {
        self.column.map_or(0.0, |x| x.get(i).copied().unwrap_or(NAN))
    }
}

/// The results of a list that are not an answer's; rewards and gradients stand in the scratch then.
fn one(loss: &ListedLoss, inputs: &Inputs<'_>, scratch: &mut [ListScratch]) -> OfList {
    if let (&[_, _], Some(dpo)) = (inputs.policy, loss.of_two()) {
        let mut results = [NAN; pairs::RESULTS];
        score(
            &dpo,
            &inputs.difference(0, 1),
            Beside { weight: inputs.weight, ..Default::default() },
            &mut results,
            &mut Counts::default(),
        );
        if let [best, worst] = scratch {
            (best.reward, worst.reward) = (results[place::CHOSEN_REWARD], results[place::REJECTED_REWARD]);
            (best.gradient, worst.gradient) = (results[place::GRAD_CHOSEN], results[place::GRAD_REJECTED]);
        }
        return OfList { loss: results[place::LOSS], by_beta: results[place::GRAD_BETA], skipped: false };
    }
    let beta = loss.beta();
    // The log-ratios that are NaN, and infinite ones of either sign.
    let (mut undefined, mut infinite) = (0, [0; 2]);
    for (i, scratch) in scratch.iter_mut().enumerate() {
        let log_ratio = inputs.log_ratio(i);
        scratch.reward = rounded_reward(beta, &log_ratio);
        scratch.gradient = NAN;
        let u = rough_log_ratio(&log_ratio);
        undefined += usize::from(u.is_nan());
        infinite[usize::from(u < 0.0)] += usize::from(u.is_infinite());
    }
    let mut results = OfList::default();
    if scratch.len() < loss.fewest() {
        skip(scratch, &mut results);
        return results;
    }
    if undefined > 0 || loss.is_of_differences() && infinite.iter().any(|&n| n > 1) {
        return results;
    }
    let finite = infinite == [0; 2];
    let decided = finite
        && (bounded::<f64>(loss, inputs, scratch, &mut results)
            || HAS_WIDE && bounded::<Double>(loss, inputs, scratch, &mut results));
    if !decided {
        exact(loss, inputs, scratch, &mut results);
    }
    results
}

/// The results of a list that has nothing to compare.
fn skip(scratch: &mut [ListScratch], results: &mut OfList) {
    scratch.iter_mut().for_each(|answer| answer.gradient = 0.0);
    *results = OfList { loss: 0.0, by_beta: 0.0, skipped: true };
}

/// Whether bounds of the errors decide every result: the list's, and the gradients in the scratch.
fn bounded<V: Value<Bound = f64>>(
    loss: &ListedLoss,
    inputs: &Inputs<'_>,
    scratch: &mut [ListScratch],
    results: &mut OfList,
) -> bool
where
    Tracked<V>: Keepable,
{
    let (beta, weight) = (Tracked::from_f64(loss.beta()), Tracked::from_f64(inputs.weight.into()));
    let mut list = Bounded::<V> { beta, weight, inputs, scratch, results, decided: true };
    loss.evaluate(&mut list);
    list.decided
}

/// `beta` times a log-ratio, rounded.
fn rounded_reward(beta: f64, inputs: &[f32; 4]) -> f32 {
    let &[policy, _, reference, _] = inputs;
    let bounded = Tracked::<f64>::from_f64(beta) * Tracked::difference(policy.into(), reference.into());
    bounded.rounded().unwrap_or_else(|| reward(beta, inputs))
}

/// A list in numbers with bounds of errors.
struct Bounded<'i, 's, V: Value> {
    beta: Tracked<V>,
    weight: Tracked<V>,
    inputs: &'i Inputs<'i>,
    scratch: &'s mut [ListScratch],
    results: &'s mut OfList,
    decided: bool,
}

impl<V: Value<Bound = f64>> Bounded<'_, '_, V> {
    fn rounded(&mut self, sum: Sum<Tracked<V>>) -> f32 {
        let rounded = (sum.value * self.weight).rounded().filter(|_| sum.value.is_within(sum.largest));
        rounded.unwrap_or_else(|| {
            self.decided = false;
            NAN
        })
    }
}

/// What all tiers ask of the inputs.
macro_rules! of_inputs {
    () => {
        fn len(&self) -> usize {
            self.scratch.len()
        }
        fn is_above(&self, i: usize, j: usize) -> bool {
            self.inputs.is_above(i, j)
        }
        fn sign(&self, i: usize) -> f64 {
            self.inputs.sign(i)
        }
        fn column(&self, i: usize) -> f32 {
            self.inputs.column(i)
        }
        fn skip(&mut self) {
            skip(self.scratch, self.results);
        }
    };
}

impl<V: Value<Bound = f64>> List<Tracked<V>> for Bounded<'_, '_, V>
where
    Tracked<V>: Keepable,
{
    of_inputs!();
    fn beta(&self) -> Tracked<V> {
        self.beta
    }
    fn u(&self, i: usize) -> Tracked<V> {
        let (policy, reference) = self.inputs.at(i);
        Tracked::difference(V::from_f64(policy.into()), V::from_f64(reference.into()))
    }
    fn h(&self, i: usize, j: usize) -> Tracked<V> {
        self.u(i) - self.u(j)
    }
    fn keep(&mut self, place: Place, i: usize, number: Tracked<V>) {
        if let Some(scratch) = self.scratch.get_mut(i) {
            scratch.keep(place, number);
        }
    }
    fn kept(&self, place: Place, i: usize) -> Tracked<V> {
        self.scratch.get(i).map_or(Tracked::from_f64(0.0), |scratch| scratch.kept(place))
    }
    fn loss(&mut self, loss: Tracked<V>) {
        self.results.loss = self.rounded(Sum::of(loss));
    }
    fn by_u(&mut self, i: usize, derivative: Sum<Tracked<V>>) {
        let gradient = self.rounded(derivative);
        if let Some(scratch) = self.scratch.get_mut(i) {
            scratch.gradient = gradient;
        }
    }
    fn by_beta(&mut self, derivative: Sum<Tracked<V>>) {
        self.results.by_beta = self.rounded(derivative);
    }
}

/// A list in 384 bits.
struct Exact<'i, 's> {
    beta: f64,
    inputs: &'i Inputs<'i>,
    scratch: &'s mut [ListScratch],
    results: &'s mut OfList,
}

/// Bits of a result's largest term to which the result is rounded first: what truncation and [`Float384`]'s rules for sums take from it lies far below,
/// and what is left in doubt there is decided.
const CERTAIN: i32 = 320;

impl Exact<'_, '_> {
    #[inline(never)]
    fn rounded(&self, sum: &Sum<Float384>) -> f32 {
        let weight = self.inputs.weight.into();
        let Sum { mut value, mut largest } = *sum;
        value.multiply(weight);
        largest.multiply(weight);
        value.round_to(largest.exponent().saturating_sub(CERTAIN));
        value.rounded() + 0.0
    }
}

impl List<Float384> for Exact<'_, '_> {
    of_inputs!();
    fn beta(&self) -> Float384 {
        Float384::from_f64(self.beta)
    }
    fn u(&self, i: usize) -> Float384 {
        log_ratio(&self.inputs.log_ratio(i))
    }
    fn h(&self, i: usize, j: usize) -> Float384 {
        if i == j { Float384::ZERO } else { log_ratio(&self.inputs.difference(i, j)) }
    }
    fn keep(&mut self, place: Place, i: usize, number: Float384) {
        if let Some(scratch) = self.scratch.get_mut(i) {
            scratch.keep(place, number);
        }
    }
    fn kept(&self, place: Place, i: usize) -> Float384 {
        self.scratch.get(i).map_or(Float384::ZERO, |scratch| scratch.kept(place))
    }
    fn loss(&mut self, loss: Float384) {
        self.results.loss = self.rounded(&Sum::of(loss));
    }
    fn by_u(&mut self, i: usize, derivative: Sum<Float384>) {
        let gradient = self.rounded(&derivative);
        if let Some(scratch) = self.scratch.get_mut(i) {
            scratch.gradient = gradient;
        }
    }
    fn by_beta(&mut self, derivative: Sum<Float384>) {
        self.results.by_beta = self.rounded(&derivative);
    }
}

#[cold]
#[inline(never)]
fn exact(loss: &ListedLoss, inputs: &Inputs<'_>, scratch: &mut [ListScratch], results: &mut OfList) {
    loss.evaluate(&mut Exact { beta: loss.beta(), inputs, scratch, results });
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::losses::{CASES, LOSSES, Shape};
    use crate::numbers::Bits;
    use std::vec::Vec;

    /// What the bounds decide is what 384 bits give, for every loss and its grid of parameters.
    #[test]
    fn tiers_agree() {
        let mut bits = Bits(1);
        let mut decided = [0; 2];
        for description in LOSSES.iter().filter(|loss| loss.shape == Shape::Listed) {
            for case in 0..CASES {
                let loss = ListedLoss::new(description, &description.case(case)).unwrap();
                for round in 0..150 {
                    let n = round % 7;
                    let mut finite = |_| Some(bits.number()).filter(|x| x.is_finite()).unwrap_or(0.5);
                    let [policy, reference] = [(); 2].map(|()| (0..n).map(&mut finite).collect::<Vec<f32>>());
                    let grid = description.column.map_or(&[0.0][..], |column| column.grid);
                    let column: Vec<f32> = (0..n).map(|i| grid[(round + i) % grid.len()] as f32).collect();
                    let (reference, weight) = (Some(&reference[..]), bits.weight());
                    let inputs = Inputs { policy: &policy, reference, column: Some(&column), weight };
                    if n < loss.fewest() {
                        continue;
                    }
                    let mut scratch = std::vec![ListScratch { gradient: NAN, ..Default::default() }; n];
                    let of = |results: &OfList, scratch: &[ListScratch]| -> Vec<f32> {
                        let gradients = scratch.iter().map(|answer| answer.gradient);
                        [results.loss, results.by_beta].into_iter().chain(gradients).collect()
                    };
                    let mut results = OfList::default();
                    exact(&loss, &inputs, &mut scratch, &mut results);
                    let in_full = of(&results, &scratch);
                    for (tier, decided) in [bounded::<f64>, bounded::<Double>].into_iter().zip(&mut decided) {
                        let all = tier(&loss, &inputs, &mut scratch, &mut results);
                        // Where not all was decided, what was is right nevertheless.
                        for (bounded, exact) in of(&results, &scratch).into_iter().zip(&in_full) {
                            let same = bounded.to_bits() == exact.to_bits() || !all && bounded.is_nan();
                            *decided += u32::from(n > 2 && !bounded.is_nan());
                            let weight = inputs.weight;
                            assert!(same, "{loss:?} {policy:?} {reference:?} {weight:e}: {bounded:e}, not {exact:e}");
                        }
                    }
                }
            }
        }
        assert!(decided[0] > 500 && decided[1] > decided[0], "{decided:?}");
    }
}
