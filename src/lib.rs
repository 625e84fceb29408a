//! preflane: the numeric core of preference optimisation.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod batch;
pub mod elementary;
mod error;
mod exact;
mod lanes;
mod losses;
mod metrics;
mod pairs;

pub use error::Error;
pub use exact::ExactSum;
pub use lanes::{Backend, Level};
pub use losses::{ConservativeDpo, Dpo, Hinge, Ipo, Loss, PairLoss, RobustDpo};
pub use metrics::{Metrics, Report};
pub use pairs::{Outputs, Pair, Pairs, Reference, evaluate, evaluate_pair};

/// The one NaN that is ever returned: hardware differs in sign and payload.
const NAN: f32 = f32::from_bits(0x7fc0_0000);
