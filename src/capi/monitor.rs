//! Exact metrics of all pairs, a window over the last ones, and alarms.

use super::arguments::{Arguments, Checked, Input, Output, read};
use super::evaluator::preflane_scored;
use super::failure::{Failure, flag, preflane_error, report, reserved};
use super::metrics::sound;
use crate::streaming::{Alarm, Alarms, Limits, MonitorView, Row, Threshold, Window, save, saved_size};
use crate::{Error, Metrics, NAN};

/// What a monitor watches, over its window.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum preflane_alarm {
    /// Likelihood displacement: the share of pairs whose chosen answer is less probable than under the reference.
    PREFLANE_ALARM_DISPLACEMENT = 0,
    /// The mean margin is too small. This one is raised at or below its threshold, and cleared at or above.
    PREFLANE_ALARM_MARGIN_COLLAPSE = 1,
    /// The mean of the k1 estimates of KL(policy || reference), in nats a token.
    PREFLANE_ALARM_KL_K1 = 2,
    /// The mean of the k3 estimates.
    PREFLANE_ALARM_KL_K3 = 3,
    /// The share of pairs with an infinite or NaN log-probability, loss, reward or margin. Such a pair can make the other statistics
    /// NaN, which neither raises nor clears their alarms.
    PREFLANE_ALARM_NONFINITE = 4,
}

/// Places for alarms in preflane_limits: there is room for some to come.
pub const PREFLANE_ALARMS: usize = 8;

const _: () = assert!(
    preflane_alarm::PREFLANE_ALARM_DISPLACEMENT as usize == Alarm::Displacement as usize
        && preflane_alarm::PREFLANE_ALARM_MARGIN_COLLAPSE as usize == Alarm::MarginCollapse as usize
        && preflane_alarm::PREFLANE_ALARM_KL_K1 as usize == Alarm::KlK1 as usize
        && preflane_alarm::PREFLANE_ALARM_KL_K3 as usize == Alarm::KlK3 as usize
        && preflane_alarm::PREFLANE_ALARM_NONFINITE as usize == Alarm::Nonfinite as usize
        && Alarm::ALL.len() == 5
        && Alarm::ALL.len() <= PREFLANE_ALARMS
);

/// Where an alarm is raised and where it is cleared; what lies between leaves it as it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_threshold {
    /// The alarm is raised when the statistic reaches this.
    pub raise: f32,
    /// The alarm is cleared when the statistic is back here. Not above `raise`; for PREFLANE_ALARM_MARGIN_COLLAPSE not below.
    pub clear: f32,
    /// 1: this alarm is watched. 0: it is not, and the two numbers are not looked at.
    pub watched: i32,
}

/// The alarms that are watched.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_limits {
    /// How many pairs the window must hold before any alarm changes, or be full: at least 1.
    pub least_pairs: u32,
    /// Always 0.
    pub reserved: u32,
    /// The alarms' thresholds, each in the place of its preflane_alarm. Places that no alarm has are not watched.
    pub thresholds: [preflane_threshold; PREFLANE_ALARMS],
}

impl preflane_limits {
    fn checked(&self) -> Result<Limits, Failure> {
        reserved(self.reserved, "0, in preflane_limits")?;
        let mut limits = Limits::new(self.least_pairs)?;
        for (place, threshold) in self.thresholds.iter().enumerate() {
            let &preflane_threshold { raise, clear, watched } = threshold;
            if !flag("watched", watched)? {
                continue;
            }
            let requirement = "0 in places that no preflane_alarm has";
            let none = Error::Parameter { name: "watched", value: 1.0, requirement };
            let alarm = Alarm::ALL.get(place).ok_or(Failure::Threshold(place, none))?;
            limits = limits.with(*alarm, Threshold { raise, clear }).map_err(|e| Failure::Threshold(place, e))?;
        }
        Ok(limits)
    }
}

/// Keeps the exact metrics of all pairs, a window over the last ones, and which alarms are raised. All zeros begin a new one.
///
/// It is plain data of a fixed size. The window's rows are beside it, in an array of the caller's of 1 to 65535 elements, which goes with
/// the monitor from its first pair on; bytes that no call of the library's left are refused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_monitor {
    /// Not for the caller.
    pub state: [u64; 48],
}

/// What the window keeps of a pair. What it holds at first does not matter.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_window_row {
    /// Not for the caller.
    pub state: [u32; 4],
}

/// What stands in a monitor: any bits may.
#[repr(C)]
#[derive(Clone, Copy)]
struct Held {
    metrics: Metrics,
    /// The places of the window; 0 before the first pair.
    capacity: u32,
    used: u32,
    oldest: u32,
    raised: u32,
}

