//! What stood in a step's root: programs and libraries, and whatever else somebody put there. The list of it is an artifact
//! of its own, which the provenance names; what it lists went in.

use std::collections::BTreeMap;

use digest::Digest;
use trust::artifact::{ArtifactError, FileEntry};
use trust::predicate::{Dataset, Provenance};
use trust::{Artifact, Bundle, Kind, Opaque, Predicate, Reason, Statement, TreePath};

use crate::ledger::{Ledger, Logged};
use crate::lineage::names;
use crate::train::unless_to_train;

/// The file of a model that says how it is laid out and nothing of what it learned, so that many models share it.
const LAYOUT: &str = "architecture.json";

/// Whether to have this one file of an artifact is to have something of it.
pub(crate) fn is_telling(kind: Kind, path: &str) -> bool {
    kind != Kind::Model || path != LAYOUT
}

/// The list of these files.
///
/// # Errors
/// There are none, or more than an artifact can have.
pub fn list(files: BTreeMap<TreePath, FileEntry>) -> Result<Artifact, ArtifactError> {
    Artifact::new(Kind::StepRoot, files)
}

/// The lists that a build's bundle names, believed or not: each certifies itself by its digest.
#[must_use]
pub fn lists_named_in(bundle: &[u8]) -> Vec<Digest> {
    let named = || {
        let bundle = Bundle::parse(bundle).ok()?;
        let statement = Statement::<Opaque>::parse(&bundle.envelope().payload).ok()?;
        let provenance = Provenance::read(statement.predicate.predicate).ok()?;
        Some(provenance.root_lists().collect())
    };
    named().unwrap_or_default()
}

/// Why a step may not have this root: data that a policy speaks of comes in under that policy, also when it is included as
/// if it were a program.
pub(crate) fn data_not_allowed(ledger: &Ledger<'_>, root: &Artifact) -> Vec<Reason> {
    let within = names(root);
    // It is data though the key of who said so is over; and it is allowed if that key holds.
    let (data, allowed) = (
        ledger.about_to_forbid::<Dataset>(&within).believed,
        ledger.about::<Dataset>(&within).believed,
    );
    let (data, allowed) = (by_file(&data), by_file(&allowed));
    let mut reasons = Vec::new();
    for (path, file) in root.files() {
        // The empty file is part of everything.
        if file.size_bytes == 0 || !data.contains_key(&file.digest) {
            continue;
        }
        let what = format!("the file `{path}` of the step's root, which is part of a data set,");
        let allowed = allowed.get(&file.digest).map(Vec::as_slice);
        reasons.extend(unless_to_train(allowed.unwrap_or_default(), &what));
    }
    reasons
}

fn by_file(said: &[Logged<Dataset>]) -> BTreeMap<Digest, Vec<&Dataset>> {
    let mut by_file: BTreeMap<Digest, Vec<&Dataset>> = BTreeMap::new();
    for statement in said.iter().map(|logged| logged.statement.value()) {
        for subject in &statement.subjects {
            let said = by_file.entry(subject.digest).or_default();
            said.push(&statement.predicate);
        }
    }
    by_file
}
