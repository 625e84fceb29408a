//! Pairs from the sequences of one batch, chosen and rejected: what `preflane logps` wrote of the policy and of the
//! reference.

use std::path::Path;

use preflane::ExactSum;
use safetensors::Dtype;

use super::tensors::{Tensor, Tensors, is_number};
use super::{CHUNK_ROWS, Chunk, ColumnReader};
use crate::failure::Failure;
use crate::provenance::Metadata;

const LOGPS: &str = "sequence_logps";
const LENGTHS: &str = "sequence_lengths";
const TOKENS: &str = "token_logps";

/// So many sequences are looked at to tell sums from means.
const LOOKED_AT: usize = 64;

/// How the answers of a pair stand among the sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All chosen ones, then all rejected ones.
    ChosenFirst,
    /// Chosen, rejected, chosen, rejected.
    Interleaved,
}

/// The policy's sequences, and the reference's unless reference-free.
pub struct Sequences {
    models: Vec<Model>,
    layout: Layout,
    pairs: usize,
    read: usize,
}

/// One model's log-probabilities.
struct Model {
    file: Tensors,
    logps: Tensor,
    sequences: usize,
}

impl Sequences {
    /// Opens the files and checks that they hold pairs, the same ones in both.
    pub fn open(policy: &Path, reference: Option<&Path>, layout: Layout) -> Result<Self, Failure> {
        let policy = Model::open(policy)?;
        let mut models = vec![policy];
        if let Some(reference) = reference {
            let reference = Model::open(reference)?;
            reference.check_same(&models[0])?;
            models.push(reference);
        }
        Ok(Self { pairs: models[0].sequences / 2, models, layout, read: 0 })
    }
}

impl Model {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = Tensors::open(path)?;
        let logps = file.get(LOGPS, "preflane logps writes it")?;
        let fail = |message| Err(Failure::of_tensor(path, LOGPS, message));
        let [sequences] = logps.shape[..] else {
            return fail(format!("has the shape {:?}; [sequences] is needed, one number each", logps.shape));
        };
        if !is_number(logps.dtype) {
            return fail(format!("holds {:?}; numbers are needed", logps.dtype));
        }
        if sequences % 2 == 1 {
            let message = "has an odd number of sequences";
            return fail(format!("{message}, {sequences}; a chosen and a rejected one make a pair"));
        }
        Ok(Self { file, logps, sequences })
    }

    /// That the sequences can be those of another model: as many, and each as long.
    fn check_same(&self, other: &Self) -> Result<(), Failure> {
        let (path, there) = (&self.file.path, other.file.path.display());
        if self.sequences != other.sequences {
            let message = format!(
                "has {} sequences, that of {there} has {}; both must be of the same batch",
                self.sequences, other.sequences
            );
            return Err(Failure::of_tensor(path, LOGPS, message));
        }
        let (Some(lengths), Some(others)) = (self.lengths(), other.lengths()) else { return Ok(()) };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for start in (0..self.sequences).step_by(CHUNK_ROWS) {
            let rows = start..self.sequences.min(start + CHUNK_ROWS);
            a.clear();
            b.clear();
            self.file.append_i64(&lengths, rows.clone(), &mut a)?;
            other.file.append_i64(&others, rows, &mut b)?;
            if let Some(row) = a.iter().zip(&b).position(|(a, b)| a != b) {
                let message = format!("{} tokens count, in {there} {}; both must be of the same batch", a[row], b[row]);
                return Err(Failure::of_sequence(path, LENGTHS, start + row, message));
            }
        }
        Ok(())
    }

    /// Whether the numbers are sums or means, as the first sequences' tokens tell where the file has them: those of more than one
    /// token, whose sum is not nearly its mean.
    fn reduction(&self) -> Option<&'static str> {
        let (tokens, lengths) = (self.file.find(TOKENS)?, self.lengths()?);
        let ([sequences, positions], true) = (&tokens.shape[..], is_number(tokens.dtype)) else { return None };
        if *sequences != self.sequences {
            return None;
        }
        (0..self.sequences.min(LOOKED_AT)).find_map(|sequence| {
            let (mut logps, mut value, mut length) = (Vec::new(), Vec::new(), Vec::new());
            // What cannot be read here, the rows will tell.
            self.file.append_f32(&tokens, sequence * positions..(sequence + 1) * positions, &mut logps).ok()?;
            self.file.append_f32(&self.logps, sequence..sequence + 1, &mut value).ok()?;
            self.file.append_i64(&lengths, sequence..sequence + 1, &mut length).ok()?;
            let (length, value) = (u64::try_from(*length.first()?).ok()?, *value.first()?);
            let mut sum = ExactSum::new();
            logps.iter().for_each(|&logp| sum.add(logp));
            let near = |other: f32| (value - other).abs() <= 1e-3 * other.abs();
            match (near(sum.sum()), near(sum.mean(length))) {
                (true, false) => Some("sum"),
                (false, true) => Some("mean"),
                _ => None,
            }
        })
    }

    /// How many tokens of each sequence count, if the file tells.
    fn lengths(&self) -> Option<Tensor> {
        self.file.find(LENGTHS).filter(|tensor| tensor.dtype == Dtype::I64 && tensor.shape == [self.sequences])
    }
}

impl ColumnReader for Sequences {
    fn read(&mut self, chunk: &mut Chunk) -> Result<(), Failure> {
        chunk.advance(2 * self.models.len());
        let (start, end) = (self.read, self.pairs.min(self.read + CHUNK_ROWS));
        for (model, columns) in self.models.iter().zip(chunk.columns.chunks_exact_mut(2)) {
            let [chosen, rejected] = columns else { continue };
            match self.layout {
                Layout::ChosenFirst => {
                    model.file.append_f32(&model.logps, start..end, chosen)?;
                    model.file.append_f32(&model.logps, self.pairs + start..self.pairs + end, rejected)?;
                }
                Layout::Interleaved => {
                    let mut both = Vec::new();
                    model.file.append_f32(&model.logps, 2 * start..2 * end, &mut both)?;
                    for pair in both.as_chunks::<2>().0 {
                        chosen.push(pair[0]);
                        rejected.push(pair[1]);
                    }
                }
            }
        }
        self.read = end;
        Ok(())
    }

    fn progress(&self) -> f64 {
        self.read as f64 / self.pairs.max(1) as f64
    }

    fn metadata(&self) -> Vec<Metadata> {
        let of = |model: &Model| Metadata { reduction: model.reduction(), ..model.file.said() };
        self.models.iter().map(of).collect()
    }
}
