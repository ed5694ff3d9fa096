//! `https://modelward.dev/serving/v1`: a server started on an admitted model.

use decode::json::Raw;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// From `started_at` on, a server answers with the model; its predictions' ids begin with `session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Serving {
    /// What the ids of this server's predictions begin with.
    pub session: String,
    /// The bundle of the admission it started on.
    #[serde(with = "crate::digest_text")]
    pub admission: Digest,
    /// When.
    pub started_at: Time,
}

impl Predicate for Serving {
    const TYPE: &'static str = "https://modelward.dev/serving/v1";
    const ROLE: Role = Role::Serve;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
