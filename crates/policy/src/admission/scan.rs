//! The scan requirement. It fails closed: what was not read, or not as these bytes, was not scanned.

use std::collections::BTreeSet;

use digest::Digest;
use trust::predicate::{ScanReport, ScanVerdict, ScannedFile};
use trust::{Artifact, Code, Denied, Reason, Statement, Time, Verified};

use super::AdmissionRules;
use crate::verdict::{first_allowed, found_unless};

type Scan = Verified<Statement<ScanReport>>;

/// The newest scan that read every file, if it found nothing and none ever found harm.
pub(super) fn clean(
    rules: &AdmissionRules,
    subject: &Artifact,
    scans: &[&Scan],
    now: Time,
) -> Result<Digest, Denied> {
    let in_time = |scan: &&Scan| rules.check_age("scan", scanned_at(scan), now).is_none();
    let newest = scans
        .iter()
        .copied()
        .filter(|scan| covers(subject, report(scan)))
        .filter(in_time)
        // Of two at one time the worse one counts.
        .max_by_key(|scan| (scanned_at(scan), severity(worst(subject, report(scan)))));
    let clean = first_allowed(
        newest.as_slice(),
        |newest| found(rules, subject, report(newest)),
        || missing(rules, subject, scans, now),
    );
    let bundle = clean.map(|scan| scan.proof().bundle);
    found_unless(harm(subject, scans), bundle)
}

/// Harm that any scan found in any of these files: a newer scan that sees nothing does not undo it.
fn harm(subject: &Artifact, scans: &[&Scan]) -> Vec<Reason> {
    let files = scans
        .iter()
        .flat_map(|scan| files_of(subject, report(scan)));
    files
        .filter(|file| file.verdict == ScanVerdict::Malicious)
        .map(|file| verdict_reason(&file, ScanVerdict::Malicious))
        .collect()
}

/// What a report that covers the model found in it.
fn found(rules: &AdmissionRules, subject: &Artifact, report: &ScanReport) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for file in files_of(subject, report) {
        match effective(&file) {
            // Told by `harm` already.
            ScanVerdict::Malicious => {}
            ScanVerdict::Clean => reasons.extend(check_format(rules, &file)),
            other => reasons.push(verdict_reason(&file, other)),
        }
    }
    // A report whose word over all is worse than over each of these files knows more than it lists.
    let worst_file = worst(subject, report);
    if severity(report.verdict) > severity(worst_file) {
        let message = format!("the scan calls the model {}", report.verdict.as_str());
        reasons.push(Reason::new(code(report.verdict), message, WAY));
    }
    reasons
}

fn check_format(rules: &AdmissionRules, file: &ScannedFile) -> Option<Reason> {
    let formats = rules.formats.as_ref()?;
    (!formats.contains(&file.format)).then(|| {
        let allowed: Vec<_> = formats.iter().map(String::as_str).collect();
        Reason::new(
            Code::ScanSuspicious,
            format!(
                "`{}` is of the format `{}`; allowed: `{}`",
                file.name,
                file.format,
                allowed.join("`, `")
            ),
            "convert the model to an allowed format",
        )
    })
}

fn missing(rules: &AdmissionRules, subject: &Artifact, scans: &[&Scan], now: Time) -> Reason {
    let covering = scans.iter().filter(|scan| covers(subject, report(scan)));
    let newest = covering.map(|scan| scanned_at(scan)).max();
    let message = newest
        .and_then(|time| rules.check_age("scan", time, now))
        .unwrap_or_else(|| format!("no scan read all files of the model {}", subject.digest()));
    Reason::new(Code::ScanMissing, message, "scan it with `modelward scan`")
}

/// Whether a report names every file of the model with its bytes.
pub(crate) fn covers(subject: &Artifact, report: &ScanReport) -> bool {
    let scanned = report.files.iter().map(|file| (file.name, file.digest));
    let scanned: BTreeSet<_> = scanned.collect();
    let mut files = subject.files().iter();
    files.all(|(path, file)| scanned.contains(&(path.to_owned(), file.digest)))
}

/// What a report says of the bytes of this model, whatever it calls the files.
pub(crate) fn files_of<'a>(
    subject: &Artifact,
    report: &'a ScanReport,
) -> impl Iterator<Item = ScannedFile> + 'a {
    let files = subject.files().values();
    let ours: BTreeSet<Digest> = files.map(|file| file.digest).collect();
    report
        .files
        .iter()
        .filter(move |scanned| ours.contains(&scanned.digest))
}

fn worst(subject: &Artifact, report: &ScanReport) -> ScanVerdict {
    let verdicts = files_of(subject, report).map(|file| effective(&file));
    let worst = verdicts.max_by_key(|verdict| severity(*verdict));
    worst.unwrap_or(ScanVerdict::Inconclusive)
}

pub(crate) const fn severity(verdict: ScanVerdict) -> u8 {
    match verdict {
        ScanVerdict::Clean => 0,
        ScanVerdict::Inconclusive => 1,
        ScanVerdict::Suspicious => 2,
        ScanVerdict::Malicious => 3,
    }
}

/// A file of which something was not read is not clean, whatever the report calls it.
pub(crate) fn effective(file: &ScannedFile) -> ScanVerdict {
    match file.verdict {
        ScanVerdict::Clean if !file.not_read.is_empty() => ScanVerdict::Inconclusive,
        verdict => verdict,
    }
}

const WAY: &str =
    "get the model from a source you trust, or convert it to safetensors, and scan it again";

pub(crate) fn verdict_reason(file: &ScannedFile, verdict: ScanVerdict) -> Reason {
    let rules: Vec<_> = file.findings.keys().map(String::as_str).collect();
    let because = match (rules.is_empty(), file.not_read.is_empty()) {
        (false, _) => format!(" by `{}`", rules.join("`, `")),
        (true, false) => format!(": {}", file.not_read.join(", ")),
        (true, true) => String::new(),
    };
    let message = format!(
        "the scan calls `{}` {}{because}",
        file.name,
        verdict.as_str()
    );
    Reason::new(code(verdict), message, WAY)
}

const fn code(verdict: ScanVerdict) -> Code {
    match verdict {
        ScanVerdict::Malicious => Code::ScanMalicious,
        ScanVerdict::Suspicious => Code::ScanSuspicious,
        ScanVerdict::Inconclusive | ScanVerdict::Clean => Code::ScanInconclusive,
    }
}

fn report(scan: &Scan) -> &ScanReport {
    &scan.value().predicate
}

fn scanned_at(scan: &Scan) -> Time {
    report(scan).scanned_at
}
