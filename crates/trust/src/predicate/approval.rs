//! What people decide of a model: a review that is asked for, the approval that is granted, and the exception that lets a
//! model pass a policy for a while.

use std::collections::BTreeMap;

use decode::json::Raw;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};
use crate::{Error, Role, Time};

/// `https://modelward.dev/approval-request/v1`: somebody asks others to look at a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalRequest {
    /// What it is about, in a line.
    pub title: String,
    /// What they should know.
    pub body: String,
    /// Who is asked, by the names of the trust root. Whose approvals count, a policy says.
    pub assignees: Vec<String>,
    /// When.
    pub requested_at: Time,
}

/// `https://modelward.dev/approval/v1`: a person looked at a model and is for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Approval {
    /// The bundle of the request that it answers.
    #[serde(with = "crate::digest_text")]
    pub request: Digest,
    /// What they say to it; may be empty.
    pub comment: String,
    /// When.
    pub approved_at: Time,
}

/// `https://modelward.dev/exception/v1`: a model may pass some requirements of one policy, in one place, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exception {
    /// The policy's file: another one knows no exception.
    #[serde(with = "crate::digest_text")]
    pub policy: Digest,
    /// The requirements that it may pass, by their words.
    pub requirements: Vec<String>,
    /// Where; none for a place without one.
    pub environment: Option<String>,
    /// Scope type to value; all must hold.
    pub scopes: BTreeMap<String, String>,
    /// Why, for people.
    pub reason: String,
    /// From when.
    pub granted_at: Time,
    /// Until when, that moment excluded.
    pub expires: Time,
}

impl Predicate for ApprovalRequest {
    const TYPE: &'static str = "https://modelward.dev/approval-request/v1";
    // Whoever may say which files a model has may ask others to look at them.
    const ROLE: Role = Role::Sign;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}

impl Predicate for Approval {
    const TYPE: &'static str = "https://modelward.dev/approval/v1";
    const ROLE: Role = Role::Approve;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}

impl Predicate for Exception {
    const TYPE: &'static str = "https://modelward.dev/exception/v1";
    const ROLE: Role = Role::BreakGlass;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
