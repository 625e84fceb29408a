//! All pairs of ranked segments, laid out for a loss of pairs, and their gradients gathered.

use crate::error::{check_length, check_offsets};
use crate::{Error, ExactSum};

/// Lists of segments with a given score each. A pair is a segment and one of the same list with a lower given score; equal ones make none.
/// Pairs stand list after list; in a list by the preferred segment, then by the other, in the order of the list.
///
/// ```
/// use preflane::segments::Ranked;
/// use preflane::{ExactSum, Loss, Outputs, Pairs, Run};
///
/// // Three segments; the second is the best, the first the worst.
/// let ranked = Ranked::new(&[0.0, 2.0, 1.0], &[0, 3])?;
/// assert_eq!(ranked.pairs().collect::<Vec<_>>(), [(1, 0), (1, 2), (2, 0)]);
/// let (mut preferred, mut others) = ([0.0; 3], [0.0; 3]);
/// ranked.lay_out(&[-1.2, -0.7, -0.9], &mut preferred, &mut others)?;
/// assert_eq!((preferred, others), ([-0.7, -0.7, -0.9], [-1.2, -0.9, -1.2]));
///
/// let (mut losses, mut by_preferred, mut by_others) = ([0.0; 3], [0.0; 3], [0.0; 3]);
/// let outputs = Outputs {
///     losses: Some(&mut losses),
///     grad_chosen_logps: Some(&mut by_preferred),
///     grad_rejected_logps: Some(&mut by_others),
///     ..Default::default()
/// };
/// let pairs = Pairs::reference_free(&preferred, &others).with_column(&[1.0; 3]);
/// Run::default().evaluate(&Loss::cpl(1.0, 0.5)?, pairs, outputs, None)?;
/// let (mut means, mut grads, mut scratch) = ([0.0], [0.0; 3], [ExactSum::new(); 3]);
/// ranked.means(&losses, &mut means)?;
/// ranked.gather(&by_preferred, &by_others, &mut scratch, &mut grads)?;
/// assert!((means[0] - 0.80823046).abs() < 1e-7);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    scores: &'a [f32],
    offsets: &'a [usize],
}

impl<'a> Ranked<'a> {
    /// Segments by their given scores, the higher the better, and where each list begins among them, with their number last.
    ///
    /// # Errors
    /// [`Error::Offsets`], and [`Error::Column`] for a score that is NaN.
    pub fn new(scores: &'a [f32], offsets: &'a [usize]) -> Result<Self, Error> {
        let ends = ["0, where the first list begins", "the number of segments, where the last list ends"];
        check_offsets(offsets, scores.len(), ends)?;
        match scores.iter().enumerate().find(|(_, score)| score.is_nan()) {
            Some((row, &value)) => Err(Error::Column { name: "score", row, value, requirement: "a number" }),
            None => Ok(Self { scores, offsets }),
        }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.lists().map(|list| self.of(list).count()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// The places of the preferred segment and of the other one among all segments, pair by pair.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.lists().flat_map(|list| self.of(list))
    }

    fn lists(&self) -> impl Iterator<Item = core::ops::Range<usize>> {
        self.offsets.windows(2).map(|ends| match *ends {
            [start, end] => start..end,
            _ => 0..0,
        })
    }

    fn of(&self, list: core::ops::Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        let scores = self.scores;
        let is_above = move |i: usize, j: usize| scores.get(i) > scores.get(j);
        list.clone().flat_map(move |i| list.clone().filter(move |&j| is_above(i, j)).map(move |j| (i, j)))
    }

    /// The columns of all pairs, of a number of each segment.
    ///
    /// # Errors
    /// [`Error::Length`], before anything is written.
    pub fn lay_out(&self, values: &[f32], preferred: &mut [f32], others: &mut [f32]) -> Result<(), Error> {
        check_length("values", self.scores.len(), values.len())?;
        let n = self.len();
        check_length("preferred", n, preferred.len())?;
        check_length("others", n, others.len())?;
        let at = |place: usize| values.get(place).copied().unwrap_or(crate::NAN);
        for ((i, j), (preferred, other)) in self.pairs().zip(preferred.iter_mut().zip(others)) {
            (*preferred, *other) = (at(i), at(j));
        }
        Ok(())
    }

    /// The mean loss of each list over its pairs, correctly rounded; 0 for one without pairs.
    ///
    /// # Errors
    /// [`Error::Length`], before anything is written.
    pub fn means(&self, losses: &[f32], out: &mut [f32]) -> Result<(), Error> {
        check_length("losses", self.len(), losses.len())?;
        check_length("means", self.offsets.len().saturating_sub(1), out.len())?;
        let mut losses = losses.iter();
        for (list, out) in self.lists().zip(out) {
            let (mut sum, n) = (ExactSum::new(), self.of(list).count());
            losses.by_ref().take(n).for_each(|&loss| sum.add(loss));
            *out = if n == 0 { 0.0 } else { sum.mean(n as u64) };
        }
        Ok(())
    }

    /// The gradient of each list's mean loss by the number of each segment, of the gradients of its pairs: their sum over the number of the list's
    /// pairs, correctly rounded. `scratch` has at least as many elements as the longest list has segments.
    ///
    /// # Errors
    /// [`Error::Length`], and [`Error::Full`] for too little scratch; before anything is written.
    pub fn gather(
        &self,
        by_preferred: &[f32],
        by_others: &[f32],
        scratch: &mut [ExactSum],
        out: &mut [f32],
    ) -> Result<(), Error> {
        let n = self.len();
        check_length("by_preferred", n, by_preferred.len())?;
        check_length("by_others", n, by_others.len())?;
        check_length("out", self.scores.len(), out.len())?;
        if scratch.len() < self.longest() {
            return Err(Error::Full { what: "scratch", capacity: scratch.len() });
        }
        let mut grads = by_preferred.iter().zip(by_others);
        for list in self.lists() {
            let sums = scratch.get_mut(..list.len()).unwrap_or_default();
            sums.fill(ExactSum::new());
            let mut n = 0;
            for ((i, j), (&by_preferred, &by_other)) in self.of(list.clone()).zip(grads.by_ref()) {
                n += 1;
                for (place, grad) in [(i, by_preferred), (j, by_other)] {
                    if let Some(sum) = sums.get_mut(place - list.start) {
                        sum.add(grad);
                    }
                }
            }
            for (out, sum) in out.get_mut(list).unwrap_or_default().iter_mut().zip(sums) {
                *out = if n == 0 { 0.0 } else { sum.mean(n) };
            }
        }
        Ok(())
    }

    /// Segments of the longest list: the scratch that [`gather`](Self::gather) needs.
    pub fn longest(&self) -> usize {
        self.lists().map(|list| list.len()).max().unwrap_or(0)
    }
}
