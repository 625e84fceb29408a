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
pub struct Sequence {
    policy: ExactSum,
    reference: ExactSum,
    k3: Sum,
    tokens: u32,
    /// Whether the tokens so far came with a reference.
    referenced: bool,
}

impl Sequence {
    pub const EMPTY: Self =
        Self { policy: ExactSum::new(), reference: ExactSum::new(), k3: Sum::ZERO, tokens: 0, referenced: false };

    /// Tokens so far.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Whether a token may come with a reference (or without).
    pub fn takes(&self, referenced: bool) -> Result<(), Error> {
        if self.tokens == u32::MAX {
            return Err(Error::Full { what: "the sequence", capacity: u32::MAX as usize });
        }
        if self.tokens > 0 && self.referenced != referenced {
            return Err(Error::OutOfOrder {
                call: "token",
                requirement: "all tokens of a sequence come with a reference, or none",
            });
        }
        Ok(())
    }

    pub fn add(&mut self, policy: f32, reference: Option<f32>) {
        self.tokens += 1;
        self.policy.add(policy);
        self.referenced = reference.is_some();
        if let Some(reference) = reference {
            self.reference.add(reference);
            self.k3.add(k3_f64(policy, reference));
        }
    }

    /// All that was added. `reference`: of the whole answer, where the tokens had none.
    pub fn finish(&self, mean: bool, reference: Option<f32>) -> Result<Answer, Error> {
        let reduce = |sum: &ExactSum| if mean { sum.mean(self.tokens.into()) } else { sum.sum() };
        let reference = match (self.referenced, reference) {
            (true, Some(_)) => {
                return Err(Error::OutOfOrder {
                    call: "end",
                    requirement: "a reference comes with the tokens or with the end, not with both",
                });
            }
            (true, None) => {
                let mut difference = self.policy;
                difference.merge(&self.reference.negated());
                let k1 = difference.mean(self.tokens.into());
                let drift = Drift { k1, k3: self.k3.mean(self.tokens) };
                Some(ReferenceAnswer { logps: reduce(&self.reference), drift: Some(drift) })
            }
            (false, reference) => reference.map(|logps| ReferenceAnswer { logps, drift: None }),
        };
        Ok(Answer { tokens: self.tokens, logps: reduce(&self.policy), reference })
    }
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
