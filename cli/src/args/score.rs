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
  .json           the same, or an array of objects
  .csv            comma-separated, with a header; other separators by --delimiter
  .tsv            the same between tabs
  .parquet        compressed by snappy, zstd, lz4, gzip or brotli, or not
  .arrow .feather .ipc
                  Arrow's file or stream, compressed by zstd or lz4, or not
  .npz            numpy.savez or savez_compressed, one array a column
  .npy            numpy.save of a structured array, one field a column
  .safetensors    one tensor a column
  -               standard input

  Text may be compressed by gzip or zstd, as in .csv.gz and .jsonl.zst; the contents tell it, not the
  ending. Standard input, pipes and other endings need --format. Parquet and safetensors from a pipe
  are first copied to a temporary file; .npz must be a file.

  A folder stands for the files in it and in its folders, a pattern in quotes ('data/*.parquet') for
  what matches it, in the order of their names as bytes: part-10 comes before part-2. Names that
  begin with a dot or an underscore are left out. Fields of a struct are named with a dot: scores.chosen.

  Log-probabilities are sums over the completion, in nats. Numbers become 32-bit floats exactly
  once: decimal text and 64-bit columns are rounded to the nearest, 16-bit columns (float16,
  bfloat16) widened. Not-a-number and infinity are values: nan, inf, -inf in CSV; in JSON the strings
  \"nan\", \"inf\", \"-inf\", or bare as Python (NaN, Infinity) and others (nan, inf) write them.

  A value that is missing is an error, unless --nulls says otherwise: null in JSON and Parquet; in CSV
  an empty field, or NA, N/A, #N/A, <NA>, NULL, None or \\N in any case. A key or column that is not
  there is always an error. With --nulls skip, --out has a row for each pair that is left.

  In JSON, a name with dots is also that of a value inside objects: scores.policy_chosen. Lists of
  token log-probabilities need --tokens; CSV may hold them as text, \"[-1.5, -0.5]\".

  CSV is read strictly. A quote opens a field or is an error, and is doubled inside of one; every line
  has as many fields as the header. Lines that start with # may stand before the header, or hold it, as
  numpy.savetxt writes it; so may Excel's sep=; line. Text is UTF-8. A line or record is at most 256 MiB
  long.

  --out holds loss, chosen_rewards, rejected_rewards, margins, grad_chosen_logps and
  grad_rejected_logps, one row a pair, in order. The gradients are those of the pair's own loss,
  not divided by the number of pairs. A file that is there is replaced, with its mode and, as far as
  the user may, its owner; where --out is a link, the file that it points to. What is not a file, or
  is an input by any name, is refused.

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

    /// Worker threads, no more of which start than the work and the machine need; the results do not depend
    /// on it [default: all cores]
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
