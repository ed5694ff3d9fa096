//! What a log entered: the bytes that its proofs are about, held against the signature that they came with.

use data_encoding::HEXLOWER;
use decode::json::{self, Limits};
use digest::Digest;

use super::{By, Evidence, SigstoreError};
use crate::x509::Certificate;
use crate::x509::signature::Hash;
use crate::{PublicKey, base64};

/// The version of the entries of Rekor v1, but of `intoto`; those of v2 are `0.0.2`.
const REKOR_1: &str = "0.0.1";
const REKOR_2: &str = "0.0.2";
/// Rekor v1's, and of this version alone: the one before enters less than what was signed.
const IN_TOTO: &str = "0.0.2";

/// Whether an entry of this kind is of Rekor v1, which promises it and says when.
pub(super) fn is_of_rekor_1(kind: &str, version: &str) -> bool {
    version == REKOR_1 || kind == "intoto"
}

/// Checks that the entry is what it says it is, and is about this payload, this signature alone, and this certificate
/// or key. Other signatures that came along are not looked at, and prove nothing.
pub(super) fn check(
    body: &[u8],
    kind: &str,
    version: &str,
    evidence: &Evidence<'_>,
) -> Result<(), SigstoreError> {
    let entered = match (kind, version) {
        ("dsse", REKOR_1) => first(body)?,
        ("dsse", REKOR_2) => second(body)?,
        ("hashedrekord", REKOR_1) => hashed_first(body)?,
        ("hashedrekord", REKOR_2) => hashed(body)?,
        ("intoto", IN_TOTO) => in_toto(body, evidence)?,
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
    match (evidence.by, &entered.verifier) {
        (By::Certificate(leaf), Verifier::Certificate(der)) if leaf.as_der() == der => Ok(()),
        (By::Certificate(_), _) => other("certificate"),
        (By::Key(key), Verifier::Key(der)) if key.der() == der => Ok(()),
        (By::Key(_), _) => other("key"),
    }
}

/// What a log entered.
struct Entered {
    payload: Payload,
    signature: Vec<u8>,
    verifier: Verifier,
}

/// By what a log verified the signature, in DER.
enum Verifier {
    Certificate(Vec<u8>),
    Key(Vec<u8>),
}

impl Verifier {
    /// One of Rekor v1's: PEM, in base64.
    fn of_pem(text: &str) -> Result<Self, SigstoreError> {
        let read = || {
            let pem = String::from_utf8(base64::decode(text)?).ok()?;
            if let Ok(key) = PublicKey::from_pem(&pem) {
                return Some(Self::Key(key.der().to_vec()));
            }
            match Certificate::all_from_pem(&pem).ok()?.as_slice() {
                [certificate] => Some(Self::Certificate(certificate.as_der().to_vec())),
                _ => None,
            }
        };
        read().ok_or(SigstoreError::EntryOther {
            what: "certificate",
        })
    }
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
    let payload = sha256(&spec.payload_hash);
    let verifier = Verifier::of_pem(&signature.verifier)?;
    entered(payload, &signature.signature, verifier)
}

/// A hash of what was signed, by which Rekor v1 enters what is no envelope; some enter envelopes so.
fn hashed_first(body: &[u8]) -> Result<Entered, SigstoreError> {
    let wire: wire::Body<wire::FirstHashed> = read(body, "hashedrekord", REKOR_1)?;
    let (data, signature) = (wire.spec.data, wire.spec.signature);
    let hash = match data.hash.algorithm.as_str() {
        "sha256" => Some(Hash::Sha256),
        "sha384" => Some(Hash::Sha384),
        "sha512" => Some(Hash::Sha512),
        _ => None,
    };
    let hex = HEXLOWER.decode(data.hash.value.as_bytes()).ok();
    let payload = hash.zip(hex);
    let payload = payload.map(|(hash, digest)| Payload::AsSigned(hash, digest));
    let verifier = Verifier::of_pem(&signature.public_key.content)?;
    entered(payload, &signature.content, verifier)
}

/// What envelopes were entered as before `dsse`. The payload is left out of the envelope, and its hash stands beside it.
fn in_toto(body: &[u8], evidence: &Evidence<'_>) -> Result<Entered, SigstoreError> {
    let wire: wire::Body<wire::InToto> = read(body, "intoto", IN_TOTO)?;
    let content = wire.spec.content;
    let other = |what| SigstoreError::EntryOther { what };
    if content.envelope.payload_type != evidence.envelope.payload_type() {
        return Err(other("payload"));
    }
    let [signature] = content.envelope.signatures.as_slice() else {
        return Err(other("signature"));
    };
    let payload = sha256(&content.payload_hash);
    // Its signatures are in base64 twice.
    let once = base64::decode(&signature.sig).and_then(|text| String::from_utf8(text).ok());
    let once = once.ok_or(other("signature"))?;
    let verifier = Verifier::of_pem(&signature.public_key)?;
    entered(payload, &once, verifier)
}

fn sha256(hash: &wire::Hash) -> Option<Payload> {
    (hash.algorithm == "sha256")
        .then(|| Digest::from_hex(&hash.value).ok())
        .flatten()
        .map(Payload::Itself)
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
    entered(payload, &signature.content, signature.verifier.read()?)
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
    entered(payload, &signature.content, signature.verifier.read()?)
}

impl wire::Verifier {
    fn read(&self) -> Result<Verifier, SigstoreError> {
        let decoded = |raw: &wire::Raw| base64::decode(&raw.raw_bytes);
        let verifier = match (&self.x509_certificate, &self.public_key) {
            (Some(certificate), None) => decoded(certificate).map(Verifier::Certificate),
            (None, Some(key)) => decoded(key).map(Verifier::Key),
            _ => None,
        };
        verifier.ok_or(SigstoreError::EntryOther {
            what: "certificate",
        })
    }
}

fn entered(
    payload: Option<Payload>,
    signature: &str,
    verifier: Verifier,
) -> Result<Entered, SigstoreError> {
    let other = |what| SigstoreError::EntryOther { what };
    Ok(Entered {
        payload: payload.ok_or(other("payload"))?,
        signature: base64::decode(signature).ok_or(other("signature"))?,
        verifier,
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
        #[serde(default)]
        pub(super) public_key: Option<Raw>,
    }

    /// `hashedrekord` 0.0.1.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct FirstHashed {
        pub(super) data: FirstData,
        pub(super) signature: FirstSignature,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct FirstData {
        pub(super) hash: Hash,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct FirstSignature {
        pub(super) content: String,
        pub(super) public_key: Content,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Content {
        pub(super) content: String,
    }

    /// `intoto` 0.0.2.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct InToto {
        pub(super) content: InTotoContent,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct InTotoContent {
        pub(super) envelope: InTotoEnvelope,
        /// Of JSON that nobody kept.
        #[serde(rename = "hash")]
        _hash: Hash,
        pub(super) payload_hash: Hash,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct InTotoEnvelope {
        pub(super) payload_type: String,
        pub(super) signatures: Vec<InTotoSignature>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct InTotoSignature {
        pub(super) sig: String,
        pub(super) public_key: String,
        /// What the signer calls the key, which the key itself says better.
        #[serde(default, rename = "keyid")]
        _keyid: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub(super) struct Raw {
        pub(super) raw_bytes: String,
    }
}
