//! A device's own small set of losses.

use super::formula::pair_apart;
use super::{Pair, PairFormula, Real};

/// One of two losses, chosen at run time; either may be a `OneOf` itself. Where flash is scarce, a program that
/// needs two of the losses pays for two, not for all that [`Loss`](super::Loss) can be.
///
/// ```
/// use preflane::losses::{Dpo, Ipo, OneOf};
/// let mut loss: OneOf<Dpo, Ipo> = OneOf::First(Dpo::new(0.1)?);
/// let dpo = preflane::evaluate_pair(&loss, -12.5, -14.0, Some((-13.0, -13.25)));
/// loss = OneOf::Second(Ipo::new(0.1)?);
/// let ipo = preflane::evaluate_pair(&loss, -12.5, -14.0, Some((-13.0, -13.25)));
/// assert_eq!((dpo.loss, ipo.loss), (0.63259906, 14.0625));
/// # Ok::<(), preflane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OneOf<A, B> {
    /// The first loss.
    First(A),
    /// The second loss.
    Second(B),
}

impl<A: PairFormula, B: PairFormula> PairFormula for OneOf<A, B> {
    const BY_VALUE: bool = A::BY_VALUE || B::BY_VALUE;
    const ONE_OF_SEVERAL: bool = true;
    fn beta(&self) -> f64 {
        match self {
            Self::First(loss) => loss.beta(),
            Self::Second(loss) => loss.beta(),
        }
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        match self {
            Self::First(loss) => pair_apart(loss, pair),
            Self::Second(loss) => pair_apart(loss, pair),
        }
    }
}
