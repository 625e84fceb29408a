//! LiPO-lambda (Liu et al. 2024, arXiv 2402.01878): the logistic loss of each pair of answers of unlike relevance, weighed by what their exchange
//! would change in the discounted gain, `L = sum over r_i > r_j of D_ij softplus(-(z_i - z_j))` with
//! `D_ij = |2^r_i - 2^r_j| |1/ln(1 + rank_i) - 1/ln(1 + rank_j)|`, a constant in the gradient. Ranks count from 1 for the answer that the
//! policy now prefers, by exact log-ratios; of answers that are equal in that, one that stands earlier in the list ranks before one that stands
//! later. With logarithms of base 2 everything is times ln 2. Answers of equal relevance are not compared.
//!
//! Worked values at z = (0.5, -0.25, 0.1), relevance (1, 0, 0.5): loss 0.480813289135, and times ln 2 0.33327437574.

use super::real::exp_difference;
use super::{Lipo, List, ListFormula, Place, Real, Sum};

impl ListFormula for Lipo {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let (n, one, ln_2) = (list.len(), R::from_f64(1.0), R::from_f64(2.0).ln());
        for i in 0..n {
            let is_before = |j: &usize| list.is_above(*j, i) || *j < i && !list.is_above(i, *j);
            let rank = 1 + (0..n).filter(is_before).count();
            list.keep(Place::First, i, one / R::from_f64((1 + rank) as f64).ln());
            let gain = (R::from_f64(list.column(i).into()) * ln_2).exp();
            list.keep(Place::Second, i, gain);
        }
        let weight = |list: &_, i: usize, j: usize| {
            let gain = |i| List::<R>::kept(list, Place::Second, i);
            let discount = |i| List::<R>::kept(list, Place::First, i);
            let gained = exp_difference(gain(i), gain(j), List::<R>::more(list, i, j) * ln_2);
            gained.abs() * (discount(i) - discount(j)).abs()
        };
        let (mut loss, mut by_beta) = (R::from_f64(0.0), Sum::new());
        for i in 0..n {
            let mut by_z = Sum::new();
            for j in 0..n {
                if list.column(i) > list.column(j) {
                    let (h, weight) = (list.h(i, j), weight(list, i, j));
                    let z = (h * list.beta()).logistic();
                    loss = (loss + weight * z.softplus_of_minus()).exact();
                    let wrong = weight * z.sigmoid_of_minus;
                    by_z = by_z.minus(wrong);
                    by_beta = by_beta.minus(wrong * h);
                } else if list.column(i) < list.column(j) {
                    let z = (list.h(j, i) * list.beta()).logistic();
                    by_z = by_z.plus(weight(list, i, j) * z.sigmoid_of_minus);
                }
            }
            list.by_u(i, by_z.times(list.beta()));
        }
        list.loss(loss);
        list.by_beta(by_beta);
    }
}
