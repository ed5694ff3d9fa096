//! Sigstore bundles, version 0.3, of the key kind: an envelope and the name of the key that signed it.

use decode::json::{self, Limits};

use crate::dsse::{Envelope, wire as dsse_wire};
use crate::{Error, KeyId};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A statement, sealed, with what it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    hint: Option<KeyId>,
}

impl Bundle {
    /// Puts an envelope and the key that signed it together.
    #[must_use]
    pub(crate) const fn new(envelope: Envelope, hint: KeyId) -> Self {
        Self {
            envelope,
            hint: Some(hint),
        }
    }

    /// Reads a bundle (Sigstore protobuf-specs, `Bundle`, JSON form). Nothing is checked yet but its shape.
    ///
    /// # Errors
    /// It is no JSON, has unknown or doubled keys, is of another kind, or holds no signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let wire: wire::Bundle =
            json::from_slice(bytes, Limits::LARGE).map_err(Error::BundleJson)?;
        if wire.media_type != MEDIA_TYPE {
            return Err(Error::BundleMediaType {
                got: wire.media_type,
            });
        }
        let key = wire.verification_material.public_key;
        let hint = match key.hint.as_str() {
            "" => None,
            hint => Some(
                KeyId::from_hex(hint)
                    .map_err(|_| Error::BundleShape("a key hint that is no digest"))?,
            ),
        };
        let envelope = Envelope::from_wire(wire.dsse_envelope).map_err(Error::BundleShape)?;
        Ok(Self { envelope, hint })
    }

    /// The bytes of the bundle: always the same for the same envelope, compact, in the reference's order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = wire::Bundle {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: wire::Material {
                public_key: wire::PublicKey {
                    hint: self.hint.map(|id| id.hex()).unwrap_or_default(),
                },
                tlog_entries: Vec::new(),
            },
            dsse_envelope: self.envelope.to_wire(),
        };
        // Strings and lists of strings always serialise.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// The sealed statement.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Which key is said to have signed it, if any is.
    #[must_use]
    pub const fn hint(&self) -> Option<KeyId> {
        self.hint
    }
}

mod wire {
    use serde::{Deserialize, Serialize};

    use super::dsse_wire;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Bundle {
        #[serde(rename = "mediaType")]
        pub(super) media_type: String,
        #[serde(rename = "verificationMaterial")]
        pub(super) verification_material: Material,
        #[serde(rename = "dsseEnvelope")]
        pub(super) dsse_envelope: dsse_wire::Envelope,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Material {
        #[serde(rename = "publicKey")]
        pub(super) public_key: PublicKey,
        /// Always written; empty for a key. An entry here would be a proof that we don't check yet, so none is taken.
        #[serde(rename = "tlogEntries", default)]
        pub(super) tlog_entries: Vec<Nothing>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct PublicKey {
        #[serde(default)]
        pub(super) hint: String,
    }

    /// A value that no document has.
    #[derive(Serialize, Deserialize)]
    pub(super) enum Nothing {}
}
