//! A policy's TOML to its requirements.

use digest::Digest;

use super::asked::{Age, By};
use super::place::{Mode, Scope, scope_rule};
use super::{
    Policy, Requirement, approvals, build, data, expression, licence, metrics, sbom, scan,
    signature,
};
use crate::PolicyError;
use crate::fields::Fields;
use crate::toml_file;

const HEAD: &[&str] = &["format", "name", "mode", "scope"];
const SCOPE_KEYS: &[&str] = &["environments", "match", "mode"];
const AGE_DAYS_MAX: u64 = 36_500;
const THRESHOLD_MAX: u64 = 100;
const SCOPES_MAX: usize = 1000;

type Read = fn(&Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError>;

/// Every kind of requirement: its key, the keys in it, and its reader.
const KINDS: &[(&str, &[&str], Read)] = &[
    ("signature", signature::KEYS, signature::read),
    ("build", build::KEYS, build::read),
    ("data", data::KEYS, data::read),
    ("metric", metrics::KEYS, metrics::read),
    ("scan", scan::KEYS, scan::read),
    ("sbom", sbom::KEYS, sbom::read),
    ("licence", licence::KEYS, licence::read),
    ("approvals", approvals::KEYS, approvals::read),
    ("expression", expression::KEYS, expression::read),
];

/// Every key of the format with the keys in it, so that who describes the format can be held to it.
#[must_use]
pub fn keys() -> Vec<(&'static str, &'static [&'static str])> {
    let head = HEAD.iter().map(|key| match *key {
        "scope" => (*key, SCOPE_KEYS),
        _ => (*key, &[] as &[&str]),
    });
    head.chain(KINDS.iter().map(|(key, keys, _)| (*key, *keys)))
        .collect()
}

/// A requirement where it stands in the document.
pub(super) struct Entry<'a> {
    document: &'a Fields<'a>,
    key: &'static str,
}

impl Entry<'_> {
    pub(super) fn object(&self, known: &[&str]) -> Result<Fields<'_>, PolicyError> {
        self.document.object(self.key, known)
    }

    pub(super) fn objects(&self, known: &[&str]) -> Result<Vec<Fields<'_>>, PolicyError> {
        self.document.objects(self.key, known)
    }
}

pub(super) fn policy(file: &str, bytes: &[u8]) -> Result<Policy, PolicyError> {
    let value = toml_file::table(file, bytes)?;
    let known: Vec<&str> = keys().into_iter().map(|(key, _)| key).collect();
    let document = Fields::of_document(file, &value, &known)?;
    if document.required("format")?.as_u64() != Some(2) {
        return Err(document.refused("format", "2 is this format"));
    }
    let mode = mode(&document)?.unwrap_or(Mode::Enforce);
    let mut requirements = Vec::new();
    for (key, _, read) in KINDS {
        if document.optional(key).is_some() {
            requirements.push(read(&Entry {
                document: &document,
                key,
            })?);
        }
    }
    if requirements.is_empty() {
        let kinds: Vec<&str> = KINDS.iter().map(|(key, ..)| *key).collect();
        let rule = format!("a policy requires something: `{}`", kinds.join("`, `"));
        return Err(document.refused("format", &rule));
    }
    Ok(Policy {
        name: document.text("name")?.to_owned(),
        digest: Digest::of(bytes),
        mode,
        scopes: scopes(&document, mode)?,
        requirements,
    })
}

fn scopes(document: &Fields<'_>, default: Mode) -> Result<Vec<Scope>, PolicyError> {
    if document.optional("scope").is_none() {
        return Ok(Vec::new());
    }
    let read = |fields: &Fields<'_>| {
        let matches = fields
            .optional("match")
            .map(|_| fields.named_texts("match", scope_rule));
        Ok(Scope {
            environments: fields.texts_if_any("environments")?,
            matches: matches.transpose()?.unwrap_or_default(),
            mode: mode(fields)?.unwrap_or(default),
        })
    };
    let scopes = document.objects("scope", SCOPE_KEYS)?;
    if scopes.len() > SCOPES_MAX {
        return Err(document.refused("scope", "there are too many"));
    }
    scopes.iter().map(read).collect()
}

fn mode(fields: &Fields<'_>) -> Result<Option<Mode>, PolicyError> {
    if fields.optional("mode").is_none() {
        return Ok(None);
    }
    let word = fields.text("mode")?.parse();
    word.map(Some).map_err(|rule| fields.refused("mode", rule))
}

pub(super) fn age(fields: &Fields<'_>) -> Result<Age, PolicyError> {
    let days = fields
        .optional("max_age_days")
        .map(|_| fields.number("max_age_days", AGE_DAYS_MAX));
    let days = days.transpose()?.and_then(|days| u32::try_from(days).ok());
    Ok(Age { days_max: days })
}

pub(super) fn by(fields: &Fields<'_>) -> Result<By, PolicyError> {
    fields.texts_if_any("by").map(By)
}

/// How many people must say it: one without it. What nobody can reach is a slip of the pen.
pub(super) fn threshold(fields: &Fields<'_>, by: &By) -> Result<usize, PolicyError> {
    if fields.optional("threshold").is_none() {
        return Ok(1);
    }
    let threshold = fields.number("threshold", THRESHOLD_MAX)?;
    let threshold = usize::try_from(threshold).unwrap_or_default();
    if threshold == 0 || (!by.0.is_empty() && threshold > by.0.len()) {
        return Err(fields.refused("threshold", "at least 1, and no more than `by` has names"));
    }
    Ok(threshold)
}

pub(super) fn digests(fields: &Fields<'_>, key: &str) -> Result<Vec<Digest>, PolicyError> {
    let texts = fields.texts_if_any(key)?;
    let read: Result<Vec<Digest>, _> = texts.iter().map(|text| text.parse()).collect();
    read.map_err(|_| fields.refused(key, "each `sha256:` and 64 small hexadecimal digits"))
}
