//! One file of a repository: what is signed, by whom, and who may sign what (TUF specification 1.0, §4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use decode::json::{self, Limits, Value};

use super::TufError;
use crate::x509::signature::Hash;
use crate::{PublicKey, Time};

/// More keys or signatures than any repository has.
const KEYS_MAX: usize = 256;
const FILES_MAX: usize = 4096;
/// `SubjectPublicKeyInfo` of Ed25519 before its 32 bytes (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who may sign the others, and the next of its own.
    Root,
    /// The newest snapshot.
    Timestamp,
    /// The versions that belong together.
    Snapshot,
    /// What there is to fetch.
    Targets,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Root, Self::Timestamp, Self::Snapshot, Self::Targets];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file that was read, and not yet believed.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) kind: Kind,
    pub(super) version: u64,
    expires: Time,
    body: Value,
    /// What the signatures are over.
    canonical: Vec<u8>,
    /// By the name of a key.
    signatures: Vec<(String, Vec<u8>)>,
}

impl Signed {
    pub(super) fn parse(bytes: &[u8], kind: Kind) -> Result<Self, TufError> {
        let malformed = |what| TufError::Malformed { kind, what };
        let document =
            json::value(bytes, Limits::SMALL).map_err(|cause| TufError::Json { kind, cause })?;
        let body = document.member("signed").ok_or(malformed("`signed`"))?;
        let text = |name| body.member(name).and_then(Value::as_str);
        if text("_type") != Some(kind.as_str()) {
            return Err(malformed("`_type`"));
        }
        if !text("spec_version").is_some_and(|version| version.starts_with("1.")) {
            return Err(malformed("`spec_version`"));
        }
        let version = version_of(body).ok_or(malformed("`version`"))?;
        let expires = text("expires").and_then(|time| time.parse().ok());
        let expires = expires.ok_or(malformed("`expires`"))?;
        let signatures = signatures(&document).ok_or(malformed("`signatures`"))?;
        let mut canonical = Vec::with_capacity(bytes.len());
        write_canonical(body, &mut canonical).ok_or(malformed("a number that is no integer"))?;
        Ok(Self {
            kind,
            version,
            expires,
            body: body.clone(),
            canonical,
            signatures,
        })
    }

    /// Checks that so many different keys of the role signed it as it asks for.
    pub(super) fn check_signatures(&self, role: &Role) -> Result<(), TufError> {
        let signed = |key: &&(String, PublicKey)| {
            let (name, key) = key;
            let mut signatures = self.signatures.iter().filter(|(by, _)| by == name);
            signatures.any(|(_, signature)| key.verifies(&self.canonical, signature))
        };
        // One key under two names is one.
        let signers = role.keys.iter().filter(signed).map(|(_, key)| key.der());
        let got = signers.collect::<BTreeSet<_>>().len();
        if got >= role.threshold {
            return Ok(());
        }
        Err(TufError::Signatures {
            kind: self.kind,
            version: self.version,
            got,
            threshold: role.threshold,
        })
    }

    pub(super) fn check_time(&self, now: Time) -> Result<(), TufError> {
        if now < self.expires {
            return Ok(());
        }
        Err(TufError::Expired {
            kind: self.kind,
            expires: self.expires,
            now,
        })
    }

    /// What it says of other files of metadata.
    pub(super) fn files(&self) -> Result<BTreeMap<String, Described>, TufError> {
        self.described("meta", |value| {
            let version = version_of(value)?;
            let length = match value.member("length") {
                None => None,
                Some(length) => Some(usize::try_from(length.as_u64()?).ok()?),
            };
            let hashes = match value.member("hashes") {
                None => vec![],
                Some(hashes) => hashes_of(hashes)?,
            };
            Some(Described {
                version,
                length,
                hashes,
            })
        })
    }

    /// What there is to fetch: length and hashes are always said.
    pub(super) fn targets(&self) -> Result<BTreeMap<String, Described>, TufError> {
        self.described("targets", |value| {
            let length = value.member("length")?.as_u64()?;
            Some(Described {
                version: 0,
                length: Some(usize::try_from(length).ok()?),
                hashes: hashes_of(value.member("hashes")?)?,
            })
        })
    }

    fn described(
        &self,
        member: &'static str,
        read: impl Fn(&Value) -> Option<Described>,
    ) -> Result<BTreeMap<String, Described>, TufError> {
        let kind = self.kind;
        let malformed = TufError::Malformed { kind, what: member };
        let files = self.body.member(member).and_then(Value::as_object);
        let files = files.filter(|files| files.len() <= FILES_MAX);
        let files = files.ok_or(malformed.clone())?;
        let read = |(name, value): &(String, Value)| {
            let described = read(value).ok_or(malformed.clone())?;
            Ok((name.clone(), described))
        };
        files.iter().map(read).collect()
    }
}

/// What a file says of another.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) version: u64,
    pub(super) length: Option<usize>,
    hashes: Vec<(Hash, Vec<u8>)>,
}

impl Described {
    /// Checks that these bytes are meant.
    pub(super) fn check(&self, file: &str, bytes: &[u8]) -> Result<(), TufError> {
        if self.length.is_some_and(|length| length != bytes.len()) {
            let file = file.to_owned();
            return Err(TufError::Length { file });
        }
        let mut hashes = self.hashes.iter();
        if hashes.all(|(hash, digest)| hash.of(bytes) == *digest) {
            return Ok(());
        }
        let file = file.to_owned();
        Err(TufError::Hash { file })
    }

    /// One of its hashes, by which files of a consistent repository are named.
    pub(super) fn hash_in_name(&self) -> Option<String> {
        let first = self.hashes.first();
        first.map(|(_, digest)| HEXLOWER_PERMISSIVE.encode(digest))
    }
}

