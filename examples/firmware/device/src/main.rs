//! Evaluates the pairs in flash and logs every result through defmt. How the run ended is the status of the emulator.
#![no_std]
#![no_main]

mod board;

use defmt_semihosting as _;
use preflane::Report;
use preflane::streaming::{Alarms, Changes, Scored, WindowReport};
use preflane_example_evaluation::{Log, Memory, PAIRS, RECORD, run};
use semihosting::process::ExitCode;

/// The device's log. The host program writes the same lines from its own results: change both.
struct Defmt;

impl Log for Defmt {
    fn pair(&mut self, pair: u32, scored: &Scored) {
        defmt::info!("pair {}: {}", pair, scored);
    }

    fn alarms(&mut self, pair: u32, changes: Changes, window: &WindowReport) {
        for alarm in changes.raised.iter() {
            defmt::warn!("pair {} raised {}: {}", pair, alarm, window);
        }
        for alarm in changes.cleared.iter() {
            defmt::info!("pair {} cleared {}: {}", pair, alarm, window);
        }
    }

    fn restored(&mut self, pairs: u32, raised: Alarms) {
        defmt::info!("restored after {} pairs, raised: {}", pairs, raised);
    }

    fn end(&mut self, report: &Report, window: &WindowReport) {
        defmt::info!("all pairs: {}", report);
        defmt::info!("last pairs: {}", window);
    }
}

#[board::entry]
fn main() -> ! {
    let status = match run(&PAIRS, Memory::<RECORD>::new(), &mut Defmt) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            defmt::error!("failed: {}", error);
            ExitCode::FAILURE
        }
    };
    status.exit_process()
}

/// The default handler would spin, and only a time limit would end the run.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ExitCode::FAILURE.exit_process()
}
