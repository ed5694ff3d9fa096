//! Sigstore bundles: an envelope, and what it takes to check its signature.

use std::fmt;
use std::io::{self, Write};

use decode::json::{self, Limits};
use digest::Digest;
use serde_json::json;

use crate::compact::Hashing;
use crate::dsse::{Envelope, Head, wire as dsse_wire};
use crate::sigstore::{LogEntry, entry_wire};
use crate::{Error, KeyId, PublicKey, base64};

mod received;
mod wire;

pub use received::Received;

/// What is written: the form that every release of OpenSSF model signing, and every Sigstore client, reads.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What is read too: the names that the same form had before.
const OLDER_MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
const CERTIFICATES_MAX: usize = 16;
const TIMESTAMPS_MAX: usize = 16;
const ENTRIES_MAX: usize = 16;

/// A statement, sealed, with what it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    material: Material,
    is_older_form: bool,
}

/// What it takes to check a signature, besides what the verifier knows already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A key signed: which one, if it is said.
    Key {
        /// The name of the key.
        hint: Option<KeyHint>,
        /// Log entries; claims, unless somebody believes the log.
        entries: Vec<LogEntry>,
        /// RFC 3161 tokens over the signature, in DER; claims, unless somebody believes the authority.
        timestamps: Vec<Vec<u8>>,
        /// One with log entries as it was received, which is how it is written again.
        received: Option<Received>,
    },
    /// The key of a certificate signed.
    Certificate {
        /// The certificate of the key, in DER.
        leaf: Vec<u8>,
        /// Who issued it, and who issued that; only claims, until a chain leads to an anchor.
        intermediates: Vec<Vec<u8>>,
        /// RFC 3161 tokens over the signature, in DER.
        timestamps: Vec<Vec<u8>>,
    },
    /// A key of one use signed, certified by Sigstore's authority and entered in a log.
    Keyless {
        /// The certificate of the key, in DER.
        leaf: Vec<u8>,
        /// The log entries, of which there is one at least.
        entries: Vec<LogEntry>,
        /// RFC 3161 tokens over the signature, in DER.
        timestamps: Vec<Vec<u8>>,
        /// The bundle as it was received, which is how it is written again.
        received: Received,
    },
}

/// What a bundle calls a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHint {
    /// By its text in PEM, as OpenSSF model signing does.
    Id(KeyId),
    /// By the SHA-256 of its DER in base64, as cosign does.
    Der(Digest),
}

impl KeyHint {
    /// Whether it is the name of this key.
    #[must_use]
    pub fn is_of(self, key: &PublicKey) -> bool {
        match self {
            Self::Id(id) => key.id() == id,
            Self::Der(digest) => Digest::of(key.der()) == digest,
        }
    }

    /// The key's own name, where it has that.
    pub(crate) const fn id(self) -> Option<KeyId> {
        match self {
            Self::Id(id) => Some(id),
            Self::Der(_) => None,
        }
    }

    /// The beginning of the name, for people.
    #[must_use]
    pub fn short(&self) -> String {
        match self {
            Self::Id(digest) | Self::Der(digest) => digest.short(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        if let Ok(id) = KeyId::from_hex(text) {
            return Some(Self::Id(id));
        }
        let raw: [u8; 32] = base64::decode(text)?.try_into().ok()?;
        Some(Self::Der(Digest::from_raw(raw)))
    }

    fn write(self) -> String {
        match self {
            Self::Id(id) => id.hex(),
            Self::Der(digest) => base64::encode(digest.raw()),
        }
    }
}

impl fmt::Display for KeyHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(digest) | Self::Der(digest) => digest.fmt(f),
        }
    }
}

impl Bundle {
    /// Puts an envelope and what it takes to check it together.
    #[must_use]
    pub(crate) const fn new(envelope: Envelope, material: Material) -> Self {
        Self {
            envelope,
            material,
            is_older_form: false,
        }
    }

    /// The bundle with a timestamp more; none if it has log entries, of which it is kept as it came, or as many as are read.
    #[must_use]
    pub fn with_timestamp(mut self, token: Vec<u8>) -> Option<Self> {
        let (Material::Key {
            timestamps,
            received: None,
            ..
        }
        | Material::Certificate { timestamps, .. }) = &mut self.material
        else {
            return None;
        };
        if timestamps.len() >= TIMESTAMPS_MAX {
            return None;
        }
        timestamps.push(token);
        Some(self)
    }

