//! From tokens to sequences.

use preflane::ExactSum;

use super::batch::Batch;
use crate::args::Reduce;
use crate::failure::Failure;
use crate::output::{ColumnWriter, Values};

/// How many of the tokens that are not finite are named.
const NAMED_TOKENS: usize = 5;

/// All that the report says of the numbers.
#[derive(Default)]
pub struct Totals {
    /// Tokens that count.
    pub tokens: u64,
    /// Labels that are masked.
    pub masked: u64,
    /// Tokens whose log-probability is not finite.
    pub nonfinite: u64,
    /// The first of them: sequence and position in `token_logps`.
    pub nonfinite_tokens: Vec<[usize; 2]>,
    /// The log-probabilities of all tokens.
    token_sum: ExactSum,
    /// Those of all sequences, as they are written.
    sequence_sum: ExactSum,
    /// How many sequences there are.
    pub sequences: u64,
}

impl Totals {
    /// The mean over the tokens.
    pub fn mean_token(&self) -> f32 {
        self.token_sum.mean(self.tokens)
    }

    /// The mean over the sequences.
    pub fn mean_sequence(&self) -> f32 {
        self.sequence_sum.mean(self.sequences)
    }
}

/// Takes rows in order and writes each sequence once it is whole.
pub struct Sums<'a> {
    batch: &'a Batch<'a>,
    lengths: &'a [i64],
    reduce: Reduce,
    out: Box<dyn ColumnWriter>,
    /// Whether the tokens are written too.
    write_tokens: bool,
    /// The rows so far.
    rows: usize,
    /// The sequence in the making.
    current: ExactSum,
    /// What has not been written, sequence after sequence; the last one's tokens may be few yet.
    token_logps: Vec<f32>,
    sequence_logps: Vec<f32>,
    totals: Totals,
}

impl<'a> Sums<'a> {
    /// Before the first row.
    pub fn new(
        batch: &'a Batch<'a>,
        lengths: &'a [i64],
        reduce: Reduce,
        out: Box<dyn ColumnWriter>,
        write_tokens: bool,
    ) -> Self {
        Self {
            batch,
            lengths,
            reduce,
            out,
            write_tokens,
            rows: 0,
            current: ExactSum::new(),
            token_logps: Vec::new(),
            sequence_logps: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// The rows that follow: their targets and log-probabilities, 0 where masked.
    pub fn add(&mut self, targets: &[i64], logps: &[f32]) -> Result<(), Failure> {
        for (&target, &logp) in targets.iter().zip(logps) {
            let (sequence, position) = (self.rows / self.batch.positions, self.rows % self.batch.positions);
            self.rows += 1;
            if position < self.batch.labelled() {
                if self.write_tokens {
                    self.token_logps.push(logp);
                }
                self.token(target, logp, [sequence, position]);
            }
            if position + 1 == self.batch.positions {
                self.end_of_sequence(self.lengths[sequence] as u64);
            }
        }
        self.write()
    }

    fn token(&mut self, target: i64, logp: f32, place: [usize; 2]) {
        if target == super::batch::MASKED {
            self.totals.masked += 1;
            return;
        }
        self.totals.tokens += 1;
        self.totals.token_sum.add(logp);
        self.current.add(logp);
        if !logp.is_finite() {
            self.totals.nonfinite += 1;
            if self.totals.nonfinite_tokens.len() < NAMED_TOKENS {
                self.totals.nonfinite_tokens.push(place);
            }
        }
    }

    fn end_of_sequence(&mut self, length: u64) {
        let value = match self.reduce {
            Reduce::Sum => self.current.sum(),
            Reduce::Mean => self.current.mean(length),
        };
        self.current = ExactSum::new();
        self.sequence_logps.push(value);
        self.totals.sequence_sum.add(value);
        self.totals.sequences += 1;
    }

    /// Writes the sequences that are whole.
    fn write(&mut self) -> Result<(), Failure> {
        let whole = self.sequence_logps.len();
        if whole == 0 {
            return Ok(());
        }
        let end = self.totals.sequences as usize;
        let mut columns = vec![Values::F32(&self.sequence_logps), Values::I64(&self.lengths[end - whole..end])];
        let tokens = if self.write_tokens { whole * self.batch.labelled() } else { 0 };
        if self.write_tokens {
            columns.push(Values::F32(&self.token_logps[..tokens]));
        }
        self.out.write(&columns)?;
        self.sequence_logps.clear();
        self.token_logps.drain(..tokens);
        Ok(())
    }

    /// After the last row: ends the file.
    pub fn finish(self) -> Result<Totals, Failure> {
        self.out.finish()?;
        Ok(self.totals)
    }
}
