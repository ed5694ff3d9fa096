//! All that reaches out: store, log, builder, keys

pub mod builder;
pub mod root;
