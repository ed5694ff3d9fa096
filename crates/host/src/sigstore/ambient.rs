//! The identity token of the place where this runs: of a job of a build service, or of a machine of a cloud.
//!
//! The places, and what each is asked, are those of the reference (the package `id` 1.6, which `sigstore` asks), but for
//! `SIGSTORE_ID_TOKEN`, which is taken wherever it is set.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use decode::json::{self, Limits, Value};
use trust::Time;
use zeroize::Zeroizing;

use super::http::Client;
use super::token::AUDIENCE;
use super::{IdentityToken, TokenError};

/// Says on whose machine this runs.
const PRODUCT_FILE: &str = "/sys/class/dmi/id/product_name";
const IMPERSONATION: &str = "https://iamcredentials.googleapis.com";
const TOKEN_SIZE_BYTES_MAX: u64 = 64 * 1024;
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
const HELPER_POLL: Duration = Duration::from_millis(5);

impl IdentityToken {
    /// The token of the place where this runs: `SIGSTORE_ID_TOKEN`, or that of GitHub Actions, Google Cloud, Buildkite, GitLab
    /// or CircleCI, in this order.
    ///
    /// # Errors
    /// There is none, or it can't be had.
    pub fn ambient(now: Time) -> Result<Self, TokenError> {
        let place = Place {
            variable: &|name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            product_file: Path::new(PRODUCT_FILE),
            impersonation: IMPERSONATION,
        };
        Self::parse(&place.token()?.ok_or(TokenError::Missing)?, now)
    }
}

/// What a place says of itself.
struct Place<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    product_file: &'a Path,
    impersonation: &'a str,
}

type Found = Result<Option<Zeroizing<String>>, TokenError>;

impl Place<'_> {
    fn token(&self) -> Found {
        if let Some(token) = (self.variable)("SIGSTORE_ID_TOKEN") {
            return Ok(Some(Zeroizing::new(token)));
        }
        for ask in [
            Self::github,
            Self::google,
            Self::buildkite,
            Self::gitlab,
            Self::circle,
        ] {
            if let Some(token) = ask(self)? {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    fn github(&self) -> Found {
        let variable = |name| (self.variable)(name);
        let (Some(url), Some(secret)) = (
            variable("ACTIONS_ID_TOKEN_REQUEST_URL"),
            variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ) else {
            let is_there = variable("GITHUB_ACTIONS").is_some();
            let why = "the job lacks `permissions: id-token: write`";
            return refused_if(is_there, "GitHub Actions", why);
        };
        let between = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{between}audience={AUDIENCE}");
        let answer = Client::new()?.get_json(&url, Some(&Zeroizing::new(secret)))?;
        member("GitHub Actions", answer, "value").map(Some)
    }

    fn google(&self) -> Found {
        let place = "Google Cloud";
        let host = (self.variable)("GCE_METADATA_HOST");
        let account = (self.variable)("GOOGLE_SERVICE_ACCOUNT_NAME");
        let product = std::fs::read_to_string(self.product_file).unwrap_or_default();
        let is_there = ["Google", "Google Compute Engine"].contains(&product.trim());
        if !is_there && host.is_none() && account.is_none() {
            return Ok(None);
        }
        let client = Client::new()?;
        let host = host.as_deref().unwrap_or("metadata");
        let own = "instance/service-accounts/default";
        let Some(account) = account else {
            let path = format!("{own}/identity?audience={AUDIENCE}&format=full");
            let token = String::from_utf8(client.get_metadata(host, &path)?);
            let token = token.map_err(|_| TokenError::Malformed)?;
            return Ok(Some(Zeroizing::new(token)));
        };
        // It stands in an address.
        if !account
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte))
        {
            let why = "`GOOGLE_SERVICE_ACCOUNT_NAME` is no account's name";
            return refused_if(true, place, why);
        }
        let scope = "https://www.googleapis.com/auth/cloud-platform";
        let access = client.get_metadata(host, &format!("{own}/token?scopes={scope}"))?;
        let access = member(place, access, "access_token")?;
        let url = format!(
            "{}/v1/projects/-/serviceAccounts/{account}:generateIdToken",
            self.impersonation
        );
        let request = format!("{{\"audience\":\"{AUDIENCE}\",\"includeEmail\":true}}");
        let answer = client.post_json_as(&url, &access, request.as_bytes())?;
        member(place, answer, "token").map(Some)
    }

    fn buildkite(&self) -> Found {
        if (self.variable)("BUILDKITE").is_none() {
            return Ok(None);
        }
        let words = ["oidc", "request-token", "--audience", AUDIENCE];
        helper("Buildkite", "buildkite-agent", &words, HELPER_TIMEOUT).map(Some)
    }

    /// Its jobs have their token in the variable that was looked at before.
    fn gitlab(&self) -> Found {
        let is_there = (self.variable)("GITLAB_CI").is_some();
        let why = "the job lacks `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore`";
        refused_if(is_there, "GitLab", why)
    }

    /// `CIRCLE_OIDC_TOKEN_V2` is made for the organisation and not for Sigstore, so that its own program is asked.
    fn circle(&self) -> Found {
        if (self.variable)("CIRCLECI").is_none() {
            return Ok(None);
        }
        let claims = format!("{{\"aud\":\"{AUDIENCE}\"}}");
        let words = ["run", "oidc", "get", "--claims", &claims, "--root-issuer"];
        helper("CircleCI", "circleci", &words, HELPER_TIMEOUT).map(Some)
    }
}

