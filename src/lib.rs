//! The numeric core of preference optimisation. Logits or log-probabilities of preferred and other answers go in; losses, implicit
//! rewards, margins, gradients (down to the logits') and metrics of DPO and its relatives come out. [`losses`] lists the losses.
//!
//! # From logits: a step of a trainer
//!
//! Logits, labels and a loss are enough. [`Trainer`] owns the memory of a step and replaces the logits by their gradient:
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use preflane::{Batch, Loss, Trainer};
//!
//! // One pair of three tokens each over a vocabulary of four: the chosen answer, then the rejected one. Labels as Hugging Face has
//! // them: the model shifts them, and -100 does not count.
//! let shape = [2, 3, 4];
//! let labels = [[-100, 1, 2], [-100, 3, 0]].concat();
//! let mut logits = [0.25_f32; 24];
//!
//! let mut trainer = Trainer::new(Loss::dpo(0.1)?);
//! let reference = trainer.logps(&[0.25_f32; 24], Batch::new(shape, &labels))?; // from the reference model's logits
//! let results = trainer.step(&mut logits, Batch::new(shape, &labels).with_reference(&reference))?;
//! assert_eq!(results.losses, [core::f32::consts::LN_2]);
//! assert_eq!(results.report().rewards_margins, 0.0);
//! assert!(logits[1] < 0.0); // now the gradient: more of the chosen token lowers the loss
//! # }
//! # Ok::<(), preflane::Error>(())
//! ```
//!
//! # From log-probabilities: losses of pairs
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use preflane::{Loss, Pairs, Run};
//!
//! // Log-probabilities of whole answers, in nats: policy chosen, policy rejected, reference chosen, reference rejected.
//! let pairs = Pairs::new(&[-12.5, -30.0], &[-14.0, -28.0], &[-13.0, -29.0], &[-13.25, -29.5]);
//! let scores = Run::default().score(&Loss::dpo(0.1)?, pairs)?;
//! assert_eq!(scores.losses[0], 0.632599035317_f64 as f32);
//! assert_eq!(scores.report().rewards_accuracies, 0.5);
//! # }
//! # Ok::<(), preflane::Error>(())
//! ```
//!
//! # In the caller's memory
//!
//! The core is `no_std`: no allocation, no global state, no panic. A [`Run`] says where work runs, and the work is its methods:
//!
//! ```
//! use preflane::{Loss, Metrics, Outputs, Pairs, Run};
//!
//! let pairs = Pairs::new(&[-12.5, -30.0], &[-14.0, -28.0], &[-13.0, -29.0], &[-13.25, -29.5]);
//! let (mut losses, mut gradients, mut metrics) = ([0.0; 2], [0.0; 2], Metrics::new());
//! let outputs =
//!     Outputs { losses: Some(&mut losses), grad_chosen_logps: Some(&mut gradients), ..Default::default() };
//! Run::default().evaluate(&Loss::dpo(0.1)?, pairs, outputs, Some(&mut metrics))?;
//! assert_eq!(losses[0], 0.632599035317_f64 as f32);
//! # Ok::<(), preflane::Error>(())
//! ```
//!
//! Answers that are labelled one by one, as KTO has them, are evaluated by [`labelled`], and ranked lists of answers by [`listed`].
//! [`logits`] has the parts of a step, [`contrastive`] InfoNCE, and [`streaming`] evaluates token by token in fixed memory. Feature `std` (on by
//! default) adds threads, the memory of [`Trainer`] and [`Run::score`], and the environment variable `PREFLANE_LEVEL`.
//!
//! # The contract
//!
//! 1. **Same bits.** The same input bits give the same output bits on every instruction-set level and platform, for every
//!    thread count, batch size, position in the batch, stride and alignment. [`Metrics`] have the same bits for every
//!    order and partition of the pairs, and a row's log-sum-exp for every order and partition of its columns. [`DEFINITION`] is the
//!    version of the definition of these bits.
//! 2. **Accuracy.** Results of a pair are within 0.501 ULP of the formula in real arithmetic on the exact inputs, the
//!    subtractions included. Results of labelled and listed answers, [`elementary`] functions and all sums and means are correctly
//!    rounded. Token log-probabilities and logits' gradients are within 0.51 ULP.
//! 3. **Total.** Finite input gives a finite result unless the exact one leaves the range of `f32`. A NaN input makes every result that
//!    depends on it NaN (always 0x7fc00000), in that row only. No result is -0, but for those of elementary functions. What cannot be
//!    computed is an [`Error`] that names the argument or row, before anything is written.
//!
//! The contract supposes the default floating-point environment: round to nearest, subnormals not flushed to zero. A C program built
//! with `-ffast-math` may change that for the whole process.
//!
//! # How it holds: the rooms, in the direction of flow
//!
//! - `lanes` is a trait of exactly specified operations on blocks of `f64` (`+ - * /`, comparisons, selects, conversions, bits), and
//!   its back ends: one lane, the crate `wide`, AVX2, AVX-512. [`Backend`] picks one at run time. The definition has no fused multiply-add: where
//!   hardware lacks it, emulating it costs hundreds of times as much. Certified kernels have: approximations that are taken where a bound says
//!   that the definition's result is the same ([`Backend::by_definition`] goes without). Unsafe code lives here and in `capi`.
//! - `exact` has the sum of `f32` values that no order changes, double-double numbers, and a floating-point number of 384 bits.
//! - [`elementary`] has exp, log and their relatives over lanes, with a relative error below 2^-48. The public functions test whether
//!   that decides the rounding, and take 384 bits where it does not.
//! - [`losses`] has one file a formula and the list of all losses, from which everything that repeats them is made. A formula is written
//!   once over `Real`, in plain operators. Three kinds of numbers implement `Real`: lanes of `f64` that notice where a sum cancels
//!   (`Checked`), `f64` and double-double numbers with a bound of their error (`Tracked`), and 384 bits.
//! - `pairs`, [`labelled`] and [`listed`] are the kernels, one for each shape of data: they make log-ratios and rewards, ask the formula, apply
//!   weights and round. `pairs` computes in lanes and settles the rows whose sums cancelled, and those with NaN or infinity: the bound
//!   of an `f64` decides most of them, that of a double-double number most others, 384 bits the rest, and all give the nearest `f32`. Which rows those are is decided by the same operations
//!   everywhere, so that the bits stay the same. [`labelled`] goes over lanes with bounds, as
//!   `pairs` does with losses by value, and settles what they leave undecided; [`listed`] settles every row.
//! - `outputs` and `tally` are the macros that list the results of a row, and the counts and sums of metrics, in one place each; `outputs`
//!   also has where kernels put results.
//! - [`logits`] has token log-probabilities, their mergeable log-sum-exp and the gradient, over rows of a vocabulary; then sequences, and
//!   the whole step, which goes through `pairs`. [`contrastive`] stands on the same log-sum-exp.
//! - `metrics` has exact sums and counts of pairs, `mean_log_ratio` the running means that KTO, BCO and beta-DPO compare with. `evaluate` compiles the pair kernels, once for each loss; `batch` checks a batch of any
//!   shape and splits it; `run` says where this and all other work runs.
//! - [`kl`] has estimates of the divergence of policy and reference, token by token and over sequences.
//! - [`streaming`] evaluates token by token in fixed memory, with a window and alarms; `saved` turns its state into bytes.
//! - `trainer` and `scores` own their memory.
//! - `capi` is the C interface; `capi/` beside `src` has its header and what a C project needs.
//!
//! Beside `src` stand `judge`, which decides every test of a result, `conformance`, which has the digests of all platforms, and `cli`, the
//! command. `docs/README.md` lists the documentation.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

