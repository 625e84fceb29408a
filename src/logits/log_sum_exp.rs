//! The log-sum-exp of a row, whole or in pieces.

use super::certified;
use super::element::{CHUNK, Element};
use super::scaling::{Map, Scaling, Visitor};
use super::terms::{Base, GIANT};
use super::total::{Sum, Total};
use crate::elementary::lanes::{expm1, log1p};
use crate::lanes::{Backend, HAS_WIDE, Kernel, Lanes};
use crate::{Error, NAN};
use core::marker::PhantomData;

/// A row's log-sum-exp, kept in two parts so that the log-probability of a token that is nearly certain keeps its
/// relative accuracy, and so does its gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct LogSumExp {
    /// The log-sum-exp less the largest scaled logit: >= 0; NaN for a row that has none. It is rounded to 34 significant
    /// bits, 35 from 16 on.
    pub rest: f64,
    /// The largest logit, as it was given.
    pub max: f32,
    /// Always 0: no padding.
    pub reserved: u32,
}

impl LogSumExp {
    /// What stands for the log-sum-exp of a row with NaN or +inf, or with nothing but -inf.
    pub(super) const NONE: Self = Self { rest: f64::NAN, max: NAN, reserved: 0 };

    /// The log-sum-exp of one row.
    pub fn of<T: Element>(backend: Backend, row: &[T], scaling: &Scaling) -> Self {
        if HAS_WIDE
            && let Some(scale) = scaling.linear()
            && let Some(certified) = T::certified(backend, certified::Row { row, scale })
        {
            return certified;
        }
        T::part(backend, row, scaling).finish(scaling)
    }

    /// Whether the row has none: NaN or +inf among its logits, or nothing but -inf.
    pub fn is_nan(&self) -> bool {
        self.rest.is_nan()
    }

    /// Whether some row could have given it: bytes from elsewhere may be anything.
    #[cfg(feature = "capi")]
    pub(crate) fn is_sound(&self) -> bool {
        self.is_nan() || (self.rest >= 0.0 && self.rest < f64::INFINITY && self.max.is_finite())
    }

    /// The log-sum-exp of the scaled logits, in nats.
    pub fn value(&self, scaling: &Scaling) -> f64 {
        if self.is_nan() { NAN.into() } else { scaling.visit(Apply(self.max.into())) + self.rest }
    }

    /// The log-probability of a column by its logit: <= 0, to 0.51 ULP.
    pub fn logp(&self, logit: f32, scaling: &Scaling) -> f32 {
        // A tiny one rounds to +0, the log-probability of certainty.
        self.logp_f64(logit, scaling) as f32 + 0.0
    }

    /// The same before rounding.
    pub(crate) fn logp_f64(&self, logit: f32, scaling: &Scaling) -> f64 {
        scaling.visit(Logp { sum: *self, logit })
    }

    /// The probability less 1, to 2^-36 of itself.
    pub(crate) fn probability_less_one(&self, logit: f32, scaling: &Scaling) -> f64 {
        let logp = self.logp_f64(logit, scaling);
        if logp.is_nan() { logp } else { expm1(logp) }
    }
}

struct Apply(f64);
impl Visitor for Apply {
    type Output = f64;
    fn visit<M: Map>(self, map: M) -> f64 {
        map.map(self.0) * map.scale()
    }
}

/// The log-probability of a logit, before rounding.
pub(super) struct Logp {
    pub sum: LogSumExp,
    pub logit: f32,
}

impl Visitor for Logp {
    type Output = f64;
    #[inline(always)]
    fn visit<M: Map>(self, map: M) -> f64 {
        let v = map.map(f64::from(self.logit));
        let logp = (v - map.map(f64::from(self.sum.max))) * map.scale() - self.sum.rest;
        if logp.is_nan() { NAN.into() } else { logp }
    }
}

/// A row's log-sum-exp in the making, from chunks or shards of its columns in any order: the same bits as from the
/// whole row. Plain data of a fixed size.
///
/// ```
/// use preflane::Backend;
/// use preflane::logits::{RowSum, Scaling};
///
/// // A row of four logits in two shards; the second one holds the target.
/// let backend = Backend::detect();
/// let (mut one, mut other) = (RowSum::new(Scaling::NONE), RowSum::new(Scaling::NONE));
/// one.add(backend, &[0.0_f32, 0.0], None)?;
/// other.add(backend, &[0.0_f32, 0.0], Some(1))?;
/// one.merge(&other);
/// assert_eq!(one.token_logp()?, -2.0 * core::f32::consts::LN_2);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSum {
    scaling: Scaling,
    part: Part,
    target: Option<f32>,
}

