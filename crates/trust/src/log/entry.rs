//! A line of our log: which bundle was recorded, and about what. Canonical JSON, one spelling for each entry.

use std::collections::BTreeSet;

use decode::json;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::ENTRY_SIZE_BYTES_MAX;

const KIND: &str = "modelward/statement/v1";
/// As many subjects as fit a log's entry beside the longest predicate type.
const SUBJECTS_MAX: usize = 800;
const PREDICATE_TYPE_SIZE_BYTES_MAX: usize = 1024;
const LIMITS: json::Limits = json::Limits {
    size_bytes_max: ENTRY_SIZE_BYTES_MAX,
    depth_max: 2,
};

/// The record of one bundle in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    bundle: Digest,
    predicate_type: String,
    subjects: Vec<Digest>,
    more: u64,
}

impl Entry {
    /// An entry about a bundle. Subjects are sorted, each stands once; those above 800 are only counted.
    ///
    /// # Errors
    /// There is no subject, or the predicate type is empty, too long, or has control characters.
    pub fn new(
        bundle: Digest,
        predicate_type: &str,
        subjects: impl IntoIterator<Item = Digest>,
    ) -> Result<Self, EntryError> {
        check_predicate_type(predicate_type)?;
        let distinct: BTreeSet<Digest> = subjects.into_iter().collect();
        let more = distinct.len().saturating_sub(SUBJECTS_MAX) as u64;
        let subjects: Vec<Digest> = distinct.into_iter().take(SUBJECTS_MAX).collect();
        if subjects.is_empty() {
            return Err(EntryError::NoSubject);
        }
        Ok(Self {
            bundle,
            predicate_type: predicate_type.to_owned(),
            subjects,
            more,
        })
    }

    /// The bytes that the log holds.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            bundle: self.bundle.to_string(),
            kind: KIND.to_owned(),
            more: self.more,
            predicate_type: self.predicate_type.clone(),
            subjects: self.subjects.iter().map(Digest::to_string).collect(),
        };
        // Strings and a number always have a JSON form.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// They are not exactly what [`Entry::to_bytes`] makes of an entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let wire: Wire = json::from_slice(bytes, LIMITS)?;
        if wire.kind != KIND {
            return Err(EntryError::Kind {
                kind: wire.kind.chars().take(80).collect(),
            });
        }
        check_predicate_type(&wire.predicate_type)?;
        let parse = |text: &String| text.parse().map_err(EntryError::Digest);
        let entry = Self {
            bundle: parse(&wire.bundle)?,
            predicate_type: wire.predicate_type,
            subjects: wire.subjects.iter().map(parse).collect::<Result<_, _>>()?,
            more: wire.more,
        };
        let is_sorted = entry.subjects.is_sorted_by(|a, b| a < b);
        let is_counted = entry.more == 0 || entry.subjects.len() == SUBJECTS_MAX;
        if entry.subjects.is_empty() {
            Err(EntryError::NoSubject)
        } else if is_sorted && is_counted && entry.to_bytes() == bytes {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical)
        }
    }

    /// The digest of the bundle's bytes.
    #[must_use]
    pub const fn bundle(&self) -> Digest {
        self.bundle
    }

    /// What kind of statement it is.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// What it is about: the first 800 digests, sorted.
    #[must_use]
    pub fn subjects(&self) -> &[Digest] {
        &self.subjects
    }

    /// How many subjects there are besides.
    #[must_use]
    pub const fn more(&self) -> u64 {
        self.more
    }
}

