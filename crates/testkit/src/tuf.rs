//! A small repository of updates (The Update Framework), which can be wrong in any one way.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use digest::Digest;
use serde_json::{Value, json};
use trust::Signer;

use crate::key;

/// A time at which the repository's files are valid: in 2026.
pub const NOW: i64 = 1_790_000_000;
const UNTIL: &str = "2099-12-31T00:00:00Z";

/// A file of metadata to be.
#[derive(Debug, Clone)]
pub struct Meta {
    /// Its version.
    pub version: u64,
    /// The version that is said of it elsewhere.
    pub said: u64,
    /// Until when it holds.
    pub expires: &'static str,
    /// The seeds of the keys that sign it.
    pub signers: Vec<u8>,
}

impl Meta {
    fn new(signers: &[u8]) -> Self {
        Self {
            version: 1,
            said: 1,
            expires: UNTIL,
            signers: signers.to_vec(),
        }
    }

    /// As the next version.
    pub fn raise(&mut self) {
        self.version += 1;
        self.said += 1;
    }
}

/// A root to be.
#[derive(Debug, Clone)]
pub struct RootMeta {
    /// Its version, times and signers.
    pub meta: Meta,
    /// The number in its file's name.
    pub number: u64,
    /// Who may sign roots and targets, by the seeds of the keys; two must.
    pub keys: Vec<u8>,
    /// Who may sign timestamps and snapshots; one must.
    pub online: Vec<u8>,
}

/// A repository to be.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its roots, from the first.
    pub roots: Vec<RootMeta>,
    /// Its timestamp.
    pub timestamp: Meta,
    /// Its snapshot.
    pub snapshot: Meta,
    /// Its targets.
    pub targets: Meta,
    /// The versions of delegated targets that the snapshot names.
    pub delegated: BTreeMap<String, u64>,
    /// What is fetched from it.
    pub file: Vec<u8>,
    /// The file's name.
    pub name: String,
    /// Other files, by their names.
    pub others: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// A right one, with one root, which two of three keys signed.
    #[must_use]
    pub fn of(name: &str, file: &[u8]) -> Self {
        let root = RootMeta {
            meta: Meta::new(&[41, 42]),
            number: 1,
            keys: vec![41, 42, 43],
            online: vec![44],
        };
        Self {
            roots: vec![root],
            timestamp: Meta::new(&[44]),
            snapshot: Meta::new(&[44]),
            targets: Meta::new(&[42, 43]),
            delegated: BTreeMap::new(),
            file: file.to_vec(),
            name: name.to_owned(),
            others: BTreeMap::new(),
        }
    }

    /// Another root, with other keys, signed by those of the last and its own.
    pub fn rotate(&mut self, keys: &[u8], online: u8) {
        let mut root = self.roots[self.roots.len() - 1].clone();
        root.meta.signers = [&root.keys[..2], &keys[..2]].concat();
        root.meta.raise();
        root.number += 1;
        root.keys = keys.to_vec();
        root.online = vec![online];
        self.roots.push(root);
        self.targets.signers = keys[..2].to_vec();
        (self.timestamp.signers, self.snapshot.signers) = (vec![online], vec![online]);
    }

    /// All versions but the root's, one higher.
    pub fn raise(&mut self) {
        self.timestamp.raise();
        self.snapshot.raise();
        self.targets.raise();
    }

    /// The first root's bytes.
    #[must_use]
    pub fn first_root(&self) -> Vec<u8> {
        root(&self.roots[0])
    }

    /// Every file by its path.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for own in &self.roots {
            files.insert(format!("{}.root.json", own.number), root(own));
        }
        let all: Vec<_> = self
            .others
            .iter()
            .chain([(&self.name, &self.file)])
            .collect();
        let described = |file: &[u8]| json!({"length": file.len(), "hashes": {"sha256": Digest::of(file).hex()}});
        let targets: serde_json::Map<String, Value> = all
            .iter()
            .map(|(name, file)| ((*name).clone(), described(file)))
            .collect();
        let targets = json!({"targets": targets});
        let targets = signed("targets", &self.targets, targets);
        let mut meta = json!({"targets.json": meta(&self.targets, &targets)});
        for (name, version) in &self.delegated {
            meta[name] = json!({"version": version});
        }
        let snapshot = signed("snapshot", &self.snapshot, json!({"meta": meta}));
        let meta = json!({"snapshot.json": self::meta(&self.snapshot, &snapshot)});
        let timestamp = signed("timestamp", &self.timestamp, json!({"meta": meta}));
        files.insert(format!("{}.targets.json", self.targets.said), targets);
        files.insert(format!("{}.snapshot.json", self.snapshot.said), snapshot);
        files.insert("timestamp.json".to_owned(), timestamp);
        for (name, file) in all {
            let path = format!("targets/{}.{name}", Digest::of(file).hex());
            files.insert(path, file.clone());
        }
        files
    }
}

fn meta(of: &Meta, bytes: &[u8]) -> Value {
    json!({"version": of.said, "length": bytes.len(), "hashes": {"sha256": Digest::of(bytes).hex()}})
}

fn root(own: &RootMeta) -> Vec<u8> {
    let all = own.keys.iter().chain(&own.online);
    let entry = |seed: &u8| {
        let pem = key(*seed).public_key().pem().to_owned();
        let entry = json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}, "x-owner": "@me"});
        (name(*seed), entry)
    };
    let names = |seeds: &[u8]| seeds.iter().map(|seed| name(*seed)).collect::<Vec<_>>();
    let keys: serde_json::Map<String, Value> = all.map(entry).collect();
    let offline = json!({"keyids": names(&own.keys), "threshold": 2});
    let online = json!({"keyids": names(&own.online), "threshold": 1});
    let body = json!({"consistent_snapshot": true, "keys": keys,
        "roles": {"root": offline, "targets": offline, "snapshot": online, "timestamp": online}});
    signed("root", &own.meta, body)
}

/// What repositories of this crate call the key of this seed.
#[must_use]
pub fn name(seed: u8) -> String {
    Digest::of(key(seed).public_key().der()).hex()
}

/// Signs metadata.
///
/// # Panics
/// Never: keys in memory sign.
#[must_use]
pub fn signed(kind: &str, meta: &Meta, mut body: Value) -> Vec<u8> {
    body["_type"] = json!(kind);
    body["spec_version"] = json!("1.0.31");
    body["version"] = json!(meta.version);
    body["expires"] = json!(meta.expires);
    // Members are in order and there are no spaces; of what is escaped there are the line ends of keys alone.
    let canonical = body.to_string().replace("\\n", "\n");
    let sign = |seed: &u8| {
        let signature = key(*seed).sign(canonical.as_bytes());
        let signature = signature.expect("a key in memory signs");
        json!({"keyid": name(*seed), "sig": HEXLOWER.encode(&signature)})
    };
    let signatures: Vec<Value> = meta.signers.iter().map(sign).collect();
    json!({"signatures": signatures, "signed": body})
        .to_string()
        .into_bytes()
}
