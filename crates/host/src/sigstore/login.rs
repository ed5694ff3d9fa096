//! A token for whoever sits here: they sign in with a browser, which brings a code back to this program, or shows one for
//! them to type (OAuth 2.0 authorization code, OpenID Connect).
//!
//! The code is of no use to who overhears it: it takes a secret that never leaves this program (RFC 7636), and the token
//! that comes of it must name this very sign-in.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use decode::json::{self, Limits, Value};
use digest::Digest;
use trust::Time;
use zeroize::Zeroizing;

use super::http::{Client, check, encoded};
use super::redirect::Redirect;
use super::token::AUDIENCE;
use super::{IdentityToken, Services, TokenError};
use crate::keys::random;

/// Shows the code instead of sending it to a program.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// As whom this program asks a provider: the token is made for the same.
#[derive(Clone)]
pub struct Asker {
    /// What the provider calls the program.
    pub id: String,
    /// What it knows it by; programs that anybody has need none.
    pub secret: Option<Zeroizing<String>>,
}

impl Default for Asker {
    fn default() -> Self {
        Self {
            id: AUDIENCE.to_owned(),
            secret: None,
        }
    }
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asker({})", self.id)
    }
}

/// A sign-in that was begun.
pub struct Login {
    client: Client,
    asker: Asker,
    url: String,
    issuer: String,
    token_endpoint: String,
    redirect: Option<Redirect>,
    redirect_uri: String,
    verifier: Zeroizing<String>,
    state: String,
    nonce: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({})", self.url)
    }
}

impl Login {
    /// Asks the services' provider where to sign in. The browser comes back to `redirect`, or shows the code if there is none.
    ///
    /// # Errors
    /// The services name no provider, it can't be reached, or it answers in a way that is not understood.
    pub fn begin(
        services: &Services,
        asker: Asker,
        redirect: Option<Redirect>,
    ) -> Result<Self, TokenError> {
        let provider = services.provider.as_ref().ok_or(TokenError::NoProvider)?;
        let client = Client::new()?;
        let answer = client.get_json(&provider.join("/.well-known/openid-configuration"), None)?;
        let said: Value =
            json::from_slice(&answer, Limits::SMALL).map_err(|_| TokenError::Provider)?;
        let told = |name: &str| {
            let text = said.member(name).and_then(Value::as_str);
            // Nothing but a plain address goes into what a person is asked to open.
            let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
            text.filter(is_plain)
                .map(ToOwned::to_owned)
                .ok_or(TokenError::Provider)
        };
        // What is opened is a page, and nothing else that an address can be.
        let authorize = told("authorization_endpoint")?;
        check(&authorize)?;
        let drawn = || random::<32>().map(|bytes| BASE64URL_NOPAD.encode(&bytes));
        let redirect_uri = redirect
            .as_ref()
            .map_or_else(|| OUT_OF_BAND.to_owned(), Redirect::uri);
        let mut login = Self {
            client,
            asker,
            url: authorize,
            issuer: told("issuer")?,
            token_endpoint: told("token_endpoint")?,
            redirect,
            redirect_uri,
            verifier: Zeroizing::new(drawn().map_err(TokenError::Random)?),
            state: drawn().map_err(TokenError::Random)?,
            nonce: drawn().map_err(TokenError::Random)?,
        };
        login.url = login.address();
        Ok(login)
    }

    fn address(&self) -> String {
        let challenge = BASE64URL_NOPAD.encode(Digest::of(self.verifier.as_bytes()).raw());
        let between = if self.url.contains('?') { '&' } else { '?' };
        format!(
            "{}{between}response_type=code&client_id={}&scope=openid%20email&redirect_uri={}\
             &code_challenge={challenge}&code_challenge_method=S256&state={}&nonce={}",
            self.url,
            encoded(&self.asker.id),
            encoded(&self.redirect_uri),
            self.state,
            self.nonce
        )
    }

    /// Where to sign in.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits for the browser to come back, if it was asked to; none if the code is to be typed.
    ///
    /// # Errors
    /// It doesn't come in time, or with a refusal, or from another sign-in.
    pub fn code(&mut self, within: Duration) -> Result<Option<Zeroizing<String>>, TokenError> {
        let redirect = self.redirect.take();
        redirect
            .map(|redirect| redirect.code(&self.state, within))
            .transpose()
    }

    /// Turns the code into a token.
    ///
    /// # Errors
    /// The provider doesn't take the code, or its token is not for this sign-in.
    pub fn finish(self, code: &str, now: Time) -> Result<IdentityToken, TokenError> {
        let mut form = Zeroizing::new(format!(
            "grant_type=authorization_code&redirect_uri={}&code={}&code_verifier={}",
            encoded(&self.redirect_uri),
            encoded(code.trim()),
            *self.verifier
        ));
        let id = encoded(&self.asker.id);
        // RFC 6749 §2.3.1: who has a secret says it in the head, and who has none says their name in the form.
        let basic = self.asker.secret.as_ref().map(|secret| {
            let pair = Zeroizing::new(format!("{id}:{}", encoded(secret)));
            Zeroizing::new(BASE64.encode(pair.as_bytes()))
        });
        if basic.is_none() {
            form.push_str(&format!("&client_id={id}"));
        }
        let basic = basic.as_ref().map(|basic| basic.as_str());
        let url = &self.token_endpoint;
        let answer = self.client.post_form(url, basic, form.as_bytes())?;
        let answer = Zeroizing::new(answer);
        let answer: Value =
            json::from_slice(&answer, Limits::SMALL).map_err(|_| TokenError::Provider)?;
        let token = answer.member("id_token").and_then(Value::as_str);
        let token = token.ok_or(TokenError::Provider)?;
        IdentityToken::of_login(token, &self.asker.id, (&self.issuer, &self.nonce), now)
    }
}

#[cfg(test)]
mod tests;
