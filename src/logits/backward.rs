//! From the gradient of the log-probabilities to that of the logits.

use super::certified::{BLOCK, Gradient as Certified, Way};
use super::element::{CHUNK, Columns};
use super::log_sum_exp::{LogSumExp, Logp};
use super::scaling::{Linear, Map, Visitor};
use super::terms::{Base, Softmax};
use super::{Element, Logits, LogitsMut, Scaling, Targets};
use crate::elementary::lanes::expm1;
use crate::error::check_length;
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes, MAX_LANES, Two, dispatch, dispatch_certified};
use crate::run::{join, tasks};
use crate::{Error, NAN, Run};
use core::marker::PhantomData;

/// How the gradient is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gradient {
    /// Adds to what is there, in `f64`, instead of overwriting it.
    pub accumulate: bool,
    /// Sets the padding beyond the columns to 0 instead of leaving it alone.
    pub zero_padding: bool,
}

/// The rows' log-sum-exps and the derivatives of the loss by the rows' log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Seeds<'a> {
    /// From [`Run::token_logps`] on the same logits with the same scaling.
    pub log_sum_exps: &'a [LogSumExp],
    /// The loss's derivative by every row's log-probability.
    pub grad_logps: &'a [f32],
}

impl Seeds<'_> {
    fn check(&self, rows: usize) -> Result<(), Error> {
        check_length("log_sum_exps", rows, self.log_sum_exps.len())?;
        check_length("grad_logps", rows, self.grad_logps.len())
    }

    fn range(&self, start: usize, n: usize) -> Self {
        Seeds {
            log_sum_exps: self.log_sum_exps.get(start..start + n).unwrap_or_default(),
            grad_logps: self.grad_logps.get(start..start + n).unwrap_or_default(),
        }
    }

    fn get(&self, row: usize) -> (LogSumExp, f32) {
        let sum = self.log_sum_exps.get(row).copied().unwrap_or(LogSumExp::NONE);
        (sum, self.grad_logps.get(row).copied().unwrap_or(NAN))
    }
}

impl Run {
    /// `dL/dx = dL/dlogp (onehot(target) - softmax(y)) dy/dx` of every row, into a matrix of its own.
    ///
    /// Within 0.51 ULP of `f32`, 0.501 ULP of bf16 and f16; the target's entry is `-dL/dlogp expm1(logp)`, accurate also
    /// for a token that is nearly certain. A masked row's gradient is 0 whatever its logits; a row without a log-sum-exp, or whose
    /// seed is not finite, gets NaN. A seed of 0 gives zeros.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Target`] and [`Error::Threads`], before anything is written.
    pub fn logits_grad<T: Element, G: Element>(
        self,
        logits: Logits<'_, T>,
        targets: Targets<'_>,
        scaling: &Scaling,
        seeds: Seeds<'_>,
        how: Gradient,
        grads: LogitsMut<'_, G>,
    ) -> Result<(), Error> {
        check(logits, targets, seeds, &grads)?;
        self.grads(Some(logits), targets, scaling, seeds, how, grads)
    }

    /// The gradient of [`logits_grad`](Run::logits_grad) in the place of the logits.
    ///
    /// ```
    /// use preflane::Run;
    /// use preflane::logits::{Labels, LogSumExp, LogitsMut, Scaling, Seeds, Targets, TokenOutputs};
    ///
    /// let (run, mut data) = (Run::default(), [0.0_f32, 0.0]);
    /// let targets = Targets::new(Labels::I32(&[0]));
    /// let logits = LogitsMut::new(&mut data, 1, 2)?;
    /// let mut sums = [LogSumExp::default()];
    /// let outputs = TokenOutputs { log_sum_exps: Some(&mut sums), ..Default::default() };
    /// run.token_logps(logits.view(), targets, &Scaling::NONE, outputs)?;
    /// // The loss is the negative log-probability.
    /// let seeds = Seeds { log_sum_exps: &sums, grad_logps: &[-1.0] };
    /// run.logits_grad_in_place(logits, targets, &Scaling::NONE, seeds, false)?;
    /// assert_eq!(data, [-0.5, 0.5]);
    /// # Ok::<(), preflane::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Target`] and [`Error::Threads`], before anything is written.
    pub fn logits_grad_in_place<T: Element>(
        self,
        logits: LogitsMut<'_, T>,
        targets: Targets<'_>,
        scaling: &Scaling,
        seeds: Seeds<'_>,
        zero_padding: bool,
    ) -> Result<(), Error> {
        check(logits.view(), targets, seeds, &logits)?;
        self.grads::<T, T>(None, targets, scaling, seeds, Gradient { accumulate: false, zero_padding }, logits)
    }

