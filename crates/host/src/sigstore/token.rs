//! Identity tokens (OpenID Connect): who signs, by word of a provider. Whoever has one can sign as them while it holds.

use std::io;

use data_encoding::BASE64URL_NOPAD;
use decode::json::{self, Limits, Value};
use trust::{Code, Time};
use zeroize::Zeroizing;

use super::HttpError;
use crate::keys::KeyFileError;

const SIZE_BYTES_MAX: usize = 64 * 1024;
/// For whom tokens must be made, so that one made for another service signs nothing.
pub(super) const AUDIENCE: &str = "sigstore";

/// A token that holds now, as its own words say. Whether its provider signed it is the certificate authority's question.
pub struct IdentityToken {
    text: Zeroizing<String>,
    subject: String,
}

impl std::fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityToken({})", self.subject)
    }
}

impl IdentityToken {
    /// Reads a token (a JSON Web Token in its compact form) that is made for Sigstore.
    ///
    /// # Errors
    /// It is none, is made for another service, names nobody, or is over.
    pub fn parse(text: &str, now: Time) -> Result<Self, TokenError> {
        Self::made_for(text, AUDIENCE, now)
    }

    /// Reads a token that is made for this service, or for whoever asks by this name.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn made_for(text: &str, audience: &str, now: Time) -> Result<Self, TokenError> {
        let trimmed = text.trim();
        let claims = claims(trimmed).ok_or(TokenError::Malformed)?;
        let said = |name: &str| claims.member(name).and_then(Value::as_str);
        let is_ours = match claims.member("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if !is_ours {
            let audience = audience.to_owned();
            return Err(TokenError::Audience { audience });
        }
        let expires = match claims.member("exp") {
            Some(Value::Number(seconds)) => seconds.parse().ok().map(Time::from_unix),
            _ => None,
        };
        let expires = expires.ok_or(TokenError::Malformed)?;
        if expires <= now {
            return Err(TokenError::Expired { expires });
        }
        let verified = claims.member("email_verified") != Some(&Value::Bool(false));
        // What the authority takes for the holder's name, which the key must sign.
        let subject = match said("email") {
            Some(_) if !verified => return Err(TokenError::EmailNotVerified),
            Some(email) => email,
            None => said("sub").ok_or(TokenError::Malformed)?,
        };
        Ok(Self {
            subject: subject.to_owned(),
            text: Zeroizing::new(trimmed.to_owned()),
        })
    }

    /// As [`Self::parse`], of a sign-in by this provider with this nonce.
    pub(super) fn of_login(
        text: &str,
        audience: &str,
        (issuer, nonce): (&str, &str),
        now: Time,
    ) -> Result<Self, TokenError> {
        let claims = claims(text.trim()).ok_or(TokenError::Malformed)?;
        let said = |name: &str| claims.member(name).and_then(Value::as_str);
        if said("nonce") != Some(nonce) {
            return Err(TokenError::OtherLogin);
        }
        if said("iss") != Some(issuer) {
            return Err(TokenError::OtherProvider);
        }
        Self::made_for(text, audience, now)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }
}

fn claims(token: &str) -> Option<Value> {
    (token.len() <= SIZE_BYTES_MAX).then_some(())?;
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(())?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    json::from_slice(&claims, Limits::SMALL).ok()
}

/// Why there is no token to sign with.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a token.
    #[error("the identity token is no JSON Web Token with `aud`, `exp` and `sub`")]
    Malformed,
    /// Made for another.
    #[error("the identity token is not made for `{audience}`")]
    Audience {
        /// For whom it should be.
        audience: String,
    },
    /// Over.
    #[error("the identity token was valid until {expires}")]
    Expired {
        /// Until when it held.
        expires: Time,
    },
    /// An address that the provider did not check.
    #[error("the identity token's e-mail address was not verified by its provider")]
    EmailNotVerified,
    /// Nobody gives one.
    #[error("nobody here gives an identity token")]
    Missing,
    /// The place gives tokens, and none to this job.
    #[error("{place} gives this job no identity token: {why}")]
    Place {
        /// Where this runs.
        place: &'static str,
        /// Why not, as far as it is known.
        why: String,
    },
    /// No port is free, or it can't be listened at.
    #[error("this machine can't wait for a browser")]
    Listen(#[source] io::Error),
    /// The time to sign in was over.
    #[error("nobody signed in in time")]
    NobodyCame,
    /// The provider said no, or the person did.
    #[error("the provider refused the sign-in: `{said}`")]
    Declined {
        /// What it said.
        said: String,
    },
    /// The clock can't be right.
    #[error(transparent)]
    Clock(crate::clock::ClockError),
    /// It came of another sign-in.
    #[error("the answer is of another sign-in than this one")]
    OtherLogin,
    /// Another than the one that was asked made it.
    #[error("another provider made the identity token than the one that was asked")]
    OtherProvider,
    /// There is nowhere to sign in.
    #[error("the signing configuration names no provider at which people sign in")]
    NoProvider,
    /// The provider is not understood.
    #[error("the provider answers in a way that is not understood")]
    Provider,
    /// The kernel has no random bytes.
    #[error(transparent)]
    Random(KeyFileError),
    /// The service that gives them does not.
    #[error("no identity token could be had")]
    Http(#[from] HttpError),
}

impl TokenError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Http(_) | Self::Provider => Code::Network,
            Self::Random(error) => error.code(),
            Self::Clock(error) => error.code(),
            Self::Listen(_) => Code::Io,
            Self::Missing
            | Self::NoProvider
            | Self::Place { .. }
            | Self::NobodyCame
            | Self::Declined { .. } => Code::KeyMissing,
            _ => Code::KeyInvalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(claims: &str) -> Result<String, String> {
        let token = format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let token = IdentityToken::parse(&token, Time::from_unix(100));
        token.map(|token| token.subject).map_err(|e| e.to_string())
    }

    #[test]
    fn a_token_names_somebody_and_holds() {
        let good = r#"{"aud":"sigstore","exp":101,"sub":"s","email":"a@b","email_verified":true}"#;
        assert_eq!(said(good), Ok("a@b".to_owned()));
        assert_eq!(said(&good.replace("email", "mail")), Ok("s".to_owned()));
        assert_eq!(
            said(&good.replace("\"sigstore\"", "[\"x\",\"sigstore\"]")),
            Ok("a@b".to_owned())
        );
        for (from, to) in [
            ("\"sigstore\"", "\"other\""),
            ("\"sigstore\"", "[]"),
            ("\"aud\"", "\"au\""),
            ("101", "100"),
            ("101", "\"101\""),
            ("true", "false"),
            ("\"sub\"", "\"aud\""),
            ("}", ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(said(&bad).is_err(), "{from} -> {to}");
        }
        let parse = |text: &str| IdentityToken::parse(text, Time::from_unix(0));
        for bad in ["", "a.b", "a.b.c.d", "e30.e30=.c2ln"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let long = format!("e30.{}.c2ln", "a".repeat(SIZE_BYTES_MAX));
        assert!(parse(&long).is_err());
    }
}
