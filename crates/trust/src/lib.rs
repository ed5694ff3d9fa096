//! Bytes to facts: statements, bundles, keys, log proofs; alone makes Verified

pub mod log;
