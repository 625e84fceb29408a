//! KTO (Ethayarajh et al. 2024, arXiv 2402.01306, eq. 7), with `x = beta (u - z0)`: `L = desirable_weight (1 - sigmoid(x))` for a desirable
//! answer, `L = undesirable_weight (1 - sigmoid(-x))` for another.
//!
//! `dL/dx` is `-w sigmoid(x) sigmoid(-x)` for a desirable answer and the opposite for another. The reference point z0, an estimate of
//! the divergence of policy and reference that is at least 0, is the caller's, and a constant to the gradient.
//!
//! Worked values at policy -12.5, reference -13, z0 0.25, beta 0.1, weights 1 (x = 0.025): desirable 0.493750325506976, undesirable
//! 0.506249674493024, derivative by the log-probability -0.0249960942885157 and its opposite.

use super::{Answer, AnswerFormula, Kto, Real};

impl AnswerFormula for Kto {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>) {
        let desirable = answer.is_desirable();
        let x = answer.beta() * answer.shifted();
        let (weight, x) = if desirable { (self.desirable_weight, x) } else { (self.undesirable_weight, -x) };
        // 1 - sigmoid(x), for an answer that is right where x is large
        let loss = R::from_f64(weight) * x.logistic().sigmoid_of_minus;
        answer.loss(loss);
        let slope = loss * (-x).logistic().sigmoid_of_minus;
        let by_x = if desirable { -slope } else { slope };
        answer.by_u(by_x * answer.beta());
        answer.by_beta(by_x * answer.shifted());
    }
}
