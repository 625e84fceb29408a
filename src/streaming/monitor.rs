//! Exact metrics of all pairs, a window over the last ones, and alarms.

use super::Scored;
use super::limits::{Alarm, Alarms, Changes, Limits};
use super::storage::Saved;
use super::window::{Row, Window};
use crate::saved::{self, Kind};
use crate::{Error, Metrics};
use heapless::HistoryBuf;
use heapless::history_buf::HistoryBufView;

/// Keeps the metrics of all pairs, the last `N` of them, and which alarms are raised.
///
/// `N` is 1 or more; a pair takes 16 bytes. Everything but the construction is in [`MonitorView`], whose code exists once,
/// whatever the capacities.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor<const N: usize> {
    totals: Totals,
    window: HistoryBuf<Row, N>,
}

/// What does not depend on the capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Totals {
    metrics: Metrics,
    raised: Alarms,
}

/// A [`Monitor`] of any capacity.
#[derive(Debug)]
pub struct MonitorView<'a> {
    totals: &'a mut Totals,
    window: &'a mut HistoryBufView<Row>,
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
        const { assert!(N > 0, "a window has room for at least one pair") };
        Self { totals: Totals { metrics: Metrics::new(), raised: Alarms::NONE }, window: HistoryBuf::new() }
    }

    /// The same without its capacity in the type.
    pub fn view(&mut self) -> MonitorView<'_> {
        MonitorView { totals: &mut self.totals, window: self.window.as_mut_view() }
    }

    /// [`MonitorView::push`].
    pub fn push(&mut self, scored: &Scored, limits: &Limits) -> Changes {
        self.view().push(scored, limits)
    }

    /// [`MonitorView::metrics`].
    pub fn metrics(&self) -> &Metrics {
        &self.totals.metrics
    }

    /// [`MonitorView::window`].
    pub fn window(&self) -> Window<'_> {
        Window::new(self.window.as_view())
    }

    /// [`MonitorView::raised`].
    pub fn raised(&self) -> Alarms {
        self.totals.raised
    }

    /// [`MonitorView::save`].
    pub fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        save(&self.totals, self.window.as_view(), into)
    }

    /// [`MonitorView::restore`].
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.view().restore(bytes)
    }
}

/// Metrics, alarms, number of rows; then the rows.
const FIXED: usize = Metrics::CONTENT + 8;
const ROW: usize = 16;

impl MonitorView<'_> {
    /// Takes a pair in: adds it to the metrics, puts it into the window in the place of the oldest, and says which alarms
    /// that raised or cleared.
    pub fn push(&mut self, scored: &Scored, limits: &Limits) -> Changes {
        scored.add_to(&mut self.totals.metrics);
        self.window.write(Row::of(scored));
        let mut changes = Changes::default();
        if self.window.len() < limits.least_pairs() as usize && !self.window.is_full() {
            return changes;
        }
        for alarm in Alarm::ALL {
            let Some(threshold) = limits.threshold(alarm) else { continue };
            let Some(statistic) = self.window().statistic(alarm) else { continue };
            let collapse = alarm == Alarm::MarginCollapse;
            let reached = |threshold| if collapse { statistic <= threshold } else { statistic >= threshold };
            let back = |threshold| if collapse { statistic >= threshold } else { statistic <= threshold };
            let raised = self.totals.raised.contains(alarm);
            // A threshold that is both reached and left again changes nothing.
            if !raised && reached(threshold.raise) {
                self.totals.raised.set(alarm, true);
                changes.raised.set(alarm, true);
            } else if raised && back(threshold.clear) && !reached(threshold.raise) {
                self.totals.raised.set(alarm, false);
                changes.cleared.set(alarm, true);
            }
        }
        changes
    }

    /// Of all pairs.
    pub fn metrics(&self) -> &Metrics {
        &self.totals.metrics
    }

    /// The last pairs.
    pub fn window(&self) -> Window<'_> {
        Window::new(self.window)
    }

    /// The alarms that are raised now.
    pub fn raised(&self) -> Alarms {
        self.totals.raised
    }

    /// Writes the state as bytes, the same on every machine, and returns their number: [`Monitor::BYTES`] at most. Save
    /// between pairs; what an [`Evaluator`](super::Evaluator) holds of an unfinished pair is not part of it.
    ///
    /// # Errors
    /// [`Error::Length`] if `into` is too short; nothing is written then.
    pub fn save(&self, into: &mut [u8]) -> Result<usize, Error> {
        save(self.totals, self.window, into)
    }

    /// Takes the state from bytes that [`save`](Self::save) wrote, in a monitor of any capacity: a smaller window keeps
    /// the last pairs. Bytes after the state are not looked at.
    ///
    /// # Errors
    /// [`Error::SavedState`] for bytes that are cut off, damaged, of another version or no monitor; this one is as
    /// it was then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut from = saved::read(Kind::Monitor, bytes)?;
        let totals =
            Metrics::read(&mut from).zip(from.u32().and_then(|bits| Alarms::from_bits(u8::try_from(bits).ok()?)));
        let ((metrics, raised), rows) = totals.zip(from.u32()).ok_or(saved::IMPOSSIBLE)?;
        // Once to look, once to take.
        for pass in 0..2 {
            let mut from = from;
            if pass == 1 {
                self.window.clear();
            }
            for _ in 0..rows {
                let row = read_row(&mut from).ok_or(saved::IMPOSSIBLE)?;
                if pass == 1 {
                    self.window.write(row);
                }
            }
            if !from.is_empty() || u64::from(rows) > metrics.pairs() {
                return Err(saved::IMPOSSIBLE);
            }
        }
        *self.totals = Totals { metrics, raised };
        Ok(())
    }
}

fn save(totals: &Totals, window: &HistoryBufView<Row>, into: &mut [u8]) -> Result<usize, Error> {
    saved::write(Kind::Monitor, FIXED + ROW * window.len(), into, |to| {
        totals.metrics.write(to);
        to.u32(totals.raised.bits().into());
        to.u32(window.len() as u32);
        for row in window.oldest_ordered() {
            to.f32(row.margin);
            to.f32(row.k1);
            to.f32(row.k3);
            to.u32(row.flags);
        }
    })
}

fn read_row(from: &mut saved::Reader<'_>) -> Option<Row> {
    let row = Row { margin: from.f32()?, k1: from.f32()?, k3: from.f32()?, flags: from.u32()? };
    (row.flags & !Row::ALL_FLAGS == 0).then_some(row)
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