    /// Reads a bundle (Sigstore protobuf-specs, `Bundle`, JSON form) as any release of OpenSSF model signing wrote it.
    /// Nothing is checked yet but its shape.
    ///
    /// # Errors
    /// It is no JSON, has unknown or doubled keys, is of another kind, or holds no signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        Self::take(bytes.to_vec())
    }

    /// As [`Bundle::parse`], of bytes that nobody else needs: the payload, which is long of many files, stays among them.
    ///
    /// # Errors
    /// As [`Bundle::parse`].
    pub fn take(bytes: Vec<u8>) -> Result<Self, Error> {
        let wire: wire::Bundle<'_> =
            json::from_slice(&bytes, Limits::LARGE).map_err(Error::BundleJson)?;
        let is_older_name = OLDER_MEDIA_TYPES.contains(&wire.media_type.as_str());
        if wire.media_type != MEDIA_TYPE && !is_older_name {
            return Err(Error::BundleMediaType {
                got: wire.media_type,
            });
        }
        let envelope = wire.dsse_envelope.ok_or(Error::BundleShape(
            "a signature over bytes, not over a statement",
        ))?;
        // One or the other: readers that take the one see another bundle than readers that take the other.
        if wire.message_signature.is_some() {
            let two = "a signature over bytes beside the one over a statement";
            return Err(Error::BundleShape(two));
        }
        let head = Head::from_wire(envelope, &bytes).map_err(Error::BundleShape)?;
        let received = || Received::new(&bytes, head.payload.within());
        let (material, is_older_material) =
            material(wire.verification_material, received).map_err(Error::BundleShape)?;
        let envelope = Envelope::of_document(head, bytes).map_err(Error::BundleShape)?;
        Ok(Self {
            envelope,
            material,
            is_older_form: is_older_name || is_older_material,
        })
    }

    /// The bytes of the bundle: always the same for the same envelope, compact, in the reference's order. One
    /// with log entries has the bytes that were received.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.write(&mut bytes);
        debug_assert!(
            written.is_ok(),
            "memory takes everything, and strings serialise"
        );
        bytes
    }

    /// Writes what [`Bundle::to_bytes`] returns, without holding it: of many files it is long.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        match self.received() {
            Some(received) => received.write(self.envelope.payload(), &mut out)?,
            None => serde_json::to_writer(&mut out, &self.written())?,
        }
        out.flush()
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hashing = Hashing::default();
        let written = self.write(&mut hashing);
        debug_assert!(written.is_ok(), "a hasher takes everything");
        hashing.finish()
    }

    /// What has log entries, as it was received.
    const fn received(&self) -> Option<&Received> {
        match &self.material {
            Material::Key { received, .. } => received.as_ref(),
            Material::Certificate { .. } => None,
            Material::Keyless { received, .. } => Some(received),
        }
    }

    fn written(&self) -> wire::Written<'_> {
        let raw = |bytes: &Vec<u8>| wire::Raw {
            raw_bytes: base64::encode(bytes),
        };
        let mut written = wire::Material::default();
        let timestamps = match &self.material {
            Material::Key {
                hint, timestamps, ..
            } => {
                written.public_key = Some(wire::PublicKey {
                    hint: hint.map(KeyHint::write).unwrap_or_default(),
                    raw_bytes: None,
                    key_details: None,
                });
                timestamps
            }
            Material::Certificate {
                leaf,
                intermediates,
                timestamps,
            } => {
                let certificates = std::iter::once(leaf).chain(intermediates);
                written.x509_certificate_chain = Some(wire::Chain {
                    certificates: certificates.map(raw).collect(),
                });
                timestamps
            }
            // It is not written, but as it was received.
            Material::Keyless { timestamps, .. } => timestamps,
        };
        let stamp = |token: &Vec<u8>| wire::Timestamp {
            signed_timestamp: base64::encode(token),
        };
        written.timestamp_verification_data = (!timestamps.is_empty()).then(|| wire::Timestamps {
            rfc3161_timestamps: timestamps.iter().map(stamp).collect(),
        });
        wire::Written {
            media_type: MEDIA_TYPE,
            verification_material: written,
            dsse_envelope: self.envelope.to_wire(),
        }
    }

    /// The bytes of the bundle in today's form, in which a keyless one has its certificate alone: those above it are the
    /// verifier's to know. What was signed, the signatures and all proofs are as they were.
    ///
    /// # Errors
    /// A log's entry has no inclusion proof, which today's form asks for; what is missing is said.
    pub fn to_newest(&self) -> Result<Vec<u8>, &'static str> {
        let (leaf, entries, timestamps) = match &self.material {
            Material::Keyless {
                leaf,
                entries,
                timestamps,
                ..
            } if self.is_older_form => (leaf, entries, timestamps),
            _ => return Ok(self.to_bytes()),
        };
        if !entries.iter().all(LogEntry::has_proof) {
            return Err("the log's entry has no inclusion proof, which today's form asks for");
        }
        let entries = entries.iter().map(LogEntry::to_json);
        let stamp = |token: &Vec<u8>| json!({"signedTimestamp": base64::encode(token)});
        let bundle = json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": base64::encode(leaf)},
                "tlogEntries": entries.collect::<Vec<_>>(),
                "timestampVerificationData": {
                    "rfc3161Timestamps": timestamps.iter().map(stamp).collect::<Vec<_>>(),
                },
            },
            "dsseEnvelope": self.envelope.to_wire(),
        });
        Ok(bundle.to_string().into_bytes())
    }

    /// The sealed statement.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What it takes to check the signature.
    #[must_use]
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// Whether it is written as releases before 1.1 of the reference did: read, and better written anew.
    #[must_use]
    pub const fn is_older_form(&self) -> bool {
        self.is_older_form
    }
}

