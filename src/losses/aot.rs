//! AOT (Melnyk et al. 2024, arXiv 2406.05882, paired): conservative DPO on `sort(pc - pr) - sort(rc - rr)`, the batch's values in order, so that
//! one distribution is to lie above the other. This is the loss of a row in order; [`pairs::Sorted`](crate::pairs::Sorted) puts the rows in
//! order and brings the gradients back.

use super::link::{Link, Sigmoid};
use super::{Aot, Pair, PairFormula, Real};

impl PairFormula for Aot {
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, pair: &mut impl Pair<R>) {
        Sigmoid { label_smoothing: self.label_smoothing }.at(pair.beta(), pair.h()).hand(pair);
    }
}
