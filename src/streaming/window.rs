//! The last pairs, and what they come to.

use super::Scored;
use super::limits::Alarm;
use crate::ExactSum;

/// What the window keeps of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Row {
    pub margin: f32,
    /// The means of the two answers' estimates; 0 without.
    pub k1: f32,
    pub k3: f32,
    pub flags: u32,
}

impl Row {
    pub(super) const REFERENCED: u32 = 1;
    pub(super) const CHOSEN_FELL: u32 = 2;
    pub(super) const BOTH_FELL: u32 = 4;
    pub(super) const ACCURATE: u32 = 8;
    pub(super) const NONFINITE: u32 = 16;
    pub(super) const DRIFT: u32 = 32;
    const ALL_FLAGS: u32 = 63;

    /// The place of a row that is still to come.
    pub(super) const NONE: Self = Self { margin: 0.0, k1: 0.0, k3: 0.0, flags: 0 };

    /// Whether some pair could have given it: bytes from elsewhere may be anything.
    pub(crate) fn is_sound(&self) -> bool {
        self.flags & !Self::ALL_FLAGS == 0
    }

    pub fn of(scored: &Scored) -> Self {
        let drift = |answer: &super::Answer| answer.reference.and_then(|reference| reference.drift);
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let counts = &scored.counts;
        let referenced = scored.chosen.reference.is_some();
        let drifts = drift(&scored.chosen).zip(drift(&scored.rejected));
        let mean = |a: f32, b: f32| {
            let mean = ((f64::from(a) + f64::from(b)) * 0.5) as f32;
            if mean.is_nan() { crate::NAN } else { mean + 0.0 }
        };
        let (k1, k3) = drifts.map_or((0.0, 0.0), |(a, b)| (mean(a.k1, b.k1), mean(a.k3, b.k3)));
        Self {
            margin: scored.pair.margin,
            k1,
            k3,
            flags: flag(referenced, Self::REFERENCED)
                | flag(referenced && counts.chosen_fell > 0, Self::CHOSEN_FELL)
                | flag(referenced && counts.both_fell > 0, Self::BOTH_FELL)
                | flag(counts.accurate > 0, Self::ACCURATE)
                | flag(counts.nonfinite > 0, Self::NONFINITE)
                | flag(drifts.is_some(), Self::DRIFT),
        }
    }
}

/// The last pairs of a monitor.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Those that are there.
    rows: &'a [Row],
    /// The place of the oldest row.
    oldest: u16,
    capacity: usize,
}

/// The statistics of a window: `None` for those that it has no pair for. Means and shares are correctly rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WindowReport {
    /// Pairs in the window.
    pub pairs: u32,
    /// Share of pairs whose chosen log-ratio exceeds the rejected one.
    pub rewards_accuracies: Option<f32>,
    /// Mean margin.
    pub rewards_margins: Option<f32>,
    /// Median margin: [`Window::quantile`] of 1/2.
    pub median_margin: Option<f32>,
    /// Share of the pairs with a reference whose chosen answer fell below it.
    pub chosen_fell: Option<f32>,
    /// Share of the pairs with a reference where both answers fell below it.
    pub both_fell: Option<f32>,
    /// Mean of the k1 estimates, over the pairs whose reference came token by token: of each the mean of its two answers.
    pub kl_k1: Option<f32>,
    /// Mean of the k3 estimates, over the pairs whose reference came token by token: of each the mean of its two answers.
    pub kl_k3: Option<f32>,
    /// Share of pairs with an infinite or NaN log-probability, loss, reward or margin.
    pub nonfinite: Option<f32>,
}

impl<'a> Window<'a> {
    /// Of places for rows, so many of them used.
    pub(crate) fn new(places: &'a [Row], used: u16, oldest: u16) -> Self {
        Self { rows: places.get(..usize::from(used)).unwrap_or(places), oldest, capacity: places.len() }
    }

    /// From the oldest to the newest.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let (rows, oldest) = (self.rows, usize::from(self.oldest));
        rows.get(oldest..).unwrap_or_default().iter().chain(rows.get(..oldest).unwrap_or_default())
    }

    /// Pairs in the window.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// All of the window's statistics at once.
    pub fn report(&self) -> WindowReport {
        WindowReport {
            pairs: self.len() as u32,
            rewards_accuracies: self.share(Row::ACCURATE, 0),
            rewards_margins: self.mean(|row| row.margin, 0),
            median_margin: self.quantile(0.5),
            chosen_fell: self.share(Row::CHOSEN_FELL, Row::REFERENCED),
            both_fell: self.share(Row::BOTH_FELL, Row::REFERENCED),
            kl_k1: self.mean(|row| row.k1, Row::DRIFT),
            kl_k3: self.mean(|row| row.k3, Row::DRIFT),
            nonfinite: self.share(Row::NONFINITE, 0),
        }
    }

    /// The statistic that an alarm watches.
    pub fn statistic(&self, alarm: Alarm) -> Option<f32> {
        match alarm {
            Alarm::Displacement => self.share(Row::CHOSEN_FELL, Row::REFERENCED),
            Alarm::MarginCollapse => self.mean(|row| row.margin, 0),
            Alarm::KlK1 => self.mean(|row| row.k1, Row::DRIFT),
            Alarm::KlK3 => self.mean(|row| row.k3, Row::DRIFT),
            Alarm::Nonfinite => self.share(Row::NONFINITE, 0),
        }
    }

    /// The smallest margin that at least the share `q` of the margins does not exceed: the least for 0, the largest for 1.
    /// Pairs whose margin is NaN are left out; `None` if none remain or q is not from 0 to 1.
    pub fn quantile(&self, q: f32) -> Option<f32> {
        let n = self.keys().count();
        if n == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        // The least whole number of margins that is not below q n; exact, for q has 24 bits and n at most 29.
        let exact = f64::from(q) * n as f64;
        let rank = (exact as usize + usize::from((exact as usize as f64) < exact)).max(1);
        // Their rank decides the key bit by bit, so that nothing need be sorted.
        let (mut least, mut most) = (0, u32::MAX);
        while least < most {
            let middle = least + (most - least) / 2;
            if self.keys().filter(|&key| key <= middle).count() >= rank { most = middle } else { least = middle + 1 }
        }
        Some(f32::from_bits(if least >> 31 == 1 { least ^ 1 << 31 } else { !least }))
    }

    /// The margins as integers in the same order.
    fn keys(&self) -> impl Iterator<Item = u32> {
        let margins = self.rows.iter().map(|row| row.margin).filter(|margin| !margin.is_nan());
        margins.map(|margin| {
            let bits = margin.to_bits();
            if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
        })
    }

    /// Over the rows that have all of these flags.
    fn mean(&self, value: impl Fn(&Row) -> f32, flags: u32) -> Option<f32> {
        let (mut sum, mut count) = (ExactSum::new(), 0);
        for row in self.rows.iter().filter(|row| row.flags & flags == flags) {
            sum.add(value(row));
            count += 1;
        }
        (count > 0).then(|| sum.mean(count))
    }

    fn share(&self, flag: u32, flags: u32) -> Option<f32> {
        self.mean(|row| if row.flags & flag != 0 { 1.0 } else { 0.0 }, flags)
    }
}
