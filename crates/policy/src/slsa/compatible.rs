//! What the reference evaluator of slsa-policy (Go, 2024-05) says of the same files, faults included.
//!
//! For moving a policy over and for conformance. It reads past misspelt and doubled keys, compares what should be
//! read as one, and trusts its caller's word that an attestation was verified. So its answer is an [`Answer`], which
//! nothing turns into a [`trust::Verdict`], and no gate calls it.

mod attestation;
mod go_json;
mod policy;

use std::collections::BTreeMap;

pub use attestation::{Expected, verify_deployment, verify_publish};
pub use policy::{DeploymentPolicy, PublicationQuery, PublishPolicy};

/// The digests of a subject by algorithm. The reference evaluator checks neither names nor values, only that none is empty.
pub type DigestSet = BTreeMap<String, String>;

/// What the reference evaluator answers: a value, or the class of its error.
pub type Answer<T> = Result<T, Class>;

/// The reference evaluator's classes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A field of a file is not fit.
    InvalidField,
    /// An argument is not fit.
    InvalidInput,
    /// There is no such package, policy or environment.
    NotFound,
    /// An attestation says something else.
    Mismatch,
    /// Its verifier refused.
    Verification,
    /// Its verifier's answer contradicts the policy.
    Internal,
    /// The JSON can't be read.
    Other,
}

impl Class {
    /// The class's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidField => "InvalidField",
            Self::InvalidInput => "InvalidInput",
            Self::NotFound => "NotFound",
            Self::Mismatch => "Mismatch",
            Self::Verification => "Verification",
            Self::Internal => "Internal",
            Self::Other => "Other",
        }
    }
}

fn check_digests(digests: &DigestSet) -> Answer<()> {
    let is_whole = |(name, value): (&String, &String)| !name.is_empty() && !value.is_empty();
    if !digests.is_empty() && digests.iter().all(is_whole) {
        Ok(())
    } else {
        Err(Class::InvalidField)
    }
}

/// The registry and the repository of a package's name: one of three registries, no tag, no digest.
fn registry_and_repository(package: &str) -> Option<(&str, &str)> {
    let (registry, repository) = package.split_once('/')?;
    let registry = if registry == "index.docker.io" {
        "docker.io"
    } else {
        registry
    };
    let is_allowed = ["docker.io", "gcr.io", "ghcr.io"].contains(&registry);
    let is_fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-./".contains(&b);
    let is_repository = (2..=255).contains(&repository.len()) && repository.bytes().all(is_fit);
    (is_allowed && is_repository).then_some((registry, repository))
}
