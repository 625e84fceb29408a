//! `L = LSE(z+, z_1 .. z_m) - z+` with `z = similarity / temperature`.

use crate::error::check_length;
use crate::lanes::Backend;
use crate::logits::{LogSumExp, Logits, LogitsMut, Probability, RowSum, Scaling, softmax_row};
use crate::run::{join, tasks};
use crate::{Error, NAN, Run};

/// Similarities of some rows: one positive each, and m negatives.
#[derive(Clone, Copy, Debug)]
pub struct Similarities<'a> {
    /// Similarity to the positive, one a row.
    pub positives: &'a [f32],
    /// Similarities to the negatives, `[rows, m]`. `None`: no negatives, and the loss is 0.
    pub negatives: Option<Logits<'a, f32>>,
    /// `[rows, m]` without padding: a negative counts where this is true. `None`: all do. What does not count may hold
    /// anything, NaN included.
    pub mask: Option<&'a [bool]>,
}

impl Similarities<'_> {
    /// `n` rows from `start` on. Lengths were checked.
    fn range(&self, start: usize, n: usize) -> Self {
        let m = self.negatives.map_or(0, |x| x.columns());
        Self {
            positives: self.positives.get(start..start + n).unwrap_or_default(),
            negatives: self.negatives.map(|x| x.rows_from(start, n)),
            mask: self.mask.map(|x| x.get(start * m..(start + n) * m).unwrap_or_default()),
        }
    }
}

/// Where the results go; any may be left out.
#[derive(Debug, Default)]
pub struct InfoNceOutputs<'a> {
    /// Loss of each row: >= 0, to 0.51 ULP.
    pub losses: Option<&'a mut [f32]>,
    /// Derivative by the positive similarity, `-(1 - p+) / T`, to 0.51 ULP.
    pub grad_positives: Option<&'a mut [f32]>,
    /// Derivatives by the negative similarities, `p_j / T`, `[rows, m]`, to 0.51 ULP; 0 where masked.
    pub grad_negatives: Option<LogitsMut<'a, f32>>,
    /// Derivative by the temperature, `sum p_j (s+ - s_j) / T^2`, of each row: within half a ULP and 2^-32 of the sum of the terms'
    /// magnitudes.
    pub grad_temperature: Option<&'a mut [f32]>,
}

impl InfoNceOutputs<'_> {
    /// The first `n` rows of every output, and the others.
    fn split(self, n: usize) -> (Self, Self) {
        let cut = |x: Option<_>| x.and_then(|x: &mut [f32]| x.split_at_mut_checked(n)).unzip();
        let (losses, grad_positives, grad_temperature) =
            (cut(self.losses), cut(self.grad_positives), cut(self.grad_temperature));
        let grad_negatives = self.grad_negatives.map(|x| x.split(n)).unzip();
        (
            Self {
                losses: losses.0,
                grad_positives: grad_positives.0,
                grad_negatives: grad_negatives.0,
                grad_temperature: grad_temperature.0,
            },
            Self {
                losses: losses.1,
                grad_positives: grad_positives.1,
                grad_negatives: grad_negatives.1,
                grad_temperature: grad_temperature.1,
            },
        )
    }
}

/// Negatives that are gathered at a time where a mask leaves some out.
const GATHER: usize = 64;

impl Run {
    /// InfoNCE of every row. Returns how many rows' losses are not finite.
    ///
    /// A row's results depend on that row alone, and not on the order of its negatives (but for the last bits of the gradient
    /// by the temperature). A NaN or +inf that counts makes its row NaN; a negative of -inf is as good as masked.
    ///
    /// ```
    /// use preflane::Run;
    /// use preflane::contrastive::{InfoNceOutputs, Similarities};
    /// use preflane::logits::Logits;
    ///
    /// let negatives = Logits::new(&[0.5, -1.0, 0.25], 1, 3)?;
    /// let given = Similarities { positives: &[2.0], negatives: Some(negatives), mask: Some(&[true, true, false]) };
    /// let mut losses = [0.0];
    /// let outputs = InfoNceOutputs { losses: Some(&mut losses), ..Default::default() };
    /// Run::default().info_nce(given, 0.5, outputs)?;
    /// assert!((losses[0] - 0.0509458).abs() < 1e-7);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a temperature outside of 1e-12 to 1e12, [`Error::Length`] and [`Error::Threads`]; before anything
    /// is written.
    pub fn info_nce(
        self,
        similarities: Similarities<'_>,
        temperature: f64,
        outputs: InfoNceOutputs<'_>,
    ) -> Result<u64, Error> {
        Scaling::temperature(temperature)?;
        let Similarities { positives, negatives, mask } = similarities;
        let rows = positives.len();
        let m = negatives.map_or(0, |x| x.columns());
        if let Some(negatives) = negatives {
            check_length("rows of negatives", rows, negatives.rows())?;
        }
        if let Some(mask) = mask {
            check_length("mask", rows.saturating_mul(m), mask.len())?;
        }
        for (name, output) in [
            ("losses", &outputs.losses),
            ("grad_positives", &outputs.grad_positives),
            ("grad_temperature", &outputs.grad_temperature),
        ] {
            output.as_ref().map_or(Ok(()), |x| check_length(name, rows, x.len()))?;
        }
        if let Some(grads) = &outputs.grad_negatives {
            check_length("rows of grad_negatives", if m > 0 { rows } else { 0 }, grads.rows())?;
            check_length("columns of grad_negatives", m, if m > 0 { grads.columns() } else { 0 })?;
        }
        self.job(tasks(rows, m), |split| info_nce(self.backend(), split, similarities, temperature, outputs))?
    }
}

