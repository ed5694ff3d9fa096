//! The trust root: which keys we believe, for what, and how long. One TOML file.
//!
//! It is trusted: whoever can change it can make every gate say yes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use digest::Digest;

use crate::sigstore::SigstoreRootError;
use crate::x509::{Certificate, CertificateError, Identity, ParseIdentityError};
use crate::{Error, KeyError, KeyId, PublicKey, SigstoreRoot, Time, toml_cause};

mod certificate;
mod identity;

pub use certificate::RootCertificate;
pub use identity::RootIdentity;

const FORMAT: &str = "modelward-trust-root/v1";
const SIZE_BYTES_MAX: usize = 1 << 20;
const KEYS_MAX: usize = 1_000;

/// What a key may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// That data may be used.
    Dataset,
    /// How something was built.
    Build,
    /// What a scan found.
    Scan,
    /// Which files a model has.
    Sign,
    /// Where a model may be published.
    Publish,
    /// For whom a model may be deployed.
    Deploy,
    /// That a model was let in.
    Admit,
    /// That a server answers with a model.
    Serve,
    /// That something is bad.
    Recall,
    /// That a person looked at a model and is for it.
    Approve,
    /// That a model may pass a policy for a while.
    BreakGlass,
}

impl Role {
    /// All roles, in the order of the chain.
    pub const ALL: [Self; 11] = [
        Self::Dataset,
        Self::Build,
        Self::Scan,
        Self::Sign,
        Self::Publish,
        Self::Deploy,
        Self::Admit,
        Self::Serve,
        Self::Recall,
        Self::Approve,
        Self::BreakGlass,
    ];

    /// The role's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Build => "build",
            Self::Scan => "scan",
            Self::Sign => "sign",
            Self::Publish => "publish",
            Self::Deploy => "deploy",
            Self::Admit => "admit",
            Self::Serve => "serve",
            Self::Recall => "recall",
            Self::Approve => "approve",
            Self::BreakGlass => "break-glass",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == word);
        known.ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
            format!("`{word}` is no role; the roles are {}", words.join(", "))
        })
    }
}

/// A key that the root knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKey {
    /// What the root calls it.
    pub name: String,
    /// The key.
    pub public_key: PublicKey,
    /// What it may say.
    pub roles: Vec<Role>,
    /// The names it may speak for: builder, publisher and deployer identities.
    pub speaks_for: Vec<String>,
    /// From when.
    pub valid_from: Time,
    /// Until when.
    pub valid_until: Time,
}

/// Who is believed about when keys signed, and that they did it in the open. A trust root's file names nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyWitnesses {
    /// The authorities whose timestamps are believed; with none, a timestamp says nothing.
    pub timestamp_anchors: Vec<Certificate>,
    /// The Sigstore whose logs and timestamps are believed: every signature must be in one of them. With none, an entry says
    /// nothing.
    pub sigstore: Option<SigstoreRoot>,
}

/// Which keys, certificates and logs we believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    serial: u64,
    valid_from: Time,
    expires: Time,
    keys: BTreeMap<KeyId, RootKey>,
    certificates: Vec<RootCertificate>,
    identities: Vec<RootIdentity>,
    logs: Vec<String>,
    key_witnesses: KeyWitnesses,
    digest: Digest,
}

impl TrustRoot {
    /// A new, empty root.
    #[must_use]
    pub fn new(valid_from: Time, expires: Time) -> Self {
        let empty = Self {
            serial: 1,
            valid_from,
            expires,
            keys: BTreeMap::new(),
            certificates: Vec::new(),
            identities: Vec::new(),
            logs: Vec::new(),
            key_witnesses: KeyWitnesses::default(),
            digest: Digest::of(b""),
        };
        empty.redigested()
    }

    /// A root that believes one key in one role at any time: what `--public-key FILE` means.
    #[must_use]
    pub fn of_key(public_key: PublicKey, role: Role) -> Self {
        let (always, never) = (Time::from_unix(i64::MIN), Time::from_unix(i64::MAX));
        let name = public_key.id().short();
        let key = RootKey {
            name,
            public_key,
            roles: vec![role],
            speaks_for: vec![],
            valid_from: always,
            valid_until: never,
        };
        Self::new(always, never).with_key(key)
    }

