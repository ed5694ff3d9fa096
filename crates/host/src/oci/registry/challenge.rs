//! How a registry asks for a token, and what its service answers.

use decode::json::{self, Limits};

use crate::sigstore::http::encoded;

/// How a registry asks for a token (RFC 6750): where to get it, and for which service.
pub(super) struct Challenge<'a> {
    realm: &'a str,
    service: Option<&'a str>,
}

impl<'a> Challenge<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, mut rest) = text.split_once(' ')?;
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
        Some(Self {
            realm: realm?,
            service,
        })
    }

    /// Reading this repository is all that is asked for, whatever the registry would have us ask.
    pub(super) fn address(&self, repository: &str) -> String {
        let separator = if self.realm.contains('?') { '&' } else { '?' };
        let service = self
            .service
            .map(|service| format!("service={}&", encoded(service)));
        let scope = encoded(&format!("repository:{repository}:pull"));
        format!(
            "{}{separator}{}scope={scope}",
            self.realm,
            service.unwrap_or_default()
        )
    }
}

/// The token of an answer, if it can stand in a header.
pub(super) fn token(body: &[u8]) -> Option<String> {
    let answer = json::value(body, Limits::SMALL).ok()?;
    let token = answer
        .member("token")
        .or_else(|| answer.member("access_token"));
    let token = token?.as_str()?;
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_and_asks_only_to_read() {
        let text = "Bearer realm=\"https://auth.h/token\",service=\"a b\", scope=\"repository:x:push,delete\"";
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(
            challenge.address("a/m"),
            "https://auth.h/token?service=a%20b&scope=repository%3Aa%2Fm%3Apull"
        );
        for none in [
            "Basic realm=\"x\"",
            "Bearer",
            "Bearer realm=x",
            "Bearer realm=\"x",
        ] {
            assert!(Challenge::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_token_can_stand_in_a_header() {
        assert_eq!(token(b"{\"token\":\"a.b\"}").as_deref(), Some("a.b"));
        assert_eq!(token(b"{\"access_token\":\"c\"}").as_deref(), Some("c"));
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
