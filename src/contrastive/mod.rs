//! Contrastive losses: InfoNCE (arXiv 1807.03748) from similarities or vectors, and its symmetric in-batch form (CLIP,
//! arXiv 2103.00020), on the log-sum-exp of [`logits`](crate::logits).
//!
//! Vectors become `f32` similarities ([`Run::similarities`](crate::Run::similarities)); a loss is a function of similarities
//! ([`Run::info_nce`](crate::Run::info_nce), [`Run::symmetric`](crate::Run::symmetric)) and gives its gradient by them, which
//! [`Run::similarities_grad`](crate::Run::similarities_grad) takes on to the vectors. DPO is InfoNCE with one
//! negative, with `beta (policy - reference)` for similarities and temperature 1.

mod info_nce;
mod symmetric;
mod vectors;

pub use info_nce::{InfoNceOutputs, Similarities};
pub use symmetric::SymmetricSums;
pub use vectors::{Pairing, Similarity, Vectors};
