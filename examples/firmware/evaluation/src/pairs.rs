//! The pairs, as the build script made them from `data/pairs.safetensors`.

/// One answer: the log-probabilities of its tokens, in nats.
#[derive(Debug)]
pub struct Tokens {
    /// By the policy.
    pub policy: &'static [f32],
    /// By the reference, one for each.
    pub reference: &'static [f32],
}

/// A preference pair.
#[derive(Debug)]
pub struct TokenPair {
    /// The preferred answer.
    pub chosen: Tokens,
    /// The other.
    pub rejected: Tokens,
}

include!(concat!(env!("OUT_DIR"), "/pairs.rs"));