    /// A root that believes certificates of some authorities in one role at any time: what `--certificate-chain FILE` means.
    #[must_use]
    pub fn of_authorities(
        anchors: Vec<Certificate>,
        identity: Option<Identity>,
        timestamp_anchors: Vec<Certificate>,
        role: Role,
    ) -> Self {
        let (always, never) = (Time::from_unix(i64::MIN), Time::from_unix(i64::MAX));
        let name = identity
            .as_ref()
            .map_or("whoever they certify".to_owned(), ToString::to_string);
        Self::new(always, never).with_certificate(RootCertificate {
            name,
            anchors,
            identity,
            timestamp_anchors,
            roles: vec![role],
            speaks_for: vec![],
            valid_from: always,
            valid_until: never,
        })
    }

    /// A root that believes one identity of one Sigstore in one role at any time: what `--identity WHO` means.
    #[must_use]
    pub fn of_identity(
        identity: String,
        issuer: String,
        sigstore: SigstoreRoot,
        role: Role,
    ) -> Self {
        let (always, never) = (Time::from_unix(i64::MIN), Time::from_unix(i64::MAX));
        Self::new(always, never).with_identity(RootIdentity {
            name: identity.clone(),
            identity,
            issuer,
            sigstore,
            roles: vec![role],
            speaks_for: vec![],
            valid_from: always,
            valid_until: never,
        })
    }