    /// In place if no logits are given. Arguments were checked.
    pub(crate) fn grads<T: Element, G: Element>(
        self,
        logits: Option<Logits<'_, T>>,
        targets: Targets<'_>,
        scaling: &Scaling,
        seeds: Seeds<'_>,
        how: Gradient,
        grads: LogitsMut<'_, G>,
    ) -> Result<(), Error> {
        self.job(tasks(grads.rows(), grads.columns()), |split| {
            self::grads(self.backend(), split, logits, targets, scaling, seeds, how, grads);
        })
    }
}

fn check<T: Element, G: Element>(
    logits: Logits<'_, T>,
    targets: Targets<'_>,
    seeds: Seeds<'_>,
    grads: &LogitsMut<'_, G>,
) -> Result<(), Error> {
    targets.check(logits.rows(), logits.columns())?;
    seeds.check(logits.rows())?;
    check_length("rows of grads", logits.rows(), grads.rows())?;
    check_length("columns of grads", logits.columns(), grads.columns())
}

/// The work of [`Run::grads`] within a job.
#[expect(clippy::too_many_arguments, reason = "each is one of the computation's")]
pub(crate) fn grads<T: Element, G: Element>(
    backend: Backend,
    split: bool,
    logits: Option<Logits<'_, T>>,
    targets: Targets<'_>,
    scaling: &Scaling,
    seeds: Seeds<'_>,
    how: Gradient,
    mut grads: LogitsMut<'_, G>,
) {
    let rows = grads.rows();
    if split && tasks(rows, grads.columns()) > 1 {
        let half = rows / 2;
        let (head, tail) = grads.split(half);
        let part = |start, n| (logits.map(|x| x.rows_from(start, n)), targets.range(start, n), seeds.range(start, n));
        let (a, b) = (part(0, half), part(half, rows - half));
        join(
            || self::grads(backend, true, a.0, a.1, scaling, a.2, how, head),
            || self::grads(backend, true, b.0, b.1, scaling, b.2, how, tail),
        );
        return;
    }
    for row in 0..rows {
        let (out, padding) = grads.row_and_padding(row);
        let (sum, seed) = seeds.get(row);
        let (from, target) = (logits.map(|x| T::columns(x.row(row))), targets.column(row));
        G::gradient(backend, Row { from, out, scaling, target, sum, seed, accumulate: how.accumulate });
        if how.zero_padding {
            padding.fill(G::narrowed(0.0));
        }
    }
}

/// One row's gradient; `from` is where the logits are if not in `out`.
pub struct Row<'a, G> {
    from: Option<Columns<'a>>,
    out: &'a mut [G],
    scaling: &'a Scaling,
    target: Option<usize>,
    sum: LogSumExp,
    seed: f32,
    accumulate: bool,
}

impl<'a, G: Element> Row<'a, G> {
    /// Runs the certified kernel, if there is one for this row and back end.
    #[inline(always)]
    pub fn certified(self, backend: Backend) -> Result<(), Self> {
        match self.scaling.linear() {
            Some(scale) if HAS_WIDE && !G::IS_F32 && !self.accumulate => {
                dispatch_certified(backend, CertifiedRow { row: self, scale }).map_err(|kernel| kernel.row)
            }
            _ => Err(self),
        }
    }

    /// What is left to do once rows that are constant are done.
    #[inline(always)]
    fn rest<L: Lanes, const CERTIFIED: bool>(self) -> Option<OverLanes<'a, G, L, CERTIFIED>> {
        let Self { from, out, target, sum, seed, accumulate, .. } = self;
        let constant = match target {
            None => Some(0.0),
            Some(_) if sum.is_nan() || !seed.is_finite() => Some(NAN),
            Some(_) if seed == 0.0 => Some(0.0),
            Some(_) => None,
        };
        match constant {
            Some(0.0) if accumulate => None,
            Some(value) => {
                out.fill(G::narrowed(value));
                None
            }
            None => Some(OverLanes {
                from,
                out,
                target: target.unwrap_or(0),
                sum,
                seed: seed.into(),
                accumulate,
                lanes: PhantomData,
            }),
        }
    }
}

impl<G: Element> Kernel for Row<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let scaling = self.scaling;
        if let Some(rest) = self.rest::<L, false>() {
            scaling.visit(rest);
        }
    }
}

