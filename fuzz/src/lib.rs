//! The fuzzers, each a function of some bytes, and what they share.

pub mod answers;
pub mod capi;
pub mod elementary;
pub mod info_nce;
pub mod levels;
pub mod logits;
pub mod merge;
pub mod pair_losses;
#[cfg(feature = "readers")]
pub mod readers;
pub mod row_sum;
pub mod segments;
pub mod state;
pub mod streaming;

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use preflane::logits::Scaling;
use preflane::losses::{Description, LOSSES, Parameter, Shape};
use preflane::{Backend, ExactSum, Level, Loss, Outputs, Pair, Pairs, Reference};
use preflane_judge::classes::{Source, Values};
use preflane_judge::logits::Parameters;
use preflane_judge::sums::{mean, sum};
use preflane_judge::{Random, Textbook, crc32, textbook, ulps};

/// Values chosen by a fuzzer's bytes.
pub type Choices<'a> = Values<Bytes<'a>>;

/// A fuzzer's bytes, and when they are spent numbers that all of them decide: a few bytes are a whole input then, and each change
/// of one gives another. Changes of single bytes alone seldom meet the one that matters in a long input.
pub struct Bytes<'a> {
    given: Unstructured<'a>,
    then: Random,
}

impl Source for Bytes<'_> {
    fn byte(&mut self) -> u8 {
        if self.given.is_spent() { self.then.byte() } else { self.given.byte() }
    }
    fn word(&mut self) -> u32 {
        if self.given.is_spent() { self.then.word() } else { self.given.word() }
    }
}

/// Whether the judge is asked: not under Miri, which is for unsafe code, of which the judge has none, and slow at arithmetic.
pub const JUDGED: bool = !cfg!(miri);

/// The choices that some bytes make.
pub fn choices(data: &[u8]) -> Choices<'_> {
    Values::new(Bytes { given: Unstructured::new(data), then: Random(crc32(data).into()) })
}

/// Every level of this CPU, the scalar one first.
pub fn backends() -> &'static [Backend] {
    static ALL: LazyLock<Vec<Backend>> =
        LazyLock::new(|| Level::ALL.into_iter().filter_map(|level| Backend::new(level).ok()).collect());
    &ALL
}

/// What a computation gives on every level, which must be the same. NaN must be compared by its bits: see [`bits`].
pub fn on_every_level<R: PartialEq + Debug>(mut run: impl FnMut(Backend) -> R) -> R {
    let first = run(backends()[0]);
    for &backend in &backends()[1..] {
        assert_eq!(first, run(backend), "level {} is unlike the scalar one", backend.level().name());
    }
    first
}

/// The values as integers, for comparing.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// That every NaN is the canonical one.
pub fn check_nan(values: &[f32]) {
    for x in values {
        assert!(!x.is_nan() || x.to_bits() == 0x7fc0_0000, "a NaN of the bits {:#x}", x.to_bits());
    }
}

/// That a sum over a count is that of some values: what IEEE arithmetic says of infinities and NaN, else the nearest to the
/// truth; NaN over none.
pub fn check_mean(got: f32, values: &[f32], count: u64) {
    check_nan(&[got]);
    if count == 0 {
        assert!(got.is_nan(), "{got:e} over none");
    } else if values.iter().all(|x| x.is_finite()) {
        let good = || ulps(got, &mean(&sum(values), count)) <= 0.5;
        assert!(!JUDGED || good(), "{values:?} over {count}: {got:e}");
    } else {
        // The finite ones cannot change it; their sum might overflow here.
        let ieee: f32 = values.iter().filter(|x| !x.is_finite()).sum();
        assert!(got.to_bits() == ieee.to_bits() || got.is_nan() && ieee.is_nan(), "{values:?} over {count}: {got:e}");
    }
}

/// How the chosen log-ratio compares with the rejected one, exactly; `None` if they do not compare.
pub fn ratio_order([pc, pr, rc, rr]: [f32; 4]) -> Option<Ordering> {
    let mut sum = ExactSum::new();
    [pc, -rc, -pr, rr].into_iter().for_each(|x| sum.add(x));
    sum.sum().partial_cmp(&0.0)
}

/// A value of a parameter: of its grid, or any in its range that the choices have.
fn parameter<S: Source>(v: &mut Values<S>, parameter: &Parameter) -> f64 {
    let any = [v.beta(), v.label_smoothing(), v.weight().into()];
    let any: Vec<f64> = any.into_iter().filter(|value| parameter.check(*value).is_ok()).collect();
    if any.is_empty() || v.once_in(2) { v.pick(parameter.grid) } else { v.pick(&any) }
}

