//! An in-toto statement of whatever type, by whomever it was written: version 0.1, as cosign writes it, or version 1, about
//! digests by whatever algorithm.
//!
//! [`crate::Statement`] is what this program's own stages say and believe. What is read here no stage takes as its own: what the
//! predicate means is for whoever asked for its type.

use std::collections::BTreeMap;

use decode::json::{self, Limits, Raw};
use serde::{Deserialize, Serialize};

use crate::{Error, compact};

const VERSIONS: [&str; 2] = [
    "https://in-toto.io/Statement/v0.1",
    "https://in-toto.io/Statement/v1",
];
const SUBJECTS_MAX: usize = 100_000;

/// What somebody says, under a type's URI, about things named by their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyStatement {
    /// What it is about; at least one.
    pub subjects: Vec<AnySubject>,
    /// The predicate's type.
    pub predicate_type: String,
}

/// One thing that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnySubject {
    /// Its name, which is for people: only the digests identify.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its digests, in hexadecimal, each by its algorithm's name; at least one.
    pub digest: BTreeMap<String, String>,
}

impl AnyStatement {
    /// Reads a statement. Says nothing about who signed it.
    ///
    /// # Errors
    /// The bytes are no in-toto statement of version 0.1 or 1, or it names nothing.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let wire: Wire<'_> =
            json::from_slice(payload, Limits::LARGE).map_err(Error::StatementJson)?;
        if !VERSIONS.contains(&wire.version.as_str()) {
            let text = format!("its `_type` is `{}`", wire.version);
            return Err(Error::StatementShape(text));
        }
        Ok(Self {
            subjects: subjects(wire.subject)?,
            predicate_type: wire.predicate_type,
        })
    }

    /// The bytes of a statement of version 0.1, which is what cosign writes and every reader reads. The predicate stands in it as
    /// it was written.
    #[must_use]
    pub fn write(&self, predicate: Raw<'_>) -> Vec<u8> {
        let [version, _] = VERSIONS.map(compact_text);
        let (subjects, predicate_type) = (
            compact::to_vec(&self.subjects),
            compact_text(&self.predicate_type),
        );
        [
            &b"{\"_type\":"[..],
            &version,
            b",\"subject\":",
            &subjects,
            b",\"predicateType\":",
            &predicate_type,
            b",\"predicate\":",
            predicate.text().as_bytes(),
            b"}",
        ]
        .concat()
    }

    /// Whether a subject has this digest by this algorithm.
    #[must_use]
    pub fn is_about(&self, algorithm: &str, hex: &str) -> bool {
        let is_it =
            |subject: &AnySubject| subject.digest.get(algorithm).is_some_and(|it| it == hex);
        self.subjects.iter().any(is_it)
    }
}

fn compact_text(text: &str) -> Vec<u8> {
    compact::to_vec(&text)
}

fn subjects(listed: Raw<'_>) -> Result<Vec<AnySubject>, Error> {
    let unfit = || Error::StatementShape("it names no subject, or too many".to_owned());
    let mut subjects = Vec::new();
    for subject in listed.items().ok_or_else(unfit)? {
        if subjects.len() == SUBJECTS_MAX {
            return Err(unfit());
        }
        let subject: AnySubject = subject.read().map_err(Error::StatementJson)?;
        if subject.digest.is_empty() {
            let text = format!("its subject `{}` has no digest", subject.name);
            return Err(Error::StatementShape(text));
        }
        subjects.push(subject);
    }
    if subjects.is_empty() {
        return Err(unfit());
    }
    Ok(subjects)
}

/// in-toto's parsing rules let a statement carry fields that its reader doesn't know.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "_type")]
    version: String,
    #[serde(borrow)]
    subject: Raw<'a>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// It must be there.
    #[serde(borrow, rename = "predicate")]
    _predicate: Raw<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"a","digest":{"sha512":"00"}}],"predicateType":"t:1","predicate":{"a":[1.0]}}"#;

    #[test]
    fn both_versions_are_read_and_what_is_none_is_refused() {
        let read = |text: &str| AnyStatement::parse(text.as_bytes());
        let good = read(GOOD).unwrap();
        assert!(good.is_about("sha512", "00") && !good.is_about("sha256", "00"));
        assert!(!good.is_about("sha512", "01"));
        assert!(read(&GOOD.replace("Statement/v0.1", "Statement/v1")).is_ok());
        for (from, to) in [
            ("Statement/v0.1", "Statement/v2"),
            (r#"{"sha512":"00"}"#, "{}"),
            (r#"{"sha512":"00"}"#, r#"{"sha512":"00","sha512":"01"}"#),
            (r#"[{"name":"a","digest":{"sha512":"00"}}]"#, "[]"),
            (r#","predicate":{"a":[1.0]}"#, ""),
            (r#""predicateType":"t:1","#, ""),
            ("[1.0]", "[1.0],\"a\":2"),
            ("[1.0]}}", "[1.0]}} "),
            ("[1.0]}}", "[1.0]}}1"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD, "{from}");
            // Blanks at the end are none of anybody's business.
            assert_eq!(read(&bad).is_ok(), to.ends_with(' '), "{from} -> {to}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let predicate = json::checked(br#"{"a":[1.0]}"#, Limits::SMALL).unwrap();
        let read = AnyStatement::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(read.write(predicate)).unwrap(), GOOD);
    }
}
