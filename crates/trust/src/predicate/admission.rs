//! `https://modelward.dev/admission/v1`: a gate let a model in.

use decode::json::Raw;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// A model was let in, for whom and where, on what evidence, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Admission {
    /// When it was let in.
    pub admitted_at: Time,
    /// Until when a server may start on this admission.
    pub expires: Time,
    /// Where.
    pub environment: String,
    /// For whom.
    pub service_account: String,
    /// The trust root's digest.
    pub trust_root: String,
    /// The bundles that satisfied the gate, each as `requirement=sha256:…`.
    pub evidence: Vec<String>,
}

impl Predicate for Admission {
    const TYPE: &'static str = "https://modelward.dev/admission/v1";
    const ROLE: Role = Role::Admit;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
