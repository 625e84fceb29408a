//! BCO of single answers (Jung et al. 2024, arXiv 2404.04656; TRL's BCO trainer), with `x = beta (u - z0)`: `L = softplus(-x)` for a desirable
//! answer, `L = softplus(x)` for another. `dL/dx` is `-sigmoid(-x)` and `sigmoid(x)`.
//!
//! The paper and trainers subtract a shift from the reward, `beta u - d`. The reference point z0 is that shift as a log-ratio, `d = beta z0`:
//! it does not change with beta, and is what KTO's is. TRL up to 0.28 takes for d the running mean of the rewards of all answers, so z0 is
//! the running mean of their log-ratios; TRL from 1.0 on and Liger take 0. It is a constant to the gradient.
//!
//! Worked values at policy -12.5, reference -13, z0 0.25, beta 0.1 (x = 0.025): desirable 0.680725303525525, undesirable
//! 0.705725303525525, derivative by the log-probability -0.0493750325500490 and 0.0506249674499510.

use super::{Answer, AnswerFormula, Bco, Real, ReferencePoint};

impl AnswerFormula for Bco {
    const REFERENCE_POINT: Option<ReferencePoint> = Some(ReferencePoint::All);
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>) {
        let above = answer.shifted();
        let x = answer.beta() * above;
        let right = answer.by_label(x, -x).logistic();
        answer.loss(right.softplus_of_minus());
        let wrong = right.sigmoid_of_minus;
        let by_reward = answer.by_label(-wrong, wrong);
        answer.by_u(by_reward * answer.beta());
        answer.by_beta(by_reward * above);
    }
}
