//! The evaluation that the device does and the host does again: the same source for both.
#![no_std]

mod memory;
mod pairs;

pub use memory::{Memory, TooLong};
pub use pairs::{PAIRS, TokenPair, Tokens};

use preflane::losses::Dpo;
use preflane::streaming::storage::{RECORD_OVERHEAD, Slots, Storage, StorageError};
use preflane::streaming::{Alarm, Alarms, Changes, Evaluator, Limits, Monitor, Scored, Side, Threshold, WindowReport};
use preflane::{Error, Report};

/// Pairs in the window: a trade of memory (16 bytes each) against the delay of an alarm.
pub const WINDOW: usize = 16;

/// What a record of the saved state needs in each slot of the storage.
pub const RECORD: usize = Monitor::<WINDOW>::BYTES + RECORD_OVERHEAD;

/// Where the results go, as they come.
pub trait Log {
    /// A pair's results; pairs are counted from 0.
    fn pair(&mut self, pair: u32, scored: &Scored);
    /// A pair that raised or cleared alarms.
    fn alarms(&mut self, pair: u32, changes: Changes, window: &WindowReport);
    /// The state was saved and restored after so many pairs; these alarms are raised.
    fn restored(&mut self, pairs: u32, raised: Alarms);
    /// The end: all pairs, and the last ones.
    fn end(&mut self, report: &Report, window: &WindowReport);
}

/// When the alarms are raised and cleared.
fn limits() -> Result<Limits, Error> {
    // In most of the window's pairs the chosen answer lost probability: the policy unlearns what it should prefer.
    let displacement = Threshold { raise: 0.6, clear: 0.45 };
    // A single pair that is not a number is one too many.
    let nonfinite = Threshold { raise: 0.01, clear: 0.0 };
    Limits::new(WINDOW as u32)?.with(Alarm::Displacement, displacement)?.with(Alarm::Nonfinite, nonfinite)
}

/// One pair, token by token: `None` if an answer is missing.
fn score(evaluator: &mut Evaluator<Dpo>, pair: &TokenPair) -> Result<Option<Scored>, Error> {
    let mut scored = None;
    for (side, tokens) in [(Side::Chosen, &pair.chosen), (Side::Rejected, &pair.rejected)] {
        evaluator.begin(side)?;
        for (&policy, &reference) in tokens.policy.iter().zip(tokens.reference) {
            evaluator.token(policy, Some(reference))?;
        }
        scored = evaluator.end(None)?;
    }
    Ok(scored)
}

/// Evaluates all pairs. Half way the state goes to the storage, and the second half begins from what the storage holds, as
/// after a loss of power.
///
/// # Errors
/// Those of the library and of the storage.
pub fn run<S: Storage>(pairs: &[TokenPair], storage: S, log: &mut impl Log) -> Result<(), StorageError<S::Error>> {
    let limits = limits().map_err(StorageError::State)?;
    let mut evaluator = Evaluator::new(Dpo::new(0.1).map_err(StorageError::State)?);
    let mut record = [0; RECORD];
    let mut monitor = Monitor::<WINDOW>::new();
    let (mut slots, _) = Slots::open(storage, &mut monitor, &mut record)?;

    let half = pairs.len() / 2;
    for (pair, number) in pairs.iter().zip(0..) {
        if number as usize == half {
            slots.save(&monitor, &mut record)?;
            monitor = Monitor::new();
            (slots, _) = Slots::open(slots.into_storage(), &mut monitor, &mut record)?;
            log.restored(number, monitor.raised());
        }
        let Some(scored) = score(&mut evaluator, pair).map_err(StorageError::State)? else { continue };
        log.pair(number, &scored);
        let changes = monitor.push(&scored, &limits);
        if changes != Changes::default() {
            log.alarms(number, changes, &monitor.window().report());
        }
    }
    log.end(&monitor.metrics().report(), &monitor.window().report());
    Ok(())
}
