//! A small Sigstore: an authority, a log of certificates, a log of signatures of either kind, and an authority for times.
//! What it makes can be wrong in any one way.

use data_encoding::BASE64;
use digest::Digest;
use serde_json::{Value, json};
use trust::log::{Checkpoint, Head, LogSigner, Node, ProofError, inclusion, leaf_hash, node_hash};
use trust::{Role, Signer, SigstoreRoot, TrustRoot};

use crate::certificates::{
    Draft, Stamp, authority, extension, key_usage, purposes, stamping_root, tlv,
};
use crate::{key, statements};

/// To whom the certificate is made out.
pub const IDENTITY: &str = "signer@example.com";
/// The provider that vouches for it.
pub const PROVIDER: &str = "https://issuer.example.com";
/// When it was signed: 2025-01-01, when [`Stamp`] stamps.
pub const SIGNED_AT: i64 = 1_735_689_600;

const AUTHORITY: u8 = 21;
const SIGNER: u8 = 22;
/// The seed of the certificate log's key.
pub const CERTIFICATE_LOG: u8 = 23;
/// The seed of the key of the log that is Rekor v1's like.
pub const LOG: u8 = 24;
const LOG_2: &str = "log2.example.com";

/// Which kind of log has the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rekor {
    /// One that promises entries and says when it took them.
    First,
    /// One that does neither, and enters a hash of what was signed.
    Second,
    /// That, as it first was: it enters a hash of the payload.
    SecondAsFirst,
    /// The first, as it entered envelopes before.
    InToto,
    /// The first, with a hash of what was signed.
    FirstHashed,
}

impl Rekor {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::First,
        Self::Second,
        Self::SecondAsFirst,
        Self::InToto,
        Self::FirstHashed,
    ];

    /// Whether it promises entries.
    #[must_use]
    pub const fn promises(self) -> bool {
        !matches!(self, Self::Second | Self::SecondAsFirst)
    }
}

/// A keyless bundle to be.
#[derive(Debug, Clone)]
pub struct Draught {
    /// The log that has it.
    pub rekor: Rekor,
    /// The certificate, but for the word of the certificate log.
    pub certificate: Draft,
    /// Which keys sign a word of the certificate log.
    pub scts: Vec<u8>,
    /// Of which log's key it is said to be.
    pub sct_log: u8,
    /// When the certificate log is said to have taken it, in milliseconds.
    pub sct_time: u64,
    /// Of which key's issuer it speaks.
    pub sct_issuer: u8,
    /// Which key signs promise and checkpoint of Rekor v1.
    pub log: u8,
    /// What is signed.
    pub payload: Vec<u8>,
    /// What is entered in place of that.
    pub entered: Option<Vec<u8>>,
    /// Whether it is stamped.
    pub is_stamped: bool,
    /// Whether it is by the key, without a certificate.
    pub is_by_key: bool,
}

impl Draught {
    /// A right one: a model's signature.
    ///
    /// # Panics
    /// Never: there are payloads.
    #[must_use]
    pub fn new(rekor: Rekor) -> Self {
        let code_signing = purposes(false, &["1.3.6.1.5.5.7.3.3"]);
        let name = tlv(0x30, &[&tlv(0x81, &[IDENTITY.as_bytes()])]);
        let extensions = [
            key_usage(0x80),
            code_signing,
            extension("2.5.29.17", true, &name),
            extension(
                "1.3.6.1.4.1.57264.1.8",
                false,
                &tlv(0x0c, &[PROVIDER.as_bytes()]),
            ),
        ];
        let mut certificate = Draft::new("sigstore", "signer", SIGNER, &extensions);
        certificate.valid = ["20241231235500Z", "20250101000500Z"];
        Self {
            rekor,
            certificate,
            scts: vec![CERTIFICATE_LOG],
            sct_log: CERTIFICATE_LOG,
            sct_time: 1_735_689_300_000,
            sct_issuer: AUTHORITY,
            log: LOG,
            payload: statements::payloads().swap_remove(0),
            entered: None,
            is_stamped: true,
            is_by_key: false,
        }
    }

