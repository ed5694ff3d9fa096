//! Somebody whom the root knows by an identity that a provider vouches for, at one Sigstore.

use serde::{Deserialize, Serialize};

use super::{Role, RootError};
use crate::{SigstoreRoot, Time};

/// Somebody who signs keylessly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootIdentity {
    /// What the root calls them.
    pub name: String,
    /// To whom their certificates are made out: an e-mail address or a URI, to the letter.
    pub identity: String,
    /// The provider that vouches for the identity: its issuer URL, to the letter.
    pub issuer: String,
    /// The authorities and logs whose word is taken.
    pub sigstore: SigstoreRoot,
    /// What they may say.
    pub roles: Vec<Role>,
    /// The names they may speak for.
    pub speaks_for: Vec<String>,
    /// From when.
    pub valid_from: Time,
    /// Until when.
    pub valid_until: Time,
}

/// An `[[identity]]` of the root's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    name: String,
    identity: String,
    issuer: String,
    /// `production`, `staging`, or the JSON text of a root.
    trusted_root: String,
    roles: Vec<String>,
    #[serde(default)]
    speaks_for: Vec<String>,
    valid_from: Time,
    valid_until: Time,
}

impl RootIdentity {
    /// Whether it is the public Sigstore by which they are known.
    #[must_use]
    pub fn is_of_production(&self) -> bool {
        self.sigstore.name() == SigstoreRoot::production().name()
    }

    pub(super) fn read(wire: Wire) -> Result<Self, RootError> {
        let bad = |cause| RootError::Sigstore {
            name: wire.name.clone(),
            cause,
        };
        let sigstore = match wire.trusted_root.as_str() {
            "production" => SigstoreRoot::production(),
            "staging" => SigstoreRoot::staging(),
            text => SigstoreRoot::parse(text.as_bytes()).map_err(bad)?,
        };
        let roles: Result<Vec<Role>, String> = wire.roles.iter().map(|role| role.parse()).collect();
        Ok(Self {
            identity: wire.identity,
            issuer: wire.issuer,
            sigstore,
            roles: roles.map_err(RootError::Role)?,
            speaks_for: wire.speaks_for,
            valid_from: wire.valid_from,
            valid_until: wire.valid_until,
            name: wire.name,
        })
    }

    pub(super) fn write(&self) -> Wire {
        let embedded = self.sigstore.name();
        Wire {
            name: self.name.clone(),
            identity: self.identity.clone(),
            issuer: self.issuer.clone(),
            trusted_root: embedded.unwrap_or(self.sigstore.text()).to_owned(),
            roles: self.roles.iter().map(ToString::to_string).collect(),
            speaks_for: self.speaks_for.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrustRoot;

    fn root(sigstore: SigstoreRoot) -> TrustRoot {
        let (identity, issuer) = ("a@example.com".into(), "https://example.com".into());
        TrustRoot::of_identity(identity, issuer, sigstore, Role::Sign)
            .with_times(Time::from_unix(0), Time::from_unix(1000))
    }

    #[test]
    fn a_root_with_an_identity_survives_its_file() {
        let other = SigstoreRoot::production()
            .text()
            .replace("sigstore.dev", "example.com");
        let other = SigstoreRoot::parse(other.as_bytes()).unwrap();
        for sigstore in [SigstoreRoot::production(), SigstoreRoot::staging(), other] {
            let text = root(sigstore.clone()).to_toml();
            let read = TrustRoot::parse(text.as_bytes()).unwrap();
            assert_eq!(read, root(sigstore));
            assert_eq!(read.identities().count(), 1);
            assert_eq!(read.without_key("a@example.com").identities().count(), 0);
        }
    }

    /// The name stays in the file, and the digest is the file's.
    #[test]
    fn production_may_be_a_newer_one() {
        let newer = SigstoreRoot::staging();
        let read = |sigstore| TrustRoot::parse(root(sigstore).to_toml().as_bytes()).unwrap();
        let before = read(SigstoreRoot::production());
        let after = before.clone().with_production(&newer);
        let told = |root: &TrustRoot| root.identities().next().unwrap().sigstore.clone();
        assert_eq!(told(&after).text(), newer.text());
        assert_eq!(
            (told(&after).name(), after.digest()),
            (Some("production"), before.digest())
        );
        assert_eq!(after.to_toml(), before.to_toml());
        // Another Sigstore stays what it is.
        let other = read(SigstoreRoot::staging());
        assert_eq!(
            other.clone().with_production(&SigstoreRoot::production()),
            other
        );
    }

    #[test]
    fn refuses_what_is_no_identity() {
        let good = root(SigstoreRoot::production()).to_toml();
        for (from, to) in [
            ("\"production\"", "\"prod\""),
            ("issuer", "isuser"),
            ("\"sign\"", "\"sing\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(TrustRoot::parse(bad.as_bytes()).is_err(), "{from} -> {to}");
        }
        let again = good.split("[[identity]]").nth(1).unwrap();
        let doubled = format!("{good}\n[[identity]]{again}");
        let name = "a@example.com".to_owned();
        assert_eq!(
            TrustRoot::parse(doubled.as_bytes()),
            Err(RootError::Twice(name))
        );
    }
}
