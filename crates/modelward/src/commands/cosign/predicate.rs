//! The types of predicates by cosign's names for them, and statements made of a predicate's file as cosign makes them.

use std::convert::Infallible;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use decode::json::{self, Limits};
use serde_json::json;
use trust::{AnyStatement, AnySubject, Code, Time};

use super::NamedDigest;
use crate::answer::Failure;
use crate::model::unreadable;

const FILE_SIZE_BYTES_MAX: u64 = 64 << 20;
const STDIN: &str = "-";

/// cosign's names, and what is signed for each.
const NAMED: [(&str, &str, Form); 10] = [
    (
        "custom",
        "https://cosign.sigstore.dev/attestation/v1",
        Form::Wrapped,
    ),
    (
        "slsaprovenance",
        "https://slsa.dev/provenance/v0.2",
        Form::Object,
    ),
    (
        "slsaprovenance02",
        "https://slsa.dev/provenance/v0.2",
        Form::Object,
    ),
    (
        "slsaprovenance1",
        "https://slsa.dev/provenance/v1",
        Form::Object,
    ),
    ("link", "https://in-toto.io/Link/v1", Form::Object),
    ("spdx", "https://spdx.dev/Document", Form::Text),
    ("spdxjson", "https://spdx.dev/Document", Form::Object),
    ("cyclonedx", "https://cyclonedx.org/bom", Form::Object),
    (
        "vuln",
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        Form::Object,
    ),
    ("openvex", "https://openvex.dev/ns", Form::Object),
];

/// How a file becomes a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It is JSON, and stands there as it is written.
    Object,
    /// It is text, and stands there as one string.
    Text,
    /// It is text, and stands there beside the time.
    Wrapped,
}

/// A predicate's type, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PredicateType {
    asked: String,
    uri: String,
    form: Form,
}

impl PredicateType {
    /// What is signed along.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }
}

impl FromStr for PredicateType {
    type Err = Infallible;

    fn from_str(asked: &str) -> Result<Self, Infallible> {
        let known = NAMED.iter().find(|(name, ..)| *name == asked);
        let (uri, form) = known.map_or((asked, Form::Object), |(_, uri, form)| (*uri, *form));
        Ok(Self {
            asked: asked.to_owned(),
            uri: uri.to_owned(),
            form,
        })
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.asked)
    }
}

/// Reads a type's name, or its URI; a word that is neither is a slip of the hand.
pub(super) fn predicate_type(word: &str) -> Result<PredicateType, String> {
    let Ok(read) = word.parse::<PredicateType>();
    let is_uri = read.uri.split_once(':').is_some_and(|(scheme, rest)| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        !scheme.is_empty() && scheme.chars().all(fits) && !rest.is_empty()
    });
    if is_uri {
        return Ok(read);
    }
    let names: Vec<&str> = NAMED.iter().map(|(name, ..)| *name).collect();
    Err(format!("it is none of {} and no URI", names.join(", ")))
}

/// What is said, and of which type.
#[derive(Debug, clap::Args)]
pub(super) struct PredicateWords {
    /// The file with what is said; `-` for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "statement")]
    predicate: Option<PathBuf>,
    /// Of which type it is: slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex, custom,
    /// or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom", value_parser = predicate_type)]
    kind: PredicateType,
    /// A whole in-toto statement (0.1 or 1) in a file, which is signed as it is
    #[arg(long, value_name = "FILE", conflicts_with_all = ["predicate", "kind"])]
    statement: Option<PathBuf>,
}

/// What a signature is over.
pub(super) struct Payload {
    pub(super) bytes: Vec<u8>,
    pub(super) said: AnyStatement,
    /// The file that it was read from.
    pub(super) from: String,
}

impl PredicateWords {
    /// The statement about a thing.
    pub(super) fn payload(
        &self,
        name: &str,
        digest: &NamedDigest,
        now: Time,
    ) -> Result<Payload, Failure> {
        if let Some(path) = &self.statement {
            return given(path, digest);
        }
        let path = self.predicate.as_deref().unwrap_or(Path::new(STDIN));
        let bytes = read(path)?;
        let said = AnyStatement {
            subjects: vec![AnySubject {
                name: name.to_owned(),
                digest: [(digest.algorithm.clone(), digest.hex.clone())].into(),
            }],
            predicate_type: self.kind.uri.clone(),
        };
        let written = self.written(&bytes, path, now)?;
        let predicate = json::checked(written.as_bytes(), Limits::LARGE).map_err(|e| {
            let way = "a predicate is one JSON value that can be read in one way only";
            Failure::from_error(Code::JsonInvalid, &e, way)
        })?;
        if self.kind.form == Form::Object && predicate.members().is_none() {
            let message = format!("`{}` is no JSON object", path.display());
            let way =
                "a predicate of this type is one; `--type custom` and `--type spdx` take text";
            return Err(Failure::error(Code::JsonInvalid, message, way));
        }
        let bytes = said.write(predicate);
        let from = path.display().to_string();
        Ok(Payload { bytes, said, from })
    }

    /// The predicate's JSON, of which nothing is known yet where it is the file's.
    fn written(&self, bytes: &[u8], path: &Path, now: Time) -> Result<String, Failure> {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            let message = format!("`{}` is not UTF-8", path.display());
            Failure::error(Code::JsonInvalid, message, "a predicate is text")
        })?;
        Ok(match self.kind.form {
            Form::Object => text.trim_ascii().to_owned(),
            Form::Text => json!(text).to_string(),
            Form::Wrapped => json!({"Data": text, "Timestamp": now.to_string()}).to_string(),
        })
    }
}

/// A statement that somebody made already. Signed about another thing than is named, it would be a slip of the hand.
fn given(path: &Path, digest: &NamedDigest) -> Result<Payload, Failure> {
    let bytes = read(path)?;
    let said = AnyStatement::parse(&bytes)?;
    if !said.is_about(&digest.algorithm, &digest.hex) {
        let message = format!("the statement `{}` is about something else", path.display());
        let way = format!("it names no subject {}:{}", digest.algorithm, digest.hex);
        return Err(Failure::error(Code::SubjectMismatch, message, way));
    }
    let from = path.display().to_string();
    Ok(Payload { bytes, said, from })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new(STDIN) {
        return host::named_file::read(path, FILE_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e));
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(FILE_SIZE_BYTES_MAX + 1);
    let failed = |e| unreadable(path, &e);
    input.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_SIZE_BYTES_MAX {
        let message = format!("more than {FILE_SIZE_BYTES_MAX} bytes came on standard input");
        return Err(Failure::error(
            Code::TooLarge,
            message,
            "that is no predicate",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_cosigns_names_or_are_uris() {
        let uri = |word: &str| predicate_type(word).map(|read| read.uri);
        assert_eq!(
            uri("slsaprovenance1").unwrap(),
            "https://slsa.dev/provenance/v1"
        );
        assert_eq!(uri("https://a/b").unwrap(), "https://a/b");
        assert_eq!(uri("urn:x").unwrap(), "urn:x");
        for word in ["slsaprovenance3", "", ":", "x y:z", "custom "] {
            assert!(uri(word).is_err(), "{word}");
        }
    }
}
