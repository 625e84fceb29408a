//! Instructions, counted by the emulator: with `-icount` each takes the same time.

use core::hint::black_box;

#[cfg(target_arch = "arm")]
use cortex_m::peripheral::{Peripherals, SYST, syst::SystClkSource};

/// A counter of time, and what a thousand instructions are on it.
pub struct Clock {
    #[cfg(target_arch = "arm")]
    timer: SYST,
    scale: u64,
    empty: u64,
}

/// Turns of the loop that the counter is set by, of two instructions each.
const TURNS: u32 = 8_000;

impl Clock {
    /// Starts it and measures its scale; `None` if it does not run.
    pub fn new() -> Option<Self> {
        let mut clock = Self {
            #[cfg(target_arch = "arm")]
            timer: {
                let mut timer = Peripherals::take()?.SYST;
                timer.set_clock_source(SystClkSource::Core);
                timer.set_reload(0x00ff_ffff);
                timer.clear_current();
                timer.enable_counter();
                timer
            },
            scale: 0,
            empty: 0,
        };
        let empty = clock.ticks(|| ());
        clock.scale = clock.ticks(|| turns(TURNS)).checked_sub(empty).filter(|&ticks| ticks > 0)?;
        clock.empty = empty;
        Some(clock)
    }

    /// The instructions of a call, rounded.
    pub fn instructions<T>(&mut self, call: impl FnOnce() -> T) -> u64 {
        let ticks = self.ticks(call).saturating_sub(self.empty);
        (ticks * u64::from(2 * TURNS) + self.scale / 2) / self.scale
    }

    #[cfg(target_arch = "arm")]
    fn ticks<T>(&mut self, call: impl FnOnce() -> T) -> u64 {
        // The timer counts 24 bits down: a call must not take longer than that.
        let begin = SYST::get_current();
        black_box(call());
        let _ = &self.timer;
        u64::from(begin.wrapping_sub(SYST::get_current()) & 0x00ff_ffff)
    }

    #[cfg(target_arch = "riscv32")]
    fn ticks<T>(&mut self, call: impl FnOnce() -> T) -> u64 {
        let begin = riscv::register::minstret::read();
        black_box(call());
        riscv::register::minstret::read().wrapping_sub(begin) as u64
    }
}

#[allow(unsafe_code, reason = "a loop of exactly two instructions")]
fn turns(turns: u32) {
    #[cfg(target_arch = "arm")]
    // SAFETY: changes a register and the flags.
    unsafe {
        core::arch::asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) turns => _, options(nomem, nostack));
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: changes a register.
    unsafe {
        core::arch::asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inout(reg) turns => _, options(nomem, nostack));
    }
}
