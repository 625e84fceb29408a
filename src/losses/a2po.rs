//! A*-PO (Brantley et al. 2025, arXiv 2505.20686), of the answers to one prompt: a regression of the rewards that the policy implies on the
//! advantages of given ones, `L = mean of (beta u_i - (r_i - V))^2` with the value `V = beta1 ln mean of e^(r/beta1)`. `dL/du_i = 2 beta e_i/K`
//! of the i-th error `e_i`, and `dL/dbeta = (2/K) sum of e_i u_i`. One answer is enough: then V is its reward.
//!
//! With m the answer of the greatest reward, `V - r_m = beta1 ln(1 + mean of (e^((r_i - r_m)/beta1) - 1))`: the terms of the mean have
//! one sign, so that it keeps its precision at any beta1.

use super::{A2po, List, ListFormula, Real, Sum};

impl ListFormula for A2po {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn fewest(&self) -> usize {
        1
    }
    fn is_of_differences(&self) -> bool {
        false
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let (zero, answers) = (R::from_f64(0.0), R::from_f64(list.len() as f64));
        let (most, temperature) = (list.greatest(), R::from_f64(self.beta1));
        let mut less = zero;
        for i in 0..list.len() {
            less = (less + (list.more(i, most) / temperature).exp_m1()).exact();
        }
        let value = temperature * (less / answers).ln_1p();
        let slope = R::from_f64(2.0) / answers;
        let (mut loss, mut by_beta) = (zero, Sum::new());
        for i in 0..list.len() {
            let u = list.u(i);
            let error = Sum::of(list.beta() * u).minus(list.more(i, most)).plus(value);
            loss = (loss + error.value * error.value).exact();
            let by_reward = error.times(slope);
            by_beta = by_beta.plus_times(by_reward, u);
            list.by_u(i, by_reward.times(list.beta()));
        }
        list.loss(loss / answers);
        list.by_beta(by_beta);
    }
}
