//! Exact metrics of all pairs, a window over the last ones, and alarms.

use super::Scored;
use super::limits::{Alarm, Alarms, Changes, Limits};
use super::storage::Saved;
use super::window::{Row, Window};
use crate::saved::{self, Kind};
use crate::{Error, Metrics};

/// Keeps the metrics of all pairs, the last `N` of them, and which alarms are raised.
///
/// `N` is from 1 to 65,535; a pair takes 16 bytes. Everything but the construction is in [`MonitorView`], whose code exists
/// once, whatever the capacities.
///
/// ```
/// use preflane::streaming::Monitor;
///
/// let monitor = Monitor::<32>::new();
/// let mut bytes = [0; Monitor::<32>::BYTES];
/// let length = monitor.save(&mut bytes)?;
/// let mut restored = Monitor::<64>::new();
/// restored.restore(&bytes[..length])?;
/// assert_eq!(restored.window().len(), 0);
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Monitor<const N: usize> {
    metrics: Metrics,
    /// Places for rows.
    rows: [Row; N],
    /// How many places are used, from the first on.
    used: u16,
    /// The place of the oldest row once there is no more room: the next one takes it.
    oldest: u16,
    raised: Alarms,
}

/// A [`Monitor`] of any capacity.
#[derive(Debug)]
pub struct MonitorView<'a> {
    metrics: &'a mut Metrics,
    rows: &'a mut [Row],
    used: &'a mut u16,
    oldest: &'a mut u16,
    raised: &'a mut Alarms,
}

/// Equal are those that any further pairs leave equal.
impl<const N: usize> PartialEq for Monitor<N> {
    fn eq(&self, other: &Self) -> bool {
        self.metrics == other.metrics && self.raised == other.raised && self.window().rows().eq(other.window().rows())
    }
}

impl<const N: usize> Default for Monitor<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Monitor<N> {
    /// The most that [`save`](MonitorView::save) writes.
    pub const BYTES: usize = saved::OVERHEAD + FIXED + ROW * N;

    /// No pairs yet.
    pub const fn new() -> Self {
        const { assert!(0 < N && N <= u16::MAX as usize, "a window has room for 1 to 65,535 pairs") };
        Self { metrics: Metrics::new(), rows: [Row::NONE; N], used: 0, oldest: 0, raised: Alarms::NONE }
    }

    /// The same without its capacity in the type.
    pub fn view(&mut self) -> MonitorView<'_> {
        let Self { metrics, rows, used, oldest, raised } = self;
        MonitorView { metrics, rows, used, oldest, raised }
    }

    /// Takes a pair in: adds it to the metrics, puts it into the window in the place of the oldest, and says which alarms that
    /// raised or cleared.
    pub fn push(&mut self, scored: &Scored, limits: &Limits) -> Changes {
        self.view().push(scored, limits)
    }

    /// The exact metrics of all pairs.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The window over the last pairs.
    pub fn window(&self) -> Window<'_> {
        Window::new(&self.rows, self.used, self.oldest)
    }

    /// The alarms that are raised now.
    pub fn raised(&self) -> Alarms {
        self.raised
    }

    /// Writes the state as bytes, the same on every machine, and returns their number: [`Monitor::BYTES`] at most.
    ///
    /// # Errors
    /// [`Error::Length`] if `into` is too short; nothing is written then.
    pub fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        save(&self.metrics, self.raised, self.window(), into)
    }

    /// Takes the state from bytes that [`save`](Self::save) wrote, in a monitor of any capacity: a smaller window keeps the last pairs.
    ///
    /// # Errors
    /// [`Error::SavedState`] for bytes that are cut off, damaged, of another version or no monitor; this one is as it was then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.view().restore(bytes)
    }
}

/// Metrics, alarms, number of rows; then the rows.
const FIXED: usize = Metrics::CONTENT + 8;
const ROW: usize = 16;

/// The most that a monitor of so many places writes.
#[cfg(feature = "capi")]
pub(crate) fn saved_size(places: usize) -> usize {
    saved::OVERHEAD + FIXED + ROW * places
}

impl<'a> MonitorView<'a> {
    /// Of its parts: at most 65,535 places, of which so many are used, and the oldest of these.
    #[cfg(feature = "capi")]
    pub(crate) fn of(
        metrics: &'a mut Metrics,
        rows: &'a mut [Row],
        used: &'a mut u16,
        oldest: &'a mut u16,
        raised: &'a mut Alarms,
    ) -> Self {
        Self { metrics, rows, used, oldest, raised }
    }

