//! What differs between losses of pairs, of labelled answers and of lists: the one seam of `preflane score`.

use preflane::losses::Description;
use preflane::{Error, ExactSum, Run};

use super::findings::Finding;
use super::source::Source;
use super::watched::SATURATED;
use crate::failure::Failure;
use crate::input::{Chunk, ColumnReader};
use crate::output::{Field, Values};

/// The rows of one shape of loss on their way: what a chunk is evaluated to, and what all chunks add up to.
///
/// A unit is what has a loss: a pair, an answer, a list. Its rows follow each other; all but a list have one.
pub trait Shape: Send + Sync {
    /// What a unit is called.
    fn unit(&self) -> &'static str;
    /// What a row is called.
    fn row(&self) -> &'static str {
        self.unit()
    }
    /// The answers of a row. The columns of a chunk begin with the policy's log-probability of each, and then, if there is a
    /// reference, the reference's of each.
    fn sides(&self) -> &'static [&'static str];
    /// What the margin of a unit is, in words.
    fn margin(&self) -> &'static str;
    /// The columns of `--out`.
    fn fields(&self) -> &'static [Field];

    /// Reads what must be known of all rows before the first is evaluated; yields the readers of sources that cannot be opened
    /// again, source by source.
    fn prepare(&mut self, _: &[Source<'_>]) -> Result<Readers, Failure> {
        Ok(Readers::new())
    }
    /// Evaluates the units of a chunk and counts them in.
    fn evaluate(&mut self, run: &Run, chunk: &Chunk) -> Result<(), Fault>;
    /// The results of the last chunk.
    fn units<'s>(&'s self, chunk: &'s Chunk) -> Units<'s>;
    /// The rows of `--out` of the last chunk.
    fn out(&self) -> Vec<Values<'_>>;

    /// What has been counted.
    fn counts(&self) -> Counts;
    /// Sums over the units that are finite.
    fn sums(&self) -> Sums;
    /// What the report says of all units.
    fn summary(&self) -> Summary;
    /// What deserves a look in this shape alone.
    fn findings(&self) -> Vec<Finding>;
    /// The derivative of the loss of a unit by the policy's log-probability of its chosen, desirable or best answer, at that
    /// log-ratio.
    fn slope(&self, log_ratio: f32) -> f32;
    /// The scale of the rewards.
    fn beta(&self) -> f64;

    /// The scale of the derivatives by a log-probability, if those have limits at answers that are entirely wrong and at answers that are
    /// entirely right.
    fn steepest(&self) -> Option<f64> {
        let is_limited = |sign: f64| {
            let [far, farther] = [1e4, 1e8].map(|z| self.slope_at(sign * z));
            farther.is_finite() && farther <= 2.0 * far
        };
        (is_limited(-1.0) && is_limited(1.0)).then_some(self.beta())
    }

    /// Whether answers that are entirely wrong have hardly a gradient.
    fn is_flat_where_wrong(&self) -> bool {
        f64::from(self.slope_at(-1e4)) < SATURATED * self.beta()
    }

    /// The size of the slope where the reward is z.
    fn slope_at(&self, z: f64) -> f32 {
        let most = f64::from(f32::MAX) / 4.0;
        self.slope((z / self.beta()).clamp(-most, most) as f32).abs()
    }
}

/// The value of a parameter of a loss, by its name; none of a loss without it.
pub fn parameter(loss: &Description, values: &[f64], name: &str) -> Option<f64> {
    loss.parameters.iter().zip(values).find(|(parameter, _)| parameter.name == name).map(|(_, value)| *value)
}

/// The scale of the rewards: beta, or 1 of a loss that has none.
pub fn scale_of_rewards(loss: &Description, values: &[f64]) -> f64 {
    parameter(loss, values, "beta").unwrap_or(1.0)
}

/// A reader of a source, or none where it can be opened.
pub type Readers = Vec<Option<Box<dyn ColumnReader>>>;

