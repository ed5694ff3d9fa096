//! in-toto Statement v1: what someone says about digests.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::{self, Limits, Raw};
use digest::Digest;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Artifact, Error, Predicate, compact};

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
pub struct Opaque<'a> {
    /// The predicate's type URI.
    pub predicate_type: String,
    /// The predicate as it was written: strict JSON, and not understood.
    pub predicate: Raw<'a>,
    /// What each subject's descriptor says besides, where it says something.
    pub subject_annotations: Vec<Option<Raw<'a>>>,
}

impl<P: Predicate> Statement<P> {
    /// The bytes to sign: compact JSON with the fields in the specification's order. Always the same for the same
    /// statement.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = WriteStatement {
            type_: TYPE,
            subject: &self.subjects,
            predicate_type: P::TYPE,
            predicate: &self.predicate,
        };
        // Predicates hold strings, numbers, lists and maps with string keys, which always serialise.
        compact::to_vec(&wire)
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

impl<'a> Statement<Opaque<'a>> {
    /// Reads a statement of any type. Says nothing about who signed it.
    ///
    /// # Errors
    /// The bytes are no in-toto Statement v1 with SHA-256 subjects.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let wire: ReadStatement<'a> =
            json::from_slice(payload, Limits::LARGE).map_err(Error::StatementJson)?;
        if wire.type_ != TYPE {
            return Err(Error::StatementShape(format!(
                "its `_type` is `{}`, not `{TYPE}`",
                wire.type_
            )));
        }
        let unfit = |what: &str| Error::StatementShape(what.to_owned());
        let none = || unfit("it names no subject");
        let listed = wire.subject.items().ok_or_else(none)?;
        let (mut subject_annotations, mut subjects) = (Vec::new(), Vec::new());
        for subject in listed {
            if subjects.len() == SUBJECTS_MAX {
                return Err(unfit("it names too many subjects"));
            }
            let subject: ReadSubject<'a> = subject.read().map_err(Error::StatementJson)?;
            subject_annotations.push(subject.annotations);
            subjects.push(read_subject(subject)?);
        }
        if subjects.is_empty() {
            return Err(none());
        }
        let predicate = Opaque {
            predicate_type: wire.predicate_type,
            predicate: wire.predicate,
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
    #[serde(serialize_with = "write_subjects")]
    subject: &'a [Subject],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: &'a P,
}

/// in-toto's parsing rules let a statement carry fields that its reader doesn't know.
#[derive(Deserialize)]
struct ReadStatement<'a> {
    #[serde(rename = "_type")]
    type_: String,
    /// One after the other is read: they may be many.
    #[serde(borrow)]
    subject: Raw<'a>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(borrow)]
    predicate: Raw<'a>,
}

#[derive(Serialize)]
struct WireSubject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    digest: WireDigest,
}

#[derive(Serialize)]
struct WireDigest {
    sha256: String,
}

#[derive(Deserialize)]
struct ReadSubject<'a> {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
    #[serde(default, borrow)]
    annotations: Option<Raw<'a>>,
}

fn write_subjects<S: Serializer>(subjects: &[Subject], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(subjects.iter().map(|subject| WireSubject {
        name: &subject.name,
        digest: WireDigest {
            sha256: subject.digest.hex(),
        },
    }))
}

fn read_subject(wire: ReadSubject<'_>) -> Result<Subject, Error> {
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
