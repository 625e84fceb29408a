//! Any of the losses as one formula, which tells them apart inside: the same operations as each on its own, in one kernel.

use super::logistic::logistic;
use super::{Doubt, Formula, LogRatios, Loss, Real, Terms};

/// A loss that is known only at run time.
#[derive(Clone, Copy)]
pub struct Any(pub Loss);

impl Formula for Any {
    /// The formula's own constants are made anew for each row: one row at a time is what this is for.
    type Constants<R: Real> = Loss;

    fn beta(&self) -> f64 {
        match self.0 {
            Loss::Dpo(loss) => loss.beta(),
            Loss::ConservativeDpo(loss) => loss.beta(),
            Loss::RobustDpo(loss) => loss.beta(),
            Loss::Ipo(loss) => loss.beta(),
            Loss::Hinge(loss) => loss.beta(),
        }
    }
    #[inline(always)]
    fn constants<R: Real>(&self) -> Loss {
        self.0
    }
    #[inline(always)]
    fn terms<R: Real>(loss: &Loss, x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
        let (beta, slope) = match loss {
            // A slope of 0 gives the bits that none gives.
            Loss::Dpo(loss) => (loss.constants(), R::from_f64(0.0)),
            Loss::ConservativeDpo(loss) => loss.constants(),
            Loss::RobustDpo(loss) => loss.constants(),
            Loss::Ipo(loss) => return of(loss, x, doubt),
            Loss::Hinge(loss) => return of(loss, x, doubt),
        };
        logistic(Some(slope), x, beta, doubt)
    }
}

#[inline(always)]
fn of<R: Real, F: Formula>(formula: &F, x: LogRatios<R>, doubt: &mut Doubt<R>) -> Terms<R> {
    F::terms(&formula.constants(), x, doubt)
}