    /// The bundle.
    ///
    /// # Panics
    /// Never: keys in memory sign.
    #[must_use]
    pub fn bundle(&self) -> Value {
        let certificate = (!self.is_by_key).then(|| self.certified());
        let certificate = certificate.as_deref();
        let sealed = key(SIGNER)
            .seal(self.payload.clone())
            .expect("a key in memory signs");
        let signature = &sealed.envelope().signatures[0];
        let stamps = match self.is_stamped {
            true => vec![json!({"signedTimestamp": b64(&Stamp::of(signature).token())})],
            false => vec![],
        };
        let mut material = json!({
            "tlogEntries": [self.entry(signature, certificate)],
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        });
        match certificate {
            Some(certificate) => material["certificate"] = json!({"rawBytes": b64(certificate)}),
            // As cosign names keys.
            None => {
                let hint = Digest::of(key(SIGNER).public_key().der());
                material["publicKey"] = json!({"hint": b64(hint.raw())});
            }
        }
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": b64(&self.payload),
                "payloadType": trust::PAYLOAD_TYPE,
                "signatures": [{"sig": b64(signature), "keyid": ""}],
            },
        })
    }

    /// The certificate with the words of the certificate log in it.
    fn certified(&self) -> Vec<u8> {
        let mut draft = self.certificate.clone();
        if !self.scts.is_empty() {
            let signed = self.certificate.signed_bytes();
            let scts: Vec<u8> = self
                .scts
                .iter()
                .flat_map(|by| self.sct(*by, &signed))
                .collect();
            let list = tlv(0x04, &[&vector(&scts)]);
            let list = extension("1.3.6.1.4.1.11129.2.4.2", false, &list);
            draft.extensions.push(list);
        }
        draft.signed_by(AUTHORITY)
    }

    fn sct(&self, by: u8, certified: &[u8]) -> Vec<u8> {
        let issuer = Digest::of(key(self.sct_issuer).public_key().der());
        let time = self.sct_time.to_be_bytes();
        let length = u32::try_from(certified.len()).expect("small").to_be_bytes();
        let entry = [issuer.raw(), &length[1..], certified, &[0, 0]].concat();
        let signed = [&[0, 0][..], &time, &[0, 1], &entry].concat();
        let signature = key(by).sign(&signed).expect("a key in memory signs");
        let sct = [
            &[0][..],
            &log_id(self.sct_log),
            &time,
            &[0, 0, 4, 3],
            &vector(&signature),
        ];
        vector(&sct.concat())
    }

    fn entry(&self, signature: &[u8], certificate: Option<&[u8]>) -> Value {
        let payload = self.entered.as_ref().unwrap_or(&self.payload);
        match self.rekor {
            Rekor::Second => hashed(signature, certificate, payload),
            Rekor::SecondAsFirst => second(signature, certificate, Digest::of(payload)),
            _ => self.first(&self.first_body(signature, certificate, payload)),
        }
    }

    /// What Rekor v1 enters.
    fn first_body(&self, signature: &[u8], certificate: Option<&[u8]>, payload: &[u8]) -> Value {
        let by = b64(pem(certificate).as_bytes());
        let hash = |digest: &str| json!({"algorithm": "sha256", "value": digest});
        let (nobody_kept, of_payload) = (hash(&"0".repeat(64)), hash(&Digest::of(payload).hex()));
        match self.rekor {
            Rekor::InToto => {
                json!({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": {
                    "envelope": {"payloadType": trust::PAYLOAD_TYPE,
                                 "signatures": [{"sig": b64(b64(signature).as_bytes()), "publicKey": by}]},
                    "hash": nobody_kept, "payloadHash": of_payload,
                }}})
            }
            Rekor::FirstHashed => {
                let signed = hash(&Digest::of(&signed_bytes(payload)).hex());
                json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
                    "data": {"hash": signed},
                    "signature": {"content": b64(signature), "publicKey": {"content": by}},
                }})
            }
            _ => json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": nobody_kept, "payloadHash": of_payload,
                "signatures": [{"signature": b64(signature), "verifier": by}],
            }}),
        }
    }

    fn first(&self, body: &Value) -> Value {
        let (kind, version) = (body["kind"].clone(), body["apiVersion"].clone());
        let body = body.to_string().into_bytes();
        let (index, hashes, head) = planted(&body);
        let id = log_id(LOG);
        let hex = data_encoding::HEXLOWER.encode(&id);
        let promise = format!(
            "{{\"body\":\"{}\",\"integratedTime\":{SIGNED_AT},\"logID\":\"{hex}\",\"logIndex\":1001}}",
            b64(&body)
        );
        let sign = |text: &str| {
            key(self.log)
                .sign(text.as_bytes())
                .expect("a key in memory signs")
        };
        let text = format!(
            "log.example.com - 7\n{}\n{}\n",
            head.size,
            b64(head.root.raw())
        );
        let signed = [&id[..4], &sign(&text)].concat();
        let checkpoint = format!("{text}\n\u{2014} log.example.com {}\n", b64(&signed));
        let mut entry = json!({
            "logIndex": "1001",
            "logId": {"keyId": b64(&id)},
            "kindVersion": {"kind": kind, "version": version},
            "integratedTime": SIGNED_AT.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": b64(&sign(&promise))},
            "canonicalizedBody": b64(&body),
        });
        entry["inclusionProof"] = proof(index, &hashes, head, &checkpoint);
        entry
    }
}

