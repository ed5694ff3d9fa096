//! The dependency policy: which data may be used, from where, with which bytes, under which licence and for what.
//!
//! In: one TOML file (docs/formats/dependency-policy.md), a data set's name, a purpose, and what was fetched as
//! `digest` measured it. Must hold: the policy names it, its licence and its purpose, and every byte is the one the
//! policy names. Out: the rule, by which the builder fetches.
//!
//! The policy is trusted: whoever can change it chooses what models learn from.

mod read;

use digest::{Digest, Listing, Measured};
use trust::{Code, Reason, TreePath, Verdict};

use crate::PolicyError;
use crate::fields::nearest;
use crate::verdict;

/// A dependency policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyPolicy {
    allowed_licences: Vec<String>,
    allowed_purposes: Vec<String>,
    datasets: Vec<DatasetRule>,
    digest: Digest,
}

/// What a policy says of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRule {
    /// The name that it is asked for by.
    pub name: String,
    /// Where it is.
    pub source: Source,
    /// The archive as it is fetched, if the policy says.
    pub archive: Option<ArchiveRule>,
    /// The licence, as an SPDX expression.
    pub licence: String,
    /// What it may be used for.
    pub purposes: Vec<String>,
    /// Its files; at least one.
    pub files: Vec<FileRule>,
}

/// What the archive of a data set must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRule {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// What a file of a data set must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// Its name in the data set.
    pub name: TreePath,
    /// Its name inside the archive.
    pub path: TreePath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// Where a data set is fetched from: an exact version, never a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `npm:NAME@VERSION`
    Npm {
        /// The package.
        package: String,
        /// Its version.
        version: String,
    },
    /// `file:PATH`, an archive or a folder of this machine.
    File(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Npm { package, version } => write!(f, "npm:{package}@{version}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl DependencyPolicy {
    /// Reads a policy, by the name that errors call it by.
    ///
    /// # Errors
    /// It is not TOML, has a key that is unknown or stands twice, or breaks a rule of the format.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, PolicyError> {
        read::policy(file, bytes)
    }

    /// The digest of the policy's file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What it says of each data set, in the file's order.
    #[must_use]
    pub fn datasets(&self) -> &[DatasetRule] {
        &self.datasets
    }

    /// Says whether a data set may be used for a purpose; and if its files are here, whether they are the policy's.
    #[must_use]
    pub fn evaluate(
        &self,
        name: &str,
        purpose: &str,
        listing: Option<&Listing>,
    ) -> Verdict<&DatasetRule> {
        let Some(rule) = self.datasets.iter().find(|rule| rule.name == name) else {
            return verdict::denied(self.not_allowed(name, purpose, listing));
        };
        let mut reasons = Vec::new();
        if !self.allowed_licences.contains(&rule.licence) {
            reasons.push(licence_not_allowed(rule, &self.allowed_licences));
        }
        reasons.extend(self.check_purpose(rule, purpose));
        if let Some(listing) = listing {
            reasons.extend(rule.check_files(listing));
        }
        verdict::settled(verdict::found_unless(reasons, Ok(rule)))
    }

    fn check_purpose(&self, rule: &DatasetRule, purpose: &str) -> Option<Reason> {
        let is_in = |purposes: &[String]| purposes.iter().any(|allowed| allowed == purpose);
        let (says, purposes, place) = if !is_in(&self.allowed_purposes) {
            (
                "the policy allows no data for",
                &self.allowed_purposes,
                "allowed_purposes",
            )
        } else if !is_in(&rule.purposes) {
            (
                "the policy does not allow it for",
                &rule.purposes,
                "purposes",
            )
        } else {
            return None;
        };
        let message = format!(
            "`{}`: {says} `{purpose}`; allowed: `{}`",
            rule.name,
            purposes.join("`, `")
        );
        let way = nearest(purpose, purposes.iter().map(String::as_str)).map_or_else(
            || format!("if its owner agrees, add \"{purpose}\" to `{place}`"),
            |known| format!("did you mean `{known}`? If not, and its owner agrees, add \"{purpose}\" to `{place}`"),
        );
        Some(Reason::new(Code::PurposeNotAllowed, message, way))
    }

    fn not_allowed(&self, name: &str, purpose: &str, listing: Option<&Listing>) -> Reason {
        let hint = nearest(name, self.datasets.iter().map(|rule| rule.name.as_str()))
            .map_or_else(String::new, |known| {
                format!("did you mean `{known}`? If not, ")
            });
        let message = format!("the dependency policy names no data set `{name}`");
        let lines = lines_to_add(name, purpose, listing);
        Reason::new(
            Code::DataNotAllowed,
            message,
            format!(
                "{hint}add, when you know where it is from and what its licence allows:\n{lines}"
            ),
        )
    }
}

