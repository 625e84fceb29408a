//! A progress bar for work that takes its time.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that ends sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// Progress over some bytes of input or other work, shown on standard error when that is a terminal.
pub struct Progress {
    total: u64,
    template: &'static str,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts the clock.
    pub fn new(total: u64) -> Self {
        Self::with_template(total, "{bar:24} {percent:>3} %  {bytes} of {total_bytes}, {eta} left")
    }

    /// Over anything else.
    #[cfg(feature = "judge")]
    pub fn plain(total: u64) -> Self {
        Self::with_template(total, "{bar:24} {percent:>3} %  {eta} left")
    }

    fn with_template(total: u64, template: &'static str) -> Self {
        Self { total, template, start: Instant::now(), bar: None }
    }

    /// Shows how far the work is.
    pub fn update(&mut self, bytes: u64) {
        if self.bar.is_none() {
            if self.start.elapsed() < PATIENCE {
                return;
            }
            let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(self.template);
            bar.set_style(style.expect("the template is well formed"));
            self.bar = Some(bar.with_elapsed(self.start.elapsed()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Progress {
    /// Leaves no bar behind, neither before the report nor before an error.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
