//! A log's entry for a signature, with its proofs: `TransparencyLogEntry` of sigstore/protobuf-specs.

use data_encoding::HEXLOWER;
use digest::Digest;
use serde_json::{Value, json};

use super::root::Log;
use super::{Evidence, SigstoreError, SigstoreRoot, body};
use crate::log::{Checkpoint, leaf_hash, verify_inclusion};
use crate::{Time, base64};

/// A tree of 2^64 entries is 64 high.
const HASHES_MAX: usize = 64;

/// What a log is said to hold: a claim, until it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    log_id: Vec<u8>,
    /// Its place among all of the log's entries; a log may have several trees.
    index: u64,
    kind: String,
    version: String,
    /// When the log took it; Rekor v2 does not say.
    integrated: Option<i64>,
    promise: Option<Vec<u8>>,
    proof: Option<Proof>,
    body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Proof {
    index: u64,
    root: Digest,
    size: u64,
    hashes: Vec<Digest>,
    checkpoint: String,
}

impl LogEntry {
    /// Checks the entry, but for the time at which its log was in use. Says when the log took it, if it promised that.
    pub(super) fn verify(
        &self,
        evidence: &Evidence<'_>,
        root: &SigstoreRoot,
    ) -> Result<Option<Time>, SigstoreError> {
        let log = self.log(root)?;
        body::check(&self.body, &self.kind, &self.version, evidence)?;
        let time = if body::is_of_rekor_1(&self.kind, &self.version) {
            Some(self.check_promise(log)?)
        } else {
            self.check_no_promise()?;
            None
        };
        self.check_proof(log)?;
        Ok(time)
    }

    /// When the log is said to have taken it, whoever says so: nothing of it is checked. For showing, and for nothing else.
    #[must_use]
    pub fn claimed_time(&self) -> Option<Time> {
        self.integrated.map(Time::from_unix)
    }

    /// Whether the log proved that it has the entry, or is said to have.
    #[must_use]
    pub const fn has_proof(&self) -> bool {
        self.proof.is_some()
    }

    /// Checks that the log was in use.
    pub(super) fn check_log_time(
        &self,
        root: &SigstoreRoot,
        at: Time,
    ) -> Result<(), SigstoreError> {
        let log = self.log(root)?;
        let id = HEXLOWER.encode(&self.log_id);
        log.during
            .contains(at)
            .then_some(())
            .ok_or(SigstoreError::LogTime { id, at })
    }

    fn log<'a>(&self, root: &'a SigstoreRoot) -> Result<&'a Log, SigstoreError> {
        let mut logs = root.logs.iter();
        let id = || HEXLOWER.encode(&self.log_id);
        logs.find(|log| log.id == self.log_id)
            .ok_or_else(|| SigstoreError::LogUnknown { id: id() })
    }

    /// Rekor v1 signs what it took, where and when.
    fn check_promise(&self, log: &Log) -> Result<Time, SigstoreError> {
        let missing = |what| SigstoreError::ProofMissing { what };
        let promise = self
            .promise
            .as_ref()
            .ok_or(missing("promise (signed entry timestamp)"))?;
        let integrated = self.integrated.ok_or(missing("time"))?;
        // RFC 8785 has the members in this order and without spaces; none of the characters is escaped.
        let signed = format!(
            "{{\"body\":\"{}\",\"integratedTime\":{integrated},\"logID\":\"{}\",\"logIndex\":{}}}",
            base64::encode(&self.body),
            HEXLOWER.encode(&self.log_id),
            self.index
        );
        if verifies(log, signed.as_bytes(), promise) {
            Ok(Time::from_unix(integrated))
        } else {
            Err(SigstoreError::Promise)
        }
    }

    /// Rekor v2 signs neither a promise nor a time, and has one tree: what is said of them counts for nothing, and must
    /// not look as if it did.
    fn check_no_promise(&self) -> Result<(), SigstoreError> {
        let is_bare = self.promise.is_none() && self.integrated.is_none();
        let is_one_place = self.proof.as_ref().is_none_or(|p| p.index == self.index);
        (is_bare && is_one_place)
            .then_some(())
            .ok_or(SigstoreError::Promise)
    }

    fn check_proof(&self, log: &Log) -> Result<(), SigstoreError> {
        let missing = |what| SigstoreError::ProofMissing { what };
        let proof = self.proof.as_ref().ok_or(missing("inclusion proof"))?;
        if proof.checkpoint.is_empty() {
            return Err(missing("checkpoint"));
        }
        let head = Checkpoint::head_signed_by(&proof.checkpoint, log.checkpoint_id, |text, sig| {
            verifies(log, text, sig)
        });
        let head = head.map_err(SigstoreError::Checkpoint)?;
        if head.size != proof.size {
            return Err(SigstoreError::OtherHead { what: "size" });
        }
        if head.root != proof.root {
            return Err(SigstoreError::OtherHead { what: "root" });
        }
        verify_inclusion(leaf_hash(&self.body), proof.index, head, &proof.hashes)
            .map_err(SigstoreError::Inclusion)
    }

    /// The entry as bundles of today have it.
    pub(crate) fn to_json(&self) -> Value {
        let mut entry = json!({
            "logIndex": self.index.to_string(),
            "logId": {"keyId": base64::encode(&self.log_id)},
            "kindVersion": {"kind": self.kind, "version": self.version},
            "canonicalizedBody": base64::encode(&self.body),
        });
        if let Some(integrated) = self.integrated {
            entry["integratedTime"] = json!(integrated.to_string());
        }
        if let Some(promise) = &self.promise {
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": base64::encode(promise)});
        }
        if let Some(proof) = &self.proof {
            entry["inclusionProof"] = proof.to_json();
        }
        entry
    }

    pub(crate) fn from_wire(wire: wire::Entry) -> Result<Self, &'static str> {
        let decode = |text: &str, what| base64::decode(text).ok_or(what);
        let promise = wire.inclusion_promise.map(|promise| {
            let refused = "a log's promise that is not base64";
            decode(&promise.signed_entry_timestamp, refused)
        });
        Ok(Self {
            log_id: decode(&wire.log_id.key_id, "a log's id that is not base64")?,
            index: wire.log_index.0,
            kind: wire.kind_version.kind,
            version: wire.kind_version.version,
            integrated: match wire.integrated_time.0 {
                0 => None,
                time => Some(i64::try_from(time).map_err(|_| "a time after all times")?),
            },
            promise: promise.transpose()?,
            proof: wire.inclusion_proof.map(Proof::from_wire).transpose()?,
            body: decode(
                &wire.canonicalized_body,
                "a log entry's body that is not base64",
            )?,
        })
    }
}

