//! The files of a scan, one behind the other: there may be a hundred thousand, and of nearly all of them there is nothing to
//! say but their name, digest, format and verdict.

use std::collections::BTreeMap;
use std::fmt;

use digest::Digest;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ScanVerdict, ScannedFile};

/// What was read, file by file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScannedFiles {
    names: String,
    files: Vec<Short>,
    /// The formats that there are; each file has the place of its own.
    formats: Vec<String>,
    /// What else is said, of files of which more is said.
    more: BTreeMap<usize, (BTreeMap<String, u64>, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Short {
    /// Where its name ends, which is where the next one's begins.
    name_end: usize,
    digest: Digest,
    format: usize,
    verdict: ScanVerdict,
}

impl ScannedFiles {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file at this place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<ScannedFile> {
        let short = self.files.get(at)?;
        let before = at.checked_sub(1).and_then(|before| self.files.get(before));
        let start = before.map_or(0, |before| before.name_end);
        let (findings, not_read) = self.more.get(&at).cloned().unwrap_or_default();
        Some(ScannedFile {
            name: self.names.get(start..short.name_end)?.to_owned(),
            digest: short.digest,
            format: self.formats.get(short.format)?.clone(),
            verdict: short.verdict,
            findings,
            not_read,
        })
    }

    /// In the order in which they were listed.
    pub fn iter(&self) -> impl Iterator<Item = ScannedFile> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Adds one.
    pub fn push(&mut self, file: ScannedFile) {
        let ScannedFile {
            name,
            digest,
            format,
            verdict,
            findings,
            not_read,
        } = file;
        if !findings.is_empty() || !not_read.is_empty() {
            self.more.insert(self.files.len(), (findings, not_read));
        }
        let known = self.formats.iter().position(|known| *known == format);
        let format = known.unwrap_or_else(|| {
            self.formats.push(format);
            self.formats.len() - 1
        });
        self.names.push_str(&name);
        self.files.push(Short {
            name_end: self.names.len(),
            digest,
            format,
            verdict,
        });
    }
}

impl Extend<ScannedFile> for ScannedFiles {
    fn extend<T: IntoIterator<Item = ScannedFile>>(&mut self, files: T) {
        files.into_iter().for_each(|file| self.push(file));
    }
}

impl FromIterator<ScannedFile> for ScannedFiles {
    fn from_iter<T: IntoIterator<Item = ScannedFile>>(files: T) -> Self {
        let mut all = Self::default();
        all.extend(files);
        all
    }
}

impl Serialize for ScannedFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ScannedFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OneByOne)
    }
}

struct OneByOne;

impl<'de> Visitor<'de> for OneByOne {
    type Value = ScannedFiles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of scanned files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<ScannedFiles, A::Error> {
        let mut all = ScannedFiles::default();
        while let Some(file) = files.next_element()? {
            all.push(file);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_back_as_it_was_put_in() {
        let file =
            |name: &str, format: &str, findings: &[(&str, u64)], not_read: &[&str]| ScannedFile {
                name: name.to_owned(),
                digest: Digest::of(name.as_bytes()),
                format: format.to_owned(),
                verdict: match findings {
                    [] => ScanVerdict::Clean,
                    _ => ScanVerdict::Malicious,
                },
                findings: findings
                    .iter()
                    .map(|(rule, count)| ((*rule).to_owned(), *count))
                    .collect(),
                not_read: not_read.iter().map(ToString::to_string).collect(),
            };
        let files = vec![
            file("a", "json", &[], &[]),
            file("", "pickle", &[("R1", 2), ("R2", 1)], &["the end"]),
            file("b/ä", "json", &[], &["all"]),
            file("c", "text", &[], &[]),
        ];
        let all: ScannedFiles = files.iter().cloned().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), files);
        assert_eq!((all.len(), all.get(4)), (4, None));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, serde_json::to_string(&files).unwrap());
        assert_eq!(serde_json::from_str::<ScannedFiles>(&text).unwrap(), all);
    }
}