impl DatasetRule {
    /// All that differs between the files that are here and the policy's.
    fn check_files(&self, listing: &Listing) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .files
            .iter()
            .filter_map(|file| file.check(listing.get(file.name.as_str())))
            .collect();
        let is_named = |name: &str| self.files.iter().any(|file| file.name.as_str() == name);
        let extra = listing.iter().filter(|(name, _)| !is_named(name));
        reasons.extend(extra.map(|(name, measured)| {
            let message = format!("`{name}` is there, and the policy does not name it");
            let way = format!("delete it, or add:\n{}", file_lines(name, Some(measured)));
            Reason::new(Code::FileExtra, message, way)
        }));
        reasons
    }
}

const FILE_WAY: &str =
    "fetch the data set again; change the policy only if you know why it changed";

impl FileRule {
    fn check(&self, measured: Option<&Measured>) -> Option<Reason> {
        let Some(measured) = measured else {
            let message = format!("`{}` is in the policy and is not there", self.name);
            let way = "fetch the data set again from where the policy names it";
            return Some(Reason::new(Code::FileMissing, message, way));
        };
        // Of a longer one no more was read than shows that it is longer.
        if measured.size_bytes() > self.size_bytes {
            let (name, most) = (&self.name, self.size_bytes);
            let message =
                format!("`{name}` is not the file of the policy: it is longer than {most} bytes");
            return Some(Reason::new(Code::DigestMismatch, message, FILE_WAY));
        }
        let is_same = measured.digest() == self.digest && measured.size_bytes() == self.size_bytes;
        (!is_same).then(|| {
            let message = format!(
                "`{}` is not the file of the policy: expected {} of {} bytes, got {} of {} bytes",
                self.name,
                self.digest,
                self.size_bytes,
                measured.digest(),
                measured.size_bytes()
            );
            Reason::new(Code::DigestMismatch, message, FILE_WAY)
        })
    }
}

fn licence_not_allowed(rule: &DatasetRule, allowed: &[String]) -> Reason {
    Reason::new(
        Code::LicenceNotAllowed,
        format!(
            "`{}` is under the licence `{}`; allowed: `{}`",
            rule.name,
            rule.licence,
            allowed.join("`, `")
        ),
        format!(
            "use other data, or, if its terms suit you, add \"{}\" to `allowed_licences`",
            rule.licence
        ),
    )
}

/// The TOML that would allow a data set, with what was measured of it, and in capitals what only a person knows.
fn lines_to_add(name: &str, purpose: &str, listing: Option<&Listing>) -> String {
    let files: Vec<String> = match listing {
        Some(listing) if !listing.is_empty() => listing
            .iter()
            .map(|(name, measured)| file_lines(name, Some(measured)))
            .collect(),
        _ => vec![file_lines("NAME", None)],
    };
    format!(
        "[[dataset]]\nname = {}\nsource = \"npm:PACKAGE@VERSION\"\nlicence = \"SPDX\"\npurposes = [{}]\n\n{}",
        quoted(name),
        quoted(purpose),
        files.join("\n")
    )
}

fn file_lines(name: &str, measured: Option<&Measured>) -> String {
    let (digest, size_bytes) = measured.map_or_else(
        || ("sha256:DIGEST".to_owned(), "SIZE".to_owned()),
        |measured| {
            (
                measured.digest().to_string(),
                measured.size_bytes().to_string(),
            )
        },
    );
    let name = quoted(name);
    format!(
        "[[dataset.file]]\nname = {name}\npath = {name}\ndigest = \"{digest}\"\nsize_bytes = {size_bytes}\n"
    )
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
