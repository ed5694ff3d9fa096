//! The stage `recall`: something is bad, and so is all that descends from it.
//!
//! In: what is recalled, and why. Must hold: the name is one that the log can be searched for. Out: a recall.
//! Denies: nothing; every later gate does. Logs: the recall.

use std::collections::{BTreeMap, BTreeSet};

use digest::Digest;
use policy::recall::Ancestry;
use trust::artifact::FileEntry;
use trust::log::Entry;
use trust::predicate::{
    Approval, CycloneDx, Dataset, Deployment, Exception, ModelSignature, Publish, Recall,
    RecallKind, ScanReport, ScannedFile, Spdx,
};
use trust::{
    Artifact, Error, KeyId, Kind, Predicate, Reason, Statement, Subject, Time, TrustRoot, Verified,
};

use crate::ledger::{Fault, Ledger};
use crate::lineage::{Lineage, names};
use crate::step_root::is_telling;

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
            ledger.artifacts().any(is_part)
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
    let recalls = recalls.verified();
    if recalls.is_empty() {
        return Ok(Vec::new());
    }
    let lineage = match Lineage::of(artifact, ledger) {
        Ok(lineage) => lineage,
        Err(fault) => {
            return match forgotten(&recalls, &fault) {
                reasons if reasons.is_empty() => Err(fault),
                reasons => Ok(reasons),
            };
        }
    };
    let unread = lineage.unread.first().copied();
    let reasons =
        policy::recall::reasons(&recalls, &ancestry(ledger, artifact, lineage, &recalls)?);
    match unread {
        // What can't be seen may be what was recalled.
        Some(list) if reasons.is_empty() && targets(&recalls).next().is_some() => {
            Err(Fault::RootList { list })
        }
        _ => Ok(reasons),
    }
}

/// The data sets, models and files that were recalled.
fn targets<'a>(recalls: &'a [&Stated]) -> impl Iterator<Item = Digest> + 'a {
    let recalls = recalls.iter().map(|stated| &stated.value().predicate);
    let things =
        recalls.filter(|recall| matches!(recall.kind, RecallKind::Dataset | RecallKind::Model));
    things.filter_map(|recall| policy::recall::digest_of(&recall.target))
}

/// Why what a key signed may no longer be used, if that key was recalled.
///
/// # Errors
/// A recall can't be checked.
pub fn recalled_key(ledger: &Ledger<'_>, key: KeyId) -> Result<Vec<Reason>, Fault> {
    let recalls = ledger.recalls()?;
    Ok(of_key(&recalls.verified(), key, "it signs here"))
}

/// Why what this key says in this builder's name may no longer be used, if either was recalled.
///
/// # Errors
/// A recall can't be checked.
pub fn recalled_builder(
    ledger: &Ledger<'_>,
    builder: &str,
    key: KeyId,
) -> Result<Vec<Reason>, Fault> {
    let ancestry = Ancestry {
        builders: [(builder.to_owned(), "it builds here".to_owned())].into(),
        keys: [(key, "it signs here".to_owned())].into(),
        ..Ancestry::default()
    };
    Ok(policy::recall::reasons(
        &ledger.recalls()?.verified(),
        &ancestry,
    ))
}

fn of_key(recalls: &[&Stated], key: KeyId, clause: &str) -> Vec<Reason> {
    let ancestry = Ancestry {
        keys: [(key, clause.to_owned())].into(),
        ..Ancestry::default()
    };
    policy::recall::reasons(recalls, &ancestry)
}

type Stated = Verified<Statement<Recall>>;

/// What is known though an ancestor's build can't be believed: that the key which is said to have signed it was recalled,
/// before the trust root forgot it.
fn forgotten(recalls: &[&Stated], fault: &Fault) -> Vec<Reason> {
    let Fault::Unreadable { bundle, cause } = fault else {
        return Vec::new();
    };
    let clause = format!(
        "it is named in the build {}, and the trust root has forgotten it",
        bundle.short()
    );
    match **cause {
        Error::KeyUnknown { key: Some(key) } => of_key(recalls, key, &clause),
        _ => Vec::new(),
    }
}