impl RowSum {
    /// No columns yet.
    pub const fn new(scaling: Scaling) -> Self {
        Self { scaling, part: Part::NONE, target: None }
    }

    /// Adds columns. `target` is the place of the row's target among them, if it is there.
    ///
    /// # Errors
    /// [`Error::Target`] (with row 0) for a place beyond the columns given, [`Error::Parameter`] for a target where columns
    /// before held it: a row has one. Nothing is added then.
    pub fn add<T: Element>(&mut self, backend: Backend, columns: &[T], target: Option<usize>) -> Result<(), Error> {
        if let Some(place) = target {
            let logit =
                columns.get(place).ok_or(Error::Target { row: 0, label: place as i64, columns: columns.len() })?;
            if self.target.is_some() {
                let requirement = "given once a row: columns before held the target";
                return Err(Error::Parameter { name: "target", value: place as f64, requirement });
            }
            self.target = Some(logit.widened());
        }
        let part = T::part(backend, columns, &self.scaling);
        self.scaling.visit(Merge { into: &mut self.part, part });
        Ok(())
    }

    /// Adds the columns of another shard, summed with the same scaling. If both held a target, which is a mistake, this one's
    /// stays.
    pub fn merge(&mut self, other: &Self) {
        self.scaling.visit(Merge { into: &mut self.part, part: other.part });
        self.target = self.target.or(other.target);
    }

    /// The log-sum-exp of the columns so far.
    pub fn log_sum_exp(&self) -> LogSumExp {
        self.part.finish(&self.scaling)
    }

    /// The log-probability of the target.
    ///
    /// # Errors
    /// [`Error::NoTarget`] if no columns added held it.
    pub fn token_logp(&self) -> Result<f32, Error> {
        let logit = self.target.ok_or(Error::NoTarget)?;
        Ok(self.log_sum_exp().logp(logit, &self.scaling))
    }
}

/// A row's log-sum-exp in the making ([`RowSum`]) as plain bytes of a fixed size, to be kept, sent or merged elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct RowSumState {
    /// The temperature of the scaling that the row began with.
    pub temperature: f64,
    /// The logit scale of that scaling.
    pub logit_scale: f64,
    /// The soft cap of that scaling; 0: none.
    pub soft_cap: f64,
    /// The window of the total of the other logits: it says what the integers count.
    pub window: i64,
    /// The higher integer of the total, 64 bits at a time, the lower first.
    pub high: [u64; 2],
    /// The lower integer of the total, 64 bits at a time, the lower first.
    pub low: [u64; 2],
    /// How many others equal the largest, where only those count.
    pub ties: u64,
    /// The largest logit.
    pub max: f32,
    /// The target's logit.
    pub target: f32,
    /// 1: there is a target. 2: NaN or +inf was among the logits.
    pub flags: u32,
    /// Always 0.
    pub reserved: u32,
}

const HAS_TARGET: u32 = 1;
const BROKEN: u32 = 2;

impl RowSum {
    /// The state as plain bytes.
    pub fn state(&self) -> RowSumState {
        let halves = |x: i128| [x as u64, (x >> 64) as u64];
        let (temperature, logit_scale, soft_cap) = self.scaling.parts();
        RowSumState {
            temperature,
            logit_scale,
            soft_cap: soft_cap.unwrap_or(0.0),
            window: self.part.others.window,
            high: halves(self.part.others.high),
            low: halves(self.part.others.low),
            ties: self.part.ties,
            max: self.part.max,
            target: self.target.unwrap_or(0.0),
            flags: if self.target.is_some() { HAS_TARGET } else { 0 } | if self.part.broken { BROKEN } else { 0 },
            reserved: 0,
        }
    }

    /// From plain bytes; `None` if no [`state`](Self::state) could have given them.
    pub fn restore(state: &RowSumState) -> Option<Self> {
        let whole = |[low, high]: [u64; 2]| i128::from(high as i64) << 64 | i128::from(low);
        let soft_cap = (state.soft_cap != 0.0).then_some(state.soft_cap);
        let scaling = Scaling::new(state.temperature, state.logit_scale, soft_cap).ok()?;
        let others = Total { window: state.window, high: whole(state.high), low: whole(state.low) };
        let broken = state.flags & BROKEN != 0;
        let sound = state.flags <= (HAS_TARGET | BROKEN)
            && state.reserved == 0
            && others.is_plausible()
            && state.max < f32::INFINITY
            && state.ties < 1 << 60
            // The target is one of the logits.
            && (broken || state.flags & HAS_TARGET == 0 || state.target <= state.max);
        let target = (state.flags & HAS_TARGET != 0).then_some(state.target);
        sound.then_some(Self { scaling, part: Part { max: state.max, broken, others, ties: state.ties }, target })
    }

