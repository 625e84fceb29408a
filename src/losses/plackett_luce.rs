//! Plackett-Luce DPO (Rafailov et al. 2023, arXiv 2305.18290, appendix A.3): answers from best to worst, `z_j = beta u_j`,
//! `L = sum over k of Z_k - z_k`, with `Z_k` the log-sum-exp of `z_j` over j >= k. `dL/dz_j = (sum over k <= j of e^(z_j - Z_k)) - 1`.
//! A list of two answers is a pair of DPO, one of fewer gives 0.
//!
//! In differences, so that nothing grows with the log-ratios: with m the answer of the largest z after k and `s = Z_(k+1) - z_m`, between 0 and
//! the logarithm of how many there are, `d_k = Z_(k+1) - z_k` is `(z_m - z_k) + s`; the loss is the sum of `softplus(d_k)`. With
//! `q_k = sigmoid(d_k)` (0 for the last), the share that is left to the answers after k, `dL/dz_j = (1 - q_j) b_j - q_j`, where `b_1 = 0` and
//! `b_(j+1) = q_j (1 + b_j)`.
//!
//! Worked values at z = (0.5, -0.25, 0.1): loss 1.64544261706, gradient (-0.533296189666, -0.366162308879, 0.899458498545).

use super::{Dpo, List, ListFormula, PlackettLuce, Real};

impl ListFormula for PlackettLuce {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn of_two(&self) -> Option<Dpo> {
        Some(Dpo { beta: self.beta })
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let n = list.len();
        let zero = R::from_f64(0.0);
        let (mut loss, mut m, mut s) = (zero, n.saturating_sub(1), zero);
        for k in (0..n.saturating_sub(1)).rev() {
            let d = list.h(m, k) * list.beta() + s;
            list.keep(k, d);
            loss = (loss + softplus(d)).exact();
            if list.is_above(k, m) {
                (m, s) = (k, softplus(d));
            } else {
                s = (s + softplus(-d)).exact();
            }
        }
        list.loss(loss);

        let mut b = zero;
        let mut by_beta = zero;
        for j in 0..n {
            let by_z = if j + 1 < n {
                let d = list.kept(j);
                let (left, taken) = ((-d).logistic().sigmoid_of_minus, d.logistic().sigmoid_of_minus);
                let by_z = taken * b - left;
                b = left * (R::from_f64(1.0) + b).exact();
                by_z
            } else {
                b
            };
            by_beta = by_beta + by_z * list.h(j, 0);
            list.by_u(j, by_z * list.beta());
        }
        list.by_beta(by_beta);
    }
}

fn softplus<R: Real>(x: R) -> R {
    (-x).logistic().softplus_of_minus()
}
