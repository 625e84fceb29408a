//! From logits to log-probabilities and back.
//!
//! One row of logits `x` over a vocabulary of V columns gives, for its target t, `logp = y_t - LSE(y)`, where `y` are
//! the logits after [`Scaling`] and LSE is the log-sum-exp; its gradient is `onehot(t) - softmax(y)`.
//!
//! # Why the bits do not depend on anything
//!
//! Every logit but the row's largest becomes a fixed-point integer of 2^-50 of the largest or finer (`terms`), a
//! function of that logit alone; integers add up the same in every order (`total`). So a row's log-sum-exp does not
//! depend on lanes, chunks, shards or threads, and [`LogSumExp`] merges in any order. The largest logit is kept apart:
//! where it is the target, `logp = -ln(1 + the others / it)` keeps its relative accuracy down to the least `f32`.

mod backward;
mod certified;
mod element;
mod forward;
mod log_sum_exp;
mod matrix;
mod probability;
mod scaling;
mod sequences;
mod statistics;
mod step;
mod terms;
mod total;

pub(crate) use backward::softmax_row;
pub use backward::{Gradient, Seeds};
pub use element::Element;
pub(crate) use element::narrowed_f16;
pub use forward::{TokenCounts, TokenOutputs};
pub use log_sum_exp::{LogSumExp, RowSum, RowSumState};
pub use matrix::{Labels, Logits, LogitsMut, Targets};
pub(crate) use probability::Probability;
pub use scaling::Scaling;
pub use sequences::{Layout, Reduction, Sequences};
#[cfg(any(feature = "std", feature = "capi"))]
pub(crate) use step::check_grad_scale;
pub use step::{Step, StepBuffers, StepOutputs};
