//! Docker's credentials: `config.json`, with what stands in it and the helpers that it names. What is found is for one registry
//! and goes to that registry, and to the service at which it has tokens made; it is wiped, and never printed.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use decode::json::{self, Limits, Value};
use zeroize::Zeroizing;

use crate::whole_file;

const CONFIG_SIZE_BYTES_MAX: u64 = 1 << 20;
const ANSWER_SIZE_BYTES_MAX: u64 = 64 << 10;
/// Somebody may have to unlock a keychain.
const HELPER_TIME: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Docker's own registry has had many names, and its credentials go by the oldest.
pub(super) const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper's name for somebody who has a token in place of a password.
const TOKEN_USER: &str = "<token>";

/// What a registry knows somebody by.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A name and a password, as they stand in a header: in base64.
    Basic(Zeroizing<String>),
    /// What a service of tokens gives tokens for.
    Identity(Zeroizing<String>),
    /// A token for the registry itself.
    Registry(Zeroizing<String>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(…)",
            Self::Identity(_) => "Identity(…)",
            Self::Registry(_) => "Registry(…)",
        })
    }
}

/// The credentials that Docker's configuration has for a registry, if there is one and it has any.
pub(super) fn of(host: &str) -> Result<Option<Credentials>, DockerError> {
    let Some(path) = config_path() else {
        return Ok(None);
    };
    let bytes = match whole_file::read(&path, CONFIG_SIZE_BYTES_MAX) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(DockerError::Io { path, cause }),
    };
    let config = json::value(&bytes, Limits::SMALL);
    let config = config.map_err(|cause| DockerError::Json {
        path: path.clone(),
        cause,
    })?;
    in_config(&config, host, &path)
}

/// `$DOCKER_CONFIG/config.json`, or the one at home.
fn config_path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

/// A helper that is named for the registry is the only one asked; else the helper of all, and then what stands in the file.
fn in_config(config: &Value, host: &str, path: &Path) -> Result<Option<Credentials>, DockerError> {
    let key = match DOCKER_HUB.contains(&host) {
        true => DOCKER_HUB_KEY,
        false => host,
    };
    let helpers = config.member("credHelpers").and_then(Value::as_object);
    let mut helpers = helpers.unwrap_or_default().iter();
    if let Some((_, helper)) = helpers.find(|(name, _)| is_of(name, host)) {
        return ask(helper.as_str().unwrap_or_default(), key);
    }
    if let Some(helper) = config.member("credsStore").and_then(Value::as_str)
        && !helper.is_empty()
        && let Some(found) = ask(helper, key)?
    {
        return Ok(Some(found));
    }
    let entries = config.member("auths").and_then(Value::as_object);
    let mut entries = entries.unwrap_or_default().iter();
    let entry = entries.find(|(name, _)| is_of(name, host));
    entry.map_or(Ok(None), |(_, entry)| in_entry(entry, path))
}

/// Whether an entry's name, with or without a scheme and the path that Docker's first registries had, is this registry's.
fn is_of(name: &str, host: &str) -> bool {
    let bare = name.strip_prefix("https://");
    let bare = bare.or_else(|| name.strip_prefix("http://"));
    let bare = bare.unwrap_or(name);
    let (named, path) = bare.split_once('/').unwrap_or((bare, ""));
    let is_whole = ["", "v1", "v1/", "v2", "v2/"].contains(&path);
    let is_hub = |host: &str| DOCKER_HUB.contains(&host);
    is_whole && (named == host || is_hub(named) && is_hub(host))
}

fn in_entry(entry: &Value, path: &Path) -> Result<Option<Credentials>, DockerError> {
    let text = |name| entry.member(name).and_then(Value::as_str);
    let text = |name| text(name).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::Identity(secret(token))));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credentials::Registry(header_fit(token)?)));
    }
    if let Some(auth) = text("auth") {
        let path = path.to_owned();
        let decoded = BASE64.decode(auth.as_bytes()).map(Zeroizing::new);
        let decoded = decoded.ok().filter(|text| text.contains(&b':'));
        // Docker pads what it encodes with zero bytes.
        let decoded = decoded.ok_or(DockerError::Entry { path })?;
        let end = decoded
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        return Ok(Some(basic(decoded.get(..end).unwrap_or_default())));
    }
    Ok(match (text("username"), text("password")) {
        (Some(user), Some(password)) => Some(of_user(user, password)),
        _ => None,
    })
}

fn of_user(user: &str, password: &str) -> Credentials {
    if user == TOKEN_USER {
        return Credentials::Identity(secret(password));
    }
    basic(Zeroizing::new(format!("{user}:{password}")).as_bytes())
}

fn basic(pair: &[u8]) -> Credentials {
    Credentials::Basic(Zeroizing::new(BASE64.encode(pair)))
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn header_fit(token: &str) -> Result<Zeroizing<String>, DockerError> {
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(secret(token)),
        false => Err(DockerError::Token),
    }
}

