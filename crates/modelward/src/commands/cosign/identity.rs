//! Whom a keyless signature must be by: an identity and its provider, each to the letter or by an expression.

use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;
use trust::x509::{AlternativeName, Certificate};
use trust::{Bundle, Code, Denied, Material, Reason};

use crate::answer::Failure;

/// cosign's words for it.
#[derive(Debug, clap::Args)]
pub(super) struct IdentityWords {
    /// Who must have signed keylessly: an e-mail address or a URI, to the letter
    #[arg(
        long,
        value_name = "WHO",
        conflicts_with = "certificate_identity_regexp"
    )]
    certificate_identity: Option<String>,
    /// The same as an expression, which must match from the beginning: `^https://github\.com/OWNER/`
    #[arg(long, value_name = "EXPRESSION")]
    certificate_identity_regexp: Option<Pattern>,
    /// Who must vouch for them: the provider's URL, to the letter
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "certificate_oidc_issuer_regexp"
    )]
    certificate_oidc_issuer: Option<String>,
    /// The same as an expression, which must match from the beginning
    #[arg(long, value_name = "EXPRESSION")]
    certificate_oidc_issuer_regexp: Option<Pattern>,
}

impl IdentityWords {
    pub(super) const fn is_named(&self) -> bool {
        self.certificate_identity.is_some()
            || self.certificate_identity_regexp.is_some()
            || self.certificate_oidc_issuer.is_some()
            || self.certificate_oidc_issuer_regexp.is_some()
    }

    /// Who is expected, if both are said.
    pub(super) fn expected(&self) -> Result<Expected, Failure> {
        let missing = |what: &str| {
            let message = format!(
                "--certificate-{what} or --certificate-{what}-regexp is required for verification in keyless mode"
            );
            let way = "say who must have signed and who vouches for them, or give a public key: `--key FILE`";
            Failure::error(Code::Usage, message, way)
        };
        let exact = |text: &String| Name::Exact(text.clone());
        let by_pattern = |pattern: &Pattern| Name::Pattern(pattern.clone());
        let identity = self.certificate_identity.as_ref().map(exact);
        let identity =
            identity.or_else(|| self.certificate_identity_regexp.as_ref().map(by_pattern));
        let issuer = self.certificate_oidc_issuer.as_ref().map(exact);
        let issuer =
            issuer.or_else(|| self.certificate_oidc_issuer_regexp.as_ref().map(by_pattern));
        Ok(Expected {
            identity: identity.ok_or_else(|| missing("identity"))?,
            issuer: issuer.ok_or_else(|| missing("oidc-issuer"))?,
        })
    }
}

/// Whom a signature must be by.
#[derive(Debug)]
pub(super) struct Expected {
    identity: Name,
    issuer: Name,
}

#[derive(Debug)]
enum Name {
    Exact(String),
    Pattern(Pattern),
}

impl Expected {
    /// Who it must be for this bundle, to the letter: by an expression it is whom the certificate names, if that is one whom it
    /// means. That the certificate holds is for `trust` to say, which then asks for just this name.
    pub(super) fn of(&self, bundle: &Bundle) -> Result<(String, String), Failure> {
        if let (Name::Exact(identity), Name::Exact(issuer)) = (&self.identity, &self.issuer) {
            return Ok((identity.clone(), issuer.clone()));
        }
        let Material::Keyless { leaf, .. } = bundle.material() else {
            // It is refused for that, whoever is expected.
            return Ok((self.identity.to_string(), self.issuer.to_string()));
        };
        let leaf = Certificate::from_der(leaf).map_err(trust::Error::Certificate)?;
        let extensions = leaf.extensions();
        let name = extensions.alternative_names.first().map(|name| match name {
            AlternativeName::Email(text)
            | AlternativeName::Dns(text)
            | AlternativeName::Uri(text)
            | AlternativeName::Username(text) => text.as_str(),
        });
        let issuer = extensions.oidc_issuer.as_deref();
        Ok((
            self.identity.meant(name.unwrap_or_default())?,
            self.issuer.meant(issuer.unwrap_or_default())?,
        ))
    }
}

impl Name {
    fn meant(&self, found: &str) -> Result<String, Failure> {
        match self {
            Self::Exact(text) => Ok(text.clone()),
            Self::Pattern(pattern) if pattern.fits(found) => Ok(found.to_owned()),
            Self::Pattern(pattern) => {
                let message = format!(
                    "no matching CertificateIdentity found: `{found}` signed, which `{pattern}` does not match from its beginning"
                );
                let way = "expect whom you trust to sign this";
                let reason = Reason::new(Code::IdentityMismatch, message, way);
                Err(Denied::because(reason).into())
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// A regular expression. It matches in time that grows with the text alone.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// What matches somewhere in the middle would let anybody in who can put those words into a name of their own:
    /// `https://evil.example/https://github.com/OWNER/`.
    fn fits(&self, text: &str) -> bool {
        !text.is_empty() && self.0.find(text).is_some_and(|found| found.start() == 0)
    }
}

impl FromStr for Pattern {
    type Err = regex_lite::Error;

    fn from_str(text: &str) -> Result<Self, regex_lite::Error> {
        Regex::new(text).map(Self)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_from_the_beginning() {
        let fits = |pattern: &str, text: &str| pattern.parse::<Pattern>().unwrap().fits(text);
        let url = "https://github.com/o/r/.github/workflows/w.yml@refs/tags/v1.2.3";
        assert!(fits("^https://github\\.com/o/r/", url));
        assert!(fits(
            "https://github.com/o/r/.*@refs/tags/v[0-9]+.[0-9]+.[0-9]+$",
            url
        ));
        assert!(fits(".*", url) && !fits(".*", ""));
        assert!(!fits("github.com/o/r/", url));
        assert!(!fits("^https://github\\.com/o/r/$", url));
        assert!("(".parse::<Pattern>().is_err());
    }
}
