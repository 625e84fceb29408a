//! Logits and labels of a file, and how they belong together.

use std::path::Path;

use safetensors::Dtype;

use crate::args::Logps;
use crate::failure::Failure;
use crate::input::{Tensor, Tensors};

/// The label of a token that does not count.
pub const MASKED: i64 = -100;

/// Labels as they lie in the file.
#[derive(Clone, Copy)]
enum Labels<'a> {
    I32(&'a [[u8; 4]]),
    I64(&'a [[u8; 8]]),
}

impl Labels<'_> {
    fn get(self, index: usize) -> i64 {
        match self {
            Self::I32(x) => i32::from_le_bytes(x[index]).into(),
            Self::I64(x) => i64::from_le_bytes(x[index]),
        }
    }
}

/// The sequences of a file. A row is the logits at one position of one sequence.
pub struct Batch<'a> {
    /// Where they are.
    pub file: &'a Tensors,
    labels_name: &'a str,
    labels: Labels<'a>,
    /// The rows of logits, end to end.
    pub logits: Tensor,
    /// How many sequences there are.
    pub sequences: usize,
    /// The rows of each sequence.
    pub positions: usize,
    /// The logits of a row.
    pub vocabulary: usize,
    /// From a row to its label: 0 if they stand at the same position.
    shift: usize,
}

impl<'a> Batch<'a> {
    /// Finds the two tensors and checks their types and shapes.
    pub fn of(file: &'a Tensors, options: &'a Logps) -> Result<Self, Failure> {
        let path = file.path.as_path();
        let logits = file.get(&options.logits, "--logits names another")?;
        let labels = file.get(&options.labels, "--labels names another")?;
        let [sequences, positions, vocabulary] = shape(path, options, &logits)?;
        if labels.shape != [sequences, positions] {
            let message = format!(
                "has the shape {:?}; {:?} is needed, one label for each position of the tensor {}",
                labels.shape,
                [sequences, positions],
                options.logits
            );
            return Err(Failure::of_tensor(path, &options.labels, message));
        }
        if !matches!(logits.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F16) {
            let message = format!("holds {:?}; F32, BF16 or F16 is needed", logits.dtype);
            return Err(Failure::of_tensor(path, &options.logits, message));
        }
        let bytes = file.bytes(&labels);
        Ok(Self {
            file,
            labels_name: &options.labels,
            labels: match labels.dtype {
                Dtype::I32 => Labels::I32(bytes.as_chunks().0),
                Dtype::I64 => Labels::I64(bytes.as_chunks().0),
                other => {
                    let message = format!("holds {other:?}; I32 or I64 is needed");
                    return Err(Failure::of_tensor(path, &options.labels, message));
                }
            },
            logits,
            sequences,
            positions,
            vocabulary,
            shift: usize::from(!options.shifted),
        })
    }

    /// How many rows of each sequence have a label: the first ones.
    pub fn labelled(&self) -> usize {
        self.positions - self.shift
    }

    /// The label that a row is to predict, rows being counted over all sequences.
    pub fn target(&self, row: usize) -> i64 {
        if row % self.positions < self.labelled() { self.labels.get(row + self.shift) } else { MASKED }
    }

    /// Checks every label that is used; how many tokens of each sequence count.
    pub fn lengths(&self) -> Result<Vec<i64>, Failure> {
        (0..self.sequences).map(|sequence| self.length(sequence)).collect()
    }

    fn length(&self, sequence: usize) -> Result<i64, Failure> {
        let fail = |message| Err(Failure::of_sequence(&self.file.path, self.labels_name, sequence, message));
        let mut length = 0;
        for position in 0..self.labelled() {
            let label = self.target(sequence * self.positions + position);
            if label == MASKED {
                continue;
            }
            if usize::try_from(label).map_or(true, |label| label >= self.vocabulary) {
                return fail(format!(
                    "the label at position {} is {label}; 0 to {} are needed, the vocabulary, or {MASKED} for a token \
                     that does not count",
                    position + self.shift,
                    self.vocabulary - 1
                ));
            }
            length += 1;
        }
        if length == 0 {
            let first = if self.shift == 0 { "" } else { " but the first, which nothing predicts" };
            return fail(format!("every label{first} is {MASKED}; at least one token must count"));
        }
        Ok(length)
    }
}

/// The shape of the logits, none of it 0.
fn shape(path: &Path, options: &Logps, logits: &Tensor) -> Result<[usize; 3], Failure> {
    let fail = |message| Err(Failure::of_tensor(path, &options.logits, message));
    match logits.shape[..] {
        [sequences, positions, vocabulary] if sequences * positions * vocabulary > 0 => {
            if positions == 1 && !options.shifted {
                return fail(format!(
                    "has the shape {:?}; two positions are needed at least, for each predicts the label at the next \
                     (--shifted if logits and labels are aligned)",
                    logits.shape
                ));
            }
            Ok([sequences, positions, vocabulary])
        }
        _ => fail(format!(
            "has the shape {:?}; [sequences, positions, vocabulary] is needed, at least one of each",
            logits.shape
        )),
    }
}
