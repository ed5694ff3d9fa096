//! What a build read and nobody keeps, or keeps as a part.

use digest::Digest;
use trust::predicate::ResourceDescriptor;

use super::Node;

/// A file that the command was told to read.
pub(super) const ARGUMENT: &str = "argument";
/// A file that stood in a step's root, and that the provenance does not name apart.
pub(super) const IN_ROOT: &str = "file in a step's root";
/// The digest of a state of a git repository.
const COMMIT: &str = "gitCommit";

pub(super) fn leaf(kind: &str, name: &str, digest: Digest) -> Node {
    Node {
        kind: kind.to_owned(),
        name: name.to_owned(),
        digest: digest.to_string(),
        facts: Vec::new(),
        claims: Vec::new(),
        gaps: Vec::new(),
        links: Vec::new(),
    }
}

/// A dependency that has another digest than SHA-256, such as a git commit.
pub(super) fn unhashed(material: &ResourceDescriptor) -> Node {
    let digest = material
        .digest
        .iter()
        .map(|(algorithm, value)| format!("{algorithm}:{value}"))
        .next();
    let name = if material.name.is_empty() {
        &material.uri
    } else {
        &material.name
    };
    Node {
        kind: material_kind(material).to_owned(),
        name: name.clone(),
        digest: digest.unwrap_or_default(),
        facts: Vec::new(),
        claims: source_claim(material).into_iter().collect(),
        gaps: Vec::new(),
        links: Vec::new(),
    }
}

/// A commit is measured; that it is the source of what was built is a claim.
fn source_claim(material: &ResourceDescriptor) -> Option<String> {
    material.digest.get(COMMIT)?;
    let place = match material.uri.as_str() {
        "" => "a repository without a remote",
        uri => uri,
    };
    let changed = material.annotations.get("changedSince");
    let changed = match changed.and_then(serde_json::Value::as_bool) {
        Some(true) => "files had been changed since the commit",
        Some(false) => "no file had been changed since the commit",
        None => "nobody says whether files had been changed since the commit",
    };
    let untracked = material.annotations.get("untracked");
    let beside = match untracked.and_then(serde_json::Value::as_bool) {
        Some(true) => ", and files that git does not track lay beside it",
        _ => "",
    };
    Some(format!("taken for the source: {place}; {changed}{beside}"))
}

/// What a dependency is, as our builder names them; `input` for those of other builders.
pub(super) fn material_kind(material: &ResourceDescriptor) -> &'static str {
    match material.uri.as_str() {
        uri if uri.starts_with("modelward:dataset") => "data set",
        uri if uri.starts_with("modelward:program") => "program",
        uri if uri.starts_with("modelward:argument") => ARGUMENT,
        uri if uri.starts_with("modelward:root") => "step root",
        uri if uri.starts_with("modelward:included") => "included file",
        uri if uri.starts_with("modelward:model") => "model",
        uri if uri.starts_with("git+") || material.digest.contains_key(COMMIT) => "source",
        _ => "input",
    }
}
