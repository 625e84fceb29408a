//! KTO placeholder.
