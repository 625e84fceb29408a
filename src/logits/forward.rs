//! Token log-probabilities of a matrix of logits.

use super::log_sum_exp::LogSumExp;
use super::statistics::Statistics;
use super::{Element, Logits, Scaling, Targets};
use crate::error::check_length;
use crate::lanes::Backend;
use crate::run::{join, tasks};
use crate::{Error, ExactSum, Run};

/// Where the results go, one a row; any of them may be left out. A masked row gets 0 everywhere.
///
/// What goes beyond the first two costs a second look at each row, which is in cache by then.
#[derive(Debug, Default)]
pub struct TokenOutputs<'a> {
    /// The target's log-probability in nats: <= 0, to 0.51 ULP. NaN for a row with NaN, +inf or only -inf.
    pub logps: Option<&'a mut [f32]>,
    /// The row's log-sum-exp, which the gradient takes.
    pub log_sum_exps: Option<&'a mut [LogSumExp]>,
    /// The entropy `-sum p ln p` in nats, to 0.51 ULP.
    pub entropies: Option<&'a mut [f32]>,
    /// The logarithm `ln sum p^2`, to 0.51 ULP: what WPO's weights need (arXiv 2406.11827).
    pub log_sum_squares: Option<&'a mut [f32]>,
    /// The mean of the row's logits as given, correctly rounded.
    pub mean_logits: Option<&'a mut [f32]>,
    /// Whether the target is the row's largest logit, the first of equals.
    pub top1: Option<&'a mut [bool]>,
}

/// What was found on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct TokenCounts {
    /// Rows with a target.
    pub tokens: u64,
    /// Rows without a target.
    pub masked: u64,
    /// Rows with a target whose log-probability is not finite: NaN, or -inf of a masked column.
    pub nonfinite: u64,
}

impl TokenCounts {
    /// Adds the counts of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.masked += other.masked;
        self.nonfinite += other.nonfinite;
    }
}

impl TokenOutputs<'_> {
    fn check(&self, rows: usize) -> Result<(), Error> {
        let check = |name, length: Option<usize>| length.map_or(Ok(()), |n| check_length(name, rows, n));
        check("logps", self.logps.as_ref().map(|x| x.len()))?;
        check("log_sum_exps", self.log_sum_exps.as_ref().map(|x| x.len()))?;
        check("entropies", self.entropies.as_ref().map(|x| x.len()))?;
        check("log_sum_squares", self.log_sum_squares.as_ref().map(|x| x.len()))?;
        check("mean_logits", self.mean_logits.as_ref().map(|x| x.len()))?;
        check("top1", self.top1.as_ref().map(|x| x.len()))
    }

    /// The first `n` elements of every output, and the others.
    fn split(self, n: usize) -> (Self, Self) {
        fn cut<T>(x: Option<&mut [T]>, n: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
            x.and_then(|x| x.split_at_mut_checked(n)).map_or((None, None), |(a, b)| (Some(a), Some(b)))
        }
        let logps = cut(self.logps, n);
        let log_sum_exps = cut(self.log_sum_exps, n);
        let entropies = cut(self.entropies, n);
        let log_sum_squares = cut(self.log_sum_squares, n);
        let mean_logits = cut(self.mean_logits, n);
        let top1 = cut(self.top1, n);
        let head = TokenOutputs {
            logps: logps.0,
            log_sum_exps: log_sum_exps.0,
            entropies: entropies.0,
            log_sum_squares: log_sum_squares.0,
            mean_logits: mean_logits.0,
            top1: top1.0,
        };
        let tail = TokenOutputs {
            logps: logps.1,
            log_sum_exps: log_sum_exps.1,
            entropies: entropies.1,
            log_sum_squares: log_sum_squares.1,
            mean_logits: mean_logits.1,
            top1: top1.1,
        };
        (head, tail)
    }
}

