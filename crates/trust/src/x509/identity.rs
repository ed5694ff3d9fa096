//! Who a certificate is made out to, and whether that is who was expected.

use std::fmt;
use std::str::FromStr;

use digest::Digest;

use super::{AlternativeName, Certificate};

/// Something that a certificate can be known by. Written `subject:CN=signer,O=Example`, `uri:https://…`, `email:…`,
/// `dns:…`, `username:…` or `sha256:…` (the fingerprint), and compared to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The subject's distinguished name, as RFC 4514 writes it.
    Subject(String),
    /// Another name of the subject.
    Alternative(AlternativeName),
    /// SHA-256 of the certificate.
    Fingerprint(Digest),
}

impl Certificate {
    /// All that it can be known by; its fingerprint comes last.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        let subject = self.subject().as_str();
        let subject = (!subject.is_empty()).then(|| Identity::Subject(subject.to_owned()));
        let names = self.extensions().alternative_names.iter().cloned();
        let fingerprint = Identity::Fingerprint(self.fingerprint());
        subject
            .into_iter()
            .chain(names.map(Identity::Alternative))
            .chain([fingerprint])
            .collect()
    }
}

impl Identity {
    /// Checks that this is the certificate's.
    ///
    /// # Errors
    /// It is not; the error lists what the certificate can be known by.
    pub fn check(&self, certificate: &Certificate) -> Result<(), IdentityError> {
        let found = certificate.identities();
        if found.contains(self) {
            return Ok(());
        }
        let wanted = self.clone();
        Err(IdentityError { wanted, found })
    }

    const fn word_and_text(&self) -> (&'static str, Option<&String>) {
        match self {
            Self::Subject(name) => ("subject", Some(name)),
            Self::Alternative(AlternativeName::Uri(name)) => ("uri", Some(name)),
            Self::Alternative(AlternativeName::Email(name)) => ("email", Some(name)),
            Self::Alternative(AlternativeName::Dns(name)) => ("dns", Some(name)),
            Self::Alternative(AlternativeName::Username(name)) => ("username", Some(name)),
            Self::Fingerprint(_) => ("sha256", None),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.word_and_text()) {
            (Self::Fingerprint(digest), _) => write!(f, "sha256:{}", digest.hex()),
            (_, (word, text)) => write!(f, "{word}:{}", text.map_or("", String::as_str)),
        }
    }
}

impl FromStr for Identity {
    type Err = ParseIdentityError;

    fn from_str(text: &str) -> Result<Self, ParseIdentityError> {
        let refused = || ParseIdentityError(text.chars().take(200).collect());
        let (word, name) = text.split_once(':').ok_or_else(refused)?;
        if name.is_empty() {
            return Err(refused());
        }
        let name = name.to_owned();
        Ok(match word {
            "subject" => Self::Subject(name),
            "uri" => Self::Alternative(AlternativeName::Uri(name)),
            "email" => Self::Alternative(AlternativeName::Email(name)),
            "dns" => Self::Alternative(AlternativeName::Dns(name)),
            "username" => Self::Alternative(AlternativeName::Username(name)),
            // OpenSSL writes fingerprints with colons and capitals.
            "sha256" => Digest::from_hex(&name.replace(':', "").to_lowercase())
                .map(Self::Fingerprint)
                .map_err(|_| refused())?,
            _ => return Err(refused()),
        })
    }
}

/// The text is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no identity; write `subject:CN=…`, `uri:…`, `email:…`, `dns:…`, `username:…` or `sha256:` and the certificate's fingerprint"
)]
pub struct ParseIdentityError(String);

/// The certificate is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is not `{wanted}`; it is {}", listed(.found))]
pub struct IdentityError {
    /// Who was expected.
    pub wanted: Identity,
    /// All that the certificate can be known by.
    pub found: Vec<Identity>,
}

fn listed(identities: &[Identity]) -> String {
    let quoted: Vec<String> = identities
        .iter()
        .map(|identity| format!("`{identity}`"))
        .collect();
    quoted.join(", ")
}
