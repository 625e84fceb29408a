//! How files are read: options that all commands with columns share.

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::format::Format;
use crate::input::{Nulls, Reading, Tokens, delimiter_problem};

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// One JSON object a line, or an array of objects
    #[value(alias = "ndjson")]
    Jsonl,
    /// One JSON object a line, or an array of objects, by its other ending
    Json,
    /// Values between commas, with a header
    Csv,
    /// Values between tabs, with a header
    Tsv,
    /// Apache Parquet
    Parquet,
    /// Arrow's files and streams
    #[value(alias = "feather", alias = "ipc")]
    Arrow,
    /// numpy.savez
    Npz,
    /// One numpy array with named fields
    Npy,
    /// One tensor a column
    Safetensors,
}

impl FormatName {
    fn format(self) -> Format {
        match self {
            Self::Jsonl | Self::Json => Format::JsonLines,
            Self::Csv | Self::Tsv => Format::Csv,
            Self::Parquet => Format::Parquet,
            Self::Arrow => Format::Arrow,
            Self::Npz => Format::Npz,
            Self::Npy => Format::Npy,
            Self::Safetensors => Format::Safetensors,
        }
    }
}

/// What becomes of a value that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NullsName {
    /// The file is refused, naming the place
    Error,
    /// It is taken for a number that is not known
    Nan,
    /// Its row is left out, and counted in the report
    Skip,
}

/// What becomes of a list of token log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokensName {
    /// The sum: what DPO takes
    Sum,
    /// The mean: what IPO, as TRL trains it, and SimPO take
    Mean,
}

/// The options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub struct Options {
    /// The format of all files, whatever their endings: for standard input (-), pipes, other endings
    #[arg(long, value_enum, value_name = "NAME")]
    pub format: Option<FormatName>,

    /// Null, an empty field of CSV, or a word for it there (NA, null, None)
    #[arg(long, value_enum, value_name = "HOW", default_value = "error")]
    pub nulls: NullsName,

    /// Columns hold lists of token log-probabilities, which are added up or averaged; a leading null does
    /// not count
    #[arg(long, value_enum, value_name = "HOW")]
    pub tokens: Option<TokensName>,

    /// With --tokens sum: number t of a list, counted from 0, counts X to the power of t; 0 to 1. So lists of
    /// the steps of two segments of a trajectory are scored
    #[arg(long, value_name = "X", value_parser = discount)]
    pub discount: Option<f64>,

    /// What stands between the fields of CSV: a character, tab, or space (any number of blanks)
    /// [default: a comma; a tab in .tsv; a semicolon with --decimal-comma]
    #[arg(long, value_name = "C", value_parser = delimiter, allow_hyphen_values = true)]
    pub delimiter: Option<u8>,

    /// Numbers of CSV have a decimal comma: -12,5
    #[arg(long)]
    pub decimal_comma: bool,

    /// JSON strings that hold a number are that number
    #[arg(long)]
    pub number_strings: bool,
}

impl Options {
    /// What the readers take.
    pub fn reading(&self) -> Reading {
        Reading {
            format: self.format.map(FormatName::format),
            nulls: match self.nulls {
                NullsName::Error => Nulls::Error,
                NullsName::Nan => Nulls::Nan,
                NullsName::Skip => Nulls::Skip,
            },
            tokens: self.tokens.map(|tokens| match (tokens, self.discount) {
                (TokensName::Sum, None) => Tokens::Sum,
                (TokensName::Sum, Some(discount)) => Tokens::Discounted(discount),
                (TokensName::Mean, _) => Tokens::Mean,
            }),
            delimiter: self.delimiter.or((self.format == Some(FormatName::Tsv)).then_some(b'\t')),
            decimal_comma: self.decimal_comma,
            number_strings: self.number_strings,
        }
    }

    /// That no option is given which would change nothing: files of these formats are read, or, with none, only sequences.
    ///
    /// # Errors
    /// The first such option.
    pub fn check_used(&self, formats: &[Format]) -> Result<(), Failure> {
        if self.discount.is_some() && self.tokens != Some(TokensName::Sum) {
            return Err(Failure::new("--discount is for --tokens sum, which is not given"));
        }
        let (csv, json) = (formats.contains(&Format::Csv), formats.contains(&Format::JsonLines));
        let any = !formats.is_empty();
        let options = [
            ("--format", self.format.is_some(), any, "files of pairs"),
            ("--nulls", self.nulls != NullsName::Error, any, "files of pairs"),
            ("--tokens", self.tokens.is_some(), any, "files of pairs"),
            ("--delimiter", self.delimiter.is_some(), csv, "CSV"),
            ("--decimal-comma", self.decimal_comma, csv || json && self.number_strings, "CSV"),
            ("--number-strings", self.number_strings, json, "JSON"),
        ];
        match options.into_iter().find(|(_, is_given, is_used, _)| *is_given && !is_used) {
            Some((name, .., of)) => Err(Failure::new(format!("{name} is for {of}; no such file is read"))),
            None => Ok(()),
        }
    }
}

/// What a step counts after one that counts 1.
fn discount(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|discount| (0.0..=1.0).contains(discount));
    found.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}

/// A delimiter by its name, or itself.
fn delimiter(text: &str) -> Result<u8, String> {
    let byte = match text {
        "tab" | "\\t" => b'\t',
        "space" => b' ',
        _ => match text.as_bytes() {
            [byte] => *byte,
            _ => return Err("one ASCII character, tab or space is needed".to_owned()),
        },
    };
    delimiter_problem(byte).map_or(Ok(byte), |problem| Err(problem.to_owned()))
}