/// Asks a credential helper. Its name is a part of a program's name and nothing else.
fn ask(helper: &str, key: &str) -> Result<Option<Credentials>, DockerError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = || helper.chars().take(80).collect::<String>();
    if helper.is_empty() || !helper.bytes().all(fits) {
        return Err(DockerError::HelperName { name: name() });
    }
    let failed = |cause| DockerError::Helper {
        name: name(),
        cause,
    };
    let (answer, is_success) = run(&format!("docker-credential-{helper}"), key).map_err(failed)?;
    let text = String::from_utf8_lossy(&answer);
    if !is_success {
        // The protocol's words for having none; all else is no answer.
        let none = [
            "credentials not found",
            "The specified item could not be found",
        ];
        return match none.iter().any(|words| text.contains(words)) {
            true => Ok(None),
            false => Err(failed(io::Error::other("it ended with an error"))),
        };
    }
    let value = json::value(&answer, Limits::SMALL);
    let value = value.map_err(|_| failed(io::Error::other("its answer can't be read")))?;
    let text = |name| value.member(name).and_then(Value::as_str);
    match (text("Username"), text("Secret")) {
        (Some(user), Some(secret)) if !secret.is_empty() => Ok(Some(of_user(user, secret))),
        _ => Ok(None),
    }
}

/// What a helper wrote, and whether it ended well. What it says beside is not shown: it may be what it was to keep.
fn run(program: &str, key: &str) -> io::Result<(Zeroizing<Vec<u8>>, bool)> {
    let mut command = Command::new(program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(mut stdin) = stdin {
        // One that does not read may still answer.
        let _ = stdin.write_all(key.as_bytes());
    }
    let reading = thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = stdout.map(|out| out.take(ANSWER_SIZE_BYTES_MAX).read_to_end(&mut bytes));
        read.unwrap_or(Ok(0)).map(|_| bytes)
    });
    let is_success = wait(&mut child)?;
    let read = reading.join();
    let bytes = read.unwrap_or_else(|_| Err(io::Error::other("reading from it failed")))?;
    Ok((bytes, is_success))
}

fn wait(child: &mut Child) -> io::Result<bool> {
    let until = Instant::now() + HELPER_TIME;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(POLL);
    }
}

/// Why credentials were not read.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The file can't be read.
    #[error("Docker's configuration `{path}` can't be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is no JSON of one reading.
    #[error("Docker's configuration `{path}` can't be read")]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: json::Error,
    },
    /// An entry is not `USER:PASSWORD` in base64.
    #[error("an `auth` in Docker's configuration `{path}` is no user and password in base64")]
    Entry {
        /// The file.
        path: PathBuf,
    },
    /// A token could not stand in a header.
    #[error("a `registrytoken` in Docker's configuration is no token")]
    Token,
    /// A helper's name would lead elsewhere.
    #[error("`{name}` in Docker's configuration is no credential helper's name")]
    HelperName {
        /// The name.
        name: String,
    },
    /// A helper gave no answer.
    #[error("the credential helper `docker-credential-{name}` gives no answer")]
    Helper {
        /// The helper.
        name: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, host: &str) -> Result<Option<Credentials>, DockerError> {
        let config = json::value(config.as_bytes(), Limits::SMALL).unwrap();
        in_config(&config, host, Path::new("config.json"))
    }

    fn basic_of(pair: &str) -> Option<Credentials> {
        Some(basic(pair.as_bytes()))
    }

    #[test]
    fn an_entry_is_for_its_registry_alone() {
        let auth = |pair: &str| BASE64.encode(pair.as_bytes());
        let config = format!(
            r#"{{"auths":{{"r.example":{{"auth":"{}"}},"https://s.example:5000/v2/":{{"auth":"{}"}},
                "{DOCKER_HUB_KEY}":{{"auth":"{}"}},"t.example":{{"identitytoken":"it"}},"u.example":{{}},
                "v.example":{{"username":"a","password":"b"}},"w.example":{{"registrytoken":"rt"}},"x.example/team":{{"auth":"{}"}}}}}}"#,
            auth("u:p"),
            auth("s:q:r\0"),
            auth("h:h"),
            auth("n:n")
        );
        for (host, want) in [
            ("r.example", basic_of("u:p")),
            ("r.example.evil", None),
            ("evil.r.example", None),
            ("r.example:5000", None),
            ("s.example:5000", basic_of("s:q:r")),
            ("s.example", None),
            ("docker.io", basic_of("h:h")),
            ("registry-1.docker.io", basic_of("h:h")),
            ("t.example", Some(Credentials::Identity(secret("it")))),
            ("u.example", None),
            ("v.example", basic_of("a:b")),
            ("w.example", Some(Credentials::Registry(secret("rt")))),
            ("x.example", None),
        ] {
            assert_eq!(found(&config, host).unwrap(), want, "{host}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_no_absence() {
        for config in [
            r#"{"auths":{"r":{"auth":"%"}}}"#,
            r#"{"auths":{"r":{"auth":"dXNlcg=="}}}"#,
            r#"{"auths":{"r":{"registrytoken":"a b"}}}"#,
            r#"{"credHelpers":{"r":"../x"}}"#,
            r#"{"credHelpers":{"r":""}}"#,
            r#"{"credHelpers":{"r":"is-not-there-at-all"}}"#,
            r#"{"credsStore":"is-not-there-at-all","auths":{"r":{"auth":"YTpi"}}}"#,
        ] {
            assert!(found(config, "r").is_err(), "{config}");
        }
        assert_eq!(
            found(r#"{"credHelpers":{"s":"is-not-there"}}"#, "r").unwrap(),
            None
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        for found in [
            basic_of("u:swordfish").unwrap(),
            of_user(TOKEN_USER, "swordfish"),
        ] {
            let shown = format!("{found:?}");
            assert!(
                !shown.contains("swordfish") && !shown.contains(&BASE64.encode(b"u:swordfish"))
            );
        }
    }
}
