//! What a formula is given and what it gives, shape by shape.

use super::Real;

/// One pair as a formula sees it: it gives what the formula needs, and takes its results, each as soon as it is known, for a number
/// of 384 bits is large where stack is scarce.
pub trait Pair<R: Real> {
    /// The scale of the rewards.
    fn beta(&self) -> R;
    /// The chosen log-ratio less the rejected one.
    fn h(&self) -> R;
    /// `beta h`.
    #[inline(always)]
    fn z(&self) -> R {
        self.h() * self.beta()
    }

    /// Takes the loss.
    fn loss(&mut self, loss: R);
    /// Takes its derivative by the chosen log-ratio.
    fn by_u(&mut self, derivative: R);
    /// Takes its derivative by the rejected log-ratio.
    fn by_v(&mut self, derivative: R);
    /// Takes its derivative by beta.
    fn by_beta(&mut self, derivative: R);

    /// Takes the derivative by h of a loss that depends on the log-ratios through h alone.
    #[inline(always)]
    fn by_h(&mut self, derivative: R) {
        self.by_u(derivative);
        self.by_v(-derivative);
    }
    /// Takes the derivative by z of a loss that depends on the log-ratios and beta through z alone.
    #[inline(always)]
    fn by_z(&mut self, derivative: R) {
        self.by_h(derivative * self.beta());
        self.by_beta(derivative * self.h());
    }
}

/// A loss of a pair as mathematics.
pub trait PairFormula: Copy + Send + Sync {
    /// The scale of the rewards.
    fn beta(&self) -> f64;
    /// Hands the loss of one pair and its derivatives to it.
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>);
}
