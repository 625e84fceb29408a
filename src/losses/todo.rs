//! TODO (Guo et al. 2024, arXiv 2411.02442): preferences that may be ties. With theta < 0 a preferred pair has `L = softplus(-(z + theta))`, a
//! tie `softplus(z - theta) + softplus(-z - theta) - ln(e^(-2 theta) - 1)`, least at z = 0.

use super::real::{sigmoid, softplus};
use super::{Pair, PairFormula, Real, Todo};

impl PairFormula for Todo {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        let theta = R::from_f64(self.theta);
        let z = pair.z();
        let (above, below) = (z + theta, z - theta);
        let room = (-(theta + theta)).exp_m1().ln();
        let is_tie = pair.column().is_positive();
        let preferred = softplus(-above);
        pair.loss(R::select(is_tie, preferred + softplus(below) - room, preferred));
        let slope = -sigmoid(-above);
        pair.by_z(R::select(is_tie, sigmoid(below) + slope, slope));
    }
}
