//! DPO's relatives that other libraries compute: each loss and its derivatives by the two log-ratios.

use crate::Float;

use crate::{PRECISION, float, sigmoid, softplus};

/// A loss of the two log-ratios `u` (chosen) and `v` (rejected). Without a reference they are the log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Relative {
    /// DiscoPOP, log-ratio modulated (Lu et al. 2024): with `z = beta (u - v)` and `m = sigmoid(z / tau)`,
    /// `(1 - m) ln(1 + e^-z) + m e^-z`.
    DiscoPop {
        /// The temperature of the modulation.
        tau: f64,
    },
    /// DPO on the scores of the forward KL divergence (Wang et al. 2023, f-DPO): `-ln sigmoid(beta (e^-v - e^-u))`.
    ForwardKl,
    /// ORPO's odds-ratio term (Hong et al. 2024): `-beta ln sigmoid(log-odds(u) - log-odds(v))`, with
    /// `log-odds(x) = x - ln(1 - e^x)`, for mean log-probabilities below 0.
    OddsRatio,
    /// SimPO (Meng et al. 2024), its margin not scaled by beta: `-ln sigmoid(beta (u - v) - gamma)`.
    SimPo {
        /// The margin.
        gamma: f64,
    },
}

/// A loss and its derivatives by the log-ratios.
#[derive(Clone, Debug)]
pub struct ByLogRatios {
    /// The loss.
    pub loss: Float,
    /// Its derivative by the chosen log-ratio.
    pub by_chosen: Float,
    /// By the rejected one.
    pub by_rejected: Float,
}

/// `-ln sigmoid(x)` and its derivative.
fn logistic(x: &Float) -> (Float, Float) {
    let minus = Float::with_val(PRECISION, -x);
    (softplus(&minus), -sigmoid(&minus))
}

/// Finite log-ratios only; for the odds ratio below 0.
pub fn relative(kind: Relative, beta: f64, [u, v]: &[Float; 2]) -> ByLogRatios {
    let beta = float(beta);
    let h = Float::with_val(u.prec().max(v.prec()), u - v);
    let h = Float::with_val(PRECISION, h);
    match kind {
        Relative::DiscoPop { tau } => {
            let z = beta.clone() * h;
            let minus_z = Float::with_val(PRECISION, -&z);
            let inner = z / tau;
            let minus_inner = Float::with_val(PRECISION, -&inner);
            let m = sigmoid(&inner);
            let rest = sigmoid(&minus_inner);
            let logistic = softplus(&minus_z);
            // m e^-z, whose factors leave any range of exponents before the product does.
            let weighted_exp = (minus_z.clone() - softplus(&minus_inner)).exp();
            let loss = rest.clone() * &logistic + &weighted_exp;
            // m' = m (1 - m) / tau.
            let from_m = (weighted_exp.clone() - m * logistic) * &rest / tau;
            let slope = (from_m - rest * sigmoid(&minus_z) - weighted_exp) * beta;
            ByLogRatios { loss, by_rejected: Float::with_val(PRECISION, -&slope), by_chosen: slope }
        }
        Relative::ForwardKl => {
            let [a, b] = [u, v].map(|x| Float::with_val(PRECISION, -x).exp());
            let x = (b.clone() - &a) * &beta;
            let (loss, slope) = logistic(&x);
            ByLogRatios { loss, by_chosen: a * &beta * &slope, by_rejected: -(b * beta * slope) }
        }
        Relative::OddsRatio => {
            // The probability of anything else, 1 - e^x.
            let [else_u, else_v] = [u, v].map(|x| -Float::with_val(PRECISION, x).exp_m1());
            let x = h - (else_u.clone().ln() - else_v.clone().ln());
            let (loss, slope) = logistic(&x);
            let slope = slope * &beta;
            ByLogRatios { loss: loss * beta, by_chosen: slope.clone() / else_u, by_rejected: -(slope / else_v) }
        }
        Relative::SimPo { gamma } => {
            let (loss, slope) = logistic(&(beta.clone() * h - gamma));
            let slope = slope * beta;
            ByLogRatios { loss, by_rejected: Float::with_val(PRECISION, -&slope), by_chosen: slope }
        }
    }
}
