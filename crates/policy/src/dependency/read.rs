//! A dependency policy's TOML to its rules.

use std::collections::BTreeSet;

use digest::Digest;
use trust::TreePath;

use super::{ArchiveRule, DatasetRule, DependencyPolicy, FileRule, Source};
use crate::PolicyError;
use crate::fields::Fields;
use crate::toml_file;

const FORMAT: &str = "modelward-dependency-policy/v1";
/// TOML's own integers end here.
const NUMBER_MAX: u64 = i64::MAX as u64;

pub(super) fn policy(file: &str, bytes: &[u8]) -> Result<DependencyPolicy, PolicyError> {
    let value = toml_file::table(file, bytes)?;
    let known = ["format", "allowed_licences", "allowed_purposes", "dataset"];
    let document = Fields::of_document(file, &value, &known)?;
    if document.text("format")? != FORMAT {
        return Err(document.refused("format", &format!("`{FORMAT}` is the only format")));
    }
    let mut datasets: Vec<DatasetRule> = Vec::new();
    if document.optional("dataset").is_some() {
        let known = ["name", "source", "archive", "licence", "purposes", "file"];
        for fields in document.objects("dataset", &known)? {
            let rule = dataset(&fields)?;
            if datasets.iter().any(|earlier| earlier.name == rule.name) {
                return Err(twice(file, "the data set", &rule.name));
            }
            datasets.push(rule);
        }
    }
    Ok(DependencyPolicy {
        allowed_licences: document.texts("allowed_licences")?,
        allowed_purposes: document.texts("allowed_purposes")?,
        datasets,
        digest: Digest::of(bytes),
    })
}

fn dataset(fields: &Fields<'_>) -> Result<DatasetRule, PolicyError> {
    let source = source(fields.identity("source")?).ok_or_else(|| {
        let rule = "`npm:NAME@VERSION` with an exact version, or `file:PATH`";
        fields.refused("source", rule)
    })?;
    let archive = match fields.optional("archive") {
        None => None,
        Some(_) => Some(archive(
            &fields.object("archive", &["digest", "size_bytes"])?,
        )?),
    };
    let mut files: Vec<FileRule> = Vec::new();
    let mut names = BTreeSet::new();
    for file_fields in fields.objects("file", &["name", "path", "digest", "size_bytes"])? {
        let rule = file(&file_fields)?;
        if !names.insert(rule.name.clone()) {
            return Err(file_fields.refused("name", "another file of the data set has this name"));
        }
        files.push(rule);
    }
    Ok(DatasetRule {
        name: fields.identity("name")?.to_owned(),
        source,
        archive,
        licence: fields.text("licence")?.to_owned(),
        purposes: fields.texts("purposes")?,
        files,
    })
}

fn archive(fields: &Fields<'_>) -> Result<ArchiveRule, PolicyError> {
    Ok(ArchiveRule {
        digest: digest(fields)?,
        size_bytes: fields.number("size_bytes", NUMBER_MAX)?,
    })
}

fn file(fields: &Fields<'_>) -> Result<FileRule, PolicyError> {
    let path = |key| {
        let rule = "a plain relative name, without `..`";
        TreePath::new(fields.text(key)?).map_err(|_| fields.refused(key, rule))
    };
    Ok(FileRule {
        name: path("name")?,
        path: path("path")?,
        digest: digest(fields)?,
        size_bytes: fields.number("size_bytes", NUMBER_MAX)?,
    })
}

fn digest(fields: &Fields<'_>) -> Result<Digest, PolicyError> {
    let digest = fields.text("digest")?.parse();
    digest.map_err(|_| fields.refused("digest", "`sha256:` and 64 small hexadecimal digits"))
}

fn source(text: &str) -> Option<Source> {
    let (scheme, rest) = text.split_once(':')?;
    match scheme {
        "npm" => package(rest).map(|(package, version)| Source::Npm { package, version }),
        "file" => (!rest.is_empty()).then(|| Source::File(rest.to_owned())),
        _ => None,
    }
}

/// `NAME@VERSION` or `@SCOPE/NAME@VERSION`: an exact version, and nothing that leads elsewhere in a URL or a path.
fn package(text: &str) -> Option<(String, String)> {
    let (name, version) = text.rsplit_once('@')?;
    let is_plain = |part: &str| {
        let is_fit = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        part.bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
            && part.bytes().all(is_fit)
    };
    let is_version = |b: u8| b.is_ascii_alphanumeric() || b"-_.+!".contains(&b);
    let is_named = match name.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| is_plain(scope) && is_plain(name)),
        None => is_plain(name),
    };
    let is_exact = version.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && version.bytes().all(is_version)
        && !version
            .split('.')
            .any(|part| part == "x" || part.is_empty());
    (is_named && is_exact).then(|| (name.to_owned(), version.to_owned()))
}

fn twice(file: &str, place: &str, value: &str) -> PolicyError {
    PolicyError::Twice {
        file: file.to_owned(),
        place: place.to_owned(),
        value: value.to_owned(),
        earlier: file.to_owned(),
    }
}