    /// Takes a pair in: adds it to the metrics, puts it into the window in the place of the oldest, and says which alarms
    /// that raised or cleared.
    pub fn push(&mut self, scored: &Scored, limits: &Limits) -> Changes {
        scored.add_to(self.metrics);
        self.keep(Row::of(scored));
        let mut changes = Changes::default();
        let pairs = self.window().len();
        if pairs < limits.least_pairs() as usize && pairs < self.rows.len() {
            return changes;
        }
        for alarm in Alarm::ALL {
            let Some(threshold) = limits.threshold(alarm) else { continue };
            let Some(statistic) = self.window().statistic(alarm) else { continue };
            let collapse = alarm == Alarm::MarginCollapse;
            let reached = |threshold| if collapse { statistic <= threshold } else { statistic >= threshold };
            let back = |threshold| if collapse { statistic >= threshold } else { statistic <= threshold };
            let raised = self.raised.contains(alarm);
            // A threshold that is both reached and left again changes nothing.
            if !raised && reached(threshold.raise) {
                self.raised.set(alarm, true);
                changes.raised.set(alarm, true);
            } else if raised && back(threshold.clear) && !reached(threshold.raise) {
                self.raised.set(alarm, false);
                changes.cleared.set(alarm, true);
            }
        }
        changes
    }

    /// Puts a row into the window.
    fn keep(&mut self, row: Row) {
        let is_full = usize::from(*self.used) >= self.rows.len();
        let place = if is_full { *self.oldest } else { *self.used };
        if let Some(place) = self.rows.get_mut(usize::from(place)) {
            *place = row;
        }
        if is_full {
            let next = *self.oldest + 1;
            *self.oldest = if next < *self.used { next } else { 0 };
        } else {
            *self.used += 1;
        }
    }

    /// The exact metrics of all pairs.
    pub fn metrics(&self) -> &Metrics {
        self.metrics
    }

    /// The window over the last pairs.
    pub fn window(&self) -> Window<'_> {
        Window::new(self.rows, *self.used, *self.oldest)
    }

    /// The alarms that are raised now.
    pub fn raised(&self) -> Alarms {
        *self.raised
    }

    /// Writes the state as bytes, the same on every machine, and returns their number: [`Monitor::BYTES`] at most. Save
    /// between pairs; what an [`Evaluator`](super::Evaluator) holds of an unfinished pair is not part of it.
    ///
    /// # Errors
    /// [`Error::Length`] if `into` is too short; nothing is written then.
    pub fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        save(self.metrics, *self.raised, self.window(), into)
    }

    /// Takes the state from bytes that [`save`](Self::save) wrote, in a monitor of any capacity: a smaller window keeps
    /// the last pairs. Bytes after the state are not looked at.
    ///
    /// # Errors
    /// [`Error::SavedState`] for bytes that are cut off, damaged, of another version or no monitor; this one is as
    /// it was then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut from = saved::read(Kind::Monitor, bytes)?;
        let mut metrics = Metrics::new();
        metrics.read(&mut from).ok_or(saved::IMPOSSIBLE)?;
        let raised = from.u32().and_then(|bits| Alarms::from_bits(u8::try_from(bits).ok()?));
        let (raised, rows) = raised.zip(from.u32()).ok_or(saved::IMPOSSIBLE)?;
        // Looked at first, so that a refusal leaves this monitor as it was.
        let mut looked = from;
        let good = (0..rows).all(|_| read_row(&mut looked).is_some());
        if !good || !looked.is_empty() || u64::from(rows) > metrics.pairs() {
            return Err(saved::IMPOSSIBLE);
        }
        (*self.used, *self.oldest) = (0, 0);
        while let Some(row) = read_row(&mut from) {
            self.keep(row);
        }
        *self.metrics = metrics;
        *self.raised = raised;
        Ok(())
    }
}

pub(crate) fn save(metrics: &Metrics, raised: Alarms, window: Window<'_>, into: &mut [u8]) -> Result<usize, Error> {
    saved::write(Kind::Monitor, FIXED + ROW * window.len(), into, |to| {
        metrics.write(to);
        to.u32(raised.bits().into());
        to.u32(window.len() as u32);
        for row in window.rows() {
            to.f32(row.margin);
            to.f32(row.k1);
            to.f32(row.k3);
            to.u32(row.flags);
        }
    })
}

fn read_row(from: &mut saved::Reader<'_>) -> Option<Row> {
    let row = Row { margin: from.f32()?, k1: from.f32()?, k3: from.f32()?, flags: from.u32()? };
    row.is_sound().then_some(row)
}

impl<const N: usize> Saved for Monitor<N> {
    fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        self.save(into)
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
}

impl Saved for MonitorView<'_> {
    fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        self.save(into)
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.restore(bytes)
    }
}

impl Saved for Metrics {
    fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        let got = into.len();
        let into = into.first_chunk_mut().ok_or(Error::Length { argument: "bytes", expected: Self::BYTES, got })?;
        *into = self.to_bytes();
        Ok(Self::BYTES)
    }
    fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        *self = Self::from_bytes(bytes)?;
        Ok(())
    }
}
