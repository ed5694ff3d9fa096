//! `https://modelward.dev/scan/v1`: what a scan of a model's files found.

use std::collections::BTreeMap;

use decode::json::Raw;
use digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Predicate, read_as};

mod files;

use crate::{Error, Role, Time};
pub use files::ScannedFiles;

/// A scan read these files, with this result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScanReport {
    /// The scanner and its version.
    pub scanner: String,
    /// The digest of the rules it went by.
    #[serde(with = "crate::digest_text")]
    pub rules: Digest,
    /// The worst of the files' verdicts.
    pub verdict: ScanVerdict,
    /// What was read; every file of the model.
    pub files: ScannedFiles,
    /// When.
    pub scanned_at: Time,
}

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScannedFile {
    /// Its name in the model.
    pub name: String,
    /// The digest of the bytes that were scanned.
    #[serde(with = "crate::digest_text")]
    pub digest: Digest,
    /// Its format, as its content shows it.
    pub format: String,
    /// The verdict on it.
    pub verdict: ScanVerdict,
    /// How often each rule found something.
    pub findings: BTreeMap<String, u64>,
    /// What was not read, and why.
    pub not_read: Vec<String>,
}

/// What a scan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanVerdict {
    /// Read to the last byte, and everything in it is known to be harmless.
    Clean,
    /// Not understood to the last byte.
    Inconclusive,
    /// Holds what no plain model needs.
    Suspicious,
    /// Would run code or do harm.
    Malicious,
}

impl ScanVerdict {
    /// How bad it is: the verdict on a model is the worst on its files.
    #[must_use]
    pub const fn severity(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Suspicious => 1,
            Self::Inconclusive => 2,
            Self::Malicious => 3,
        }
    }

    /// The verdict's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Inconclusive => "inconclusive",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }
}

impl Predicate for ScanReport {
    const TYPE: &'static str = "https://modelward.dev/scan/v1";
    const ROLE: Role = Role::Scan;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read_as(predicate)
    }
}
