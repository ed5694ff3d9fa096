//! `https://modelward.dev/recall/v1`: something is bad, and so is all that descends from it.

use decode::json::Raw;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// A data set, builder, key or model is bad from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Recall {
    /// What is recalled.
    pub kind: RecallKind,
    /// Which one: a digest `sha256:…`, a builder's id, or a key's id.
    pub target: String,
    /// Why, for people.
    pub reason: String,
    /// When.
    pub recalled_at: Time,
}

/// What can be recalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecallKind {
    /// A data set or one of its files.
    Dataset,
    /// A builder and all it built.
    Builder,
    /// A key and all it signed.
    Key,
    /// A model or one of its files.
    Model,
}

impl RecallKind {
    /// The kind's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Builder => "builder",
            Self::Key => "key",
            Self::Model => "model",
        }
    }
}

impl Recall {
    /// The digest that the statement is about: the target's own, or that of its name.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.target
            .parse()
            .unwrap_or_else(|_| Digest::of(self.target.as_bytes()))
    }
}

impl Predicate for Recall {
    const TYPE: &'static str = "https://modelward.dev/recall/v1";
    const ROLE: Role = Role::Recall;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
