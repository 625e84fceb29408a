//! Logits and labels of a file, and how they belong together.

use std::ops::Range;
use std::path::Path;

use safetensors::Dtype;

use crate::args::Logps;
use crate::failure::Failure;
use crate::input::{Tensor, Tensors};

/// The label of a token that does not count.
pub const MASKED: i64 = -100;

/// Labels that are looked at at a time.
const LABELS_AT_A_TIME: usize = 65_536;

/// The sequences of a file. A row is the logits at one position of one sequence.
pub struct Batch<'a> {
    /// Where they are.
    pub file: &'a Tensors,
    labels_name: &'a str,
    labels: Tensor,
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
        if !matches!(labels.dtype, Dtype::I32 | Dtype::I64) {
            let message = format!("holds {:?}; I32 or I64 is needed", labels.dtype);
            return Err(Failure::of_tensor(path, &options.labels, message));
        }
        Ok(Self {
            file,
            labels_name: &options.labels,
            labels,
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

    /// The labels that some rows are to predict, rows being counted over all sequences.
    pub fn targets(&self, rows: Range<usize>, targets: &mut Vec<i64>) -> Result<(), Failure> {
        targets.clear();
        let all = self.sequences * self.positions;
        self.file.append_i64(&self.labels, rows.start + self.shift..all.min(rows.end + self.shift), targets)?;
        // The last row of all has no label after it.
        targets.resize(rows.len(), MASKED);
        for (row, target) in rows.zip(targets) {
            if row % self.positions >= self.labelled() {
                *target = MASKED;
            }
        }
        Ok(())
    }

    /// Checks every label that is used; how many tokens of each sequence count.
    pub fn lengths(&self) -> Result<Vec<i64>, Failure> {
        let all = self.sequences * self.positions;
        let (mut lengths, mut length, mut labels) = (Vec::new(), 0, Vec::new());
        for start in (0..all).step_by(LABELS_AT_A_TIME) {
            labels.clear();
            self.file.append_i64(&self.labels, start..all.min(start + LABELS_AT_A_TIME), &mut labels)?;
            for (index, &label) in (start..).zip(&labels) {
                let (sequence, position) = (index / self.positions, index % self.positions);
                if position >= self.shift && label != MASKED {
                    self.check(sequence, position, label)?;
                    length += 1;
                }
                if position + 1 == self.positions {
                    if length == 0 {
                        let first = if self.shift == 0 { "" } else { " but the first, which nothing predicts" };
                        let message = format!("every label{first} is {MASKED}; at least one token must count");
                        return Err(self.failure(sequence, message));
                    }
                    lengths.push(length);
                    length = 0;
                }
            }
        }
        Ok(lengths)
    }

    fn check(&self, sequence: usize, position: usize, label: i64) -> Result<(), Failure> {
        if usize::try_from(label).is_ok_and(|label| label < self.vocabulary) {
            return Ok(());
        }
        let message = format!(
            "the label at position {position} is {label}; 0 to {} are needed, the vocabulary, or {MASKED} for a token \
             that does not count",
            self.vocabulary - 1
        );
        Err(self.failure(sequence, message))
    }

    fn failure(&self, sequence: usize, message: String) -> Failure {
        Failure::of_sequence(&self.file.path, self.labels_name, sequence, message)
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