/// Who may sign files of a kind.
#[derive(Debug, Clone)]
pub(super) struct Role {
    threshold: usize,
    keys: Vec<(String, PublicKey)>,
}

/// Who may sign what: a root that was read, and not yet believed.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) signed: Signed,
    pub(super) bytes: Vec<u8>,
    roles: BTreeMap<Kind, Role>,
}

impl Root {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TufError> {
        let signed = Signed::parse(bytes, Kind::Root)?;
        let malformed = |what| TufError::Malformed {
            kind: Kind::Root,
            what,
        };
        // Others change files under the same name, so that what belongs together can't be had together.
        if signed.body.member("consistent_snapshot") != Some(&Value::Bool(true)) {
            return Err(malformed("`consistent_snapshot`"));
        }
        let keys = keys(&signed.body).ok_or(malformed("`keys`"))?;
        let roles = signed.body.member("roles").ok_or(malformed("`roles`"))?;
        let roles = Kind::ALL.map(|kind| {
            let role = roles
                .member(kind.as_str())
                .and_then(|role| role_of(role, &keys));
            Ok((kind, role.ok_or(malformed("`roles`"))?))
        });
        let roles = roles.into_iter().collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self {
            roles,
            bytes: bytes.to_vec(),
            signed,
        })
    }

    pub(super) fn role(&self, kind: Kind) -> &Role {
        // Each kind was read, or there is no root.
        &self.roles[&kind]
    }
}

fn role_of(role: &Value, keys: &BTreeMap<String, Option<PublicKey>>) -> Option<Role> {
    let threshold = usize::try_from(role.member("threshold")?.as_u64()?).ok()?;
    let names = role.member("keyids")?.as_array()?;
    let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
    let names = names?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if threshold == 0 || distinct.len() != names.len() || names.len() > KEYS_MAX {
        return None;
    }
    let named = |name: &&str| Some(((*name).to_owned(), keys.get(*name)?.clone()?));
    Some(Role {
        threshold,
        keys: names.iter().filter_map(named).collect(),
    })
}

/// All keys by their names; those of kinds that are not used here sign nothing.
fn keys(body: &Value) -> Option<BTreeMap<String, Option<PublicKey>>> {
    let keys = body.member("keys")?.as_object()?;
    if keys.len() > KEYS_MAX {
        return None;
    }
    let read = |(name, key): &(String, Value)| {
        let public = key.member("keyval")?.member("public")?.as_str()?;
        let scheme = key.member("scheme")?.as_str()?;
        Some((name.clone(), key_of(scheme, public)))
    };
    keys.iter().map(read).collect()
}

fn key_of(scheme: &str, public: &str) -> Option<PublicKey> {
    use crate::KeyAlgorithm::{P256, P384};
    let of_pem = || PublicKey::from_pem(public).ok();
    match scheme {
        "ecdsa-sha2-nistp256" => of_pem().filter(|key| key.algorithm() == P256),
        "ecdsa-sha2-nistp384" => of_pem().filter(|key| key.algorithm() == P384),
        "ed25519" => {
            let raw = HEXLOWER_PERMISSIVE.decode(public.as_bytes()).ok()?;
            let der = [&ED25519_PREFIX[..], &raw].concat();
            PublicKey::from_spki_der(&der).ok()
        }
        _ => None,
    }
}

fn signatures(document: &Value) -> Option<Vec<(String, Vec<u8>)>> {
    let signatures = document.member("signatures")?.as_array()?;
    if signatures.len() > KEYS_MAX {
        return None;
    }
    let read = |signature: &Value| {
        let by = signature.member("keyid")?.as_str()?;
        // A place that was kept for somebody who did not sign is empty.
        let bytes = signature.member("sig")?.as_str()?;
        let bytes = HEXLOWER_PERMISSIVE.decode(bytes.as_bytes()).ok()?;
        Some((by.to_owned(), bytes))
    };
    signatures.iter().map(read).collect()
}

fn version_of(value: &Value) -> Option<u64> {
    let version = value.member("version")?.as_u64()?;
    (version > 0).then_some(version)
}

/// The hashes that are known here, of which there must be one.
fn hashes_of(value: &Value) -> Option<Vec<(Hash, Vec<u8>)>> {
    let mut hashes = Vec::new();
    for (name, hash) in [("sha256", Hash::Sha256), ("sha512", Hash::Sha512)] {
        if let Some(text) = value.member(name) {
            let digest = HEXLOWER_PERMISSIVE.decode(text.as_str()?.as_bytes()).ok()?;
            hashes.push((hash, digest));
        }
    }
    (!hashes.is_empty()).then_some(hashes)
}

/// Canonical JSON of OLPC: no spaces, members in order, integers alone, and only `"` and `\` escaped.
fn write_canonical(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(text) => {
            let number: i64 = text.parse().ok()?;
            (number.to_string() == *text).then_some(())?;
            out.extend(text.bytes());
        }
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_canonical(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push(b'{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write_canonical(value, out)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_has_one_form() {
        let canonical = |text: &str| {
            let mut out = Vec::new();
            let value = json::value(text.as_bytes(), Limits::SMALL).unwrap();
            write_canonical(&value, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            canonical(r#"{"b": [1, true, null, -7], "a\"\\\n": "\u00e9", "B": {}}"#).as_deref(),
            Some("{\"B\":{},\"a\\\"\\\\\n\":\"\u{e9}\",\"b\":[1,true,null,-7]}")
        );
        for odd in ["1.0", "1e3", "-0", "99999999999999999999"] {
            assert_eq!(canonical(odd), None, "{odd}");
        }
    }
}
