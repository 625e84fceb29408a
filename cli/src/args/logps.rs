//! The options of `preflane logps`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::thread_count;

/// What its help says of files.
pub const FILES: &str = concat!(
    "\
Input:
  A .safetensors file with the tensors logits [sequences, positions, vocabulary], of type F32, BF16
  or F16, and labels [sequences, positions], I32 or I64, with -100 for a token that does not count.
  As in Hugging Face's models, the logits at a position predict the label at the next one; the last
  logits and the first label of a sequence go unused. With --shifted, logits and labels stand at the
  same position and all are used. The file may be larger than memory.

Output:
  token_logps       F32 [sequences, positions - 1], or [sequences, positions] with --shifted:
                    log-probabilities of the labels in nats, 0 where masked
  sequence_logps    F32 [sequences]: their exact sum (or mean) over the tokens that count, rounded once
  sequence_lengths  I64 [sequences]: how many tokens count

  .safetensors holds all three; .jsonl, .csv, .parquet and .npz hold the last two, one row a sequence.
  preflane score --policy and --reference take two such .safetensors files.

",
    environment!()
);

/// What a sequence's tokens come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reduce {
    /// The sum of the log-probabilities of the tokens that count: what DPO takes
    Sum,
    /// Their mean: what IPO, as TRL trains it, and SimPO take
    Mean,
}

impl Reduce {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
        }
    }
}

/// The options of `preflane logps`.
#[derive(Debug, Args)]
pub struct Logps {
    /// A .safetensors file with logits and labels
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where the log-probabilities go; the format follows the ending
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// The tensor of logits
    #[arg(long, value_name = "NAME", default_value = "logits")]
    pub logits: String,

    /// The tensor of labels
    #[arg(long, value_name = "NAME", default_value = "labels")]
    pub labels: String,

    /// Logits and labels are aligned already: those at one position belong together
    #[arg(long)]
    pub shifted: bool,

    /// What becomes of a sequence's tokens
    #[arg(long, value_enum, default_value = "sum")]
    pub reduce: Reduce,

    /// Divides the logits
    #[arg(long, value_name = "T", default_value = "1", allow_negative_numbers = true)]
    pub temperature: f64,

    /// Worker threads, no more of which start than the work and the machine need; the results do not depend
    /// on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = thread_count)]
    pub threads: Option<NonZeroUsize>,

    /// Print one JSON object instead of the report
    #[arg(long)]
    pub json: bool,
}
