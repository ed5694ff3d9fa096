//! The stage `scan`: what a reader of hostile files found in a model.
//!
//! In: the model's files and each file's findings. Must hold: every file was scanned. Out: a scan report.
//! Denies: nothing; the verdict does, at `admit`. Logs: the report, whatever its verdict.

use digest::Digest;
use trust::predicate::{ScanReport, ScannedFile, ScannedFiles};
use trust::{Artifact, Statement, Subject, Time};

/// The statement about a scan of all files of a model. `None` when the scanned files are not the model's.
#[must_use]
pub fn statement(
    name: &str,
    artifact: &Artifact,
    files: ScannedFiles,
    scanner: &str,
    rules: Digest,
    now: Time,
) -> Option<Statement<ScanReport>> {
    let stated = artifact
        .files()
        .iter()
        .map(|(path, file)| (path, file.digest));
    let is_same = |((path, digest), file): ((&str, Digest), ScannedFile)| {
        path == file.name && digest == file.digest
    };
    if artifact.files().len() != files.len() || !stated.zip(files.iter()).all(is_same) {
        return None;
    }
    let verdict = files
        .iter()
        .map(|file| file.verdict)
        .max_by_key(|verdict| verdict.severity())?;
    let report = ScanReport {
        scanner: scanner.to_owned(),
        rules,
        verdict,
        files,
        scanned_at: now,
    };
    Some(Statement {
        subjects: vec![Subject {
            name: name.to_owned(),
            digest: artifact.digest(),
        }],
        predicate: report,
    })
}
