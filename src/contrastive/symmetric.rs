//! The symmetric form within a batch: row i's positive is column i, all others are negatives, and the other way round.

use crate::error::check_length;
use crate::lanes::Backend;
use crate::logits::{LogSumExp, Logits, LogitsMut, Probability, RowSum, Scaling};
use crate::{Error, ExactSum, NAN};

/// Memory of [`symmetric`], the caller's.
#[derive(Debug)]
pub struct SymmetricSums<'a> {
    /// One a row.
    pub rows: &'a mut [LogSumExp],
    /// One a column.
    pub columns: &'a mut [LogSumExp],
}

/// Elements of a column that are gathered at a time.
const GATHER: usize = 64;

/// CLIP's loss `1/2 (mean CE of the rows + mean CE of the columns)` of similarities `[n, n]`, on the calling thread. Returns
/// the mean over the rows and the mean over the columns (correctly rounded means of losses that are each within 0.51 ULP;
/// one that leaves the range of `f32` makes its mean infinite): the loss is half their sum.
///
/// `grads`, if given, gets dL/dS `= (P_row + P_col - 2 Id) / (2 n T)`, each entry within 0.51 ULP: on the
/// diagonal `p - 1` is taken as one, and nothing cancels.
///
/// # Errors
/// [`Error::Parameter`] for a temperature outside of 1e-12 to 1e12, [`Error::Length`]; before anything is written.
pub fn symmetric(
    backend: Backend,
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
    let at = |row: usize, column: usize| similarities.row(row).get(column).copied().unwrap_or(NAN);
    let (mut by_rows, mut by_columns) = (ExactSum::new(), ExactSum::new());
    for (i, (row, column)) in sums.rows.iter_mut().zip(sums.columns.iter_mut()).enumerate() {
        *row = LogSumExp::of(backend, similarities.row(i), &scaling);
        let mut gathered = RowSum::new(scaling);
        let mut start = 0;
        while start < n {
            let mut chunk = [f32::NEG_INFINITY; GATHER];
            for (to, row) in chunk.iter_mut().zip(start..n) {
                *to = at(row, i);
            }
            gathered.add(backend, &chunk, None)?;
            start += GATHER;
        }
        *column = gathered.log_sum_exp();
        // The loss is -logp, whose mean is the mean's negative.
        by_rows.add(row.logp(at(i, i), &scaling));
        by_columns.add(column.logp(at(i, i), &scaling));
    }
    if let Some(mut grads) = grads {
        let factor = 1.0 / (2.0 * n as f64 * temperature);
        for i in 0..n {
            let row_sum = sums.rows.get(i).copied().unwrap_or_default();
            let of_row = Probability::new(row_sum, &scaling);
            let (out, _) = grads.row_and_padding(i);
            for (j, (out, &x)) in out.iter_mut().zip(similarities.row(i)).enumerate() {
                let column_sum = sums.columns.get(j).copied().unwrap_or_default();
                let sum = if i == j {
                    row_sum.probability_less_one(x, &scaling) + column_sum.probability_less_one(x, &scaling)
                } else {
                    of_row.value(x) + Probability::new(column_sum, &scaling).value(x)
                };
                let value = (sum * factor) as f32;
                *out = if value.is_nan() { NAN } else { value + 0.0 };
            }
        }
    }
    let mean = |sum: &ExactSum| {
        let mean = 0.0 - sum.mean(n as u64);
        if mean.is_nan() { NAN } else { mean }
    };
    Ok([mean(&by_rows), mean(&by_columns)])
}
