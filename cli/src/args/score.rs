//! The options of `preflane score`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use preflane::losses::{Description, LOSSES};

use super::losses::{Parameters, by_name};
use super::mix::{Mixed, mixed};
use super::presets::{self, Preset};
use super::thread_count;
use crate::failure::Failure;

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

  Losses of pairs read a chosen and a rejected answer a row. Losses of labelled answers read one answer
  and its label a row; true and false may be booleans, numbers or text. Losses of lists read a list of
  answers a row (JSON and Arrow lists, in CSV as text), best first; or with --group one answer a row.

  Log-probabilities are sums over the completion, in nats; means where the loss is of token means.
  Numbers become 32-bit floats exactly once: decimal text and 64-bit columns are rounded to the
  nearest, 16-bit columns (float16, bfloat16) widened. Not-a-number and infinity are values: nan, inf, -inf in CSV; in JSON the strings
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

  --out holds, of pairs, loss, chosen_rewards, rejected_rewards, margins, grad_chosen_logps and
  grad_rejected_logps, one row a pair, in order; of labelled answers loss, rewards and grad_logps, one
  row an answer; of lists the same with the number of the list before them, one row an answer, each
  with the loss of its list. The gradients are those of the pair's, answer's or list's own loss, not
  divided by their number. A file that is there is replaced, with its mode and, as far as
  the user may, its owner; where --out is a link, the file that it points to. What is not a file, or
  is an input by any name, is refused.

",
    environment!()
);

/// The options of `preflane score`.
#[derive(Debug, Args)]
pub struct Score {
    /// Files of pairs, labelled answers or lists, scored as one data set in this order
    #[arg(required_unless_present_any = ["policy", "reference", "interleaved"], value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The loss, by its name or what trainers call it; `preflane losses` tells more of each
    #[arg(long, value_name = "NAME", value_parser = by_name(), default_value = LOSSES[0].name, hide_possible_values = true, ignore_case = true)]
    pub loss: &'static Description,

    /// Take the loss's name as a trainer does, with its defaults, and say what that is; `preflane losses
    /// --presets` lists them
    #[arg(long, value_name = "TRAINER", value_parser = presets::by_name())]
    pub preset: Option<&'static Preset>,

    /// What the preset made of the loss.
    #[arg(skip)]
    pub convention: Option<String>,

    /// A sum of losses of pairs instead, as in dpo:0.8,bco_pair:0.2,nll:1; nll is the column of that name
    #[arg(long, value_name = "LOSS:WEIGHT,..", conflicts_with_all = ["loss", "preset"], allow_hyphen_values = true)]
    pub mix: Option<String>,

    /// What it comes to.
    #[arg(skip)]
    pub mixed: Option<Mixed>,

    /// Its parameters.
    #[command(flatten)]
    pub parameters: Parameters,

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

    /// Write the loss, rewards and gradients of each pair or answer; the format follows the ending
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

    /// Those of labelled and listed answers.
    #[command(flatten)]
    pub answers: AnswerColumns,

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
        conflicts_with_all = ["files", "Columns", "AnswerColumns"]
    )]
    pub policy: Option<PathBuf>,

    /// The reference's .safetensors file: the same sequences in the same order
    #[arg(long, value_name = "FILE", requires = "policy", conflicts_with_all = ["files", "reference_free"])]
    pub reference: Option<PathBuf>,

    /// The sequences are chosen, rejected, chosen, rejected and so on
    #[arg(long, requires = "policy", conflicts_with = "files")]
    pub interleaved: bool,
}

/// Names of the columns of every shape, and of those of pairs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns")]
pub struct Columns {
    /// Policy's log-probability of the chosen answer [default: policy_chosen_logps]
    #[arg(long, value_name = "NAME")]
    pub policy_chosen: Option<String>,

    /// Policy's log-probability of the rejected answer [default: policy_rejected_logps]
    #[arg(long, value_name = "NAME")]
    pub policy_rejected: Option<String>,

    /// Reference's log-probability of the chosen answer [default: ref_chosen_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_free")]
    pub ref_chosen: Option<String>,

    /// Reference's log-probability of the rejected answer [default: ref_rejected_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_free")]
    pub ref_rejected: Option<String>,

    /// The number that the loss takes of each pair or answer beside log-probabilities, if it takes one: preflane losses says
    /// what [default: by that name, as reward]
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,

    /// Weight of each pair, labelled answer or list, at least 0: multiplies its loss and gradients, not rewards or
    /// margins; the mean loss still divides by their number. A weight of 0 makes 0 of every loss and gradient that
    /// is a number, infinite ones too; it does not hide a nan, nor leave its row out [default: every one
    /// weighs 1]
    #[arg(long, value_name = "NAME")]
    pub weights: Option<String>,
}

/// Names of the columns of labelled and of listed answers, and what belongs to these alone.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns of losses of labelled or listed answers")]
pub struct AnswerColumns {
    /// Policy's log-probability of the answer; for lists without --group the list of them, best first [default: policy_logps]
    #[arg(long, value_name = "NAME")]
    pub policy_logps: Option<String>,

    /// Reference's log-probability of the answer, likewise [default: ref_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_free")]
    pub ref_logps: Option<String>,

    /// Whether a labelled answer is desirable: true or false, 1 or 0, desirable or undesirable, chosen or rejected [default: label]
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,

    /// The log-ratio at which a labelled answer is neither good nor bad, for kto and bco. Without it, for kto, it is the
    /// mean over all rows of the two columns that follow, policy less reference, or 0 if that is negative; for bco the
    /// mean log-ratio of all answers, whose shift of rewards is beta times it (0 is the other convention)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub reference_point: Option<f32>,

    /// Policy's log-probability of an answer to another prompt, for kto [default: policy_KL_logps]
    #[arg(long, value_name = "NAME", conflicts_with = "reference_point")]
    pub policy_kl: Option<String>,

    /// Reference's log-probability of the same [default: ref_KL_logps]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["reference_point", "reference_free"])]
    pub ref_kl: Option<String>,

    /// What the answers of one list have in common, as the prompt's number or text: each row is then one answer, and
    /// those of a list follow each other [default: each row is a whole list]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Rank of each answer in its list, 1 for the best [default: they stand from best to worst]
    #[arg(long, value_name = "NAME")]
    pub rank: Option<String>,
}

impl Score {
    /// Finds out what is to be scored: what a preset or a sum of losses makes of the loss.
    ///
    /// # Errors
    /// A loss that the preset does not have, and a sum that cannot be.
    pub fn resolve(&mut self) -> Result<(), Failure> {
        if let Some(preset) = self.preset {
            let (loss, convention) = preset.resolve(self.loss, &mut self.parameters)?;
            (self.loss, self.convention) = (loss, Some(convention));
        }
        if let Some(text) = &self.mix {
            let sum = mixed(text, &self.parameters)?;
            (self.loss, self.mixed) = (sum.description, Some(sum));
            self.convention = Some(format!("mix: {}", sum.description.formula));
        }
        Ok(())
    }
}