fn second(signature: &[u8], certificate: Option<&[u8]>, payload: Digest) -> Value {
    let body = json!({"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": {
        "payloadHash": {"algorithm": "SHA2_256", "digest": b64(payload.raw())},
        "signatures": [{"content": b64(signature), "verifier": verifier(certificate)}],
    }}});
    entered_in_second(&body)
}

/// What exactly is signed of a payload.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    let kind = trust::PAYLOAD_TYPE;
    let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    signed.extend(payload);
    signed
}

fn hashed(signature: &[u8], certificate: Option<&[u8]>, payload: &[u8]) -> Value {
    let body = json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": "SHA2_256", "digest": b64(Digest::of(&signed_bytes(payload)).raw())},
        "signature": {"content": b64(signature), "verifier": verifier(certificate)},
    }}});
    entered_in_second(&body)
}

/// What the authority answers who asks it to certify a key, given in PEM, as [`IDENTITY`].
///
/// # Panics
/// It is no key.
#[must_use]
pub fn certify(public_key: &str) -> Value {
    let public_key = trust::PublicKey::from_pem(public_key).expect("it is a key");
    let mut draught = Draught::new(Rekor::Second);
    draught.certificate.other_key = Some(public_key.der().to_vec());
    let leaf = trust::x509::Certificate::from_der(&draught.certified());
    let leaf = leaf.expect("it was just made").to_pem();
    json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": [leaf]}}})
}

/// What the second log answers who asks it to enter a signature.
#[must_use]
pub fn enter(request: &Value) -> Value {
    let asked = &request["hashedRekordRequestV002"];
    let body = json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": "SHA2_256", "digest": asked["digest"]}, "signature": asked["signature"],
    }}});
    entered_in_second(&body)
}

/// Where to sign and whom to believe, when all services are at this address.
#[must_use]
pub fn config(base: &str) -> Value {
    let at = |path: &str, version: u32| {
        json!([{"url": format!("{base}{path}"), "majorApiVersion": version,
                                                 "validFor": {"start": "2024-01-01T00:00:00Z"}, "operator": "test"}])
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root(),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": at("", 1), "oidcUrls": at("", 1), "rekorTlogUrls": at("", 2), "tsaUrls": at("/stamp", 1),
            "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"},
        },
    })
}

fn verifier(certificate: Option<&[u8]>) -> Value {
    let (name, der) = match certificate {
        Some(certificate) => ("x509Certificate", certificate.to_vec()),
        None => ("publicKey", key(SIGNER).public_key().der().to_vec()),
    };
    json!({"keyDetails": "PKIX_ECDSA_P256_SHA_256", name: {"rawBytes": b64(&der)}})
}

/// A certificate in PEM, or else the signer's key.
fn pem(certificate: Option<&[u8]>) -> String {
    let read = |der| trust::x509::Certificate::from_der(der).expect("it was just made");
    certificate.map_or_else(
        || key(SIGNER).public_key().pem().to_owned(),
        |der| read(der).to_pem(),
    )
}

/// The key that signs, for whom it is known to.
#[must_use]
pub fn signer() -> trust::PublicKey {
    key(SIGNER).public_key().clone()
}

