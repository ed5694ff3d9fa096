//! Statements that a line of the log names and the store has lost. A gate that misses one says so: to say it again does not
//! bring back what was said, and "nobody said it" would not be true.

use std::collections::BTreeSet;

use digest::Digest;
use trust::log::Entry;
use trust::predicate::{Dataset, ModelSignature, Provenance, ScanReport};
use trust::{Code, Denied, Predicate, Reason, Verdict};

use crate::ledger::Ledger;

/// The reasons of a no, in which what is lost stands in the place of "nobody said it", whose code is `missing`.
pub(crate) fn told<P: Predicate>(
    ledger: &Ledger<'_>,
    subjects: &BTreeSet<Digest>,
    missing: Code,
    mut reasons: Vec<Reason>,
) -> Vec<Reason> {
    let lost = lost::<P>(ledger, subjects);
    if lost.is_empty() || reasons.is_empty() {
        return reasons;
    }
    // Where another one is believed, the reason is about that one.
    if ledger.about::<P>(subjects).believed.is_empty() {
        reasons.retain(|reason| reason.code != missing);
    }
    [lost, reasons].concat()
}

/// A verdict, whose no is told as [`told`] tells it.
pub(crate) fn told_of<P: Predicate, T>(
    ledger: &Ledger<'_>,
    subjects: &BTreeSet<Digest>,
    missing: Code,
    verdict: Verdict<T>,
) -> Verdict<T> {
    let Verdict::Denied(denied) = &verdict else {
        return verdict;
    };
    let reasons = denied.reasons().cloned().collect();
    let told = Denied::from_reasons(told::<P>(ledger, subjects, missing, reasons));
    told.map_or(verdict, Verdict::Denied)
}

fn lost<P: Predicate>(ledger: &Ledger<'_>, subjects: &BTreeSet<Digest>) -> Vec<Reason> {
    let lines = ledger.entries().iter().enumerate();
    let about = lines.filter(|(_, entry)| {
        let mut named = entry.subjects().iter();
        entry.predicate_type() == P::TYPE && named.any(|subject| subjects.contains(subject))
    });
    about
        .filter(|(_, entry)| ledger.bundle(entry.bundle()).is_none())
        .map(|(index, entry)| reason(index, entry, "is about it"))
        .collect()
}

/// Why these files may not be used as if nothing were known of them: a statement that is or may be about one of them is
/// lost. Of a build or data set the line names the files; of what was scanned or signed only the whole, which may be one
/// that nothing else tells of.
pub(crate) fn that_may_be_about<'a>(
    ledger: &Ledger<'_>,
    files: impl IntoIterator<Item = &'a Digest>,
) -> Vec<Reason> {
    let files: BTreeSet<&Digest> = files.into_iter().collect();
    let is_known = |whole: &Digest| {
        let mut artifacts = ledger.artifacts();
        artifacts.any(|it| it.digest() == *whole || it.signing_root() == *whole)
    };
    let may_be_about = |entry: &Entry| match entry.predicate_type() {
        Dataset::TYPE | Provenance::TYPE => {
            entry.more() > 0
                || entry
                    .subjects()
                    .iter()
                    .any(|subject| files.contains(subject))
        }
        ScanReport::TYPE | ModelSignature::TYPE => !entry.subjects().iter().any(is_known),
        _ => false,
    };
    let lines = ledger.entries().iter().enumerate();
    let lost = lines.filter(|(_, entry)| ledger.bundle(entry.bundle()).is_none());
    lost.filter(|(_, entry)| may_be_about(entry))
        .map(|(index, entry)| reason(index, entry, "is or may be about a file of the step's root"))
        .collect()
}

fn reason(line: usize, entry: &Entry, about: &str) -> Reason {
    Reason::new(
        Code::StoreDamaged,
        format!(
            "line {line} of the log names a statement that {about} ({}), and its bundle {} is missing from the store, or damaged",
            entry.predicate_type(),
            entry.bundle()
        ),
        "restore that blob of the store from a backup; `modelward store verify` names all that is missing or damaged",
    )
}