impl Run {
    /// The target's log-probability of every row, and what else is asked for.
    ///
    /// A row's results depend on that row alone: not on its place, the other rows, the stride, the padding or where this runs.
    /// -inf is a masked column. bf16 and f16 logits count with their exact values.
    ///
    /// ```
    /// use preflane::Run;
    /// use preflane::logits::{Labels, Logits, Scaling, Targets, TokenOutputs};
    ///
    /// let logits = Logits::new(&[0.0_f32, 0.0, 3.0, 3.0], 2, 2)?;
    /// let targets = Targets::new(Labels::I32(&[0, -100]));
    /// let mut logps = [0.0; 2];
    /// let outputs = TokenOutputs { logps: Some(&mut logps), ..Default::default() };
    /// let counts = Run::default().token_logps(logits, targets, &Scaling::NONE, outputs)?;
    /// assert_eq!((logps, counts.masked), ([-core::f32::consts::LN_2, 0.0], 1));
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Target`] and [`Error::Threads`], before anything is written.
    pub fn token_logps<T: Element>(
        self,
        logits: Logits<'_, T>,
        targets: Targets<'_>,
        scaling: &Scaling,
        outputs: TokenOutputs<'_>,
    ) -> Result<TokenCounts, Error> {
        targets.check(logits.rows(), logits.columns())?;
        outputs.check(logits.rows())?;
        self.job(tasks(logits.rows(), logits.columns()), |split| {
            token_logps(self.backend(), split, logits, targets, scaling, outputs)
        })
    }
}

/// The work of [`Run::token_logps`], of arguments that were checked.
pub(crate) fn token_logps<T: Element>(
    backend: Backend,
    split: bool,
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    outputs: TokenOutputs<'_>,
) -> TokenCounts {
    let rows = logits.rows();
    if !split || tasks(rows, logits.columns()) <= 1 {
        return rows_of(backend, logits, targets, scaling, outputs);
    }
    let half = rows / 2;
    let (head, tail) = outputs.split(half);
    let part = |start, n| (logits.rows_from(start, n), targets.range(start, n));
    let (a, b) = (part(0, half), part(half, rows - half));
    let (mut counts, more) = join(
        || token_logps(backend, true, a.0, a.1, scaling, head),
        || token_logps(backend, true, b.0, b.1, scaling, tail),
    );
    counts.merge(&more);
    counts
}

fn rows_of<T: Element>(
    backend: Backend,
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    scaling: &Scaling,
    mut outputs: TokenOutputs<'_>,
) -> TokenCounts {
    fn put<T>(to: &mut Option<&mut [T]>, row: usize, value: T) {
        if let Some(to) = to.as_mut().and_then(|to| to.get_mut(row)) {
            *to = value;
        }
    }
    let mut counts = TokenCounts::default();
    for row in 0..logits.rows() {
        let x = logits.row(row);
        let target = targets.column(row).and_then(|column| Some((column, x.get(column)?.widened())));
        let Some((column, logit)) = target else {
            counts.masked += 1;
            put(&mut outputs.logps, row, 0.0);
            put(&mut outputs.log_sum_exps, row, LogSumExp::default());
            put(&mut outputs.entropies, row, 0.0);
            put(&mut outputs.log_sum_squares, row, 0.0);
            put(&mut outputs.mean_logits, row, 0.0);
            put(&mut outputs.top1, row, false);
            continue;
        };
        let sum = LogSumExp::of(backend, x, scaling);
        let logp = sum.logp(logit, scaling);
        counts.tokens += 1;
        counts.nonfinite += u64::from(!logp.is_finite());
        put(&mut outputs.logps, row, logp);
        put(&mut outputs.log_sum_exps, row, sum);
        if outputs.entropies.is_some() || outputs.log_sum_squares.is_some() {
            let statistics = Statistics::of(backend, x, sum, scaling);
            put(&mut outputs.entropies, row, statistics.entropy);
            put(&mut outputs.log_sum_squares, row, statistics.log_sum_squares);
        }
        if outputs.mean_logits.is_some() {
            put(&mut outputs.mean_logits, row, mean(x));
        }
        if outputs.top1.is_some() {
            let first = x.iter().take(column).all(|x| x.widened() < logit);
            put(&mut outputs.top1, row, !sum.is_nan() && logit == sum.max && first);
        }
    }
    counts
}

/// The mean of some logits.
fn mean<T: Element>(x: &[T]) -> f32 {
    let mut sum = ExactSum::new();
    x.iter().for_each(|x| sum.add(x.widened()));
    sum.mean(x.len() as u64)
}