/// A row without a soft cap that is overwritten.
struct CertifiedRow<'a, G> {
    row: Row<'a, G>,
    scale: f64,
}

impl<G: Element> Kernel for CertifiedRow<'_, G> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { row, scale } = self;
        if let Some(rest) = row.rest::<L, true>() {
            rest.visit(Linear { scale });
        }
    }
}

struct OverLanes<'a, G, L, const CERTIFIED: bool> {
    from: Option<Columns<'a>>,
    out: &'a mut [G],
    target: usize,
    sum: LogSumExp,
    seed: f64,
    accumulate: bool,
    lanes: PhantomData<L>,
}

impl<G: Element, L: Lanes, const CERTIFIED: bool> Visitor for OverLanes<'_, G, L, CERTIFIED> {
    type Output = ();

    #[inline(always)]
    fn visit<M: Map>(self, map: M) {
        let Self { from, out, target, sum, seed, accumulate, .. } = self;
        let base = Base::new(map.scale());
        let seed = seed * map.slope();
        let softmax = Softmax::new(&base, map.map(sum.max.into()), sum.rest, 0.0 - seed);
        let certified = if CERTIFIED { Certified::new::<G>(map.scale(), &sum, 0.0 - seed) } else { None };
        // The target's entry, before its logit is overwritten.
        let logit = match from {
            Some(x) => x.value(target),
            None => out.get(target).map(|x| x.widened()),
        };
        let logit = logit.unwrap_or(NAN);
        let before = out.get(target).filter(|_| accumulate).map_or(0.0, |x| x.widened().into());
        let logp = Logp { sum, logit }.visit(map);
        let shape = map.shape(f64::from(logit)).unwrap_or(1.0);
        // Far below -150 e^logp - 1 is -1.
        let entry = before - expm1::<f64>(logp) * (seed * shape);

        let (mut from_buffer, mut out_buffer) = ([0.0; CHUNK], [0.0; CHUNK]);
        let mut start = 0;
        while start < out.len() {
            let n = CHUNK.min(out.len() - start);
            let Some((done, rest)) = out.get_mut(start..).and_then(|x| x.split_at_mut_checked(n)) else { return };
            let next = rest.get(..CHUNK.min(rest.len())).unwrap_or_default();
            let mut decided = false;
            if let Some(certified) = &certified {
                let x = match from {
                    Some(x) => x.chunk(start, n, &mut from_buffer).0,
                    None => {
                        from_buffer.iter_mut().zip(&*done).for_each(|(to, x)| *to = x.widened());
                        from_buffer.get(..n).unwrap_or_default()
                    }
                };
                decided = certified_chunk::<G, M, L>(map, &softmax, certified, x, done);
            }
            match from {
                _ if decided => {}
                Some(x) => {
                    let (x, next) = x.chunk(start, n, &mut from_buffer);
                    chunk::<G, M, L, f32>(map, &softmax, Some(x), done, &mut out_buffer, accumulate, next);
                }
                None => chunk::<G, M, L, G>(map, &softmax, None, done, &mut out_buffer, false, next),
            }
            start += n;
        }
        if let Some(out) = out.get_mut(target) {
            *out = G::narrowed(if entry.is_nan() || logp.is_nan() { NAN } else { entry as f32 + 0.0 });
        }
    }
}

/// At most [`CHUNK`] columns by the certified kernel; false if they are not for it.
#[inline(always)]
fn certified_chunk<G: Element, M: Map, L: Lanes>(
    map: M,
    softmax: &Softmax,
    certified: &Certified,
    x: &[f32],
    out: &mut [G],
) -> bool {
    let way = certified.way::<L::Singles>(x);
    if way == Way::Definition {
        return false;
    }
    for (out, x) in out.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
        let certain = match way {
            _ if out.len() < BLOCK => false,
            Way::Ordinary => certified.block::<L::Singles, G, false>(x, out),
            _ => certified.block::<L::Singles, G, true>(x, out),
        };
        if !certain {
            let mut wide = [0.0; BLOCK];
            let wide = wide.get_mut(..out.len()).unwrap_or_default();
            values::<M, Two<L>, f32, false>(map, softmax, Some(x), wide, false, &[]);
            out.iter_mut().zip(&*wide).for_each(|(out, wide)| *out = G::narrowed(*wide));
        }
    }
    true
}

/// `factor softmax(y)` of a row whose log-sum-exp may have been taken with more columns. NaN where there is none.
pub(crate) fn softmax_row(
    backend: Backend,
    x: &[f32],
    out: &mut [f32],
    scaling: &Scaling,
    sum: LogSumExp,
    factor: f64,
) {
    dispatch(backend, SoftmaxRow { x, out, scaling, sum, factor });
}

