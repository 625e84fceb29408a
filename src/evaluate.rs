//! Evaluation of batches: slices in, slices out, on the calling thread.

use crate::exact;
use crate::lanes::{Backend, HAS_WIDE};
use crate::losses::{Loss, OneOf, PairFormula, Parameter};
use crate::metrics::Metrics;
use crate::mix::Mix;
use crate::pairs::{self, Beside, Counts, OutputSlices, Pair, Pairs, RESULTS, Rows, SUMMED, Staged};

/// A batch of arguments that were checked, on the calling thread.
pub(crate) fn evaluate_checked<L: PairLoss>(
    backend: Backend,
    loss: &L,
    pairs: Pairs<'_>,
    outputs: &mut OutputSlices<'_>,
    metrics: Option<&mut Metrics>,
) {
    loss.batch(Evaluation { backend, pairs, outputs, metrics });
}

/// A pairwise loss. Implemented by the losses of this crate and by [`Loss`], which is any of them.
pub trait PairLoss: sealed::Sealed + Copy + Send + Sync {}

impl<L: sealed::Sealed + Copy + Send + Sync> PairLoss for L {}

mod sealed {
    use super::{Beside, Counts, Evaluation, Parameter, RESULTS, Staged};

    /// The kernels of a loss. They are compiled once, here: a generic function would be compiled again in every crate that
    /// calls it.
    pub trait Sealed {
        /// What it takes beside log-probabilities.
        fn column(&self) -> Option<&'static Parameter>;
        /// A batch.
        fn batch(&self, work: Evaluation<'_, '_, '_, '_>);
        /// Its formula.
        fn staged(&self) -> &dyn Staged;
        /// One pair.
        fn pair(&self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts);
    }
}

/// The formula of a loss.
pub fn formula(loss: &impl PairLoss) -> &dyn Staged {
    loss.staged()
}

/// The kernels of each loss of pairs, and of any of them.
macro_rules! kernels {
    (operations { $($operations:tt)* } pairwise { $($pairwise:tt)* } $($others:tt)*) => {
        kernels!(@each |loss| pairs::ByOperations(*loss), pairs::one, $($operations)*);
        kernels!(@each |loss| pairs::ByValue(loss), pairs::one_by_value, $($pairwise)*);
        kernels!(@any [$($operations)*] [$($pairwise)*]);
    };
    (@each |$loss:ident| $kernel:expr, $one:path, $($number:literal $Type:ident $name:ident [$($alias:literal),*]
        ($($parameter:ident: $KIND:ident),*) $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)*) => {$(
        impl sealed::Sealed for crate::losses::$Type {
            fn column(&self) -> Option<&'static Parameter> {
                Loss::$Type(*self).description().column.as_ref()
            }
            #[inline(never)]
            fn batch(&self, work: Evaluation<'_, '_, '_, '_>) {
                let $loss = self;
                work.run(&$kernel);
            }
            fn staged(&self) -> &dyn Staged {
                self
            }
            #[inline(never)]
            fn pair(&self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts) {
                $one(self, inputs, beside, results, counts);
            }
        }
    )*};
    (@any [$($number:literal $Type:ident $name:ident [$($alias:literal),*] ($($parameter:ident: $KIND:ident),*)
        $reference:literal $([$COLUMN:ident])? $formula:literal $source:literal;)*]
        [$($number_v:literal $Value:ident $name_v:ident [$($alias_v:literal),*] ($($parameter_v:ident: $KIND_V:ident),*)
        $reference_v:literal $([$COLUMN_V:ident])? $formula_v:literal $source_v:literal;)*]) => {
        // A kernel for each loss is fast over lanes. Without them its size in flash counts: there is one for all.
        impl sealed::Sealed for Loss {
            fn column(&self) -> Option<&'static Parameter> {
                self.description().column.as_ref()
            }
            #[inline(never)]
            fn batch(&self, work: Evaluation<'_, '_, '_, '_>) {
                match self {
                    $(Loss::$Type(loss) if HAS_WIDE => loss.batch(work),)*
                    $(Loss::$Value(loss) => loss.batch(work),)*
                    _ => work.run(&pairs::ByOperations(*self)),
                }
            }
            fn staged(&self) -> &dyn Staged {
                match self {
                    $(Loss::$Type(loss) if HAS_WIDE => loss,)*
                    $(Loss::$Value(loss) => loss,)*
                    _ => self,
                }
            }
            #[inline(never)]
            fn pair(&self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts) {
                match self {
                    $(Loss::$Type(loss) if HAS_WIDE => loss.pair(inputs, beside, results, counts),)*
                    $(Loss::$Value(loss) => loss.pair(inputs, beside, results, counts),)*
                    _ => pairs::one(self, inputs, beside, results, counts),
                }
            }
        }
    };
}
crate::for_each_loss!(kernels);

impl<A: PairLoss + PairFormula, B: PairLoss + PairFormula> sealed::Sealed for OneOf<A, B> {
    fn column(&self) -> Option<&'static Parameter> {
        match self {
            Self::First(loss) => loss.column(),
            Self::Second(loss) => loss.column(),
        }
    }
    fn batch(&self, work: Evaluation<'_, '_, '_, '_>) {
        match self {
            Self::First(loss) if HAS_WIDE || Self::BY_VALUE => loss.batch(work),
            Self::Second(loss) if HAS_WIDE || Self::BY_VALUE => loss.batch(work),
            _ => work.run(&pairs::ByOperations(*self)),
        }
    }
    fn staged(&self) -> &dyn Staged {
        match self {
            Self::First(loss) => loss.staged(),
            Self::Second(loss) => loss.staged(),
        }
    }
    fn pair(&self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts) {
        match self {
            Self::First(loss) if HAS_WIDE || Self::BY_VALUE => loss.pair(inputs, beside, results, counts),
            Self::Second(loss) if HAS_WIDE || Self::BY_VALUE => loss.pair(inputs, beside, results, counts),
            _ => pairs::one(self, inputs, beside, results, counts),
        }
    }
}

