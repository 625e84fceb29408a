//! How files are to be read, where that is the user's choice.

use preflane::segments::Segments;
use preflane::{ExactSum, Run};

use super::{Chunk, ColumnReader, Kind, Wanted};
use crate::failure::Failure;
use crate::format::Format;
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tokens {
    /// Their exact sum, rounded once.
    Sum,
    /// The sum in which number t counts this to the power of t, rounded once: the score of a segment of a trajectory.
    Discounted(f64),
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
        let (mut sum, mut count, mut steps) = (ExactSum::default(), 0, Vec::new());
        for (position, token) in tokens.into_iter().enumerate() {
            match token {
                Some(logp) => {
                    if matches!(self, Self::Discounted(_)) {
                        steps.push(logp);
                    } else {
                        sum.add(logp);
                    }
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
            (_, Self::Discounted(discount)) => {
                let (mut score, offsets) = ([0.0], [0, steps.len()]);
                let segment = Segments { discount, ..Segments::new(&steps, &offsets) };
                Run::default().segment_scores(segment, &mut score).map_err(|error| error.to_string())?;
                Ok(score[0])
            }
            (_, Self::Mean) => Ok(sum.mean(count)),
        }
    }
}

/// Does with missing values what the user wants, and checks labels. Readers yield NaN for what is missing and name it by
/// [`Chunk::null`].
pub struct Checked {
    path: PathBuf,
    wanted: Vec<Wanted>,
    nulls: Nulls,
    reader: Box<dyn ColumnReader>,
}

impl Checked {
    /// Over the reader of `path`.
    pub fn new(path: &Path, wanted: &[Wanted], nulls: Nulls, reader: Box<dyn ColumnReader>) -> Self {
        Self { path: path.to_owned(), wanted: wanted.to_vec(), nulls, reader }
    }
}

impl Checked {
    /// That labels are labels: one that is missing is none.
    fn check_labels(&self, chunk: &Chunk) -> Result<(), Failure> {
        for (column, wanted) in self.wanted.iter().enumerate().filter(|(_, wanted)| wanted.kind == Kind::Label) {
            let values = &chunk.columns[column];
            if let Some(row) = values.iter().position(|&label| label != 0.0 && label != 1.0) {
                let found =
                    if values[row].is_nan() { "no label".to_owned() } else { format!("{} is no label", values[row]) };
                let message = format!("{found}; {}", super::text::LABELS);
                return Err(Failure::of_value(&self.path, chunk.place(row), &wanted.name, message));
            }
        }
        Ok(())
    }

    /// Does with the missing values of a chunk what the user wants.
    fn settle_nulls(&self, chunk: &mut Chunk) -> Result<(), Failure> {
        let Some(&(row, column)) = chunk.nulls.iter().min() else { return Ok(()) };
        // What is no number cannot be one that is not known.
        let other = |(_, column): &&(usize, usize)| matches!(self.wanted[*column].kind, Kind::Label | Kind::Group);
        let (row, column) = match (self.nulls, chunk.nulls.iter().filter(other).min()) {
            (Nulls::Skip, _) => {
                chunk.skip_nulls();
                return Ok(());
            }
            (Nulls::Nan, None) => return Ok(()),
            (Nulls::Nan, Some(&other)) => other,
            (Nulls::Error, _) => (row, column),
        };
        let message = match self.wanted[column].kind {
            Kind::Number | Kind::Answers => {
                "no value (null or empty); a number is needed (--nulls nan takes it for one that is not known, --nulls skip leaves \
                 its row out)"
            }
            Kind::Label => "no label (null or empty); --nulls skip leaves its row out",
            Kind::Group => "no value (null or empty) to tell its list by; --nulls skip leaves its row out",
        };
        Err(Failure::of_value(&self.path, chunk.place(row), &self.wanted[column].name, message))
    }
}

impl ColumnReader for Checked {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        loop {
            self.reader.read(chunk)?;
            let read = chunk.rows();
            self.settle_nulls(chunk)?;
            self.check_labels(chunk)?;
            // A chunk without a row would be taken for the end of the file.
            if chunk.rows() > 0 || read == 0 {
                return Ok(());
            }
        }
    }

    fn progress(&self) -> f64 {
        self.reader.progress()
    }

    fn behind(&self) -> Option<&dyn ColumnReader> {
        Some(&*self.reader)
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
        // The first that is there counts 1.
        assert_eq!(Tokens::Discounted(0.5).reduce([None, Some(-1.5), Some(-0.5), Some(4.0)]), Ok(-0.75));
        assert_eq!(Tokens::Discounted(1.0).reduce([Some(1e8), Some(-1.0), Some(-1e8)]), Ok(-1.0));
        assert!(Tokens::Discounted(0.5).reduce([None]).is_err());
        assert!(Tokens::Sum.reduce([None]).is_err());
        assert!(Tokens::Sum.reduce([Some(-1.0), None]).is_err());
    }
}
