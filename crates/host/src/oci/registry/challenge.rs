//! How a registry asks who we are, and what its service of tokens answers.

use decode::json::{self, Limits};
use zeroize::Zeroizing;

use crate::sigstore::http::encoded;

/// How a registry asks who we are (RFC 6750, RFC 7617).
pub(super) enum Challenge<'a> {
    /// By a token: where to get it, and for which service.
    Bearer {
        realm: &'a str,
        service: Option<&'a str>,
    },
    /// By a name and a password.
    Basic,
}

impl<'a> Challenge<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            match name.trim_matches([' ', ',']) {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
            rest = after;
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
        })
    }
}

/// What is asked of a service of tokens: never more than what is to be done with this repository, whatever the registry would
/// have us ask.
pub(super) fn query(service: Option<&str>, scope: &str) -> String {
    let service = service.map(|service| format!("service={}&", encoded(service)));
    format!("{}scope={}", service.unwrap_or_default(), encoded(scope))
}

/// The same as a form, with what the service knows somebody by.
pub(super) fn form(query: &str, secret: &str) -> Zeroizing<String> {
    let secret = Zeroizing::new(encoded(secret));
    Zeroizing::new(format!(
        "grant_type=refresh_token&client_id=modelward&{query}&refresh_token={}",
        secret.as_str()
    ))
}

/// The token of an answer, if it can stand in a header.
pub(super) fn token(body: &[u8]) -> Option<Zeroizing<String>> {
    let answer = json::value(body, Limits::SMALL).ok()?;
    let token = answer
        .member("token")
        .or_else(|| answer.member("access_token"));
    let token = token?.as_str()?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_and_asks_for_no_more_than_is_needed() {
        let text = "Bearer realm=\"https://auth.h/token\",service=\"a b\", scope=\"repository:x:push,delete\"";
        let Some(Challenge::Bearer { realm, service }) = Challenge::parse(text) else {
            panic!("it was not read");
        };
        assert_eq!(realm, "https://auth.h/token");
        assert_eq!(
            query(service, "repository:a/m:pull"),
            "service=a%20b&scope=repository%3Aa%2Fm%3Apull"
        );
        assert!(form("scope=x", "a&b").ends_with("&scope=x&refresh_token=a%26b"));
        for basic in ["Basic realm=\"x\"", "basic"] {
            assert!(
                matches!(Challenge::parse(basic), Some(Challenge::Basic)),
                "{basic}"
            );
        }
        for none in [
            "Digest x",
            "Bearer",
            "Bearer realm=x",
            "Bearer realm=\"x",
            "",
        ] {
            assert!(Challenge::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_token_can_stand_in_a_header() {
        let text = |body: &[u8]| token(body).map(|token| token.to_string());
        assert_eq!(text(b"{\"token\":\"a.b\"}").as_deref(), Some("a.b"));
        assert_eq!(text(b"{\"access_token\":\"c\"}").as_deref(), Some("c"));
        for none in [
            "{}",
            "x",
            "{\"token\":\"\"}",
            "{\"token\":\"a\\nb\"}",
            "{\"token\":7}",
            "{\"token\":\"a\",\"token\":\"b\"}",
        ] {
            assert!(token(none.as_bytes()).is_none(), "{none}");
        }
    }
}
