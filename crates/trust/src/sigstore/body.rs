//! What a log entered: the bytes that its proofs are about, held against the signature that they came with.

use decode::json::{self, Limits};
use digest::Digest;

use super::{Evidence, SigstoreError};
use crate::base64;
use crate::x509::Certificate;
use crate::x509::signature::Hash;

/// The version of the entries of Rekor v1; those of v2 are `0.0.2`.
pub(super) const REKOR_1: &str = "0.0.1";
const REKOR_2: &str = "0.0.2";

/// Checks that the entry is what it says it is, and is about this payload, this signature alone, and this certificate. Other
/// signatures that came along are not looked at, and prove nothing.
pub(super) fn check(
    body: &[u8],
    kind: &str,
    version: &str,
    evidence: &Evidence<'_>,
) -> Result<(), SigstoreError> {
    let entered = match (kind, version) {
        ("dsse", REKOR_1) => first(body)?,
        ("dsse", REKOR_2) => second(body)?,
        ("hashedrekord", REKOR_2) => hashed(body)?,
        _ => {
            return Err(SigstoreError::EntryKind {
                kind: kind.to_owned(),
                version: version.to_owned(),
            });
        }
    };
    let other = |what| Err(SigstoreError::EntryOther { what });
    let is_payload = match &entered.payload {
        Payload::Itself(digest) => *digest == Digest::of(evidence.envelope.payload()),
        Payload::AsSigned(hash, digest) => hash.of(evidence.envelope.signed_bytes()) == *digest,
    };
    if !is_payload {
        return other("payload");
    }
    if entered.signature != evidence.signature {
        return other("signature");
    }
    if entered.certificate != evidence.leaf.as_der() {
        return other("certificate");
    }
    Ok(())
}

/// What a log entered.
struct Entered {
    payload: Payload,
    signature: Vec<u8>,
    certificate: Vec<u8>,
}

/// By what an entry knows what was signed.
enum Payload {
    Itself(Digest),
    /// What exactly was signed: the payload with its type before it.
    AsSigned(Hash, Vec<u8>),
}

fn first(body: &[u8]) -> Result<Entered, SigstoreError> {
    let wire: wire::Body<wire::First> = read(body, "dsse", REKOR_1)?;
    let spec = wire.spec;
    // The hash of the envelope is of JSON that nobody kept; payload and signature are in it, and here.
    let [signature] = spec.signatures.as_slice() else {
        return Err(SigstoreError::EntryOther { what: "signature" });
    };
    let payload = (spec.payload_hash.algorithm == "sha256")
        .then(|| Digest::from_hex(&spec.payload_hash.value).ok())
        .flatten()
        .map(Payload::Itself);
    let certificate = base64::decode(&signature.verifier)
        .and_then(|pem| String::from_utf8(pem).ok())
        .and_then(|pem| Certificate::all_from_pem(&pem).ok());
    let certificate = match certificate.as_deref() {
        Some([certificate]) => certificate.as_der().to_vec(),
        _ => {
            return Err(SigstoreError::EntryOther {
                what: "certificate",
            });
        }
    };
    entered(payload, &signature.signature, certificate)
}

fn second(body: &[u8]) -> Result<Entered, SigstoreError> {
    let wire: wire::Body<wire::Second> = read(body, "dsse", REKOR_2)?;
    let spec = wire.spec.dsse;
    let [signature] = spec.signatures.as_slice() else {
        return Err(SigstoreError::EntryOther { what: "signature" });
    };
    let payload: Option<[u8; 32]> = (spec.payload_hash.algorithm == "SHA2_256")
        .then(|| base64::decode(&spec.payload_hash.digest)?.try_into().ok())
        .flatten();
    let payload = payload.map(|raw| Payload::Itself(Digest::from_raw(raw)));
    entered(
        payload,
        &signature.content,
        signature.verifier.certificate()?,
    )
}

fn hashed(body: &[u8]) -> Result<Entered, SigstoreError> {
    let wire: wire::Body<wire::Hashed> = read(body, "hashedrekord", REKOR_2)?;
    let spec = wire.spec.hashed;
    let hash = match spec.data.algorithm.as_str() {
        "SHA2_256" => Some(Hash::Sha256),
        "SHA2_384" => Some(Hash::Sha384),
        "SHA2_512" => Some(Hash::Sha512),
        _ => None,
    };
    let payload = hash.zip(base64::decode(&spec.data.digest));
    let payload = payload.map(|(hash, digest)| Payload::AsSigned(hash, digest));
    let signature = spec.signature;
    entered(
        payload,
        &signature.content,
        signature.verifier.certificate()?,
    )
}

impl wire::Verifier {
    fn certificate(&self) -> Result<Vec<u8>, SigstoreError> {
        let raw = self.x509_certificate.as_ref();
        let raw = raw.and_then(|certificate| base64::decode(&certificate.raw_bytes));
        raw.ok_or(SigstoreError::EntryOther {
            what: "certificate",
        })
    }
}

fn entered(
    payload: Option<Payload>,
    signature: &str,
    certificate: Vec<u8>,
) -> Result<Entered, SigstoreError> {
    let other = |what| SigstoreError::EntryOther { what };
    Ok(Entered {
        payload: payload.ok_or(other("payload"))?,
        signature: base64::decode(signature).ok_or(other("signature"))?,
        certificate,
    })
}

fn read<T: serde::de::DeserializeOwned>(
    body: &[u8],
    kind: &str,
    version: &str,
) -> Result<wire::Body<T>, SigstoreError> {
    let wire: wire::Body<T> =
        json::from_slice(body, Limits::SMALL).map_err(SigstoreError::EntryJson)?;
    if wire.kind == kind && wire.api_version == version {
        Ok(wire)
    } else {
        Err(SigstoreError::EntryOther { what: "kind" })
    }
}

mod wire {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Body<T> {
        pub(super) api_version: String,
        pub(super) kind: String,
        pub(super) spec: T,
    }

    /// `dsse` 0.0.1.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct First {
        #[serde(rename = "envelopeHash")]
        _envelope_hash: Hash,
        pub(super) payload_hash: Hash,
        pub(super) signatures: Vec<Signature>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Hash {
        pub(super) algorithm: String,
        pub(super) value: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Signature {
        pub(super) signature: String,
        pub(super) verifier: String,
    }

    /// `dsse` 0.0.2.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Second {
        #[serde(rename = "dsseV002")]
        pub(super) dsse: SecondDsse,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct SecondDsse {
        pub(super) payload_hash: SecondHash,
        pub(super) signatures: Vec<SecondSignature>,
    }

    /// `hashedrekord` 0.0.2, in which Rekor v2 enters envelopes too.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Hashed {
        #[serde(rename = "hashedRekordV002")]
        pub(super) hashed: HashedRekord,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct HashedRekord {
        pub(super) data: SecondHash,
        pub(super) signature: SecondSignature,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SecondHash {
        pub(super) algorithm: String,
        pub(super) digest: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct SecondSignature {
        pub(super) content: String,
        pub(super) verifier: Verifier,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Verifier {
        /// What the key is, which the certificate says better.
        #[serde(default, rename = "keyDetails")]
        _key_details: String,
        #[serde(default)]
        pub(super) x509_certificate: Option<Raw>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Raw {
        pub(super) raw_bytes: String,
    }
}