// The README's program is a test.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod aot;
mod batch;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod capi;
pub mod contrastive;
#[cfg(test)]
mod definition;
pub mod elementary;
mod error;
mod evaluate;
mod exact;
pub mod kl;
pub mod labelled;
mod lanes;
pub mod listed;
pub mod logits;
pub mod losses;
mod mean_log_ratio;
mod metrics;
mod mix;
#[cfg(test)]
mod numbers;
mod outputs;
mod pairs;
pub mod psi_po;
mod run;
mod saved;
#[cfg(feature = "std")]
mod scores;
pub mod segments;
pub mod streaming;
mod tally;
#[cfg(feature = "std")]
mod trainer;
pub mod weights;

pub use error::Error;
pub use evaluate::{PairLoss, evaluate_pair};
pub use exact::ExactSum;
pub use lanes::{Backend, Level};
pub use losses::{LabelledLoss, ListedLoss, Loss};
pub use mean_log_ratio::MeanLogRatio;
pub use metrics::{Metrics, Report};
pub use mix::Mix;
pub use pairs::{Outputs, Pair, Pairs, Reference};
pub use run::Run;
#[cfg(feature = "std")]
pub use scores::Scores;
#[cfg(feature = "std")]
pub use trainer::{AnswerLogps, Batch, StepResults, Trainer};

/// The version of the definition that this build computes: which bits every result has, operation by operation, stands in
/// `docs/definition.md`. Within a version no result of a loss that was there ever changes.
pub const DEFINITION: u32 = 1;

/// The one NaN that is ever returned: hardware differs in sign and payload.
const NAN: f32 = f32::from_bits(0x7fc0_0000);
