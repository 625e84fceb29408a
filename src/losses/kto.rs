//! KTO (Ethayarajh et al. 2024, arXiv 2402.01306, eq. 7), with `x = beta (u - z0)`: `L = desirable_weight (1 - sigmoid(x))` for a desirable
//! answer, `L = undesirable_weight (1 - sigmoid(-x))` for another.
//!
//! `dL/dx` is `-w sigmoid(x) sigmoid(-x)` for a desirable answer and the opposite for another. The reference point z0, an estimate of
//! the divergence of policy and reference that is at least 0, is the caller's, and a constant to the gradient.
//!
//! Worked values at policy -12.5, reference -13, z0 0.25, beta 0.1, weights 1 (x = 0.025): desirable 0.493750325506976, undesirable
//! 0.506249674493024, derivative by the log-probability -0.0249960942885157 and its opposite.

use super::{Answer, AnswerFormula, Kto, Real, ReferencePoint};

impl AnswerFormula for Kto {
    const REFERENCE_POINT: Option<ReferencePoint> = Some(ReferencePoint::Mismatched);
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>) {
        let above = answer.shifted();
        one_less_sigmoid(answer, above, self.desirable_weight, self.undesirable_weight);
    }
}

/// `w (1 - sigmoid(x))` with `x = beta above` for a desirable answer, `x = -beta above` for another.
#[inline(always)]
pub fn one_less_sigmoid<R: Real>(
    answer: &mut impl Answer<R>,
    above: R,
    desirable_weight: f64,
    undesirable_weight: f64,
) {
    let x = answer.beta() * above;
    let (weight, x) =
        (answer.by_label(R::from_f64(desirable_weight), R::from_f64(undesirable_weight)), answer.by_label(x, -x));
    // 1 - sigmoid(x), for an answer that is right where x is large
    let loss = weight * x.logistic().sigmoid_of_minus;
    answer.loss(loss);
    let slope = loss * (-x).logistic().sigmoid_of_minus;
    let by_reward = answer.by_label(-slope, slope);
    answer.by_u(by_reward * answer.beta());
    answer.by_beta(by_reward * above);
}
