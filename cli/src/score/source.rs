//! Where pairs come from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::Score;
use crate::failure::Failure;
use crate::format::{Format, is_stdin};
use crate::input::{self, ColumnReader, Layout, Reading, Wanted};

/// One input of pairs.
pub enum Source<'a> {
    /// A file with a column for each log-probability.
    Columns(&'a Path, &'a [Wanted], &'a Reading),
    /// A file of sequences for each model.
    Sequences {
        /// The policy's.
        policy: &'a Path,
        /// The reference's, unless reference-free.
        reference: Option<&'a Path>,
        /// How its sequences make pairs.
        layout: Layout,
    },
}

impl<'a> Source<'a> {
    /// All that the options name, in order; `files` are those that the options' files stand for.
    pub fn all(options: &'a Score, files: &'a [PathBuf], wanted: &'a [Wanted], reading: &'a Reading) -> Vec<Self> {
        let Some(policy) = &options.sequences.policy else {
            return files.iter().map(|path| Self::Columns(path, wanted, reading)).collect();
        };
        let layout = if options.sequences.interleaved { Layout::Interleaved } else { Layout::ChosenFirst };
        vec![Self::Sequences { policy, reference: options.sequences.reference.as_deref(), layout }]
    }

    /// The file that stands for the pairs in messages: the policy's.
    pub fn path(&self) -> &'a Path {
        match self {
            Self::Columns(path, ..) => path,
            Self::Sequences { policy, .. } => policy,
        }
    }

    /// All files.
    pub fn paths(&self) -> impl Iterator<Item = &'a Path> {
        let second = match self {
            Self::Columns(..) => None,
            Self::Sequences { reference, .. } => *reference,
        };
        [self.path()].into_iter().chain(second)
    }

    /// The size of its first file; 0 if it has none.
    pub fn bytes(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |metadata| metadata.len())
    }

    /// Whether it can be opened more than once: a pipe cannot.
    pub fn can_be_reopened(&self) -> bool {
        !is_stdin(self.path()) && fs::metadata(self.path()).ok().is_none_or(|metadata| metadata.is_file())
    }

    /// The format of its columns, if it has columns.
    ///
    /// # Errors
    /// A file whose format nothing tells.
    pub fn format(&self) -> Result<Option<Format>, Failure> {
        match self {
            Self::Columns(path, _, reading) => reading.format.map_or_else(|| Format::of(path), Ok).map(Some),
            Self::Sequences { .. } => Ok(None),
        }
    }

    /// Opens it.
    pub fn open(&self) -> Result<Box<dyn ColumnReader>, Failure> {
        match self {
            Self::Columns(path, wanted, reading) => input::open(path, wanted, reading),
            Self::Sequences { policy, reference, layout } => input::open_sequences(policy, *reference, *layout),
        }
    }
}
