//! The losses of other divergences than the reverse KL (Wang et al. 2023, arXiv 2309.16240, f-DPO, and TRL's `f_divergence_type`): a link on the
//! difference of two [scores](super::score).

use super::link::{Discopop, Exo, Hinge, Ipo, Link, Robust, Sigmoid};
use super::score::Score;
use super::*;

/// A loss by its link and its score.
macro_rules! divergence {
    ($($Type:ident |$loss:ident| $link:expr, |$pair:ident| $score:expr;)*) => {$(
        impl PairFormula for $Type {
            fn beta(&self) -> f64 {
                self.beta
            }
            #[inline(always)]
            fn evaluate<R: Real>(&self, $pair: &mut impl Pair<R>) {
                #[allow(unused_variables, reason = "a link may have no parameter")]
                let $loss = self;
                let Score { d, by_u, by_v } = $score;
                $link.at($pair.beta(), d).hand_by_scores($pair, by_u, by_v);
            }
        }
    )*};
}

divergence! {
    ForwardKl |loss| Sigmoid { label_smoothing: 0.0 }, |pair| Score::forward_kl(pair);
    ForwardKlHinge |loss| Hinge, |pair| Score::forward_kl(pair);
    ForwardKlIpo |loss| Ipo, |pair| Score::forward_kl(pair);
    ForwardKlExo |loss| Exo { label_smoothing: loss.label_smoothing }, |pair| Score::forward_kl(pair);
    ForwardKlRobust |loss| Robust { label_smoothing: loss.label_smoothing }, |pair| Score::forward_kl(pair);
    ForwardKlDiscopop |loss| Discopop { tau: loss.tau }, |pair| Score::forward_kl(pair);
    JsDivergence |loss| Sigmoid { label_smoothing: 0.0 }, |pair| Score::jensen_shannon(pair);
    JsDivergenceHinge |loss| Hinge, |pair| Score::jensen_shannon(pair);
    JsDivergenceIpo |loss| Ipo, |pair| Score::jensen_shannon(pair);
    JsDivergenceExo |loss| Exo { label_smoothing: loss.label_smoothing }, |pair| Score::jensen_shannon(pair);
    JsDivergenceRobust |loss| Robust { label_smoothing: loss.label_smoothing }, |pair| Score::jensen_shannon(pair);
    JsDivergenceDiscopop |loss| Discopop { tau: loss.tau }, |pair| Score::jensen_shannon(pair);
    AlphaDivergence |loss| Sigmoid { label_smoothing: 0.0 }, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
    AlphaDivergenceHinge |loss| Hinge, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
    AlphaDivergenceIpo |loss| Ipo, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
    AlphaDivergenceExo |loss| Exo { label_smoothing: loss.label_smoothing }, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
    AlphaDivergenceRobust |loss| Robust { label_smoothing: loss.label_smoothing }, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
    AlphaDivergenceDiscopop |loss| Discopop { tau: loss.tau }, |pair| Score::exponential(pair, loss.alpha - 1.0, R::from_f64(loss.alpha) - R::from_f64(1.0));
}