    /// Reads a root.
    ///
    /// # Errors
    /// It is no TOML, has an unknown key, a bad key, role or time, or a key or name twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        if bytes.len() > SIZE_BYTES_MAX {
            return Err(RootError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RootError::NotText)?;
        let wire: wire::Root =
            toml::from_str(text).map_err(|e| RootError::Toml(toml_cause(text, &e)))?;
        if wire.format != FORMAT {
            return Err(RootError::Format(wire.format));
        }
        if wire.key.len() > KEYS_MAX
            || wire.certificate.len() > KEYS_MAX
            || wire.identity.len() > KEYS_MAX
            || wire.log.len() > KEYS_MAX
        {
            return Err(RootError::TooLong);
        }
        let mut root = Self::new(wire.valid_from, wire.expires);
        root.serial = wire.serial;
        for key in wire.key {
            let key = read_key(key)?;
            if root.keys.values().any(|other| other.name == key.name)
                || root.keys.contains_key(&key.public_key.id())
            {
                return Err(RootError::Twice(key.name));
            }
            root.keys.insert(key.public_key.id(), key);
        }
        for holder in wire.certificate {
            let holder = RootCertificate::read(holder)?;
            if root.has_name(&holder.name) {
                return Err(RootError::Twice(holder.name));
            }
            root.certificates.push(holder);
        }
        for signer in wire.identity {
            let signer = RootIdentity::read(signer)?;
            if root.has_name(&signer.name) {
                return Err(RootError::Twice(signer.name));
            }
            root.identities.push(signer);
        }
        root.logs = wire.log.into_iter().map(|log| log.verifier_key).collect();
        root.digest = Digest::of(bytes);
        Ok(root)
    }

    /// The root as its file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let wire = wire::Root {
            format: FORMAT.to_owned(),
            serial: self.serial,
            valid_from: self.valid_from,
            expires: self.expires,
            key: self.keys.values().map(write_key).collect(),
            certificate: self
                .certificates
                .iter()
                .map(RootCertificate::write)
                .collect(),
            identity: self.identities.iter().map(RootIdentity::write).collect(),
            log: self
                .logs
                .iter()
                .map(|key| wire::Log {
                    verifier_key: key.clone(),
                })
                .collect(),
        };
        // Strings, numbers and lists of tables always serialise.
        toml::to_string(&wire).unwrap_or_default()
    }

    /// Says whether this root holds at `now`.
    ///
    /// # Errors
    /// Its time has not come, or is over.
    pub fn check_time(&self, now: Time) -> Result<(), Error> {
        if now < self.valid_from {
            return Err(Error::RootNotYetValid {
                valid_from: self.valid_from,
                now,
            });
        }
        if now >= self.expires {
            return Err(Error::RootExpired {
                expires: self.expires,
                now,
            });
        }
        Ok(())
    }

    /// The key of this name, whatever it may say.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&RootKey> {
        self.keys.get(&id)
    }

    /// Everybody who is known by a certificate.
    pub fn certificates(&self) -> impl Iterator<Item = &RootCertificate> {
        self.certificates.iter()
    }

    /// Everybody who is known by an identity that a provider vouches for.
    pub fn identities(&self) -> impl Iterator<Item = &RootIdentity> {
        self.identities.iter()
    }

    /// Whether a key, a certificate's holder or an identity is called so.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        let keys = self.keys.values().map(|key| &key.name);
        let certificates = self.certificates.iter().map(|holder| &holder.name);
        let identities = self.identities.iter().map(|signer| &signer.name);
        keys.chain(certificates)
            .chain(identities)
            .any(|own| own == name)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &RootKey> {
        self.keys.values()
    }

    /// The same root, whose file and digest are as they were: where it says `production`, this newer root of the public Sigstore
    /// is meant.
    #[must_use]
    pub fn with_production(mut self, newer: &SigstoreRoot) -> Self {
        for signer in &mut self.identities {
            if signer.is_of_production() {
                signer.sigstore = newer.clone().as_production();
            }
        }
        self
    }

    /// The root, with these witnesses of what its keys sign.
    #[must_use]
    pub fn with_key_witnesses(mut self, witnesses: KeyWitnesses) -> Self {
        self.key_witnesses = witnesses;
        self
    }

    /// Who is believed about when keys signed.
    #[must_use]
    pub const fn key_witnesses(&self) -> &KeyWitnesses {
        &self.key_witnesses
    }

    /// The verifier keys of the logs we believe (C2SP signed-note `vkey` lines).
    #[must_use]
    pub fn logs(&self) -> &[String] {
        &self.logs
    }

    /// The digest of the root's file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How often it was changed.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// From when it holds.
    #[must_use]
    pub const fn valid_from(&self) -> Time {
        self.valid_from
    }

    /// Until when it holds.
    #[must_use]
    pub const fn expires(&self) -> Time {
        self.expires
    }

    /// The next root: with this key, new or instead of the one of its name.
    #[must_use]
    pub fn with_key(mut self, key: RootKey) -> Self {
        self.keys.retain(|_, other| other.name != key.name);
        self.keys.insert(key.public_key.id(), key);
        self.next()
    }

    /// The next root: with this certificate's holder, new or instead of the one of its name.
    #[must_use]
    pub fn with_certificate(mut self, holder: RootCertificate) -> Self {
        self.certificates.retain(|other| other.name != holder.name);
        self.certificates.push(holder);
        self.next()
    }

    /// The next root: with this identity, new or instead of the one of its name.
    #[must_use]
    pub fn with_identity(mut self, signer: RootIdentity) -> Self {
        self.identities.retain(|other| other.name != signer.name);
        self.identities.push(signer);
        self.next()
    }

    /// The next root: without the key, certificate or identity of this name.
    #[must_use]
    pub fn without_key(mut self, name: &str) -> Self {
        self.keys.retain(|_, key| key.name != name);
        self.certificates.retain(|holder| holder.name != name);
        self.identities.retain(|signer| signer.name != name);
        self.next()
    }

    /// The next root: with this log.
    #[must_use]
    pub fn with_log(mut self, verifier_key: String) -> Self {
        if !self.logs.contains(&verifier_key) {
            self.logs.push(verifier_key);
        }
        self.next()
    }

    /// The next root: for this time.
    #[must_use]
    pub fn with_times(mut self, valid_from: Time, expires: Time) -> Self {
        (self.valid_from, self.expires) = (valid_from, expires);
        self.next()
    }

    fn next(mut self) -> Self {
        self.serial = self.serial.saturating_add(1);
        self.redigested()
    }

    fn redigested(mut self) -> Self {
        self.digest = Digest::of(self.to_toml().as_bytes());
        self
    }
}

fn read_key(wire: wire::Key) -> Result<RootKey, RootError> {
    let bad = |cause| RootError::Key {
        name: wire.name.clone(),
        cause,
    };
    let public_key = PublicKey::from_pem(&wire.public_key).map_err(bad)?;
    let roles: Result<Vec<Role>, String> = wire.roles.iter().map(|role| role.parse()).collect();
    Ok(RootKey {
        public_key,
        roles: roles.map_err(RootError::Role)?,
        speaks_for: wire.speaks_for,
        valid_from: wire.valid_from,
        valid_until: wire.valid_until,
        name: wire.name,
    })
}

fn write_key(key: &RootKey) -> wire::Key {
    wire::Key {
        name: key.name.clone(),
        public_key: key.public_key.pem().to_owned(),
        roles: key.roles.iter().map(ToString::to_string).collect(),
        speaks_for: key.speaks_for.clone(),
        valid_from: key.valid_from,
        valid_until: key.valid_until,
    }
}

