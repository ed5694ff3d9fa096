//! Strict decoders of foreign bytes. They know formats and nothing of what the bytes mean.
//!
//! Every decoder checks its limits before it allocates, refuses duplicate keys and trailing data, and never panics.
//! Rooms on both sides of `trust` share them: `scan` reads hostile files with them, `infer` verified ones.

pub mod json;
pub mod safetensors;
