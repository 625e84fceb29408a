//! The symmetric form within a batch: row i's positive is column i, all others are negatives, and the other way round.

use crate::error::check_length;
use crate::lanes::Backend;
use crate::logits::{LogSumExp, Logits, LogitsMut, Probability, RowSum, Scaling};
use crate::run::{join, tasks};
use crate::{Error, ExactSum, NAN, Run};

/// Memory of [`Run::symmetric`], the caller's.
#[derive(Debug)]
pub struct SymmetricSums<'a> {
    /// The rows' log-sum-exps.
    pub rows: &'a mut [LogSumExp],
    /// The columns' log-sum-exps.
    pub columns: &'a mut [LogSumExp],
}

/// Elements of a column that are gathered at a time.
const GATHER: usize = 64;

impl Run {
    /// CLIP's loss `1/2 (mean CE of the rows + mean CE of the columns)` of similarities `[n, n]`. Returns
    /// the mean over the rows and the mean over the columns (correctly rounded means of losses that are each within 0.51 ULP;
    /// one that leaves the range of `f32` makes its mean infinite): the loss is half their sum.
    ///
    /// `grads`, if given, gets dL/dS `= (P_row + P_col - 2 Id) / (2 n T)`, each entry within 0.51 ULP: on the
    /// diagonal `p - 1` is taken as one, and nothing cancels.
    ///
    /// ```
    /// use preflane::Run;
    /// use preflane::contrastive::SymmetricSums;
    /// use preflane::logits::{LogSumExp, Logits};
    ///
    /// let (mut rows, mut columns) = ([LogSumExp::default(); 2], [LogSumExp::default(); 2]);
    /// let sums = SymmetricSums { rows: &mut rows, columns: &mut columns };
    /// let [by_rows, by_columns] = Run::default().symmetric(Logits::new(&[0.0; 4], 2, 2)?, 0.07, sums, None)?;
    /// assert_eq!(0.5 * (by_rows + by_columns), core::f32::consts::LN_2);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a temperature outside of 1e-12 to 1e12, [`Error::Length`] and [`Error::Threads`]; before anything
    /// is written.
    pub fn symmetric(
        self,
        similarities: Logits<'_, f32>,
        temperature: f64,
        sums: SymmetricSums<'_>,
        grads: Option<LogitsMut<'_, f32>>,
    ) -> Result<[f32; 2], Error> {
        let scaling = Scaling::temperature(temperature)?;
        let n = similarities.rows();
        check_length("columns of similarities", n, similarities.columns())?;
        check_length("sums.rows", n, sums.rows.len())?;
        check_length("sums.columns", n, sums.columns.len())?;
        if let Some(grads) = &grads {
            check_length("rows of grads", n, grads.rows())?;
            check_length("columns of grads", n, grads.columns())?;
        }
        let matrix = Matrix { backend: self.backend(), similarities, scaling, temperature };
        self.job(tasks(n, n), |split| {
            let means = matrix.losses(split, 0, &mut *sums.rows, &mut *sums.columns)?;
            if let Some(grads) = grads {
                matrix.grads(split, 0, sums.rows, sums.columns, grads);
            }
            Ok(means.map(|sum| {
                let mean = 0.0 - sum.mean(n as u64);
                if mean.is_nan() { NAN } else { mean }
            }))
        })?
    }
}

/// What all rows and columns have in common.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    backend: Backend,
    similarities: Logits<'a, f32>,
    scaling: Scaling,
    temperature: f64,
}

impl Matrix<'_> {
    fn at(&self, row: usize, column: usize) -> f32 {
        self.similarities.row(row).get(column).copied().unwrap_or(NAN)
    }

    /// The log-sum-exps of the rows and of the columns from `first` on, and the sums of their log-probabilities. The loss is -logp,
    /// whose mean is the mean's negative.
    fn losses(
        &self,
        split: bool,
        first: usize,
        rows: &mut [LogSumExp],
        columns: &mut [LogSumExp],
    ) -> Result<[ExactSum; 2], Error> {
        let n = self.similarities.rows();
        if split && tasks(rows.len(), n) > 1 {
            let half = rows.len() / 2;
            let (rows, columns) = (rows.split_at_mut(half), columns.split_at_mut(half));
            let (a, b) = join(
                || self.losses(true, first, rows.0, columns.0),
                || self.losses(true, first + half, rows.1, columns.1),
            );
            let ([mut by_rows, mut by_columns], [more_rows, more_columns]) = (a?, b?);
            by_rows.merge(&more_rows);
            by_columns.merge(&more_columns);
            return Ok([by_rows, by_columns]);
        }
        let (mut by_rows, mut by_columns) = (ExactSum::new(), ExactSum::new());
        for (i, (row, column)) in (first..).zip(rows.iter_mut().zip(columns)) {
            *row = LogSumExp::of(self.backend, self.similarities.row(i), &self.scaling);
            let mut gathered = RowSum::new(self.scaling);
            let mut start = 0;
            while start < n {
                let mut chunk = [f32::NEG_INFINITY; GATHER];
                for (to, row) in chunk.iter_mut().zip(start..n) {
                    *to = self.at(row, i);
                }
                gathered.add(self.backend, &chunk, None)?;
                start += GATHER;
            }
            *column = gathered.log_sum_exp();
            by_rows.add(row.logp(self.at(i, i), &self.scaling));
            by_columns.add(column.logp(self.at(i, i), &self.scaling));
        }
        Ok([by_rows, by_columns])
    }

    /// The gradient of the rows from `first` on.
    fn grads(
        &self,
        split: bool,
        first: usize,
        rows: &[LogSumExp],
        columns: &[LogSumExp],
        mut grads: LogitsMut<'_, f32>,
    ) {
        let (here, n) = (grads.rows(), self.similarities.rows());
        if split && tasks(here, n) > 1 {
            let (head, tail) = grads.split(here / 2);
            join(
                || self.grads(true, first, rows, columns, head),
                || self.grads(true, first + here / 2, rows, columns, tail),
            );
            return;
        }
        let factor = 1.0 / (2.0 * n as f64 * self.temperature);
        for place in 0..here {
            let i = first + place;
            let row_sum = rows.get(i).copied().unwrap_or_default();
            let of_row = Probability::new(row_sum, &self.scaling);
            let (out, _) = grads.row_and_padding(place);
            for (j, (out, &x)) in out.iter_mut().zip(self.similarities.row(i)).enumerate() {
                let column_sum = columns.get(j).copied().unwrap_or_default();
                let sum = if i == j {
                    row_sum.probability_less_one(x, &self.scaling) + column_sum.probability_less_one(x, &self.scaling)
                } else {
                    of_row.value(x) + Probability::new(column_sum, &self.scaling).value(x)
                };
                let value = (sum * factor) as f32;
                *out = if value.is_nan() { NAN } else { value + 0.0 };
            }
        }
    }
}
