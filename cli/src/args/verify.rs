//! The options of `preflane verify`.

use std::path::PathBuf;

use clap::Args;

/// What its help says beyond the options.
pub const ABOUT: &str = "\
Checks, on every instruction set that this CPU has:
  digests     the bits of all outputs over a fixed set of inputs, as on all platforms
  elementary  exp, log and their kin: the nearest f32 to the exact value
  accuracy    every other result against arithmetic of hundreds of bits
  merges      the same state for every order and partition

The report can be pasted into a bug report.

Exit status: 0 all held, 1 something did not, 2 it could not be found out.";

/// The options of `preflane verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Judge the elementary functions at all 2^32 inputs instead of some millions: takes minutes to hours
    #[arg(long)]
    pub full: bool,

    /// Another list of digests than the one built in
    #[arg(long, value_name = "FILE", hide = true)]
    pub digests: Option<PathBuf>,
}
