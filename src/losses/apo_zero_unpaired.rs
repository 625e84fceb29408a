//! APO-zero of single answers (D'Oosterlinck et al. 2024, arXiv 2408.06266; `apo_zero_unpaired` of TRL's KTO trainer), with `x = beta u`:
//! `L = desirable_weight (1 - sigmoid(x))` for a desirable answer, `L = undesirable_weight sigmoid(x)` for another.
//!
//! It is KTO at a reference point of 0, and takes no other.
//!
//! Worked values at policy -12.5, reference -13, beta 0.1, weights 1 (x = 0.05): desirable 0.487502603515790, undesirable 0.512497396484210,
//! derivative by the log-probability -0.0249843815081116 and its opposite.

use super::kto::one_less_sigmoid;
use super::{Answer, AnswerFormula, ApoZeroUnpaired, Real, ReferencePoint};

impl AnswerFormula for ApoZeroUnpaired {
    const REFERENCE_POINT: Option<ReferencePoint> = None;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>) {
        let u = answer.u();
        one_less_sigmoid(answer, u, self.desirable_weight, self.undesirable_weight);
    }
}
