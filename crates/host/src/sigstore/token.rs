//! Identity tokens (OpenID Connect): who signs, by word of a provider. Whoever has one can sign as them while it holds.

use data_encoding::BASE64URL_NOPAD;
use decode::json::{self, Limits, Value};
use trust::{Code, Time};
use zeroize::Zeroizing;

use super::HttpError;
use super::http::Client;
use crate::keys::KeyFileError;

const SIZE_BYTES_MAX: usize = 64 * 1024;
/// For whom tokens must be made, so that one made for another service signs nothing.
const AUDIENCE: &str = "sigstore";

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
    /// Reads a token (a JSON Web Token in its compact form).
    ///
    /// # Errors
    /// It is none, is made for another service, names nobody, or is over.
    pub fn parse(text: &str, now: Time) -> Result<Self, TokenError> {
        let trimmed = text.trim();
        let claims = claims(trimmed).ok_or(TokenError::Malformed)?;
        let said = |name: &str| claims.member(name).and_then(Value::as_str);
        let is_ours = match claims.member("aud") {
            Some(Value::String(one)) => one == AUDIENCE,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(AUDIENCE)),
            _ => false,
        };
        if !is_ours {
            return Err(TokenError::Audience);
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

    /// The token of the place where this runs: `SIGSTORE_ID_TOKEN` (GitLab and others), or a job of GitHub Actions that may
    /// ask for one (`id-token: write`).
    ///
    /// # Errors
    /// There is none, or it can't be had.
    pub fn ambient(now: Time) -> Result<Self, TokenError> {
        if let Ok(token) = std::env::var("SIGSTORE_ID_TOKEN") {
            return Self::parse(&Zeroizing::new(token), now);
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(url), Some(secret)) = (
            variable("ACTIONS_ID_TOKEN_REQUEST_URL"),
            variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ) else {
            return Err(TokenError::Missing);
        };
        let between = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{between}audience={AUDIENCE}");
        let answer = Zeroizing::new(Client::new()?.get_json(&url, Some(&secret))?);
        let answer: Value =
            json::from_slice(&answer, Limits::SMALL).map_err(|_| TokenError::Malformed)?;
        let token = answer.member("value").and_then(Value::as_str);
        Self::parse(token.ok_or(TokenError::Malformed)?, now)
    }

    /// As [`Self::parse`], of a sign-in with this nonce.
    pub(super) fn of_login(text: &str, nonce: &str, now: Time) -> Result<Self, TokenError> {
        let claims = claims(text.trim()).ok_or(TokenError::Malformed)?;
        if claims.member("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(TokenError::OtherLogin);
        }
        Self::parse(text, now)
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
    #[error("the identity token is not made for `{AUDIENCE}`")]
    Audience,
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
    /// The clock can't be right.
    #[error(transparent)]
    Clock(crate::clock::ClockError),
    /// It came of another sign-in.
    #[error("the identity token is of another sign-in than this one")]
    OtherLogin,
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
            Self::Missing | Self::NoProvider => Code::KeyMissing,
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
