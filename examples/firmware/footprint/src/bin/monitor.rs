//! Pairs with any of the losses, exact metrics, a window and its alarms.
#![no_std]
#![no_main]

use core::hint::black_box;
use preflane::Error;
use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Threshold};
use preflane_example_footprint::{any_loss, pair};

fn run() -> Result<(), Error> {
    let mut limits = Limits::new(black_box(32))?;
    for alarm in Alarm::ALL {
        limits = limits.with(alarm, black_box(Threshold { raise: 0.5, clear: 0.5 }))?;
    }
    let mut evaluator = Evaluator::new(any_loss()?);
    let mut monitor = Monitor::<32>::new();
    loop {
        if let Some(scored) = pair(&mut evaluator)? {
            let _ = black_box(monitor.push(&scored, &limits));
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
