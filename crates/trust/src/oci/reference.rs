//! How an artifact is named on the command line.

use std::fmt;
use std::str::FromStr;

use digest::Digest;

const HOST_SIZE_BYTES_MAX: usize = 255;
const NAME_SIZE_BYTES_MAX: usize = 255;
const TAG_SIZE_BYTES_MAX: usize = 128;

/// Where an OCI artifact is, by the scheme that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `oci://HOST/NAME:TAG` or `oci://HOST/NAME@DIGEST`: in a registry.
    Registry(Repository, Version),
    /// `oci-layout://FOLDER`, `…:TAG` or `…@DIGEST`: in an image layout. Without a version it is the only one there.
    Layout(String, Option<Version>),
    /// `oci-manifest://FILE`: a manifest alone, without what it names.
    Manifest(String),
}

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The registry's host, with its port if it has one.
    pub host: String,
    /// The repository's name.
    pub name: String,
}

/// Which of the artifacts of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one that has this tag now.
    Tag(String),
    /// This one.
    Digest(Digest),
}

impl Reference {
    /// Whether a word is meant as a reference: it begins with one of the schemes.
    #[must_use]
    pub fn is_meant(word: &str) -> bool {
        SCHEMES.iter().any(|scheme| word.starts_with(scheme))
    }
}

const REGISTRY: &str = "oci://";
const LAYOUT: &str = "oci-layout://";
const MANIFEST: &str = "oci-manifest://";
const SCHEMES: [&str; 3] = [REGISTRY, LAYOUT, MANIFEST];

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(rest) = text.strip_prefix(REGISTRY) {
            return registry(rest);
        }
        if let Some(rest) = text.strip_prefix(LAYOUT) {
            return layout(rest);
        }
        match text.strip_prefix(MANIFEST) {
            Some(file) if !file.is_empty() => Ok(Self::Manifest(file.to_owned())),
            _ => Err(ReferenceError::Empty),
        }
    }
}

/// A tag beside a digest says nothing more, and is dropped.
fn registry(text: &str) -> Result<Reference, ReferenceError> {
    let (host, path) = text.split_once('/').ok_or(ReferenceError::Empty)?;
    if !is_host(host) {
        return Err(ReferenceError::Host);
    }
    let (path, digest) = digest_of(path)?;
    let (name, tag) = match path.split_once(':') {
        Some((name, tag)) if is_tag(tag) => (name, Some(tag)),
        Some(_) => return Err(ReferenceError::Tag),
        None => (path, None),
    };
    if !is_name(name) {
        return Err(ReferenceError::Name);
    }
    let tag = tag.map(|tag| Version::Tag(tag.to_owned()));
    let version = digest.or(tag).ok_or(ReferenceError::NoVersion)?;
    let repository = Repository {
        host: host.to_owned(),
        name: name.to_owned(),
    };
    Ok(Reference::Registry(repository, version))
}

fn layout(text: &str) -> Result<Reference, ReferenceError> {
    let (path, digest) = digest_of(text)?;
    // A colon in the name of a folder above is none of a tag.
    let (folder, tag) = match path.rsplit_once(':') {
        Some((folder, tag)) if digest.is_none() && is_tag(tag) => (folder, Some(tag)),
        _ => (path, None),
    };
    if folder.is_empty() {
        return Err(ReferenceError::Empty);
    }
    let tag = tag.map(|tag| Version::Tag(tag.to_owned()));
    Ok(Reference::Layout(folder.to_owned(), digest.or(tag)))
}

fn digest_of(text: &str) -> Result<(&str, Option<Version>), ReferenceError> {
    match text.rsplit_once('@') {
        Some((rest, digest)) => {
            let digest = digest.parse().map_err(|_| ReferenceError::Digest)?;
            Ok((rest, Some(Version::Digest(digest))))
        }
        None => Ok((text, None)),
    }
}

/// A name or an address, and perhaps a port; no user, no space, nothing that an address of the web is taken apart by.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let fits = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(fits) {
                return false;
            }
            ("v6", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let ends_fit = !name.is_empty() && !name.starts_with(['.', '-']) && !name.ends_with(['.', '-']);
    text.len() <= HOST_SIZE_BYTES_MAX && ends_fit && name.bytes().all(fits) && port_fits
}

/// As the distribution specification has it: parts of small letters and digits, with separators between.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part_fits = |part: &str| {
        let bytes = part.as_bytes();
        let ends_fit = [bytes.first(), bytes.last()];
        let ends_fit = ends_fit
            .into_iter()
            .all(|end| end.is_some_and(|byte| is_letter(*byte)));
        let mut separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends_fit
            && separators.all(|separator| {
                matches!(separator, "" | "." | "_" | "__")
                    || separator.bytes().all(|byte| byte == b'-')
            })
    };
    name.len() <= NAME_SIZE_BYTES_MAX && name.split('/').all(part_fits)
}

