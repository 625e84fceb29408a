//! The lines that the device must have logged, from this machine's own results.

use anyhow::{Result, anyhow};
use preflane::Report;
use preflane::streaming::{Alarms, Changes, Scored, WindowReport};
use preflane_example_evaluation::{Log, Memory, PAIRS, RECORD, run};

/// `Debug` writes what defmt's derived `Format` writes, numbers apart, which `compare` reads.
#[derive(Default)]
struct Lines(Vec<String>);

impl Log for Lines {
    fn pair(&mut self, pair: u32, scored: &Scored) {
        self.0.push(format!("pair {pair}: {scored:?}"));
    }

    fn alarms(&mut self, pair: u32, changes: Changes, window: &WindowReport) {
        for alarm in changes.raised.iter() {
            self.0.push(format!("pair {pair} raised {alarm:?}: {window:?}"));
        }
        for alarm in changes.cleared.iter() {
            self.0.push(format!("pair {pair} cleared {alarm:?}: {window:?}"));
        }
    }

    fn restored(&mut self, pairs: u32, raised: Alarms) {
        self.0.push(format!("restored after {pairs} pairs, raised: {raised:?}"));
    }

    fn end(&mut self, report: &Report, window: &WindowReport) {
        self.0.push(format!("all pairs: {report:?}"));
        self.0.push(format!("last pairs: {window:?}"));
    }
}

pub fn lines() -> Result<Vec<String>> {
    let mut lines = Lines::default();
    run(&PAIRS, Memory::<RECORD>::new(), &mut lines)
        .map_err(|error| anyhow!("this machine's own run failed: {error:?}"))?;
    Ok(lines.0)
}
