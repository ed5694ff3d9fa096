//! `https://modelward.dev/dataset/v1`: data may be used, by which policy.

use decode::json::Raw;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// A data set was fetched as a dependency policy names it, and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Dataset {
    /// The policy's name for it.
    pub name: String,
    /// Where the policy says it comes from.
    pub source: String,
    /// The licence that the policy states (an SPDX expression).
    pub licence: String,
    /// What the policy allows it to be used for.
    pub purposes: Vec<String>,
    /// The digest of the policy file, `sha256:…`.
    pub policy: String,
    /// When it was added.
    pub added_at: Time,
}

impl Predicate for Dataset {
    const TYPE: &'static str = "https://modelward.dev/dataset/v1";
    const ROLE: Role = Role::Dataset;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
