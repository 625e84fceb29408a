//! What the command `preflane` shares with those who test it: the readers of its files.

pub mod failure;
pub mod format;
pub mod input;
pub mod provenance;
