//! Contrastive losses: InfoNCE (arXiv 1807.03748) from similarities or vectors, its symmetric in-batch form (CLIP,
//! arXiv 2103.00020), and its forms for groups of samples (NT-Xent, arXiv 2002.05709; SupCon, arXiv 2004.11362), on the log-sum-exp of [`logits`](crate::logits).
//!
//! Vectors become `f32` similarities ([`Run::similarities`](crate::Run::similarities)); a loss is a function of similarities
//! ([`Run::info_nce`](crate::Run::info_nce), [`Run::symmetric`](crate::Run::symmetric), [`Run::groups`](crate::Run::groups)) and gives its gradient by them, which
//! [`Run::similarities_grad`](crate::Run::similarities_grad) takes on to the vectors. DPO is InfoNCE with one
//! negative, with `beta (policy - reference)` for similarities and temperature 1.

mod groups;
mod info_nce;
mod symmetric;
mod vectors;

pub use groups::{Against, Groups, GroupsLoss, GroupsOutputs, MeanOver};
pub use info_nce::{InfoNceOutputs, Similarities};
pub use symmetric::SymmetricSums;
pub use vectors::{Pairing, Similarity, Vectors};
