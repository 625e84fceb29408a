//! How files are to be read, where that is the user's choice.

use preflane::ExactSum;

use super::{Chunk, ColumnReader, Note, Wanted};
use crate::failure::Failure;
use crate::format::Format;
use crate::provenance::Metadata;
use std::path::{Path, PathBuf};

/// What the options say of the files; each reader takes what concerns it.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The format, where a file's ending does not tell it.
    pub format: Option<Format>,
    /// What becomes of a value that is missing.
    pub nulls: Nulls,
    /// What becomes of a list of token log-probabilities; without it lists are refused.
    pub tokens: Option<Tokens>,
    /// What stands between the fields of a text file; unless given a tab in .tsv, else a comma, or a semicolon where numbers have
    /// commas.
    pub delimiter: Option<u8>,
    /// Whether decimal numbers of a text file have a comma.
    pub decimal_comma: bool,
    /// Whether JSON strings that hold a number are that number.
    pub number_strings: bool,
}

/// What becomes of a value that is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// The file is refused.
    #[default]
    Error,
    /// It is not a number.
    Nan,
    /// Its row is left out, and counted.
    Skip,
}

/// What becomes of the log-probabilities of an answer's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Their exact sum, rounded once.
    Sum,
    /// Their mean, rounded once.
    Mean,
}

impl Tokens {
    /// One answer's log-probability. A null before the first token is left out: a model has no log-probability for the first
    /// token of a text.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn reduce(self, tokens: impl IntoIterator<Item = Option<f32>>) -> Result<f32, String> {
        let (mut sum, mut count) = (ExactSum::default(), 0);
        for (position, token) in tokens.into_iter().enumerate() {
            match token {
                Some(logp) => {
                    sum.add(logp);
                    count += 1;
                }
                None if position == 0 => {}
                None => {
                    let message = "null at position";
                    return Err(format!("{message} {position} (from 0) of a list of tokens; only the first may be"));
                }
            }
        }
        match (count, self) {
            (0, _) => Err("a list without a token; an answer has at least one".to_owned()),
            (_, Self::Sum) => Ok(sum.sum()),
            (_, Self::Mean) => Ok(sum.mean(count)),
        }
    }
}

/// Does with missing values what the user wants. Readers yield NaN for them and name them by [`Chunk::null`].
pub struct WithNulls {
    path: PathBuf,
    wanted: Vec<Wanted>,
    nulls: Nulls,
    reader: Box<dyn ColumnReader>,
}

impl WithNulls {
    /// Over the reader of `path`.
    pub fn new(path: &Path, wanted: &[Wanted], nulls: Nulls, reader: Box<dyn ColumnReader>) -> Self {
        Self { path: path.to_owned(), wanted: wanted.to_vec(), nulls, reader }
    }
}

impl ColumnReader for WithNulls {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        loop {
            self.reader.read(chunk)?;
            let read = chunk.rows();
            let Some(&(row, column)) = chunk.nulls.iter().min() else { return Ok(()) };
            match self.nulls {
                Nulls::Nan => return Ok(()),
                Nulls::Skip => chunk.skip_nulls(),
                Nulls::Error => {
                    let message = "no value (null or empty); a number is needed (--nulls nan takes it for one that is not known, --nulls \
                                   skip leaves its row out)";
                    return Err(Failure::of_value(&self.path, chunk.place(row), &self.wanted[column].name, message));
                }
            }
            // A chunk without a row would be taken for the end of the file.
            if chunk.rows() > 0 || read == 0 {
                return Ok(());
            }
        }
    }

    fn progress(&self) -> f64 {
        self.reader.progress()
    }

    fn notes(&self) -> Vec<Note> {
        self.reader.notes()
    }

    fn metadata(&self) -> Vec<Metadata> {
        self.reader.metadata()
    }

    fn is_all_integers(&self) -> bool {
        self.reader.is_all_integers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_one_answer() {
        let tokens = [None, Some(-1.5), Some(-0.5)];
        assert_eq!(Tokens::Sum.reduce(tokens), Ok(-2.0));
        assert_eq!(Tokens::Mean.reduce(tokens), Ok(-1.0));
        // In f32 the three would add up to 0.
        assert_eq!(Tokens::Sum.reduce([Some(1e8), Some(-1.0), Some(-1e8)]), Ok(-1.0));
        assert!(Tokens::Sum.reduce([None]).is_err());
        assert!(Tokens::Sum.reduce([Some(-1.0), None]).is_err());
    }
}
