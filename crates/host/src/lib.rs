//! All that reaches out: store, log, builder, keys
pub mod keys;
pub mod clock;
pub mod trust_root;