impl Proof {
    fn to_json(&self) -> Value {
        let hashes = self.hashes.iter().map(|hash| base64::encode(hash.raw()));
        json!({
            "logIndex": self.index.to_string(),
            "rootHash": base64::encode(self.root.raw()),
            "treeSize": self.size.to_string(),
            "hashes": hashes.collect::<Vec<_>>(),
            "checkpoint": {"envelope": self.checkpoint},
        })
    }

    fn from_wire(wire: wire::Proof) -> Result<Self, &'static str> {
        if wire.hashes.len() > HASHES_MAX {
            return Err("an inclusion proof of more than 64 hashes");
        }
        let hash = |text: &String| {
            let raw: Option<[u8; 32]> = base64::decode(text).and_then(|raw| raw.try_into().ok());
            raw.map(Digest::from_raw)
                .ok_or("an inclusion proof with what is no SHA-256 hash")
        };
        Ok(Self {
            index: wire.log_index.0,
            root: hash(&wire.root_hash)?,
            size: wire.tree_size.0,
            hashes: wire.hashes.iter().map(hash).collect::<Result<_, _>>()?,
            checkpoint: wire.checkpoint.map(|own| own.envelope).unwrap_or_default(),
        })
    }
}

fn verifies(log: &Log, signed_bytes: &[u8], signature: &[u8]) -> bool {
    let key = log.key.as_ref();
    key.is_some_and(|key| key.verifies(signed_bytes, signature))
}

pub(crate) mod wire {
    use decode::json;
    use serde::{Deserialize, Deserializer, de};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Entry {
        #[serde(default, rename = "logIndex", alias = "log_index")]
        pub(super) log_index: Int,
        #[serde(rename = "logId", alias = "log_id")]
        pub(super) log_id: Id,
        #[serde(rename = "kindVersion", alias = "kind_version")]
        pub(super) kind_version: Kind,
        #[serde(default, rename = "integratedTime", alias = "integrated_time")]
        pub(super) integrated_time: Int,
        #[serde(default, rename = "inclusionPromise", alias = "inclusion_promise")]
        pub(super) inclusion_promise: Option<Promise>,
        #[serde(default, rename = "inclusionProof", alias = "inclusion_proof")]
        pub(super) inclusion_proof: Option<Proof>,
        #[serde(rename = "canonicalizedBody", alias = "canonicalized_body")]
        pub(super) canonicalized_body: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Id {
        #[serde(rename = "keyId", alias = "key_id")]
        pub(super) key_id: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Kind {
        pub(super) kind: String,
        pub(super) version: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Promise {
        #[serde(rename = "signedEntryTimestamp", alias = "signed_entry_timestamp")]
        pub(super) signed_entry_timestamp: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Proof {
        #[serde(default, rename = "logIndex", alias = "log_index")]
        pub(super) log_index: Int,
        #[serde(rename = "rootHash", alias = "root_hash")]
        pub(super) root_hash: String,
        #[serde(rename = "treeSize", alias = "tree_size")]
        pub(super) tree_size: Int,
        #[serde(default)]
        pub(super) hashes: Vec<String>,
        #[serde(default)]
        pub(super) checkpoint: Option<Note>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Note {
        pub(super) envelope: String,
    }

    /// A number that is not negative: protobuf's JSON writes those of 64 bits as text, and reads both.
    #[derive(Default)]
    pub(super) struct Int(pub(super) u64);

    impl<'de> Deserialize<'de> for Int {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let refused = || de::Error::custom("a number that is not negative was expected");
            let (json::Value::String(text) | json::Value::Number(text)) =
                json::Value::deserialize(deserializer)?
            else {
                return Err(refused());
            };
            // No sign, no zeros in front: one number has one text.
            let number = text.parse::<u64>().ok();
            let number = number.filter(|number| number.to_string() == text);
            number.map(Self).ok_or_else(refused)
        }
    }
}