fn entered_in_second(body: &Value) -> Value {
    let kind = body["kind"].clone();
    let body = body.to_string().into_bytes();
    let (index, hashes, head) = planted(&body);
    let checkpoint = Checkpoint::sign(head, &log_2());
    json!({
        "logIndex": index.to_string(),
        "logId": {"keyId": b64(&log_2_id())},
        "kindVersion": {"kind": kind, "version": "0.0.2"},
        "inclusionProof": proof(index, &hashes, head, checkpoint.note()),
        "canonicalizedBody": b64(&body),
    })
}

fn proof(index: u64, hashes: &[Digest], head: Head, checkpoint: &str) -> Value {
    let hashes: Vec<String> = hashes.iter().map(|hash| b64(hash.raw())).collect();
    json!({
        "logIndex": index.to_string(),
        "rootHash": b64(head.root.raw()),
        "treeSize": head.size.to_string(),
        "hashes": hashes,
        "checkpoint": {"envelope": checkpoint},
    })
}

/// The entry as the second of four in a tree, with its proof.
fn planted(body: &[u8]) -> (u64, Vec<Digest>, Head) {
    let leaves = [
        leaf_hash(b"a"),
        leaf_hash(body),
        leaf_hash(b"b"),
        leaf_hash(b"c"),
    ];
    let right = node_hash(&leaves[2], &leaves[3]);
    let root = node_hash(&node_hash(&leaves[0], &leaves[1]), &right);
    let mut find = |node: Node| -> Result<Digest, ProofError> {
        Ok(match (node.level, usize::try_from(node.index)) {
            (0, Ok(index)) => leaves[index],
            _ => right,
        })
    };
    let hashes = inclusion(1, 4, &mut find).expect("the entry is there");
    (1, hashes, Head { size: 4, root })
}

/// The root of this Sigstore, as JSON.
///
/// # Panics
/// Never: the keys are keys.
#[must_use]
pub fn root() -> Value {
    let extensions = [authority(None), key_usage(0x04)];
    let own = Draft::new("sigstore", "sigstore", AUTHORITY, &extensions).signed_by(AUTHORITY);
    let during = json!({"start": "2024-01-01T00:00:00Z"});
    let log = |id: &[u8], key: &[u8]| {
        json!({"baseUrl": "https://log.example.com", "hashAlgorithm": "SHA2_256", "logId": {"keyId": b64(id)},
            "publicKey": {"rawBytes": b64(key), "keyDetails": "", "validFor": during}})
    };
    let of = |seed: u8| log(&log_id(seed), key(seed).public_key().der());
    let raw = |der: &[u8]| json!({"rawBytes": b64(der)});
    let named = |certificates: Vec<Value>| json!({"uri": "https://example.com", "certChain": {"certificates": certificates}, "validFor": during});
    // RFC 8410: the algorithm, and 32 bytes.
    let mut ed25519 = vec![0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    ed25519.extend(log_2().key().public());
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [of(LOG), log(&log_2_id(), &ed25519)],
        "certificateAuthorities": [named(vec![raw(&own)])],
        "ctlogs": [of(CERTIFICATE_LOG)],
        "timestampAuthorities": [named(vec![raw(&stamping_root())])],
    })
}

/// Whoever signs here as [`IDENTITY`], by this Sigstore's word.
///
/// # Panics
/// It is no root.
#[must_use]
pub fn trusting_identity(root: &Value) -> TrustRoot {
    let root = SigstoreRoot::parse(root.to_string().as_bytes()).expect("it is a root");
    TrustRoot::of_identity(IDENTITY.into(), PROVIDER.into(), root, Role::Sign)
}

fn log_2() -> LogSigner {
    LogSigner::from_seed(LOG_2, &[25; 32]).expect("a name and a seed")
}

fn log_2_id() -> [u8; 32] {
    let key = log_2();
    let named = [LOG_2.as_bytes(), b"\n\x01", key.key().public()].concat();
    *Digest::of(&named).raw()
}

fn log_id(seed: u8) -> [u8; 32] {
    *Digest::of(key(seed).public_key().der()).raw()
}

/// Bytes behind their length in two bytes.
fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("what tests make is small");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn b64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
