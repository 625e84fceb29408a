//! Which alarms there are, and when they are raised and cleared.

use crate::Error;

/// What a monitor watches, over its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Alarm {
    /// Likelihood displacement: the share of pairs whose chosen answer is less probable than under the reference.
    Displacement,
    /// The mean margin is too small. This one is raised at or below its threshold, and cleared at or above.
    MarginCollapse,
    /// The mean of the k1 estimates of KL(policy || reference), in nats a token.
    KlK1,
    /// The mean of the k3 estimates of KL(policy || reference), in nats a token.
    KlK3,
    /// The share of pairs with an infinite or NaN log-probability, loss, reward or margin. Such a pair can make the other
    /// statistics NaN, which neither raises nor clears their alarms.
    Nonfinite,
}

impl Alarm {
    /// Every alarm.
    pub const ALL: [Self; 5] = [Self::Displacement, Self::MarginCollapse, Self::KlK1, Self::KlK3, Self::Nonfinite];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Where an alarm is raised and where it is cleared; what lies between leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Threshold {
    /// Raised when the statistic reaches this.
    pub raise: f32,
    /// Cleared when it is back here. Not above `raise`; for [`Alarm::MarginCollapse`] not below.
    pub clear: f32,
}

/// The alarms that are watched. Constant while the program runs: it may stand in flash.
///
/// ```
/// use preflane::streaming::{Alarm, Limits, Threshold};
///
/// let limits = Limits::new(32)?.with(Alarm::MarginCollapse, Threshold { raise: 0.0, clear: 0.1 })?;
/// assert_eq!(limits.least_pairs(), 32);
/// // What clears an alarm may not raise it.
/// assert!(limits.with(Alarm::KlK3, Threshold { raise: 0.1, clear: 0.2 }).is_err());
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    least_pairs: u32,
    thresholds: [Option<Threshold>; Alarm::ALL.len()],
}

impl Limits {
    /// No alarms yet. The window must hold `least_pairs` before any alarm changes.
    ///
    /// # Errors
    /// [`Error::Parameter`] if that is 0.
    pub const fn new(least_pairs: u32) -> Result<Self, Error> {
        if least_pairs == 0 {
            return Err(Error::Parameter { name: "least_pairs", value: 0.0, requirement: "at least 1" });
        }
        Ok(Self { least_pairs, thresholds: [None; Alarm::ALL.len()] })
    }

    /// With one alarm more.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a threshold is not finite, or `clear` is on the wrong side of `raise`.
    pub fn with(mut self, alarm: Alarm, threshold: Threshold) -> Result<Self, Error> {
        let Threshold { raise, clear } = threshold;
        let refuse = |name, value: f32, requirement| Err(Error::Parameter { name, value: value.into(), requirement });
        if !raise.is_finite() {
            return refuse("raise", raise, "finite");
        }
        if !clear.is_finite() {
            return refuse("clear", clear, "finite");
        }
        if alarm == Alarm::MarginCollapse && clear < raise {
            return refuse("clear", clear, "at least raise, for a margin that collapses");
        }
        if alarm != Alarm::MarginCollapse && clear > raise {
            return refuse("clear", clear, "at most raise");
        }
        if let Some(place) = self.thresholds.get_mut(alarm as usize) {
            *place = Some(threshold);
        }
        Ok(self)
    }

    /// How many pairs the window must hold before any alarm changes.
    pub const fn least_pairs(&self) -> u32 {
        self.least_pairs
    }

    /// An alarm's threshold, if it is watched.
    pub fn threshold(&self, alarm: Alarm) -> Option<Threshold> {
        self.thresholds.get(alarm as usize).copied().flatten()
    }
}

/// A set of alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u8", into = "u8"))]
pub struct Alarms(u8);

impl Alarms {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether one is among them.
    pub const fn contains(self, alarm: Alarm) -> bool {
        self.0 & alarm.bit() != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Alarm> {
        Alarm::ALL.into_iter().filter(move |alarm| self.contains(*alarm))
    }

    pub(super) fn set(&mut self, alarm: Alarm, raised: bool) {
        self.0 = if raised { self.0 | alarm.bit() } else { self.0 & !alarm.bit() };
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits >> Alarm::ALL.len() == 0).then_some(Self(bits))
    }
}

#[cfg(feature = "serde")]
impl From<Alarms> for u8 {
    fn from(alarms: Alarms) -> Self {
        alarms.bits()
    }
}

#[cfg(feature = "serde")]
impl TryFrom<u8> for Alarms {
    type Error = &'static str;
    fn try_from(bits: u8) -> Result<Self, Self::Error> {
        Self::from_bits(bits).ok_or("bits that stand for no alarm")
    }
}

/// What a pair changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Changes {
    /// Alarms that were raised.
    pub raised: Alarms,
    /// Alarms that were cleared.
    pub cleared: Alarms,
}
