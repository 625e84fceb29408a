//! Evaluation as the tokens come: fixed memory, no allocation, the bits of a whole batch.
//!
//! ```
//! use preflane::Loss;
//! use preflane::streaming::{Alarm, Evaluator, Limits, Monitor, Side, Threshold};
//!
//! // Raised when at least 30 % of the window's chosen answers fell below the reference, cleared at 20 %.
//! let limits = Limits::new(2)?.with(Alarm::Displacement, Threshold { raise: 0.3, clear: 0.2 })?;
//! let mut evaluator = Evaluator::new(Loss::dpo(0.1)?);
//! let mut monitor = Monitor::<32>::new();
//!
//! for (side, tokens) in [(Side::Chosen, [(-1.5, -1.25), (-0.5, -0.75)]), (Side::Rejected, [(-2.0, -1.5), (-3.0, -2.5)])] {
//!     evaluator.begin(side)?;
//!     for (policy, reference) in tokens {
//!         evaluator.token(policy, Some(reference))?;
//!     }
//!     if let Some(scored) = evaluator.end(None)? {
//!         assert_eq!(scored.pair.margin, 0.1);
//!         let changes = monitor.push(&scored, &limits);
//!         assert!(changes.raised.is_empty());
//!     }
//! }
//! assert_eq!(monitor.metrics().report().rewards_accuracies, 1.0);
//! # Ok::<(), preflane::Error>(())
//! ```
//!
//! The flow: tokens go into an [`Evaluator`], which gives a [`Scored`] pair; a [`Monitor`] keeps the exact metrics of all
//! pairs, a window over the last ones, and alarms. [`Monitor::save`] turns it into bytes, [`storage`] keeps those
//! through a loss of power, and [`Metrics`](crate::Metrics) of many devices add up exactly on a server. A device that
//! collects first and evaluates later has the [`PairBuffer`].

mod buffer;
mod drift;
mod evaluator;
mod limits;
mod monitor;
mod sequence;
pub mod storage;
mod window;

#[cfg(feature = "capi")]
pub(crate) use evaluator::EvaluatorState;
#[cfg(feature = "capi")]
pub(crate) use monitor::{save, saved_size};
#[cfg(feature = "capi")]
pub(crate) use window::Row;

pub use buffer::PairBuffer;
pub use drift::k3;
pub use evaluator::{Evaluator, Scored, Side};
pub use limits::{Alarm, Alarms, Changes, Limits, Threshold};
pub use monitor::{Monitor, MonitorView};
pub use sequence::{Answer, Drift, ReferenceAnswer};
pub use window::{Window, WindowReport};
