//! The command line.

/// The end of every command's help.
macro_rules! environment {
    () => {
        "\
Environment:
  PREFLANE_LEVEL  instruction set: scalar, wide, avx2 or avx512 (default: the best there is;
                  the results have the same bits on all of them)
  NO_COLOR        no colours

Exit status:
  0  done; a report that its reader closed early counts as read
  1  stress found something, or verify saw something that does not hold
  2  something cannot be read, computed or written, or memory is refused: one line on standard error
     says what
  A signal (an interrupt, a limit of processor time) ends the command as that signal does. Whatever
  the end, --out is there whole or as it was; only what kill -9 leaves, a hidden .preflane-*.tmp,
  stays until the next run that writes in that folder."
    };
}

mod logps;
mod losses;
mod mix;
mod presets;
mod reading;
mod score;
mod stress;
mod verify;

pub use logps::{Logps, Reduce};
pub use losses::{Losses, kinds, losses_of, option};
pub use presets::PRESETS;
pub use score::{Score, Sequences};
#[cfg(feature = "judge")]
pub use stress::{Bound, Language};
pub use stress::{Stress, StressHost};
pub use verify::Verify;

use std::num::NonZeroUsize;

use clap::{Parser, Subcommand};

/// Log-probabilities, losses, rewards, margins and gradients of preference optimisation.
#[derive(Debug, Parser)]
#[command(name = "preflane", version, after_help = environment!())]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Score files of log-probabilities: metrics, margins and what to watch.
    #[command(after_long_help = score::FILES)]
    Score(Box<Score>),
    /// List the losses: names, formulas, parameters and sources.
    Losses(Losses),
    /// Turn logits and labels into log-probabilities of tokens and sequences.
    #[command(after_long_help = logps::FILES)]
    Logps(Logps),
    /// Hunt for the input where somebody else's loss goes wrong.
    #[command(after_long_help = stress::SUBJECT)]
    Stress(Box<Stress>),
    /// Answer for a shared library; `preflane stress` starts this.
    #[command(hide = true)]
    StressHost(StressHost),
    /// Verify on this machine that the results are right, and the same as on every other.
    #[command(after_help = verify::ABOUT)]
    Verify(Verify),
}

fn thread_count(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= preflane::Run::MOST_THREADS);
    count.ok_or_else(|| {
        let most = preflane::Run::MOST_THREADS;
        format!("a whole number from 1 to {most} is needed; no machine has more threads")
    })
}
