//! What the metrics do not hold: taken note of chunk by chunk, in fixed memory, for the findings.

use std::hash::{DefaultHasher, Hasher};

use rayon::prelude::*;

use super::columns::{Column, STAND_INS, stand_in};
use super::outliers::Weighed;
use super::rows::{At, Foremost, Order, Rows};

/// A pair whose |dL/dz| is below this hardly trains any more.
pub const SATURATED: f64 = 1e-3;

/// The columns of log-probabilities as a reader gives them: the reference's may not be there.
pub const POLICY_CHOSEN: usize = 0;
/// The policy's log-probability of the rejected answer.
pub const POLICY_REJECTED: usize = 1;
/// The reference's log-probability of the chosen answer.
pub const REF_CHOSEN: usize = 2;
/// The reference's log-probability of the rejected answer.
pub const REF_REJECTED: usize = 3;

/// What is true of every row seen so far.
#[derive(Clone, Copy)]
pub struct Sameness {
    /// Policy and reference agree on the chosen answer.
    pub chosen: bool,
    /// Policy and reference agree on the rejected answer.
    pub rejected: bool,
}

/// The rows of one file, as far as it takes to know them again.
struct Contents {
    columns: Vec<DefaultHasher>,
}

/// A chunk with what was computed of it.
pub struct Results<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Its columns of log-probabilities: two, or four with a reference.
    pub logps: &'a [Vec<f32>],
    /// Its weights, if there are any.
    pub weights: Option<&'a [f32]>,
    /// Losses, times the weights.
    pub losses: &'a [f32],
    /// Margins.
    pub margins: &'a [f32],
    /// Gradients by the policy's chosen log-probabilities.
    pub gradients: &'a [f32],
}

/// All that is taken note of.
pub struct Watched {
    /// The columns of log-probabilities.
    pub columns: Vec<Column>,
    /// What all rows have in common, where there is a reference.
    pub sameness: Option<Sameness>,
    /// Whether all columns of all files are of types of integers.
    pub integers: bool,
    /// Rows where the policy is exactly 0, and where the reference is.
    pub zeros: [Rows; 2],
    /// Rows with each of [`STAND_INS`].
    pub stand_ins: [Rows; STAND_INS.len()],
    /// Rows with a log-probability above 0.
    pub positive: Rows,
    /// Rows that are not finite.
    pub nonfinite: Rows,
    /// Pairs with a saturated gradient; none for a loss whose gradient has no limits.
    pub saturated: Option<u64>,
    /// The largest |dL/dlogp| of a pair of weight 1, where |dL/dz| has a limit.
    scale: Option<f64>,
    /// The rows with the largest margins.
    pub largest: Foremost,
    /// Those with the smallest.
    pub smallest: Foremost,
    /// The mean margin.
    pub margins: Weighed,
    /// The mean loss.
    pub losses: Weighed,
    /// Of each file, where there are several.
    contents: Vec<Contents>,
}

impl Watched {
    /// Before the first row, of so many columns and files.
    pub fn new(columns: usize, files: usize, scale: Option<f64>) -> Self {
        let contents = || Contents { columns: vec![DefaultHasher::new(); columns] };
        Self {
            columns: vec![Column::new(); columns],
            sameness: (columns > REF_REJECTED).then_some(Sameness { chosen: true, rejected: true }),
            integers: true,
            zeros: Default::default(),
            stand_ins: Default::default(),
            positive: Rows::default(),
            nonfinite: Rows::default(),
            saturated: scale.map(|_| 0),
            scale,
            largest: Foremost::new(Order::Largest),
            smallest: Foremost::new(Order::Smallest),
            margins: Weighed::new(),
            losses: Weighed::new(),
            contents: (0..if files > 1 { files } else { 0 }).map(|_| contents()).collect(),
        }
    }

    /// The rows that follow.
    pub fn add(&mut self, results: &Results<'_>) {
        let Results { at, logps, .. } = *results;
        self.columns.par_iter_mut().zip(logps).for_each(|(column, values)| column.add(values, at));
        let mut marks: Vec<usize> = self.columns.iter().flat_map(|column| column.marks.iter().copied()).collect();
        marks.sort_unstable();
        marks.dedup();
        marks.into_iter().for_each(|index| self.name_marked(index, logps, at));
        if let Some(contents) = self.contents.get_mut(at.file) {
            contents.columns.par_iter_mut().zip(logps).for_each(|(hasher, values)| {
                values.iter().for_each(|value| hasher.write_u32(value.to_bits()));
            });
        }
        if let (Some(sameness), [policy_chosen, policy_rejected, ref_chosen, ref_rejected]) =
            (&mut self.sameness, logps)
        {
            sameness.chosen &= policy_chosen == ref_chosen;
            sameness.rejected &= policy_rejected == ref_rejected;
        }
        self.largest.offer_all(results.margins, at);
        self.smallest.offer_all(results.margins, at);
        let Results { margins, losses, .. } = *results;
        rayon::join(|| self.margins.add(margins, losses, at), || self.losses.add(losses, margins, at));
        self.count_saturated(results);
    }

    /// Names a row that holds a 0, a stand-in or a number above 0, once for each.
    fn name_marked(&mut self, index: usize, logps: &[Vec<f32>], at: At<'_>) {
        if logps.iter().any(|column| column[index] > 0.0) {
            self.positive.add(|| at.row(index));
        }
        for (zeros, model) in self.zeros.iter_mut().zip(logps.chunks(2)) {
            if model.iter().any(|column| column[index] == 0.0) {
                zeros.add(|| at.row(index));
            }
        }
        let mut found: Vec<_> = logps.iter().filter_map(|column| stand_in(column[index])).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().for_each(|found| self.stand_ins[found].add(|| at.row(index)));
    }

    fn count_saturated(&mut self, results: &Results<'_>) {
        let (Some(saturated), Some(scale)) = (&mut self.saturated, self.scale) else { return };
        let weight = |row: usize| results.weights.map_or(1.0, |weights| f64::from(weights[row]));
        let is_saturated = |(row, gradient): (usize, &f32)| {
            weight(row) > 0.0 && f64::from(gradient.abs()) < SATURATED * scale * weight(row)
        };
        *saturated += results.gradients.iter().enumerate().filter(|&pair| is_saturated(pair)).count() as u64;
    }

    /// Files whose rows are all those of a file before them: each with that file.
    pub fn repeated(&self) -> Vec<[usize; 2]> {
        let digests: Vec<Vec<u64>> =
            (self.contents.iter()).map(|contents| contents.columns.iter().map(Hasher::finish).collect()).collect();
        let mut first = std::collections::HashMap::new();
        (digests.iter().enumerate())
            .filter_map(|(file, digest)| match *first.entry(digest).or_insert(file) {
                same if same == file => None,
                same => Some([same, file]),
            })
            .collect()
    }
}