/// What a recall can name: the artifact's lineage, and the keys that vouch for it.
fn ancestry(
    ledger: &Ledger<'_>,
    artifact: &Artifact,
    lineage: Lineage,
    recalls: &[&Stated],
) -> Result<Ancestry, Fault> {
    let Lineage {
        mut digests,
        builders,
        mut keys,
        in_roots,
        ..
    } = lineage;
    in_part(ledger, &in_roots, &mut digests);
    same_files(ledger, recalls, &in_roots, &mut digests)?;
    let of_keys = |stated: &&Stated| stated.value().predicate.kind == RecallKind::Key;
    // Only then does it matter who signed, and close the gate if it can't be told.
    if recalls.iter().any(of_keys) {
        let own = names(artifact);
        let all = digests.keys().copied();
        let all: BTreeSet<Digest> = all.filter(|digest| !is_of_nothing(*digest)).collect();
        let mut vouching = vouching::<Dataset>(ledger, &all, "data set")?;
        // A step builds on a base that was signed, and that a scan may have called clean.
        vouching.extend(self::vouching::<ModelSignature>(ledger, &all, "signature")?);
        vouching.extend(self::vouching::<ScanReport>(ledger, &all, "scan")?);
        vouching.extend(self::vouching::<Publish>(ledger, &own, "publication")?);
        vouching.extend(self::vouching::<Deployment>(ledger, &own, "deployment")?);
        vouching.extend(self::vouching::<Approval>(ledger, &own, "approval")?);
        vouching.extend(self::vouching::<Exception>(ledger, &own, "exception")?);
        vouching.extend(self::vouching::<CycloneDx>(ledger, &own, "list")?);
        vouching.extend(self::vouching::<Spdx>(ledger, &own, "list")?);
        for (key, clause) in vouching {
            keys.entry(key).or_insert(clause);
        }
    }
    Ok(Ancestry {
        digests,
        builders,
        keys,
    })
}

/// What stood in a step's root with one of its files, as if that were a program: no policy and no signature is about the
/// file alone, and so it stands for the whole.
fn in_part(
    ledger: &Ledger<'_>,
    in_roots: &BTreeSet<Digest>,
    digests: &mut BTreeMap<Digest, String>,
) {
    let wholes = ledger.artifacts();
    for whole in wholes.filter(|artifact| artifact.kind() != Kind::StepRoot) {
        let mut files = whole.files().iter();
        let found = files
            .find(|(path, file)| in_roots.contains(&file.digest) && is_telling(whole.kind(), path));
        if let Some((path, _)) = found {
            let clause = || format!("its file `{path}` stood in the root of a step");
            for digest in [whole.digest(), whole.signing_root()] {
                digests.entry(digest).or_insert_with(clause);
            }
        }
    }
}

/// The same files under other names are the same thing, and one of them in a step's root is enough.
fn same_files(
    ledger: &Ledger<'_>,
    recalls: &[&Stated],
    in_roots: &BTreeSet<Digest>,
    digests: &mut BTreeMap<Digest, String>,
) -> Result<(), Fault> {
    for target in targets(recalls) {
        if digests.contains_key(&target) {
            continue;
        }
        let lists = files_of(ledger, target)?;
        let all_in = |files: &Vec<Part>| {
            let mut files = files.iter().filter(|part| !is_of_nothing(part.digest));
            let is_any = files.clone().next().is_some();
            is_any && files.all(|part| digests.contains_key(&part.digest))
        };
        let in_root = |part: &Part| part.is_telling && in_roots.contains(&part.digest);
        let clause = if lists.iter().any(all_in) {
            "all its files went in, under whatever names"
        } else if lists.iter().flatten().any(in_root) {
            "one of its files stood in the root of a step"
        } else {
            continue;
        };
        digests.insert(target, clause.to_owned());
    }
    Ok(())
}

/// Whether this is the empty file, which is part of everything: to have it is to have nothing of anybody.
fn is_of_nothing(file: Digest) -> bool {
    file == Digest::of(&[])
}

/// A file of what may have been recalled.
struct Part {
    digest: Digest,
    is_telling: bool,
}

impl Part {
    fn of(kind: Kind, path: &str, digest: Digest) -> Self {
        Self {
            digest,
            is_telling: is_telling(kind, path),
        }
    }
}