fn refused_if(is_there: bool, place: &'static str, why: &str) -> Found {
    let why = why.to_owned();
    match is_there {
        true => Err(TokenError::Place { place, why }),
        false => Ok(None),
    }
}

/// A text of a JSON object.
fn member(
    place: &'static str,
    answer: Vec<u8>,
    name: &str,
) -> Result<Zeroizing<String>, TokenError> {
    let answer = Zeroizing::new(answer);
    let why = || format!("its answer has no `{name}`");
    let answer: Option<Value> = json::from_slice(&answer, Limits::SMALL).ok();
    let text = answer.as_ref().and_then(|answer| answer.member(name));
    let text = text.and_then(Value::as_str);
    text.map(|text| Zeroizing::new(text.to_owned()))
        .ok_or_else(|| TokenError::Place { place, why: why() })
}

/// What the place's own program prints; it is on the path there.
fn helper(
    place: &'static str,
    program: &str,
    words: &[&str],
    timeout: Duration,
) -> Result<Zeroizing<String>, TokenError> {
    let refused = |why: String| TokenError::Place { place, why };
    crate::builder::close_on_exec()
        .map_err(|e| refused(format!("`{program}` can't be kept from open files: {e}")))?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let deadline = Instant::now() + timeout;
    let started = command.spawn();
    let mut child = started.map_err(|e| refused(format!("`{program}` can't be started: {e}")))?;
    let (sender, said) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut said = Zeroizing::new(Vec::new());
            let read = stdout.take(TOKEN_SIZE_BYTES_MAX + 1).read_to_end(&mut said);
            // Nobody listens any more when the time is over.
            let _ = sender.send(read.map(|_| said));
        });
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let said = said.recv_timeout(left());
    let status = loop {
        match child.try_wait() {
            Ok(None) if left().is_zero() => break None,
            Ok(None) => thread::sleep(HELPER_POLL),
            Ok(Some(status)) => break Some(status),
            Err(_) => break None,
        }
    };
    let (Ok(Ok(said)), Some(status)) = (said, status) else {
        // It is ours, and is not waited for longer.
        let _ = child.kill();
        let _ = child.wait();
        return Err(refused(format!("`{program}` does not answer")));
    };
    if !status.success() {
        return Err(refused(format!("`{program}` ended with {status}")));
    }
    let text = std::str::from_utf8(&said).map_err(|_| TokenError::Malformed)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests;
