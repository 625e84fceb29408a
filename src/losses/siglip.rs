//! SigLIP (Zhai et al. 2023, arXiv 2303.15343; `siglip.py` of big_vision): with `x = beta u + bias`, u the similarity of an image and a text and
//! beta the scale (the inverse temperature), `L = softplus(-x)` for a pair that belongs together, which is labelled desirable, and
//! `L = softplus(x)` for any other. `dL/dx` is `-sigmoid(-x)` and `sigmoid(x)`; by the bias it is the same.
//!
//! A batch of N images and N texts has N^2 labelled scores. The paper divides the sum of their losses by N, not by N^2: that is the
//! caller's, by a mean over N or by weights of 1/N.
//!
//! Worked values at the scores 2 and 1 of pairs that belong together and 0.5 and -1 of others, beta 1, bias 0:
//! 0.126928011042972 and 0.313261687518223, 0.974076984180107 and 0.313261687518223, whose sum over N = 2 is 0.863764185129762. At score 0.3, beta 10, bias -10
//! (x = -7): 7.00091146645377 and 0.000911466453774245; derivative by the bias -0.999088948805599 and 0.000911051194400645.

use super::{Answer, AnswerFormula, Real, ReferencePoint, SigLip};

impl AnswerFormula for SigLip {
    const REFERENCE_POINT: Option<ReferencePoint> = None;
    fn beta(&self) -> f64 {
        self.beta
    }
    #[inline(always)]
    fn evaluate<R: Real>(&self, answer: &mut impl Answer<R>) {
        let score = answer.u();
        let x = answer.beta() * score + R::from_f64(self.bias);
        let right = answer.by_label(x, -x).logistic();
        answer.loss(right.softplus_of_minus());
        let wrong = right.sigmoid_of_minus;
        let by_x = answer.by_label(-wrong, wrong);
        answer.by_u(by_x * answer.beta());
        answer.by_beta(by_x * score);
        answer.by_bias(by_x);
    }
}