/// In the order of RFC 8785: keys sorted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire {
    bundle: String,
    kind: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    more: u64,
    predicate_type: String,
    subjects: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn check_predicate_type(text: &str) -> Result<(), EntryError> {
    let is_plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !text.is_empty() && text.len() <= PREDICATE_TYPE_SIZE_BYTES_MAX && is_plain {
        Ok(())
    } else {
        Err(EntryError::PredicateType)
    }
}

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not JSON of an entry's shape.
    #[error("not a log entry")]
    Json(#[from] json::Error),
    /// An entry of another kind.
    #[error("`{kind}` is no kind of log entry; `{KIND}` is the only one known")]
    Kind {
        /// The kind it says.
        kind: String,
    },
    /// A digest that is none.
    #[error("a digest of the log entry can't be read")]
    Digest(#[source] digest::ParseDigestError),
    /// Not a URI.
    #[error("a predicate type has 1 to {PREDICATE_TYPE_SIZE_BYTES_MAX} bytes and no spaces")]
    PredicateType,
    /// About nothing.
    #[error("a log entry needs a subject")]
    NoSubject,
    /// The same could be said in other bytes.
    #[error("the log entry is not in its canonical form")]
    NotCanonical,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(subjects: u32) -> Entry {
        let subjects = (0..subjects).map(|i| Digest::of(&i.to_le_bytes()));
        Entry::new(
            Digest::of(b"bundle"),
            "https://slsa.dev/provenance/v1",
            subjects,
        )
        .unwrap()
    }

    #[test]
    fn one_spelling() {
        let subjects = [Digest::of(b"b"), Digest::of(b"a"), Digest::of(b"b")];
        let entry = Entry::new(
            Digest::of(b"bundle"),
            "https://slsa.dev/provenance/v1",
            subjects,
        );
        let bytes = entry.unwrap().to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"bundle":"{}","kind":"modelward/statement/v1","predicateType":"https://slsa.dev/provenance/v1","subjects":["{}","{}"]}}"#,
                Digest::of(b"bundle"),
                Digest::of(b"b"),
                Digest::of(b"a"),
            )
        );
        assert_eq!(Entry::parse(&bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn mutated_twins() {
        let text = String::from_utf8(entry(2).to_bytes()).unwrap();
        assert!(Entry::parse(text.as_bytes()).is_ok());
        let (first, second) = (entry(2).subjects[0], entry(2).subjects[1]);
        for (from, to) in [
            (text.as_str(), ""),
            (",", ", "),
            ("}", ",\"x\":1}"),
            ("}", "}\n"),
            ("}", ",\"more\":0}"),
            ("\"kind\"", "\"kind\":\"\",\"kind\""),
            ("v1\",\"pred", "v2\",\"pred"),
            ("\"kind\":\"modelward", "\"more\":1,\"kind\":\"modelward"),
            ("\"predicateType\"", "\"more\":1,\"predicateType\""),
            ("https://slsa.dev", "https://slsa.dev "),
            ("https://slsa.dev", "https:\\/\\/slsa.dev"),
            ("https://slsa.dev/provenance/v1", ""),
            ("sha256:", "sha512:"),
            (&first.to_string(), &second.to_string()),
            (
                &format!("\"{first}\",\"{second}\""),
                &format!("\"{second}\",\"{first}\""),
            ),
            (&format!("\"{first}\",\"{second}\""), ""),
        ] {
            let twin = text.replacen(from, to, 1);
            assert_ne!(twin, text, "{from}");
            assert!(Entry::parse(twin.as_bytes()).is_err(), "{twin}");
        }
    }

    #[test]
    fn many_subjects_fit_and_the_rest_is_counted() {
        let full = Entry::new(
            Digest::of(b"bundle"),
            &"\\".repeat(PREDICATE_TYPE_SIZE_BYTES_MAX),
            entry(800).subjects.iter().copied(),
        );
        assert!(full.unwrap().to_bytes().len() <= ENTRY_SIZE_BYTES_MAX);
        let over = entry(803);
        assert_eq!((over.subjects().len(), over.more()), (800, 3));
        assert_eq!(Entry::parse(&over.to_bytes()), Ok(over));
        assert!(Entry::new(Digest::of(b"b"), "t", []).is_err());
        assert!(Entry::new(Digest::of(b"b"), "a b", [Digest::of(b"s")]).is_err());
    }
}