struct SoftmaxRow<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    scaling: &'a Scaling,
    sum: LogSumExp,
    factor: f64,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { x, out, scaling, sum, factor } = self;
        if sum.is_nan() {
            return out.fill(NAN);
        }
        scaling.visit(SoftmaxOverLanes::<'_, L> { x, out, sum, factor, lanes: PhantomData });
    }
}

struct SoftmaxOverLanes<'a, L> {
    x: &'a [f32],
    out: &'a mut [f32],
    sum: LogSumExp,
    factor: f64,
    lanes: PhantomData<L>,
}

impl<L: Lanes> Visitor for SoftmaxOverLanes<'_, L> {
    type Output = ();
    #[inline(always)]
    fn visit<M: Map>(self, map: M) {
        let Self { x, out, sum, factor, .. } = self;
        let softmax = Softmax::new(&Base::new(map.scale()), map.map(sum.max.into()), sum.rest, factor);
        values::<M, L, f32, true>(map, &softmax, Some(x), out, false, &[]);
    }
}

/// At most [`CHUNK`] columns; the logits are in `out` if `x` is not given.
#[inline(always)]
fn chunk<G: Element, M: Map, L: Lanes, N>(
    map: M,
    softmax: &Softmax,
    x: Option<&[f32]>,
    out: &mut [G],
    buffer: &mut [f32; CHUNK],
    accumulate: bool,
    next: &[N],
) {
    let n = out.len();
    if let Some(out) = G::as_f32(out) {
        return values::<M, Two<L>, N, true>(map, softmax, x, out, accumulate, next);
    }
    let Some(wide) = buffer.get_mut(..n) else { return };
    if accumulate || x.is_none() {
        for (wide, out) in wide.iter_mut().zip(&*out) {
            *wide = out.widened();
        }
    }
    values::<M, Two<L>, N, false>(map, softmax, x, wide, accumulate, next);
    for (out, wide) in out.iter_mut().zip(&*wide) {
        *out = G::narrowed(*wide);
    }
}

/// `LAST`: nothing rounds them again, and zeros become +0.
#[inline(always)]
fn values<M: Map, L: Lanes, N, const LAST: bool>(
    map: M,
    softmax: &Softmax,
    x: Option<&[f32]>,
    out: &mut [f32],
    accumulate: bool,
    next: &[N],
) {
    let whole = out.len() - out.len() % L::N;
    let mut at = 0;
    let mut sum = L::splat(0.0);
    for block in out.chunks_exact_mut(L::N) {
        L::prefetch(next, at);
        let before = L::load(block, 0);
        let logits = match x {
            Some(x) => L::load(x, at),
            None => before,
        };
        let value = value(map, softmax, logits, accumulate.then_some(before));
        if LAST {
            value.store_result(block, 0);
        } else {
            value.store(block, 0);
        }
        sum = sum + value;
        at += L::N;
    }
    if let Some(tail) = out.get_mut(whole..).filter(|x| !x.is_empty()) {
        let mut before = [0.0; 2 * MAX_LANES];
        before.iter_mut().zip(&*tail).for_each(|(to, x)| *to = *x);
        let given = x.map_or(&*tail, |x| x.get(whole..).unwrap_or_default());
        // Filled up with one of the row's own: another's softmax might overflow.
        let mut logits = [given.first().copied().unwrap_or(0.0); 2 * MAX_LANES];
        logits.iter_mut().zip(given).for_each(|(to, x)| *to = *x);
        let before_lanes = if accumulate { Some(L::load(&before, 0)) } else { None };
        let value = value(map, softmax, L::load(&logits, 0), before_lanes);
        value.store_result(&mut before, 0);
        sum = sum + value;
        tail.iter_mut().zip(&before).for_each(|(to, x)| *to = *x);
    }
    // Of NaN in what was there, or in logits that the log-sum-exp is not of: one NaN on every CPU.
    if sum.sum().is_nan() {
        out.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = NAN);
    }
}

/// `-seed softmax dy/dx`, added to what was there.
#[inline(always)]
fn value<M: Map, L: Lanes>(map: M, softmax: &Softmax, x: L, before: Option<L>) -> L {
    let mut value = softmax.value(softmax.sixteenths(map.map(x)));
    if let Some(shape) = map.shape(x) {
        value = value * shape;
    }
    match before {
        Some(before) => before + value,
        None => value,
    }
}
