//! What a scan found, and what it could not read.

use std::collections::HashSet;

use crate::rules::{Id, Rule};
use crate::verdict::{Coverage, Severity, Verdict};

/// What a scan says of one file.
#[derive(Debug)]
pub struct Report {
    /// The one word.
    pub verdict: Verdict,
    /// What the file is, by its content.
    pub format: Format,
    /// What was found, in the order of reading; at most 256, the worst kept.
    pub findings: Vec<Finding>,
    /// Why not everything was read and understood; empty if it was.
    pub not_read: Vec<String>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Where, in bytes from the start of the file or of the member named by `place`.
    pub offset: u64,
    /// Which member of an archive, `/`-joined where archives nest; empty for the file itself.
    pub place: String,
    /// What exactly, for a person.
    pub what: String,
}

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A safetensors file.
    Safetensors,
    /// One or more pickle streams.
    Pickle,
    /// The pickle streams and raw storages of older torch versions.
    TorchLegacy,
    /// A zip container with a `data.pkl`, as torch writes it.
    TorchZip,
    /// Another zip container.
    Zip,
    /// A JSON document.
    Json,
    /// Plain text.
    Text,
    /// Nothing this version knows.
    Unknown,
}

impl Format {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Pickle => "pickle",
            Self::TorchLegacy => "torch-legacy",
            Self::TorchZip => "torch-zip",
            Self::Zip => "zip",
            Self::Json => "json",
            Self::Text => "text",
            Self::Unknown => "unknown",
        }
    }
}

/// The most findings a report holds.
pub(crate) const FINDINGS_MAX: usize = 256;

/// The most reasons for incomplete coverage a report holds.
const REASONS_MAX: usize = 64;

/// What is found while reading.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    reasons: Vec<String>,
    place: String,
    seen: HashSet<(&'static str, String, String)>,
}

impl Findings {
    /// Records a finding; the same thing found again in the same place counts once.
    pub(crate) fn add(&mut self, id: Id, offset: u64, what: impl Into<String>) {
        let rule = id.rule();
        self.push(Finding {
            rule,
            severity: rule.severity,
            offset,
            place: self.place.clone(),
            what: what.into(),
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.list.len() >= FINDINGS_MAX {
            // Full: only something worse than all before may take the last place.
            let worst = self.worst();
            if Some(finding.severity) > worst {
                self.list.pop();
                self.list.push(finding);
            }
            return;
        }
        let key = (finding.rule.id, finding.place.clone(), finding.what.clone());
        if self.seen.insert(key) {
            self.list.push(finding);
        }
    }

    /// Records why not everything was read.
    pub(crate) fn not_read(&mut self, why: impl Into<String>) {
        let why = why.into();
        let reason = match self.place.as_str() {
            "" => why,
            place => format!("{place}: {why}"),
        };
        if self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Runs `scan` with the place set to a member of where we are.
    pub(crate) fn within<T>(&mut self, member: &str, scan: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.place.len();
        if outer > 0 {
            self.place.push('/');
        }
        self.place.extend(member.escape_debug().take(256));
        let result = scan(self);
        self.place.truncate(outer);
        result
    }

    /// Somewhere to record what may not count, at the same place.
    pub(crate) fn apart(&self) -> Self {
        Self {
            place: self.place.clone(),
            ..Self::default()
        }
    }

    /// Takes over everything recorded apart.
    pub(crate) fn absorb(&mut self, other: Self) {
        for finding in other.list {
            self.push(finding);
        }
        self.reasons.extend(other.reasons);
        self.reasons.truncate(REASONS_MAX);
    }

    /// Takes over a hostile pickle that was found where none belongs; anything less is chance.
    pub(crate) fn absorb_hostile(&mut self, other: &Self, offset: u64) {
        let malicious = |finding: &&Finding| finding.severity == Severity::Malicious;
        for finding in other.list.iter().filter(malicious) {
            self.add(Id::NestedPickle, offset, finding.what.clone());
        }
    }

    /// Whether nothing was left unread so far.
    pub(crate) fn is_complete(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(crate) fn worst(&self) -> Option<Severity> {
        self.list.iter().map(|finding| finding.severity).max()
    }

    pub(crate) fn into_report(self, format: Format) -> Report {
        let coverage = match self.reasons.is_empty() {
            true => Coverage::Complete,
            false => Coverage::Incomplete,
        };
        Report {
            verdict: Verdict::combine(self.worst(), coverage),
            format,
            findings: self.list,
            not_read: self.reasons,
        }
    }
}
