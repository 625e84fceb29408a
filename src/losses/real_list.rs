//! REAL (as ms-swift has it): right and wrong answers on either side of 0, with `x_i = u_i/tau` of token means,
//! `L = ln(1 + sum over wrong answers of e^x_j) + ln(1 + sum over right answers of e^-x_j)`. The derivative by x is `e^x_j` over what the
//! first logarithm is of, or the opposite of `e^-x_j` over what the second is of. A list whose answers are all right or all wrong is
//! skipped: its loss and gradients are 0. The rewards that it implies are the log-ratios.
//!
//! With `b` the greatest of a side's exponents, or 0 if that is greater, its logarithm is `b + ln(1 + r)`, where r is the sum of all terms
//! `e^(x - b)` but that of b itself.

use super::{List, ListFormula, Place, Real, RealList, Sum};

impl ListFormula for RealList {
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let n = list.len();
        let is_right = |list: &_, i: usize| List::<R>::column(list, i) > 0.5;
        let right = (0..n).filter(|i| is_right(list, *i)).count();
        if right == 0 || right == n {
            list.skip();
            return;
        }
        let (zero, one, tau) = (R::from_f64(0.0), R::from_f64(1.0), R::from_f64(self.tau));
        let mut loss = zero;
        for side in [false, true] {
            // Of right answers the exponent is the opposite, and so is its derivative.
            let signed = |x: R| if side { -x } else { x };
            let of_side = |list: &_, i: usize| is_right(list, i) == side;
            let most = if side { list.lowest(|i| of_side(list, i)) } else { list.highest(|i| of_side(list, i)) };
            let sign = if side { -list.sign(most) } else { list.sign(most) };
            let is_above = sign > 0.0;
            let base = if is_above { signed(list.u(most)) / tau } else { zero };
            let mut rest = if is_above { (-base).exp() } else { zero };
            for i in 0..n {
                if !of_side(list, i) {
                    continue;
                }
                let mut term = one;
                if !(is_above && i == most) {
                    let above = if is_above { list.h(i, most) } else { list.u(i) };
                    term = (signed(above) / tau).exp();
                    rest = (rest + term).exact();
                }
                list.keep(Place::First, i, term);
            }
            loss = (loss + (base + rest.ln_1p()).exact()).exact();
            let all = (one + rest).exact();
            for i in 0..n {
                if of_side(list, i) {
                    let share = list.kept(Place::First, i) / all;
                    list.by_u(i, Sum::of(signed(share) / tau));
                }
            }
        }
        list.loss(loss);
        list.by_beta(Sum::new());
    }
}