/// The files of a data set or model, by its manifest and by what was said of it, a recall of it among that, each of which
/// may be gone; nothing for a file.
///
/// # Errors
/// It was said to be data or a model, and of what files can't be read anywhere.
fn files_of(ledger: &Ledger<'_>, whole: Digest) -> Result<Vec<Vec<Part>>, Fault> {
    let about = BTreeSet::from([whole]);
    let datasets = ledger.about_to_forbid::<Dataset>(&about);
    let scans = ledger.about_to_forbid::<ScanReport>(&about);
    let recalls = ledger.about_to_forbid::<Recall>(&about).believed;
    let reports = scans.believed.iter();
    let scanned = reports.map(|l| {
        let files = l.statement.value().predicate.files.iter();
        let part = |file: ScannedFile| Part::of(Kind::Model, &file.name, file.digest);
        files.map(part).collect()
    });
    let added = datasets.believed.iter();
    let added = added.filter_map(|l| parts(Kind::DataSet, whole, &l.statement.value().subjects));
    let recalled = recalls.iter().filter_map(|l| {
        let statement = l.statement.value();
        let kind = match statement.predicate.kind {
            RecallKind::Model => Kind::Model,
            _ => Kind::DataSet,
        };
        parts(kind, whole, &statement.subjects)
    });
    let kept = ledger.artifact(whole).map(|it| {
        let files = it.files().iter();
        let part = |(path, file): (&str, &FileEntry)| Part::of(it.kind(), path, file.digest);
        files.map(part).collect()
    });
    let lists: Vec<Vec<Part>> = kept
        .into_iter()
        .chain(added)
        .chain(scanned)
        .chain(recalled)
        .collect();
    let is_file = |it: &Artifact| it.files().values().any(|file| file.digest == whole);
    let is_explained = || !datasets.believed.is_empty() || ledger.artifacts().any(is_file);
    let mut refused = datasets.refused.into_iter().chain(scans.refused);
    match refused.next() {
        Some((bundle, cause)) if lists.is_empty() && !is_explained() => Err(Fault::Unreadable {
            bundle,
            cause: Box::new(cause),
        }),
        _ => Ok(lists),
    }
}

/// The files that a statement about a whole names after it.
fn parts(kind: Kind, whole: Digest, subjects: &[Subject]) -> Option<Vec<Part>> {
    let (first, files) = subjects.split_first()?;
    let is_list = first.digest == whole && !files.is_empty();
    let part = |file: &Subject| Part::of(kind, &file.name, file.digest);
    is_list.then(|| files.iter().map(part).collect())
}

/// The keys that signed the statements of type `P` about any of these, each with which one it signed.
fn vouching<P: Predicate>(
    ledger: &Ledger<'_>,
    about: &BTreeSet<Digest>,
    what: &str,
) -> Result<Vec<(KeyId, String)>, Fault> {
    let signers = signers::<P>(ledger, about)?.into_iter();
    let clause = |bundle: Digest| format!("it signed the {what} {}", bundle.short());
    Ok(signers.map(|(bundle, key)| (key, clause(bundle))).collect())
}

/// Who signed the statements of type `P` about any of these: whether or not the key still holds, has the role, or is in the
/// root. Of a key that the root has forgotten there is the name in the bundle alone: a claim, which can forbid and no more.
///
/// # Errors
/// A statement says nothing of who signed it.
pub(crate) fn signers<P: Predicate>(
    ledger: &Ledger<'_>,
    about: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, KeyId>, Fault> {
    let found = ledger.about_to_forbid::<P>(about);
    let proofs = found.believed.iter().map(|l| l.statement.proof());
    let mut signers: BTreeMap<_, _> = proofs.map(|proof| (proof.bundle, proof.key)).collect();
    for (bundle, cause) in found.refused {
        signers.insert(bundle, claimed_signer(bundle, cause)?);
    }
    Ok(signers)
}

/// Who signed this one, as [`signers`]; `None` if it is not there.
///
/// # Errors
/// It says nothing of who signed it.
pub(crate) fn signer<P: Predicate>(
    ledger: &Ledger<'_>,
    about: &BTreeSet<Digest>,
    wanted: Digest,
) -> Result<Option<KeyId>, Fault> {
    let found = ledger.about_to_forbid::<P>(about);
    let mut proofs = found.believed.iter().map(|l| l.statement.proof());
    if let Some(proof) = proofs.find(|proof| proof.bundle == wanted) {
        return Ok(Some(proof.key));
    }
    let refused = found
        .refused
        .into_iter()
        .find(|(bundle, _)| *bundle == wanted);
    let claimed = refused.map(|(bundle, cause)| claimed_signer(bundle, cause));
    claimed.transpose()
}

/// The key that a bundle names as its own, when that is all that keeps it from being believed.
fn claimed_signer(bundle: Digest, cause: Error) -> Result<KeyId, Fault> {
    match cause {
        Error::KeyUnknown { key: Some(key) } => Ok(key),
        cause => Err(Fault::Unreadable {
            bundle,
            cause: Box::new(cause),
        }),
    }
}
