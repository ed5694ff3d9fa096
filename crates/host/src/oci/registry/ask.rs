//! Questions and answers: with the registry's pass if it wants one, and again where it sends us.

use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Method, Request, Response, StatusCode};
use ureq::{AsSendBody, Body};

use super::address::{absolute, shown};
use super::{Registry, TIME, Whence};
use crate::oci::{HttpError, ReadError, Whom};
use crate::sigstore::http::check;

/// One question.
const TIME_OF_ONE: Duration = Duration::from_secs(30);
/// A part of a file that is sent.
const TIME_OF_PART: Duration = Duration::from_secs(300);
const REDIRECTS_MAX: usize = 3;
const REFUSAL_SIZE_BYTES_MAX: u64 = 64 << 10;
const ADDRESS_SIZE_BYTES_MAX: usize = 8 << 10;

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) address: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<&'a [u8]>,
    pub(super) size_bytes_max: u64,
    pub(super) from: Whence,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl<'a> Question<'a> {
    pub(super) fn get(address: &'a str, accept: &str, size_bytes_max: u64, from: Whence) -> Self {
        Self {
            method: Method::GET,
            address,
            headers: vec![("Accept", accept.to_owned())],
            body: None,
            size_bytes_max,
            from,
        }
    }

    /// A change, which only the registry itself may take; its answer is short.
    pub(super) fn change(method: Method, address: &'a str, body: &'a [u8]) -> Self {
        Self {
            method,
            address,
            headers: Vec::new(),
            body: Some(body),
            size_bytes_max: REFUSAL_SIZE_BYTES_MAX,
            from: Whence::Registry,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Registry {
    /// Asks, and reads the whole answer.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Answer, ReadError> {
        let (address, mut answer) = self.respond(question)?;
        let size_bytes_max = question.size_bytes_max;
        let too_large = || ReadError::TooLarge {
            what: shown(&address),
            size_bytes_max,
        };
        // The page that comes with a refusal may be longer than what was asked for.
        let limit = size_bytes_max.max(REFUSAL_SIZE_BYTES_MAX).saturating_add(1);
        let body = answer.body_mut().with_config().limit(limit);
        let body = body.read_to_vec().map_err(|cause| match cause {
            ureq::Error::BodyExceedsLimit(_) => too_large(),
            cause => failed(&address, &cause),
        })?;
        if answer.status().is_success() && body.len() as u64 > size_bytes_max {
            return Err(too_large());
        }
        Ok(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body,
        })
    }

    /// Asks, gets a pass if the registry wants one, and asks again where it sends us. Says whose answer it is.
    pub(super) fn respond(
        &self,
        question: &Question<'_>,
    ) -> Result<(String, Response<Body>), ReadError> {
        let mut address = question.address.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let mut answer = self.send(question, &address)?;
            if answer.status() == StatusCode::UNAUTHORIZED && self.is_own(&address) {
                self.introduce(answer.headers())?;
                answer = self.send(question, &address)?;
                if answer.status() == StatusCode::UNAUTHORIZED {
                    return Err(self.not_allowed());
                }
            }
            // A file that is sent goes where it was meant to go, or nowhere.
            if !answer.status().is_redirection() || question.body.is_some() {
                return Ok((address, answer));
            }
            address = self.follow(&address, answer.headers(), question.from)?;
        }
        Err(ReadError::Elsewhere {
            from: self.host(),
            to: shown(&address),
        })
    }

    /// One question; the pass goes to the registry and nowhere else.
    fn send(&self, question: &Question<'_>, address: &str) -> Result<Response<Body>, ReadError> {
        let mut request = Request::builder().method(question.method.clone());
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        if self.is_own(address)
            && let Some(pass) = self.pass()
        {
            request = request.header("Authorization", pass.as_str());
        }
        match question.body {
            None => self.transmit(request.uri(address).body(()), address, TIME_OF_ONE),
            Some(body) => self.transmit(request.uri(address).body(body), address, TIME_OF_PART),
        }
    }

    /// Sends a request as it is.
    pub(super) fn transmit(
        &self,
        request: Result<Request<impl AsSendBody>, ureq::http::Error>,
        address: &str,
        time: Duration,
    ) -> Result<Response<Body>, ReadError> {
        check(address)?;
        let request = request.map_err(|cause| {
            ReadError::Http(HttpError::Failed {
                url: shown(address),
                cause: cause.to_string(),
            })
        })?;
        let time = self.time_left(time)?;
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(None).timeout_per_read(Some(time));
        let request = match self.until {
            Some(_) => request.timeout_global(Some(time)),
            None => request
                .timeout_connect(Some(TIME_OF_ONE))
                .timeout_per_write(Some(time)),
        };
        let answer = self.agent.run(request.build());
        answer.map_err(|cause| failed(address, &cause))
    }

    fn time_left(&self, time: Duration) -> Result<Duration, ReadError> {
        let Some(until) = self.until else {
            return Ok(time);
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let (host, seconds) = (self.host(), TIME.as_secs());
            return Err(ReadError::Time { host, seconds });
        }
        Ok(left.min(time))
    }

    fn follow(
        &self,
        address: &str,
        headers: &HeaderMap,
        from: Whence,
    ) -> Result<String, ReadError> {
        let to = header(headers, "location").unwrap_or_default();
        let next = absolute(address, to);
        match next.filter(|next| from == Whence::Anywhere || self.is_own(next)) {
            Some(next) => self.check_goes(&next).map(|()| next),
            None => Err(ReadError::Elsewhere {
                from: shown(address),
                to: shown(to),
            }),
        }
    }

    /// A registry elsewhere does not send us to this machine.
    pub(super) fn check_goes(&self, address: &str) -> Result<(), ReadError> {
        let is_fit = address.starts_with("https://") || self.origin.starts_with("http://");
        if is_fit && address.len() <= ADDRESS_SIZE_BYTES_MAX && check(address).is_ok() {
            return Ok(());
        }
        Err(ReadError::Elsewhere {
            from: self.host(),
            to: shown(address),
        })
    }

    /// What a registry says that does not do what it was asked.
    pub(super) fn refused(&self, address: &str, answer: &Answer) -> ReadError {
        if answer.status == StatusCode::FORBIDDEN {
            return self.not_allowed();
        }
        let said = String::from_utf8_lossy(&answer.body);
        let said = said.chars().filter(|c| !c.is_control()).take(300).collect();
        ReadError::Http(HttpError::Refused {
            url: shown(address),
            status: answer.status.as_u16(),
            said,
        })
    }

    pub(super) fn not_allowed(&self) -> ReadError {
        let whom = match self.has_credentials() {
            true => Whom::Us,
            false => Whom::Nobody,
        };
        let host = self.host();
        ReadError::Credentials { host, whom }
    }
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn failed(address: &str, cause: &ureq::Error) -> ReadError {
    ReadError::Http(HttpError::Failed {
        url: shown(address),
        cause: cause.to_string(),
    })
}
