//! Logits and labels of a file, and how they belong together.

use std::ops::Range;
use std::path::Path;

use safetensors::Dtype;
use sha2::{Digest, Sha256};

use crate::args::Logps;
use crate::failure::Failure;
use crate::input::{Tensor, Tensors};

/// The label of a token that does not count.
pub const MASKED: i64 = -100;

/// Integers of the file.
struct Integers<'a> {
    name: &'a str,
    tensor: Tensor,
}

impl<'a> Integers<'a> {
    /// A tensor of integers, or of truth values too, beside the logits.
    fn of(file: &'a Tensors, name: &'a str, remedy: &str, bools: bool, rows: &Rows<'_>) -> Result<Self, Failure> {
        let tensor = file.get(name, remedy)?;
        let fail = |message| Err(Failure::of_tensor(&file.path, name, message));
        if tensor.shape != rows.shape {
            let message = "one for each position of the tensor";
            return fail(format!(
                "has the shape {:?}; {:?} is needed, {message} {}",
                tensor.shape, rows.shape, rows.logits_name
            ));
        }
        use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
        match tensor.dtype {
            I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64 => {}
            BOOL if bools => {}
            other => {
                let kinds = if bools { "integers or BOOL are" } else { "integers are" };
                return fail(format!("holds {other:?}; {kinds} needed"));
            }
        }
        Ok(Self { name, tensor })
    }
}

/// What the shape of the logits says of the tensors beside them.
struct Rows<'a> {
    logits_name: &'a str,
    shape: &'a [usize],
}

/// The sequences of a file. A row is the logits at one position of one sequence.
pub struct Batch<'a> {
    /// Where they are.
    pub file: &'a Tensors,
    logits_name: &'a str,
    labels: Integers<'a>,
    mask: Option<Integers<'a>>,
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

/// What the labels come to.
pub struct Counted {
    /// How many tokens of each sequence count.
    pub lengths: Vec<i64>,
    /// A SHA-256 of the labels that count, in hexadecimal.
    pub fingerprint: String,
}

impl<'a> Batch<'a> {
    /// Finds the tensors and checks their types and shapes.
    pub fn of(file: &'a Tensors, options: &'a Logps) -> Result<Self, Failure> {
        let path = file.path.as_path();
        let logits = file.get(&options.logits, "--logits names another")?;
        let [sequences, positions, vocabulary] = shape(path, options, &logits)?;
        if !matches!(logits.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F16 | Dtype::F64) {
            let message = format!("holds {:?}; F32, BF16, F16 or F64 is needed", logits.dtype);
            return Err(Failure::of_tensor(path, &options.logits, message));
        }
        let rows = Rows { logits_name: &options.logits, shape: &logits.shape[..logits.shape.len().saturating_sub(1)] };
        let mask = (options.mask.as_deref())
            .map(|name| Integers::of(file, name, "--mask names another", true, &rows))
            .transpose()?;
        Ok(Self {
            file,
            logits_name: &options.logits,
            labels: Integers::of(file, &options.labels, "--labels names another", false, &rows)?,
            mask,
            sequences,
            positions,
            vocabulary,
            shift: usize::from(!options.shifted),
            logits,
        })
    }

    /// How many rows of each sequence have a label: the first ones.
    pub fn labelled(&self) -> usize {
        self.positions - self.shift
    }

    /// The labels that some rows are to predict, rows being counted over all sequences; [`Batch::count`] has found them right.
    pub fn targets(&self, rows: Range<usize>, targets: &mut Vec<i64>) -> Result<(), Failure> {
        targets.clear();
        let all = self.sequences * self.positions;
        let labels = rows.start + self.shift..all.min(rows.end + self.shift);
        self.file.append_i64(&self.labels.tensor, labels.clone(), targets)?;
        if let Some(mask) = &self.mask {
            let mut values = Vec::with_capacity(labels.len());
            self.file.append_i64(&mask.tensor, labels, &mut values)?;
            for (target, _) in targets.iter_mut().zip(values).filter(|(_, value)| *value == 0) {
                *target = MASKED;
            }
        }
        // The last row of all has no label after it.
        targets.resize(rows.len(), MASKED);
        for (row, target) in rows.zip(targets) {
            if row % self.positions >= self.labelled() {
                *target = MASKED;
            }
        }
        Ok(())
    }

