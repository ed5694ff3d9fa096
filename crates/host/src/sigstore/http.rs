//! HTTPS to Sigstore's services: short requests, short answers, no redirects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::whole_file;

/// Rekor v2 answers once the entry is in a checkpoint, which may take some seconds.
const TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_SIZE_BYTES_MAX: u64 = 4 << 20;
/// All of the web's authorities are some hundred kilobytes.
const AUTHORITIES_SIZE_BYTES_MAX: u64 = 16 << 20;
/// Where systems keep the certificates of the web's authorities; `SSL_CERT_FILE` comes first.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What Google Cloud's metadata server is called on its machines.
const METADATA_HOSTS: [&str; 3] = ["metadata", "metadata.google.internal", "169.254.169.254"];

/// A client of web services.
pub(crate) struct Client(Agent);

impl Client {
    pub(crate) fn new() -> Result<Self, HttpError> {
        agent().map(Self)
    }

    /// Sends JSON, and gets JSON.
    pub(crate) fn post_json(&self, url: &str, body: &[u8]) -> Result<Vec<u8>, HttpError> {
        self.post(url, "application/json", "application/json", body)
    }

    pub(crate) fn post(
        &self,
        url: &str,
        content_type: &str,
        accept: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, HttpError> {
        check(url)?;
        let request = self.0.post(url).content_type(content_type);
        answer(url, request.header("Accept", accept).send(body))
    }

    /// Sends a form, as whom these credentials name, if any, and gets JSON.
    pub(crate) fn post_form(
        &self,
        url: &str,
        basic: Option<&str>,
        form: &[u8],
    ) -> Result<Vec<u8>, HttpError> {
        check(url)?;
        let kind = "application/x-www-form-urlencoded";
        let mut request = self.0.post(url).content_type(kind);
        if let Some(credentials) = basic {
            request = request.header("Authorization", format!("Basic {credentials}"));
        }
        answer(url, request.header("Accept", "application/json").send(form))
    }

    /// Sends JSON as whom a secret names, and gets JSON.
    pub(crate) fn post_json_as(
        &self,
        url: &str,
        bearer: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, HttpError> {
        check(url)?;
        let request = self.0.post(url).content_type("application/json");
        let request = request.header("Authorization", format!("Bearer {bearer}"));
        answer(url, request.header("Accept", "application/json").send(body))
    }

    /// Gets JSON, from a service that may know us by a secret.
    pub(crate) fn get_json(&self, url: &str, bearer: Option<&str>) -> Result<Vec<u8>, HttpError> {
        check(url)?;
        let mut request = self.0.get(url).header("Accept", "application/json");
        if let Some(secret) = bearer {
            request = request.header("Authorization", format!("Bearer {secret}"));
        }
        answer(url, request.call())
    }

    /// Gets a file of at most so many bytes, or that it is not there, which storage services say in two ways.
    pub(crate) fn get_at_most(
        &self,
        url: &str,
        size_bytes_max: usize,
        may_be_missing: bool,
    ) -> Result<Option<Vec<u8>>, HttpError> {
        check(url)?;
        match answer_at_most(url, self.0.get(url).call(), size_bytes_max as u64) {
            Err(HttpError::Refused {
                status: 403 | 404, ..
            }) if may_be_missing => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Asks Google Cloud's metadata server, which speaks in the clear and on the machine's own link alone.
    pub(crate) fn get_metadata(&self, host: &str, path: &str) -> Result<Vec<u8>, HttpError> {
        let url = format!("http://{host}/computeMetadata/v1/{path}");
        if !METADATA_HOSTS.contains(&host) {
            check(&url)?;
        }
        let request = self.0.get(&url).header("Metadata-Flavor", "Google");
        answer(&url, request.call())
    }
}

/// What speaks HTTPS as the machine's authorities say, follows no redirects, and takes every status for an answer.
pub(crate) fn agent() -> Result<Agent, HttpError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .root_certs(authorities()?)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent("modelward")
        .build();
    Ok(config.into())
}

/// Tokens are sent: nothing goes out in the clear but to this machine.
pub(crate) fn check(url: &str) -> Result<(), HttpError> {
    let refused = || HttpError::Clear {
        url: url.to_owned(),
    };
    if url.starts_with("https://") {
        return Ok(());
    }
    let host = url.strip_prefix("http://").ok_or_else(refused)?;
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let is_here = ["127.0.0.1", "[::1]", "localhost"].iter().any(|name| {
        // A port and nothing else: what stands before an `@` is no host.
        let port = host.strip_prefix(name).map(|rest| rest.strip_prefix(':'));
        match port {
            Some(Some(port)) => port.bytes().all(|byte| byte.is_ascii_digit()),
            Some(None) => host == *name,
            None => false,
        }
    });
    is_here.then_some(()).ok_or_else(refused)
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn answer(url: &str, answer: Answer) -> Result<Vec<u8>, HttpError> {
    answer_at_most(url, answer, ANSWER_SIZE_BYTES_MAX)
}

fn answer_at_most(url: &str, answer: Answer, size_bytes_max: u64) -> Result<Vec<u8>, HttpError> {
    let failed = |cause: ureq::Error| match cause {
        ureq::Error::BodyExceedsLimit(_) => HttpError::TooLong {
            url: url.to_owned(),
            size_bytes_max,
        },
        cause => HttpError::Failed {
            url: url.to_owned(),
            cause: cause.to_string(),
        },
    };
    let mut answer = answer.map_err(failed)?;
    // A body of just so many bytes is whole.
    let limit = size_bytes_max.saturating_add(1);
    let body = answer.body_mut().with_config().limit(limit);
    let body = body.read_to_vec().map_err(failed)?;
    if body.len() as u64 > size_bytes_max {
        return Err(HttpError::TooLong {
            url: url.to_owned(),
            size_bytes_max,
        });
    }
    if answer.status().is_success() {
        return Ok(body);
    }
    // What services say of a refusal is short; it is shown, never obeyed.
    let said = String::from_utf8_lossy(&body);
    let said = said.chars().filter(|c| !c.is_control()).take(300).collect();
    Err(HttpError::Refused {
        url: url.to_owned(),
        status: answer.status().as_u16(),
        said,
    })
}

/// Percent-encoded, so that it is one value of a form or an address.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The web's authorities, as this machine knows them.
fn authorities() -> Result<RootCerts, HttpError> {
    let own = std::env::var_os("SSL_CERT_FILE").map(Into::into);
    let known = AUTHORITIES.iter().map(std::path::PathBuf::from);
    let Some(path) = own.into_iter().chain(known).find(|path| path.exists()) else {
        // Who has none can still reach this machine itself.
        return Ok(RootCerts::new_with_certs(&[]));
    };
    let pem = whole_file::read(&path, AUTHORITIES_SIZE_BYTES_MAX).map_err(|cause| {
        HttpError::Authorities {
            path: path.display().to_string(),
            cause,
        }
    })?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(RootCerts::from(certificates.collect::<Vec<_>>()))
}

/// Why a service gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address would be spoken to in the clear.
    #[error("`{url}` is no `https://` address")]
    Clear {
        /// The address.
        url: String,
    },
    /// The file of the web's authorities can't be read.
    #[error("the certificates in `{path}` can't be read")]
    Authorities {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It can't be reached, or its answer ends early.
    #[error("`{url}` gave no answer: {cause}")]
    Failed {
        /// The address.
        url: String,
        /// Why.
        cause: String,
    },
    /// There is more of its answer than is read.
    #[error("`{url}` answers more than {size_bytes_max} bytes")]
    TooLong {
        /// The address.
        url: String,
        /// What is read.
        size_bytes_max: u64,
    },
    /// It says no.
    #[error("`{url}` answered {status}: {said}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        said: String,
    },
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn nothing_goes_out_in_the_clear() {
        for fit in [
            "https://example.com/",
            "http://127.0.0.1:5000/x",
            "http://localhost/",
            "http://[::1]:1/",
        ] {
            assert!(check(fit).is_ok(), "{fit}");
        }
        for unfit in [
            "http://example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost:1@example.com/",
            "ftp://127.0.0.1/",
            "",
        ] {
            assert!(check(unfit).is_err(), "{unfit}");
        }
    }
}
