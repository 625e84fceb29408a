//! The options of `preflane stress`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

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

/// What the code under test computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Formula {
    /// -log sigmoid(z), z = beta (u - v), with u and v the log-ratios of policy to reference
    Dpo,
    /// DPO with smoothed labels, loss bounded below
    Cdpo,
    /// DPO with the unbiased correction for flipped labels
    Robust,
    /// (u - v - 1 / (2 beta))^2
    Ipo,
    /// max(0, 1 - z)
    Hinge,
    /// DiscoPOP, log-ratio modulated, with --tau
    Discopop,
    /// DPO on the forward KL's scores: -log sigmoid(beta (e^-v - e^-u))
    ForwardKl,
    /// ORPO's odds-ratio term, -beta log sigmoid(log-odds(chosen) - log-odds(rejected)); no reference
    OddsRatio,
    /// -log sigmoid(beta (chosen - rejected) - gamma), with --gamma; no reference
    Simpo,
    /// Log-probabilities of sequences from logits and labels: sums over the tokens that count
    SumLogps,
    /// The same, means
    MeanLogps,
}

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
    /// What the code under test claims to compute
    #[arg(long, value_enum, default_value = "dpo")]
    pub loss: Formula,

    /// A shared library that has the function
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,

    /// Its function [default: the one of the header that the loss needs, f32 first]
    #[arg(long, value_name = "NAME", requires = "library")]
    pub symbol: Option<String>,

    /// A command that speaks the protocol, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// Strength of the tie to the reference; ORPO's weight
    #[arg(long, value_name = "BETA", default_value = "0.1", allow_negative_numbers = true)]
    pub beta: f64,

    /// Share of flipped labels (cdpo and robust, which need it)
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    pub label_smoothing: Option<f64>,

    /// DiscoPOP's temperature [default: 0.05]
    #[arg(long, value_name = "TAU")]
    pub tau: Option<f64>,

    /// SimPO's margin, not scaled by beta [default: 0.5]
    #[arg(long, value_name = "GAMMA")]
    pub gamma: Option<f64>,

    /// Give 0 for every reference
    #[arg(long)]
    pub reference_free: bool,

    /// How far off a result may be: 8ulp, or relative: 1e-6
    #[arg(long, value_name = "BOUND", default_value = "8ulp", value_parser = bound)]
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

/// The options of the process that holds a library.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "judge"), allow(dead_code, reason = "parsed, to say what is missing"))]
pub struct StressHost {
    /// The shared library
    pub library: PathBuf,
    /// Its function
    #[arg(long)]
    pub symbol: Option<String>,
    /// That takes logits
    #[arg(long)]
    pub logits: bool,
}
