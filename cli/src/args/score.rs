//! The options of `preflane score`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::thread_count;

/// What its help says of files.
pub const FILES: &str = concat!(
    "\
Files:
  .jsonl .ndjson  one JSON object a line
  .csv            comma-separated, with a header
  .parquet        compressed by snappy, zstd, lz4 or gzip, or not
  .npz            numpy.savez or savez_compressed, one array a column
  .safetensors    one tensor a column

  Log-probabilities are sums over the completion, in nats. Numbers become 32-bit floats exactly
  once: decimal text and 64-bit columns are rounded to the nearest, 16-bit columns (float16,
  bfloat16) widened. Not-a-number and infinity are values: nan, inf, -inf in CSV, the strings
  \"nan\", \"inf\", \"-inf\" in JSON (the bare NaN of Python's json.dumps is not JSON). Nulls and
  empty fields are errors.

  --out holds loss, chosen_rewards, rejected_rewards, margins, grad_chosen_logps and
  grad_rejected_logps, one row a pair, in order. The gradients are those of the pair's own loss,
  not divided by the number of pairs.

",
    environment!()
);

/// A loss of the DPO family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// DPO: -log sigmoid(z)
    Dpo,
    /// DPO with smoothed labels, loss bounded below
    Cdpo,
    /// DPO with the unbiased correction for flipped labels
    Robust,
    /// IPO: squared distance of the log-ratio difference from 1 / (2 beta)
    Ipo,
    /// Hinge: max(0, 1 - z)
    Hinge,
}

impl LossName {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpo => "dpo",
            Self::Cdpo => "cdpo",
            Self::Robust => "robust",
            Self::Ipo => "ipo",
            Self::Hinge => "hinge",
        }
    }
}

/// The options of `preflane score`.
#[derive(Debug, Args)]
pub struct Score {
    /// Files of pairs, scored as one data set in this order
    #[arg(required_unless_present_any = ["policy", "reference", "interleaved"], value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The loss, with z = beta times the difference of the log-ratios
    #[arg(long, value_enum, default_value = "dpo")]
    pub loss: LossName,

    /// Strength of the tie to the reference
    #[arg(long, value_name = "BETA", default_value = "0.1", allow_negative_numbers = true)]
    pub beta: f64,

    /// Share of flipped labels to assume (cdpo and robust, which need it)
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    pub label_smoothing: Option<f64>,

    /// Take the reference as 0 everywhere; no reference columns are read
    #[arg(long)]
    pub reference_free: bool,

    /// Worker threads; the results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = thread_count)]
    pub threads: Option<NonZeroUsize>,

    /// Print one JSON object instead of the report: the metrics, and the findings by codes that
    /// docs/findings.md in preflane's repository explains
    #[arg(long)]
    pub json: bool,

    /// Write each pair's loss, rewards, margin and gradients; the format follows the ending
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Take files as they are, whatever their metadata say of how they were made
    #[arg(long)]
    pub ignore_provenance: bool,

    /// What stands in the place of the files.
    #[command(flatten)]
    pub sequences: Sequences,

    /// Which columns to read.
    #[command(flatten)]
    pub columns: Columns,

    /// How to read them.
    #[command(flatten)]
    pub reading: super::reading::Options,
}

/// Files of sequences. (A `requires` does not hold where the required option conflicts with one that is given: hence
/// the conflicts with files.)
#[derive(Debug, Args)]
#[command(next_help_heading = "Sequences, as preflane logps writes them")]
pub struct Sequences {
    /// The policy's .safetensors file, in the place of FILE...: the first half of its sequence_logps is
    /// chosen, the second half rejected, as in TRL's concatenated forward pass
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["files", "policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected", "weights"]
    )]
    pub policy: Option<PathBuf>,

    /// The reference's .safetensors file: the same sequences in the same order
    #[arg(long, value_name = "FILE", requires = "policy", conflicts_with_all = ["files", "reference_free"])]
    pub reference: Option<PathBuf>,

    /// The sequences are chosen, rejected, chosen, rejected and so on
    #[arg(long, requires = "policy", conflicts_with = "files")]
    pub interleaved: bool,
}

/// Names of the columns.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns")]
pub struct Columns {
    /// Policy's log-probability of the chosen answer
    #[arg(long, value_name = "NAME", default_value = "policy_chosen_logps")]
    pub policy_chosen: String,

    /// Policy's log-probability of the rejected answer
    #[arg(long, value_name = "NAME", default_value = "policy_rejected_logps")]
    pub policy_rejected: String,

    /// Reference's log-probability of the chosen answer [default: ref_chosen_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_free")]
    pub ref_chosen: Option<String>,

    /// Reference's log-probability of the rejected answer [default: ref_rejected_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_free")]
    pub ref_rejected: Option<String>,

    /// Weight of each pair, at least 0: multiplies its loss and gradients, not rewards or margins; the
    /// mean loss still divides by the number of pairs. A weight of 0 makes 0 of every loss and gradient that
    /// is a number, infinite ones too; it does not hide a nan, nor leave its row out [default: every pair
    /// weighs 1]
    #[arg(long, value_name = "NAME")]
    pub weights: Option<String>,
}
