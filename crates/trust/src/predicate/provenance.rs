//! `https://slsa.dev/provenance/v1`: how something was built.

use std::collections::BTreeMap;

use decode::json::Raw;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// The external parameter that names the source.
pub const SOURCE_PARAMETER: &str = "source";
/// The URI of a dependency that is a list: the manifest of all files of the tree that a step saw as its root. Ours.
pub const ROOT_FILES: &str = "modelward:root#files";

/// What the URI of a data set that a build read begins with; `#` and a file's name follow where it is one of its files. Ours.
pub const DATASET: &str = "modelward:dataset/";
/// What a claim's name in the by-products begins with. Ours.
pub const CLAIM: &str = "step-claims/";

/// How something was built (SLSA v1.1 provenance). Fields that we don't know may stand beside these: in-toto says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What went in.
    pub build_definition: BuildDefinition,
    /// Who ran it, and how.
    pub run_details: RunDetails,
}

/// What went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// What the parameters mean.
    pub build_type: String,
    /// What the person who asked for the build chose.
    pub external_parameters: BTreeMap<String, serde_json::Value>,
    /// What the builder chose.
    #[serde(default)]
    pub internal_parameters: BTreeMap<String, serde_json::Value>,
    /// Everything that the build read, by digest.
    #[serde(default)]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// Who ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The builder.
    pub builder: BuilderRef,
    /// This run.
    #[serde(default)]
    pub metadata: RunMetadata,
    /// What came out beside the subjects; what the step claims stands here, under `step-claims/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// A builder's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuilderRef {
    /// Its URI.
    pub id: String,
    /// The versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// One run of a builder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMetadata {
    /// The run's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Time>,
}

/// in-toto's `ResourceDescriptor`, the fields we use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its digests by algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl ResourceDescriptor {
    /// Something with this name, origin and SHA-256 digest.
    #[must_use]
    pub fn new(name: &str, uri: &str, digest: Digest) -> Self {
        let digest = BTreeMap::from([("sha256".to_owned(), digest.hex())]);
        Self {
            name: name.to_owned(),
            uri: uri.to_owned(),
            digest,
            annotations: BTreeMap::new(),
        }
    }

    /// Its SHA-256 digest, if it has one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.digest
            .get("sha256")
            .and_then(|hex| Digest::from_hex(hex).ok())
    }
}

/// How far a step was kept apart from what watched and signed it. Ours, under the internal parameter `isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// One user for all: nothing above Build L1 can be claimed.
    SameUser,
    /// Three ids mapped into this user's range.
    MappedUsers,
    /// Three users.
    SeparateUsers,
}

impl Isolation {
    /// The word that stands in the provenance.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameUser => "same-user",
            Self::MappedUsers => "mapped-users",
            Self::SeparateUsers => "separate-users",
        }
    }
}

impl Provenance {
    /// The source that the build was asked to build, as its URI.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.build_definition
            .external_parameters
            .get(SOURCE_PARAMETER)?
            .as_str()
    }

    /// The isolation that our builder states; `None` for other builders or an unknown word.
    #[must_use]
    pub fn isolation(&self) -> Option<Isolation> {
        let word = self
            .build_definition
            .internal_parameters
            .get("isolation")?
            .as_str()?;
        [
            Isolation::SameUser,
            Isolation::MappedUsers,
            Isolation::SeparateUsers,
        ]
        .into_iter()
        .find(|i| i.as_str() == word)
    }

    /// What the step said of itself, by name: nobody checked it.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        let byproducts = self.run_details.byproducts.iter();
        byproducts.filter_map(|descriptor| {
            let name = descriptor.name.strip_prefix(CLAIM)?;
            Some((name, descriptor.annotations.get("value")?.as_str()?))
        })
    }

    /// The data sets that the build read, each as a whole.
    pub fn datasets(&self) -> impl Iterator<Item = &ResourceDescriptor> {
        let read = self.build_definition.resolved_dependencies.iter();
        read.filter(|dependency| {
            let named = dependency.uri.strip_prefix(DATASET);
            named.is_some_and(|named| !named.contains('#'))
        })
    }

    /// The lists of what stood in the step's root: artifacts, whose files the build could read.
    pub fn root_lists(&self) -> impl Iterator<Item = Digest> {
        self.build_definition
            .resolved_dependencies
            .iter()
            .filter(|dependency| dependency.uri == ROOT_FILES)
            .filter_map(ResourceDescriptor::sha256)
    }

    /// What the build read, by digest.
    pub fn materials(&self) -> impl Iterator<Item = Digest> {
        self.build_definition
            .resolved_dependencies
            .iter()
            .filter_map(ResourceDescriptor::sha256)
    }
}

impl Predicate for Provenance {
    const TYPE: &'static str = "https://slsa.dev/provenance/v1";
    const ROLE: Role = Role::Build;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }

    fn speaker(&self) -> Option<&str> {
        Some(&self.run_details.builder.id)
    }
}
