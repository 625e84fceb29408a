//! Any of the losses as one formula, which tells them apart inside: the same operations as each on its own, in one kernel.

use super::logistic::logistic;
use super::{Formula, Loss, Real, Row};

/// A loss that is known only at run time.
#[derive(Clone, Copy)]
pub struct Any<'l>(pub &'l Loss);

impl Formula for Any<'_> {
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
    fn evaluate<R: Real>(&self, row: &mut impl Row<R>) {
        let slope = match self.0 {
            // A slope of 0 gives the bits that none gives.
            Loss::Dpo(_) => R::from_f64(0.0),
            Loss::ConservativeDpo(loss) => loss.slope(),
            Loss::RobustDpo(loss) => loss.slope(),
            Loss::Ipo(loss) => return loss.evaluate(row),
            Loss::Hinge(loss) => return loss.evaluate(row),
        };
        logistic(Some(&slope), row);
    }
}