/// The work of [`Run::info_nce`], of arguments that were checked.
fn info_nce(
    backend: Backend,
    split: bool,
    similarities: Similarities<'_>,
    temperature: f64,
    mut outputs: InfoNceOutputs<'_>,
) -> Result<u64, Error> {
    let scaling = Scaling::temperature(temperature)?;
    let Similarities { positives, negatives, mask } = similarities;
    let (rows, m) = (positives.len(), negatives.map_or(0, |x| x.columns()));
    if split && tasks(rows, m) > 1 {
        let half = rows / 2;
        let (head, tail) = outputs.split(half);
        let (a, b) = (similarities.range(0, half), similarities.range(half, rows - half));
        let (a, b) =
            join(|| info_nce(backend, true, a, temperature, head), || info_nce(backend, true, b, temperature, tail));
        return Ok(a? + b?);
    }
    let mut nonfinite = 0;
    for (row, &positive) in positives.iter().enumerate() {
        let negatives = negatives.map_or(&[][..], |x| x.row(row));
        let mask = mask.and_then(|x| x.get(row * m..(row + 1) * m));
        let counts = |column: usize| mask.is_none_or(|x| x.get(column).copied().unwrap_or(false));
        let sum = log_sum_exp(backend, positive, negatives, mask, scaling)?;
        let loss = 0.0 - sum.logp(positive, &scaling);
        nonfinite += u64::from(!loss.is_finite());
        put(&mut outputs.losses, row, loss);
        put(&mut outputs.grad_positives, row, (sum.probability_less_one(positive, &scaling) / temperature) as f32);
        if let Some(grads) = outputs.grad_negatives.as_mut() {
            let (grads, _) = grads.row_and_padding(row);
            softmax_row(backend, negatives, grads, &scaling, sum, 1.0 / temperature);
            for (column, grad) in grads.iter_mut().enumerate() {
                if !counts(column) {
                    *grad = 0.0;
                }
            }
        }
        if outputs.grad_temperature.is_some() {
            let probability = Probability::new(sum, &scaling);
            let mut slope = 0.0;
            for (column, &negative) in negatives.iter().enumerate() {
                // One of -inf has no part in it.
                if counts(column) && (negative > f32::NEG_INFINITY || sum.is_nan()) {
                    slope += probability.value(negative) * (f64::from(positive) - f64::from(negative));
                }
            }
            put(&mut outputs.grad_temperature, row, (slope / temperature / temperature) as f32);
        }
    }
    Ok(nonfinite)
}

pub(super) fn put(to: &mut Option<&mut [f32]>, row: usize, value: f32) {
    if let Some(to) = to.as_mut().and_then(|to| to.get_mut(row)) {
        // Zeros are +0.
        *to = if value.is_nan() { NAN } else { value + 0.0 };
    }
}

/// The log-sum-exp of the positive and of the negatives that count.
fn log_sum_exp(
    backend: Backend,
    positive: f32,
    negatives: &[f32],
    mask: Option<&[bool]>,
    scaling: Scaling,
) -> Result<LogSumExp, Error> {
    let mut sum = RowSum::new(scaling);
    sum.add(backend, &[positive], None)?;
    let Some(mask) = mask else {
        sum.add(backend, negatives, None)?;
        return Ok(sum.log_sum_exp());
    };
    for (negatives, mask) in negatives.chunks(GATHER).zip(mask.chunks(GATHER)) {
        let mut gathered = [f32::NEG_INFINITY; GATHER];
        for ((to, &x), &counts) in gathered.iter_mut().zip(negatives).zip(mask) {
            if counts {
                *to = x;
            }
        }
        sum.add(backend, &gathered, None)?;
    }
    Ok(sum.log_sum_exp())
}
