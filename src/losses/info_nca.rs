//! InfoNCA (Chen et al. 2024, arXiv 2402.05369): the cross-entropy of the policy's shares of the answers from those of given rewards,
//! `L = -sum of p_i ln a_i` with `a = softmax(z)` and `p = softmax(reward/alpha)`. `dL/dz_i = a_i - p_i`.
//!
//! With m the answer of the greatest log-ratio and `S = ln sum of e^(z_i - z_m)`, `-ln a_i = (z_m - z_i) + S`, a sum of numbers from 0 on;
//! `dL/dbeta = sum of p_i (u_m - u_i) - sum of a_i (u_m - u_i)`.
//!
//! Worked values at z = (0.5, -0.25, 0.1), rewards (1, 0, 0.5), alpha 1: p = (0.506480391056, 0.186323723226, 0.307195885718), loss
//! 1.02468160835.

use super::{InfoNca, List, ListFormula, Place, Real, Sum};

impl ListFormula for InfoNca {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let zero = R::from_f64(0.0);
        keep_shares(list, Place::Second, self.alpha);
        let most = list.highest(|_| true);
        let mut others = zero;
        for i in 0..list.len() {
            let mut term = R::from_f64(1.0);
            if i != most {
                term = (list.h(i, most) * list.beta()).exp();
                others = (others + term).exact();
            }
            list.keep(Place::First, i, term);
        }
        let (all, rest) = ((others + R::from_f64(1.0)).exact(), others.ln_1p());
        let (mut loss, mut by_beta) = (zero, Sum::new());
        for i in 0..list.len() {
            let (share, wanted) = (list.kept(Place::First, i) / all, list.kept(Place::Second, i));
            let below = if i == most { zero } else { list.h(most, i) };
            loss = (loss + wanted * (below * list.beta() + rest).exact()).exact();
            by_beta = by_beta.plus(wanted * below).minus(share * below);
            list.by_u(i, Sum::of(share).minus(wanted).times(list.beta()));
        }
        list.loss(loss);
        list.by_beta(by_beta);
    }
}

/// Keeps `softmax(column/temperature)`.
#[inline(always)]
pub fn keep_shares<R: Real>(list: &mut impl List<R>, place: Place, temperature: f64) {
    let (most, temperature) = (list.greatest(), R::from_f64(temperature));
    let mut all = R::from_f64(0.0);
    for i in 0..list.len() {
        let term = (list.more(i, most) / temperature).exp();
        list.keep(place, i, term);
        all = (all + term).exact();
    }
    for i in 0..list.len() {
        let share = list.kept(place, i) / all;
        list.keep(place, i, share);
    }
}