/// Why a chunk cannot be evaluated.
pub enum Fault {
    /// The library refuses it.
    Library(Error),
    /// A row is wrong: its index, the column and what is wrong.
    Row(usize, String, String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// The results of the units of a chunk.
#[derive(Clone, Copy)]
pub struct Units<'a> {
    /// Losses, times the weights.
    pub losses: &'a [f32],
    /// What is drawn: above 0 where the model does as it should.
    pub margins: &'a [f32],
    /// Gradients by the policy's log-probabilities: of each unit the largest.
    pub gradients: &'a [f32],
    /// Weights, if there are any.
    pub weights: Option<&'a [f32]>,
    /// Where each unit begins among the rows, and their number last; nothing where each row is one.
    pub offsets: &'a [usize],
    /// The units that are not finite.
    pub nonfinite: &'a [usize],
}

impl Units<'_> {
    /// The row that a unit begins with.
    pub fn first_row(&self, unit: usize) -> usize {
        self.offsets.get(unit).copied().unwrap_or(unit)
    }

    /// Whether a unit has something to compare: a list of one answer has no margin.
    pub fn is_compared(&self, unit: usize) -> bool {
        self.offsets.get(unit..unit + 2).is_none_or(|ends| ends[1] - ends[0] > 1)
    }
}

/// How many there are.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// All units.
    pub units: u64,
    /// Their rows.
    pub rows: u64,
    /// Units that are not finite.
    pub nonfinite: u64,
    /// Units with equal rewards, where that can be.
    pub ties: Option<u64>,
}

/// Sums over the units that are finite.
pub struct Sums {
    /// How many there are.
    pub units: u64,
    /// Of their losses.
    pub losses: ExactSum,
    /// How many of them have a margin.
    pub compared: u64,
    /// Of the margins.
    pub margins: ExactSum,
}

/// A mean over all units.
pub struct Mean {
    /// Its name.
    pub name: &'static str,
    /// Over all.
    pub all: f32,
    /// Over those that are finite.
    pub finite: f32,
    /// What stands beside it.
    pub note: String,
}

/// A share of all units, or of some of them.
pub struct Share {
    /// Its name in the report.
    pub name: &'static str,
    /// Its name in JSON, where its value goes.
    pub key: &'static str,
    /// How many, and of how many; none where it cannot be told.
    pub count: Option<(u64, u64)>,
    /// What stands beside it.
    pub note: &'static str,
}

/// What the report says of all units.
pub struct Summary {
    /// What begins the headline: how many units of what.
    pub title: String,
    /// What ends it.
    pub settings: Vec<String>,
    /// Numbers of JSON that are no means.
    pub figures: Vec<(&'static str, Figure)>,
    /// The means.
    pub means: Vec<Mean>,
    /// The shares.
    pub shares: Vec<Share>,
    /// How many units are finite.
    pub finite: u64,
}

/// A number of JSON.
#[derive(Clone, Copy)]
pub enum Figure {
    /// A count.
    Count(u64),
    /// A number.
    Number(f32),
}

/// The number that stands for what is not known.
pub const NAN: f32 = f32::from_bits(0x7fc0_0000);

/// Makes vectors as long as the rows that they are to hold.
pub fn resize<const N: usize>(columns: &mut [Vec<f32>; N], rows: usize) {
    columns.iter_mut().for_each(|column| column.resize(rows, 0.0));
}

/// Columns without some of their rows, which are given in order.
pub fn without(columns: &[Vec<f32>], rows: &[usize]) -> Vec<Vec<f32>> {
    let keep = |column: &Vec<f32>| {
        let mut left_out = rows.iter().peekable();
        let kept =
            column.iter().enumerate().filter_map(|(row, value)| left_out.next_if_eq(&&row).is_none().then_some(*value));
        kept.collect()
    };
    columns.iter().map(keep).collect()
}
