//! Plackett-Luce DPO (Rafailov et al. 2023, arXiv 2305.18290, appendix A.3): answers from best to worst, `z_j = beta u_j`,
//! `L = sum over k of Z_k - z_k`, with `Z_k` the log-sum-exp of `z_j` over j >= k. `dL/dz_j = (sum over k <= j of e^(z_j - Z_k)) - 1`.
//! A list of two answers is a pair of DPO, one of fewer gives 0.
//!
//! In differences, so that nothing grows with the log-ratios: `d_k = Z_(k+1) - z_k` is `(z_m - z_k) + s` with m the largest of the
//! answers after k and `s = Z_(k+1) - z_m`, from 0 to the logarithm of their number; the loss is the sum of `softplus(d_k)`. With `q_k = sigmoid(d_k)`
//! (0 for the last), the share that is left to the answers after k, `dL/dz_j = (1 - q_j) b_j - q_j`, where `b_1 = 0` and
//! `b_(j+1) = q_j (1 + b_j)`: how many of the choices before, on average, fall to the answers from j + 1 on. `dL/dz_j = b_j - b_(j+1)` too, so that
//! `dL/dbeta = sum over k > 1 of b_k (u_k - u_(k-1))`, in which no b is below 0.
//!
//! Worked values at z = (0.5, -0.25, 0.1): loss 1.64544261706, gradient (-0.533296189666, -0.366162308879, 0.899458498545).

use super::{Dpo, List, ListFormula, Place, PlackettLuce, Real, Sum};

impl ListFormula for PlackettLuce {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn of_two(&self) -> Option<Dpo> {
        Some(Dpo { beta: self.beta })
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        first_choices(list, usize::MAX);
    }
}

/// The sum over the first `ranked` answers alone: an answer after them is below these, and not compared with its like. Then it adds nothing to
/// the loss, `b_(j+1) = q_j b_j` and `dL/dz_j = (1 - q_j) b_j`.
#[inline(always)]
pub fn first_choices<R: Real>(list: &mut impl List<R>, ranked: usize) {
    let (zero, one) = (R::from_f64(0.0), R::from_f64(1.0));
    let (mut loss, mut s) = (zero, zero);
    let last = list.len().saturating_sub(1);
    let mut largest = last;
    for k in (0..last).rev() {
        let d = list.h(largest, k) * list.beta() + s;
        list.keep(Place::First, k, d);
        let d = d.logistic();
        if k < ranked {
            loss = (loss + d.softplus()).exact();
        }
        if list.is_above(largest, k) {
            s = (s + d.softplus_of_minus()).exact();
        } else {
            (largest, s) = (k, d.softplus());
        }
    }
    list.loss(loss);

    let mut by_beta = Sum::new();
    let mut b = zero;
    for j in 0..list.len() {
        if j > 0 {
            by_beta = by_beta.plus(b * list.h(j, j - 1));
        }
        let mut by_z = Sum::of(b);
        if j < last {
            let d = list.kept(Place::First, j);
            let (taken, left) = (d.logistic().sigmoid_of_minus, (-d).logistic().sigmoid_of_minus);
            by_z = Sum::of(taken * b);
            if j < ranked {
                by_z = by_z.minus(left);
                b = left * (one + b).exact();
            } else {
                b = left * b;
            }
        }
        list.by_u(j, by_z.times(list.beta()));
    }
    list.by_beta(by_beta);
}
