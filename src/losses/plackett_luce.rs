//! Plackett-Luce DPO (Rafailov et al. 2023, arXiv 2305.18290, appendix A.3): answers from best to worst, `z_j = beta u_j`,
//! `L = sum over k of Z_k - z_k`, with `Z_k` the log-sum-exp of `z_j` over j >= k. `dL/dz_j = (sum over k <= j of e^(z_j - Z_k)) - 1`.
//! A list of two answers is a pair of DPO, one of fewer gives 0.
//!
//! In differences, so that nothing grows with the log-ratios: `d_k = Z_(k+1) - z_k` is `(z_m - z_k) + s` with m the largest of the
//! answers after k and `s = Z_(k+1) - z_m`, from 0 to the logarithm of their number; the loss is the sum of `softplus(d_k)`. With `q_k = sigmoid(d_k)`
//! (0 for the last), the share that is left to the answers after k, `dL/dz_j = (1 - q_j) b_j - q_j`, where `b_1 = 0` and
//! `b_(j+1) = q_j (1 + b_j)`.
//!
//! Where shares are next to 0 and 1, derivatives are next to whole numbers, and what they lack may decide a rounding: so each is a whole
//! number and a rest apart, with `t = 1 - q` in place of q where an answer after k is larger.
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
        let zero = R::from_f64(0.0);
        let (mut loss, mut s) = (zero, zero);
        let last = list.len().saturating_sub(1);
        let mut largest = last;
        for k in (0..last).rev() {
            let d = list.h(largest, k) * list.beta() + s;
            let above = list.is_above(largest, k);
            list.keep(k, d, above);
            loss = (loss + softplus(d)).exact();
            if above {
                s = s + softplus(-d);
            } else {
                (largest, s) = (k, softplus(d));
            }
        }
        list.loss(loss);

        let finite = list.finite();
        // b and the derivatives as a whole number and a rest.
        let (mut b_whole, mut b_rest) = (0.0, zero);
        let (mut by_beta, mut by_beta_rest) = (zero, zero);
        for j in 0..list.len() {
            let (mut whole, mut rest) = (b_whole, b_rest);
            if j < last {
                let (d, above) = list.kept(j);
                let more = (R::from_f64(1.0 + b_whole) + b_rest).exact();
                if above {
                    // t (1 + b)
                    let taken = d.logistic().sigmoid_of_minus * more;
                    (whole, rest) = (-1.0, taken);
                    (b_whole, b_rest) = (b_whole + 1.0, b_rest - taken);
                } else {
                    // q (1 + b)
                    let left = (-d).logistic().sigmoid_of_minus * more;
                    rest = rest - left;
                    (b_whole, b_rest) = (0.0, left);
                }
            }
            let h = list.h(j, finite);
            by_beta = by_beta + R::from_f64(whole) * h;
            by_beta_rest = by_beta_rest + rest * h;
            list.by_u(j, (R::from_f64(whole) + rest) * list.beta());
        }
        list.by_beta(by_beta + by_beta_rest);
    }
}

fn softplus<R: Real>(x: R) -> R {
    (-x).logistic().softplus_of_minus()
}
