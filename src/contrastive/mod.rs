//! Contrastive losses: InfoNCE (arXiv 1807.03748) from similarities or vectors, and its symmetric in-batch form (CLIP,
//! arXiv 2103.00020), on the log-sum-exp of [`logits`](crate::logits).
//!
//! Vectors become `f32` similarities ([`similarities`]); a loss is a function of similarities ([`info_nce`],
//! [`symmetric`]) and gives its gradient by them, which [`similarities_grad`] takes on to the vectors. DPO is InfoNCE with one
//! negative, with `beta (policy - reference)` for similarities and temperature 1.

mod info_nce;
mod symmetric;
mod vectors;

pub use info_nce::{InfoNceOutputs, Similarities, info_nce};
pub use symmetric::{SymmetricSums, symmetric};
pub use vectors::{Pairing, Similarity, Vectors, similarities, similarities_grad};