/// A loss of a shape from the list, with its parameters, and the judge's form of it.
pub fn described<S: Source>(v: &mut Values<S>, shape: Shape) -> (&'static Description, Vec<f64>, Textbook) {
    let of_shape: Vec<&Description> = LOSSES.iter().copied().filter(|loss| loss.shape == shape).collect();
    let description = v.pick(&of_shape);
    let parameters: Vec<f64> = description.parameters.iter().map(|of| parameter(v, of)).collect();
    let textbook = textbook(description.name, &parameters).expect("the judge knows every loss");
    (description, parameters, textbook)
}

/// A loss of pairs from the list, for the judge and for the library.
/// Those that take something beside log-probabilities are left to the tests.
pub fn loss<S: Source>(v: &mut Values<S>) -> (Textbook, Loss) {
    let (description, parameters, textbook) = loop {
        let described = described(v, Shape::Pairwise);
        if described.0.column.is_none() {
            break described;
        }
    };
    (textbook, Loss::new(description, &parameters).expect("parameters within their ranges"))
}

/// The library's form of the judge's scaling.
pub fn scaling((temperature, logit_scale, soft_cap): Parameters) -> Scaling {
    Scaling::new(temperature, logit_scale, soft_cap).expect("parameters within their ranges")
}

/// Columns of pairs: policy chosen, policy rejected, reference chosen, reference rejected, weights.
#[derive(Clone, Debug)]
pub struct Columns {
    /// All five, whether used or not.
    pub columns: [Vec<f32>; 5],
    /// Whether there is a reference.
    pub reference: bool,
    /// Whether there are weights.
    pub weighted: bool,
}

impl Columns {
    /// `n` pairs of values that `value` makes.
    pub fn new<S: Source>(v: &mut Values<S>, n: usize, value: fn(&mut Values<S>) -> f32) -> Self {
        let (reference, weighted) = (!v.once_in(4), v.once_in(3));
        let mut columns = [(); 5].map(|()| Vec::with_capacity(n));
        for _ in 0..n {
            for column in &mut columns[..4] {
                column.push(value(v));
            }
            columns[4].push(if weighted { v.weight() } else { 1.0 });
        }
        if !reference {
            columns[2..4].iter_mut().for_each(|column| column.fill(0.0));
        }
        Self { columns, reference, weighted }
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the pairs, for the library.
    pub fn pairs(&self, range: std::ops::Range<usize>) -> Pairs<'_> {
        let [pc, pr, rc, rr, weights] = self.columns.each_ref().map(|column| &column[range.clone()]);
        Pairs {
            policy_chosen_logps: pc,
            policy_rejected_logps: pr,
            reference: self.reference.then_some(Reference { chosen_logps: rc, rejected_logps: rr }),
            weights: self.weighted.then_some(weights),
            column: None,
        }
    }

    /// One pair's four values and its weight.
    pub fn row(&self, row: usize) -> ([f32; 4], f32) {
        let [pc, pr, rc, rr, weight] = self.columns.each_ref().map(|column| column[row]);
        ([pc, pr, rc, rr], weight)
    }
}

/// One pair's results, in the judge's order.
pub fn pair_results(pair: &Pair) -> [f32; 9] {
    [
        pair.loss,
        pair.chosen_reward,
        pair.rejected_reward,
        pair.margin,
        pair.grad_chosen_logps,
        pair.grad_rejected_logps,
        pair.grad_ref_chosen_logps,
        pair.grad_ref_rejected_logps,
        pair.grad_beta,
    ]
}

/// Results of pairs, in the judge's order.
#[derive(Clone, Debug)]
pub struct Results(pub [Vec<f32>; 9]);

impl Results {
    /// Room for `n` pairs, filled with what no result leaves standing.
    pub fn new(n: usize) -> Self {
        Self([(); 9].map(|()| vec![f32::from_bits(0xdead); n]))
    }

    /// Where the library writes them: those whose bit is set.
    pub fn outputs(&mut self, wanted: usize) -> Outputs<'_> {
        let mut slices = self.0.each_mut().map(|x| Some(x.as_mut_slice()));
        for (k, slice) in slices.iter_mut().enumerate() {
            if wanted >> k & 1 == 0 {
                *slice = None;
            }
        }
        let [losses, chosen_rewards, rejected_rewards, margins, by_pc, by_pr, by_rc, by_rr, grad_beta] = slices;
        Outputs {
            losses,
            chosen_rewards,
            rejected_rewards,
            margins,
            grad_chosen_logps: by_pc,
            grad_rejected_logps: by_pr,
            grad_ref_chosen_logps: by_rc,
            grad_ref_rejected_logps: by_rr,
            grad_beta,
        }
    }

    /// For comparing.
    pub fn bits(&self) -> Vec<Vec<u32>> {
        self.0.iter().map(|x| bits(x)).collect()
    }
}
