//! How files are read: options that all commands with columns share.

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::input::{Nulls, Reading, Tokens};

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
    /// Null, and an empty field of CSV
    #[arg(long, value_enum, value_name = "HOW", default_value = "error")]
    pub nulls: NullsName,

    /// Columns hold lists of token log-probabilities, which are added up or averaged; a leading null does
    /// not count
    #[arg(long, value_enum, value_name = "HOW")]
    pub tokens: Option<TokensName>,
}

impl Options {
    /// What the readers take.
    ///
    /// # Errors
    /// Options that exclude each other.
    pub fn reading(&self) -> Result<Reading, Failure> {
        Ok(Reading {
            nulls: match self.nulls {
                NullsName::Error => Nulls::Error,
                NullsName::Nan => Nulls::Nan,
                NullsName::Skip => Nulls::Skip,
            },
            tokens: self.tokens.map(|tokens| match tokens {
                TokensName::Sum => Tokens::Sum,
                TokensName::Mean => Tokens::Mean,
            }),
            ..Reading::default()
        })
    }
}
