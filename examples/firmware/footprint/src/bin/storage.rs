//! The monitor, and its state in two slots.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::streaming::storage::{RECORD_OVERHEAD, Slots, StorageError};
use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Threshold};
use preflane_example_evaluation::{Memory, TooLong};
use preflane_example_footprint::{any_loss, pair};

const RECORD: usize = Monitor::<32>::BYTES + RECORD_OVERHEAD;

fn run() -> Result<(), StorageError<TooLong>> {
    let state = |error: Error| StorageError::State(error);
    let mut limits = Limits::new(black_box(32)).map_err(state)?;
    for alarm in Alarm::ALL {
        limits = limits.with(alarm, black_box(Threshold { raise: 0.5, clear: 0.5 })).map_err(state)?;
    }
    let mut evaluator = Evaluator::new(any_loss().map_err(state)?);
    let mut monitor = Monitor::<32>::new();
    let mut record = [0; RECORD];
    let (mut slots, _) = Slots::open(Memory::<RECORD>::new(), &mut monitor, &mut record)?;
    loop {
        if let Some(scored) = pair(&mut evaluator).map_err(state)? {
            let _ = black_box(monitor.push(&scored, &limits));
            slots.save(&monitor, &mut record)?;
        }
        black_box((monitor.metrics().report(), monitor.window().report()));
    }
}

#[preflane_example_footprint::entry]
fn main() -> ! {
    loop {
        let _ = black_box(run());
    }
}