const _: () = assert!(
    size_of::<Held>() <= size_of::<preflane_monitor>()
        && align_of::<Held>() <= align_of::<preflane_monitor>()
        && size_of::<Row>() == size_of::<preflane_window_row>()
        && align_of::<Row>() <= align_of::<preflane_window_row>()
);

/// A monitor whose parts fit.
struct Parts {
    used: u16,
    oldest: u16,
    raised: Alarms,
}

impl Held {
    /// That the library left it so, over these rows.
    fn check(&self, rows: &[Row]) -> Result<Parts, Failure> {
        sound("monitor", &self.metrics)?;
        if rows.is_empty() || rows.len() > usize::from(u16::MAX) {
            let requirement = "from 1 to 65535";
            return Err(Error::Parameter { name: "capacity", value: rows.len() as f64, requirement }.into());
        }
        let fault = |fault| Err(Failure::State("monitor", fault));
        let (capacity, used, oldest) = (self.capacity as usize, self.used as usize, self.oldest as usize);
        if capacity == 0 {
            let new = used == 0 && oldest == 0 && self.raised == 0 && self.metrics.pairs() == 0;
            return if new {
                Ok(Parts { used: 0, oldest: 0, raised: Alarms::NONE })
            } else {
                fault(" holds a window that no pairs give; all zeros begin a new one")
            };
        }
        if capacity != rows.len() {
            let requirement = "that of the monitor's calls before";
            return Err(Error::Parameter { name: "capacity", value: rows.len() as f64, requirement }.into());
        }
        let raised = u8::try_from(self.raised).ok().and_then(Alarms::from_bits);
        let fits = used <= capacity && (oldest == 0 || (used == capacity && oldest < used));
        match raised {
            Some(raised) if fits && used as u64 <= self.metrics.pairs() => {
                if !rows.iter().take(used).all(Row::is_sound) {
                    return Err(Failure::State("rows", " hold bytes that no pairs give: they go with their monitor"));
                }
                Ok(Parts { used: used as u16, oldest: oldest as u16, raised })
            }
            _ => fault(" holds a window that no pairs give; all zeros begin a new one"),
        }
    }
}

/// A monitor and its rows before the other arguments are checked, to write or to read.
struct Written<'a>(Output<'a, preflane_monitor>, Output<'a, preflane_window_row>);
struct Looked<'a>(Input<'a, preflane_monitor>, Input<'a, preflane_window_row>);

impl<'a> Written<'a> {
    fn new(
        arguments: &mut Arguments,
        monitor: *mut preflane_monitor,
        rows: *mut preflane_window_row,
        capacity: usize,
    ) -> Self {
        Self(arguments.output("monitor", monitor, 1), arguments.output("rows", rows, capacity))
    }

    /// # Safety
    /// The caller vouches for the memory, as [`Output::slice`] demands.
    unsafe fn parts(self, checked: &Checked) -> (&'a mut [Held], &'a mut [Row]) {
        // SAFETY: the caller's; both take any bits.
        unsafe { (self.0.part::<Held>(checked), self.1.cast::<Row>().slice(checked)) }
    }
}

impl<'a> Looked<'a> {
    fn new(
        arguments: &mut Arguments,
        monitor: *const preflane_monitor,
        rows: *const preflane_window_row,
        capacity: usize,
    ) -> Self {
        Self(arguments.input("monitor", monitor, 1), arguments.input("rows", rows, capacity))
    }

    /// What stands there, and the window.
    ///
    /// # Safety
    /// The caller vouches for the memory, as [`Input::slice`] demands.
    unsafe fn parts(self, checked: &Checked) -> Result<(&'a Held, Window<'a>, Alarms), Failure> {
        // SAFETY: the caller's; both take any bits.
        let (held, rows) = unsafe { (self.0.part::<Held>(checked), self.1.cast::<Row>().slice(checked)) };
        let held = held.first().ok_or(Failure::Null("monitor"))?;
        let Parts { used, oldest, raised } = held.check(rows)?;
        Ok((held, Window::new(rows, used, oldest), raised))
    }
}

/// Alarms that a pair raised and cleared: sums of 1 << preflane_alarm.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_changes {
    /// Alarms that were raised.
    pub raised: u32,
    /// Alarms that were cleared.
    pub cleared: u32,
}

