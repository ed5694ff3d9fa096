//! `https://slsa.dev/deployment/v0.1` of slsa-policy: for whom an artifact may be deployed.

use std::collections::BTreeMap;

use decode::json::Raw;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// The scope that names a service account.
pub const GOOGLE_SERVICE_ACCOUNT: &str = "cloud.google.com/service_account/v1";

/// An artifact may be deployed where all these scopes hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// When.
    pub creation_time: Time,
    /// The environments that the policy was of. Ours, under a URI of its own: slsa-policy has none, and so nothing that
    /// tells one environment's deployment from another's.
    #[serde(
        rename = "https://modelward.dev/deployment/environments",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub environments: Vec<String>,
    /// Scope type to value; all must hold. A type that the reader doesn't know must be refused.
    pub scopes: BTreeMap<String, String>,
}

impl Predicate for Deployment {
    const TYPE: &'static str = "https://slsa.dev/deployment/v0.1";
    const ROLE: Role = Role::Deploy;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
