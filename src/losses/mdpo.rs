//! mDPO (Wang et al. 2024, arXiv 2406.11839), for answers to a text and an image. A list is the chosen answer, the rejected one, and the chosen
//! one again, given a spoilt image: `L = softplus(-(z_1 - z_2)) + softplus(-(z_1 - z_3)) + softplus(-(z_1 - delta))`, the terms for the
//! response, for the image, and the anchor that keeps the chosen answer probable. More alternatives have a term each, and a single answer has its
//! anchor. All terms are against the reference, as the paper has them; an anchor on the policy's log-probability alone is another loss.

use super::{List, ListFormula, Mdpo, Real, Sum};

impl ListFormula for Mdpo {
    fn beta(&self) -> f64 {
        self.beta
    }
    fn fewest(&self) -> usize {
        1
    }
    fn evaluate<R: Real>(&self, list: &mut impl List<R>) {
        let u = list.u(0);
        let anchor = (u * list.beta() - R::from_f64(self.delta)).logistic();
        let (mut loss, mut wrong) = (anchor.softplus_of_minus(), anchor.sigmoid_of_minus);
        let mut by_beta = Sum::new().minus(wrong * u);
        for j in 1..list.len() {
            let h = list.h(0, j);
            let z = (h * list.beta()).logistic();
            loss = (loss + z.softplus_of_minus()).exact();
            wrong = (wrong + z.sigmoid_of_minus).exact();
            by_beta = by_beta.minus(z.sigmoid_of_minus * h);
            list.by_u(j, Sum::of(z.sigmoid_of_minus * list.beta()));
        }
        list.loss(loss);
        list.by_u(0, Sum::of(-(wrong * list.beta())));
        list.by_beta(by_beta);
    }
}
