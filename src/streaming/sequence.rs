//! One answer, token by token.

use super::drift::{Sum, k3_f64};
use crate::logits::Reduction;
use crate::{Error, ExactSum};

/// What is known of a finished answer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Answer {
    /// Its tokens.
    pub tokens: u32,
    /// The policy's log-probability, as the loss takes it: the sum over the tokens, or their mean.
    pub logps: f32,
    /// The reference's, if there is one.
    pub reference: Option<ReferenceAnswer>,
}

/// The reference model on an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReferenceAnswer {
    /// Its log-probability, as the loss takes it.
    pub logps: f32,
    /// How far the policy moved, if the reference came token by token.
    pub drift: Option<Drift>,
}

/// Estimates of KL(policy || reference) on an answer, in nats a token.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Drift {
    /// The mean of `policy_logp - reference_logp`, correctly rounded. Of either sign.
    pub k1: f32,
    /// The mean of [`k3`](super::k3), within 0.501 ULP. Never negative.
    pub k3: f32,
}

/// The sums of an answer in the making.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    policy: ExactSum,
    reference: ExactSum,
    k3: Sum,
}

/// The same as plain data, from which any bits may come back.
#[cfg(feature = "capi")]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SumsState {
    policy: ExactSum,
    reference: ExactSum,
    k3: [f64; 2],
}

#[cfg(feature = "capi")]
impl Sums {
    pub fn state(&self) -> SumsState {
        SumsState { policy: self.policy, reference: self.reference, k3: self.k3.parts() }
    }

    pub fn restored(state: &SumsState) -> Option<Self> {
        let &SumsState { policy, reference, k3 } = state;
        (policy.is_sound() && reference.is_sound()).then_some(Self { policy, reference, k3: Sum::of(k3) })
    }
}

impl Sums {
    pub const EMPTY: Self = Self { policy: ExactSum::new(), reference: ExactSum::new(), k3: Sum::ZERO };

    pub fn add(&mut self, policy: f32, reference: Option<f32>) {
        self.policy.add(policy);
        if let Some(reference) = reference {
            self.reference.add(reference);
            self.k3.add(k3_f64(policy, reference));
        }
    }

    /// The answer without its reference.
    pub fn answer(&self, tokens: u32, mean: bool) -> Answer {
        Answer { tokens, logps: reduced(&self.policy, tokens, mean), reference: None }
    }

    /// The reference that came with the tokens. On its own, for its stack.
    #[inline(never)]
    pub fn reference(&self, tokens: u32, mean: bool) -> ReferenceAnswer {
        let mut difference = self.policy;
        difference.merge(&self.reference.negated());
        let drift = Drift { k1: difference.mean(tokens.into()), k3: self.k3.mean(tokens) };
        ReferenceAnswer { logps: reduced(&self.reference, tokens, mean), drift: Some(drift) }
    }
}

fn reduced(sum: &ExactSum, tokens: u32, mean: bool) -> f32 {
    if mean { sum.mean(tokens.into()) } else { sum.sum() }
}

/// Whether a reduction is the mean; the length-desensitised one needs both answers at once.
pub fn is_mean(reduction: Reduction) -> Result<bool, Error> {
    match reduction {
        Reduction::Sum => Ok(false),
        Reduction::Mean => Ok(true),
        Reduction::LengthDesensitized { alpha } => Err(Error::Parameter {
            name: "alpha",
            value: alpha,
            requirement: "left out: a streamed answer is a sum or a mean, for the other answer's length is not known",
        }),
    }
}
