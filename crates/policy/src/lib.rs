//! Facts and a person's rules to a [`trust::Verdict`]: Allowed, or Denied with all reasons and the way to yes.
//!
//! ```text
//! Verified<Statement<Provenance>> ─► slsa::publish ─► Verified<Statement<Publish>> ─► slsa::deployment ─┐
//! Listing ─► dependency                                                                                 ├─► admission
//! Verified<Statement<…>> of every kind ─► gate (format 2), beside admission
//! Verified<Statement<Recall>> ─► recall                         signature, scan, provenance ────────────┘
//! ```
//! Pure: bytes and `now` are arguments. What comes in as a fact is [`trust::Verified`] or measured by `digest`; no
//! function here takes an envelope, a path or a store.

pub mod admission;
pub mod dependency;
mod error;
mod fields;
pub mod gate;
pub mod recall;
pub mod slsa;
mod toml_file;
mod verdict;

pub use error::PolicyError;
