//! The options of `preflane logps`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::thread_count;

/// What its help says of files.
pub const FILES: &str = concat!(
    "\
Input:
  A .safetensors file with the tensors logits [sequences, positions, vocabulary], of type F32, BF16,
  F16 or F64, and labels [sequences, positions], of any type of integers, with -100 for a token that
  does not count. One sequence may also be [positions, vocabulary] and [positions]. With --mask a
  third tensor, of the labels' shape, tells what counts: 1, or 0 (integers or BOOL); a label of -100
  does not count then either. Every F64 logit must be an F32 exactly, as after widening: rounding the
  others here would be beyond the bound of the results.
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

  .safetensors and .parquet also hold their provenance, as metadata: sum or mean, temperature, logit
  scale, soft cap, shift, type of the logits, counts, a SHA-256 of the labels that count, and what
  --note adds. preflane score refuses files that do not fit together by it. The keys and their meaning:
  docs/reference-logps.md in preflane's repository. .jsonl, .csv and .npz have no place for it.

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

    /// The tensor that tells which labels count, by 1 or 0 [default: all but those labelled -100]
    #[arg(long, value_name = "NAME")]
    pub mask: Option<String>,

    /// Logits and labels are aligned already: those at one position belong together
    #[arg(long)]
    pub shifted: bool,

    /// What becomes of a sequence's tokens
    #[arg(long, value_enum, default_value = "sum")]
    pub reduce: Reduce,

    /// Divides the logits, after the other two
    #[arg(long, value_name = "T", default_value = "1", allow_negative_numbers = true)]
    pub temperature: f64,

    /// Multiplies the logits first, as in Cohere's models
    #[arg(long, value_name = "S", default_value = "1", allow_negative_numbers = true)]
    pub logit_scale: f64,

    /// Caps the logits softly, C tanh(logit / C), as in Gemma 2, after the logit scale [default: no cap]
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pub soft_cap: Option<f64>,

    /// A note for whoever reads the output, such as model=NAME or tokenizer=NAME; may be given again
    #[arg(long = "note", value_name = "KEY=VALUE", value_parser = note)]
    pub notes: Vec<(String, String)>,

    /// Worker threads, no more of which start than the work and the machine need; the results do not depend
    /// on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = thread_count)]
    pub threads: Option<NonZeroUsize>,

    /// Print one JSON object instead of the report
    #[arg(long)]
    pub json: bool,
}

/// A key of a word, and a value that may be anything.
fn note(text: &str) -> Result<(String, String), String> {
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    match text.split_once('=') {
        Some((key, value)) if is_key(key) => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is needed, the key of letters, digits, dots, dashes and underscores".to_owned()),
    }
}
