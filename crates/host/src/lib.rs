//! All that reaches out: store, log, builder, keys.

pub mod builder;
pub mod cache;
pub mod clock;
pub mod cpu;
pub mod fetch;
pub mod keys;
pub mod lock;
pub mod log;
pub mod memory;
pub mod named_file;
pub mod oci;
pub mod predictions;
pub mod root;
pub mod sigstore;
pub mod source;
pub mod store;
pub mod trust_root;
pub mod whole_file;
