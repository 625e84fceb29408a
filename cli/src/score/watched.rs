//! What the metrics do not hold: taken note of chunk by chunk, in fixed memory, for the findings.

use std::hash::{DefaultHasher, Hasher};

use rayon::prelude::*;

use super::columns::{Column, STAND_INS, stand_in};
use super::outliers::Weighed;
use super::rows::{At, Foremost, Order, Rows};
use super::shape::Units;

/// A unit whose |dL/dz| is below this hardly trains any more.
pub const SATURATED: f64 = 1e-3;

/// The rows of one file, as far as it takes to know them again.
struct Contents {
    columns: Vec<DefaultHasher>,
}

/// A chunk with what was computed of it.
pub struct Results<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// Its columns of log-probabilities.
    pub logps: &'a [Vec<f32>],
    /// What its units gave.
    pub units: Units<'a>,
}

/// All that is taken note of.
pub struct Watched {
    /// The columns of log-probabilities: the policy's of each answer of a row, then the reference's, if there is one.
    pub columns: Vec<Column>,
    /// The answers of a row, by name.
    pub sides: &'static [&'static str],
    /// Whether policy and reference agree on each answer in every row, where there is a reference.
    pub sameness: Option<Vec<bool>>,
    /// Whether all columns of all files are of types of integers.
    pub integers: bool,
    /// Rows where the policy is exactly 0, and where the reference is.
    pub zeros: [Rows; 2],
    /// Rows with each of [`STAND_INS`].
    pub stand_ins: [Rows; STAND_INS.len()],
    /// Rows with a log-probability above 0.
    pub positive: Rows,
    /// The first rows of units that are not finite.
    pub nonfinite: Rows,
    /// Units with a saturated gradient; none for a loss whose gradient has no limits.
    pub saturated: Option<u64>,
    /// The largest |dL/dlogp| of a unit of weight 1, where |dL/dz| has a limit.
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
    /// Before the first row, of so many files.
    pub fn new(sides: &'static [&'static str], is_referenced: bool, files: usize, scale: Option<f64>) -> Self {
        let columns = if is_referenced { 2 * sides.len() } else { sides.len() };
        let contents = || Contents { columns: vec![DefaultHasher::new(); columns] };
        Self {
            columns: vec![Column::new(); columns],
            sides,
            sameness: is_referenced.then(|| vec![true; sides.len()]),
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
        let Results { at, logps, units } = results;
        let (at, logps) = (*at, *logps);
        let Units { losses, margins, .. } = *units;
        let row = |unit| at.row(units.first_row(unit));
        units.nonfinite.iter().for_each(|&unit| self.nonfinite.add(|| row(unit)));
        let Self { columns, contents, largest, smallest, sameness, sides, saturated, scale, .. } = self;
        let hash = |(hasher, values): (&mut DefaultHasher, &Vec<f32>)| {
            values.iter().for_each(|value| hasher.write_u32(value.to_bits()));
        };
        let look = || columns.par_iter_mut().zip(logps).for_each(|(column, values)| column.add(values, at));
        let digest = || {
            if let Some(contents) = contents.get_mut(at.file) {
                contents.columns.par_iter_mut().zip(logps).for_each(hash);
            }
        };
        let compare = || {
            let (policy, reference) = logps.split_at(sides.len());
            for ((same, policy), reference) in sameness.iter_mut().flatten().zip(policy).zip(reference) {
                *same &= policy == reference;
            }
        };
        let order = || {
            largest.offer_all(margins, row);
            smallest.offer_all(margins, row);
            if let (Some(saturated), Some(scale)) = (saturated, *scale) {
                *saturated += count_saturated(units, scale);
            }
        };
        let (sum_margins, sum_losses) =
            (|| self.margins.add(margins, losses, row), || self.losses.add(losses, margins, row));
        rayon::join(
            || rayon::join(look, digest),
            || rayon::join(|| rayon::join(sum_margins, sum_losses), || rayon::join(compare, order)),
        );
        let mut marks: Vec<usize> = self.columns.iter().flat_map(|column| column.marks.iter().copied()).collect();
        marks.sort_unstable();
        marks.dedup();
        marks.into_iter().for_each(|index| self.name_marked(index, logps, at));
    }

    /// Names a row that holds a 0, a stand-in or a number above 0, once for each.
    fn name_marked(&mut self, index: usize, logps: &[Vec<f32>], at: At<'_>) {
        if logps.iter().any(|column| column[index] > 0.0) {
            self.positive.add(|| at.row(index));
        }
        for (zeros, model) in self.zeros.iter_mut().zip(logps.chunks(self.sides.len())) {
            if model.iter().any(|column| column[index] == 0.0) {
                zeros.add(|| at.row(index));
            }
        }
        let mut found: Vec<_> = logps.iter().filter_map(|column| stand_in(column[index])).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().for_each(|found| self.stand_ins[found].add(|| at.row(index)));
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

/// Units whose gradient is saturated, where that of a unit of weight 1 is at most `scale`.
fn count_saturated(units: &Units<'_>, scale: f64) -> u64 {
    let weight = |unit: usize| units.weights.map_or(1.0, |weights| f64::from(weights[unit]));
    let is_saturated = |(unit, gradient): (usize, &f32)| {
        let is_small = f64::from(gradient.abs()) < SATURATED * scale * weight(unit);
        weight(unit) > 0.0 && is_small && units.is_compared(unit)
    };
    units.gradients.iter().enumerate().filter(|&unit| is_saturated(unit)).count() as u64
}
