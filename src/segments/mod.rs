//! Segments of trajectories: from steps to scores that losses of pairs compare, and from gradients by scores to gradients by steps.
//!
//! A segment is some steps of an agent. What a step has (a log-probability of its action, a reward, an advantage, an action) stands
//! segment after segment, and offsets say where each begins. Preferences between segments are learnt in three moves:
//!
//! 1. [`Run::segment_scores`](crate::Run::segment_scores) makes a score of each segment: a discounted sum ([`cpl`](crate::Loss::cpl) of
//!    log-probabilities, [`partial_return`](crate::Loss::partial_return) of rewards), or a [`regret`](crate::Loss::regret);
//!    [`Run::segment_distances`](crate::Run::segment_distances) makes a distance of actions ([`dppo`](crate::Loss::dppo)).
//! 2. [`Run::evaluate`](crate::Run::evaluate) has the loss of two segments, whose scores stand for log-probabilities without a reference.
//!    [`Ranked`] lays out the pairs of any number of ranked segments and gathers their gradients.
//! 3. [`Run::segment_grads`](crate::Run::segment_grads) and [`Run::segment_distances_grad`](crate::Run::segment_distances_grad) take the
//!    gradients on to the steps.
//!
//! ```
//! use preflane::segments::{Score, SegmentGrads, Segments};
//! use preflane::{Loss, Outputs, Pairs, Run};
//!
//! // Two segments, of three steps and of two, by the log-probabilities of their actions. The first is preferred.
//! let logps = [-0.5, -0.25, -1.0, -2.0, -1.5];
//! let segments = Segments { discount: 0.5, ..Segments::new(&logps, &[0, 3, 5]) };
//! let mut scores = [0.0; 2];
//! Run::default().segment_scores(segments, &mut scores)?;
//! assert_eq!(scores, [-0.875, -2.75]);
//!
//! let (mut losses, mut chosen, mut rejected) = ([0.0], [0.0], [0.0]);
//! let pairs = Pairs::reference_free(&scores[..1], &scores[1..]).with_column(&[1.0]);
//! let outputs = Outputs {
//!     losses: Some(&mut losses),
//!     grad_chosen_logps: Some(&mut chosen),
//!     grad_rejected_logps: Some(&mut rejected),
//!     ..Default::default()
//! };
//! Run::default().evaluate(&Loss::cpl(0.1, 0.5)?, pairs, outputs, None)?;
//!
//! let mut by_logps = [0.0; 5];
//! let outputs = SegmentGrads { values: Some(&mut by_logps), ..Default::default() };
//! Run::default().segment_grads(segments, &[chosen[0], rejected[0]], outputs)?;
//! assert_eq!(by_logps[..2], [chosen[0], 0.5 * chosen[0]]);
//! # Ok::<(), preflane::Error>(())
//! ```
//!
//! Every result is the nearest `f32` to the exact value of its formula, sums over any number of steps included: what `f64` with a bound of
//! its error leaves open, 384 bits decide. Where a discount, a root or an exponential makes numbers of more bits than that, values that are
//! within 2^-300 of the middle between two `f32` (as a part of the sum of the terms' magnitudes) give one of the two, the same
//! everywhere. A segment's results depend on that segment alone.

mod distance;
mod ranked;
mod score;
mod settle;
mod smoothness;
mod soft_maximum;

pub use distance::Distances;
pub use ranked::Ranked;
pub use score::{Score, SegmentGrads, Segments};

use crate::Error;
use crate::error::check_offsets;

/// That offsets are those of segments of so many steps.
fn check(offsets: &[usize], steps: usize) -> Result<(), Error> {
    check_offsets(
        offsets,
        steps,
        ["0, where the first segment begins", "the number of steps, where the last segment ends"],
    )
}

/// What of the steps of a batch belongs to a part of its segments.
fn part<'a, T>(steps: &'a [T], offsets: &[usize], base: usize) -> &'a [T] {
    let ends = [offsets.first(), offsets.last()].map(|end| end.copied().unwrap_or(base).saturating_sub(base));
    steps.get(ends[0]..ends[1]).unwrap_or_default()
}