    /// Whether columns so far held the target.
    #[cfg(feature = "capi")]
    pub(crate) fn has_target(&self) -> bool {
        self.target.is_some()
    }

    /// Whether another one has the same scaling, and may be merged.
    pub fn scales_like(&self, other: &Self) -> bool {
        self.scaling == other.scaling
    }
}

/// What some columns of a row come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// The largest logit; -inf if there is none.
    max: f32,
    /// NaN or +inf was among them.
    broken: bool,
    /// The exponentials of the others.
    others: Total,
    /// How many others equal the largest, where it is so large that only those count.
    ties: u64,
}

impl Part {
    const NONE: Self = Self { max: f32::NEG_INFINITY, broken: false, others: Total::EMPTY, ties: 0 };
    const BROKEN: Self = Self { broken: true, ..Self::NONE };

    fn finish(&self, scaling: &Scaling) -> LogSumExp {
        if self.broken || self.max == f32::NEG_INFINITY {
            return LogSumExp::NONE;
        }
        LogSumExp { rest: on_grid(scaling.visit(Rest(self))), max: self.max, reserved: 0 }
    }
}

/// From here on [`on_grid`] keeps a bit more.
const GRID_END: f64 = 16.0;

/// Rounded to 34 significant bits, 35 from 16 on (the same steps as from 8 on), to the nearest, ties to even: at most 2^-31 away,
/// which is 2^-7 ULP of a gradient. So an approximation from other operations than those here can be known to give the same bits.
pub(super) fn on_grid(rest: f64) -> f64 {
    let dropped = if rest < GRID_END { 53 - 34 } else { 53 - 35 };
    let bits = rest.to_bits();
    let even = bits >> dropped & 1;
    let rounded = bits.wrapping_add((1 << (dropped - 1)) - 1 + even);
    f64::from_bits(rounded >> dropped << dropped)
}

/// What [`on_grid`] rounds, of a row by the definition.
#[cfg(test)]
pub(super) fn rest_off_grid(row: &[f32], scaling: &Scaling) -> f64 {
    use super::element::sealed::Sealed;
    scaling.visit(Rest(&f32::part(Backend::SCALAR, row, scaling)))
}

/// Merges two parts.
struct Merge<'a> {
    into: &'a mut Part,
    part: Part,
}

impl Visitor for Merge<'_> {
    type Output = ();
    fn visit<M: Map>(self, map: M) {
        let base = Base::new(map.scale());
        let (a, b) = (*self.into, self.part);
        let (large, small) = if a.max >= b.max { (a, b) } else { (b, a) };
        let mut merged = large;
        merged.broken = a.broken | b.broken;
        if merged.broken {
            merged = Part::BROKEN;
        } else if is_giant(&base, map, large.max) {
            let more = if small.max == large.max { small.ties.saturating_add(1) } else { 0 };
            merged.ties = merged.ties.saturating_add(more);
        } else if small.max > f32::NEG_INFINITY && !is_giant(&base, map, small.max) {
            merged.others.merge(small.others);
            let window = base.window(map.map(small.max.into()));
            merged.others.merge(Total::one(&base, map, small.max, window));
        }
        *self.into = merged;
    }
}

/// Whether only logits equal to this one count beside it.
fn is_giant<M: Map>(base: &Base, map: M, x: f32) -> bool {
    base.y(map.map(x.into())).abs() >= GIANT
}

/// [`LogSumExp::rest`]: `ln(1 + others / largest)`.
struct Rest<'a>(&'a Part);

impl Visitor for Rest<'_> {
    type Output = f64;
    fn visit<M: Map>(self, map: M) -> f64 {
        let Part { max, others, ties, .. } = *self.0;
        let base = Base::new(map.scale());
        if is_giant(&base, map, max) {
            return log1p(ties as f64);
        }
        let v = map.map(f64::from(max));
        let window = base.window(v);
        let largest = base.term(v, window, base.is_wide(v));
        // The others' unit against the largest's window; far below the least f32 it no longer matters.
        let exponent = super::terms::WINDOW.saturating_mul(others.window - 1 - window);
        if exponent < -1000 {
            return 0.0;
        }
        let unit = f64::from_bits(((1023 + exponent) as u64) << 52);
        log1p(others.units() / largest * unit)
    }
}

