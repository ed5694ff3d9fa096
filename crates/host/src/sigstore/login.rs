//! A token for whoever sits here: they sign in with a browser anywhere, and bring back a code (OAuth 2.0, out of band).
//!
//! The code is of no use to who overhears it: it takes a secret that never leaves this program (RFC 7636), and the token
//! that comes of it must name this very sign-in.

use data_encoding::BASE64URL_NOPAD;
use decode::json::{self, Limits, Value};
use digest::Digest;
use trust::Time;
use zeroize::Zeroizing;

use super::http::Client;
use super::{IdentityToken, Services, TokenError};
use crate::keys::random;

const CLIENT: &str = "sigstore";
/// Shows the code instead of sending it to a program.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// A sign-in that was begun.
pub struct Login {
    client: Client,
    url: String,
    token_endpoint: String,
    verifier: Zeroizing<String>,
    nonce: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({})", self.url)
    }
}

impl Login {
    /// Asks the services' provider where to sign in.
    ///
    /// # Errors
    /// The services name no provider, it can't be reached, or it answers in a way that is not understood.
    pub fn begin(services: &Services) -> Result<Self, TokenError> {
        let provider = services.provider.as_ref().ok_or(TokenError::NoProvider)?;
        let client = Client::new()?;
        let answer = client.get_json(&provider.join("/.well-known/openid-configuration"), None)?;
        let said: Value =
            json::from_slice(&answer, Limits::SMALL).map_err(|_| TokenError::Provider)?;
        let endpoint = |name: &str| {
            let url = said.member(name).and_then(Value::as_str);
            // Nothing but a plain address goes into what a person is asked to open.
            let is_plain = |url: &&str| url.bytes().all(|byte| byte.is_ascii_graphic());
            url.filter(is_plain)
                .map(ToOwned::to_owned)
                .ok_or(TokenError::Provider)
        };
        let (authorize, token_endpoint) = (
            endpoint("authorization_endpoint")?,
            endpoint("token_endpoint")?,
        );
        let drawn = || random::<32>().map(|bytes| BASE64URL_NOPAD.encode(&bytes));
        let verifier = Zeroizing::new(drawn().map_err(TokenError::Random)?);
        let (nonce, state) = (
            drawn().map_err(TokenError::Random)?,
            drawn().map_err(TokenError::Random)?,
        );
        let challenge = BASE64URL_NOPAD.encode(Digest::of(verifier.as_bytes()).raw());
        let between = if authorize.contains('?') { '&' } else { '?' };
        let redirect = encoded(OUT_OF_BAND);
        let url = format!(
            "{authorize}{between}response_type=code&client_id={CLIENT}&scope=openid%20email&redirect_uri={redirect}\
             &code_challenge={challenge}&code_challenge_method=S256&state={state}&nonce={nonce}"
        );
        Ok(Self {
            client,
            url,
            token_endpoint,
            verifier,
            nonce,
        })
    }

    /// Where to sign in.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Turns the code that was shown there into a token.
    ///
    /// # Errors
    /// The provider doesn't take the code, or its token is not for this sign-in.
    pub fn finish(self, code: &str, now: Time) -> Result<IdentityToken, TokenError> {
        let form = Zeroizing::new(format!(
            "grant_type=authorization_code&client_id={CLIENT}&redirect_uri={}&code={}&code_verifier={}",
            encoded(OUT_OF_BAND),
            encoded(code.trim()),
            *self.verifier
        ));
        let kind = "application/x-www-form-urlencoded";
        let answer = self.client.post(
            &self.token_endpoint,
            kind,
            "application/json",
            form.as_bytes(),
        )?;
        let answer = Zeroizing::new(answer);
        let answer: Value =
            json::from_slice(&answer, Limits::SMALL).map_err(|_| TokenError::Provider)?;
        let token = answer.member("id_token").and_then(Value::as_str);
        let token = token.ok_or(TokenError::Provider)?;
        IdentityToken::of_login(token, &self.nonce, now)
    }
}

/// Percent-encoded, so that it is one value of a form.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_code_is_one_value() {
        assert_eq!(encoded("a-b&c=d e\u{e9}"), "a-b%26c%3Dd%20e%C3%A9");
    }
}
