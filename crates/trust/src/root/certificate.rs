//! Somebody whom the root knows by a certificate that an authority made out to them.

use serde::{Deserialize, Serialize};

use super::{Role, RootError};
use crate::Time;
use crate::x509::{Certificate, ChainError, Identity, Purpose, chain};

/// Who signs with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCertificate {
    /// What the root calls them.
    pub name: String,
    /// The authorities whose word is taken.
    pub anchors: Vec<Certificate>,
    /// To whom the certificate must be made out; none takes everyone whom these authorities certify.
    pub identity: Option<Identity>,
    /// The authorities whose timestamps are believed: with one, a signature outlives its certificate.
    pub timestamp_anchors: Vec<Certificate>,
    /// What they may say.
    pub roles: Vec<Role>,
    /// The names they may speak for.
    pub speaks_for: Vec<String>,
    /// From when.
    pub valid_from: Time,
    /// Until when.
    pub valid_until: Time,
}

/// A `[[certificate]]` of the root's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    name: String,
    anchors: String,
    identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_anchors: Option<String>,
    roles: Vec<String>,
    #[serde(default)]
    speaks_for: Vec<String>,
    valid_from: Time,
    valid_until: Time,
}

impl RootCertificate {
    /// Says whether every authority here can vouch for somebody from `now` on. A certificate that is no authority's vouches
    /// for itself, if it is made out to whom it should. An authority's time may be over where timestamps are believed: what
    /// it certified was stamped before.
    ///
    /// # Errors
    /// One of them can't; nothing could ever be believed by it.
    pub fn check_fit(&self, now: Time) -> Result<(), ChainError> {
        let at = self.timestamp_anchors.is_empty().then_some(now);
        for anchor in &self.anchors {
            let is_theirs = |identity: &Identity| identity.check(anchor).is_ok();
            let may_be_leaf = self.identity.as_ref().is_none_or(is_theirs);
            chain::check_anchor(anchor, at, Purpose::Signing, may_be_leaf)?;
        }
        let mut stamps = self.timestamp_anchors.iter();
        stamps.try_for_each(|anchor| chain::check_anchor(anchor, None, Purpose::TimeStamping, true))
    }

    pub(super) fn read(wire: Wire) -> Result<Self, RootError> {
        let bad = |cause| RootError::Certificate {
            name: wire.name.clone(),
            cause,
        };
        let anchors = Certificate::all_from_pem(&wire.anchors).map_err(bad)?;
        let timestamp_anchors = wire
            .timestamp_anchors
            .as_deref()
            .map_or(Ok(Vec::new()), Certificate::all_from_pem)
            .map_err(bad)?;
        let roles: Result<Vec<Role>, String> = wire.roles.iter().map(|role| role.parse()).collect();
        Ok(Self {
            anchors,
            identity: Some(wire.identity.parse()?),
            timestamp_anchors,
            roles: roles.map_err(RootError::Role)?,
            speaks_for: wire.speaks_for,
            valid_from: wire.valid_from,
            valid_until: wire.valid_until,
            name: wire.name,
        })
    }

    pub(super) fn write(&self) -> Wire {
        let pem =
            |certificates: &[Certificate]| certificates.iter().map(Certificate::to_pem).collect();
        let stamps = &self.timestamp_anchors;
        Wire {
            name: self.name.clone(),
            anchors: pem(&self.anchors),
            identity: self
                .identity
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            timestamp_anchors: (!stamps.is_empty()).then(|| pem(stamps)),
            roles: self.roles.iter().map(ToString::to_string).collect(),
            speaks_for: self.speaks_for.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
        }
    }
}
