//! All that reaches out: store, log, builder, keys

pub mod log;
pub mod store;