/// The range of some logits as integers in the order of the numbers: plain code that the compiler makes vectors of.
struct Range {
    least: i32,
    most: i32,
}

/// The key of a float; its own inverse.
#[inline(always)]
fn key(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & 0x7fff_ffff)
}

impl Range {
    #[inline(always)]
    fn of(x: &[f32]) -> Self {
        let (mut least, mut most) = (i32::MAX, i32::MIN);
        for x in x {
            let key = key(x.to_bits() as i32);
            least = least.min(key);
            most = most.max(key);
        }
        Self { least, most }
    }

    /// No NaN, no +inf.
    #[inline(always)]
    fn is_sound(&self) -> bool {
        self.most < key(f32::INFINITY.to_bits() as i32) && self.least >= key(f32::NEG_INFINITY.to_bits() as i32)
    }

    /// The least logit.
    #[inline(always)]
    fn min(&self) -> f32 {
        f32::from_bits(key(self.least) as u32)
    }

    /// The largest logit; +0 for either zero.
    #[inline(always)]
    fn max(&self) -> f32 {
        f32::from_bits(key(self.most) as u32) + 0.0
    }
}

/// Sums a row's columns.
pub(super) struct Row<'a, T> {
    pub row: &'a [T],
    pub scaling: &'a Scaling,
}

impl<T: Element> Kernel for Row<'_, T> {
    type Output = Part;
    #[inline(always)]
    fn run<L: Lanes>(self) -> Part {
        self.scaling.visit(OverLanes::<'_, T, L> { row: self.row, lanes: PhantomData })
    }
}

struct OverLanes<'a, T, L> {
    row: &'a [T],
    lanes: PhantomData<L>,
}

impl<T: Element, L: Lanes> Visitor for OverLanes<'_, T, L> {
    type Output = Part;

    #[inline(always)]
    fn visit<M: Map>(self, map: M) -> Part {
        let row = self.row;
        let base = Base::new(map.scale());
        let mut buffer = [0.0; CHUNK];
        let mut part = Part::NONE;
        let mut sum = Sum { base, map, window: Total::EMPTY.window, wide: false, most: f32::INFINITY };
        let mut giant = false;
        for (i, chunk) in row.chunks(CHUNK).enumerate() {
            let x = T::widen(chunk, &mut buffer);
            let range = Range::of(x);
            if !range.is_sound() {
                return Part::BROKEN;
            }
            if range.max() > part.max {
                part.max = range.max();
                giant = is_giant(&base, map, part.max);
                let v = map.map(f64::from(part.max));
                if !giant {
                    sum.window = base.window(v);
                    sum.wide = base.is_wide(v);
                }
            }
            if part.max > f32::NEG_INFINITY && !giant {
                let next = row.get((i + 1) * CHUNK..).unwrap_or_default();
                part.others.merge(sum.chunk::<L, T>(x, range.min(), next));
            }
        }
        if part.max == f32::NEG_INFINITY {
            return part;
        }
        if giant {
            part.others = Total::EMPTY;
            part.ties = ties(row, part.max);
            return part;
        }
        part.others.remove(&Total::one(&base, map, part.max, sum.window));
        // If the second largest lies in a window below, the others are summed there.
        if part.others.high == 0 {
            let second = if ties(row, part.max) > 0 { part.max } else { largest_below(row, part.max) };
            let v = map.map(f64::from(second));
            if second == f32::NEG_INFINITY || is_giant(&base, map, second) {
                part.others = Total::EMPTY;
            } else if base.window(v) < sum.window {
                let sum = Sum { window: base.window(v), wide: base.is_wide(v), most: second, ..sum };
                part.others = Total::EMPTY;
                for chunk in row.chunks(CHUNK) {
                    part.others.merge(sum.chunk::<L, T>(T::widen(chunk, &mut buffer), f32::NEG_INFINITY, &[]));
                }
            }
        }
        part
    }
}

/// How many logits equal the largest, less one.
pub(super) fn ties<T: Element>(row: &[T], max: f32) -> u64 {
    row.iter().map(|x| u64::from(x.widened() == max)).sum::<u64>().saturating_sub(1)
}

/// The largest logit below another.
fn largest_below<T: Element>(row: &[T], below: f32) -> f32 {
    row.iter().map(|x| x.widened()).filter(|&x| x < below).fold(f32::NEG_INFINITY, f32::max)
}
