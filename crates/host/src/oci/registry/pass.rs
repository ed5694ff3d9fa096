//! How the registry knows us: what goes into the header `Authorization`, got when the registry asks for it and not before.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, Request};
use zeroize::Zeroizing;

use super::challenge::{Challenge, form, token};
use super::{Registry, Right};
use crate::oci::ReadError;
use crate::oci::credentials::{self, Credentials};

const TOKEN_SIZE_BYTES_MAX: u64 = 64 << 10;
const TIME: Duration = Duration::from_secs(30);

/// What the registry takes, and whether it stands for somebody.
pub(super) struct Pass {
    header: Arc<Zeroizing<String>>,
    is_somebody: bool,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("is_somebody", &self.is_somebody)
            .finish_non_exhaustive()
    }
}

impl Registry {
    pub(super) fn pass(&self) -> Option<Arc<Zeroizing<String>>> {
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        pass.as_ref().map(|pass| Arc::clone(&pass.header))
    }

    pub(super) fn has_credentials(&self) -> bool {
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        pass.as_ref().is_some_and(|pass| pass.is_somebody)
    }

    /// Gets what the registry asks for: with the credentials that Docker's configuration has for it, else as nobody.
    pub(super) fn introduce(&self, headers: &HeaderMap) -> Result<(), ReadError> {
        let challenges = headers.get_all("www-authenticate").iter();
        let challenges = challenges.filter_map(|value| Challenge::parse(value.to_str().ok()?));
        let challenges: Vec<Challenge<'_>> = challenges.collect();
        let credentials = credentials::of(&self.repository.host)?;
        let is_somebody = credentials.is_some();
        let bearer = challenges
            .iter()
            .find(|it| matches!(it, Challenge::Bearer { .. }));
        let header = match (bearer.or(challenges.first()), credentials) {
            (Some(Challenge::Bearer { .. }), Some(Credentials::Registry(token))) => {
                bearer_of(&token)
            }
            (Some(Challenge::Bearer { realm, service }), credentials) => {
                let token = self.token(realm, *service, credentials.as_ref())?;
                bearer_of(&token)
            }
            (Some(Challenge::Basic), Some(Credentials::Basic(pair))) => {
                Zeroizing::new(format!("Basic {}", pair.as_str()))
            }
            _ => return Err(self.not_allowed_as(is_somebody)),
        };
        let header = Arc::new(header);
        let pass = Pass {
            header,
            is_somebody,
        };
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = Some(pass);
        Ok(())
    }

    fn not_allowed_as(&self, is_somebody: bool) -> ReadError {
        let host = self.host();
        let whom = match is_somebody {
            true => crate::oci::Whom::Us,
            false => crate::oci::Whom::Nobody,
        };
        ReadError::Credentials { host, whom }
    }

    /// A token of the registry's service, for this repository alone. The service may well be another host: the registry has its
    /// own credentials brought there, by HTTPS, and no further.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        credentials: Option<&Credentials>,
    ) -> Result<Zeroizing<String>, ReadError> {
        let refused = || self.not_allowed_as(credentials.is_some());
        let actions = match self.right {
            Right::Pull => "pull",
            Right::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.repository.name);
        let query = super::challenge::query(service, &scope);
        let separator = if realm.contains('?') { '&' } else { '?' };
        let address = match credentials {
            Some(Credentials::Identity(_)) => realm.to_owned(),
            _ => format!("{realm}{separator}{query}"),
        };
        self.check_goes(&address)?;
        let request = Request::builder()
            .uri(&address)
            .header("Accept", "application/json");
        let mut answer = match credentials {
            Some(Credentials::Identity(secret)) => {
                let form = form(&query, secret);
                let request = request.method("POST");
                let request = request.header("Content-Type", "application/x-www-form-urlencoded");
                self.transmit(request.body(form.as_bytes()), &address, TIME)?
            }
            Some(Credentials::Basic(pair)) => {
                let request = request.header("Authorization", format!("Basic {}", pair.as_str()));
                self.transmit(request.body(()), &address, TIME)?
            }
            _ => self.transmit(request.body(()), &address, TIME)?,
        };
        if !answer.status().is_success() {
            return Err(refused());
        }
        let body = answer.body_mut().with_config().limit(TOKEN_SIZE_BYTES_MAX);
        let body = body
            .read_to_vec()
            .map(Zeroizing::new)
            .map_err(|_| refused())?;
        token(&body).ok_or_else(refused)
    }
}

fn bearer_of(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}