    /// The failure of one logit of a row.
    pub fn logit_failure(&self, row: usize, column: usize, message: impl std::fmt::Display) -> Failure {
        let (sequence, position) = (row / self.positions, row % self.positions);
        let message = format!("the logit of column {column} at position {position} {message}");
        Failure::of_sequence(&self.file.path, self.logits_name, sequence, message)
    }

    /// Checks every label that is used, and counts.
    pub fn count(&self) -> Result<Counted, Failure> {
        let mut hasher = Sha256::new();
        let lengths =
            (0..self.sequences).map(|sequence| self.length(sequence, &mut hasher)).collect::<Result<_, _>>()?;
        let fingerprint = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Counted { lengths, fingerprint })
    }

    /// How many tokens of a sequence count. Hashes its labels from the first that counts to the last, however the sequence is
    /// padded: their number and they themselves, as 64-bit integers.
    fn length(&self, sequence: usize, hasher: &mut Sha256) -> Result<i64, Failure> {
        let fail = |name, message| Err(Failure::of_sequence(&self.file.path, name, sequence, message));
        let end = (sequence + 1) * self.positions;
        let start = end - self.labelled();
        let (mut labels, mut values, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        self.file.append_i64(&self.labels.tensor, start..end, &mut labels)?;
        if let Some(mask) = &self.mask {
            self.file.append_i64(&mask.tensor, start..end, &mut values)?;
        }
        for (position, &label) in labels.iter().enumerate() {
            let at = position + self.shift;
            if let Some((mask, &value)) = self.mask.as_ref().zip(values.get(position)) {
                match value {
                    0 => {
                        targets.push(MASKED);
                        continue;
                    }
                    1 => {}
                    other => {
                        return fail(mask.name, format!("the value at position {at} is {other}; 0 or 1 is needed"));
                    }
                }
            }
            if label != MASKED && usize::try_from(label).map_or(true, |label| label >= self.vocabulary) {
                return fail(
                    self.labels.name,
                    format!(
                        "the label at position {at} is {}; 0 to {} are needed, the vocabulary, or {MASKED} for a \
                         token that does not count",
                        // No label of 64 bits with a sign is larger than this.
                        if label == i64::MAX { format!("{label} or more") } else { label.to_string() },
                        self.vocabulary - 1
                    ),
                );
            }
            targets.push(label);
        }
        let counts = |target: &i64| *target != MASKED;
        let (Some(first), Some(last)) = (targets.iter().position(counts), targets.iter().rposition(counts)) else {
            let first = if self.shift == 0 { "" } else { " but the first, which nothing predicts" };
            let masked = match &self.mask {
                Some(mask) => format!("{MASKED} or has a 0 in the tensor {}", mask.name),
                None => MASKED.to_string(),
            };
            return fail(self.labels.name, format!("every label{first} is {masked}; at least one token must count"));
        };
        let targets = &targets[first..=last];
        hasher.update((targets.len() as i64).to_le_bytes());
        targets.iter().for_each(|target| hasher.update(target.to_le_bytes()));
        Ok(targets.iter().filter(|target| counts(target)).count() as i64)
    }
}

/// The shape of the logits, none of it 0.
fn shape(path: &Path, options: &Logps, logits: &Tensor) -> Result<[usize; 3], Failure> {
    let fail = |message| Err(Failure::of_tensor(path, &options.logits, message));
    let shape = match logits.shape[..] {
        [sequences, positions, vocabulary] => [sequences, positions, vocabulary],
        [positions, vocabulary] => [1, positions, vocabulary],
        _ => [0; 3],
    };
    match shape {
        [sequences, positions, vocabulary] if sequences > 0 && positions > 0 && vocabulary > 0 => {
            if positions == 1 && !options.shifted {
                return fail(format!(
                    "has the shape {:?}; two positions are needed at least, for each predicts the label at the next \
                     (--shifted if logits and labels are aligned)",
                    logits.shape
                ));
            }
            Ok(shape)
        }
        _ => fail(format!(
            "has the shape {:?}; [sequences, positions, vocabulary] is needed, or [positions, vocabulary] for one \
             sequence, at least one of each",
            logits.shape
        )),
    }
}
