//! One pair as a formula sees it.

use super::Real;

/// Gives what a formula needs, and takes its results, each when it is wanted or known: a number of 384 bits is large where stack is
/// scarce, so that none is kept without need.
pub trait Row<R: Real>: Sized {
    /// The scale of the rewards.
    fn beta(&self) -> R;
    /// `h`: the chosen log-ratio less the rejected one.
    fn margin(&self) -> R;
    /// Multiplies by beta: `h` to `z`, a derivative by `z` to one by `h`.
    fn scale(&self, x: &mut R);

    /// Takes the loss.
    fn loss(&mut self, loss: &R);
    /// Its derivative by the chosen log-ratio.
    fn by_chosen(&mut self, derivative: &R);
    /// By the rejected log-ratio.
    fn by_rejected(&mut self, derivative: &R);
    /// By beta.
    fn by_beta(&mut self, derivative: &R);
    /// A result that the fast path cannot vouch for.
    fn doubt(&mut self, doubtful: R::Mask);

    /// By both log-ratios, for a loss that depends on their difference alone.
    #[inline(always)]
    fn by_margin(&mut self, derivative: &R) {
        self.by_chosen(derivative);
        let mut opposite = R::from_f64(0.0);
        opposite.sub(derivative);
        self.by_rejected(&opposite);
    }

    /// Adds `term` to `sum`, in doubt where much of that cancels.
    #[inline(always)]
    fn add(&mut self, sum: &mut R, term: &R) {
        let before = *sum;
        sum.add(term);
        self.doubt(sum.cancelled(&before));
    }

    /// Subtracts `term` from `difference`, in doubt where much of that cancels.
    #[inline(always)]
    fn sub(&mut self, difference: &mut R, term: &R) {
        let before = *difference;
        difference.sub(term);
        self.doubt(difference.cancelled(&before));
    }
}