/// The material, and whether it is written as older releases did.
fn material(
    wire: wire::Material,
    received: impl Fn() -> Received,
) -> Result<(Material, bool), &'static str> {
    if wire.tlog_entries.len() > ENTRIES_MAX {
        return Err("more than 16 log entries");
    }
    let entries = wire.tlog_entries.into_iter().map(LogEntry::from_wire);
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let has_entries = !entries.is_empty();
    let kinds = (
        wire.public_key,
        wire.x509_certificate_chain,
        wire.certificate,
    );
    let timestamps = timestamps(wire.timestamp_verification_data)?;
    match kinds {
        (Some(key), None, None) => {
            let is_older = key.raw_bytes.is_some();
            let material = Material::Key {
                hint: hint(key)?,
                entries,
                timestamps,
                received: has_entries.then(received),
            };
            Ok((material, is_older))
        }
        (None, Some(chain), None) => {
            let mut certificates = chain.certificates.iter().map(raw);
            if certificates.len() > CERTIFICATES_MAX {
                return Err("more than 16 certificates");
            }
            let leaf = certificates.next().ok_or("an empty certificate chain")??;
            if has_entries {
                return Ok((keyless(leaf, entries, timestamps, received()), true));
            }
            let intermediates = certificates.collect::<Result<_, _>>()?;
            let material = Material::Certificate {
                leaf,
                intermediates,
                timestamps,
            };
            Ok((material, false))
        }
        (None, None, Some(_)) if !has_entries => Err("a keyless signature that no log has"),
        (None, None, Some(certificate)) => {
            let leaf = raw(&certificate)?;
            Ok((keyless(leaf, entries, timestamps, received()), false))
        }
        _ => Err("not exactly one of a key, a certificate and a chain of certificates"),
    }
}

const fn keyless(
    leaf: Vec<u8>,
    entries: Vec<LogEntry>,
    timestamps: Vec<Vec<u8>>,
    received: Received,
) -> Material {
    Material::Keyless {
        leaf,
        entries,
        timestamps,
        received,
    }
}

/// The name of the key: as it is said, or of the PEM text that releases before 1.1 put there.
fn hint(key: wire::PublicKey) -> Result<Option<KeyHint>, &'static str> {
    match (key.hint.as_str(), key.raw_bytes) {
        ("", None) => Ok(None),
        ("", Some(pem)) => {
            let pem = base64::decode(&pem).ok_or("a public key that is not base64")?;
            Ok(Some(KeyHint::Id(Digest::of(&pem))))
        }
        (hint, None) => KeyHint::read(hint)
            .map(Some)
            .ok_or("a key hint that is no digest"),
        (_, Some(_)) => Err("a public key and a hint of one"),
    }
}

fn raw(certificate: &wire::Raw) -> Result<Vec<u8>, &'static str> {
    base64::decode(&certificate.raw_bytes).ok_or("a certificate that is not base64")
}

fn timestamps(wire: Option<wire::Timestamps>) -> Result<Vec<Vec<u8>>, &'static str> {
    let stamped = wire.map(|wire| wire.rfc3161_timestamps).unwrap_or_default();
    if stamped.len() > TIMESTAMPS_MAX {
        return Err("more than 16 timestamps");
    }
    let token = |stamp: wire::Timestamp| {
        base64::decode(&stamp.signed_timestamp).ok_or("a timestamp that is not base64")
    };
    stamped.into_iter().map(token).collect()
}