/// Takes a pair in: adds it to the metrics, puts it into the window in the place of the oldest, and says which alarms that raised or
/// cleared. `limits` may be null: no alarms are watched. `changes` may be null.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a monitor, rows or a pair that no call of the library's left; a capacity that is not
/// from 1 to 65535 or not that of the calls before; limits that cannot be, with the alarm); nothing is written then.
///
/// # Safety
/// `monitor` and `scored` point to their structs, `rows` to `capacity` rows, `limits` and `changes` to their structs or are null; `error`
/// is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_push(
    monitor: *mut preflane_monitor,
    rows: *mut preflane_window_row,
    capacity: usize,
    scored: *const preflane_scored,
    limits: *const preflane_limits,
    changes: *mut preflane_changes,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        arguments.input("scored", scored, 1);
        arguments.input_if("limits", limits, 1);
        let written = Written::new(&mut arguments, monitor, rows, capacity);
        let changes = arguments.output_if("changes", changes, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let scored = unsafe { read("scored", scored) }?.scored()?;
        let limits = match limits.is_null() {
            true => Limits::new(1)?,
            // SAFETY: likewise.
            false => unsafe { read("limits", limits) }?.checked()?,
        };
        // SAFETY: likewise.
        if let ([held], rows) = unsafe { written.parts(&checked) } {
            let Parts { mut used, mut oldest, mut raised } = held.check(rows)?;
            held.capacity = rows.len() as u32;
            let found =
                MonitorView::of(&mut held.metrics, rows, &mut used, &mut oldest, &mut raised).push(&scored, &limits);
            (held.used, held.oldest, held.raised) = (used.into(), oldest.into(), raised.bits().into());
            let found = preflane_changes { raised: found.raised.bits().into(), cleared: found.cleared.bits().into() };
            // SAFETY: likewise.
            unsafe { changes.slice_if(&checked) }.unwrap_or_default().fill(found);
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The statistics of a monitor's window. Means and shares are correctly rounded, and NaN where the window has no pair for them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct preflane_window_report {
    /// Pairs in the window.
    pub pairs: u32,
    /// The alarms that are raised: a sum of 1 << preflane_alarm.
    pub raised: u32,
    /// Share of pairs whose chosen log-ratio exceeds the rejected one.
    pub rewards_accuracies: f32,
    /// Mean margin.
    pub rewards_margins: f32,
    /// Median margin: preflane_monitor_quantile of 1/2.
    pub median_margin: f32,
    /// Share of the pairs with a reference whose chosen answer fell below it.
    pub chosen_fell: f32,
    /// Share of the pairs with a reference where both answers fell.
    pub both_fell: f32,
    /// Mean of the k1 estimates, over the pairs whose reference came token by token: of each the mean of its two answers.
    pub kl_k1: f32,
    /// Mean of the k3 estimates, over the same pairs.
    pub kl_k3: f32,
    /// Share of pairs with an infinite or NaN log-probability, loss, reward or margin.
    pub nonfinite: f32,
}

/// The statistics of the window and the alarms that are raised.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a monitor or rows that no call of the library's left, another capacity); nothing
/// is written then.
///
/// # Safety
/// `monitor` points to its struct, `rows` to `capacity` rows, `out` to a preflane_window_report; `error` is null or points to a
/// preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_report(
    monitor: *const preflane_monitor,
    rows: *const preflane_window_row,
    capacity: usize,
    out: *mut preflane_window_report,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let looked = Looked::new(&mut arguments, monitor, rows, capacity);
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (_, window, raised) = unsafe { looked.parts(&checked) }?;
        let report = window.report();
        let report = preflane_window_report {
            pairs: report.pairs,
            raised: raised.bits().into(),
            rewards_accuracies: report.rewards_accuracies.unwrap_or(NAN),
            rewards_margins: report.rewards_margins.unwrap_or(NAN),
            median_margin: report.median_margin.unwrap_or(NAN),
            chosen_fell: report.chosen_fell.unwrap_or(NAN),
            both_fell: report.both_fell.unwrap_or(NAN),
            kl_k1: report.kl_k1.unwrap_or(NAN),
            kl_k3: report.kl_k3.unwrap_or(NAN),
            nonfinite: report.nonfinite.unwrap_or(NAN),
        };
        // SAFETY: likewise.
        unsafe { out.slice(&checked) }.fill(report);
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The smallest margin that at least the share `q` of the window's margins does not exceed: the least for 0, the largest for 1. Pairs
/// whose margin is NaN are left out; NaN if none remain.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a share outside of 0 to 1, a monitor or rows that no call of the library's left,
/// another capacity); nothing is written then.
///
/// # Safety
/// `monitor` points to its struct, `rows` to `capacity` rows, `out` to a float; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_quantile(
    monitor: *const preflane_monitor,
    rows: *const preflane_window_row,
    capacity: usize,
    q: f32,
    out: *mut f32,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let looked = Looked::new(&mut arguments, monitor, rows, capacity);
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        if !(0.0..=1.0).contains(&q) {
            return Err(Error::Parameter { name: "q", value: q.into(), requirement: "from 0 to 1" }.into());
        }
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (_, window, _) = unsafe { looked.parts(&checked) }?;
        // SAFETY: likewise.
        unsafe { out.slice(&checked) }.fill(window.quantile(q).unwrap_or(NAN));
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The metrics of all pairs that the monitor has seen, for preflane_metrics_report, preflane_metrics_merge and
/// preflane_metrics_save.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a monitor or rows that no call of the library's left, another capacity); nothing
/// is written then.
///
/// # Safety
/// `monitor` points to its struct, `rows` to `capacity` rows, `out` to metrics; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_metrics(
    monitor: *const preflane_monitor,
    rows: *const preflane_window_row,
    capacity: usize,
    out: *mut Metrics,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let looked = Looked::new(&mut arguments, monitor, rows, capacity);
        let out = arguments.output("out", out, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (held, _, _) = unsafe { looked.parts(&checked) }?;
        // SAFETY: likewise.
        unsafe { out.slice(&checked) }.fill(held.metrics);
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// The most bytes that preflane_monitor_save writes for a window of `capacity` rows; 0 for a capacity that is not from 1 to 65535.
#[unsafe(no_mangle)]
pub extern "C" fn preflane_monitor_size(capacity: usize) -> usize {
    if (1..=usize::from(u16::MAX)).contains(&capacity) { saved_size(capacity) } else { 0 }
}

/// Writes the monitor and its window as bytes, the same on every machine, with a version and a checksum. `written` gets how many they
/// are: preflane_monitor_size at most. What an evaluator holds of an unfinished pair is not part of it.
///
/// Errors: NULL, ALIGNMENT, LENGTH (also for too little room), OVERLAP, PARAMETER (a monitor or rows that no call of the library's left,
/// another capacity); nothing is written then.
///
/// # Safety
/// `monitor` points to its struct, `rows` to `capacity` rows, `bytes` to `length` bytes, `written` to a size_t; `error` is null or points
/// to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_save(
    monitor: *const preflane_monitor,
    rows: *const preflane_window_row,
    capacity: usize,
    bytes: *mut u8,
    length: usize,
    written: *mut usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let looked = Looked::new(&mut arguments, monitor, rows, capacity);
        let bytes = arguments.output("bytes", bytes, length);
        let written = arguments.output("written", written, 1);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        let (held, window, raised) = unsafe { looked.parts(&checked) }?;
        // SAFETY: likewise.
        let count = save(&held.metrics, raised, window, unsafe { bytes.slice(&checked) })?;
        // SAFETY: likewise.
        unsafe { written.slice(&checked) }.fill(count);
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}

/// Takes a monitor and its window from the bytes of preflane_monitor_save, with a window of any capacity: a smaller one keeps the last
/// pairs. Bytes behind them are not looked at, and neither is what `monitor` and `rows` hold before.
///
/// Errors: NULL, ALIGNMENT, LENGTH, OVERLAP, PARAMETER (a capacity that is not from 1 to 65535), SAVED_STATE (bytes that are cut off,
/// damaged, of another version or of another kind); nothing is written then.
///
/// # Safety
/// `monitor` points to its struct, `rows` to `capacity` rows, `bytes` to `length` bytes; `error` is null or points to a preflane_error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn preflane_monitor_restore(
    monitor: *mut preflane_monitor,
    rows: *mut preflane_window_row,
    capacity: usize,
    bytes: *const u8,
    length: usize,
    error: *mut preflane_error,
) -> i32 {
    let body = || {
        let mut arguments = Arguments::new();
        let from = arguments.input("bytes", bytes, length);
        let written = Written::new(&mut arguments, monitor, rows, capacity);
        let checked = arguments.check()?;
        // SAFETY: all arguments are checked; the rest is the caller's word.
        if let ([held], rows) = unsafe { written.parts(&checked) } {
            let mut restored =
                Held { metrics: Metrics::new(), capacity: rows.len() as u32, used: 0, oldest: 0, raised: 0 };
            Held { capacity: 0, ..restored }.check(rows)?;
            let (mut used, mut oldest, mut raised) = (0, 0, Alarms::NONE);
            // SAFETY: likewise.
            let bytes = unsafe { from.slice(&checked) };
            MonitorView::of(&mut restored.metrics, rows, &mut used, &mut oldest, &mut raised).restore(bytes)?;
            (restored.used, restored.oldest, restored.raised) = (used.into(), oldest.into(), raised.bits().into());
            *held = restored;
        }
        Ok(())
    };
    // SAFETY: as the function's own.
    unsafe { report(error, body) }
}