impl sealed::Sealed for Mix {
    fn column(&self) -> Option<&'static Parameter> {
        Self::column(self)
    }
    fn batch(&self, work: Evaluation<'_, '_, '_, '_>) {
        work.run(&pairs::ByValue(self));
    }
    fn staged(&self) -> &dyn Staged {
        self
    }
    fn pair(&self, inputs: &[f32; 4], beside: Beside, results: &mut [f32; RESULTS], counts: &mut Counts) {
        pairs::one_by_value(self, inputs, beside, results, counts);
    }
}

/// What is to be evaluated.
pub struct Evaluation<'p, 'o, 'a, 'm> {
    backend: Backend,
    pairs: Pairs<'p>,
    outputs: &'o mut OutputSlices<'a>,
    metrics: Option<&'m mut Metrics>,
}

/// Rows at a time: as many as an exact block sum takes, few where stack is scarce.
const ROWS: usize = if HAS_WIDE { exact::BLOCK } else { 8 };

/// Small batches, whose time a large scratch would fill with clearing it.
const FEW_ROWS: usize = if HAS_WIDE { 64 } else { ROWS };

impl Evaluation<'_, '_, '_, '_> {
    fn run(self, kernel: &dyn Rows) {
        let [losses, chosen, rejected, margins, ..] = &*self.outputs;
        let complete = losses.is_some() && chosen.is_some() && rejected.is_some() && margins.is_some();
        let few = self.pairs.len() <= FEW_ROWS;
        if complete || self.metrics.is_none() {
            if self.pairs.len() <= ROWS {
                return block(self.backend, kernel, self.pairs, self.outputs, self.metrics);
            }
            self.blocks(kernel, &mut [[]; SUMMED]);
        } else if few {
            self.blocks(kernel, &mut [[0.0; FEW_ROWS]; SUMMED]);
        } else {
            self.blocks(kernel, &mut [[0.0; ROWS]; SUMMED]);
        }
    }

    /// `scratch` takes what the metrics need and the caller did not ask for.
    fn blocks<const N: usize>(self, kernel: &dyn Rows, scratch: &mut [[f32; N]; SUMMED]) {
        let Self { backend, pairs, outputs, mut metrics } = self;
        let mut start = 0;
        while start < pairs.len() {
            let n = (pairs.len() - start).min(ROWS);
            let mut cut = [const { None }; RESULTS];
            for (to, from) in cut.iter_mut().zip(&mut *outputs) {
                *to = from.as_deref_mut().and_then(|from| from.get_mut(start..start + n));
            }
            if metrics.is_some() {
                for (output, scratch) in cut.iter_mut().zip(&mut *scratch) {
                    if output.is_none() {
                        *output = scratch.get_mut(..n);
                    }
                }
            }
            block(backend, kernel, pairs.rows(start, n), &mut cut, metrics.as_deref_mut());
            start += n;
        }
    }
}

/// At most [`ROWS`], and what the metrics see of them: then the outputs that they need are there.
fn block(
    backend: Backend,
    kernel: &dyn Rows,
    pairs: Pairs<'_>,
    outputs: &mut OutputSlices<'_>,
    metrics: Option<&mut Metrics>,
) {
    let counts = pairs::block(backend, kernel, pairs, outputs);
    if let Some(metrics) = metrics {
        let [losses, chosen, rejected, margins, ..] = &*outputs;
        let results = [losses, chosen, rejected, margins].map(|x| x.as_deref().unwrap_or_default());
        metrics.add_block(backend, pairs, results, counts);
    }
}

/// One pair, with the bits that it would have in any batch. `reference` is the reference model's log-probability of the
/// chosen and of the rejected answer. Of what a loss takes beside log-probabilities the default counts.
pub fn evaluate_pair<L: PairLoss>(
    loss: &L,
    policy_chosen_logps: f32,
    policy_rejected_logps: f32,
    reference: Option<(f32, f32)>,
) -> Pair {
    let (ref_chosen_logps, ref_rejected_logps) = reference.unwrap_or_default();
    let inputs = [policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps];
    let mut results = [0.0; RESULTS];
    score(loss, &inputs, beside(loss), &mut results, &mut Counts::default());
    Pair::new(&results)
}

/// What stands beside a pair for itself: the default of what the loss takes.
pub(crate) fn beside<L: PairLoss>(loss: &L) -> Beside {
    Beside { column: loss.column().map_or(0.0, |column| column.default as f32), ..Default::default() }
}

/// One pair (policy chosen, policy rejected, reference chosen, reference rejected, 0 without a reference), and what the
/// metrics count of it.
pub(crate) fn score<L: PairLoss>(
    loss: &L,
    inputs: &[f32; 4],
    beside: Beside,
    results: &mut [f32; RESULTS],
    counts: &mut Counts,
) {
    loss.pair(inputs, beside, results, counts);
}
