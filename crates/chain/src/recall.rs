//! The stage `recall`: something is bad, and so is all that descends from it.
//!
//! In: what is recalled, and why. Must hold: the name is one that the log can be searched for. Out: a recall.
//! Denies: nothing; every later gate does. Logs: the recall.

use digest::Digest;
use policy::recall::Ancestry;
use trust::log::Entry;
use trust::predicate::{
    Dataset, Deployment, ModelSignature, Publish, Recall, RecallKind, ScanReport,
};
use trust::{Artifact, KeyId, Kind, Predicate, Reason, Statement, Subject, Time, TrustRoot};

use crate::ledger::{Fault, Ledger};
use crate::lineage::{Lineage, names};

/// The statement that recalls a target: a digest `sha256:…`, a builder's id, or a key's id.
#[must_use]
pub fn statement(kind: RecallKind, target: &str, reason: &str, now: Time) -> Statement<Recall> {
    let predicate = Recall {
        kind,
        target: target.to_owned(),
        reason: reason.to_owned(),
        recalled_at: now,
    };
    let subject = Subject {
        name: target.to_owned(),
        digest: predicate.subject(),
    };
    Statement {
        subjects: vec![subject],
        predicate,
    }
}

/// Whether anything is known here that a recall of this target would be felt by: else it may be a slip of the pen, or come
/// before what it is about.
#[must_use]
pub fn is_known(ledger: &Ledger<'_>, root: &TrustRoot, kind: RecallKind, target: &str) -> bool {
    let digest = target.parse::<Digest>().ok();
    let builds = ledger.builds().believed;
    let mut builds = builds.iter().map(|logged| logged.statement.value());
    match kind {
        RecallKind::Builder => builds.any(|build| build.predicate.run_details.builder.id == target),
        RecallKind::Key => digest.is_some_and(|key| root.key(key).is_some()),
        RecallKind::Dataset | RecallKind::Model => digest.is_some_and(|digest| {
            let is_part = |artifact: &Artifact| names(artifact).contains(&digest);
            // An earlier recall of the same says nothing of it.
            let says_more = |entry: &&Entry| entry.predicate_type() != Recall::TYPE;
            let mut entries = ledger.entries().iter().filter(says_more);
            ledger.artifacts().iter().any(is_part)
                || entries.any(|entry| entry.subjects().contains(&digest))
                || builds.any(|build| {
                    build.is_about(digest) || build.predicate.materials().any(|m| m == digest)
                })
        }),
    }
}

/// Why an artifact may no longer be used, if it, or anything that it descends from, was recalled.
///
/// # Errors
/// A recall can't be checked.
pub fn recalled(ledger: &Ledger<'_>, artifact: &Artifact) -> Result<Vec<Reason>, Fault> {
    let recalls = ledger.recalls()?;
    if recalls.believed.is_empty() {
        return Ok(Vec::new());
    }
    Ok(policy::recall::reasons(
        &recalls.verified(),
        &ancestry(ledger, artifact)?,
    ))
}

/// Why what a key signed may no longer be used, if that key was recalled.
///
/// # Errors
/// A recall can't be checked.
pub fn recalled_key(ledger: &Ledger<'_>, key: KeyId) -> Result<Vec<Reason>, Fault> {
    let ancestry = Ancestry {
        keys: [key].into(),
        ..Ancestry::default()
    };
    let recalls = ledger.recalls()?;
    Ok(policy::recall::reasons(&recalls.verified(), &ancestry))
}

/// What a recall can name: the artifact's lineage, and the keys that vouch for it.
fn ancestry(ledger: &Ledger<'_>, artifact: &Artifact) -> Result<Ancestry, Fault> {
    let Lineage {
        mut digests,
        builders,
        mut keys,
    } = Lineage::of(artifact, ledger)?;
    // The same data under other file names is the same data.
    for dataset in ledger
        .artifacts()
        .iter()
        .filter(|a| a.kind() == Kind::DataSet)
    {
        if dataset
            .files()
            .values()
            .all(|file| digests.contains(&file.digest))
        {
            digests.insert(dataset.digest());
        }
    }
    let about = names(artifact);
    keys.extend(
        ledger
            .about::<ModelSignature>(&about)
            .believed
            .iter()
            .map(|l| l.statement.proof().key),
    );
    keys.extend(
        ledger
            .about::<ScanReport>(&about)
            .believed
            .iter()
            .map(|l| l.statement.proof().key),
    );
    keys.extend(
        ledger
            .about::<Publish>(&about)
            .believed
            .iter()
            .map(|l| l.statement.proof().key),
    );
    keys.extend(
        ledger
            .about::<Deployment>(&about)
            .believed
            .iter()
            .map(|l| l.statement.proof().key),
    );
    keys.extend(
        ledger
            .about::<Dataset>(&digests)
            .believed
            .iter()
            .map(|l| l.statement.proof().key),
    );
    Ok(Ancestry {
        digests,
        builders,
        keys,
    })
}