fn is_tag(tag: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=TAG_SIZE_BYTES_MAX).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(fits)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(repository, version) => {
                let Repository { host, name } = repository;
                write!(f, "{REGISTRY}{host}/{name}{version}")
            }
            Self::Layout(folder, Some(version)) => write!(f, "{LAYOUT}{folder}{version}"),
            Self::Layout(folder, None) => write!(f, "{LAYOUT}{folder}"),
            Self::Manifest(file) => write!(f, "{MANIFEST}{file}"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// Why a text names no artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// A part is missing.
    #[error("the name of the artifact is not whole")]
    Empty,
    /// The host is none.
    #[error("the registry's host is none: it is written `HOST` or `HOST:PORT`")]
    Host,
    /// The repository's name is none.
    #[error(
        "the repository's name has small letters and digits, with `/`, `.`, `_` or `-` between them"
    )]
    Name,
    /// The tag is none.
    #[error("the tag is none: letters, digits, `_`, `.` and `-`, 128 at most")]
    Tag,
    /// The digest is none.
    #[error("after `@` comes `sha256:` and 64 hexadecimal digits")]
    Digest,
    /// It could be any of them.
    #[error("the artifact has neither a tag nor a digest")]
    NoVersion,
}

impl ReferenceError {
    /// What to do.
    #[must_use]
    pub const fn way() -> &'static str {
        "write `oci://HOST/NAME@sha256:…`, `oci://HOST/NAME:TAG`, `oci-layout://FOLDER:TAG` or `oci-manifest://FILE`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn what_is_read_is_written_so_again() {
        for text in [
            "oci://ghcr.io/acme/digits:v1".to_owned(),
            "oci://127.0.0.1:5000/m:latest".to_owned(),
            "oci://[::1]:5000/a/b-c/d__e.f:x_Y.z-1".to_owned(),
            format!("oci://localhost/m@{DIGEST}"),
            "oci-layout://out/layout".to_owned(),
            "oci-layout:///abs/lay:out/x".to_owned(),
            "oci-layout://out:v1".to_owned(),
            format!("oci-layout://out@{DIGEST}"),
            "oci-manifest://manifest.json".to_owned(),
        ] {
            assert!(Reference::is_meant(&text));
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let both: Reference = format!("oci://h/m:v1@{DIGEST}").parse().unwrap();
        assert_eq!(both.to_string(), format!("oci://h/m@{DIGEST}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let short = DIGEST.trim_end_matches('a');
        for (text, error) in [
            ("oci://h".to_owned(), ReferenceError::Empty),
            ("oci://h/m".to_owned(), ReferenceError::NoVersion),
            ("oci://h/m:".to_owned(), ReferenceError::Tag),
            ("oci://h/m:a b".to_owned(), ReferenceError::Tag),
            ("oci://h/m:-a".to_owned(), ReferenceError::Tag),
            (
                format!("oci://h/m:{}", "a".repeat(129)),
                ReferenceError::Tag,
            ),
            ("oci://h/M:a".to_owned(), ReferenceError::Name),
            ("oci://h//m:a".to_owned(), ReferenceError::Name),
            ("oci://h/../m:a".to_owned(), ReferenceError::Name),
            ("oci://h/a___b:a".to_owned(), ReferenceError::Name),
            ("oci://h/a?x:a".to_owned(), ReferenceError::Name),
            ("oci:///m:a".to_owned(), ReferenceError::Host),
            ("oci://user@h/m:a".to_owned(), ReferenceError::Host),
            ("oci://h:0/m:a".to_owned(), ReferenceError::Host),
            ("oci://h:99999/m:a".to_owned(), ReferenceError::Host),
            ("oci://h:/m:a".to_owned(), ReferenceError::Host),
            ("oci://[h]/m:a".to_owned(), ReferenceError::Host),
            ("oci://.h/m:a".to_owned(), ReferenceError::Host),
            (format!("oci://h/m@{short}"), ReferenceError::Digest),
            ("oci://h/m@md5:00".to_owned(), ReferenceError::Digest),
            ("oci-layout://".to_owned(), ReferenceError::Empty),
            ("oci-layout://:v1".to_owned(), ReferenceError::Empty),
            ("oci-layout://x@y".to_owned(), ReferenceError::Digest),
            ("oci-manifest://".to_owned(), ReferenceError::Empty),
        ] {
            assert_eq!(text.parse::<Reference>(), Err(error), "{text}");
        }
    }
}
