//! A progress bar for work that takes its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that ends sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// Whether a bar stands on the terminal.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether a bar stands on the terminal: who ends the process abruptly clears its line first.
pub fn is_shown() -> bool {
    IS_SHOWN.load(Ordering::Relaxed)
}

/// Clears the line of a terminal.
pub const CLEAR_LINE: &[u8] = b"\r\x1b[2K";

/// Progress over some work, shown on standard error when that is a terminal.
pub struct Progress {
    template: &'static str,
    what: &'static str,
    total: u64,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Over some bytes of input, or 0 where nobody knows how many; starts the clock.
    pub fn new(total: u64) -> Self {
        // The size of a pipe is not known.
        let template = match total {
            0 => "reading, {elapsed} so far",
            _ => "{bar:24} {percent:>3} %  {bytes} of {total_bytes}, {eta} left",
        };
        Self { template, what: "", total, start: Instant::now(), bar: None }
    }

    /// Over some steps of what is named.
    #[cfg(feature = "judge")]
    pub fn of_steps(what: &'static str, total: u64) -> Self {
        let template = "{bar:24} {percent:>3} %  {msg}, {eta} left";
        Self { template, what, total, start: Instant::now(), bar: None }
    }

    /// Shows how far the work is.
    pub fn update(&mut self, done: u64) {
        if self.bar.is_none() {
            // Of what comes through a pipe nobody knows how much there is.
            if self.total == 0 || self.start.elapsed() < PATIENCE {
                return;
            }
            let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr());
            IS_SHOWN.store(!bar.is_hidden(), Ordering::Relaxed);
            bar.set_style(ProgressStyle::with_template(self.template).expect("the template is well formed"));
            self.bar = Some(bar.with_message(self.what).with_elapsed(self.start.elapsed()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.tick();
        }
    }
}

impl Drop for Progress {
    /// Leaves no bar behind, neither before the report nor before an error.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            IS_SHOWN.store(false, Ordering::Relaxed);
        }
    }
}