mod wire {
    use serde::{Deserialize, Serialize};

    use crate::Time;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Root {
        pub(super) format: String,
        pub(super) serial: u64,
        pub(super) valid_from: Time,
        pub(super) expires: Time,
        #[serde(default)]
        pub(super) key: Vec<Key>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) certificate: Vec<super::certificate::Wire>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) identity: Vec<super::identity::Wire>,
        #[serde(default)]
        pub(super) log: Vec<Log>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Key {
        pub(super) name: String,
        pub(super) public_key: String,
        pub(super) roles: Vec<String>,
        #[serde(default)]
        pub(super) speaks_for: Vec<String>,
        pub(super) valid_from: Time,
        pub(super) valid_until: Time,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Log {
        pub(super) verifier_key: String,
    }
}

/// Why a file is no trust root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Over a limit.
    #[error("the trust root is longer than 1 MiB or has more than {KEYS_MAX} keys")]
    TooLong,
    /// Not UTF-8.
    #[error("the trust root is not text")]
    NotText,
    /// Not TOML of the right shape.
    #[error("the trust root can't be read: {0}")]
    Toml(String),
    /// Of another format.
    #[error("the trust root is of format `{0}`, not `{FORMAT}`")]
    Format(String),
    /// A bad key.
    #[error("the trust root's key `{name}` can't be read")]
    Key {
        /// Which.
        name: String,
        /// Why.
        #[source]
        cause: KeyError,
    },
    /// A bad certificate.
    #[error("the trust root's certificates of `{name}` can't be read")]
    Certificate {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        cause: CertificateError,
    },
    /// A bad identity.
    #[error(transparent)]
    Identity(#[from] ParseIdentityError),
    /// A bad root of a Sigstore.
    #[error("the trust root's Sigstore of `{name}` can't be read")]
    Sigstore {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        cause: SigstoreRootError,
    },
    /// A bad role.
    #[error("{0}")]
    Role(String),
    /// A name or key twice.
    #[error("the trust root names the key `{0}` twice")]
    Twice(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrivateKey, Signer};

    fn root() -> TrustRoot {
        let key = RootKey {
            name: "builder".into(),
            public_key: PrivateKey::from_random(&[7; 32])
                .unwrap()
                .public_key()
                .clone(),
            roles: vec![Role::Build],
            speaks_for: vec!["https://example.com/builder".into()],
            valid_from: Time::from_unix(0),
            valid_until: Time::from_unix(100),
        };
        TrustRoot::new(Time::from_unix(0), Time::from_unix(1000))
            .with_key(key)
            .with_log("log+00+aa".into())
    }

    #[test]
    fn a_root_survives_its_file() {
        let text = root().to_toml();
        assert_eq!(TrustRoot::parse(text.as_bytes()), Ok(root()));
        assert_eq!(root().serial(), 3);
    }

    #[test]
    fn refuses_what_is_not_one() {
        let good = root().to_toml();
        for (from, to) in [
            ("serial = 3", "serial = 3\nsreial = 3"),
            ("serial = 3", "serial = 3\nserial = 4"),
            ("\"build\"", "\"bulid\""),
            ("/v1", "/v2"),
            ("1970-01-01T00:00:00Z", "yesterday"),
            ("MFkw", "MFkx"),
            ("expires", "expries"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(TrustRoot::parse(bad.as_bytes()).is_err(), "{from} -> {to}");
        }
        let key_again = good
            .split("[[key]]")
            .nth(1)
            .unwrap()
            .split("[[log]]")
            .next()
            .unwrap();
        let doubled = format!("{good}\n[[key]]{key_again}");
        assert_eq!(
            TrustRoot::parse(doubled.as_bytes()),
            Err(RootError::Twice("builder".into()))
        );
        assert!(TrustRoot::parse(b"\xff").is_err());
        assert!(TrustRoot::parse(&vec![b'#'; SIZE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_root_has_its_time() {
        let at = |seconds| {
            root()
                .check_time(Time::from_unix(seconds))
                .map_err(|e| e.code().as_str())
        };
        assert_eq!(
            (at(-1), at(0), at(999), at(1000)),
            (
                Err("root_not_yet_valid"),
                Ok(()),
                Ok(()),
                Err("root_expired")
            )
        );
    }
}
