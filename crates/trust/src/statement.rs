//! in-toto Statement v1: what someone says about digests.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::{self, Limits};
use digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{Artifact, Error, Predicate};

const TYPE: &str = "https://in-toto.io/Statement/v1";
const SUBJECTS_MAX: usize = 100_000;

/// What someone says, `predicate`, about things named by their digests.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement<P> {
    /// What it is about; at least one.
    pub subjects: Vec<Subject>,
    /// What is said.
    pub predicate: P,
}

/// One thing that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name, which is for people: only the digest identifies.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// A statement of a type that this version doesn't know, or that a caller needs no more of than its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// The predicate's type URI.
    pub predicate_type: String,
    /// The predicate, read but not understood.
    pub predicate: json::Value,
    /// What each subject's descriptor says besides, where it says something.
    pub subject_annotations: Vec<Option<json::Value>>,
}

impl<P: Predicate> Statement<P> {
    /// The bytes to sign: compact JSON with the fields in the specification's order. Always the same for the same
    /// statement.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = WriteStatement {
            type_: TYPE,
            subject: self.subjects.iter().map(write_subject).collect(),
            predicate_type: P::TYPE,
            predicate: &self.predicate,
        };
        // Predicates hold strings, numbers, lists and maps with string keys, which always serialise.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Whether it is about an artifact: about its digest, or about every one of its files. One file alone is not enough,
    /// since two artifacts may share one.
    #[must_use]
    pub fn covers(&self, artifact: &Artifact) -> bool {
        let files = artifact.files().values().map(|file| file.digest);
        self.is_about(artifact.digest()) || self.is_about_all(files)
    }

    /// Whether each of these digests is a subject's. Walking the subjects for each of them takes minutes where there are
    /// tens of thousands.
    pub fn is_about_all(&self, digests: impl IntoIterator<Item = Digest>) -> bool {
        let stated: BTreeSet<Digest> = self.subjects.iter().map(|s| s.digest).collect();
        digests.into_iter().all(|digest| stated.contains(&digest))
    }

    /// Whether one of the subjects has this digest.
    #[must_use]
    pub fn is_about(&self, digest: Digest) -> bool {
        self.subjects.iter().any(|subject| subject.digest == digest)
    }
}

impl Statement<Opaque> {
    /// Reads a statement of any type. Says nothing about who signed it.
    ///
    /// # Errors
    /// The bytes are no in-toto Statement v1 with SHA-256 subjects.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let mut document = json::value(payload, Limits::LARGE).map_err(Error::StatementJson)?;
        // Taken out as it is: over many files it is long, and reading it as a value once more doubles it.
        let predicate = take_predicate(&mut document).ok_or_else(|| {
            Error::StatementJson(json::Error::Shape("missing field `predicate`".to_owned()))
        })?;
        let wire: ReadStatement = json::from_value(document).map_err(Error::StatementJson)?;
        if wire.type_ != TYPE {
            return Err(Error::StatementShape(format!(
                "its `_type` is `{}`, not `{TYPE}`",
                wire.type_
            )));
        }
        if wire.subject.is_empty() || wire.subject.len() > SUBJECTS_MAX {
            return Err(Error::StatementShape(
                "it names no subject, or too many".to_owned(),
            ));
        }
        let mut subject_annotations = Vec::with_capacity(wire.subject.len());
        let mut subjects = Vec::with_capacity(wire.subject.len());
        for mut subject in wire.subject {
            subject_annotations.push(subject.annotations.take());
            subjects.push(read_subject(subject)?);
        }
        let predicate = Opaque {
            predicate_type: wire.predicate_type,
            predicate,
            subject_annotations,
        };
        Ok(Self {
            subjects,
            predicate,
        })
    }
}

#[derive(Serialize)]
struct WriteStatement<'a, P> {
    #[serde(rename = "_type")]
    type_: &'static str,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: &'a P,
}

fn take_predicate(document: &mut json::Value) -> Option<json::Value> {
    let json::Value::Object(members) = document else {
        return None;
    };
    let position = members.iter().position(|(key, _)| key == "predicate")?;
    Some(members.swap_remove(position).1)
}

/// A statement without its predicate. in-toto's parsing rules let it carry fields that its reader doesn't know.
#[derive(Deserialize)]
struct ReadStatement {
    #[serde(rename = "_type")]
    type_: String,
    subject: Vec<ReadSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Serialize)]
struct WireSubject {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    digest: BTreeMap<&'static str, String>,
}

#[derive(Deserialize)]
struct ReadSubject {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<json::Value>,
}

fn write_subject(subject: &Subject) -> WireSubject {
    let digest = BTreeMap::from([("sha256", subject.digest.hex())]);
    WireSubject {
        name: subject.name.clone(),
        digest,
    }
}

fn read_subject(wire: ReadSubject) -> Result<Subject, Error> {
    let refused =
        || Error::StatementShape(format!("its subject `{}` has no SHA-256 digest", wire.name));
    let hex = wire.digest.get("sha256").ok_or_else(refused)?;
    let digest = Digest::from_hex(hex).map_err(|_| refused())?;
    Ok(Subject {
        name: wire.name,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::FileEntry;
    use crate::predicate::{Recall, RecallKind};
    use crate::{Kind, Time, TreePath};

    /// A debug build that looks each file up by walking all subjects does not come to an end here.
    #[test]
    fn covering_takes_each_of_many_files_and_not_one_less() {
        let digest = |number: usize| Digest::of(&number.to_be_bytes());
        let file = |number: usize| {
            let entry = FileEntry {
                digest: digest(number),
                size_bytes: 1,
            };
            (TreePath::new(&number.to_string()).unwrap(), entry)
        };
        let model = Artifact::new(Kind::Model, (0..50_000).map(file).collect()).unwrap();
        let subject = |number| Subject {
            name: String::new(),
            digest: digest(number),
        };
        let predicate = Recall {
            kind: RecallKind::Model,
            target: String::new(),
            reason: String::new(),
            recalled_at: Time::from_unix(0),
        };
        let mut statement = Statement {
            subjects: (0..50_000).rev().map(subject).collect(),
            predicate,
        };
        assert!(statement.covers(&model));
        statement.subjects.pop();
        assert!(!statement.covers(&model));
    }
}
