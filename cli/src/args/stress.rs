//! The options of `preflane stress`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

#[cfg(feature = "judge")]
use crate::failure::Failure;

/// What its help says of the code under test.
pub const SUBJECT: &str = "\
The code under test:
  --library FILE  a shared library with preflane_stress_pairs_f32 or its like (cli/stress/preflane_stress.h)
  -- COMMAND...   a program that reads batches and answers, line by line (cli/stress/README.md has the
                  protocol, and adapters for PyTorch)

Bound:
  By default a result may be off by 8 units in the last place of its type, and by what 8 such units of
  every log-probability and constant that went into it would make of it: what is lost where numbers
  cancel is not the code's fault. Gradients may flush to zero where they are not normal numbers.
  --strict grants nothing beyond --bound.

Exit status: 0 when nothing was found, 1 when something was, 2 when the code under test could not be
run: it ended, hung, or answered something else.";

/// A regression test's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// For `cargo test`
    Rust,
    /// A program that ends with status 1
    C,
    /// For pytest and PyTorch
    Pytest,
}

/// How far off a result may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Units in the last place of the type, at the exact value.
    Ulps(f64),
    /// Relative to the exact value.
    Relative(f64),
}

fn bound(text: &str) -> Result<Bound, String> {
    let (number, bound): (_, fn(f64) -> Bound) = match text.strip_suffix("ulp") {
        Some(number) => (number, Bound::Ulps),
        None => (text, Bound::Relative),
    };
    let number: f64 = number.trim().parse().unwrap_or(f64::NAN);
    if number > 0.0 && number.is_finite() {
        Ok(bound(number))
    } else {
        Err("a number above 0 is needed, relative (1e-6) or in units in the last place (8ulp)".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().unwrap_or(f64::NAN);
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or("a number of seconds above 0 is needed".to_owned())
}

/// The options of `preflane stress`.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "judge"), allow(dead_code, reason = "parsed, to say what is missing"))]
#[command(group(ArgGroup::new("subject").required(true).args(["library", "command"])))]
pub struct Stress {
    /// What the code under test claims to compute: a loss by its name or alias, of the list or of another library (discopop,
    /// forward-kl, odds-ratio), or sum-logps or mean-logps, the log-probabilities of sequences from logits and labels
    #[arg(long, value_name = "LOSS", default_value = "dpo")]
    pub loss: String,

    /// A shared library that has the function
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,

    /// Its function [default: the one of the header that the loss needs, f32 first]
    #[arg(long, value_name = "NAME", requires = "library")]
    pub symbol: Option<String>,

    /// A command that speaks the protocol, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// Scale of the rewards; ORPO's weight [default: 0.1]
    #[arg(long, value_name = "BETA", allow_negative_numbers = true)]
    pub beta: Option<f64>,

    /// Share of flipped labels; losses that have it need it
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    pub label_smoothing: Option<f64>,

    /// DiscoPOP's temperature [default: 0.05]
    #[arg(long, value_name = "TAU", allow_negative_numbers = true)]
    pub tau: Option<f64>,

    /// SimPO's margin, not scaled by beta [default: 0.5]
    #[arg(long, value_name = "GAMMA", allow_negative_numbers = true)]
    pub gamma: Option<f64>,

    /// Any parameter by its name; may be given again
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub parameter: Vec<String>,

    /// Give 0 for every reference
    #[arg(long)]
    pub reference_free: bool,

    /// How far off a result may be: 8ulp, or relative: 1e-6
    #[arg(long, value_name = "BOUND", default_value = "8ulp", value_parser = bound, allow_negative_numbers = true)]
    pub bound: Bound,

    /// The bound alone: no allowance for numbers that cancel or underflow
    #[arg(long)]
    pub strict: bool,

    /// Inputs to try
    #[arg(long, value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,

    /// Try inputs for so many seconds instead
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "count")]
    pub time: Option<Duration>,

    /// Where chance begins: the same seed and count, the same inputs
    #[arg(long, value_name = "SEED", default_value = "1")]
    pub seed: u64,

    /// Go on after the first finding, and tell every kind of failure apart
    #[arg(long)]
    pub all: bool,

    /// How long an answer may take, in seconds; the start ten times as long
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub time_limit: Duration,

    /// Print a regression test of each finding
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub regression: Option<Language>,

    /// Print one JSON object instead of the report
    #[arg(long)]
    pub json: bool,

    /// Write the report: .md, or .json
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Draw the errors against the inputs: .svg
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

#[cfg(feature = "judge")]
impl Stress {
    /// Parameters with an option of their own.
    pub const OPTIONS: [&str; 4] = ["beta", "label_smoothing", "tau", "gamma"];

    /// The parameters that are given, each once.
    pub fn given(&self) -> Result<Vec<(String, f64)>, Failure> {
        let options = [self.beta, self.label_smoothing, self.tau, self.gamma];
        let mut given: Vec<(String, f64)> =
            Self::OPTIONS.iter().zip(options).filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect();
        for text in &self.parameter {
            let parsed =
                text.split_once('=').and_then(|(name, value)| Some((name.replace('-', "_"), value.parse().ok()?)));
            let Some((name, value)) = parsed else {
                return Err(Failure::new(format!(
                    "--parameter {text}: a name and a number are needed, as in beta=0.1"
                )));
            };
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Failure::new(format!("--parameter {text}: {name} is given twice")));
            }
            given.push((name, value));
        }
        Ok(given)
    }
}

/// The options of the process that holds a library.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "judge"), allow(dead_code, reason = "parsed, to say what is missing"))]
pub struct StressHost {
    /// The shared library
    pub library: PathBuf,
    /// Its function
    #[arg(long)]
    pub symbol: Option<String>,
    /// What it takes, in the protocol's word
    #[arg(long, default_value = "pairs")]
    pub takes: String,
}
