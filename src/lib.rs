//! The numeric core of preference optimisation: logits or log-probabilities of preference pairs in; losses, implicit
//! rewards, margins, gradients (down to the logits') and metrics of DPO and its relatives out.
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
//! Feature `std` (on by default) adds threads, the memory of [`Trainer`] and [`Run::score`], and the environment variable
//! `PREFLANE_LEVEL`. [`logits`] has the parts of a step, [`streaming`] evaluates token by token in fixed memory.
//!
//! # The contract
//!
//! 1. **Same bits.** The same input bits give the same output bits on every instruction-set level and platform, for every
//!    thread count, batch size, position in the batch, stride and alignment. [`Metrics`] have the same bits for every
//!    order and partition of the pairs, a row's log-sum-exp for every order and partition of its columns.
//! 2. **Accuracy.** Results of a pair are within 0.501 ULP of the formula in real arithmetic on the exact inputs, the
//!    subtractions included; token log-probabilities and logits' gradients within 0.51 ULP; [`elementary`] functions and
//!    all sums and means are correctly rounded.
//! 3. **Total.** Finite input gives a finite result unless the exact one leaves the range of `f32`. NaN makes NaN
//!    (0x7fc00000, always) what depends on it in its own row. What cannot be computed is an [`Error`] that names the
//!    argument or row, before anything is written.
//!
//! It supposes the default floating-point environment: round to nearest, subnormals not flushed to zero. A C program built with
//! `-ffast-math` may change that for the whole process.
//!
//! # How it holds: the rooms, in the direction of flow
//!
//! - `lanes`: a trait of exactly specified operations on blocks of `f64` (`+ - * /`, comparisons, selects, conversions,
//!   bits), and its back ends: one lane, the crate `wide`, AVX2, AVX-512. No fused multiply-add: it would have to be
//!   emulated where hardware lacks it, at hundreds of times the cost, and the polynomials would gain a fifth. [`Backend`]
//!   picks one at run time. Unsafe code lives here, and in `capi`.
//! - `exact`: the sum of `f32` values that no order changes, and the 384-bit floating-point number of the rare path.
//! - [`elementary`]: exp, log and their relatives over lanes, with a relative error below 2^-48. The public functions
//!   test whether that decides the rounding, and go to 384 bits where it does not.
//! - `losses`: one file a formula, written once over the trait `Real`, which both lanes and the 384-bit number implement.
//!   A sum whose terms may cancel goes through the `Row`, which marks what `f64` cannot vouch for.
//! - `pairs`: the kernel that all losses share. It computes in `f64` and rounds once, so that 2^-36 of relative error
//!   would still meet the bound; rows in doubt, and all with NaN or infinity, are settled in 384 bits. Which rows those are
//!   is decided by the same operations everywhere, so the bits stay the same.
//! - [`logits`]: token log-probabilities, their mergeable log-sum-exp and the gradient, over rows of a vocabulary; then
//!   sequences, and the whole step, which goes through `pairs`.
//! - [`contrastive`]: InfoNCE and its symmetric form, on the same log-sum-exp.
//! - `metrics`: exact sums and counts; `evaluate`: whole batches of pairs; `run`: where they and all other work run.
//! - [`streaming`]: evaluation token by token in fixed memory, a window and alarms, state as bytes (`saved`).
//! - `trainer`, `scores`: what owns its memory.
//! - `capi`: the C interface; `capi/` beside `src` has its header and what a C project needs.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

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
pub mod labelled;
mod lanes;
pub mod listed;
pub mod logits;
pub mod losses;
mod metrics;
#[cfg(test)]
mod numbers;
mod outputs;
mod pairs;
mod run;
mod saved;
#[cfg(feature = "std")]
mod scores;
pub mod streaming;
mod tally;
#[cfg(feature = "std")]
mod trainer;

pub use error::Error;
pub use evaluate::{PairLoss, evaluate_pair};
pub use exact::ExactSum;
pub use lanes::{Backend, Level};
pub use losses::{LabelledLoss, ListedLoss, Loss};
pub use metrics::{Metrics, Report};
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
