//! Links: what a difference of scores becomes. Losses that differ in their scores alone, log-ratios or those of another divergence, share them.

use super::real::{bell, sigmoid, softplus};
use super::{Pair, Real};

/// A loss of the difference d of two scores and of beta.
pub trait Link: Copy {
    /// The loss, and its derivatives by d and by beta.
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R>;
}

/// A loss with its derivatives.
#[derive(Clone, Copy)]
pub struct Linked<R> {
    pub loss: R,
    pub by_d: R,
    pub by_beta: R,
}

impl<R: Real> Linked<R> {
    /// Of a loss of `beta d` alone.
    #[inline(always)]
    fn by_z(loss: R, by_z: R, beta: R, d: R) -> Self {
        Self { loss, by_d: by_z * beta, by_beta: by_z * d }
    }

    /// Hands it to a pair whose scores are its log-ratios.
    #[inline(always)]
    pub fn hand(self, pair: &mut impl Pair<R>) {
        pair.loss(self.loss);
        pair.by_h(self.by_d);
        pair.by_beta(self.by_beta);
    }

    /// Hands it to a pair whose scores have these derivatives by the log-ratios.
    #[inline(always)]
    pub fn hand_by_scores(self, pair: &mut impl Pair<R>, by_u: R, by_v: R) {
        pair.loss(self.loss);
        pair.by_u(self.by_d * by_u);
        pair.by_v(-(self.by_d * by_v));
        pair.by_beta(self.by_beta);
    }

    /// The same with a multiple of a number beside it.
    #[inline(always)]
    pub fn plus(self, weight: f64, number: R) -> Self {
        Self { loss: self.loss + R::from_f64(weight) * number, ..self }
    }
}

/// `softplus(-z) + eps z`, eps the share of flipped labels: `dL/dz = eps - sigmoid(-z)`.
#[derive(Clone, Copy)]
pub struct Sigmoid {
    pub label_smoothing: f64,
}

impl Link for Sigmoid {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let z = (beta * d).logistic();
        if self.label_smoothing == 0.0 {
            return Linked::by_z(z.softplus_of_minus(), -z.sigmoid_of_minus, beta, d);
        }
        let eps = R::from_f64(self.label_smoothing);
        Linked::by_z(z.softplus_of_minus_with_slope(eps), eps - z.sigmoid_of_minus, beta, d)
    }
}

/// `softplus(-z) - k z` with `k = eps/(1 - 2 eps)`.
#[derive(Clone, Copy)]
pub struct Robust {
    pub label_smoothing: f64,
}

impl Link for Robust {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let eps = R::from_f64(self.label_smoothing);
        let k = -(eps / (R::from_f64(1.0) - (eps + eps)));
        let z = (beta * d).logistic();
        Linked::by_z(z.softplus_of_minus_with_slope(k), k - z.sigmoid_of_minus, beta, d)
    }
}

/// `max(0, 1 - z)`; at z = 1 the derivative is 0.
#[derive(Clone, Copy)]
pub struct Hinge;

impl Link for Hinge {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let (zero, one) = (R::from_f64(0.0), R::from_f64(1.0));
        let short = one - beta * d;
        let inside = short.is_positive();
        Linked::by_z(R::select(inside, short, zero), R::select(inside, -one, zero), beta, d)
    }
}

/// `(d - 1/(2 beta))^2`.
#[derive(Clone, Copy)]
pub struct Ipo;

impl Link for Ipo {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let distance = d - (beta + beta).recip();
        Linked { loss: distance * distance, by_d: distance + distance, by_beta: distance / (beta * beta) }
    }
}

/// `q (ln q - ln(1 - eps)) + p (ln p - ln eps)` with `q = sigmoid(z)`, `p = sigmoid(-z)`; `dL/dz = q p (z - ln(1 - eps) + ln eps)`, for
/// `ln q - ln p = z`. `q ln q + p ln p = -(ln(1 + e^-|z|) + |z| sigmoid(-|z|))`.
#[derive(Clone, Copy)]
pub struct Exo {
    pub label_smoothing: f64,
}

impl Link for Exo {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let eps = R::from_f64(self.label_smoothing);
        let (of_chosen, of_rejected) = ((R::from_f64(1.0) - eps).ln(), eps.ln());
        let z = beta * d;
        let (p, q) = (sigmoid(-z), sigmoid(z));
        let entropy = z.logistic().log1p_exp + z.abs() * sigmoid(-z.abs());
        let loss = -(entropy + q * of_chosen + p * of_rejected);
        Linked::by_z(loss, bell(z) * (z - of_chosen + of_rejected), beta, d)
    }
}

/// `(1 - m) softplus(-z) + m e^-z` with `m = sigmoid(z/tau)`. The last product is `e^(-z - softplus(-z/tau))`, which does not overflow where m
/// is next to 0: for tau < 1 it tends to 0.
///
/// `dL/dz = -bell(z/tau)/tau softplus(-z) - (1 - m) sigmoid(-z) + m e^-z ((1 - m)/tau - 1)`.
#[derive(Clone, Copy)]
pub struct Discopop {
    pub tau: f64,
}

impl Link for Discopop {
    #[inline(always)]
    fn at<R: Real>(&self, beta: R, d: R) -> Linked<R> {
        let tau = R::from_f64(self.tau);
        let z = beta * d;
        let scaled = z / tau;
        let others = sigmoid(-scaled);
        let (logistic, exponential) = (softplus(-z), (-(z + softplus(-scaled))).exp());
        let loss = others * logistic + exponential;
        let by_z =
            exponential * (others / tau - R::from_f64(1.0)) - (bell(scaled) / tau * logistic + others * sigmoid(-z));
        Linked::by_z(loss, by_z, beta, d)
    }
}
