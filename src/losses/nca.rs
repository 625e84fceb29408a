//! NCA (Chen et al. 2024, arXiv 2402.05369): each of K answers by itself against noise, in shares of given rewards,
//! `L = sum of p_i softplus(-z_i) + softplus(z_i)/K` with `p = softmax(reward/alpha)`. `dL/dz_i = sigmoid(z_i)/K - p_i sigmoid(-z_i)`, which is
//! 0 at `z_i = ln(K p_i)`. One answer is enough: then p is 1.
//!
//! Worked values at z = (0.5, -0.25, 0.1), rewards (1, 0, 0.5), alpha 1: loss 1.35676316167, gradient (0.0162694981617, 0.0411943476163,
//! 0.0290686232559).

use super::info_nca::keep_shares;
use super::{List, ListFormula, Nca, Place, Real, Sum};

impl ListFormula for Nca {
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
        keep_shares(list, Place::First, self.alpha);
        let answers = R::from_f64(list.len() as f64);
        let (mut loss, mut by_beta) = (R::from_f64(0.0), Sum::new());
        for i in 0..list.len() {
            let (u, share) = (list.u(i), list.kept(Place::First, i));
            let z = u * list.beta();
            let (data, noise) = (z.logistic(), (-z).logistic());
            let likely = share * data.softplus_of_minus();
            loss = (loss + (likely + noise.softplus_of_minus() / answers).exact()).exact();
            let by_z = Sum::of(noise.sigmoid_of_minus / answers).minus(share * data.sigmoid_of_minus);
            by_beta = by_beta.plus_times(by_z, u);
            list.by_u(i, by_z.times(list.beta()));
        }
        list.loss(loss);
        list.by_beta(by_beta);
    }
}
